/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* verify: prompt, identify, connect, compare. authtok: identify, connect, look up, hand over. Both
 * then become the external user, where that is wanted. */
#include "pam_module/call.h"

#include "common/secret.h"

#include <security/pam_ext.h>
#include <string.h>
#include <syslog.h>

static bool wants_external_user(const struct call *call)
{
    return call->options.user == LOGIN_USER_EXTERNAL;
}

/* ---- verify ---- */

static int become_external_user(struct call *call, const char *user)
{
    CLEANUP_CREDENTIALS struct mastersecret_credentials *credentials = NULL;
    const char *name = NULL;
    int code = call_lookup(call, user, false, &credentials);

    if (code == PAM_SUCCESS)
        code = external_user_get(call, user, credentials, &name);
    return code == PAM_SUCCESS ? pam_set_item(call->pamh, PAM_USER, name) : code;
}

static int compare(struct call *call, const char *user, const char *password)
{
    bool matches;
    enum mastersecret_error error = call_verify(call, user, password, &matches);

    if (error != MASTERSECRET_OK)
        return call_fail(call, user, error);
    call_debug(call, "'%.64s': the password %s", user, matches ? "matches" : "does not match");
    if (!matches)
        return PAM_AUTH_ERR;
    return wants_external_user(call) ? become_external_user(call, user) : PAM_SUCCESS;
}

int verify_authenticate(struct call *call)
{
    const char *password = NULL;
    const char *user = NULL;
    int user_code;
    int code;

    /* A name that cannot be anybody's is refused only after the prompt, as a wrong password is:
     * the prompt must not tell which names can exist. */
    user_code = call_user(call, &user);
    if (user_code != PAM_SUCCESS && user_code != PAM_USER_UNKNOWN)
        return user_code;
    /* The password an earlier module asked for, else a prompt; libpam keeps and wipes it. */
    code = pam_get_authtok(call->pamh, PAM_AUTHTOK, &password, NULL);
    if (code != PAM_SUCCESS)
        return code;
    if (user_code != PAM_SUCCESS)
        return user_code;
    /* An empty password proves nothing, even where the mapping holds an empty value. */
    if (!password || !password[0] || strlen(password) > VALUE_MAX_BYTES)
        return PAM_AUTH_ERR;
    return compare(call, user, password);
}

int verify_setcred(struct call *call)
{
    /* There are no credentials to set. PAM_IGNORE would make libpam refuse pam_setcred() with
     * PAM_PERM_DENIED where this is the stack's only module, after authenticate let the user in. */
    return PAM_SUCCESS;
}

/* ---- authtok ---- */

/* libpam's item ends at the first NUL byte: a value that holds one would be handed over cut, and a
 * cut password is another password. */
static int hand_over(struct call *call, const char *user, const struct mastersecret_field *field)
{
    CLEANUP_SECRET struct secret *copy = NULL;

    if (memchr(field->value, '\0', field->length)) {
        call_log(call, LOG_WARNING, "the value of '%.64s' for '%.64s' holds a NUL byte",
                 field->label, user);
        return PAM_AUTHTOK_RECOVERY_ERR;
    }
    if (secret_new(field->length + 1, &copy) < 0 ||
        secret_append(copy, field->value, field->length) < 0)
        return PAM_BUF_ERR;
    copy->bytes[field->length] = '\0';
    return pam_set_item(call->pamh, PAM_AUTHTOK, copy->bytes);
}

static int replace_authtok(struct call *call, const char *user)
{
    CLEANUP_CREDENTIALS struct mastersecret_credentials *credentials = NULL;
    const struct mastersecret_field *field;
    const char *name = NULL;
    int code = call_lookup(call, user, true, &credentials);

    if (code != PAM_SUCCESS)
        return code;
    field = mastersecret_credentials_field(credentials, call_field(call));
    if (!field || !field->value)
        return call_fail(call, user, MASTERSECRET_FIELD_NOT_FOUND);
    if (wants_external_user(call))
        code = external_user_get(call, user, credentials, &name);
    if (code == PAM_SUCCESS)
        code = hand_over(call, user, field);
    if (code == PAM_SUCCESS && name)
        code = pam_set_item(call->pamh, PAM_USER, name);
    if (code != PAM_SUCCESS)
        return code;
    call_debug(call, "PAM_AUTHTOK is that of application '%.64s' now", call->options.application);
    /* Nobody was authenticated here. With PAM_SUCCESS a "sufficient" line, or a stack of this
     * module alone, would let everybody in who has a mapping. */
    return PAM_IGNORE;
}

int authtok_authenticate(struct call *call)
{
    const void *password = NULL;
    const char *user = NULL;
    int code;

    if (!call->options.without_password) {
        code = pam_get_item(call->pamh, PAM_AUTHTOK, &password);
        if (code != PAM_SUCCESS)
            return code;
        /* Nobody asked the user for anything yet: with a credential handed out here, the next
         * module would let in whoever knows the user's name. */
        if (!password) {
            call_debug(call, "no password was asked for yet: nothing done");
            return PAM_IGNORE;
        }
    }
    code = call_user(call, &user);
    return code == PAM_SUCCESS ? replace_authtok(call, user) : code;
}

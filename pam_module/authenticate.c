/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* verify: prompt, identify, connect, compare. authtok: identify, connect, look up, hand over. */
#include "pam_module/call.h"

#include "common/secret.h"

#include <security/pam_ext.h>
#include <string.h>
#include <syslog.h>

CLEANUP_DEFINE(context, struct mastersecret, mastersecret_free)
CLEANUP_DEFINE(credentials, struct mastersecret_credentials, mastersecret_credentials_free)

/* The name the service is asked about: raw bytes from whoever is at the door, and libdbus calls
 * abort() on a string that is not UTF-8. */
static int get_user(struct call *call, const char **ret_user)
{
    const char *user = NULL;
    int code = pam_get_user(call->pamh, &user, NULL);

    if (code != PAM_SUCCESS)
        return code;
    if (!user || !name_is_valid(user)) {
        call_debug(call, "the user's name is not 1 to 255 bytes of UTF-8");
        return PAM_USER_UNKNOWN;
    }
    *ret_user = user;
    return PAM_SUCCESS;
}

/* The deadline of the entry point is that of the one library call it makes. It starts here: how
 * long somebody takes to type a password is not the service's doing. */
static enum mastersecret_error open_service(const struct call *call,
                                            struct mastersecret **ret_context)
{
    enum mastersecret_error error = mastersecret_new(ret_context);

    if (error == MASTERSECRET_OK)
        mastersecret_set_timeout(*ret_context, call->options.timeout_ms);
    return error;
}

static bool is_unavailable(enum mastersecret_error error)
{
    return error == MASTERSECRET_UNREACHABLE || error == MASTERSECRET_TIMED_OUT;
}

/* The code of a failed call. The service's audit has the refusals; that it cannot be reached, or
 * that the PAM line is wrong, nobody else can tell. */
static int fail(const struct call *call, struct mastersecret *context, const char *user,
                enum mastersecret_error error)
{
    int code = status_of_error(error, call->entry, call->options.unavailable);
    const char *text = mastersecret_strerror(error);
    char words[256];

    if (is_unavailable(error) || code == PAM_SERVICE_ERR || code == PAM_SYSTEM_ERR)
        call_log(call, LOG_WARNING, "cannot ask about '%.64s' in application '%.64s': %s", user,
                 call->options.application, text);
    else
        call_debug(call, "'%.64s' in application '%.64s': %s", user, call->options.application,
                   text);
    if (context && mastersecret_message(context, words, sizeof(words)) > 0)
        call_debug(call, "in the service's words: %s", words);
    return code;
}

static const char *field_or_null(const struct options *options)
{
    return options->field[0] ? options->field : NULL;
}

static int compare(struct call *call, const char *user, const char *password)
{
    CLEANUP(context_cleanup) struct mastersecret *context = NULL;
    enum mastersecret_error error = open_service(call, &context);
    int matches = 0;

    if (error == MASTERSECRET_OK)
        error = mastersecret_verify(context, call->options.application, user,
                                    field_or_null(&call->options), password, strlen(password),
                                    &matches);
    if (error != MASTERSECRET_OK)
        return fail(call, context, user, error);
    call_debug(call, "'%.64s': the password %s", user, matches ? "matches" : "does not match");
    return matches ? PAM_SUCCESS : PAM_AUTH_ERR;
}

int verify_authenticate(struct call *call)
{
    const char *password = NULL;
    const char *user = NULL;
    int user_code;
    int code;

    /* A name that cannot be anybody's is refused only after the prompt, as a wrong password is:
     * the prompt must not tell which names can exist. */
    user_code = get_user(call, &user);
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

/* libpam's item ends at the first NUL byte: a value that holds one would be handed over cut, and a
 * cut password is another password. */
static int hand_over(struct call *call, const char *user, const struct mastersecret_field *field)
{
    CLEANUP_SECRET struct secret *copy = NULL;
    int code;

    if (memchr(field->value, '\0', field->length)) {
        call_log(call, LOG_WARNING, "the value of '%.64s' for '%.64s' holds a NUL byte",
                 field->label, user);
        return PAM_AUTHTOK_RECOVERY_ERR;
    }
    if (secret_new(field->length + 1, &copy) < 0 ||
        secret_append(copy, field->value, field->length) < 0)
        return PAM_BUF_ERR;
    copy->bytes[field->length] = '\0';
    code = pam_set_item(call->pamh, PAM_AUTHTOK, copy->bytes);
    if (code != PAM_SUCCESS)
        return code;
    call_debug(call, "'%.64s': PAM_AUTHTOK is that of application '%.64s' now", user,
               call->options.application);
    /* Nobody was authenticated here. With PAM_SUCCESS a "sufficient" line, or a stack of this
     * module alone, would let everybody in who has a mapping. */
    return PAM_IGNORE;
}

static int replace_authtok(struct call *call, const char *user)
{
    CLEANUP(context_cleanup) struct mastersecret *context = NULL;
    CLEANUP(credentials_cleanup) struct mastersecret_credentials *credentials = NULL;
    const char *label = field_or_null(&call->options);
    const struct mastersecret_field *field;
    enum mastersecret_error error = open_service(call, &context);

    if (error == MASTERSECRET_OK)
        error = mastersecret_lookup(context, call->options.application, user, label ? &label : NULL,
                                    label ? 1 : 0, &credentials);
    if (error != MASTERSECRET_OK)
        return fail(call, context, user, error);
    field = mastersecret_credentials_field(credentials, label);
    if (!field || !field->value)
        return fail(call, context, user, MASTERSECRET_FIELD_NOT_FOUND);
    return hand_over(call, user, field);
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
    code = get_user(call, &user);
    return code == PAM_SUCCESS ? replace_authtok(call, user) : code;
}

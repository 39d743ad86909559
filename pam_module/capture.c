/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* capture: a password that the stack accepted becomes the mapping's credential. authenticate cannot
 * know yet whether it will be accepted, so it only keeps it; acct_mgmt, which a program calls once
 * authenticate succeeded as a whole, stores it. A changed password is stored where it was changed.
 *
 * Capturing is no verdict: authenticate never says anything but PAM_IGNORE, and the others neither,
 * but for a service that is not there and unavailable=fail. */
#include "pam_module/call.h"

#include "common/secret.h"

#include <string.h>

/* What is kept from authenticate to acct_mgmt, as data of the PAM handle. */
struct kept {
    struct secret *password;
    char user[NAME_MAX_BYTES + 1]; /* who typed it */
};

static void kept_free(struct kept *kept)
{
    if (!kept)
        return;
    secret_free(kept->password);
    free(kept);
}

CLEANUP_DEFINE(kept, struct kept, kept_free)

static void forget(pam_handle_t *pamh, void *data, int status)
{
    kept_free(data);
}

/* Of its own for each application and field: a stack may capture for several. No name has a newline
 * in it. */
static const char *data_name(const struct call *call, char *name, size_t size)
{
    (void)snprintf(name, size, "pam_mastersecret\n%s\n%s", call->options.application,
                   call->options.field);
    return name;
}

/* Replaces what is kept, and so wipes it. */
static int keep(struct call *call, struct kept *kept)
{
    char name[sizeof("pam_mastersecret\n\n") + 2 * NAME_MAX_BYTES];

    return pam_set_data(call->pamh, data_name(call, name, sizeof(name)), kept, forget);
}

static const struct kept *kept_get(struct call *call)
{
    char name[sizeof("pam_mastersecret\n\n") + 2 * NAME_MAX_BYTES];
    const void *kept = NULL;

    if (pam_get_data(call->pamh, data_name(call, name, sizeof(name)), &kept) != PAM_SUCCESS)
        return NULL;
    return kept;
}

/* The password typed and the user's name as they stand, without a prompt for either; false when
 * there is nothing to capture. An empty password is nobody's credential. */
static bool get_typed(struct call *call, const char **ret_user, const char **ret_password)
{
    const void *user = NULL, *password = NULL;

    if (pam_get_item(call->pamh, PAM_USER, &user) != PAM_SUCCESS ||
        pam_get_item(call->pamh, PAM_AUTHTOK, &password) != PAM_SUCCESS)
        return false;
    *ret_user = user;
    *ret_password = password;
    return *ret_user && name_is_valid(*ret_user) && *ret_password && **ret_password &&
           strlen(*ret_password) <= VALUE_MAX_BYTES;
}

int capture_authenticate(struct call *call)
{
    CLEANUP(kept_cleanup) struct kept *kept = NULL;
    const char *user, *password;

    /* What an earlier attempt on this handle left was not accepted: without this, a login without
     * a password would store the wrong one that was typed before. */
    (void)!keep(call, NULL);
    if (!get_typed(call, &user, &password))
        return PAM_IGNORE;
    kept = calloc(1, sizeof(*kept));
    if (!kept || secret_new_copy(password, strlen(password) + 1, &kept->password) < 0)
        return PAM_IGNORE;
    memcpy(kept->user, user, strlen(user) + 1);
    if (keep(call, kept) == PAM_SUCCESS)
        (void)STEAL(kept);
    return PAM_IGNORE;
}

/* Where field= does not say it. A field's value set by its label is the only way to set one. */
static enum mastersecret_error only_masked(const struct mastersecret_application *application,
                                           const char **ret_label)
{
    const struct mastersecret_field *fields;
    size_t count, masked = 0;

    fields = mastersecret_application_fields(application, &count);
    for (size_t i = 0; i < count; i++)
        if (fields[i].masked) {
            *ret_label = fields[i].label;
            masked++;
        }
    return masked == 1 ? MASTERSECRET_OK : MASTERSECRET_FIELD_NOT_FOUND;
}

static enum mastersecret_error set(struct call *call, const char *user, const char *password)
{
    CLEANUP_APPLICATION struct mastersecret_application *application = NULL;
    struct mastersecret_field field = {
        .label = call_field(call), .value = password, .length = strlen(password), .masked = 1
    };
    enum mastersecret_error error = call_service(call);
    char account[sizeof("user:") + NAME_MAX_BYTES];

    if (error == MASTERSECRET_OK && !field.label) {
        error = mastersecret_describe(call->service, call->options.application, &application);
        if (error == MASTERSECRET_OK)
            error = only_masked(application, &field.label);
        if (error == MASTERSECRET_OK)
            error = call_service(call);
    }
    if (error != MASTERSECRET_OK)
        return error;
    (void)snprintf(account, sizeof(account), "user:%s", user);
    return mastersecret_set_mapping(call->service, call->options.application, account, NULL, &field,
                                    1, NULL);
}

static bool is_unavailable(enum mastersecret_error error)
{
    return status_of_error(error, ENTRY_AUTHENTICATE, UNAVAILABLE_IGNORE) == PAM_IGNORE;
}

static int give_up(struct call *call, const char *user, enum mastersecret_error error)
{
    int code = call_fail(call, user, error);

    return is_unavailable(error) ? code : PAM_IGNORE;
}

/* Only a value that differs is stored: most logins change nothing, and need no write. Comparing
 * comes first also because it is what refuses: whom nobody mapped, whose mapping is disabled, or who
 * is not the application's user, for him nothing is stored. */
static int store(struct call *call, const char *user, const char *password)
{
    bool matches;
    enum mastersecret_error error = call_verify(call, user, password, &matches);

    if (error == MASTERSECRET_CREDENTIALS_NOT_SET)
        error = MASTERSECRET_OK;
    if (error == MASTERSECRET_OK && !matches) {
        error = set(call, user, password);
        if (error == MASTERSECRET_OK)
            call_debug(call, "'%.64s': the password is stored", user);
    }
    return error == MASTERSECRET_OK ? PAM_IGNORE : give_up(call, user, error);
}

/* Stored for who typed it, and once. */
int capture_acct_mgmt(struct call *call)
{
    const struct kept *kept = kept_get(call);
    const void *user = NULL;
    int code = PAM_IGNORE;

    if (!kept)
        return PAM_IGNORE;
    if (pam_get_item(call->pamh, PAM_USER, &user) == PAM_SUCCESS && user &&
        strcmp(user, kept->user) == 0)
        code = store(call, kept->user, (const char *)kept->password->bytes);
    (void)!keep(call, NULL);
    return code;
}

/* With unavailable=fail no password is changed anywhere that could not be captured then. */
int capture_preliminary(struct call *call)
{
    CLEANUP_APPLICATION struct mastersecret_application *application = NULL;
    const void *user = NULL;
    enum mastersecret_error error;

    if (call->options.unavailable == UNAVAILABLE_IGNORE)
        return PAM_IGNORE;
    error = call_service(call);
    if (error == MASTERSECRET_OK)
        error = mastersecret_describe(call->service, call->options.application, &application);
    if (error == MASTERSECRET_OK)
        return PAM_IGNORE;
    if (pam_get_item(call->pamh, PAM_USER, &user) != PAM_SUCCESS || !user)
        user = "?";
    return give_up(call, user, error);
}

/* The module in front has changed the password, or would have ended the stack. */
int capture_update(struct call *call)
{
    const char *user, *password;

    return get_typed(call, &user, &password) ? store(call, user, password) : PAM_IGNORE;
}

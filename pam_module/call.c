/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pam_module/call.h"

#include <string.h>
#include <syslog.h>
#include <time.h>

int call_user(struct call *call, const char **ret_user)
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

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* The deadline begins here, not when the entry point is entered: how long somebody takes to type a
 * password is not the service's doing. */
enum mastersecret_error call_service(struct call *call)
{
    enum mastersecret_error error = MASTERSECRET_OK;
    int64_t left;

    if (!call->service) {
        error = mastersecret_new(&call->service);
        call->deadline = now() + call->options.timeout_ms;
    }
    if (error != MASTERSECRET_OK)
        return error;
    left = call->deadline - now();
    if (left <= 0)
        return MASTERSECRET_TIMED_OUT;
    mastersecret_set_timeout(call->service, (unsigned)left);
    return MASTERSECRET_OK;
}

/* The service's audit has the refusals, and the program tells the user. That the service cannot be
 * reached, that the PAM line is wrong, or that capture may not store, nobody else would tell. */
static bool is_worth_a_line(const struct call *call, enum mastersecret_error error)
{
    switch (status_of_error(error, ENTRY_AUTHENTICATE, UNAVAILABLE_IGNORE)) {
    case PAM_IGNORE:
    case PAM_SERVICE_ERR:
    case PAM_SYSTEM_ERR:
        return true;
    case PAM_USER_UNKNOWN: /* nothing to store for this user, or not now */
    case PAM_PERM_DENIED:
        return false;
    default:
        return call->options.mode == MODE_CAPTURE;
    }
}

int call_fail(const struct call *call, const char *user, enum mastersecret_error error)
{
    const char *what = call->options.mode == MODE_CAPTURE ? "store the password of" : "ask about";
    const char *text = mastersecret_strerror(error);
    char words[256];

    if (is_worth_a_line(call, error))
        call_log(call, LOG_WARNING, "cannot %s '%.64s' in application '%.64s': %s", what, user,
                 call->options.application, text);
    else
        call_debug(call, "'%.64s' in application '%.64s': %s", user, call->options.application,
                   text);
    if (call->service && mastersecret_message(call->service, words, sizeof(words)) > 0)
        call_debug(call, "in the service's words: %s", words);
    return status_of_error(error, call->entry, call->options.unavailable);
}

const char *call_field(const struct call *call)
{
    return call->options.field[0] ? call->options.field : NULL;
}

enum mastersecret_error call_verify(struct call *call, const char *user, const char *password,
                                    bool *ret_matches)
{
    enum mastersecret_error error = call_service(call);
    int matches = 0;

    if (error == MASTERSECRET_OK)
        error = mastersecret_verify(call->service, call->options.application, user,
                                    call_field(call), password, strlen(password), &matches);
    *ret_matches = error == MASTERSECRET_OK && matches;
    return error;
}

int call_lookup(struct call *call, const char *user, bool masked,
                struct mastersecret_credentials **ret_credentials)
{
    const char *label = call_field(call);
    bool all_masked = masked && !label;
    enum mastersecret_error error = call_service(call);

    if (error == MASTERSECRET_OK)
        error = mastersecret_lookup(call->service, call->options.application, user,
                                    all_masked ? NULL : &label, masked && label ? 1 : 0,
                                    ret_credentials);
    return error == MASTERSECRET_OK ? PAM_SUCCESS : call_fail(call, user, error);
}

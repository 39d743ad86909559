/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The six entry points, all alike: read the options, then do what the table says for mode and
 * entry point (chauthtok counts as two). */
#include "pam_module/call.h"

#include <syslog.h>

/* Where there is nothing to do the answer is PAM_IGNORE: with PAM_SUCCESS an account or session
 * stack of this module alone would allow everything. */
static call_handler *const handlers[MODE_COUNT_][ENTRY_COUNT_] = {
    [MODE_VERIFY] = {
        [ENTRY_AUTHENTICATE] = verify_authenticate,
        [ENTRY_SETCRED] = verify_setcred,
    },
    [MODE_AUTHTOK] = {
        [ENTRY_AUTHENTICATE] = authtok_authenticate,
    },
    [MODE_CAPTURE] = {
        [ENTRY_AUTHENTICATE] = capture_authenticate,
        [ENTRY_ACCT_MGMT] = capture_acct_mgmt,
        [ENTRY_PRELIMINARY] = capture_preliminary,
        [ENTRY_UPDATE] = capture_update,
    },
    [MODE_ENV] = {
        [ENTRY_OPEN_SESSION] = env_open_session,
    },
};

static void log_fault(const struct call *call, const struct options_fault *fault)
{
    const char *config = call->options.config;

    if (fault->line > 0)
        call_log(call, LOG_ERR, "cannot read options: %.256s line %u: '%s' %s", config, fault->line,
                 fault->option, fault->reason);
    else
        call_log(call, LOG_ERR, "cannot read options: '%s' %s", fault->option, fault->reason);
}

static int enter(pam_handle_t *pamh, enum entry_point entry, int argc, const char **argv)
{
    struct call call = { .pamh = pamh, .entry = entry };
    struct options_fault fault;
    call_handler *handler;
    int code = PAM_IGNORE;

    /* Not PAM_IGNORE: a line that cannot be read must not be as if it were not there. */
    if (options_load(&call.options, argc, argv, &fault) != OPTIONS_DONE) {
        log_fault(&call, &fault);
        return PAM_SERVICE_ERR;
    }
    handler = handlers[call.options.mode][entry];
    if (handler)
        code = handler(&call);
    mastersecret_free(call.service);
    return code;
}

#define ENTRY_POINT __attribute__((__visibility__("default")))

ENTRY_POINT int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    return enter(pamh, ENTRY_AUTHENTICATE, argc, argv);
}

ENTRY_POINT int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    return enter(pamh, ENTRY_SETCRED, argc, argv);
}

ENTRY_POINT int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    return enter(pamh, ENTRY_ACCT_MGMT, argc, argv);
}

ENTRY_POINT int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    return enter(pamh, ENTRY_OPEN_SESSION, argc, argv);
}

ENTRY_POINT int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    return enter(pamh, ENTRY_CLOSE_SESSION, argc, argv);
}

ENTRY_POINT int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    return enter(pamh, (flags & PAM_PRELIM_CHECK) ? ENTRY_PRELIMINARY : ENTRY_UPDATE, argc, argv);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* One call of one entry point: everything the module knows lives here, on its caller's stack, and
 * is gone when the entry point returns. Between calls only capture keeps something (capture.c). */
#ifndef PAM_MODULE_CALL_H
#define PAM_MODULE_CALL_H

#include "pam_module/options.h"
#include "pam_module/status.h"

#include <security/pam_modules.h>
#include <stdint.h>

struct call {
    pam_handle_t *pamh;
    enum entry_point entry;
    struct options options;
    struct mastersecret *service; /* NULL until call_service() */
    int64_t deadline;             /* CLOCK_MONOTONIC in milliseconds; from call_service() on */
};

/* What a mode does at an entry point; returns a PAM code. */
typedef int call_handler(struct call *call);

call_handler verify_authenticate;
call_handler verify_setcred;
call_handler authtok_authenticate;
call_handler capture_authenticate;
call_handler capture_acct_mgmt;
call_handler capture_preliminary;
call_handler capture_update;
call_handler env_open_session;

/* The name the service is asked about. It is raw bytes from whoever is at the door, and libdbus
 * calls abort() on a string that is not UTF-8: PAM_USER_UNKNOWN for what is no name. */
int call_user(struct call *call, const char **ret_user);

/* To be called before each request to `service`: the first time it makes the context, and the
 * deadline of the entry point begins; every request gets the time that is left then. */
enum mastersecret_error call_service(struct call *call) MUST_CHECK;
/* The code of a failed request about `user`, after a line in the log for what nobody else tells. */
int call_fail(const struct call *call, const char *user, enum mastersecret_error error);
/* Is the password typed the value of the field? One request. */
enum mastersecret_error call_verify(struct call *call, const char *user, const char *password,
                                    bool *ret_matches) MUST_CHECK;
/* The mapping of `user` with its plain fields and, if `masked`, the field of field= (without that
 * option: all that are masked). PAM_SUCCESS, or the code of call_fail(). */
int call_lookup(struct call *call, const char *user, bool masked,
                struct mastersecret_credentials **ret_credentials);
/* NULL: the only masked one. */
const char *call_field(const struct call *call);

/* user=external: the name that PAM_USER is to become, checked; it lives as long as `credentials`.
 * PAM_SUCCESS, or the code of a refusal that was logged. */
int external_user_get(struct call *call, const char *user,
                      const struct mastersecret_credentials *credentials, const char **ret_name);

/* One line to the system log, as LOG_AUTHPRIV: never a value. It neither blocks nor leaves anything
 * changed in the host process: syslog(3) would wait for a stopped log daemon and keep a descriptor
 * open. A line that cannot be sent at once is lost. */
void call_log(const struct call *call, int priority, const char *format, ...)
    __attribute__((__format__(__printf__, 3, 4)));
/* The same at LOG_DEBUG, if the option debug is given. */
void call_debug(const struct call *call, const char *format, ...)
    __attribute__((__format__(__printf__, 2, 3)));

CLEANUP_DEFINE(credentials, struct mastersecret_credentials, mastersecret_credentials_free)
#define CLEANUP_CREDENTIALS CLEANUP(credentials_cleanup)
CLEANUP_DEFINE(application, struct mastersecret_application, mastersecret_application_free)
#define CLEANUP_APPLICATION CLEANUP(application_cleanup)

#endif

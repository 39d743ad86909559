/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* One call of one entry point: everything the module knows lives here, on its caller's stack, and
 * is gone when the entry point returns. Nothing is kept between calls. */
#ifndef PAM_MODULE_CALL_H
#define PAM_MODULE_CALL_H

#include "pam_module/options.h"
#include "pam_module/status.h"

#include <security/pam_modules.h>

struct call {
    pam_handle_t *pamh;
    enum entry_point entry;
    struct options options;
};

/* What a mode does at an entry point; returns a PAM code. */
typedef int call_handler(struct call *call);

call_handler verify_authenticate;
call_handler verify_setcred;
call_handler authtok_authenticate;

/* One line to the system log, as LOG_AUTHPRIV: never a value. It neither blocks nor leaves anything
 * changed in the host process: syslog(3) would wait for a stopped log daemon and keep a descriptor
 * open. A line that cannot be sent at once is lost. */
void call_log(const struct call *call, int priority, const char *format, ...)
    __attribute__((__format__(__printf__, 3, 4)));
/* The same at LOG_DEBUG, if the option debug is given. */
void call_debug(const struct call *call, const char *format, ...)
    __attribute__((__format__(__printf__, 2, 3)));

#endif

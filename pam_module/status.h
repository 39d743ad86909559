/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The border between the library's errors and PAM's codes; the table is in pam_mastersecret(8). */
#ifndef PAM_MODULE_STATUS_H
#define PAM_MODULE_STATUS_H

#include "pam_module/options.h"

#include "client/mastersecret.h"

enum entry_point {
    ENTRY_AUTHENTICATE,
    ENTRY_SETCRED,
    ENTRY_ACCT_MGMT,
    ENTRY_OPEN_SESSION,
    ENTRY_CLOSE_SESSION,
    ENTRY_PRELIMINARY, /* chauthtok, asking whether all modules are able to change */
    ENTRY_UPDATE,      /* chauthtok, changing */
    ENTRY_COUNT_
};

/* As in the name of the function: "authenticate". */
const char *entry_point_name(enum entry_point entry);

/* The PAM code of an error at an entry point. `unavailable` (FAIL or IGNORE) decides for a service
 * that is unreachable or late, also with the answer to a change, and for nothing else. */
int status_of_error(enum mastersecret_error error, enum entry_point entry,
                    enum unavailable unavailable) MUST_CHECK;

/* What unavailable=fail returns at an entry point. */
int status_unavailable(enum entry_point entry) MUST_CHECK;

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* An application's definition as it comes in an a{sv}, for Create and Update. */
#ifndef BUS_DRAFT_H
#define BUS_DRAFT_H

#include "dbus-service/bus/call.h"

#include <dbus/dbus.h>

struct draft {
    struct application_draft wanted; /* points into this, and into the message */
    struct name_list users;
    struct name_list admins;
    struct name_list agents;
    bool enabled;
    struct field fields[FIELDS_MAX];
    char *names[3][LIST_NAMES_MAX]; /* of the lists; the names themselves are the message's */
};

/* Which keys are taken: all, or only those of Update. */
enum draft_kind { DRAFT_CREATE, DRAFT_UPDATE };

/* Parses the position-th argument. 0 or an error code. */
int draft_parse(struct call *call, unsigned position, enum draft_kind kind,
                struct draft *ret_draft) MUST_CHECK;
/* All names in the lists are known to the name service: 0, CALL_WAIT, an error code, -errno. */
int draft_check_accounts(struct call *call, const struct draft *draft) MUST_CHECK;

#endif

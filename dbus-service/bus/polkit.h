/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* polkit may stand in for a role, on the system bus only. Absent, silent for 30 s or failing = no. */
#ifndef BUS_POLKIT_H
#define BUS_POLKIT_H

#include "common/cleanup.h"

struct call;

/* Asks whether the call's sender may do the action; call->polkit is set and the call resumed when the
 * answer comes. 0, or -ENOMEM, -ENOTCONN: not asked. */
int polkit_ask(struct call *call, const char *action) MUST_CHECK;
/* The call goes away. */
void polkit_cancel(struct call *call);

#endif

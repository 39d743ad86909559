/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What comes in an a{sv}, by a table. */
#ifndef BUS_OPTIONS_H
#define BUS_OPTIONS_H

#include "dbus-service/bus/call.h"

struct option_rule {
    const char *name;
    const char *signature;
    /* NULL: a const char *, bool, uint32_t or uint64_t (s, b, u, t) at `offset` of what `into` points to. */
    int (*take)(struct call *call, DBusMessageIter *value, void *into);
    size_t offset;
};

/* Takes the position-th argument by the rules (a name NULL at the end) of `what`, as errors call it: "a
 * rotation". 0, an error code, -errno, or what one of them returned. */
int options_take(struct call *call, unsigned position, const struct option_rule *rules,
                 const char *what, void *into) MUST_CHECK;

#endif

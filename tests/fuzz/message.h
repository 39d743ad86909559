/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* D-Bus values made from the bytes of a fuzz input: well-typed, so that they get past libdbus, and
 * mostly of words that mean something, so that they get past the first check. */
#ifndef TESTS_FUZZ_MESSAGE_H
#define TESTS_FUZZ_MESSAGE_H

#include "common/cursor.h"

#include <dbus/dbus.h>

struct message_maker {
    struct cursor cursor;                           /* beyond its end everything is 0 */
    int (*descriptor)(struct message_maker *maker); /* the maker's own to close; never -1 */
    unsigned depth;                                 /* of containers */
};

/* A name, an account, a label, a keyword or anything else that is UTF-8; valid until the next. */
const char *message_text(struct message_maker *maker);
/* One value of each type in the signature. */
void message_append(struct message_maker *maker, DBusMessageIter *to, const char *signature);

#endif

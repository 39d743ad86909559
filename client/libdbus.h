/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is inside libdbus, for the sake of forked children. libdbus has locks that all connections
 * share and that a child inherits as they are: one held at that moment by another thread is held
 * for ever, and the child would hang. So fork() waits until nobody is inside. */
#ifndef CLIENT_LIBDBUS_H
#define CLIENT_LIBDBUS_H

#include "common/cleanup.h"

#include <stdbool.h>

/* Around all use of libdbus, but never while waiting, and not nested. False in a process that was
 * forked while a thread was inside nevertheless: there libdbus must not be touched any more. */
bool libdbus_enter(void) MUST_CHECK;
void libdbus_leave(void);

#endif

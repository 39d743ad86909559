/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is inside a call on a context. Not a pthread mutex: in a forked child one may be held by a
 * thread that is not there, and two threads that both find out cannot both make it anew. This lock
 * knows the process of its holder, so that one that the parent left behind is just taken over. */
#ifndef CLIENT_LOCK_H
#define CLIENT_LOCK_H

#include "common/cleanup.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* All zero is a lock that nobody holds. */
struct lock {
    _Atomic uint32_t holder; /* the generation of its process; 0: nobody */
};

/* Waits until `deadline` (see deadline.h); false when it is too late. */
bool lock_take(struct lock *lock, int64_t deadline) MUST_CHECK;
void lock_give(struct lock *lock);

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/lock.h"

#include "client/deadline.h"
#include "client/process.h"

#include <linux/futex.h>
#include <linux/time_types.h>
#include <sys/syscall.h>

/* The call whose timespec is 64 bits wide, which the others have under the plain name. */
#ifdef SYS_futex_time64
enum { FUTEX = SYS_futex_time64 };
#else
enum { FUTEX = SYS_futex };
#endif

/* Until `holder` has given the lock back, or for some other reason. False once it is too late. */
static bool wait_for(struct lock *lock, uint32_t holder, int64_t deadline)
{
    int64_t left = deadline - deadline_now();
    const struct __kernel_timespec timeout = {
        .tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000
    };

    if (left <= 0)
        return false;
    syscall(FUTEX, &lock->holder, FUTEX_WAIT_PRIVATE, holder, &timeout, NULL, 0);
    return true;
}

bool lock_take(struct lock *lock, int64_t deadline)
{
    const uint32_t self = process_generation();
    uint32_t holder = 0;

    while (!atomic_compare_exchange_strong(&lock->holder, &holder, self)) {
        /* A holder in another process is none: what was read is tried again as what is expected. */
        if (holder != self)
            continue;
        if (!wait_for(lock, holder, deadline))
            return false;
        holder = 0;
    }
    return true;
}

void lock_give(struct lock *lock)
{
    atomic_store(&lock->holder, 0);
    syscall(FUTEX, &lock->holder, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* A point in time that a whole call must not pass: microseconds of CLOCK_MONOTONIC. */
#ifndef CLIENT_DEADLINE_H
#define CLIENT_DEADLINE_H

#include <limits.h>
#include <stdint.h>
#include <time.h>

static inline int64_t deadline_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static inline int64_t deadline_in(unsigned milliseconds)
{
    return deadline_now() + (int64_t)milliseconds * 1000;
}

/* For poll(2): milliseconds left, rounded up so that nothing spins; 0 once it has passed. */
static inline int deadline_left(int64_t deadline)
{
    int64_t left = (deadline - deadline_now() + 999) / 1000;

    if (left <= 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

#endif

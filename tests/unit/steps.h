/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The steps of a process towards the disk, the bus and its memory: each is counted, and one of them can
 * be the last, or fail. In front of the C library's functions, so that libraries' calls are met too:
 * linked into a unit test, or laid before the service as it is shipped (LD_PRELOAD, with a file named
 * by MS_STEPS that holds the struct). The service itself knows nothing of it. */
#ifndef TESTS_STEPS_H
#define TESTS_STEPS_H

#include <stdatomic.h>
#include <stdbool.h>

enum step_kind {
    STEP_OPEN = 1, /* what is there: a kill before it leaves what a kill after the step before it leaves */
    STEP_READ = 2,
    STEP_WRITE = 4, /* of a file */
    STEP_SIZE = 8,
    STEP_SYNC = 16,
    STEP_RENAME = 32, /* or another name for a file */
    STEP_UNLINK = 64,
    STEP_SEND = 128, /* to a socket */
    STEP_MEMORY = 256, /* not with a sanitizer, which has its own; not before the service */
    STEP_CREATE = 512, /* to open what may not be there */
};

enum step_action {
    STEP_KILL = 1, /* instead of the call */
    STEP_KILL_HALF, /* a write: after half of it; else after the call */
    STEP_FAIL,
    STEP_SHORT, /* a read or write: half of it */
};

/* In memory shared with whoever plans; tests/system reads and writes it by these places. */
struct steps {
    atomic_int countdown; /* so many more go well; negative: all */
    atomic_int kinds;     /* the ones that count */
    atomic_int action;
    atomic_int error;     /* for STEP_FAIL */
    atomic_int sticky;    /* all after it fail as well, until the countdown is negative again */
    atomic_int taken;     /* counted since it was set to 0 */
    atomic_int hits;
    char name[36];        /* of the call that was hit */
};

extern struct steps *steps; /* NULL = none are counted */

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A name service of a test's own. Link with
 * --wrap=getpwnam_r,--wrap=getpwuid_r,--wrap=getgrnam_r,--wrap=getgrouplist. */
#ifndef TESTS_FAKE_NSS_H
#define TESTS_FAKE_NSS_H

#include <stdbool.h>
#include <sys/types.h>

struct fake_user {
    const char *name; /* NULL ends the table */
    uid_t uid;
    gid_t gids[8];    /* ended by 0; the first is the primary group (root's is 0, and alone) */
};

struct fake_group {
    const char *name;
    gid_t gid;
};

/* Both borrowed; change them only while no question is under way. */
void fake_nss_set(const struct fake_user *users, const struct fake_group *groups);
/* Questions hang until this is lifted. */
void fake_nss_hang(bool hang);
/* Questions fail with this errno; 0 = they are answered. */
void fake_nss_fail(int error);
unsigned fake_nss_calls(void);
/* The most that were under way at once. */
unsigned fake_nss_most(void);
/* Sets all counters and switches back. */
void fake_nss_reset(void);

#endif

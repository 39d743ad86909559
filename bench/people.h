/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is mapped in a measured state folder. Only the first `users` names are known to the name
 * service; lookups and sets use these. The rest fills the store up and exists nowhere else. */
#ifndef BENCH_PEOPLE_H
#define BENCH_PEOPLE_H

#include <stdio.h>

#define PEOPLE_APPLICATION "bench"
#define PEOPLE_GROUP "benchers"
#define PEOPLE_FIELD "password"
#define PEOPLE_NAME_SIZE 24

/* "benchNNNNNN": keep in step with people() in bench/stand.py. */
static inline void people_user(unsigned number, char ret_name[PEOPLE_NAME_SIZE])
{
    snprintf(ret_name, PEOPLE_NAME_SIZE, "bench%06u", number);
}

static inline void people_filler(unsigned number, char ret_name[PEOPLE_NAME_SIZE])
{
    snprintf(ret_name, PEOPLE_NAME_SIZE, "filler%07u", number);
}

/* What every value of a user's masked field begins with, so that a lookup can be checked. */
static inline int people_value(const char *user, unsigned serial, char *ret_value, size_t size)
{
    return snprintf(ret_value, size, "of-%s-%08u", user, serial);
}

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What GDBM itself needs for as much data, without any of ours. */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include "common/cleanup.h"

#include <stddef.h>

struct gdbm_shape {
    size_t entries;
    size_t key_size; /* mean, in bytes */
    size_t value_size;
};

/* Walks a file that nobody has open. 0 or -errno. */
int floor_gdbm_shape(const char *path, struct gdbm_shape *ret_shape) MUST_CHECK;
/* Loads a new file of that shape with mmap off (twice as fast for a file that grows) and closes it;
 * seconds. The file is removed. */
int floor_gdbm_load(const char *path, const struct gdbm_shape *shape, double *ret_seconds) MUST_CHECK;

#endif

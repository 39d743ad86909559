/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The floor under every lookup that goes through libdbus: a program that answers Lookup with the same
 * messages and the same bytes in the pipe, and does nothing else. */
#ifndef BENCH_ECHO_H
#define BENCH_ECHO_H

#include "common/cleanup.h"

#include <stddef.h>

/* Starts one that serves a single connection and ends with it, or with this process. 0 or -errno. */
int echo_start(char *ret_address, size_t size) MUST_CHECK;

#endif

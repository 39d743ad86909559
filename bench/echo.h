/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The floor under everything that goes through libdbus: a program that answers Lookup and SetMapping with
 * the same messages and the same bytes in the pipe, syncs once for each SetMapping, and does nothing else. */
#ifndef BENCH_ECHO_H
#define BENCH_ECHO_H

#include "common/cleanup.h"

#include <stddef.h>

/* Starts one that serves a single connection and ends with it, or with this process. What it syncs lies in
 * `folder`; without one it answers lookups only. 0 or -errno. */
int echo_start(const char *folder, char *ret_address, size_t size) MUST_CHECK;

#endif

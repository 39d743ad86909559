/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The audit's way to syslog: lines leave in the order in which they came, and nothing waits. What the
 * socket does not take at once is kept in memory and sent from the loop, as soon as the reader has room
 * or is there again. A socket that was replaced is noticed within a second. */
#ifndef DOMAIN_AUDIT_SINK_H
#define DOMAIN_AUDIT_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/* Some 5000 lines. */
#define AUDIT_BACKLOG_BYTES (1024 * 1024)
#define AUDIT_LINE_MAX 4096 /* two names all escaped, a reason and a detail */
/* How long the end of the service waits for a reader that is there and does not read. */
#define AUDIT_STOP_WAIT_MS 1000

void audit_sink_open(uv_loop_t *loop);
/* False: the backlog is full, and the line is gone. */
bool audit_sink_put(const char *line, size_t length);
/* Sends what is left; the number of lines that could not be sent. Blocks as said above; the loop may still run. */
size_t audit_sink_close(void);

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connecting a stream socket to a D-Bus address without ever blocking. */
#ifndef CLIENT_SOCKET_H
#define CLIENT_SOCKET_H

#include "common/cleanup.h"

#include <stdint.h>

/* A connected, non-blocking, close-on-exec socket. 0; -EINVAL for an address that is not
 * "unix:path=..." or "unix:abstract=..." (or a list of these, separated by ';', of which the first
 * that answers is taken); -ETIMEDOUT; or the -errno of the last attempt. */
int socket_connect(const char *address, int64_t deadline, int *ret_fd) MUST_CHECK;

#endif

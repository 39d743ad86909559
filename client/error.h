/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the errors of the wire to those of the library. */
#ifndef CLIENT_ERROR_H
#define CLIENT_ERROR_H

#include "client/mastersecret.h"
#include "common/names.h"

/* The library's error for the name of a D-Bus error, ours or a bus daemon's; never MASTERSECRET_OK.
 * A name that says nothing to us means that no service of ours answered: UNREACHABLE. */
enum mastersecret_error client_error_from_name(const char *name);

/* The same for the errno of a local operation (pipes, memory, sockets); `error` is positive. */
enum mastersecret_error client_error_from_errno(int error);

/* The enums are the same numbers. */
enum error_code client_error_code(enum mastersecret_error error);

#endif

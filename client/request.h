/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Building requests: checked strings, and values given or awaited through pipes. All that comes
 * from a caller is checked here, because libdbus aborts the process on an ill-formed string. */
#ifndef CLIENT_REQUEST_H
#define CLIENT_REQUEST_H

#include "client/context.h"
#include "common/names.h"
#include "common/secret_pipe.h"

/* Fails with INVALID_ARGUMENT and a message that says which `what` is not a name. */
enum mastersecret_error request_check_name(struct mastersecret *context, const char *what,
                                           const char *name) MUST_CHECK;

/* A call to a method of the root object, or of the object of `application`. */
enum mastersecret_error request_new(const char *application, const char *interface,
                                    const char *method, DBusMessage **ret_call) MUST_CHECK;

/* A pipe with room for the largest value, or with as much as the kernel gives a user who holds too many. */
enum mastersecret_error value_pipe_open(struct mastersecret *context,
                                        struct secret_pipe *ret_pipe) MUST_CHECK;
/* Opens one that holds the value, its write end closed. */
enum mastersecret_error value_pipe_give(struct mastersecret *context, const void *value,
                                        size_t length, struct secret_pipe *ret_pipe) MUST_CHECK;
/* Closes the write end and reads all there is. The secret has a NUL behind its last byte. */
enum mastersecret_error value_pipe_take(struct mastersecret *context, struct secret_pipe *pipe,
                                        struct secret **ret_value) MUST_CHECK;

/* Appends a{sh}: labels[i] -> fds[i]. False when out of memory. */
bool request_append_fds(DBusMessageIter *arguments, const char *const *labels, const int *fds,
                        size_t count) MUST_CHECK;

#endif

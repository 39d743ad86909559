/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* One private D-Bus connection, to the direct socket or to a bus, that never waits longer than it
 * is told: every wait is a poll(2) of ours; libdbus is only called when it has something to do. */
#ifndef CLIENT_CONNECTION_H
#define CLIENT_CONNECTION_H

#include "client/mastersecret.h"
#include "common/cleanup.h"

#include <dbus/dbus.h>
#include <stdbool.h>
#include <stdint.h>

struct connection;

enum { MESSAGE_SIZE = 768 }; /* of texts that explain a failure, NUL included */

/* Connects, authenticates and, with `is_bus`, says Hello, before `deadline` (see deadline.h). Only
 * unix:path= and unix:abstract= addresses; several, separated by ';', are tried in order. On
 * failure a text of at most MESSAGE_SIZE bytes is in `message`. */
enum mastersecret_error connection_open(const char *address, bool is_bus, int64_t deadline,
                                        char *message,
                                        struct connection **ret_connection) MUST_CHECK;
void connection_close(struct connection *connection);
/* The same where libdbus cannot be used any more: what belongs to libdbus is left as it is. */
void connection_abandon(struct connection *connection);

/* False once the other side has gone. Reads and drops what it sent unasked. */
bool connection_is_alive(struct connection *connection);

struct connection_reply {
    DBusMessage *message; /* a method return or an error, to be unreferenced; NULL on failure */
    bool sent;            /* the whole request may have reached the service */
};

/* Sends a method call and waits for its answer until `deadline`. After MASTERSECRET_TIMED_OUT or
 * UNREACHABLE the connection is of no further use. */
enum mastersecret_error connection_call(struct connection *connection, DBusMessage *call,
                                        int64_t deadline,
                                        struct connection_reply *ret_reply) MUST_CHECK;

#endif

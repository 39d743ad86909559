/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* One D-Bus connection on the loop, be it to the bus or from a direct client. Messages are
 * dispatched a few at a time, connection after connection, so that one that floods gets its turn and no
 * more. A connection outlives its socket as long as somebody holds a reference (a call that is being
 * worked on); sending to it then does nothing. */
#ifndef BUS_CONNECTION_H
#define BUS_CONNECTION_H

#include "common/cleanup.h"

#include <dbus/dbus.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct connection;

/* The connections that have more to dispatch than one turn allows. One per loop. */
struct connection_ring {
    uv_idle_t idle;
    struct connection *first;
    struct connection *last;
};

void connection_ring_init(struct connection_ring *ring, uv_loop_t *loop);
void connection_ring_deinit(struct connection_ring *ring);

struct connection_handler {
    /* A method call or a signal. */
    void (*message)(void *userdata, struct connection *connection, DBusMessage *message);
    /* The socket is gone; called once, also after connection_close(). */
    void (*closed)(void *userdata, struct connection *connection);
    /* What the peer makes us keep, in bytes, has changed: messages that it began and does not end, and
     * replies that it does not read. False: too much, it is disconnected. NULL = not counted. */
    bool (*held)(void *userdata, size_t before, size_t now);
    /* May the peer have more of this turn of the loop? And how long it has taken, told until the end of the turn in
     * which the socket was closed. NULL = not counted. */
    bool (*has_share)(void *userdata);
    void (*spent)(void *userdata, uint64_t nsec);
    void *userdata;
};

/* Takes over one reference of a private DBusConnection on success. `unread_max`: a peer that
 * sends more while so many bytes of replies wait for it is disconnected (0 = no limit).
 * 0 or -ENOMEM. */
int connection_new(struct connection_ring *ring, DBusConnection *dbus,
                   const struct connection_handler *handler, long unread_max,
                   struct connection **ret_connection) MUST_CHECK;
struct connection *connection_ref(struct connection *connection);
void connection_unref(struct connection *connection);

DBusConnection *connection_dbus(const struct connection *connection);
bool connection_is_open(const struct connection *connection);
/* Sends, and at once if the socket takes it. 0, -ENOTCONN, -ENOMEM. */
int connection_send(struct connection *connection, DBusMessage *message);
/* Closes the socket; `closed` is called before this returns. */
void connection_close(struct connection *connection);
/* Are there replies that the socket has not taken yet? */
bool connection_has_unsent(const struct connection *connection);

#endif

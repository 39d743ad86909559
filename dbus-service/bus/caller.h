/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Who calls, as the kernel says: on the direct socket from the socket itself, on the bus from the bus
 * driver, asked once per connection there and kept until it goes. Never from an argument. */
#ifndef BUS_CALLER_H
#define BUS_CALLER_H

#include "dbus-service/bus/connection.h"
#include "dbus-service/domain/identity.h"

#include <dbus/dbus.h>

enum door { DOOR_BUS, DOOR_DIRECT };

enum peer_state { PEER_ASKED, PEER_KNOWN, PEER_GONE };

/* Shared by its calls; counted. */
struct peer {
    unsigned references;
    enum door door;
    enum peer_state state;
    struct caller caller;
    gid_t *gids;       /* owned; caller.gids */
    char *unique_name; /* on the bus; else NULL */
    DBusPendingCall *pending;
    struct service *service;
    struct peer *next; /* in the bus' table */
    uint64_t used;     /* for the eviction of the one not seen longest */
};

const char *door_name(enum door door);
void peer_unref(struct peer *peer);
struct peer *peer_ref(struct peer *peer);

/* Of a connected socket. 0 or -errno. */
int peer_new_socket(struct service *service, int fd, struct peer **ret_peer) MUST_CHECK;

/* The peers of one connection to the bus. */
struct peer_table;
int peer_table_new(struct service *service, struct peer_table **ret_table) MUST_CHECK;
void peer_table_free(struct peer_table *table);
/* Known, or asked for: then its calls are resumed when the answer is there. A reference is returned.
 * 0, -ENOMEM, -ENOTCONN. */
int peer_table_get(struct peer_table *table, struct connection *connection, const char *unique_name,
                   struct peer **ret_peer) MUST_CHECK;
void peer_table_vanished(struct peer_table *table, const char *unique_name);

#endif

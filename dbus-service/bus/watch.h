/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* libdbus' watches and timeouts on libuv. libdbus has two watches for one descriptor (reading and
 * writing), uv_poll_t takes a descriptor once: so there is one poll per descriptor that serves both.
 * A watch_set belongs to one DBusConnection or DBusServer; its functions are handed to
 * dbus_connection_set_watch_functions() and the like with the set as their data. */
#ifndef BUS_WATCH_H
#define BUS_WATCH_H

#include <dbus/dbus.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct watch_poll;

struct watch_set {
    uv_loop_t *loop;
    struct watch_poll *polls;
    /* Around each event (of libuv's; 0 = a timer). The owner keeps itself alive in the first, or says that it is to
     * come again in the next turn, and dispatches in the second. Both may be NULL. */
    bool (*begin)(void *userdata, int events);
    void (*end)(void *userdata);
    /* It may be read again, after it was not to be; from within libdbus. May be NULL. */
    void (*readable)(void *userdata);
    uint64_t read_nsec; /* how long one event may read on, beyond the few KiB that libdbus reads at once */
    void *userdata;
};

dbus_bool_t watch_add(DBusWatch *watch, void *data);
void watch_remove(DBusWatch *watch, void *data);
void watch_toggle(DBusWatch *watch, void *data);

dbus_bool_t timeout_add(DBusTimeout *timeout, void *data);
void timeout_remove(DBusTimeout *timeout, void *data);
void timeout_toggle(DBusTimeout *timeout, void *data);

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/connection.h"

#include "dbus-service/bus/watch.h"
#include "dbus-service/loop.h"

#include <errno.h>
#include <poll.h>

/* Messages of one connection in one turn of the loop, and for how long. */
#define DISPATCH_MAX 8
#define DISPATCH_NSEC 50000
/* The same of the bus' connection, on which all its users come one behind the other: what waits there is
 * taken as fast as it comes, so that each user's calls wait for his own (step_turn() in call.c). */
#define SHARED_DISPATCH_MAX 256
#define SHARED_DISPATCH_NSEC 500000
/* What libdbus reads in one event at most: twice its MAX_BYTES_READ_PER_ITERATION. It does not tell how much
 * it has of a message that is not complete; so many bytes for each event since the last complete one is the
 * bound. */
#define EVENT_BYTES_MAX 4096

struct connection {
    unsigned references;
    DBusConnection *dbus;
    struct connection_ring *ring;
    struct connection *ring_next;
    bool in_ring;
    bool in_event; /* dispatched at its end */
    bool closed;
    bool filtered;
    bool excessive; /* holds too much: closed in its next turn, never from within a call */
    long unread_max;
    size_t begun;   /* of a message that is not complete, at most */
    size_t held;    /* as the handler was told */
    uint64_t event_nsec; /* when the event under way began */
    struct connection_handler handler;
    struct watch_set watches;
};

static void on_idle(uv_idle_t *idle);

void connection_ring_init(struct connection_ring *ring, uv_loop_t *loop)
{
    *ring = (struct connection_ring){ .first = NULL };
    uv_idle_init(loop, &ring->idle);
    ring->idle.data = ring;
}

void connection_ring_deinit(struct connection_ring *ring)
{
    while (ring->first) {
        struct connection *connection = ring->first;

        ring->first = connection->ring_next;
        connection->in_ring = false;
        connection_unref(connection);
    }
    ring->last = NULL;
    if (!uv_is_closing(loop_handle(&ring->idle)))
        uv_close(loop_handle(&ring->idle), NULL);
}

static void ring_add(struct connection *connection)
{
    struct connection_ring *ring = connection->ring;

    if (connection->in_ring || uv_is_closing(loop_handle(&ring->idle)))
        return;
    connection->in_ring = true;
    connection->ring_next = NULL;
    connection_ref(connection);
    if (ring->last)
        ring->last->ring_next = connection;
    else
        ring->first = connection;
    ring->last = connection;
    uv_idle_start(&ring->idle, on_idle);
}

/* Does the peer ask for more while it leaves too much unread? Judged before each message, so that one large
 * reply is nobody's fault; libdbus answers some messages itself (Ping without a destination). */
static bool reads_too_little(const struct connection *connection)
{
    return connection->unread_max &&
           dbus_connection_get_outgoing_size(connection->dbus) > connection->unread_max;
}

static void tell_held(struct connection *connection, size_t now)
{
    size_t before = connection->held;

    connection->held = now;
    if (now != before && !connection->handler.held(connection->handler.userdata, before, now)) {
        connection->excessive = true;
        ring_add(connection);
    }
}

static void count_held(struct connection *connection)
{
    if (connection->handler.held && !connection->closed)
        tell_held(connection, connection->begun +
                              (size_t)dbus_connection_get_outgoing_size(connection->dbus));
}

static bool has_share(const struct connection *connection)
{
    const struct connection_handler *handler = &connection->handler;

    return connection->closed || !handler->has_share || handler->has_share(handler->userdata);
}

static uint64_t spend_begin(const struct connection *connection)
{
    return connection->handler.spent && !connection->closed ? uv_hrtime() : 0;
}

/* Whatever was done for the peer: reading, answering, closing. */
static void spend_end(const struct connection *connection, uint64_t begin)
{
    if (begin)
        connection->handler.spent(connection->handler.userdata, uv_hrtime() - begin);
}

/* libdbus sees that a direct client is gone only behind the last of its messages. Calls of one that is gone are
 * dropped (direct.c), so those that had to wait, in the ring or behind another, are not even begun. */
static bool hung_up(const struct connection *connection)
{
    struct pollfd poll_fd = { .events = 0 };

    return connection->unread_max && dbus_connection_get_unix_fd(connection->dbus, &poll_fd.fd) &&
           poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLHUP);
}

/* waited: its messages did, in the ring. */
static void dispatch(struct connection *connection, bool waited)
{
    DBusDispatchStatus status = dbus_connection_get_dispatch_status(connection->dbus);
    bool shared = !connection->unread_max;
    uint64_t begin = uv_hrtime(), now = begin;
    uint64_t end = begin + (shared ? SHARED_DISPATCH_NSEC : DISPATCH_NSEC);
    unsigned max = shared ? SHARED_DISPATCH_MAX : DISPATCH_MAX;

    if (connection->closed)
        return; /* it only waited in the ring; its handler is gone */
    if (!has_share(connection))
        max = 0;
    for (unsigned n = 0; n < max && now < end && status == DBUS_DISPATCH_DATA_REMAINS; n++) {
        if (reads_too_little(connection) || (n == !waited && hung_up(connection)))
            connection->excessive = true;
        if (connection->excessive)
            break;
        connection->begun = 0;
        status = dbus_connection_dispatch(connection->dbus);
        now = uv_hrtime();
    }
    count_held(connection);
    if (connection->excessive)
        connection_close(connection);
    else if (status != DBUS_DISPATCH_COMPLETE)
        ring_add(connection);
}

/* One turn for each connection that was waiting when the turn began; those whose user has had his share by
 * other connections are the first of the next one. */
static void on_idle(uv_idle_t *idle)
{
    struct connection_ring *ring = idle->data;
    struct connection *connection = ring->first, *last = NULL;
    struct connection *first = NULL;

    ring->first = ring->last = NULL;
    while (connection) {
        struct connection *next = connection->ring_next;

        if (has_share(connection)) {
            uint64_t begin = spend_begin(connection);

            connection->in_ring = false;
            dispatch(connection, true);
            spend_end(connection, begin);
            connection_unref(connection);
        } else {
            if (last)
                last->ring_next = connection;
            else
                first = connection;
            last = connection;
        }
        connection = next;
    }
    if (last) {
        last->ring_next = ring->first;
        ring->first = first;
        ring->last = ring->last ? ring->last : last;
    }
    if (!ring->first)
        uv_idle_stop(idle);
}

/* To read costs, too, a large message more than many a call, and so does to close: who has had his share is
 * not even read. */
static bool on_begin(void *userdata, int events)
{
    struct connection *connection = userdata;

    if (events && !has_share(connection))
        return false;
    connection_ref(connection);
    connection->in_event = true;
    if (events & UV_READABLE)
        connection->begun += EVENT_BYTES_MAX;
    connection->event_nsec = spend_begin(connection);
    return true;
}

static void on_end(void *userdata)
{
    struct connection *connection = userdata;

    connection->in_event = false;
    if (!connection->in_ring)
        dispatch(connection, false);
    spend_end(connection, connection->event_nsec);
    connection_unref(connection);
}

static void on_dispatch_status(DBusConnection *dbus, DBusDispatchStatus status, void *data)
{
    struct connection *connection = data;

    /* Never dispatch from within: a reply sent by a handler comes through here. */
    if (status != DBUS_DISPATCH_COMPLETE && !connection->in_event)
        ring_add(connection);
}

/* Of what was read before too much of it waited, libdbus tells only when it is asked. */
static void on_readable(void *userdata)
{
    ring_add(userdata);
}

static void closed(struct connection *connection)
{
    if (connection->closed)
        return;
    connection->closed = true;
    if (connection->handler.held)
        tell_held(connection, 0);
    connection->handler.closed(connection->handler.userdata, connection);
}

static DBusHandlerResult on_message(DBusConnection *dbus, DBusMessage *message, void *data)
{
    struct connection *connection = data;

    if (dbus_message_is_signal(message, DBUS_INTERFACE_LOCAL, "Disconnected"))
        closed(connection);
    else if (!connection->closed)
        connection->handler.message(connection->handler.userdata, connection, message);
    return DBUS_HANDLER_RESULT_HANDLED;
}

static bool attach(struct connection *connection)
{
    DBusConnection *dbus = connection->dbus;

    dbus_connection_set_exit_on_disconnect(dbus, FALSE);
    dbus_connection_set_route_peer_messages(dbus, TRUE);
    dbus_connection_set_dispatch_status_function(dbus, on_dispatch_status, connection, NULL);
    connection->filtered = dbus_connection_add_filter(dbus, on_message, connection, NULL);
    return connection->filtered &&
           dbus_connection_set_watch_functions(dbus, watch_add, watch_remove, watch_toggle,
                                               &connection->watches, NULL) &&
           dbus_connection_set_timeout_functions(dbus, timeout_add, timeout_remove, timeout_toggle,
                                                 &connection->watches, NULL);
}

static void detach(struct connection *connection)
{
    DBusConnection *dbus = connection->dbus;

    dbus_connection_set_dispatch_status_function(dbus, NULL, NULL, NULL);
    (void)dbus_connection_set_watch_functions(dbus, NULL, NULL, NULL, NULL, NULL);
    (void)dbus_connection_set_timeout_functions(dbus, NULL, NULL, NULL, NULL, NULL);
    /* libdbus aborts when a filter is removed that is not there. */
    if (connection->filtered)
        dbus_connection_remove_filter(dbus, on_message, connection);
}

int connection_new(struct connection_ring *ring, DBusConnection *dbus,
                   const struct connection_handler *handler, long unread_max,
                   struct connection **ret_connection)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (!connection)
        return -ENOMEM;
    connection->references = 1;
    connection->dbus = dbus;
    connection->ring = ring;
    connection->unread_max = unread_max;
    connection->handler = *handler;
    connection->watches = (struct watch_set){
        .loop = ring->idle.loop, .begin = on_begin, .end = on_end, .readable = on_readable,
        .read_nsec = unread_max ? 0 : SHARED_DISPATCH_NSEC, .userdata = connection };
    if (!attach(connection)) {
        detach(connection);
        free(connection);
        return -ENOMEM;
    }
    if (dbus_connection_get_dispatch_status(dbus) != DBUS_DISPATCH_COMPLETE)
        ring_add(connection);
    *ret_connection = connection;
    return 0;
}

struct connection *connection_ref(struct connection *connection)
{
    connection->references++;
    return connection;
}

void connection_unref(struct connection *connection)
{
    if (!connection || --connection->references > 0)
        return;
    detach(connection);
    if (dbus_connection_get_is_connected(connection->dbus))
        dbus_connection_close(connection->dbus);
    dbus_connection_unref(connection->dbus);
    free(connection);
}

DBusConnection *connection_dbus(const struct connection *connection)
{
    return connection->dbus;
}

bool connection_is_open(const struct connection *connection)
{
    return !connection->closed && dbus_connection_get_is_connected(connection->dbus);
}

int connection_send(struct connection *connection, DBusMessage *message)
{
    if (!connection_is_open(connection))
        return -ENOTCONN;
    if (!dbus_connection_send(connection->dbus, message, NULL))
        return -ENOMEM;
    count_held(connection);
    return 0;
}

void connection_close(struct connection *connection)
{
    connection_ref(connection);
    if (dbus_connection_get_is_connected(connection->dbus))
        dbus_connection_close(connection->dbus);
    closed(connection);
    connection_unref(connection);
}

bool connection_has_unsent(const struct connection *connection)
{
    return connection_is_open(connection) &&
           dbus_connection_has_messages_to_send(connection->dbus);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/connection.h"

#include "client/deadline.h"
#include "client/error.h"
#include "client/libdbus.h"
#include "client/socket.h"
#include "common/descriptor.h"
#include "common/names.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { WATCHES_MAX = 4 }; /* libdbus has two for each connection */

struct connection {
    DBusConnection *bus;
    int fd; /* borrowed from `bus` */
    bool is_bus;
    DBusWatch *watches[WATCHES_MAX];
};

/* ---- What libdbus waits for ---- */

static dbus_bool_t watch_add(DBusWatch *watch, void *data)
{
    struct connection *connection = data;

    for (size_t i = 0; i < WATCHES_MAX; i++) {
        if (!connection->watches[i]) {
            connection->watches[i] = watch;
            return TRUE;
        }
    }
    return FALSE;
}

static void watch_remove(DBusWatch *watch, void *data)
{
    struct connection *connection = data;

    for (size_t i = 0; i < WATCHES_MAX; i++)
        if (connection->watches[i] == watch)
            connection->watches[i] = NULL;
}

static void watch_toggled(DBusWatch *watch, void *data)
{
    /* wait_ready() asks each watch afresh. */
}

static short wanted_events(const struct connection *connection)
{
    short events = 0;

    for (size_t i = 0; i < WATCHES_MAX; i++) {
        DBusWatch *watch = connection->watches[i];

        if (!watch || !dbus_watch_get_enabled(watch))
            continue;
        if (dbus_watch_get_flags(watch) & DBUS_WATCH_READABLE)
            events |= POLLIN;
        if (dbus_watch_get_flags(watch) & DBUS_WATCH_WRITABLE)
            events |= POLLOUT;
    }
    return events;
}

/* One step: waits until the socket is ready, then lets libdbus do what can be done without waiting.
 * (dbus_connection_read_write() could wait by itself, but starts its time anew at each signal, so
 * that a host process with an interval timer would never get out of it.) */
static enum mastersecret_error step(struct connection *connection, int64_t deadline)
{
    struct pollfd ready = { .fd = connection->fd, .events = wanted_events(connection) };
    int left = deadline_left(deadline);
    int count, r;

    if (left == 0)
        return MASTERSECRET_TIMED_OUT;
    libdbus_leave();
    count = poll(&ready, 1, left);
    r = count < 0 ? errno : 0;
    if (!libdbus_enter())
        return MASTERSECRET_UNREACHABLE;
    if (count > 0)
        dbus_connection_read_write(connection->bus, 0);
    /* A host that allows itself no descriptors at all cannot even wait for one. */
    if (r > 0 && r != EINTR)
        return client_error_from_errno(r);
    return MASTERSECRET_OK;
}

/* ---- Opening ---- */

/* A listening socket of our own, and the address libdbus finds it by. */
static int stand_in_open(char *ret_address, size_t size, int *ret_fd)
{
    CLEANUP_CLOSE int fd = socket_above_standard(SOCK_STREAM);
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    socklen_t length = sizeof(name);

    /* No name given: the kernel chooses a free abstract one, a NUL and five hex digits. */
    if (fd < 0 || bind(fd, &name, sizeof(name.sun_family)) < 0 ||
        listen(fd, 64) < 0 || getsockname(fd, &name, &length) < 0)
        return -errno;
    length -= (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1;
    snprintf(ret_address, size, "unix:abstract=%.*s", (int)length, name.sun_path + 1);
    *ret_fd = steal_fd(&fd);
    return 0;
}

static void discard(DBusConnection *bus)
{
    dbus_connection_close(bus);
    dbus_connection_unref(bus);
}

/* A connection of libdbus's own making, above 2: see descriptor.h. */
static DBusConnection *open_above_standard(const char *address)
{
    int fillers[DESCRIPTORS_STANDARD];
    DBusConnection *bus;

    descriptors_fill(fillers);
    bus = dbus_connection_open_private(address, NULL);
    descriptors_unfill(fillers);
    if (bus)
        dbus_connection_set_exit_on_disconnect(bus, FALSE);
    return bus;
}

/* A DBusConnection over a socket that is connected already. libdbus insists on connecting by
 * itself, and would block there on a listener whose backlog is full, for ever if that process is
 * stopped. A probe before does not help: it may take the last place itself. So libdbus connects to
 * a listener of ours, which never blocks, and then its fd is replaced by the real socket; it has
 * not written a byte by then, and knows the fd by its number alone. */
static int adopt(int socket_fd, DBusConnection **ret_bus)
{
    char address[64];
    CLEANUP_CLOSE int stand_in = -1;
    DBusConnection *bus;
    int fd;
    int r = stand_in_open(address, sizeof(address), &stand_in);

    if (r < 0)
        return r;
    /* By default libdbus sets SIGPIPE to be ignored, for the whole process; it needs that nowhere,
     * since all it sends is sent with MSG_NOSIGNAL. */
    dbus_connection_set_change_sigpipe(FALSE);
    bus = open_above_standard(address);
    if (!bus)
        return -ENOMEM;
    if (!dbus_connection_get_unix_fd(bus, &fd) || dup3(socket_fd, fd, O_CLOEXEC) < 0) {
        r = errno > 0 ? -errno : -EIO;
        discard(bus);
        return r;
    }
    *ret_bus = bus;
    return 0;
}

static enum mastersecret_error authenticate(struct connection *connection, int64_t deadline)
{
    enum mastersecret_error error = MASTERSECRET_OK;

    while (!dbus_connection_get_is_authenticated(connection->bus)) {
        if (!dbus_connection_get_is_connected(connection->bus))
            return MASTERSECRET_UNREACHABLE;
        error = step(connection, deadline);
        if (error != MASTERSECRET_OK)
            return error;
    }
    return error;
}

/* A call that carries no descriptor, and must be answered before one may: libdbus reads the end of
 * authentication with read(2), which drops the descriptors of a message that it reads along with
 * it, and then the service hangs up. On a bus this is Hello (as an ordinary call:
 * dbus_bus_register() waits without a limit), on the direct socket a ping. */
static enum mastersecret_error say_hello(struct connection *connection, int64_t deadline)
{
    struct connection_reply reply;
    enum mastersecret_error error;
    DBusMessage *call =
        connection->is_bus
            ? dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS,
                                           "Hello")
            : dbus_message_new_method_call(NULL, BUS_PATH, DBUS_INTERFACE_PEER, "Ping");

    if (!call)
        return MASTERSECRET_OUT_OF_MEMORY;
    error = connection_call(connection, call, deadline, &reply);
    dbus_message_unref(call);
    if (error != MASTERSECRET_OK)
        return error;
    if (dbus_message_get_type(reply.message) == DBUS_MESSAGE_TYPE_ERROR)
        error = client_error_from_name(dbus_message_get_error_name(reply.message));
    dbus_message_unref(reply.message);
    return error;
}

static enum mastersecret_error start(struct connection *connection, int64_t deadline)
{
    enum mastersecret_error error;

    if (!dbus_connection_get_unix_fd(connection->bus, &connection->fd) ||
        !dbus_connection_set_watch_functions(connection->bus, watch_add, watch_remove,
                                             watch_toggled, connection, NULL))
        return MASTERSECRET_OUT_OF_MEMORY;
    error = authenticate(connection, deadline);
    if (error == MASTERSECRET_OK)
        error = say_hello(connection, deadline);
    return error;
}

CLEANUP_DEFINE(connection, struct connection, connection_close)

enum mastersecret_error connection_open(const char *address, bool is_bus, int64_t deadline,
                                        char *message, struct connection **ret_connection)
{
    CLEANUP(connection_cleanup) struct connection *connection = calloc(1, sizeof(*connection));
    CLEANUP_CLOSE int fd = -1;
    enum mastersecret_error error;
    int r;

    if (!connection)
        return MASTERSECRET_OUT_OF_MEMORY;
    connection->is_bus = is_bus;
    r = socket_connect(address, deadline, &fd);
    if (r == 0)
        r = adopt(fd, &connection->bus);
    if (r < 0) {
        snprintf(message, MESSAGE_SIZE, "cannot reach the service at %.200s: %s", address,
                 r == -EINVAL ? "not a unix:path= or unix:abstract= address" : strerrordesc_np(-r));
        return r == -EINVAL ? MASTERSECRET_INVALID_ARGUMENT : client_error_from_errno(-r);
    }
    error = start(connection, deadline);
    if (error != MASTERSECRET_OK) {
        snprintf(message, MESSAGE_SIZE, "connected to %.200s, but %s", address,
                 mastersecret_strerror(error));
        return error;
    }
    *ret_connection = STEAL(connection);
    return MASTERSECRET_OK;
}

void connection_close(struct connection *connection)
{
    if (!connection)
        return;
    if (connection->bus) {
        dbus_connection_set_watch_functions(connection->bus, NULL, NULL, NULL, NULL, NULL);
        discard(connection->bus);
    }
    free(connection);
}

void connection_abandon(struct connection *connection)
{
    if (!connection)
        return;
    close(connection->fd);
    free(connection);
}

/* ---- Calls ---- */

/* The answer to `serial` if it has come (to be unreferenced), else NULL. Everything else that came
 * is dropped: signals of the bus, answers that came too late. */
static DBusMessage *pop_reply(struct connection *connection, dbus_uint32_t serial)
{
    DBusMessage *message;

    while ((message = dbus_connection_pop_message(connection->bus))) {
        int type = dbus_message_get_type(message);

        if ((type == DBUS_MESSAGE_TYPE_METHOD_RETURN || type == DBUS_MESSAGE_TYPE_ERROR) &&
            serial != 0 && dbus_message_get_reply_serial(message) == serial)
            return message;
        dbus_message_unref(message);
    }
    return NULL;
}

bool connection_is_alive(struct connection *connection)
{
    struct pollfd ready = { .fd = connection->fd, .events = POLLIN };

    /* One step for each thing that may wait to be read: an end of file comes last. */
    for (int i = 0; i < 16 && dbus_connection_get_is_connected(connection->bus); i++) {
        if (poll(&ready, 1, 0) <= 0)
            return true;
        dbus_connection_read_write(connection->bus, 0);
        pop_reply(connection, 0);
    }
    return false;
}

static enum mastersecret_error wait_reply(struct connection *connection, dbus_uint32_t serial,
                                          int64_t deadline, struct connection_reply *reply)
{
    enum mastersecret_error error;

    for (;;) {
        reply->message = pop_reply(connection, serial);
        if (reply->message)
            return MASTERSECRET_OK;
        if (!dbus_connection_get_is_connected(connection->bus))
            return MASTERSECRET_UNREACHABLE;
        error = step(connection, deadline);
        if (!dbus_connection_has_messages_to_send(connection->bus))
            reply->sent = true;
        if (error != MASTERSECRET_OK)
            return error;
    }
}

enum mastersecret_error connection_call(struct connection *connection, DBusMessage *call,
                                        int64_t deadline, struct connection_reply *ret_reply)
{
    dbus_uint32_t serial;

    *ret_reply = (struct connection_reply){ NULL, false };
    if (!dbus_connection_get_is_connected(connection->bus))
        return MASTERSECRET_UNREACHABLE;
    if (connection->is_bus && !dbus_message_get_destination(call) &&
        !dbus_message_set_destination(call, BUS_NAME))
        return MASTERSECRET_OUT_OF_MEMORY;
    if (!dbus_connection_send(connection->bus, call, &serial))
        return MASTERSECRET_OUT_OF_MEMORY;
    ret_reply->sent = !dbus_connection_has_messages_to_send(connection->bus);
    return wait_reply(connection, serial, deadline, ret_reply);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/bus.h"

#include "dbus-service/bus/call.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SYSTEM_BUS_ADDRESS "unix:path=/run/dbus/system_bus_socket"
#define RETRY_FIRST_MS 100
#define RETRY_LAST_MS 5000
#define ANSWER_WAIT_MS 25000
#define MATCH_VANISHED                                                                             \
    "type='signal',sender='" DBUS_SERVICE_DBUS "',interface='" DBUS_INTERFACE_DBUS                 \
    "',member='NameOwnerChanged',arg2=''"

struct bus {
    struct service *service;
    struct connection *connection; /* NULL = not connected */
    struct peer_table *peers;
    DBusPendingCall *pending;      /* Hello or RequestName */
    uv_timer_t retry;
    uint64_t pause_ms;
    bool has_name;
    bool told;                     /* that there is no bus: once, not at each attempt */
};

static void connect_now(struct bus *bus);

static void tell(struct bus *bus, enum error_code code, const char *detail)
{
    struct failure failure = { .code = ERROR_NONE };
    struct audit_event event = { .id = AUDIT_BUS, .detail = detail };

    if (code != ERROR_NONE) {
        (void)failure_set(&failure, code, "%s", detail);
        event.failure = &failure;
    }
    audit_write(&event);
}

static void set_has_name(struct bus *bus, bool has_name)
{
    if (bus->has_name == has_name)
        return;
    bus->has_name = has_name;
    service_bus_changed(bus->service, has_name);
}

static void on_retry(uv_timer_t *timer)
{
    connect_now(timer->data);
}

static void retry_later(struct bus *bus, const char *why)
{
    if (!bus->told)
        tell(bus, ERROR_UNREACHABLE, why);
    bus->told = true;
    uv_timer_start(&bus->retry, on_retry, bus->pause_ms, 0);
    bus->pause_ms = bus->pause_ms * 2 < RETRY_LAST_MS ? bus->pause_ms * 2 : RETRY_LAST_MS;
}

static void pending_drop(struct bus *bus)
{
    if (!bus->pending)
        return;
    dbus_pending_call_cancel(bus->pending);
    dbus_pending_call_unref(STEAL(bus->pending));
}

static void disconnect(struct bus *bus)
{
    pending_drop(bus);
    peer_table_free(STEAL(bus->peers));
    connection_unref(STEAL(bus->connection));
    set_has_name(bus, false);
}

static void give_up(struct bus *bus, const char *why)
{
    disconnect(bus);
    retry_later(bus, why);
}

static void on_closed(void *userdata, struct connection *connection)
{
    struct bus *bus = userdata;

    if (bus->connection == connection)
        give_up(bus, "the connection to the system bus is lost");
}

static int ask_driver(struct bus *bus, DBusMessage *message, DBusPendingCallNotifyFunction notify)
{
    int r = -ENOMEM;

    if (message && dbus_connection_send_with_reply(connection_dbus(bus->connection), message,
                                                   &bus->pending, ANSWER_WAIT_MS))
        r = bus->pending && dbus_pending_call_set_notify(bus->pending, notify, bus, NULL)
                ? 0
                : -ENOTCONN;
    if (message)
        dbus_message_unref(message);
    return r;
}

static DBusMessage *driver_call(const char *member)
{
    return dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS,
                                        member);
}

/* The answer that was waited for; NULL for an error. */
static DBusMessage *take_answer(struct bus *bus, DBusPendingCall *pending)
{
    DBusMessage *reply = dbus_pending_call_steal_reply(pending);

    dbus_pending_call_unref(STEAL(bus->pending));
    if (reply && dbus_message_get_type(reply) == DBUS_MESSAGE_TYPE_METHOD_RETURN)
        return reply;
    if (reply)
        dbus_message_unref(reply);
    return NULL;
}

static void on_name(DBusPendingCall *pending, void *userdata)
{
    struct bus *bus = userdata;
    DBusMessage *reply = take_answer(bus, pending);
    uint32_t result = 0;

    if (reply) {
        (void)dbus_message_get_args(reply, NULL, DBUS_TYPE_UINT32, &result, DBUS_TYPE_INVALID);
        dbus_message_unref(reply);
    }
    if (result != DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER &&
        result != DBUS_REQUEST_NAME_REPLY_ALREADY_OWNER) {
        give_up(bus, "the bus does not give us the name " BUS_NAME);
        return;
    }
    bus->pause_ms = RETRY_FIRST_MS;
    bus->told = false;
    tell(bus, ERROR_NONE, "name taken on the system bus");
    set_has_name(bus, true);
}

/* Which peers went, so that they can be forgotten; without the answer they are only forgotten later. */
static void watch_peers(struct bus *bus)
{
    DBusMessage *message = driver_call("AddMatch");
    const char *rule = MATCH_VANISHED;

    if (!message)
        return;
    dbus_message_set_no_reply(message, TRUE);
    if (dbus_message_append_args(message, DBUS_TYPE_STRING, &rule, DBUS_TYPE_INVALID))
        (void)connection_send(bus->connection, message);
    dbus_message_unref(message);
}

static void on_hello(DBusPendingCall *pending, void *userdata)
{
    struct bus *bus = userdata;
    DBusMessage *reply = take_answer(bus, pending), *request;
    const char *unique = NULL, *name = BUS_NAME;
    uint32_t flags = DBUS_NAME_FLAG_DO_NOT_QUEUE;

    if (reply)
        (void)dbus_message_get_args(reply, NULL, DBUS_TYPE_STRING, &unique, DBUS_TYPE_INVALID);
    if (unique)
        (void)dbus_bus_set_unique_name(connection_dbus(bus->connection), unique);
    if (reply)
        dbus_message_unref(reply);
    if (!unique) {
        give_up(bus, "the system bus does not greet us");
        return;
    }
    watch_peers(bus);
    request = driver_call("RequestName");
    if (request)
        (void)dbus_message_append_args(request, DBUS_TYPE_STRING, &name, DBUS_TYPE_UINT32, &flags,
                                       DBUS_TYPE_INVALID);
    if (ask_driver(bus, request, on_name) < 0)
        give_up(bus, "the name cannot be asked for");
}

static void on_vanished(struct bus *bus, DBusMessage *message)
{
    const char *name, *old_owner, *new_owner;

    if (dbus_message_get_args(message, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_STRING, &old_owner,
                              DBUS_TYPE_STRING, &new_owner, DBUS_TYPE_INVALID) &&
        *new_owner == '\0' && *name == ':')
        peer_table_vanished(bus->peers, name);
}

static void on_signal(struct bus *bus, DBusMessage *message)
{
    if (!dbus_message_has_sender(message, DBUS_SERVICE_DBUS))
        return;
    if (dbus_message_is_signal(message, DBUS_INTERFACE_DBUS, "NameOwnerChanged"))
        on_vanished(bus, message);
    else if (dbus_message_is_signal(message, DBUS_INTERFACE_DBUS, "NameLost") && bus->has_name &&
             !bus->service->stopping)
        give_up(bus, "the name " BUS_NAME " was lost");
}

static void on_message(void *userdata, struct connection *connection, DBusMessage *message)
{
    struct bus *bus = userdata;
    const char *sender = dbus_message_get_sender(message);
    struct peer *peer;

    if (bus->connection != connection)
        return;
    if (dbus_message_get_type(message) == DBUS_MESSAGE_TYPE_SIGNAL) {
        on_signal(bus, message);
        return;
    }
    if (dbus_message_get_type(message) != DBUS_MESSAGE_TYPE_METHOD_CALL || !sender)
        return;
    if (peer_table_get(bus->peers, connection, sender, &peer) < 0)
        return;
    call_begin(bus->service, connection, peer, message);
    peer_unref(peer);
}

/* connect(2) blocks while a stopped bus' backlog is full, and libdbus would block with it: so the socket
 * is tried first. Addresses of another kind are left to libdbus. */
static int probe(const char *address)
{
    static const char prefix[] = "unix:path=";
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    const void *generic = &name;
    CLEANUP_CLOSE int fd = -1;
    size_t length;

    if (strncmp(address, prefix, sizeof(prefix) - 1) != 0)
        return 0;
    address += sizeof(prefix) - 1;
    length = strcspn(address, ",;");
    if (length >= sizeof(name.sun_path) || memchr(address, '%', length))
        return 0;
    memcpy(name.sun_path, address, length);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, generic, sizeof(name)) < 0)
        return -errno;
    return 0;
}

static int attach(struct bus *bus, DBusConnection *dbus)
{
    struct connection_handler handler = { .message = on_message, .closed = on_closed, .userdata = bus };
    int r = connection_new(&bus->service->ring, dbus, &handler, 0, &bus->connection);

    if (r < 0) {
        dbus_connection_close(dbus);
        dbus_connection_unref(dbus);
        return r;
    }
    r = peer_table_new(bus->service, &bus->peers);
    return r < 0 ? r : ask_driver(bus, driver_call("Hello"), on_hello);
}

static void connect_now(struct bus *bus)
{
    const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
    DBusConnection *dbus;

    if (!address || !*address)
        address = SYSTEM_BUS_ADDRESS;
    if (probe(address) < 0) {
        retry_later(bus, "the system bus cannot be reached");
        return;
    }
    dbus = dbus_connection_open_private(address, NULL);
    if (!dbus)
        retry_later(bus, "the system bus cannot be reached");
    else if (attach(bus, dbus) < 0)
        give_up(bus, "the system bus cannot be spoken to");
}

int bus_new(struct service *service, struct bus **ret_bus)
{
    struct bus *bus = calloc(1, sizeof(*bus));

    if (!bus)
        return -ENOMEM;
    bus->service = service;
    bus->pause_ms = RETRY_FIRST_MS;
    uv_timer_init(service->loop, &bus->retry);
    bus->retry.data = bus;
    *ret_bus = bus;
    connect_now(bus);
    return 0;
}

static void on_freed(uv_handle_t *handle)
{
    free(handle->data);
}

void bus_free(struct bus *bus)
{
    if (!bus)
        return;
    disconnect(bus);
    uv_close(loop_handle(&bus->retry), on_freed);
}

void bus_send(struct bus *bus, DBusMessage *message)
{
    if (bus && bus->has_name)
        (void)connection_send(bus->connection, message);
}

void bus_release_name(struct bus *bus)
{
    DBusMessage *message;
    const char *name = BUS_NAME;

    if (!bus || !bus->has_name)
        return;
    message = driver_call("ReleaseName");
    if (!message)
        return;
    dbus_message_set_no_reply(message, TRUE);
    if (dbus_message_append_args(message, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID))
        (void)connection_send(bus->connection, message);
    dbus_message_unref(message);
}

bool bus_has_name(const struct bus *bus)
{
    return bus && bus->has_name;
}

bool bus_has_unsent(const struct bus *bus)
{
    return bus && bus->connection && connection_has_unsent(bus->connection);
}

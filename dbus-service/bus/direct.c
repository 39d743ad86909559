/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/direct.h"

#include "dbus-service/bus/call.h"
#include "dbus-service/bus/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BACKLOG 4096
#define AUTHENTICATION_MS 5000
/* All plain values of one mapping and their names. A message cannot be read in parts: libdbus checks and copies it
 * at once, 1 MiB in 3 ms in which nobody else is served. */
#define MESSAGE_SIZE_MAX (384 * 1024)
/* Complete messages that wait for their turn, or whose calls are under way; larger ones come alone. */
#define RECEIVED_SIZE_MAX (16 * 1024)
#define RECEIVED_FDS_MAX 64
#define UNREAD_MAX (1024 * 1024)

struct client {
    struct direct *direct;
    struct connection *connection;
    struct peer *peer;
    struct client *next;
    struct client *previous;
    uv_timer_t authentication;
};

struct direct {
    struct service *service;
    DBusServer *server;
    struct watch_set watches;
    struct client *clients;
    unsigned references; /* one of its own and one per client */
    char *path;
    dev_t device;
    ino_t inode;
};

static void direct_unref(struct direct *direct)
{
    if (--direct->references > 0)
        return;
    free(direct->path);
    free(direct);
}

static void on_client_freed(uv_handle_t *handle)
{
    struct client *client = handle->data;

    peer_unref(client->peer); /* until now he is charged with what closing takes */
    direct_unref(client->direct);
    free(client);
}

static void client_drop(struct client *client)
{
    struct direct *direct = client->direct;

    if (client->previous)
        client->previous->next = client->next;
    else
        direct->clients = client->next;
    if (client->next)
        client->next->previous = client->previous;
    calls_drop_peer(direct->service, client->peer);
    quota_connection_end(direct->service->quota, client->peer->caller.uid);
    connection_unref(client->connection);
    service_trim(direct->service);
    uv_close(loop_handle(&client->authentication), on_client_freed);
}

static void on_closed(void *userdata, struct connection *connection)
{
    client_drop(userdata);
}

static void on_message(void *userdata, struct connection *connection, DBusMessage *message)
{
    struct client *client = userdata;

    if (dbus_message_get_type(message) == DBUS_MESSAGE_TYPE_METHOD_CALL)
        call_begin(client->direct->service, connection, client->peer, message);
}

static bool on_held(void *userdata, size_t before, size_t now)
{
    const struct client *client = userdata;

    return quota_bytes_change(client->direct->service->quota, client->peer->caller.uid, before,
                              now) == 0;
}

static bool has_share(void *userdata)
{
    const struct client *client = userdata;

    return quota_has_share(client->direct->service->quota, client->peer->caller.uid);
}

static void on_spent(void *userdata, uint64_t nsec)
{
    const struct client *client = userdata;

    quota_spend(client->direct->service->quota, client->peer->caller.uid, nsec);
}

static void on_authentication_late(uv_timer_t *timer)
{
    struct client *client = timer->data;

    if (!dbus_connection_get_is_authenticated(connection_dbus(client->connection)))
        connection_close(client->connection);
}

static dbus_bool_t any_user(DBusConnection *dbus, unsigned long uid, void *data)
{
    return TRUE; /* who he is decides what he may do, call by call */
}

static void limit(DBusConnection *dbus)
{
    dbus_connection_set_allow_anonymous(dbus, FALSE);
    dbus_connection_set_unix_user_function(dbus, any_user, NULL, NULL);
    dbus_connection_set_max_message_size(dbus, MESSAGE_SIZE_MAX);
    dbus_connection_set_max_message_unix_fds(dbus, DESCRIPTORS_MAX);
    dbus_connection_set_max_received_size(dbus, RECEIVED_SIZE_MAX);
    dbus_connection_set_max_received_unix_fds(dbus, RECEIVED_FDS_MAX);
}

static int client_attach(struct client *client, DBusConnection *dbus)
{
    struct service *service = client->direct->service;
    struct connection_handler handler = { on_message, on_closed, on_held, has_share, on_spent, client };
    int fd, r;

    if (!dbus_connection_get_unix_fd(dbus, &fd))
        return -ENOTCONN;
    r = peer_new_socket(service, fd, &client->peer);
    if (r < 0)
        return r;
    r = quota_connection_begin(service->quota, client->peer->caller.uid);
    if (r < 0)
        return r;
    limit(dbus);
    r = connection_new(&service->ring, dbus_connection_ref(dbus), &handler, UNREAD_MAX,
                       &client->connection);
    if (r < 0) {
        dbus_connection_unref(dbus);
        quota_connection_end(service->quota, client->peer->caller.uid);
    }
    return r;
}

/* Whoever is refused here finds his connection closed: libdbus drops what nobody referenced. */
static void on_connection(DBusServer *server, DBusConnection *dbus, void *data)
{
    struct direct *direct = data;
    struct client *client = calloc(1, sizeof(*client));

    if (!client)
        return;
    client->direct = direct;
    if (client_attach(client, dbus) < 0) {
        peer_unref(client->peer);
        free(client);
        return;
    }
    client->next = direct->clients;
    if (client->next)
        client->next->previous = client;
    direct->clients = client;
    direct->references++;
    uv_timer_init(direct->service->loop, &client->authentication);
    client->authentication.data = client;
    uv_timer_start(&client->authentication, on_authentication_late, AUTHENTICATION_MS, 0);
}

/* A listening socket at the path, put there by rename, so that there is a socket at any moment and one
 * left behind by a killed predecessor is no obstacle. */
static int make_socket(struct direct *direct)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const void *generic = &address;
    CLEANUP_CLOSE int fd = -1;
    struct stat status;
    int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s.new", direct->path);

    if (length < 0 || (size_t)length >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (unlink(address.sun_path) < 0 && errno != ENOENT)
        return -errno;
    if (bind(fd, generic, sizeof(address)) < 0 ||
        chmod(address.sun_path, 0666) < 0 || listen(fd, BACKLOG) < 0 ||
        stat(address.sun_path, &status) < 0 || rename(address.sun_path, direct->path) < 0)
        return -errno;
    direct->device = status.st_dev;
    direct->inode = status.st_ino;
    return dup3(fd, DIRECT_LISTEN_FD, O_CLOEXEC) < 0 ? -errno : 0;
}

/* libdbus listens with a backlog of 30 on sockets of its own, so it is handed this one the way systemd
 * would do it: by the environment, which is safe to change as no thread runs before the keyring is
 * opened (service_start()). */
static DBusServer *listen_on_fd(void)
{
    DBusServer *server;
    char pid[24];

    (void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    if (setenv("LISTEN_PID", pid, 1) < 0 || setenv("LISTEN_FDS", "1", 1) < 0)
        return NULL;
    server = dbus_server_listen("systemd:", NULL);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    return server;
}

static int serve(struct direct *direct)
{
    static const char *mechanisms[] = { "EXTERNAL", NULL };

    direct->server = listen_on_fd();
    if (!direct->server)
        return -EIO;
    dbus_server_set_new_connection_function(direct->server, on_connection, direct, NULL);
    if (!dbus_server_set_auth_mechanisms(direct->server, mechanisms) ||
        !dbus_server_set_watch_functions(direct->server, watch_add, watch_remove, watch_toggle,
                                         &direct->watches, NULL) ||
        !dbus_server_set_timeout_functions(direct->server, timeout_add, timeout_remove,
                                           timeout_toggle, &direct->watches, NULL))
        return -ENOMEM;
    return 0;
}

int direct_new(struct service *service, const char *folder, struct direct **ret_direct)
{
    struct direct *direct = calloc(1, sizeof(*direct));
    int r = -ENOMEM;

    if (!direct)
        return -ENOMEM;
    direct->references = 1;
    direct->service = service;
    direct->watches.loop = service->loop;
    if (asprintf(&direct->path, "%s/" DIRECT_SOCKET_NAME, folder) < 0)
        direct->path = NULL;
    if (direct->path)
        r = make_socket(direct);
    if (r == 0)
        r = serve(direct);
    if (r < 0) {
        direct_free(direct);
        return r;
    }
    *ret_direct = direct;
    return 0;
}

void direct_stop(struct direct *direct)
{
    struct stat status;

    if (!direct || !direct->server)
        return;
    (void)dbus_server_set_watch_functions(direct->server, NULL, NULL, NULL, NULL, NULL);
    (void)dbus_server_set_timeout_functions(direct->server, NULL, NULL, NULL, NULL, NULL);
    dbus_server_disconnect(direct->server);
    dbus_server_unref(STEAL(direct->server));
    if (stat(direct->path, &status) == 0 && status.st_dev == direct->device &&
        status.st_ino == direct->inode)
        (void)unlink(direct->path);
}

void direct_free(struct direct *direct)
{
    if (!direct)
        return;
    direct_stop(direct);
    while (direct->clients)
        connection_close(direct->clients->connection);
    direct_unref(direct);
}

bool direct_has_unsent(const struct direct *direct)
{
    if (!direct)
        return false;
    for (const struct client *client = direct->clients; client; client = client->next)
        if (connection_has_unsent(client->connection))
            return true;
    return false;
}

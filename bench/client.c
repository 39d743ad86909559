/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "bench/echo.h"
#include "bench/people.h"
#include "bench/stream.h"
#include "common/names.h"

#include <dbus/dbus.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define REPLY_TIMEOUT_MS 10000

/* What gnome-keyring serves; bench/stand.py writes its items. */
#define KEYRING_NAME "org.freedesktop.secrets"
#define KEYRING_PATH "/org/freedesktop/secrets"

struct client {
    struct stream stream;
    DBusConnection *connection;
    const char *destination; /* NULL on the direct socket */
    struct workload workload;
    unsigned serial; /* of the call */
    unsigned random;
    /* The pipe that every lookup's value comes through, as in a gateway that makes many. */
    int read_end, write_end;
    DBusMessage *session; /* at gnome-keyring: its answer to OpenSession */
};

static void message_unref(DBusMessage **message)
{
    if (*message)
        dbus_message_unref(*message);
}

#define CLEANUP_MESSAGE CLEANUP(message_unref)

static void client_free(struct stream *stream)
{
    struct client *client = (struct client *)stream;

    if (client->connection) {
        dbus_connection_close(client->connection);
        dbus_connection_unref(client->connection);
    }
    message_unref(&client->session);
    cleanup_close_fd(&client->read_end);
    cleanup_close_fd(&client->write_end);
    free(client);
}

static int report(DBusError *error, const char *what)
{
    fprintf(stderr, "cannot %s: %s: %s\n", what, error->name ? error->name : "-",
            error->message ? error->message : "-");
    dbus_error_free(error);
    return -EIO;
}

static int client_exchange(struct client *client, DBusMessage *call, DBusMessage **ret_reply)
{
    DBusError error = DBUS_ERROR_INIT;
    DBusMessage *reply;

    if (client->destination)
        dbus_message_set_destination(call, client->destination);
    reply = dbus_connection_send_with_reply_and_block(client->connection, call, REPLY_TIMEOUT_MS,
                                                      &error);
    if (!reply)
        return report(&error, dbus_message_get_member(call));
    *ret_reply = reply;
    return 0;
}

static int ping_call(struct stream *stream)
{
    struct client *client = (struct client *)stream;
    DBusMessage *reply CLEANUP_MESSAGE = NULL;
    DBusMessage *call CLEANUP_MESSAGE =
        dbus_message_new_method_call(NULL, BUS_PATH, DBUS_INTERFACE_PEER, "Ping");

    return call ? client_exchange(client, call, &reply) : -ENOMEM;
}

/* An a{sh} of the one masked field. */
static void append_descriptor(DBusMessageIter *arguments, int fd)
{
    const char *label = PEOPLE_FIELD;
    DBusMessageIter dict, entry;

    dbus_message_iter_open_container(arguments, DBUS_TYPE_ARRAY, "{sh}", &dict);
    dbus_message_iter_open_container(&dict, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
    dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &label);
    dbus_message_iter_append_basic(&entry, DBUS_TYPE_UNIX_FD, &fd);
    dbus_message_iter_close_container(&dict, &entry);
    dbus_message_iter_close_container(arguments, &dict);
}

/* The answer must be this user's: a fast wrong answer is none. */
static int lookup_check(int fd, const char *user)
{
    char value[256], expected[64];
    ssize_t length = read(fd, value, sizeof(value));
    int prefix = snprintf(expected, sizeof(expected), "of-%s-", user);

    if (length < prefix || memcmp(value, expected, (size_t)prefix)) {
        fprintf(stderr, "lookup of '%s' gave another value\n", user);
        return -EBADMSG;
    }
    return 0;
}

/* Where a call goes is written behind its arguments: libdbus goes through all that stands in the header each
 * time an argument makes the signature longer, and a header with four fields costs more than the message. */
static int call_address(DBusMessage *call, const char *path, const char *interface,
                        const char *member)
{
    return dbus_message_set_path(call, path) && dbus_message_set_interface(call, interface) &&
                   dbus_message_set_member(call, member)
               ? 0
               : -ENOMEM;
}

static int lookup_call(struct stream *stream)
{
    struct client *client = (struct client *)stream;
    DBusMessage *reply CLEANUP_MESSAGE = NULL;
    DBusMessage *call CLEANUP_MESSAGE = dbus_message_new(DBUS_MESSAGE_TYPE_METHOD_CALL);
    char user[PEOPLE_NAME_SIZE];
    const char *name = user, *application = PEOPLE_APPLICATION;
    DBusMessageIter arguments;
    int r;

    if (!call)
        return -ENOMEM;
    client->random = client->random * 1103515245 + 12345;
    people_user((client->random >> 8) % client->workload.users, user);
    dbus_message_iter_init_append(call, &arguments);
    dbus_message_iter_append_basic(&arguments, DBUS_TYPE_STRING, &application);
    dbus_message_iter_append_basic(&arguments, DBUS_TYPE_STRING, &name);
    append_descriptor(&arguments, client->write_end);
    r = call_address(call, BUS_PATH, BUS_INTERFACE_CREDENTIALS, "Lookup");
    if (r == 0)
        r = client_exchange(client, call, &reply);
    return r < 0 ? r : lookup_check(client->read_end, user);
}

static int value_pipe(const char *user, unsigned serial, int *ret_read_end)
{
    char value[64];
    int ends[2], length = people_value(user, serial, value, sizeof(value));

    if (pipe2(ends, O_CLOEXEC))
        return -errno;
    int write_end CLEANUP_CLOSE = ends[1];

    *ret_read_end = ends[0];
    return write(write_end, value, (size_t)length) == length ? 0 : -EIO;
}

/* The next of this client's own users: two clients never meet in one mapping. */
static void next_own_user(struct client *client, char ret_user[PEOPLE_NAME_SIZE])
{
    const struct workload *workload = &client->workload;
    unsigned own = workload->users / workload->clients;
    unsigned turn = own ? client->serial % own : 0;

    people_user((workload->client + turn * workload->clients) % workload->users, ret_user);
}

static int set_call(struct stream *stream)
{
    struct client *client = (struct client *)stream;
    DBusMessage *reply CLEANUP_MESSAGE = NULL;
    DBusMessage *call CLEANUP_MESSAGE = dbus_message_new(DBUS_MESSAGE_TYPE_METHOD_CALL);
    char user[PEOPLE_NAME_SIZE], account[PEOPLE_NAME_SIZE + 8];
    const char *text = account, *as_it_is = "";
    DBusMessageIter arguments, plain;
    int value CLEANUP_CLOSE = -1;
    int r;

    next_own_user(client, user);
    snprintf(account, sizeof(account), "user:%s", user);
    r = value_pipe(user, client->serial++, &value);
    if (!call || r < 0)
        return -ENOMEM;
    dbus_message_iter_init_append(call, &arguments);
    dbus_message_iter_append_basic(&arguments, DBUS_TYPE_STRING, &text);
    dbus_message_iter_append_basic(&arguments, DBUS_TYPE_STRING, &as_it_is);
    dbus_message_iter_open_container(&arguments, DBUS_TYPE_ARRAY, "{ss}", &plain);
    dbus_message_iter_close_container(&arguments, &plain);
    append_descriptor(&arguments, value);
    r = call_address(call, BUS_PATH_APPLICATION "/" PEOPLE_APPLICATION, BUS_INTERFACE_APPLICATION,
                     "SetMapping");
    return r < 0 ? r : client_exchange(client, call, &reply);
}

/* ---- gnome-keyring, for comparison ---- */

/* One without a password opens when asked to. */
static int keyring_unlock(struct client *client)
{
    const char *collections[] = { KEYRING_PATH "/collection/bench" };
    const char *const *list = collections;
    DBusMessage *reply CLEANUP_MESSAGE = NULL;
    DBusMessage *call CLEANUP_MESSAGE = dbus_message_new_method_call(
        NULL, KEYRING_PATH, "org.freedesktop.Secret.Service", "Unlock");

    if (!call || !dbus_message_append_args(call, DBUS_TYPE_ARRAY, DBUS_TYPE_OBJECT_PATH, &list, 1,
                                           DBUS_TYPE_INVALID))
        return -ENOMEM;
    return client_exchange(client, call, &reply);
}

static int keyring_open_session(struct client *client)
{
    const char *algorithm = "plain", *nothing = "";
    DBusMessage *call CLEANUP_MESSAGE = dbus_message_new_method_call(
        NULL, KEYRING_PATH, "org.freedesktop.Secret.Service", "OpenSession");
    DBusMessageIter arguments, variant;
    int r;

    if (!call)
        return -ENOMEM;
    dbus_message_iter_init_append(call, &arguments);
    dbus_message_iter_append_basic(&arguments, DBUS_TYPE_STRING, &algorithm);
    dbus_message_iter_open_container(&arguments, DBUS_TYPE_VARIANT, "s", &variant);
    dbus_message_iter_append_basic(&variant, DBUS_TYPE_STRING, &nothing);
    dbus_message_iter_close_container(&arguments, &variant);
    r = client_exchange(client, call, &client->session);
    return r < 0 ? r : keyring_unlock(client);
}

/* The path is the second of two values. */
static const char *keyring_session(struct client *client)
{
    const char *path = "/";
    DBusMessageIter arguments;

    dbus_message_iter_init(client->session, &arguments);
    dbus_message_iter_next(&arguments);
    if (dbus_message_iter_get_arg_type(&arguments) == DBUS_TYPE_OBJECT_PATH)
        dbus_message_iter_get_basic(&arguments, &path);
    return path;
}

static int secret_call(struct stream *stream)
{
    struct client *client = (struct client *)stream;
    DBusMessage *call CLEANUP_MESSAGE = NULL, *reply CLEANUP_MESSAGE = NULL;
    char item[64];
    const char *session;
    int r = client->session ? 0 : keyring_open_session(client);

    if (r < 0)
        return r;
    session = keyring_session(client);
    client->random = client->random * 1103515245 + 12345;
    snprintf(item, sizeof(item), KEYRING_PATH "/collection/bench/%u",
             (client->random >> 8) % client->workload.users + 1);
    call = dbus_message_new_method_call(NULL, item, "org.freedesktop.Secret.Item", "GetSecret");
    if (!call || !dbus_message_append_args(call, DBUS_TYPE_OBJECT_PATH, &session,
                                           DBUS_TYPE_INVALID))
        return -ENOMEM;
    return client_exchange(client, call, &reply);
}

static const struct {
    const char *name;
    int (*call)(struct stream *stream);
} operations[] = {
    { "ping", ping_call },
    { "lookup", lookup_call },
    { "set", set_call },
    { "secret", secret_call },
};

static int operation_find(const char *name, int (**ret_call)(struct stream *stream))
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++)
        if (!strcmp(operations[i].name, name)) {
            *ret_call = operations[i].call;
            return 0;
        }
    fprintf(stderr, "unknown operation '%s'\n", name);
    return -EINVAL;
}

static int client_connect(struct client *client, const char *address)
{
    DBusError error = DBUS_ERROR_INIT;

    client->connection = dbus_connection_open_private(address, &error);
    if (!client->connection)
        return report(&error, "connect");
    dbus_connection_set_exit_on_disconnect(client->connection, FALSE);
    if (client->destination && !dbus_bus_register(client->connection, &error))
        return report(&error, "register at the bus");
    /* libdbus sends no descriptor before the authentication is through; a first call waits for it. */
    return ping_call(&client->stream);
}

/* Door "echo" has a server of its own behind it. */
static int client_open(struct client *client, const char *name)
{
    char address[256];
    int r;

    if (strncmp(name, "echo:", 5))
        return client_connect(client, client->destination ? client->workload.bus_address
                                                          : client->workload.direct_address);
    r = echo_start(client->workload.folder, address, sizeof(address));
    return r < 0 ? r : client_connect(client, address);
}

static const char *door_destination(const char *name)
{
    if (!strncmp(name, "keyring:", 8))
        return KEYRING_NAME;
    return strncmp(name, "bus:", 4) ? NULL : BUS_NAME;
}

int client_stream_new(const char *name, const struct workload *workload,
                      struct stream **ret_stream)
{
    const char *operation = strchr(name, ':');
    struct client *client = calloc(1, sizeof(*client));
    int ends[2], r;

    if (!client)
        return -ENOMEM;
    client->stream.free = client_free;
    client->read_end = client->write_end = -1;
    client->workload = *workload;
    client->random = workload->client * 2654435761U + 1;
    client->destination = door_destination(name);
    r = operation_find(operation ? operation + 1 : "", &client->stream.call);
    if (r == 0)
        r = pipe2(ends, O_CLOEXEC) ? -errno : 0;
    if (r == 0) {
        client->read_end = ends[0];
        client->write_end = ends[1];
    }
    if (r == 0)
        r = client_open(client, name);
    if (r < 0) {
        client_free(&client->stream);
        return r;
    }
    *ret_stream = &client->stream;
    return 0;
}

static int state_compare(DBusMessage *reply, const char *state)
{
    DBusMessageIter arguments, variant;
    const char *is;

    if (!dbus_message_iter_init(reply, &arguments) ||
        dbus_message_iter_get_arg_type(&arguments) != DBUS_TYPE_VARIANT)
        return -EBADMSG;
    dbus_message_iter_recurse(&arguments, &variant);
    if (dbus_message_iter_get_arg_type(&variant) != DBUS_TYPE_STRING)
        return -EBADMSG;
    dbus_message_iter_get_basic(&variant, &is);
    return strcmp(is, state) ? -EAGAIN : 0;
}

static int state_read(DBusConnection *connection, const char *state)
{
    const char *interface = BUS_INTERFACE_MANAGER, *property = "State";
    DBusMessage *reply CLEANUP_MESSAGE = NULL;
    DBusMessage *call CLEANUP_MESSAGE =
        dbus_message_new_method_call(NULL, BUS_PATH, DBUS_INTERFACE_PROPERTIES, "Get");

    if (!call || !dbus_message_append_args(call, DBUS_TYPE_STRING, &interface, DBUS_TYPE_STRING,
                                           &property, DBUS_TYPE_INVALID))
        return -ENOMEM;
    reply = dbus_connection_send_with_reply_and_block(connection, call, REPLY_TIMEOUT_MS, NULL);
    return reply ? state_compare(reply, state) : -EAGAIN;
}

int client_state_is(const char *address, const char *state)
{
    DBusConnection *connection = dbus_connection_open_private(address, NULL);
    int r;

    if (!connection)
        return -EAGAIN;
    dbus_connection_set_exit_on_disconnect(connection, FALSE);
    r = state_read(connection, state);
    dbus_connection_close(connection);
    dbus_connection_unref(connection);
    return r;
}

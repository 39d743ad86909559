/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/pam/fake_service.h"

#include "common/names.h"

#include <dbus/dbus.h>
#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { WATCHES_MAX = 1024, CONNECTIONS_MAX = 500 };

static enum fake_behaviour behaviour;
static DBusWatch *watches[WATCHES_MAX];
static DBusConnection *connections[CONNECTIONS_MAX];
static char long_value[FAKE_LONG_BYTES];

static const struct fake_user {
    const char *name;
    const char *value;
    size_t length;
} fake_users[] = {
    { "alice", FAKE_PASSWORD, sizeof(FAKE_PASSWORD) - 1 },
    { "nul", "half\0other", 10 },
    { "empty", "", 0 },
    { "long", long_value, sizeof(long_value) },
};

/* ---- The loop ---- */

static dbus_bool_t watch_add(DBusWatch *watch, void *data)
{
    for (size_t i = 0; i < WATCHES_MAX; i++)
        if (!watches[i]) {
            watches[i] = watch;
            return TRUE;
        }
    return FALSE;
}

static void watch_remove(DBusWatch *watch, void *data)
{
    for (size_t i = 0; i < WATCHES_MAX; i++)
        if (watches[i] == watch)
            watches[i] = NULL;
}

static void watch_toggled(DBusWatch *watch, void *data)
{
}

static short events_of_flags(unsigned flags)
{
    return (short)((flags & DBUS_WATCH_READABLE ? POLLIN : 0) |
                   (flags & DBUS_WATCH_WRITABLE ? POLLOUT : 0));
}

static unsigned flags_of_events(short events)
{
    return (unsigned)((events & POLLIN ? DBUS_WATCH_READABLE : 0) |
                      (events & POLLOUT ? DBUS_WATCH_WRITABLE : 0) |
                      (events & POLLHUP ? DBUS_WATCH_HANGUP : 0) |
                      (events & POLLERR ? DBUS_WATCH_ERROR : 0));
}

static void dispatch_all(void)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        while (connections[i] &&
               dbus_connection_dispatch(connections[i]) == DBUS_DISPATCH_DATA_REMAINS)
            ;
}

static void run_once(void)
{
    static struct pollfd fds[WATCHES_MAX];
    static DBusWatch *polled[WATCHES_MAX];
    nfds_t count = 0;

    for (size_t i = 0; i < WATCHES_MAX; i++)
        if (watches[i] && dbus_watch_get_enabled(watches[i])) {
            polled[count] = watches[i];
            fds[count].fd = dbus_watch_get_unix_fd(watches[i]);
            fds[count++].events = events_of_flags(dbus_watch_get_flags(watches[i]));
        }
    if (poll(fds, count, 1000) <= 0)
        return;
    for (nfds_t i = 0; i < count; i++)
        for (size_t j = 0; fds[i].revents && j < WATCHES_MAX; j++)
            if (watches[j] == polled[i]) { /* not removed meanwhile */
                dbus_watch_handle(polled[i], flags_of_events(fds[i].revents));
                break;
            }
    dispatch_all();
}

/* ---- Answers ---- */

static const struct fake_user *find_user(const char *name)
{
    for (size_t i = 0; i < sizeof(fake_users) / sizeof(fake_users[0]); i++)
        if (strcmp(fake_users[i].name, name) == 0)
            return &fake_users[i];
    return NULL;
}

static const char *get_string(DBusMessageIter *arguments)
{
    const char *text = "";

    if (dbus_message_iter_get_arg_type(arguments) == DBUS_TYPE_STRING) {
        dbus_message_iter_get_basic(arguments, &text);
        dbus_message_iter_next(arguments);
    }
    return text;
}

static void append_freshness(DBusMessageIter *reply)
{
    DBusMessageIter freshness;
    dbus_uint32_t generation = 1;
    dbus_uint64_t number = 0;

    dbus_message_iter_open_container(reply, DBUS_TYPE_STRUCT, NULL, &freshness);
    dbus_message_iter_append_basic(&freshness, DBUS_TYPE_UINT32, &generation);
    for (int i = 0; i < 4; i++)
        dbus_message_iter_append_basic(&freshness, DBUS_TYPE_UINT64, &number);
    dbus_message_iter_close_container(reply, &freshness);
}

static DBusMessage *verify(DBusMessage *call, const struct fake_user *user, DBusMessageIter *rest)
{
    static char candidate[VALUE_MAX_BYTES];
    DBusMessage *reply = dbus_message_new_method_return(call);
    DBusMessageIter result;
    dbus_bool_t matches;
    ssize_t length;
    int fd = -1;

    (void)get_string(rest); /* the field */
    dbus_message_iter_get_basic(rest, &fd);
    length = read(fd, candidate, sizeof(candidate));
    close(fd);
    matches = length == (ssize_t)user->length && !memcmp(candidate, user->value, user->length);
    dbus_message_iter_init_append(reply, &result);
    dbus_message_iter_append_basic(&result, DBUS_TYPE_BOOLEAN, &matches);
    append_freshness(&result);
    return reply;
}

/* Each masked field asked for gets the user's password. */
static void write_values(const struct fake_user *user, DBusMessageIter *map)
{
    DBusMessageIter entries;

    dbus_message_iter_recurse(map, &entries);
    while (dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_DICT_ENTRY) {
        DBusMessageIter entry;
        int fd = -1;

        dbus_message_iter_recurse(&entries, &entry);
        dbus_message_iter_next(&entry);
        dbus_message_iter_get_basic(&entry, &fd);
        if (write(fd, user->value, user->length) != (ssize_t)user->length)
            warnx("fake service: cannot write a value");
        close(fd);
        dbus_message_iter_next(&entries);
    }
}

static DBusMessage *lookup(DBusMessage *call, const struct fake_user *user, DBusMessageIter *rest)
{
    DBusMessage *reply = dbus_message_new_method_return(call);
    const char *strings[] = { "EXTERNAL01", "client", "100" };
    DBusMessageIter result, map, entry;

    write_values(user, rest);
    dbus_message_iter_init_append(reply, &result);
    dbus_message_iter_append_basic(&result, DBUS_TYPE_STRING, &strings[0]);
    dbus_message_iter_open_container(&result, DBUS_TYPE_ARRAY, "{ss}", &map);
    dbus_message_iter_open_container(&map, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
    dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &strings[1]);
    dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &strings[2]);
    dbus_message_iter_close_container(&map, &entry);
    dbus_message_iter_close_container(&result, &map);
    append_freshness(&result);
    return reply;
}

/* The property Fields, a(sb), in its variant. */
static DBusMessage *fields(DBusMessage *call)
{
    static const struct {
        const char *label;
        dbus_bool_t masked;
    } rows[] = { { "user", FALSE }, { "password", TRUE }, { "client", FALSE } };
    DBusMessage *reply = dbus_message_new_method_return(call);
    DBusMessageIter result, variant, array, row;

    dbus_message_iter_init_append(reply, &result);
    dbus_message_iter_open_container(&result, DBUS_TYPE_VARIANT, "a(sb)", &variant);
    dbus_message_iter_open_container(&variant, DBUS_TYPE_ARRAY, "(sb)", &array);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        dbus_message_iter_open_container(&array, DBUS_TYPE_STRUCT, NULL, &row);
        dbus_message_iter_append_basic(&row, DBUS_TYPE_STRING, &rows[i].label);
        dbus_message_iter_append_basic(&row, DBUS_TYPE_BOOLEAN, &rows[i].masked);
        dbus_message_iter_close_container(&array, &row);
    }
    dbus_message_iter_close_container(&variant, &array);
    dbus_message_iter_close_container(&result, &variant);
    return reply;
}

static DBusMessage *credentials(DBusMessage *call)
{
    const struct fake_user *user;
    DBusMessageIter arguments;
    const char *application;

    dbus_message_iter_init(call, &arguments);
    application = get_string(&arguments);
    if (strncmp(application, "error:", 6) == 0) {
        char name[256];

        snprintf(name, sizeof(name), "%s%.200s", BUS_ERROR_PREFIX, application + 6);
        return dbus_message_new_error(call, name, "as asked for");
    }
    if (strcmp(application, "erp") != 0)
        return dbus_message_new_error(call, BUS_ERROR_PREFIX "ApplicationNotFound", "fake");
    user = find_user(get_string(&arguments));
    if (!user)
        return dbus_message_new_error(call, BUS_ERROR_PREFIX "MappingNotFound", "fake");
    return dbus_message_has_member(call, "Verify") ? verify(call, user, &arguments)
                                                   : lookup(call, user, &arguments);
}

static void send_half(DBusConnection *connection, DBusMessage *reply)
{
    char *bytes;
    int length;
    int fd;

    dbus_message_set_serial(reply, 1);
    if (dbus_message_marshal(reply, &bytes, &length) && dbus_connection_get_unix_fd(connection, &fd))
        (void)!send(fd, bytes, (size_t)length / 2, MSG_NOSIGNAL);
}

static DBusHandlerResult handle(DBusConnection *connection, DBusMessage *call, void *data)
{
    DBusMessage *reply;

    if (dbus_message_get_type(call) != DBUS_MESSAGE_TYPE_METHOD_CALL)
        return DBUS_HANDLER_RESULT_NOT_YET_HANDLED;
    if (dbus_message_has_interface(call, DBUS_INTERFACE_PROPERTIES))
        reply = fields(call);
    else
        reply = credentials(call);
    switch (behaviour) {
    case FAKE_ANSWERS:
        dbus_connection_send(connection, reply, NULL);
        break;
    case FAKE_HALF_REPLY:
        send_half(connection, reply);
        break;
    case FAKE_SILENT:
        break;
    case FAKE_HANGS_UP:
        dbus_connection_close(connection);
        break;
    }
    dbus_message_unref(reply);
    return DBUS_HANDLER_RESULT_HANDLED;
}

/* ---- Connections ---- */

static DBusHandlerResult filter(DBusConnection *connection, DBusMessage *message, void *data)
{
    if (!dbus_message_is_signal(message, DBUS_INTERFACE_LOCAL, "Disconnected"))
        return handle(connection, message, data);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (connections[i] == connection)
            connections[i] = NULL;
    dbus_connection_unref(connection);
    return DBUS_HANDLER_RESULT_HANDLED;
}

static dbus_bool_t allow_everybody(DBusConnection *connection, unsigned long uid, void *data)
{
    return TRUE;
}

static void take_connection(DBusServer *server, DBusConnection *connection, void *data)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (connections[i])
            continue;
        connections[i] = dbus_connection_ref(connection);
        dbus_connection_set_exit_on_disconnect(connection, FALSE);
        dbus_connection_set_unix_user_function(connection, allow_everybody, NULL, NULL);
        dbus_connection_set_watch_functions(connection, watch_add, watch_remove, watch_toggled,
                                            NULL, NULL);
        dbus_connection_add_filter(connection, filter, NULL, NULL);
        return;
    }
}

static void serve(int ready)
{
    DBusError error = DBUS_ERROR_INIT;
    DBusServer *server = dbus_server_listen(DIRECT_SOCKET_ADDRESS, &error);

    if (!server)
        errx(1, "fake service: %s", error.message);
    chmod(DIRECT_SOCKET_PATH, 0666);
    memset(long_value, 'x', sizeof(long_value));
    dbus_server_set_new_connection_function(server, take_connection, NULL, NULL);
    dbus_server_set_watch_functions(server, watch_add, watch_remove, watch_toggled, NULL, NULL);
    (void)!write(ready, "", 1);
    close(ready);
    for (;;)
        run_once();
}

pid_t fake_start(enum fake_behaviour wanted)
{
    int ready[2];
    char byte;
    pid_t pid;

    if (pipe(ready) < 0)
        err(1, "pipe");
    pid = fork();
    if (pid < 0)
        err(1, "fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ready[0]);
        behaviour = wanted;
        serve(ready[1]);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        errx(1, "the fake service did not start");
    close(ready[0]);
    return pid;
}

void fake_stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    unlink(DIRECT_SOCKET_PATH);
}

void fake_pause(pid_t pid)
{
    kill(pid, SIGSTOP);
    waitpid(pid, NULL, WUNTRACED);
}

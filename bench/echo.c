/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "bench/echo.h"

#include "bench/people.h"
#include "common/names.h"

#include <dbus/dbus.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

/* Application, user and the one descriptor of a Lookup. */
static int lookup_parse(DBusMessage *call, const char **ret_user, int *ret_fd)
{
    DBusMessageIter arguments, dict, entry;

    if (!dbus_message_has_signature(call, "ssa{sh}"))
        return -EBADMSG;
    dbus_message_iter_init(call, &arguments);
    dbus_message_iter_next(&arguments);
    dbus_message_iter_get_basic(&arguments, ret_user);
    dbus_message_iter_next(&arguments);
    dbus_message_iter_recurse(&arguments, &dict);
    if (dbus_message_iter_get_arg_type(&dict) != DBUS_TYPE_DICT_ENTRY)
        return -EBADMSG;
    dbus_message_iter_recurse(&dict, &entry);
    dbus_message_iter_next(&entry);
    dbus_message_iter_get_basic(&entry, ret_fd);
    return 0;
}

static DBusMessage *lookup_reply(DBusMessage *call)
{
    DBusMessage *reply = dbus_message_new_method_return(call);
    const char *external = "EXT00000000";
    dbus_uint32_t generation = 1;
    dbus_uint64_t number = 1;
    DBusMessageIter arguments, inner;

    if (!reply)
        return NULL;
    dbus_message_iter_init_append(reply, &arguments);
    dbus_message_iter_append_basic(&arguments, DBUS_TYPE_STRING, &external);
    dbus_message_iter_open_container(&arguments, DBUS_TYPE_ARRAY, "{ss}", &inner);
    dbus_message_iter_close_container(&arguments, &inner);
    dbus_message_iter_open_container(&arguments, DBUS_TYPE_STRUCT, NULL, &inner);
    dbus_message_iter_append_basic(&inner, DBUS_TYPE_UINT32, &generation);
    for (int i = 0; i < 4; i++)
        dbus_message_iter_append_basic(&inner, DBUS_TYPE_UINT64, &number);
    dbus_message_iter_close_container(&arguments, &inner);
    return reply;
}

static DBusHandlerResult answer(DBusConnection *connection, DBusMessage *call, void *userdata)
{
    const char *user;
    char value[64];
    DBusMessage *reply;
    int fd CLEANUP_CLOSE = -1;
    int length;

    if (!dbus_message_is_method_call(call, BUS_INTERFACE_CREDENTIALS, "Lookup") ||
        lookup_parse(call, &user, &fd) < 0)
        return DBUS_HANDLER_RESULT_NOT_YET_HANDLED;
    length = people_value(user, 0, value, sizeof(value));
    reply = write(fd, value, (size_t)length) == length ? lookup_reply(call) : NULL;
    if (!reply)
        return DBUS_HANDLER_RESULT_NEED_MEMORY;
    dbus_connection_send(connection, reply, NULL);
    dbus_message_unref(reply);
    return DBUS_HANDLER_RESULT_HANDLED;
}

struct echo {
    DBusWatch *watch; /* of the listening socket */
    DBusConnection *connection;
};

static dbus_bool_t watch_add(DBusWatch *watch, void *userdata)
{
    ((struct echo *)userdata)->watch = watch;
    return TRUE;
}

static void watch_remove(DBusWatch *watch, void *userdata)
{
}

static void connected(DBusServer *server, DBusConnection *connection, void *userdata)
{
    ((struct echo *)userdata)->connection = dbus_connection_ref(connection);
}

static _Noreturn void echo_serve(int address_fd)
{
    DBusServer *server = dbus_server_listen("unix:tmpdir=/tmp", NULL);
    struct echo echo = { NULL, NULL };
    char *address = server ? dbus_server_get_address(server) : NULL;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!address || write(address_fd, address, strlen(address)) < 0)
        _exit(1);
    close(address_fd);
    dbus_server_set_new_connection_function(server, connected, &echo, NULL);
    if (!dbus_server_set_watch_functions(server, watch_add, watch_remove, NULL, &echo, NULL))
        _exit(1);
    while (!echo.connection) {
        struct pollfd ready = { .fd = dbus_watch_get_unix_fd(echo.watch), .events = POLLIN };

        if (poll(&ready, 1, -1) == 1)
            dbus_watch_handle(echo.watch, DBUS_WATCH_READABLE);
    }
    dbus_server_disconnect(server);
    dbus_connection_add_filter(echo.connection, answer, NULL, NULL);
    while (dbus_connection_read_write_dispatch(echo.connection, -1))
        ;
    _exit(0);
}

int echo_start(char *ret_address, size_t size)
{
    int ends[2];
    ssize_t length;
    pid_t pid;

    if (pipe(ends))
        return -errno;
    int read_end CLEANUP_CLOSE = ends[0];

    fflush(stdout);
    pid = fork();
    if (pid == 0)
        echo_serve(ends[1]);
    close(ends[1]);
    if (pid < 0)
        return -EAGAIN;
    length = read(read_end, ret_address, size - 1);
    if (length <= 0)
        return -EIO;
    ret_address[length] = '\0';
    return 0;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "bench/echo.h"

#include "bench/people.h"
#include "bench/stream.h"
#include "common/names.h"

#include <dbus/dbus.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

/* The one descriptor of an a{sh}, a duplicate. */
static int descriptor_parse(DBusMessageIter *dict, int *ret_fd)
{
    DBusMessageIter entries, pair;

    dbus_message_iter_recurse(dict, &entries);
    if (dbus_message_iter_get_arg_type(&entries) != DBUS_TYPE_DICT_ENTRY)
        return -EBADMSG;
    dbus_message_iter_recurse(&entries, &pair);
    dbus_message_iter_next(&pair);
    dbus_message_iter_get_basic(&pair, ret_fd);
    return 0;
}

/* Application, user and descriptor of a Lookup. */
static int lookup_parse(DBusMessage *call, const char **ret_user, int *ret_fd)
{
    DBusMessageIter arguments;

    if (!dbus_message_has_signature(call, "ssa{sh}"))
        return -EBADMSG;
    dbus_message_iter_init(call, &arguments);
    dbus_message_iter_next(&arguments);
    dbus_message_iter_get_basic(&arguments, ret_user);
    dbus_message_iter_next(&arguments);
    return descriptor_parse(&arguments, ret_fd);
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

static DBusMessage *answer_lookup(DBusMessage *call, struct stream *sync)
{
    const char *user;
    char value[64];
    int fd CLEANUP_CLOSE = -1;
    int length;

    if (lookup_parse(call, &user, &fd) < 0)
        return NULL;
    length = people_value(user, 0, value, sizeof(value));
    return write(fd, value, (size_t)length) == length ? lookup_reply(call) : NULL;
}

static DBusMessage *answer_set(DBusMessage *call, struct stream *sync)
{
    DBusMessage *reply = dbus_message_new_method_return(call);
    DBusMessageIter arguments;
    dbus_uint64_t revision = 1;
    char value[64];
    int fd CLEANUP_CLOSE = -1;

    if (!reply || !sync || !dbus_message_has_signature(call, "ssa{ss}a{sh}"))
        return NULL;
    dbus_message_iter_init(call, &arguments);
    for (int i = 0; i < 3; i++)
        dbus_message_iter_next(&arguments);
    if (descriptor_parse(&arguments, &fd) < 0 || read(fd, value, sizeof(value)) <= 0 ||
        stream_call(sync) < 0)
        return NULL;
    dbus_message_append_args(reply, DBUS_TYPE_UINT64, &revision, DBUS_TYPE_INVALID);
    return reply;
}

static DBusHandlerResult answer(DBusConnection *connection, DBusMessage *call, void *userdata)
{
    DBusMessage *reply = NULL;

    if (dbus_message_is_method_call(call, BUS_INTERFACE_CREDENTIALS, "Lookup"))
        reply = answer_lookup(call, userdata);
    else if (dbus_message_is_method_call(call, BUS_INTERFACE_APPLICATION, "SetMapping"))
        reply = answer_set(call, userdata);
    if (!reply)
        return DBUS_HANDLER_RESULT_NOT_YET_HANDLED;
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

static _Noreturn void echo_serve(struct stream *sync, int address_fd)
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
    dbus_connection_add_filter(echo.connection, answer, sync, NULL);
    while (dbus_connection_read_write_dispatch(echo.connection, -1))
        ;
    _exit(0);
}

static int sync_open(const char *folder, struct stream **ret_sync)
{
    char name[256];

    if (!folder)
        return 0;
    if (snprintf(name, sizeof(name), "sync:%s/echo", folder) >= (int)sizeof(name))
        return -ENAMETOOLONG;
    return floor_stream_new(name, ret_sync);
}

int echo_start(const char *folder, char *ret_address, size_t size)
{
    struct stream *sync = NULL;
    int ends[2];
    ssize_t length;
    pid_t pid;
    int r = sync_open(folder, &sync);

    if (r < 0)
        return r;
    if (pipe(ends))
        return -errno;
    int read_end CLEANUP_CLOSE = ends[0];

    fflush(stdout);
    pid = fork();
    if (pid == 0)
        echo_serve(sync, ends[1]);
    close(ends[1]);
    stream_free(sync);
    if (pid < 0)
        return -EAGAIN;
    length = read(read_end, ret_address, size - 1);
    if (length <= 0)
        return -EIO;
    ret_address[length] = '\0';
    return 0;
}

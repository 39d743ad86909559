/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/pam/fake_service.h"

#include "common/names.h"

#include <dbus/dbus.h>
#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
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
    const char *external;
    const char *value; /* NULL: not set */
    size_t length;
} fake_users[] = {
    { "alice", "EXTERNAL01", FAKE_PASSWORD, sizeof(FAKE_PASSWORD) - 1 },
    { "nul", "EXTERNAL02", "half\0other", 10 },
    { "empty", "EXTERNAL03", "", 0 },
    { "long", "EXTERNAL04", long_value, sizeof(long_value) },
    { "unset", "EXTERNAL05", NULL, 0 },
    { "to-root", "root", FAKE_PASSWORD, sizeof(FAKE_PASSWORD) - 1 },
    { "to-toor", "toor", FAKE_PASSWORD, sizeof(FAKE_PASSWORD) - 1 },
    { "to-nothing", "", FAKE_PASSWORD, sizeof(FAKE_PASSWORD) - 1 },
    { "to-control", "two\nlines", FAKE_PASSWORD, sizeof(FAKE_PASSWORD) - 1 },
    { "to-path", "../etc/passwd", FAKE_PASSWORD, sizeof(FAKE_PASSWORD) - 1 },
    { "to-dots", "..", FAKE_PASSWORD, sizeof(FAKE_PASSWORD) - 1 },
    { "to-option", "-f", FAKE_PASSWORD, sizeof(FAKE_PASSWORD) - 1 },
    { "to-line", "x:0:0", FAKE_PASSWORD, sizeof(FAKE_PASSWORD) - 1 },
};

static const struct fake_application {
    const char *name;
    const char *type;
    bool writable;
    const char *value; /* of all users instead of their own */
} fake_applications[] = {
    { "erp", "individual", true, NULL },
    { "crew", "group", true, NULL },
    { "former", "individual", true, "used until yesterday" },
    { "readonly", "individual", false, "used until yesterday" },
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

static void append_entry(DBusMessageIter *map, const char *label, const char *text)
{
    DBusMessageIter entry;

    dbus_message_iter_open_container(map, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
    dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &label);
    dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &text);
    dbus_message_iter_close_container(map, &entry);
}

static void append_plain(DBusMessageIter *result)
{
    static char large[FAKE_LARGE_BYTES + 1];
    static const char *const entries[][2] = {
        { "client", "100" },      { "cost-centre", "first" }, { "cost centre", "second" },
        { "User", "not him" },    { "large", large },         { "none", "" },
        { "LD_PRELOAD", "/x" },   { "gr\xc3\xb6\xc3\x9f" "e", "two\nlines" },
    };
    DBusMessageIter map;

    memset(large, 'x', FAKE_LARGE_BYTES);
    dbus_message_iter_open_container(result, DBUS_TYPE_ARRAY, "{ss}", &map);
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
        append_entry(&map, entries[i][0], entries[i][1]);
    dbus_message_iter_close_container(result, &map);
}

static DBusMessage *lookup(DBusMessage *call, const struct fake_user *user, DBusMessageIter *rest)
{
    DBusMessage *reply = dbus_message_new_method_return(call);
    DBusMessageIter result;

    write_values(user, rest);
    dbus_message_iter_init_append(reply, &result);
    dbus_message_iter_append_basic(&result, DBUS_TYPE_STRING, &user->external);
    append_plain(&result);
    append_freshness(&result);
    return reply;
}

static void append_type(DBusMessageIter *value, const struct fake_application *application)
{
    dbus_message_iter_append_basic(value, DBUS_TYPE_STRING, &application->type);
}

static void append_fields(DBusMessageIter *value, const struct fake_application *application)
{
    static const struct {
        const char *label;
        dbus_bool_t masked;
    } rows[] = { { "user", FALSE }, { "password", TRUE }, { "client", FALSE } };
    DBusMessageIter array, row;

    dbus_message_iter_open_container(value, DBUS_TYPE_ARRAY, "(sb)", &array);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        dbus_message_iter_open_container(&array, DBUS_TYPE_STRUCT, NULL, &row);
        dbus_message_iter_append_basic(&row, DBUS_TYPE_STRING, &rows[i].label);
        dbus_message_iter_append_basic(&row, DBUS_TYPE_BOOLEAN, &rows[i].masked);
        dbus_message_iter_close_container(&array, &row);
    }
    dbus_message_iter_close_container(value, &array);
}

/* GetAll of an application. */
static DBusMessage *describe(DBusMessage *call, const struct fake_application *application)
{
    static const struct {
        const char *name;
        const char *signature;
        void (*append)(DBusMessageIter *value, const struct fake_application *application);
    } properties[] = { { "Type", "s", append_type }, { "Fields", "a(sb)", append_fields } };
    DBusMessage *reply = dbus_message_new_method_return(call);
    DBusMessageIter result, array, entry, value;

    dbus_message_iter_init_append(reply, &result);
    dbus_message_iter_open_container(&result, DBUS_TYPE_ARRAY, "{sv}", &array);
    for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {
        dbus_message_iter_open_container(&array, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
        dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &properties[i].name);
        dbus_message_iter_open_container(&entry, DBUS_TYPE_VARIANT, properties[i].signature,
                                         &value);
        properties[i].append(&value, application);
        dbus_message_iter_close_container(&entry, &value);
        dbus_message_iter_close_container(&array, &entry);
    }
    dbus_message_iter_close_container(&result, &array);
    return reply;
}

/* One line in FAKE_STORED: what was set, for a test to read. */
static void record_value(const char *account, const char *external, const char *label, int fd)
{
    FILE *file = fopen(FAKE_STORED, "a");
    char value[VALUE_MAX_BYTES + 1];
    ssize_t length = read(fd, value, VALUE_MAX_BYTES);

    if (!file)
        err(1, "fake service: %s", FAKE_STORED);
    fprintf(file, "%s %s %s ", account, external[0] ? external : "-", label);
    fwrite(value, 1, length > 0 ? (size_t)length : 0, file);
    fputc('\n', file);
    fclose(file);
}

static DBusMessage *set_mapping(DBusMessage *call, const struct fake_application *application)
{
    DBusMessage *reply = dbus_message_new_method_return(call);
    dbus_uint64_t revision = 1;
    DBusMessageIter arguments, entries;
    const char *account, *external;

    if (!application->writable)
        return dbus_message_new_error(call, BUS_ERROR_PREFIX "AccessDenied", "fake");
    dbus_message_iter_init(call, &arguments);
    account = get_string(&arguments);
    external = get_string(&arguments);
    dbus_message_iter_next(&arguments); /* plain ones */
    dbus_message_iter_recurse(&arguments, &entries);
    for (; dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_DICT_ENTRY;
         dbus_message_iter_next(&entries)) {
        DBusMessageIter entry;
        const char *label;
        int fd = -1;

        dbus_message_iter_recurse(&entries, &entry);
        label = get_string(&entry);
        dbus_message_iter_get_basic(&entry, &fd);
        record_value(account, external, label, fd);
        close(fd);
    }
    dbus_message_append_args(reply, DBUS_TYPE_UINT64, &revision, DBUS_TYPE_INVALID);
    return reply;
}

static const struct fake_application *find_application(const char *name)
{
    for (size_t i = 0; i < sizeof(fake_applications) / sizeof(fake_applications[0]); i++)
        if (strcmp(fake_applications[i].name, name) == 0)
            return &fake_applications[i];
    return NULL;
}

static DBusMessage *refuse(DBusMessage *call, const char *application)
{
    char name[256];

    if (strncmp(application, "error:", 6) != 0)
        return dbus_message_new_error(call, BUS_ERROR_PREFIX "ApplicationNotFound", "fake");
    snprintf(name, sizeof(name), "%s%.200s", BUS_ERROR_PREFIX, application + 6);
    return dbus_message_new_error(call, name, "as asked for");
}

/* A call to the object of an application. */
static DBusMessage *object(DBusMessage *call)
{
    const char *path = dbus_message_get_path(call);
    const struct fake_application *application;
    char name[NAME_MAX_BYTES + 1];

    if (name_from_path(strrchr(path, '/') + 1, name, sizeof(name)) < 0)
        name[0] = '\0';
    application = find_application(name);
    if (!application)
        return refuse(call, name);
    return dbus_message_has_member(call, "SetMapping") ? set_mapping(call, application)
                                                       : describe(call, application);
}

static const struct fake_user *with_value(const struct fake_user *user, const char *value)
{
    static struct fake_user other;

    if (!value || !user->value)
        return user;
    other = *user;
    other.value = value;
    other.length = strlen(value);
    return &other;
}

/* Verify, or Lookup of at least one masked field. */
static bool asks_for_value(const DBusMessageIter *rest)
{
    DBusMessageIter map = *rest, entries;

    if (dbus_message_iter_get_arg_type(&map) != DBUS_TYPE_ARRAY)
        return true;
    dbus_message_iter_recurse(&map, &entries);
    return dbus_message_iter_get_arg_type(&entries) != DBUS_TYPE_INVALID;
}

static DBusMessage *credentials(DBusMessage *call)
{
    const struct fake_user *user;
    DBusMessageIter arguments;
    const char *application;

    dbus_message_iter_init(call, &arguments);
    application = get_string(&arguments);
    if (!find_application(application))
        return refuse(call, application);
    user = find_user(get_string(&arguments));
    if (!user)
        return dbus_message_new_error(call, BUS_ERROR_PREFIX "MappingNotFound", "fake");
    if (!user->value && asks_for_value(&arguments))
        return dbus_message_new_error(call, BUS_ERROR_PREFIX "CredentialsNotSet", "fake");
    user = with_value(user, find_application(application)->value);
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
    reply = dbus_message_has_interface(call, BUS_INTERFACE_CREDENTIALS) ? credentials(call)
                                                                        : object(call);
    switch (behaviour) {
    case FAKE_ANSWERS:
        dbus_connection_send(connection, reply, NULL);
        break;
    case FAKE_HALF_REPLY:
        send_half(connection, reply);
        break;
    case FAKE_SLOW:
        usleep(FAKE_SLOW_MS * 1000);
        dbus_connection_send(connection, reply, NULL);
        break;
    case FAKE_ANSWERS_ONCE:
        dbus_connection_send(connection, reply, NULL);
        behaviour = FAKE_SILENT;
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
    signal(SIGPIPE, SIG_IGN); /* a caller may have gone when its pipe is written to */
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

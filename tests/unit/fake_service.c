/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/fake_service.h"

#include "client/mastersecret.h"
#include "common/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <dbus/dbus.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { CONNECTIONS_MAX = 32 };

static DBusConnection *connections[CONNECTIONS_MAX];
static DBusWatch *listening;

static dbus_bool_t add_watch(DBusWatch *watch, void *data)
{
    listening = watch;
    return TRUE;
}

static void remove_watch(DBusWatch *watch, void *data)
{
    listening = NULL;
}

static void on_connection(DBusServer *server, DBusConnection *connection, void *data)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (!connections[i]) {
            connections[i] = dbus_connection_ref(connection);
            return;
        }
    }
}

/* ---- Answers ---- */

static DBusMessage *failed(DBusMessage *call, const char *name, const char *text)
{
    return dbus_message_new_error(call, name, text);
}

static void append_struct(DBusMessageIter *arguments)
{
    DBusMessageIter members;
    dbus_uint32_t generation = 1;
    dbus_uint64_t wide[] = { 2, 3, 4, 5 };

    dbus_message_iter_open_container(arguments, DBUS_TYPE_STRUCT, NULL, &members);
    dbus_message_iter_append_basic(&members, DBUS_TYPE_UINT32, &generation);
    for (size_t i = 0; i < 4; i++)
        dbus_message_iter_append_basic(&members, DBUS_TYPE_UINT64, &wide[i]);
    dbus_message_iter_close_container(arguments, &members);
}

static void append_plain(DBusMessageIter *arguments)
{
    DBusMessageIter map, entry;
    const char *label = "client", *value = "100";

    dbus_message_iter_open_container(arguments, DBUS_TYPE_ARRAY, "{ss}", &map);
    dbus_message_iter_open_container(&map, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
    dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &label);
    dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &value);
    dbus_message_iter_close_container(&map, &entry);
    dbus_message_iter_close_container(arguments, &map);
}

/* Writes what is asked for. NULL, or the name of an error. */
static const char *fill_pipes(DBusMessageIter *arguments)
{
    DBusMessageIter map, entry;

    dbus_message_iter_recurse(arguments, &map);
    for (; dbus_message_iter_get_arg_type(&map) == DBUS_TYPE_DICT_ENTRY;
         dbus_message_iter_next(&map)) {
        const char *label;
        int fd;

        dbus_message_iter_recurse(&map, &entry);
        dbus_message_iter_get_basic(&entry, &label);
        dbus_message_iter_next(&entry);
        dbus_message_iter_get_basic(&entry, &fd);
        /* May fail: the caller may have gone. */
        if (strcmp(label, "password") == 0 &&
            write(fd, FAKE_PASSWORD, FAKE_PASSWORD_LENGTH) < 0 && errno != EPIPE)
            _exit(1);
        close(fd);
        if (strcmp(label, "pin") == 0)
            return BUS_ERROR_PREFIX "CredentialsNotSet";
        if (strcmp(label, "password") != 0)
            return BUS_ERROR_PREFIX "FieldNotFound";
    }
    return NULL;
}

static DBusMessage *answer_lookup(DBusMessage *call)
{
    DBusMessageIter arguments, results;
    DBusMessage *reply;
    const char *external_user = "ALICE01", *user, *error;

    dbus_message_iter_init(call, &arguments);
    dbus_message_iter_next(&arguments);
    dbus_message_iter_get_basic(&arguments, &user);
    dbus_message_iter_next(&arguments);
    if (strcmp(user, "bob") == 0)
        return failed(call, BUS_ERROR_PREFIX "AccessDenied",
                      "you are not an agent of 'erp'; ask an administrator for the role that the "
                      "message names");
    error = fill_pipes(&arguments);
    if (error)
        return failed(call, error, "no");
    reply = dbus_message_new_method_return(call);
    dbus_message_iter_init_append(reply, &results);
    dbus_message_iter_append_basic(&results, DBUS_TYPE_STRING, &external_user);
    append_plain(&results);
    append_struct(&results);
    return reply;
}

static DBusMessage *answer_verify(DBusMessage *call)
{
    const char *application, *user, *field;
    int candidate;
    char bytes[64];
    DBusMessageIter results;
    DBusMessage *reply = dbus_message_new_method_return(call);
    dbus_bool_t matches;
    ssize_t length;

    dbus_message_get_args(call, NULL, DBUS_TYPE_STRING, &application, DBUS_TYPE_STRING, &user,
                          DBUS_TYPE_STRING, &field, DBUS_TYPE_UNIX_FD, &candidate,
                          DBUS_TYPE_INVALID);
    length = read(candidate, bytes, sizeof(bytes));
    close(candidate);
    matches = length == FAKE_PASSWORD_LENGTH &&
              memcmp(bytes, FAKE_PASSWORD, FAKE_PASSWORD_LENGTH) == 0;
    dbus_message_iter_init_append(reply, &results);
    dbus_message_iter_append_basic(&results, DBUS_TYPE_BOOLEAN, &matches);
    append_struct(&results);
    return reply;
}

static void append_field(DBusMessageIter *array, const char *label, dbus_bool_t masked)
{
    DBusMessageIter row;

    dbus_message_iter_open_container(array, DBUS_TYPE_STRUCT, NULL, &row);
    dbus_message_iter_append_basic(&row, DBUS_TYPE_STRING, &label);
    dbus_message_iter_append_basic(&row, DBUS_TYPE_BOOLEAN, &masked);
    dbus_message_iter_close_container(array, &row);
}

static void append_fields(DBusMessageIter *value)
{
    DBusMessageIter array;

    dbus_message_iter_open_container(value, DBUS_TYPE_ARRAY, "(sb)", &array);
    append_field(&array, "user", FALSE);
    append_field(&array, "password", TRUE);
    append_field(&array, "client", FALSE);
    append_field(&array, "pin", TRUE);
    dbus_message_iter_close_container(value, &array);
}

static void append_too_many_fields(DBusMessageIter *value)
{
    DBusMessageIter array;

    dbus_message_iter_open_container(value, DBUS_TYPE_ARRAY, "(sb)", &array);
    for (int i = 0; i <= FIELDS_MAX; i++)
        append_field(&array, "one more", FALSE);
    dbus_message_iter_close_container(value, &array);
}

static void append_group(DBusMessageIter *value)
{
    static const char *const type = "group";

    dbus_message_iter_append_basic(value, DBUS_TYPE_STRING, &type);
}

static void append_truth(DBusMessageIter *value)
{
    static const dbus_bool_t truth = TRUE;

    dbus_message_iter_append_basic(value, DBUS_TYPE_BOOLEAN, &truth);
}

static const struct property {
    const char *name;
    const char *signature;
    void (*append)(DBusMessageIter *value);
} properties[] = {
    ['N'] = { "Name", "s", append_group },
    ['E'] = { "Enabled", "b", append_truth },
    ['T'] = { "Type", "s", append_group },
    ['t'] = { "Type", "b", append_truth },
    ['F'] = { "Fields", "a(sb)", append_fields },
    ['f'] = { "Fields", "a(sb)", append_too_many_fields },
};

/* What an application, the end of its path, is described by. */
static const char *const descriptions[][2] = {
    { "erp", "NTFE" },   { "untyped", "NF" },  { "fieldless", "NT" },
    { "twice", "TFT" }, { "mistyped", "tF" }, { "many", "Tf" },
};

static void append_property(DBusMessageIter *array, const struct property *property)
{
    DBusMessageIter entry, value;

    dbus_message_iter_open_container(array, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
    dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &property->name);
    dbus_message_iter_open_container(&entry, DBUS_TYPE_VARIANT, property->signature, &value);
    property->append(&value);
    dbus_message_iter_close_container(&entry, &value);
    dbus_message_iter_close_container(array, &entry);
}

static DBusMessage *answer_properties(DBusMessage *call)
{
    const char *application = strrchr(dbus_message_get_path(call), '/') + 1;
    DBusMessage *reply = dbus_message_new_method_return(call);
    DBusMessageIter results, array;

    dbus_message_iter_init_append(reply, &results);
    dbus_message_iter_open_container(&results, DBUS_TYPE_ARRAY, "{sv}", &array);
    for (size_t i = 0; i < sizeof(descriptions) / sizeof(descriptions[0]); i++)
        for (const char *letter = descriptions[i][1];
             strcmp(descriptions[i][0], application) == 0 && *letter; letter++)
            append_property(&array, &properties[(unsigned char)*letter]);
    dbus_message_iter_close_container(&results, &array);
    return reply;
}

static DBusMessage *answer_set(DBusMessage *call)
{
    DBusMessage *reply = dbus_message_new_method_return(call);
    dbus_uint64_t revision = 42;

    dbus_message_append_args(reply, DBUS_TYPE_UINT64, &revision, DBUS_TYPE_INVALID);
    return reply;
}

/* Two pages of one row each. */
static DBusMessage *answer_list(DBusMessage *call)
{
    DBusMessage *reply = dbus_message_new_method_return(call);
    DBusMessageIter results, array, row;
    const char *cursor = "";
    const char *texts[] = { "erp", "user:alice", "ALICE01", "enabled" };
    const char *next = "2";
    dbus_bool_t enabled = TRUE;
    dbus_uint64_t changed = 1000000;

    dbus_message_get_args(call, NULL, DBUS_TYPE_STRING, &cursor, DBUS_TYPE_INVALID);
    if (cursor[0]) {
        texts[0] = "mainframe";
        next = "";
    }
    dbus_message_iter_init_append(reply, &results);
    dbus_message_iter_open_container(&results, DBUS_TYPE_ARRAY, "(ssssbt)", &array);
    dbus_message_iter_open_container(&array, DBUS_TYPE_STRUCT, NULL, &row);
    for (size_t i = 0; i < 4; i++)
        dbus_message_iter_append_basic(&row, DBUS_TYPE_STRING, &texts[i]);
    dbus_message_iter_append_basic(&row, DBUS_TYPE_BOOLEAN, &enabled);
    dbus_message_iter_append_basic(&row, DBUS_TYPE_UINT64, &changed);
    dbus_message_iter_close_container(&array, &row);
    dbus_message_iter_close_container(&results, &array);
    dbus_message_iter_append_basic(&results, DBUS_TYPE_STRING, &next);
    return reply;
}

static DBusMessage *answer_text(DBusMessage *call)
{
    DBusMessage *reply = dbus_message_new_method_return(call);
    const char *text = ":1.1";

    dbus_message_append_args(reply, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
    return reply;
}

static DBusMessage *answer(DBusMessage *call)
{
    static const struct {
        const char *method;
        DBusMessage *(*answer)(DBusMessage *call);
    } methods[] = {
        { "Lookup", answer_lookup }, { "Verify", answer_verify },   { "GetAll", answer_properties },
        { "ListOwn", answer_list },  { "SetMapping", answer_set },
    };

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(dbus_message_get_member(call), methods[i].method) == 0)
            return methods[i].answer(call);
    return failed(call, DBUS_ERROR_UNKNOWN_METHOD, "no such method");
}

/* ---- Ways to fail ---- */

static atomic_uint *taken; /* calls, in memory that the test shares */

static void send_part(DBusConnection *connection, DBusMessage *reply, enum fake_mode mode)
{
    char *bytes;
    int length, fd;

    dbus_message_set_serial(reply, 1000);
    dbus_message_marshal(reply, &bytes, &length);
    dbus_connection_get_unix_fd(connection, &fd);
    if (mode == FAKE_DRIPS) {
        for (int i = 0; i < length && send(fd, bytes + i, 1, MSG_NOSIGNAL) == 1; i++)
            usleep(20000);
    } else if (send(fd, bytes, (size_t)length / 2, MSG_NOSIGNAL) < 0) {
        _exit(1);
    }
    dbus_free(bytes);
    if (mode == FAKE_CLOSES_MID_REPLY)
        dbus_connection_close(connection);
}

static void serve(DBusConnection *connection, DBusMessage *call, enum fake_mode mode)
{
    bool hello = strcmp(dbus_message_get_member(call), "Hello") == 0;
    DBusMessage *reply = hello || mode == FAKE_WRONG_SIGNATURE ? answer_text(call)
                         : mode == FAKE_FAILS
                             ? failed(call, BUS_ERROR_PREFIX "MappingNotFound", "nothing for alice")
                             : answer(call);

    if (!hello)
        atomic_fetch_add(taken, 1);
    if (hello || mode == FAKE_ANSWERS || mode == FAKE_WRONG_SIGNATURE || mode == FAKE_FAILS)
        dbus_connection_send(connection, reply, NULL);
    else if (mode != FAKE_SILENT)
        send_part(connection, reply, mode);
    dbus_message_unref(reply);
}

static void serve_all(enum fake_mode mode)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        DBusMessage *call;

        if (!connections[i])
            continue;
        dbus_connection_read_write(connections[i], 0);
        while ((call = dbus_connection_pop_message(connections[i]))) {
            if (dbus_message_get_type(call) == DBUS_MESSAGE_TYPE_METHOD_CALL)
                serve(connections[i], call, mode);
            dbus_message_unref(call);
        }
        if (!dbus_connection_get_is_connected(connections[i])) {
            dbus_connection_close(connections[i]);
            dbus_connection_unref(connections[i]);
            connections[i] = NULL;
        }
    }
}

static void run(const char *address, enum fake_mode mode, int ready)
{
    DBusServer *server = dbus_server_listen(address, NULL);

    if (!server)
        _exit(1);
    dbus_server_set_new_connection_function(server, on_connection, NULL, NULL);
    dbus_server_set_watch_functions(server, add_watch, remove_watch, NULL, NULL, NULL);
    close(ready);
    for (;;) {
        struct pollfd fd = { .fd = dbus_watch_get_unix_fd(listening), .events = POLLIN };

        if (poll(&fd, 1, 1) > 0)
            dbus_watch_handle(listening, DBUS_WATCH_READABLE);
        serve_all(mode);
    }
}

static void run_full(const char *path, int ready)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(name.sun_path, path);
    if (bind(fd, &name, sizeof(name)) < 0 || listen(fd, 2) < 0)
        _exit(1);
    for (;;) {
        int filler = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (connect(filler, &name, sizeof(name)) < 0)
            break;
    }
    close(ready);
    for (;;)
        pause();
}

/* ---- The process ---- */

static void spawn(struct fake_service *service, enum fake_mode mode)
{
    char path[100];
    int ready[2];
    char byte;

    snprintf(path, sizeof(path), "%s/socket", service->folder);
    unlink(path);
    if (pipe2(ready, O_CLOEXEC) < 0)
        abort();
    service->pid = fork();
    if (service->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_IGN);
        close(ready[0]);
        if (mode == FAKE_BACKLOG_FULL)
            run_full(path, ready[1]);
        else
            run(service->address, mode, ready[1]);
        _exit(1);
    }
    close(ready[1]);
    if (service->pid < 0 || read(ready[0], &byte, 1) != 0)
        abort();
    close(ready[0]);
}

void fake_service_start(struct fake_service *service, enum fake_mode mode)
{
    if (!taken)
        taken = mmap(NULL, sizeof(*taken), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (taken == MAP_FAILED)
        abort();
    strcpy(service->folder, "/tmp/mastersecret-fake-XXXXXX");
    if (!mkdtemp(service->folder))
        abort();
    snprintf(service->address, sizeof(service->address), "unix:path=%s/socket", service->folder);
    spawn(service, mode);
}

unsigned fake_service_calls(void)
{
    return atomic_load(taken);
}

void fake_service_await_call(unsigned before)
{
    while (fake_service_calls() == before)
        poll(NULL, 0, 1);
}

void fake_service_kill(struct fake_service *service)
{
    if (service->pid <= 0)
        return;
    kill(service->pid, SIGKILL);
    waitpid(service->pid, NULL, 0);
    service->pid = 0;
}

void fake_service_restart(struct fake_service *service, enum fake_mode mode)
{
    fake_service_kill(service);
    spawn(service, mode);
}

void fake_service_stop(struct fake_service *service)
{
    char path[100];

    fake_service_kill(service);
    snprintf(path, sizeof(path), "%s/socket", service->folder);
    unlink(path);
    rmdir(service->folder);
}

/* ---- The fixture ---- */

int fixture_start(void **state, enum fake_mode mode)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fake_service_start(&fixture->service, mode);
    assert_int_equal(mastersecret_new(&fixture->context), MASTERSECRET_OK);
    assert_int_equal(mastersecret_set_address(fixture->context, fixture->service.address),
                     MASTERSECRET_OK);
    mastersecret_set_timeout(fixture->context, FAKE_PATIENCE_MS);
    *state = fixture;
    return 0;
}

int fixture_end(void **state)
{
    struct fixture *fixture = *state;

    mastersecret_free(fixture->context);
    fake_service_stop(&fixture->service);
    free(fixture);
    return 0;
}

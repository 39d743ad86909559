/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Replies of a service that lies, to libmastersecret and to the command line on top of it.
 * connection.h is stood in for (--wrap): the connection is always there, and what comes back is
 * made of the input: a reply of the signature that the call has, of another one, an error, a raw
 * message, nothing. Bytes are written into the pipes that the call brought. */
#include "client/cli/parse.h"
#include "client/context.h"
#include "client/mastersecret.h"
#include "common/names.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/message.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { CALLS_MAX = 64, ACTIONS_MAX = 6 };

static struct {
    struct message_maker maker;
    unsigned calls;
} peer;

/* ---- The connection ---- */

enum mastersecret_error __wrap_connection_open(const char *address, bool is_bus, int64_t deadline,
                                               char *message, struct connection **ret_connection);
bool __wrap_connection_is_alive(struct connection *connection);
void __wrap_connection_close(struct connection *connection);
enum mastersecret_error __wrap_connection_call(struct connection *connection, DBusMessage *call,
                                               int64_t deadline,
                                               struct connection_reply *ret_reply);

enum mastersecret_error __wrap_connection_open(const char *address, bool is_bus, int64_t deadline,
                                               char *message, struct connection **ret_connection)
{
    static char place;
    void *stands_for_it = &place;

    (void)address;
    (void)is_bus;
    (void)deadline;
    (void)message;
    *ret_connection = stands_for_it;
    return MASTERSECRET_OK;
}

bool __wrap_connection_is_alive(struct connection *connection)
{
    return connection;
}

void __wrap_connection_close(struct connection *connection)
{
    (void)connection;
}

static int make_descriptor(struct message_maker *maker)
{
    static int nothing = -1;

    (void)maker;
    if (nothing < 0)
        nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    return nothing;
}

/* Writes into each descriptor of the call that is a pipe's write end. */
static void fill_pipes(DBusMessageIter *iter)
{
    for (int type; (type = dbus_message_iter_get_arg_type(iter)) != DBUS_TYPE_INVALID;
         dbus_message_iter_next(iter)) {
        DBusMessageIter inner;
        size_t length;
        int fd;

        if (dbus_type_is_container(type)) {
            dbus_message_iter_recurse(iter, &inner);
            fill_pipes(&inner);
        }
        if (type != DBUS_TYPE_UNIX_FD)
            continue;
        dbus_message_iter_get_basic(iter, &fd);
        length = cursor_get_u8(&peer.maker.cursor);
        if (length > cursor_left(&peer.maker.cursor))
            length = cursor_left(&peer.maker.cursor);
        if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY && length > 0 &&
            write(fd, cursor_get_view(&peer.maker.cursor, length), length) < 0)
            abort();
        close(fd);
    }
}

/* What the call should be answered with; "" for one that is not here. */
static const char *signature_of(DBusMessage *call)
{
    static const struct {
        const char *method, *signature;
    } rows[] = { { "Lookup", "sa{ss}(utttt)" }, { "Verify", "b(utttt)" }, { "Get", "v" },
                 { "GetAll", "a{sv}" }, { "ListOwn", "a(ssssbt)s" }, { "List", "a(ssbst)s" },
                 { "ListMappings", "a(ssst)s" }, { "SetMapping", "t" }, { "ShowMapping", "a{sv}" },
                 { "Generate", "uss" }, { "Create", "o" } };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(dbus_message_get_member(call), rows[i].method) == 0)
            return rows[i].signature;
    return "";
}

/* The one that the library checks most of, and that chance would not make. */
static void append_fields(DBusMessage *reply)
{
    DBusMessageIter to, variant;

    dbus_message_iter_init_append(reply, &to);
    dbus_message_iter_open_container(&to, DBUS_TYPE_VARIANT, "a(sb)", &variant);
    message_append(&peer.maker, &variant, "a(sb)");
    dbus_message_iter_close_container(&to, &variant);
}

static DBusMessage *make_return(DBusMessage *call, bool other)
{
    static const char *const others[] = { "", "s", "a{sv}", "v", "a{ss}", "a(ssst)s", "b", "tt",
                                          "as", "uss", "a{uv}", "h", "aas", "(s)", "a(ssb)s",
                                          "ss" };
    enum { OTHERS = sizeof(others) / sizeof(others[0]) };
    DBusMessage *reply = dbus_message_new_method_return(call);
    const char *signature = signature_of(call);
    DBusMessageIter to;

    if (other)
        signature = others[cursor_get_u8(&peer.maker.cursor) % OTHERS];
    if (strcmp(signature, "v") == 0 && cursor_get_u8(&peer.maker.cursor) & 1) {
        append_fields(reply);
        return reply;
    }
    dbus_message_iter_init_append(reply, &to);
    message_append(&peer.maker, &to, signature);
    return reply;
}

static DBusMessage *make_error(DBusMessage *call)
{
    uint8_t code = cursor_get_u8(&peer.maker.cursor);
    const char *name = code < 0xf0 ? error_name(1 + (enum error_code)(code % (ERROR_COUNT_ - 1)))
                       : code & 1  ? DBUS_ERROR_NO_REPLY
                                   : "com.example.Error.Odd";
    DBusMessage *reply = dbus_message_new_error(call, name, NULL);
    DBusMessageIter to;

    dbus_message_iter_init_append(reply, &to);
    message_append(&peer.maker, &to, code % 8 ? "s" : code % 16 ? "" : "us");
    return reply;
}

/* The rest of the input, or what comes of it: as a peer on the direct socket may send it. */
static DBusMessage *make_raw(void)
{
    size_t size = cursor_left(&peer.maker.cursor);
    const uint8_t *bytes = cursor_get_view(&peer.maker.cursor, size);
    DBusMessage *reply = size ? dbus_message_demarshal((const char *)bytes, (int)size, NULL) : NULL;
    int type = reply ? dbus_message_get_type(reply) : DBUS_MESSAGE_TYPE_INVALID;

    /* connection.c hands nothing else on. */
    if (type == DBUS_MESSAGE_TYPE_METHOD_RETURN || type == DBUS_MESSAGE_TYPE_ERROR)
        return reply;
    if (reply)
        dbus_message_unref(reply);
    return NULL;
}

enum mastersecret_error __wrap_connection_call(struct connection *connection, DBusMessage *call,
                                               int64_t deadline,
                                               struct connection_reply *ret_reply)
{
    uint8_t choice = cursor_get_u8(&peer.maker.cursor);
    DBusMessageIter arguments;

    (void)connection;
    (void)deadline;
    *ret_reply = (struct connection_reply){ NULL, choice & 0x80 };
    /* A list without an end takes the caller's whole time. */
    if (cursor_left(&peer.maker.cursor) == 0 || ++peer.calls > CALLS_MAX)
        return MASTERSECRET_TIMED_OUT;
    dbus_message_set_serial(call, peer.calls);
    if (dbus_message_iter_init(call, &arguments))
        fill_pipes(&arguments);
    switch (choice % 16) {
    case 0:
        return MASTERSECRET_UNREACHABLE;
    case 1:
    case 2:
        ret_reply->message = make_error(call);
        break;
    case 3:
        ret_reply->message = make_raw();
        break;
    case 4:
        ret_reply->message = make_return(call, true);
        break;
    default:
        ret_reply->message = make_return(call, false);
        break;
    }
    return ret_reply->message ? MASTERSECRET_OK : MASTERSECRET_UNREACHABLE;
}

/* ---- The library's calls ---- */

static void check_error(struct mastersecret *context, enum mastersecret_error error)
{
    char text[MESSAGE_SIZE + 1];

    if (error >= (enum mastersecret_error)ERROR_COUNT_)
        abort();
    if (mastersecret_message(context, text, sizeof(text)) >= MESSAGE_SIZE)
        abort();
    if (!text_is_utf8(text, strlen(text), sizeof(text)))
        abort();
}

static void check_credentials(const struct mastersecret_credentials *credentials)
{
    size_t count;
    const struct mastersecret_field *fields = mastersecret_credentials_fields(credentials, &count);

    if (!mastersecret_credentials_external_user(credentials))
        abort();
    for (size_t i = 0; i < count; i++) {
        const char *value = fields[i].value;

        if (!fields[i].label || fields[i].length > 2 * VALUE_MAX_BYTES || value[fields[i].length])
            abort();
    }
    (void)mastersecret_credentials_field(credentials, NULL);
}

static enum mastersecret_error try_lookup(struct mastersecret *context)
{
    static const char *const labels[] = { "password", "pin" };
    struct mastersecret_credentials *credentials = NULL;
    uint8_t count = cursor_get_u8(&peer.maker.cursor) % 3;
    enum mastersecret_error error = mastersecret_lookup(
        context, "erp", "alice", count ? labels : NULL, count, &credentials);

    if ((error == MASTERSECRET_OK) != (credentials != NULL))
        abort();
    if (credentials)
        check_credentials(credentials);
    mastersecret_credentials_free(credentials);
    return error;
}

static enum mastersecret_error try_list(struct mastersecret *context)
{
    struct mastersecret_mappings *mappings = NULL;
    const struct mastersecret_mapping *rows;
    size_t count = 0;
    enum mastersecret_error error = mastersecret_list_mappings(context, &mappings);

    if ((error == MASTERSECRET_OK) != (mappings != NULL))
        abort();
    rows = mappings ? mastersecret_mappings_get(mappings, &count) : NULL;
    for (size_t i = 0; i < count; i++)
        if (!rows[i].application || !rows[i].account || !rows[i].external_user || !rows[i].state)
            abort();
    mastersecret_mappings_free(mappings);
    return error;
}

static enum mastersecret_error try_verify(struct mastersecret *context)
{
    int matches = 7;
    enum mastersecret_error error =
        mastersecret_verify(context, "erp", NULL, NULL, "x", 1, &matches);

    if ((error == MASTERSECRET_OK) != (matches == 0 || matches == 1))
        abort();
    return error;
}

static enum mastersecret_error try_set(struct mastersecret *context)
{
    static const struct mastersecret_field fields[] = { { "password", "x", 1, 1 },
                                                        { "client", "100", 3, 0 } };
    uint64_t revision;

    return mastersecret_set_mapping(context, "erp", NULL, "ALICE01", fields, 2, &revision);
}

static void try_library(void)
{
    static enum mastersecret_error (*const calls[])(struct mastersecret *context) = {
        try_lookup, try_list, try_verify, try_set };
    struct mastersecret *context;

    if (mastersecret_new(&context) != MASTERSECRET_OK)
        abort();
    for (int i = 0; i < ACTIONS_MAX && cursor_left(&peer.maker.cursor) > 0; i++)
        check_error(context, calls[cursor_get_u8(&peer.maker.cursor) % 4](context));
    mastersecret_free(context);
}

/* ---- The command line's ---- */

static void run_command(unsigned which)
{
    static const char *const lines[][5] = {
        { "status" }, { "status", "--json" }, { "app", "list" }, { "app", "list", "--json" },
        { "app", "show", "erp" }, { "app", "show", "erp", "--json" }, { "map", "list" },
        { "map", "list", "erp" }, { "map", "show", "erp", "--json" }, { "map", "show", "erp" },
        { "get", "erp", "--json" }, { "get", "erp", "--field", "password" },
        { "app", "update", "erp", "--add-field", "x" }, { "app", "create", "new" },
        { "map", "enable", "erp" }, { "map", "list", "--json" },
    };
    const char *const *line = lines[which % (sizeof(lines) / sizeof(lines[0]))];
    char *words[7] = { (char *)(uintptr_t)"mastersecret" };
    struct cli cli = { NULL };
    int count = 1, status;

    for (; count <= 5 && line[count - 1]; count++)
        words[count] = (char *)(uintptr_t)line[count - 1];
    if (parse(count, words, &cli.command, &cli.arguments) != STATUS_DONE ||
        mastersecret_new(&cli.service) != MASTERSECRET_OK)
        abort();
    status = cli.command->run(&cli);
    if (status < 0 || status > STATUS_MISMATCH)
        abort();
    mastersecret_free(cli.service);
}

/* What it writes goes nowhere; the sanitizers write to descriptor 2. */
static void try_command(void)
{
    static FILE *nowhere;
    FILE *output = stdout, *errors = stderr;
    CLEANUP_CLOSE int kept = dup(STDOUT_FILENO);

    if (!nowhere)
        nowhere = fopen("/dev/null", "we");
    if (!nowhere || kept < 0 || fflush(stdout) != 0 || dup2(fileno(nowhere), STDOUT_FILENO) < 0)
        abort();
    stdout = stderr = nowhere;
    run_command(cursor_get_u8(&peer.maker.cursor));
    fflush(nowhere);
    stdout = output;
    stderr = errors;
    if (dup2(kept, STDOUT_FILENO) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    peer.maker = (struct message_maker){ .cursor = cursor_reader(bytes, size),
                                         .descriptor = make_descriptor };
    peer.calls = 0;
    if (cursor_get_u8(&peer.maker.cursor) & 1)
        try_command();
    else
        try_library();
    return 0;
}

/* Library, Lookup with every masked field: Fields with a masked one, then an answer. */
size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    static const uint8_t seed[] = { 0, 0, 0, 8, 1, 2, 16, 0, 17, 1, 8, 5, 's', 'e', 'c', 'r', 't',
                                    31, 1, 18, 44, 1, 2, 3, 4, 5, 1, 8, 2, 1, 4, 9, 9, 9, 9, 5, 0 };

    if (sizeof(seed) > room)
        abort();
    memcpy(ret_bytes, seed, sizeof(seed));
    return sizeof(seed);
}

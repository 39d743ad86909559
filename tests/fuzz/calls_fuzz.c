/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Method calls to the whole service: every method, from everybody, through both doors, in every
 * state, several in one input and at once, with disks that fail, name services that do not answer,
 * peers that go, a bus and a polkit that talk nonsense. What must hold, whatever comes:
 *   - each call is answered once, and one that wants no reply never;
 *   - a reply has the signature of its method, an error a name that is documented;
 *   - what was refused changed nothing;
 *   - no masked value is in a message or a log line, nor in a pipe of whoever may not have it;
 *   - who has no role gets nothing and changes nothing.
 * Byte 0 is the state to begin in; then come actions, each a byte and what it takes. */
#include "dbus-service/bus/call.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/message.h"
#include "tests/fuzz/stand.h"
#include "tests/unit/fake_nss.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { ACTIONS_MAX = 16, CALLS_MAX = 32, DESCRIPTORS_KEPT = 128, PIPE_ROOM = 64 * 1024 };

size_t fuzz_places = 150;

struct sent_call {
    uint32_t serial;
    enum person person;
    bool direct;
    bool no_reply;
    bool gone;      /* its caller is */
    unsigned replies;
    const struct interface *interface; /* NULL where it is not known: a raw message */
    const struct method *method;
};

static struct {
    struct stand *stand;
    struct message_maker maker;
    struct sent_call calls[CALLS_MAX];
    size_t calls_count;
    int descriptors[DESCRIPTORS_KEPT]; /* ours to close at the end */
    size_t descriptors_count;
    enum person pipe_owners[DESCRIPTORS_KEPT]; /* who awaits a value there; PERSONS = nobody */
    enum person caller;
    bool changed;   /* some change was made */
    bool disturbed; /* something failed that calls do not ask for */
    bool polkit_may; /* polkit has ever said yes, or oddly */
} run;

static void __attribute__((__noreturn__)) fail(const char *what, const struct sent_call *call)
{
    fprintf(stderr, "%s: %s.%s by %d\n", what,
            call && call->interface ? call->interface->name : "?",
            call && call->method ? call->method->name : "?", call ? (int)call->person : -1);
    abort();
}

/* ---- What comes back ---- */

static bool error_is_known(const char *name)
{
    static const char *const standard[] = {
        DBUS_ERROR_UNKNOWN_OBJECT, DBUS_ERROR_UNKNOWN_INTERFACE, DBUS_ERROR_UNKNOWN_METHOD,
        DBUS_ERROR_UNKNOWN_PROPERTY, DBUS_ERROR_PROPERTY_READ_ONLY, DBUS_ERROR_INVALID_ARGS,
    };

    for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++)
        if (strcmp(name, standard[i]) == 0)
            return true;
    return error_from_name(name) != ERROR_NONE;
}

static bool is_read(const struct sent_call *call)
{
    static const char *const reads[] = { "Lookup", "Verify", "List", "ListOwn", "ListMappings",
                                         "ShowMapping", "Reload" };

    if (!call->method)
        return false;
    if (strncmp(call->interface->name, BUS_NAME, strlen(BUS_NAME)) != 0)
        return true;
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++)
        if (strcmp(call->method->name, reads[i]) == 0)
            return true;
    return false;
}

/* What the stranger and the nameless one may call with success: what everybody sees. */
static bool is_for_anybody(const struct sent_call *call)
{
    return !call->method || call->interface == &interface_applications
               ? !call->method || strcmp(call->method->name, "Create") != 0
               : strncmp(call->interface->name, BUS_NAME, strlen(BUS_NAME)) != 0;
}

static void check_return(const struct sent_call *call, DBusMessage *message)
{
    if (call->method && strcmp(dbus_message_get_signature(message), call->method->out) != 0)
        fail("a reply of another signature", call);
    if ((call->person == PERSON_STRANGER || call->person == PERSON_NAMELESS) && !run.changed &&
        !run.polkit_may && !is_for_anybody(call))
        fail("success without a role", call);
    if (!is_read(call))
        run.changed = true;
}

static void check_error(const struct sent_call *call, DBusMessage *message)
{
    const char *text = NULL;

    if (!error_is_known(dbus_message_get_error_name(message)))
        fail(dbus_message_get_error_name(message), call);
    if (!dbus_message_get_args(message, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID) || !*text)
        fail("an error without a text", call);
    if (strcmp(dbus_message_get_error_name(message), error_name(ERROR_OUTCOME_UNKNOWN)) == 0)
        run.disturbed = true;
}

static void check_secrecy(DBusMessage *message)
{
    char *bytes;
    int length;

    if (dbus_message_contains_unix_fds(message))
        fail("the service sent a descriptor", NULL);
    if (!dbus_message_marshal(message, &bytes, &length))
        return;
    if (memmem(bytes, (size_t)length, STAND_CANARY, sizeof(STAND_CANARY) - 1))
        fail("a masked value is in a message", NULL);
    dbus_free(bytes);
}

static void on_sent(enum person person, bool direct, DBusMessage *message)
{
    int type = dbus_message_get_type(message);
    uint32_t serial = dbus_message_get_reply_serial(message);

    check_secrecy(message);
    if (type != DBUS_MESSAGE_TYPE_METHOD_RETURN && type != DBUS_MESSAGE_TYPE_ERROR)
        return;
    for (size_t i = 0; i < run.calls_count; i++) {
        struct sent_call *call = &run.calls[i];

        if (call->serial != serial || call->person != person || call->direct != direct)
            continue;
        if (call->no_reply || ++call->replies > 1)
            fail("a reply too many", call);
        if (type == DBUS_MESSAGE_TYPE_ERROR)
            check_error(call, message);
        else
            check_return(call, message);
        return;
    }
}

/* ---- Descriptors ---- */

static int keep(int fd, enum person owner)
{
    if (fd < 0 || run.descriptors_count == DESCRIPTORS_KEPT)
        return STDIN_FILENO;
    run.pipe_owners[run.descriptors_count] = owner;
    run.descriptors[run.descriptors_count++] = fd;
    return fd;
}

static void fill(int fd)
{
    static const char *const texts[] = { STAND_PASSPHRASE, STAND_CANARY "ALICE01", "short", "" };
    static const uint8_t zeros[PIPE_ROOM];
    uint8_t choice = cursor_get_u8(&run.maker.cursor);
    size_t length = (size_t)cursor_get_u8(&run.maker.cursor) << choice % 9;
    const char *text = texts[choice % 4];
    ssize_t n = choice < 0xc0 ? write(fd, text, strlen(text))
                              : write(fd, zeros, length < PIPE_ROOM ? length : PIPE_ROOM);

    (void)n; /* a value of whatever length fits in */
}

static int make_pipe(bool give, bool end)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return STDIN_FILENO;
    if (!give) {
        keep(ends[0], run.caller);
        return keep(ends[1], PERSONS);
    }
    fill(ends[1]);
    if (end)
        close(ends[1]);
    else
        keep(ends[1], PERSONS);
    return keep(ends[0], PERSONS);
}

static int make_file(void)
{
    int fd = memfd_create("backup", MFD_CLOEXEC);

    if (fd >= 0 && fchmod(fd, 0600) < 0)
        abort();
    return keep(fd, PERSONS);
}

/* Mostly what the interface asks for. */
static int make_descriptor(struct message_maker *maker)
{
    int ends[2];

    switch (cursor_get_u8(&maker->cursor) % 16) {
    case 0:
        return keep(open("/dev/null", O_RDWR | O_CLOEXEC), PERSONS);
    case 1:
        return keep(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), PERSONS);
    case 2:
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
            return STDIN_FILENO;
        keep(ends[1], PERSONS);
        return keep(ends[0], PERSONS);
    case 3:
        return make_pipe(true, false);
    case 4:
    case 5:
    case 6:
        return make_file();
    case 7:
        return keep(memfd_create("of another mode", MFD_CLOEXEC), PERSONS);
    case 8:
    case 9:
    case 10:
    case 11:
        return make_pipe(false, true);
    default:
        return make_pipe(true, true);
    }
}

/* Who may have a value by the definition that the service began with. */
static bool may_have(enum person person, const char *value)
{
    if (person == PERSON_ROOT || person == PERSON_AGENT)
        return true;
    return (person == PERSON_ALICE && strncmp(value, STAND_CANARY "BOB", 10) != 0) ||
           (person == PERSON_BOB && strncmp(value, STAND_CANARY "ALICE", 12) != 0);
}

static void close_descriptors(void)
{
    char value[64];

    for (size_t i = 0; i < run.descriptors_count; i++) {
        ssize_t length = run.pipe_owners[i] < PERSONS
                             ? read(run.descriptors[i], value, sizeof(value) - 1)
                             : 0;

        value[length > 0 ? length : 0] = '\0';
        if (strncmp(value, STAND_CANARY, sizeof(STAND_CANARY) - 1) == 0 && !run.changed &&
            !may_have(run.pipe_owners[i], value))
            fail("a value in the wrong pipe", NULL);
        close(run.descriptors[i]);
    }
}

/* ---- Calls ---- */

/* libdbus answers by itself, whatever the flag says. */
static bool libdbus_answers(DBusMessage *message, bool direct)
{
    return direct && !dbus_message_get_destination(message) &&
           dbus_message_has_interface(message, DBUS_INTERFACE_PEER);
}

static void note(DBusMessage *message, const struct interface *interface,
                 const struct method *method, bool direct)
{
    struct sent_call *call = &run.calls[run.calls_count];

    *call = (struct sent_call){ .person = run.caller, .direct = direct, .interface = interface,
                                .method = method,
                                .no_reply = dbus_message_get_no_reply(message) &&
                                            !libdbus_answers(message, direct) };
    if (stand_send(run.stand, run.caller, direct, message, &call->serial))
        run.calls_count++;
    else
        run.disturbed = true;
}

static const char *object_of(const struct interface *interface, uint8_t choice)
{
    static const char *const odd[] = { "/", "/org", BUS_PATH_APPLICATION,
                                       BUS_PATH_APPLICATION "/none",
                                       BUS_PATH_APPLICATION "/_", "/com/example",
                                       BUS_PATH_APPLICATION "/erp_2f", BUS_PATH };

    if (choice >= 0xf0)
        return odd[choice % 8];
    if (interface == &interface_application || ((choice & 1) && (interface->objects &
                                                                 OBJECT_APPLICATION)))
        return choice & 2 ? BUS_PATH_APPLICATION "/mail" : BUS_PATH_APPLICATION "/erp";
    return BUS_PATH;
}

/* What an input chooses from. New ones at the end, or the inputs in the tree call other methods than those
 * that they were found with. */
static const char *const methods[] = {
    "Lookup", "Verify", "Update", "Enable", "Disable", "Delete", "AddField", "RelabelField", "SetMapping",
    "ShowMapping", "ListMappings", "EnableMapping", "DisableMapping", "DeleteMapping", "Create", "List",
    "ListOwn", "Reload", "Generate", "Seal", "Unseal", "Get", "GetAll", "Set", "Introspect", "Ping",
    "GetMachineId", "GetManagedObjects", "Export", "Import", "Rotate", "PauseRotation", "ResumeRotation",
    "SetRotationRate", "Census", "EnterShare", "CancelShares", "AddSlot", "ReplaceSlot", "RemoveSlot",
    "TestSlot", "AddRecipient", "RemoveRecipient", "Backup", "BackupToDirectory", "VerifyBackup", "Restore",
    "Check",
};
enum { METHODS = sizeof(methods) / sizeof(methods[0]) };

static const struct method *find(const char *name, const struct interface **ret_interface)
{
    for (size_t i = 0; interfaces[i]; i++) {
        *ret_interface = interfaces[i];
        for (size_t j = 0; j < interfaces[i]->methods_count; j++)
            if (strcmp(interfaces[i]->methods[j].name, name) == 0)
                return &interfaces[i]->methods[j];
    }
    fail("no such method", NULL);
}

/* Every one is there to be chosen. */
static void check_methods(void)
{
    const struct interface *interface;
    size_t count = 0;

    for (size_t i = 0; interfaces[i]; i++)
        count += interfaces[i]->methods_count;
    for (size_t i = 0; i < METHODS; i++)
        (void)find(methods[i], &interface);
    if (count != METHODS)
        fail("a method is missing in the list above", NULL);
}

/* method, flags, object, then the arguments */
static void act_call(bool direct)
{
    static const char *const others[] = { "", "s", "a{sh}", "ssa{sv}", "h", "sssh", "a{sv}", "vvvv",
                                          "sssss", "ah", "su", "a(sb)", "ssa{ss}a{sh}a{sh}" };
    const struct interface *interface;
    const struct method *method = find(methods[cursor_get_u8(&run.maker.cursor) % METHODS], &interface);
    uint8_t flags = cursor_get_u8(&run.maker.cursor), object = cursor_get_u8(&run.maker.cursor);
    const char *in = flags < 0xf0 ? method->in : others[flags % 13];
    DBusMessage *message = dbus_message_new_method_call(
        direct ? NULL : BUS_NAME, object_of(interface, object),
        (flags & 0x0e) == 0x0e ? NULL : interface->name, method->name);
    DBusMessageIter to;

    dbus_message_set_no_reply(message, (flags & 0x30) == 0x30);
    dbus_message_set_allow_interactive_authorization(message, flags & 1);
    dbus_message_iter_init_append(message, &to);
    message_append(&run.maker, &to, in);
    /* Without the interface, on another object or with other arguments, it may be another. */
    if (flags >= 0xf0 || object >= 0xf0 || (flags & 0x0e) == 0x0e)
        method = NULL;
    note(message, method ? interface : NULL, method, direct);
}

/* length, then the bytes of a message */
static void act_raw(bool direct)
{
    size_t size = cursor_get_u16(&run.maker.cursor);
    const uint8_t *bytes;
    DBusMessage *message;

    if (size > cursor_left(&run.maker.cursor))
        size = cursor_left(&run.maker.cursor);
    bytes = cursor_get_view(&run.maker.cursor, size);
    message = size ? dbus_message_demarshal((const char *)bytes, (int)size, NULL) : NULL;
    if (!message)
        return;
    if (dbus_message_get_type(message) != DBUS_MESSAGE_TYPE_METHOD_CALL)
        dbus_message_unref(message);
    else
        note(message, NULL, NULL, direct);
}

/* ---- Around the calls ---- */

static void act_disconnect(bool direct)
{
    stand_disconnect(run.stand, run.caller, direct);
    for (size_t i = 0; i < run.calls_count; i++)
        if (run.calls[i].person == run.caller && run.calls[i].direct == direct)
            run.calls[i].gone = true;
}

/* An answer to whatever the service asks next. */
static void act_odd_answers(void)
{
    static const char *const signatures[] = { "", "s", "a{sv}", "(bba{ss})", "(bb)", "a{su}", "b",
                                              "au" };
    static DBusMessage *odd;
    uint8_t choice = cursor_get_u8(&run.maker.cursor);
    DBusMessageIter to;

    if (odd)
        dbus_message_unref(odd);
    odd = dbus_message_new(choice & 1 ? DBUS_MESSAGE_TYPE_METHOD_RETURN : DBUS_MESSAGE_TYPE_ERROR);
    if (!(choice & 1))
        dbus_message_set_error_name(odd, "com.example.Error.Odd");
    dbus_message_set_reply_serial(odd, 1);
    dbus_message_iter_init_append(odd, &to);
    message_append(&run.maker, &to, signatures[choice / 2 % 8]);
    run.stand->odd = odd;
}

static void act_surroundings(void)
{
    uint8_t choice = cursor_get_u8(&run.maker.cursor);

    switch (choice % 8) {
    case 0:
    case 1:
        run.stand->polkit = choice / 8 % ANSWERS;
        break;
    case 2:
        run.stand->bus = choice / 8 % ANSWERS;
        stand_spoil(run.stand);
        break;
    case 3:
        act_odd_answers();
        break;
    case 4:
        stand_fail_sync(run.stand);
        run.disturbed = true;
        break;
    case 5:
        fake_nss_fail(choice & 8 ? EIO : 0);
        stand_spoil(run.stand);
        break;
    default:
        stand_let_rebuild(run.stand);
        run.disturbed = true;
        break;
    }
    if (run.stand->polkit == ANSWER_YES || run.stand->polkit == ANSWER_ODDLY ||
        run.stand->bus == ANSWER_ODDLY)
        run.polkit_may = true;
}

/* Everything is answered by now, and what was only refused has left no trace. */
static void check_settled(uint64_t revision, enum realm_state state)
{
    stand_settle(run.stand);
    for (size_t i = 0; i < run.calls_count; i++) {
        const struct sent_call *call = &run.calls[i];

        if (call->replies == 0 && !call->no_reply && !call->gone && !run.disturbed &&
            realm_state(run.stand->service.realm) != REALM_REBUILDING)
            fail("a call without an answer", call);
        /* It may have been made, and nobody was told. */
        if ((call->no_reply || call->gone) && call->replies == 0 && !is_read(call))
            run.changed = true;
    }
    if (!run.changed && !run.disturbed &&
        (stand_revision(run.stand) != revision || realm_state(run.stand->service.realm) != state))
        fail("what was refused changed something", NULL);
}

static void act(uint8_t action)
{
    run.caller = action % 16 < PERSONS ? action % 16 : PERSON_ROOT;
    switch (action / 16) {
    case 0:
        stand_settle(run.stand);
        break;
    case 1:
        act_surroundings();
        break;
    case 2:
        act_disconnect(action & 1);
        break;
    case 3:
        act_raw(false);
        break;
    case 4:
        act_raw(true);
        break;
    default:
        act_call(action & 16);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    enum realm_state state;
    uint64_t revision;

    /* libFuzzer sees what we look for, and would say it itself. */
    if (size < 2 || memmem(bytes, size, STAND_CANARY, sizeof(STAND_CANARY) - 1))
        return 0;
    memset(&run, 0, sizeof(run));
    run.maker = (struct message_maker){ .cursor = cursor_reader(bytes, size),
                                        .descriptor = make_descriptor };
    run.stand = stand_begin(cursor_get_u8(&run.maker.cursor) % BEGINS);
    run.stand->sent = on_sent;
    state = realm_state(run.stand->service.realm);
    revision = stand_revision(run.stand);
    run.disturbed = bytes[0] % BEGINS == BEGIN_OPENING;
    for (int i = 0; i < ACTIONS_MAX && run.calls_count < CALLS_MAX &&
                    cursor_left(&run.maker.cursor) > 0; i++)
        act(cursor_get_u8(&run.maker.cursor));
    check_settled(revision, state);
    run.stand->sent = NULL;
    close_descriptors();
    return 0;
}

/* Ready; alice looks up her password on the bus, then a stranger tries. */
size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    static const uint8_t seed[] = { BEGIN_READY, 0x60 + PERSON_ALICE, 0, 0, 0, 1, 0, 1, 17, 8,
                                    0, 0x60 + PERSON_STRANGER, 0, 0, 0, 1, 4, 1, 17, 8, 0 };

    check_methods();
    if (sizeof(seed) > room)
        abort();
    memcpy(ret_bytes, seed, sizeof(seed));
    return sizeof(seed);
}

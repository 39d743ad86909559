/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/fuzz/message.h"

#include "common/names.h"

#include <stdlib.h>
#include <string.h>

static const char *const words[] = {
    "", "erp", "mail", "nothing", "alice", "bob", "user:alice", "user:bob", "group:clerks",
    "clerks", "appadmins", "user:postgres", "postgres", "mallory", "user:mallory", "none", "user",
    "password", "client", "pin", "individual", "group", "keyfile", "credential", "passphrase",
    "slot-passphrase", "backup", "description", "contact", "users", "admins", "agents", "fields",
    "enabled", "name", "type", BUS_INTERFACE_MANAGER, BUS_INTERFACE_SECRET,
    BUS_INTERFACE_APPLICATIONS, BUS_INTERFACE_APPLICATION, BUS_INTERFACE_CREDENTIALS,
    DBUS_INTERFACE_PROPERTIES, "State", "StateText", "Slots", "SlotUsed", "Advice", "Progress",
    "Generations", "Fields", "Users", "Agents", "ALICE01", "GROUP01", "1", "user:",
    "group:nobody", "erp_2d2", "x\x7f", "\xc3\xbc", "100",
};
enum { WORDS = sizeof(words) / sizeof(words[0]), TEXT_SIZE = 1 << 17, ITEMS_MAX = 80 };
/* libdbus takes 32 arrays in one another, and fails an assertion beyond. */
enum { DEPTH_MAX = 12 };

/* What a{sv} of ours holds, and what it does not. */
static const char *const variants[] = { "s", "b", "as", "a(sb)", "u", "t", "v", "a{sv}", "a(usst)",
                                        "(ttt)", "ay", "h", "d", "a{ss}" };
enum { VARIANTS = sizeof(variants) / sizeof(variants[0]) };

static void copy_utf8(struct message_maker *maker, size_t length, char *text)
{
    if (length > cursor_left(&maker->cursor))
        length = cursor_left(&maker->cursor);
    cursor_get_bytes(&maker->cursor, text, length);
    text[length] = '\0';
    if (text_is_utf8(text, length, length))
        return;
    for (size_t i = 0; i < length; i++)
        if ((uint8_t)text[i] >= 0x80 || text[i] == '\0')
            text[i] = '?';
}

const char *message_text(struct message_maker *maker)
{
    static char text[TEXT_SIZE];
    uint8_t choice = cursor_get_u8(&maker->cursor);

    if (choice < 0xc0)
        return words[choice % WORDS];
    if (choice < 0xd0) {
        strcpy(text, words[cursor_get_u8(&maker->cursor) % WORDS]);
        strcat(text, words[cursor_get_u8(&maker->cursor) % WORDS]);
    } else if (choice < 0xd8) {
        size_t length = (size_t)1 << cursor_get_u8(&maker->cursor) % 17;

        memset(text, 'x', length);
        text[length] = '\0';
    } else {
        copy_utf8(maker, cursor_get_u8(&maker->cursor), text);
    }
    return text;
}

static void append_value(struct message_maker *maker, DBusMessageIter *to, DBusSignatureIter *type);

static void append_all(struct message_maker *maker, DBusMessageIter *to, DBusSignatureIter *types)
{
    do
        append_value(maker, to, types);
    while (dbus_signature_iter_next(types));
}

static void append_array(struct message_maker *maker, DBusMessageIter *to, DBusSignatureIter *type)
{
    uint8_t count = cursor_get_u8(&maker->cursor);
    char *signature = dbus_signature_iter_get_signature(type);
    DBusMessageIter array;

    /* Mostly few. */
    count = count < 0xf0 ? count % 5 : count % ITEMS_MAX;
    if (!dbus_message_iter_open_container(to, DBUS_TYPE_ARRAY, signature, &array))
        abort();
    while (count-- > 0 && cursor_left(&maker->cursor) > 0)
        append_value(maker, &array, type);
    dbus_message_iter_close_container(to, &array);
    dbus_free(signature);
}

static void append_container(struct message_maker *maker, DBusMessageIter *to,
                             DBusSignatureIter *type)
{
    int code = dbus_signature_iter_get_current_type(type);
    const char *signature = NULL;
    DBusSignatureIter inner;
    DBusMessageIter container;

    if (code == DBUS_TYPE_VARIANT) {
        signature = variants[cursor_get_u8(&maker->cursor) % VARIANTS];
        /* Bytes that are used up would nest for ever. */
        if (cursor_left(&maker->cursor) == 0 || maker->depth > DEPTH_MAX)
            signature = "b";
        dbus_signature_iter_init(&inner, signature);
    } else {
        dbus_signature_iter_recurse(type, &inner);
    }
    if (code == DBUS_TYPE_ARRAY) {
        append_array(maker, to, &inner);
        return;
    }
    if (!dbus_message_iter_open_container(to, code, signature, &container))
        abort();
    append_all(maker, &container, &inner);
    dbus_message_iter_close_container(to, &container);
}

static uint64_t number(struct message_maker *maker)
{
    uint8_t choice = cursor_get_u8(&maker->cursor);

    return choice < 0xf0 ? choice : cursor_get_u64(&maker->cursor);
}

static void append_value(struct message_maker *maker, DBusMessageIter *to, DBusSignatureIter *type)
{
    int code = dbus_signature_iter_get_current_type(type);
    DBusBasicValue value = { .u64 = 0 };
    const char *text;

    if (dbus_type_is_container(code)) {
        maker->depth++;
        append_container(maker, to, type);
        maker->depth--;
        return;
    }
    text = code == DBUS_TYPE_STRING ? message_text(maker) : BUS_PATH_APPLICATION "/erp";
    if (code == DBUS_TYPE_STRING || code == DBUS_TYPE_OBJECT_PATH)
        value.str = (char *)(uintptr_t)text;
    else if (code == DBUS_TYPE_UNIX_FD)
        value.fd = maker->descriptor(maker);
    else if (code == DBUS_TYPE_BOOLEAN)
        value.bool_val = cursor_get_u8(&maker->cursor) & 1;
    else
        value.u64 = number(maker);
    if (!dbus_message_iter_append_basic(to, code, &value))
        abort();
}

void message_append(struct message_maker *maker, DBusMessageIter *to, const char *signature)
{
    DBusSignatureIter types;

    if (!*signature)
        return;
    dbus_signature_iter_init(&types, signature);
    append_all(maker, to, &types);
}

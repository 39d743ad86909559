/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks up the caller's own credentials with libdbus alone: lookup APPLICATION FIELD
 * cc lookup.c -o lookup $(pkg-config --cflags --libs dbus-1) */
#define _GNU_SOURCE
#include <dbus/dbus.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static DBusMessage *lookup_message(const char *application, const char *field, int write_end)
{
    DBusMessage *message = dbus_message_new_method_call("org.mastersecret1", "/org/mastersecret1",
                                                        "org.mastersecret1.Credentials", "Lookup");
    const char *self = "";
    DBusMessageIter arguments, fields, entry;

    dbus_message_iter_init_append(message, &arguments);
    dbus_message_iter_append_basic(&arguments, DBUS_TYPE_STRING, &application);
    dbus_message_iter_append_basic(&arguments, DBUS_TYPE_STRING, &self);
    dbus_message_iter_open_container(&arguments, DBUS_TYPE_ARRAY, "{sh}", &fields);
    dbus_message_iter_open_container(&fields, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
    dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &field);
    dbus_message_iter_append_basic(&entry, DBUS_TYPE_UNIX_FD, &write_end);
    dbus_message_iter_close_container(&fields, &entry);
    dbus_message_iter_close_container(&arguments, &fields);
    return message;
}

int main(int argc, char **argv)
{
    static char value[65536];
    DBusError error = DBUS_ERROR_INIT;
    const char *external_user = NULL;
    int ends[2];

    if (argc != 3 || pipe2(ends, O_CLOEXEC) < 0)
        return 2;
    DBusConnection *bus = dbus_bus_get_private(DBUS_BUS_SYSTEM, &error);
    if (!bus) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    DBusMessage *call = lookup_message(argv[1], argv[2], ends[1]);
    DBusMessage *reply = dbus_connection_send_with_reply_and_block(bus, call, 3000, &error);
    if (!reply) {
        fprintf(stderr, "%s: %s\n", error.name, error.message);
        return 1;
    }
    dbus_message_get_args(reply, NULL, DBUS_TYPE_STRING, &external_user, DBUS_TYPE_INVALID);
    ssize_t length = read(ends[0], value, sizeof value); /* whole: it was written before the reply */
    printf("%s logs in to %s with %zd bytes of %s\n", external_user, argv[1], length, argv[2]);
    explicit_bzero(value, sizeof value);
    return 0;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What a login pays, in a process that has loaded neither libdbus nor the module yet:
 *   login FOLDER SERVICE USER PASSWORD          PAM from start to end with the stack FOLDER/SERVICE
 *   login FOLDER SERVICE USER PASSWORD ""       the same, of a service that is not available
 *   login FOLDER SERVICE USER PASSWORD ADDRESS  the same, and: dlopen libdbus, connect, Ping, close
 * With a stack of pam_permit the second is the floor of the first with our module. Prints microseconds. */
#include "bench/clock.h"

#include <dbus/dbus.h>
#include <dlfcn.h>
#include <security/pam_appl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The types of libdbus' own header, its functions by name: nothing is linked. */
struct library {
    __typeof__(dbus_connection_open_private) *open_private;
    __typeof__(dbus_message_new_method_call) *new_method_call;
    __typeof__(dbus_connection_send_with_reply_and_block) *call;
    __typeof__(dbus_message_unref) *unref;
    __typeof__(dbus_connection_close) *close;
    __typeof__(dbus_connection_unref) *connection_unref;
};

static int library_open(struct library *library)
{
    void *handle = dlopen("libdbus-1.so.3", RTLD_NOW);
    const struct {
        const char *name;
        void *place;
    } symbols[] = {
        { "dbus_connection_open_private", &library->open_private },
        { "dbus_message_new_method_call", &library->new_method_call },
        { "dbus_connection_send_with_reply_and_block", &library->call },
        { "dbus_message_unref", &library->unref },
        { "dbus_connection_close", &library->close },
        { "dbus_connection_unref", &library->connection_unref },
    };

    for (size_t i = 0; handle && i < sizeof(symbols) / sizeof(*symbols); i++) {
        void *symbol = dlsym(handle, symbols[i].name);

        if (!symbol)
            return -1;
        memcpy(symbols[i].place, &symbol, sizeof(symbol));
    }
    return handle ? 0 : -1;
}

static int ping(const char *address)
{
    struct library library;
    DBusConnection *connection;
    DBusMessage *call, *reply;

    if (library_open(&library) < 0)
        return -1;
    connection = library.open_private(address, NULL);
    call = library.new_method_call(NULL, "/", DBUS_INTERFACE_PEER, "Ping");
    reply = connection && call ? library.call(connection, call, 1000, NULL) : NULL;
    if (!reply)
        return -1;
    library.unref(reply);
    library.unref(call);
    library.close(connection);
    library.connection_unref(connection);
    return 0;
}

static int converse(int count, const struct pam_message **messages,
                    struct pam_response **ret_responses, void *userdata)
{
    struct pam_response *responses = calloc((size_t)count, sizeof(*responses));

    for (int i = 0; responses && i < count; i++)
        if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
            responses[i].resp = strdup(userdata);
    *ret_responses = responses;
    return responses ? PAM_SUCCESS : PAM_BUF_ERR;
}

/* libpam's own work is in it: pam_start() is what loads the module. */
static int authenticate(char **arguments, int expected)
{
    struct pam_conv conversation = { converse, arguments[3] };
    pam_handle_t *handle;
    int r = pam_start_confdir(arguments[1], arguments[2], &conversation, arguments[0], &handle);

    if (r != PAM_SUCCESS)
        return -1;
    r = pam_authenticate(handle, PAM_SILENT);
    if (r != expected)
        fprintf(stderr, "login: %s\n", pam_strerror(handle, r));
    pam_end(handle, r);
    return r == expected ? 0 : -1;
}

int main(int argc, char **argv)
{
    uint64_t begin = clock_nsec(), end;
    bool unavailable = argc == 6 && !*argv[5];

    if (argc < 5 || authenticate(argv + 1, unavailable ? PAM_AUTHINFO_UNAVAIL : PAM_SUCCESS) < 0 ||
        (argc == 6 && !unavailable && ping(argv[5]) < 0)) {
        fprintf(stderr, "login: cannot do it\n");
        return 1;
    }
    end = clock_nsec();
    printf("%.1f\n", (double)(end - begin) / 1e3);
    return 0;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/context.h"

#include "client/deadline.h"
#include "client/error.h"
#include "client/libdbus.h"
#include "client/lock.h"
#include "client/process.h"
#include "common/names.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SYSTEM_BUS_ADDRESS "unix:path=/run/dbus/system_bus_socket"

enum { TIMEOUT_DEFAULT_MS = 5000 };

struct mastersecret {
    _Atomic unsigned timeout_ms;
    struct lock lock; /* over everything below */
    int64_t deadline; /* of the call under way */
    uint32_t process; /* that `connection` belongs to */
    char *address;    /* NULL = the default doors */
    bool administers;
    struct connection *connection;
    char message[MESSAGE_SIZE];
};

enum mastersecret_error mastersecret_new(struct mastersecret **ret_context)
{
    CLEANUP_FREE struct mastersecret *context = calloc(1, sizeof(*context));
    bool has_locks;

    if (!context)
        return MASTERSECRET_OUT_OF_MEMORY;
    if (!libdbus_enter())
        return MASTERSECRET_UNREACHABLE;
    /* Left to itself libdbus makes its locks at their first use, and two threads may race there. */
    has_locks = dbus_threads_init_default();
    libdbus_leave();
    if (!has_locks)
        return MASTERSECRET_OUT_OF_MEMORY;
    context->process = process_generation();
    context->timeout_ms = TIMEOUT_DEFAULT_MS;
    *ret_context = STEAL(context);
    return MASTERSECRET_OK;
}

static void disconnect(struct mastersecret *context)
{
    connection_close(STEAL(context->connection));
}

void mastersecret_free(struct mastersecret *context)
{
    if (!context)
        return;
    if (libdbus_enter()) {
        disconnect(context);
        libdbus_leave();
    } else {
        connection_abandon(context->connection);
    }
    free(context->address);
    free(context);
}

/* In a forked child the connection is the parent's: closing this copy of the socket sends
 * nothing. */
static void leave_parent(struct mastersecret *context)
{
    if (context->process == process_generation())
        return;
    disconnect(context);
    context->process = process_generation();
}

enum mastersecret_error context_begin(struct mastersecret *context)
{
    int64_t deadline = deadline_in(context->timeout_ms);

    if (!lock_take(&context->lock, deadline))
        return MASTERSECRET_TIMED_OUT;
    if (!libdbus_enter()) {
        context_refuse(context, MASTERSECRET_UNREACHABLE,
                       "this process was forked in the middle of another thread's call");
        lock_give(&context->lock);
        return MASTERSECRET_UNREACHABLE;
    }
    leave_parent(context);
    context->message[0] = '\0';
    context->deadline = deadline;
    return MASTERSECRET_OK;
}

enum mastersecret_error context_end(struct mastersecret *context, enum mastersecret_error error)
{
    libdbus_leave();
    lock_give(&context->lock);
    return error;
}

void mastersecret_set_timeout(struct mastersecret *context, unsigned milliseconds)
{
    context->timeout_ms = milliseconds;
}

enum mastersecret_error mastersecret_set_address(struct mastersecret *context, const char *address)
{
    enum mastersecret_error error;
    CLEANUP_FREE char *copy = NULL;
    char *old;

    if (address) {
        copy = strdup(address);
        if (!copy)
            return MASTERSECRET_OUT_OF_MEMORY;
    }
    error = context_begin(context);
    if (error != MASTERSECRET_OK)
        return error;
    disconnect(context);
    /* In this order: a fork between the two leaves the child an address that is whole. */
    old = context->address;
    context->address = STEAL(copy);
    free(old);
    return context_end(context, MASTERSECRET_OK);
}

/* At most size - 1 bytes of `text`, cut between two characters. */
static void copy_text(char *destination, size_t size, const char *text)
{
    size_t length = strlen(text);

    if (length >= size) {
        length = size - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    }
    memcpy(destination, text, length);
    destination[length] = '\0';
}

size_t mastersecret_message(struct mastersecret *context, char *text, size_t size)
{
    size_t length;

    if (size > 0)
        text[0] = '\0';
    if (!lock_take(&context->lock, deadline_in(context->timeout_ms)))
        return 0;
    length = strlen(context->message);
    if (size > 0)
        copy_text(text, size, context->message);
    lock_give(&context->lock);
    return length;
}

enum mastersecret_error context_refuse(struct mastersecret *context, enum mastersecret_error error,
                                       const char *format, ...)
{
    char text[2 * MESSAGE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    copy_text(context->message, sizeof(context->message), text);
    return error;
}

/* libdbus does the same with the variable, and like it ignores it in a set-uid program. */
static const char *system_bus_address(void)
{
    const char *address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");

    return address && address[0] ? address : SYSTEM_BUS_ADDRESS;
}

static enum mastersecret_error open_door(struct mastersecret *context, const char *address,
                                         bool is_bus)
{
    char message[MESSAGE_SIZE] = "";
    enum mastersecret_error error =
        connection_open(address, is_bus, context->deadline, message, &context->connection);

    /* What the environment says wrongly is no argument of the caller's. */
    if (error == MASTERSECRET_INVALID_ARGUMENT && !context->address)
        error = MASTERSECRET_UNREACHABLE;
    return error == MASTERSECRET_OK ? error : context_refuse(context, error, "%s", message);
}

void context_administer(struct mastersecret *context)
{
    context->administers = true;
}

static enum mastersecret_error connect_door(struct mastersecret *context)
{
    enum mastersecret_error error;
    bool bus_first = context->administers;

    if (context->connection && connection_is_alive(context->connection))
        return MASTERSECRET_OK;
    disconnect(context);
    if (context->address)
        return open_door(context, context->address, true);
    error = open_door(context, bus_first ? system_bus_address() : DIRECT_SOCKET_ADDRESS, bus_first);
    /* A service that does not answer at one door would not at the other. */
    if (error == MASTERSECRET_OK || error == MASTERSECRET_TIMED_OUT)
        return error;
    error = open_door(context, bus_first ? DIRECT_SOCKET_ADDRESS : system_bus_address(),
                      !bus_first);
    if (error == MASTERSECRET_OK)
        context->message[0] = '\0';
    return error;
}

enum mastersecret_error mastersecret_connect(struct mastersecret *context)
{
    enum mastersecret_error error = context_begin(context);

    if (error != MASTERSECRET_OK)
        return error;
    return context_end(context, connect_door(context));
}

/* No answer: the connection cannot be used again, and a change may have been made. */
static enum mastersecret_error give_up(struct mastersecret *context, enum mastersecret_error error,
                                       enum call_effect effect, bool sent)
{
    disconnect(context);
    if (effect == CALL_CHANGES && sent)
        return context_refuse(context, MASTERSECRET_OUTCOME_UNKNOWN, "%s",
                              error == MASTERSECRET_TIMED_OUT
                                  ? "the request was sent, and no answer came in time"
                                  : "the service went away before it answered");
    return context_refuse(context, error, "%s", mastersecret_strerror(error));
}

/* The service ends with what to do, for callers without the table; here mastersecret_remedy() tells. */
static void cut_remedy(char *message, enum mastersecret_error error)
{
    const char *remedy = mastersecret_remedy(error);
    size_t length = strlen(message), cut = strlen(remedy);

    if (cut > 0 && length > cut + 2 && strcmp(message + length - cut, remedy) == 0 &&
        memcmp(message + length - cut - 2, "; ", 2) == 0)
        message[length - cut - 2] = '\0';
}

static enum mastersecret_error take_error(struct mastersecret *context, DBusMessage *reply,
                                          enum call_effect effect)
{
    const char *name = dbus_message_get_error_name(reply);
    enum mastersecret_error error = client_error_from_name(name);
    const char *text = NULL;

    dbus_message_get_args(reply, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
    /* The bus says so when the service died with the request in its hands. */
    if (effect == CALL_CHANGES && name && strcmp(name, DBUS_ERROR_NO_REPLY) == 0)
        error = MASTERSECRET_OUTCOME_UNKNOWN;
    error = context_refuse(context, error, "%s", text ? text : mastersecret_strerror(error));
    cut_remedy(context->message, error);
    return error;
}

enum mastersecret_error context_call_any(struct mastersecret *context, DBusMessage *call,
                                         enum call_effect effect, DBusMessage **ret_reply)
{
    struct connection_reply reply;
    enum mastersecret_error error;

    error = connect_door(context);
    if (error != MASTERSECRET_OK)
        return error;
    dbus_message_set_allow_interactive_authorization(call, context->administers);
    error = connection_call(context->connection, call, context->deadline, &reply);
    if (error != MASTERSECRET_OK)
        return give_up(context, error, effect, reply.sent);
    if (dbus_message_get_type(reply.message) == DBUS_MESSAGE_TYPE_ERROR) {
        error = take_error(context, reply.message, effect);
        dbus_message_unref(reply.message);
        return error;
    }
    *ret_reply = reply.message;
    return MASTERSECRET_OK;
}

enum mastersecret_error context_call(struct mastersecret *context, DBusMessage *call,
                                     enum call_effect effect, const char *signature,
                                     DBusMessage **ret_reply)
{
    CLEANUP_MESSAGE DBusMessage *reply = NULL;
    enum mastersecret_error error = context_call_any(context, call, effect, &reply);

    if (error != MASTERSECRET_OK)
        return error;
    if (!dbus_message_has_signature(reply, signature))
        return context_refuse(context,
                              effect == CALL_CHANGES ? MASTERSECRET_OUTCOME_UNKNOWN
                                                     : MASTERSECRET_UNREACHABLE,
                              "the service answered '%s' where '%s' was expected",
                              dbus_message_get_signature(reply), signature);
    *ret_reply = STEAL(reply);
    return MASTERSECRET_OK;
}

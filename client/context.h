/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inside of a context: what the library's calls, and the command line's, are made of. A public
 * call is begin, any number of calls under the one deadline, end. */
#ifndef CLIENT_CONTEXT_H
#define CLIENT_CONTEXT_H

#include "client/connection.h"
#include "client/mastersecret.h"

#include <dbus/dbus.h>

/* Takes the context for this thread; what is called until its end shares one deadline. On failure
 * it is not taken, and end must not be called. */
enum mastersecret_error context_begin(struct mastersecret *context) MUST_CHECK;
/* Gives it back, and returns `error`. */
enum mastersecret_error context_end(struct mastersecret *context, enum mastersecret_error error);

enum call_effect {
    CALL_READS,
    CALL_CHANGES, /* no answer means that the outcome is unknown, once it was sent */
};

/* Connects if need be, sends `call` (borrowed) and checks that the reply has the signature. */
enum mastersecret_error context_call(struct mastersecret *context, DBusMessage *call,
                                     enum call_effect effect, const char *signature,
                                     DBusMessage **ret_reply) MUST_CHECK;
/* The same for any signature. */
enum mastersecret_error context_call_any(struct mastersecret *context, DBusMessage *call,
                                         enum call_effect effect,
                                         DBusMessage **ret_reply) MUST_CHECK;

/* For the command line: the system bus is tried before the direct socket, because only there polkit
 * can stand in for a role, and polkit may ask the user. */
void context_administer(struct mastersecret *context);

/* Explains a failure that the library found by itself; returns `error`. */
enum mastersecret_error context_refuse(struct mastersecret *context, enum mastersecret_error error,
                                       const char *format, ...)
    __attribute__((__format__(__printf__, 3, 4)));

static inline void message_cleanup(DBusMessage **message)
{
    if (*message)
        dbus_message_unref(*message);
}
#define CLEANUP_MESSAGE CLEANUP(message_cleanup)

#endif

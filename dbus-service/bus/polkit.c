/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/polkit.h"

#include "dbus-service/bus/call.h"

#include <errno.h>

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE POLKIT_NAME ".Authority"
#define POLKIT_WAIT_MS 30000
#define POLKIT_ALLOW_INTERACTION 1

/* CheckAuthorization((sa{sv}) subject, s action, a{ss} details, u flags, s cancellation). */
static DBusMessage *question(struct call *call, const char *action)
{
    bool interactive = dbus_message_get_allow_interactive_authorization(call->message);
    struct writer writer;

    writer_init(&writer, dbus_message_new_method_call(POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                                      "CheckAuthorization"));
    writer_open(&writer, DBUS_TYPE_STRUCT, NULL);
    writer_string(&writer, "system-bus-name");
    writer_open(&writer, DBUS_TYPE_ARRAY, "{sv}");
    writer_string_entry(&writer, "name", call->peer->unique_name);
    writer_close(&writer);
    writer_close(&writer);
    writer_string(&writer, action);
    writer_open(&writer, DBUS_TYPE_ARRAY, "{ss}");
    writer_close(&writer);
    writer_uint32(&writer, interactive ? POLKIT_ALLOW_INTERACTION : 0);
    writer_string(&writer, "");
    return writer_take(&writer);
}

/* (bba{ss}): authorised, challenge, details. Anything else is a no. */
static bool answer_is_yes(DBusMessage *reply)
{
    DBusMessageIter iter, inner;
    dbus_bool_t authorised = FALSE;

    if (dbus_message_get_type(reply) != DBUS_MESSAGE_TYPE_METHOD_RETURN ||
        !dbus_message_has_signature(reply, "(bba{ss})") || !dbus_message_iter_init(reply, &iter))
        return false;
    dbus_message_iter_recurse(&iter, &inner);
    dbus_message_iter_get_basic(&inner, &authorised);
    return authorised;
}

static void on_answer(DBusPendingCall *pending, void *userdata)
{
    struct call *call = userdata;
    DBusMessage *reply = dbus_pending_call_steal_reply(pending);

    call->polkit = reply && answer_is_yes(reply) ? POLKIT_YES : POLKIT_NO;
    if (reply)
        dbus_message_unref(reply);
    dbus_pending_call_unref(STEAL(call->polkit_pending));
    call_resume(call);
}

int polkit_ask(struct call *call, const char *action)
{
    DBusMessage *message = question(call, action);
    DBusPendingCall *pending = NULL;

    if (!message)
        return -ENOMEM;
    if (!connection_is_open(call->connection) ||
        !dbus_connection_send_with_reply(connection_dbus(call->connection), message, &pending,
                                         POLKIT_WAIT_MS))
        pending = NULL;
    dbus_message_unref(message);
    if (!pending)
        return -ENOTCONN;
    call->polkit_pending = pending;
    if (!dbus_pending_call_set_notify(pending, on_answer, call, NULL)) {
        polkit_cancel(call);
        return -ENOMEM;
    }
    return 0;
}

void polkit_cancel(struct call *call)
{
    if (!call->polkit_pending)
        return;
    dbus_pending_call_cancel(call->polkit_pending);
    dbus_pending_call_unref(STEAL(call->polkit_pending));
}

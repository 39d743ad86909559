/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* org.freedesktop.DBus.Introspectable, .Peer and .ObjectManager. Applications are shown to those who
 * have a role in them. */
#include "dbus-service/bus/call.h"
#include "dbus-service/bus/introspect.h"
#include "dbus-service/bus/properties.h"
#include "dbus-service/bus/signals.h"

#include <errno.h>
#include <string.h>

static bool has_applications(const struct call *call)
{
    struct failure failure;

    return realm_check_readable(call->service->realm, &failure) == 0;
}

static int write_applications(struct call *call, FILE *stream)
{
    const struct application_set *set = call->service->applications;
    char child[OBJECT_PATH_MAX];
    unsigned waiting = 0;
    bool may = false;
    int r = 0;

    if (!has_applications(call))
        return 0;
    for (size_t i = 0; i < application_set_count(set); i++) {
        const struct application *application = application_set_at(set, i);

        r = call_may(call, OPERATION_READ_APPLICATION, application, &may);
        if (r == 0 && may)
            r = object_path(application->name, child);
        if (call_loop_ends(r, &waiting))
            break;
        if (r == 0 && may)
            introspect_child(stream, child + sizeof(BUS_PATH_APPLICATION));
    }
    return call_loop_result(call, r, waiting);
}

static int write_children(struct call *call, FILE *stream)
{
    static const struct {
        const char *path;
        const char *child;
    } nodes[] = { { "/", "org" }, { "/org", "mastersecret1" }, { BUS_PATH, "application" } };
    const char *path = dbus_message_get_path(call->message);

    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
        if (strcmp(nodes[i].path, path) == 0)
            introspect_child(stream, nodes[i].child);
    if (strcmp(path, BUS_PATH_APPLICATION) == 0)
        return write_applications(call, stream);
    return 0;
}

static int handle_introspect(struct call *call)
{
    CLEANUP_FREE char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    struct writer writer;
    int r;

    if (!stream)
        return -ENOMEM;
    introspect_interfaces(stream, call->object);
    r = write_children(call, stream);
    introspect_end(stream);
    if (fclose(stream) != 0)
        return -ENOMEM;
    if (r != 0)
        return r;
    writer = call_writer(call);
    writer_string(&writer, text);
    call_reply(call, writer_take(&writer));
    return 0;
}

static const struct method introspectable_methods[] = {
    { "Introspect", "", "s", "", "xml_data", 0, SUBJECT_NOTHING, OPERATION_READ_STATE, 0,
      handle_introspect },
};

const struct interface interface_introspectable = {
    .name = DBUS_INTERFACE_INTROSPECTABLE,
    .objects = OBJECT_ANY,
    TABLE_METHODS(introspectable_methods),
};

static int handle_ping(struct call *call)
{
    call_reply_done(call);
    return 0;
}

static int handle_machine_id(struct call *call)
{
    char *id = dbus_try_get_local_machine_id(NULL);
    struct writer writer;

    if (!id)
        return call_standard_error(call, DBUS_ERROR_FAILED, "the host has no machine id");
    writer = call_writer(call);
    writer_string(&writer, id);
    dbus_free(id);
    call_reply(call, writer_take(&writer));
    return 0;
}

static const struct method peer_methods[] = {
    { "Ping", "", "", "", "", 0, SUBJECT_NOTHING, OPERATION_READ_STATE, 0, handle_ping },
    { "GetMachineId", "", "s", "", "machine_uuid", 0, SUBJECT_NOTHING, OPERATION_READ_STATE, 0,
      handle_machine_id },
};

const struct interface interface_peer = {
    .name = DBUS_INTERFACE_PEER,
    .objects = OBJECT_ANY,
    TABLE_METHODS(peer_methods),
};

/* All objects in one message cannot be paged, and a part of them would be taken for all: so whoever may see
 * more is told where the pages are. */
#define MANAGED_MAX 1024

/* `writer` NULL: counts only. */
static int walk_managed(struct call *call, struct writer *writer, unsigned *ret_count)
{
    const struct application_set *set = call->service->applications;
    size_t count = has_applications(call) ? application_set_count(set) : 0;
    unsigned waiting = 0, seen = 0;
    int r = 0;

    for (size_t i = 0; i < count; i++) {
        const struct application *application = application_set_at(set, i);
        unsigned roles;

        r = identity_roles(&call->service->identity, &call->peer->caller, application,
                           &call->waiter, &roles);
        r = call_identity(call, r);
        if (call_loop_ends(r, &waiting))
            break;
        if (r == 0)
            seen += writer ? object_write(call->service, application, roles, writer)
                           : object_is_seen(call->service, application, roles);
    }
    *ret_count = seen;
    return call_loop_result(call, r, waiting);
}

/* Counted first: what is refused in the end is not made before. */
static int check_managed(struct call *call)
{
    unsigned count;
    int r = walk_managed(call, NULL, &count);

    if (r == 0 && count > MANAGED_MAX)
        return failure_set(&call->failure, ERROR_TOO_LARGE,
                           "there are more than %d applications: " BUS_INTERFACE_APPLICATIONS
                           ".List gives them page by page", MANAGED_MAX);
    return r;
}

static int handle_managed_objects(struct call *call)
{
    struct writer writer;
    DBusMessage *reply;
    unsigned count;
    int r = check_managed(call);

    if (r != 0)
        return r;
    writer = call_writer(call);
    writer_open(&writer, DBUS_TYPE_ARRAY, "{oa{sa{sv}}}");
    r = walk_managed(call, &writer, &count);
    writer_close(&writer);
    reply = writer_take(&writer);
    if (r == 0) {
        call_reply(call, reply);
        return 0;
    }
    if (reply)
        dbus_message_unref(reply);
    return r;
}

static const struct method object_manager_methods[] = {
    { "GetManagedObjects", "", "a{oa{sa{sv}}}", "", "objects", METHOD_WAITS, SUBJECT_NOTHING,
      OPERATION_READ_STATE, 0, handle_managed_objects },
};

static const struct signal object_manager_signals[] = {
    { "InterfacesAdded", "oa{sa{sv}}", "object interfaces" },
    { "InterfacesRemoved", "oas", "object interfaces" },
};

const struct interface interface_object_manager = {
    .name = "org.freedesktop.DBus.ObjectManager",
    .objects = OBJECT_ROOT,
    TABLE_METHODS(object_manager_methods),
    TABLE_SIGNALS(object_manager_signals),
};

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/application.h"

#include "client/request.h"

#include <string.h>

void mastersecret_application_free(struct mastersecret_application *application)
{
    if (!application)
        return;
    for (size_t i = 0; i < application->count; i++)
        free((char *)(uintptr_t)application->fields[i].label);
    free(application);
}

int mastersecret_application_is_group(const struct mastersecret_application *application)
{
    return application->is_group;
}

const struct mastersecret_field *
mastersecret_application_fields(const struct mastersecret_application *application,
                                size_t *ret_count)
{
    *ret_count = application->count;
    return application->fields;
}

static enum mastersecret_error take_field(struct mastersecret_application *application,
                                          DBusMessageIter *row)
{
    struct mastersecret_field *field = &application->fields[application->count];
    const char *label;
    dbus_bool_t masked;

    if (application->count == FIELDS_MAX)
        return MASTERSECRET_UNREACHABLE;
    dbus_message_iter_get_basic(row, &label);
    dbus_message_iter_next(row);
    dbus_message_iter_get_basic(row, &masked);
    field->label = strdup(label);
    field->masked = masked ? 1 : 0;
    if (!field->label)
        return MASTERSECRET_OUT_OF_MEMORY;
    application->count++;
    return MASTERSECRET_OK;
}

static enum mastersecret_error take_fields(struct mastersecret_application *application,
                                           DBusMessageIter *value)
{
    enum mastersecret_error error = MASTERSECRET_OK;
    DBusMessageIter array, row;

    dbus_message_iter_recurse(value, &array);
    for (; dbus_message_iter_get_arg_type(&array) == DBUS_TYPE_STRUCT && error == MASTERSECRET_OK;
         dbus_message_iter_next(&array)) {
        dbus_message_iter_recurse(&array, &row);
        error = take_field(application, &row);
    }
    return error;
}

static enum mastersecret_error take_type(struct mastersecret_application *application,
                                         DBusMessageIter *value)
{
    const char *type;

    dbus_message_iter_get_basic(value, &type);
    application->is_group = strcmp(type, "group") == 0;
    return MASTERSECRET_OK;
}

/* What is wanted of the properties; the service leaves out those that are not for the caller. */
static const struct property {
    const char *name;
    const char *signature;
    enum mastersecret_error (*take)(struct mastersecret_application *application,
                                    DBusMessageIter *value);
} properties[] = { { "Type", "s", take_type }, { "Fields", "a(sb)", take_fields } };

enum { PROPERTIES = sizeof(properties) / sizeof(properties[0]) };

static bool has_signature(DBusMessageIter *iterator, const char *expected)
{
    char *signature = dbus_message_iter_get_signature(iterator);
    bool same = signature && strcmp(signature, expected) == 0;

    dbus_free(signature);
    return same;
}

static enum mastersecret_error take_property(struct mastersecret_application *application,
                                             DBusMessageIter *entry, bool *seen)
{
    DBusMessageIter value;
    const char *name;

    dbus_message_iter_get_basic(entry, &name);
    dbus_message_iter_next(entry);
    dbus_message_iter_recurse(entry, &value);
    for (size_t i = 0; i < PROPERTIES; i++) {
        if (strcmp(properties[i].name, name) != 0)
            continue;
        if (seen[i] || !has_signature(&value, properties[i].signature))
            return MASTERSECRET_UNREACHABLE;
        seen[i] = true;
        return properties[i].take(application, &value);
    }
    return MASTERSECRET_OK;
}

static enum mastersecret_error take_properties(struct mastersecret *context, DBusMessage *reply,
                                               struct mastersecret_application *application)
{
    enum mastersecret_error error = MASTERSECRET_OK;
    DBusMessageIter arguments, entries, entry;
    bool seen[PROPERTIES] = { false };

    dbus_message_iter_init(reply, &arguments);
    dbus_message_iter_recurse(&arguments, &entries);
    for (; dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_DICT_ENTRY &&
           error == MASTERSECRET_OK;
         dbus_message_iter_next(&entries)) {
        dbus_message_iter_recurse(&entries, &entry);
        error = take_property(application, &entry, seen);
    }
    for (size_t i = 0; i < PROPERTIES && error == MASTERSECRET_OK; i++)
        if (!seen[i])
            error = context_refuse(context, MASTERSECRET_ACCESS_DENIED,
                                   "the application's %s is not for this user to see",
                                   properties[i].name);
    if (error == MASTERSECRET_UNREACHABLE)
        return context_refuse(context, error, "the service's description of an application has "
                                              "another form");
    return error;
}

enum mastersecret_error application_describe(struct mastersecret *context, const char *name,
                                             struct mastersecret_application **ret_application)
{
    CLEANUP_APPLICATION struct mastersecret_application *application = NULL;
    static const char *const interface = BUS_INTERFACE_APPLICATION;
    CLEANUP_MESSAGE DBusMessage *call = NULL;
    CLEANUP_MESSAGE DBusMessage *reply = NULL;
    enum mastersecret_error error = request_new(name, DBUS_INTERFACE_PROPERTIES, "GetAll", &call);

    if (error == MASTERSECRET_OK &&
        !dbus_message_append_args(call, DBUS_TYPE_STRING, &interface, DBUS_TYPE_INVALID))
        error = MASTERSECRET_OUT_OF_MEMORY;
    if (error == MASTERSECRET_OK)
        error = context_call(context, call, CALL_READS, "a{sv}", &reply);
    if (error != MASTERSECRET_OK)
        return error;
    application = calloc(1, sizeof(*application));
    if (!application)
        return MASTERSECRET_OUT_OF_MEMORY;
    error = take_properties(context, reply, application);
    if (error == MASTERSECRET_OK)
        *ret_application = STEAL(application);
    return error;
}

enum mastersecret_error mastersecret_describe(struct mastersecret *context, const char *application,
                                              struct mastersecret_application **ret_application)
{
    enum mastersecret_error error = context_begin(context);

    if (error != MASTERSECRET_OK)
        return error;
    error = request_check_name(context, "the application's name", application);
    if (error == MASTERSECRET_OK)
        error = application_describe(context, application, ret_application);
    return context_end(context, error);
}

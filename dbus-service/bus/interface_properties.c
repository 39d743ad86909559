/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* org.freedesktop.DBus.Properties: Get refuses what the caller may not read, GetAll leaves it out. */
#include "dbus-service/bus/call.h"
#include "dbus-service/bus/properties.h"

#include <string.h>

static void write_value(const struct property *property, const struct property_source *source,
                        struct writer *writer)
{
    writer_open(writer, DBUS_TYPE_VARIANT, property->signature);
    property->get(source, writer);
    writer_close(writer);
}

bool property_may_read(const struct property *property, const struct property_source *source,
                       unsigned roles)
{
    struct access_request request = {
        .operation = property->operation,
        .roles = roles,
        .individual = source->application && source->application->type == APPLICATION_INDIVIDUAL,
    };

    return access_decide(&request) == ACCESS_ALLOWED;
}

void properties_write(const struct interface *interface, const struct property_source *source,
                      unsigned roles, struct writer *writer)
{
    writer_open(writer, DBUS_TYPE_ARRAY, "{sv}");
    for (size_t i = 0; i < interface->properties_count; i++) {
        const struct property *property = &interface->properties[i];

        if (!property_may_read(property, source, roles))
            continue;
        writer_open(writer, DBUS_TYPE_DICT_ENTRY, NULL);
        writer_string(writer, property->name);
        write_value(property, source, writer);
        writer_close(writer);
    }
    writer_close(writer);
}

static struct property_source source_of(const struct call *call)
{
    return (struct property_source){ call->service, call->application };
}

/* "" = whichever interface has the property. */
static const struct property *find(const struct call *call, const char *interface, const char *name)
{
    for (size_t i = 0; interfaces[i]; i++) {
        if (!(interfaces[i]->objects & call->object) ||
            (*interface && strcmp(interfaces[i]->name, interface) != 0))
            continue;
        for (size_t j = 0; j < interfaces[i]->properties_count; j++)
            if (strcmp(interfaces[i]->properties[j].name, name) == 0)
                return &interfaces[i]->properties[j];
    }
    return NULL;
}

static int find_or_fail(struct call *call, const struct property **ret_property)
{
    const char *interface = call_string(call, 0);

    if (*interface && !table_interface(call->object, interface))
        return call_standard_error(call, DBUS_ERROR_UNKNOWN_INTERFACE,
                                   "the object has no such interface");
    *ret_property = find(call, interface, call_string(call, 1));
    if (!*ret_property)
        return call_standard_error(call, DBUS_ERROR_UNKNOWN_PROPERTY,
                                   "the interface has no such property");
    return 0;
}

static int handle_get(struct call *call)
{
    struct property_source source = source_of(call);
    const struct property *property;
    struct writer writer;
    int r = find_or_fail(call, &property);

    if (r != 0)
        return r;
    if (!property_may_read(property, &source, call->roles))
        return failure_set(&call->failure, ERROR_ACCESS_DENIED, "reading %s needs the role of %s",
                           property->name, access_needs(property->operation));
    writer = call_writer(call);
    write_value(property, &source, &writer);
    call_reply(call, writer_take(&writer));
    return 0;
}

static int handle_get_all(struct call *call)
{
    struct property_source source = source_of(call);
    const char *name = call_string(call, 0);
    const struct interface *interface = table_interface(call->object, name);
    struct writer writer;

    if (!interface)
        return call_standard_error(call, DBUS_ERROR_UNKNOWN_INTERFACE,
                                   "the object has no such interface");
    writer = call_writer(call);
    properties_write(interface, &source, call->roles, &writer);
    call_reply(call, writer_take(&writer));
    return 0;
}

static int handle_set(struct call *call)
{
    const struct property *property;
    int r = find_or_fail(call, &property);

    if (r != 0)
        return r;
    return call_standard_error(call, DBUS_ERROR_PROPERTY_READ_ONLY, "no property can be set");
}

static const struct method methods[] = {
    { "Get", "ss", "v", "interface name", "value", METHOD_TELLS, SUBJECT_NOTHING, OPERATION_READ_STATE, 0,
      handle_get },
    { "GetAll", "s", "a{sv}", "interface", "properties", METHOD_TELLS, SUBJECT_NOTHING, OPERATION_READ_STATE, 0,
      handle_get_all },
    { "Set", "ssv", "", "interface name value", "", 0, SUBJECT_NOTHING, OPERATION_READ_STATE, 0,
      handle_set },
};

static const struct signal signals[] = {
    { "PropertiesChanged", "sa{sv}as", "interface changed invalidated" },
};

const struct interface interface_properties = {
    .name = DBUS_INTERFACE_PROPERTIES,
    .objects = OBJECT_ROOT | OBJECT_APPLICATION,
    TABLE_METHODS(methods),
    TABLE_SIGNALS(signals),
};

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/signals.h"

#include "dbus-service/bus/bus.h"
#include "dbus-service/bus/properties.h"

#include <string.h>

int object_path(const char *name, char ret_path[OBJECT_PATH_MAX])
{
    return name_to_path(name, ret_path, OBJECT_PATH_MAX);
}

static struct writer signal_writer(void)
{
    struct writer writer;

    writer_init(&writer, dbus_message_new(DBUS_MESSAGE_TYPE_SIGNAL));
    return writer;
}

/* Where it is from is written behind its arguments: libdbus goes through all that stands in the header each time
 * an argument makes the signature longer. */
static void emit(struct service *service, struct writer *writer, const char *path,
                 const char *interface, const char *name)
{
    DBusMessage *message = writer_take(writer);

    if (!message)
        return;
    dbus_message_set_no_reply(message, TRUE);
    if (dbus_message_set_path(message, path) && dbus_message_set_interface(message, interface) &&
        dbus_message_set_member(message, name))
        bus_send(service->bus, message);
    dbus_message_unref(message);
}

static void state_property_changed(struct service *service)
{
    struct writer writer = signal_writer();

    writer_string(&writer, BUS_INTERFACE_MANAGER);
    writer_open(&writer, DBUS_TYPE_ARRAY, "{sv}");
    writer_string_entry(&writer, "State", realm_state_name(realm_state(service->realm)));
    writer_string_entry(&writer, "StateText", service_state_text(service));
    writer_close(&writer);
    writer_strings(&writer, NULL, 0);
    emit(service, &writer, BUS_PATH, DBUS_INTERFACE_PROPERTIES, "PropertiesChanged");
}

void signal_state_changed(struct service *service, enum realm_state old_state,
                          enum realm_state new_state)
{
    struct writer writer = signal_writer();

    writer_string(&writer, realm_state_name(old_state));
    writer_string(&writer, realm_state_name(new_state));
    emit(service, &writer, BUS_PATH, BUS_INTERFACE_MANAGER, "StateChanged");
    state_property_changed(service);
}

bool object_is_seen(struct service *service, const struct application *application, unsigned roles)
{
    struct property_source source = { service, application };

    return property_may_read(&interface_application.properties[0], &source, roles);
}

bool object_write(struct service *service, const struct application *application, unsigned roles,
                  struct writer *writer)
{
    struct property_source source = { service, application };
    char path[OBJECT_PATH_MAX];

    if (!object_is_seen(service, application, roles) || object_path(application->name, path) < 0)
        return false;
    writer_open(writer, DBUS_TYPE_DICT_ENTRY, NULL);
    writer_path(writer, path);
    writer_open(writer, DBUS_TYPE_ARRAY, "{sa{sv}}");
    writer_open(writer, DBUS_TYPE_DICT_ENTRY, NULL);
    writer_string(writer, BUS_INTERFACE_APPLICATION);
    properties_write(&interface_application, &source, roles, writer);
    writer_close(writer);
    writer_close(writer);
    writer_close(writer);
    return true;
}

void signal_application_added(struct service *service, const struct application *application)
{
    struct writer writer;
    char path[OBJECT_PATH_MAX];

    if (object_path(application->name, path) < 0)
        return;
    writer = signal_writer();
    writer_path(&writer, path);
    writer_open(&writer, DBUS_TYPE_ARRAY, "{sa{sv}}");
    writer_open(&writer, DBUS_TYPE_DICT_ENTRY, NULL);
    writer_string(&writer, BUS_INTERFACE_APPLICATION);
    writer_open(&writer, DBUS_TYPE_ARRAY, "{sv}");
    writer_close(&writer);
    writer_close(&writer);
    writer_close(&writer);
    emit(service, &writer, BUS_PATH, interface_object_manager.name, "InterfacesAdded");
}

static void invalidated(struct service *service, const char *path)
{
    struct writer writer = signal_writer();

    writer_string(&writer, BUS_INTERFACE_APPLICATION);
    writer_open(&writer, DBUS_TYPE_ARRAY, "{sv}");
    writer_close(&writer);
    writer_open(&writer, DBUS_TYPE_ARRAY, "s");
    for (size_t i = 0; i < interface_application.properties_count; i++)
        if (strcmp(interface_application.properties[i].emits, "invalidates") == 0)
            writer_string(&writer, interface_application.properties[i].name);
    writer_close(&writer);
    emit(service, &writer, path, DBUS_INTERFACE_PROPERTIES, "PropertiesChanged");
}

void signal_application_changed(struct service *service, const struct application *application)
{
    struct writer writer;
    char path[OBJECT_PATH_MAX];

    if (object_path(application->name, path) < 0)
        return;
    writer = signal_writer();
    emit(service, &writer, path, BUS_INTERFACE_APPLICATION, "Changed");
    invalidated(service, path);
}

void signal_application_removed(struct service *service, const char *name)
{
    char interface[] = BUS_INTERFACE_APPLICATION;
    char *const names[] = { interface };
    struct writer writer;
    char path[OBJECT_PATH_MAX];

    if (object_path(name, path) < 0)
        return;
    writer = signal_writer();
    writer_path(&writer, path);
    writer_strings(&writer, names, 1);
    emit(service, &writer, BUS_PATH, interface_object_manager.name, "InterfacesRemoved");
}

void signal_mapping_changed(struct service *service, const char *application,
                            const struct account_name *account, const char *change)
{
    char path[OBJECT_PATH_MAX], text[6 + NAME_MAX_BYTES + 1];
    struct writer writer;

    if (object_path(application, path) < 0)
        return;
    account_name_format(account, text);
    writer = signal_writer();
    writer_string(&writer, text);
    writer_string(&writer, change);
    emit(service, &writer, path, BUS_INTERFACE_APPLICATION, "MappingChanged");
}

/* Everybody on the bus hears it, so it does not say how far the rotation is. */
void signal_rotation_changed(struct service *service)
{
    char name[] = "Rotation";
    char *const names[] = { name };
    struct writer writer = signal_writer();

    writer_string(&writer, BUS_INTERFACE_SECRET);
    writer_open(&writer, DBUS_TYPE_ARRAY, "{sv}");
    writer_close(&writer);
    writer_strings(&writer, names, 1);
    emit(service, &writer, BUS_PATH, DBUS_INTERFACE_PROPERTIES, "PropertiesChanged");
}

void signal_rotation_ended(struct service *service, const struct rotation_result *result)
{
    struct writer writer = signal_writer();

    writer_boolean(&writer, result->failure.code == ERROR_NONE);
    writer_uint32(&writer, result->from);
    writer_uint32(&writer, result->to);
    writer_uint64(&writer, result->re_encrypted);
    writer_uint64(&writer, result->unreadable);
    emit(service, &writer, BUS_PATH, BUS_INTERFACE_SECRET, "RotationEnded");
}

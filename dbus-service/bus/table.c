/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/table.h"

#include <stdint.h>
#include <string.h>

/* Power of two, several times the number of methods. */
#define INDEX_SIZE 256

const struct interface *const interfaces[] = {
    &interface_credentials, &interface_application, &interface_applications,
    &interface_manager,     &interface_secret,      &interface_properties,
    &interface_introspectable, &interface_peer,     &interface_object_manager,
    NULL,
};

struct entry {
    const struct interface *interface;
    const struct method *method;
};

static struct entry index_entries[INDEX_SIZE];
static bool indexed;

static size_t hash(const char *interface, const char *member)
{
    uint32_t value = 2166136261u;

    for (; *interface; interface++)
        value = (value ^ (uint8_t)*interface) * 16777619u;
    for (; *member; member++)
        value = (value ^ (uint8_t)*member) * 16777619u;
    return (value ^ value >> 16) % INDEX_SIZE;
}

static struct entry *slot(const char *interface, const char *member)
{
    size_t place = hash(interface, member);

    while (index_entries[place].method &&
           (strcmp(index_entries[place].method->name, member) != 0 ||
            strcmp(index_entries[place].interface->name, interface) != 0))
        place = (place + 1) % INDEX_SIZE;
    return &index_entries[place];
}

static void index_build(void)
{
    for (size_t i = 0; interfaces[i]; i++)
        for (size_t j = 0; j < interfaces[i]->methods_count; j++)
            *slot(interfaces[i]->name, interfaces[i]->methods[j].name) =
                (struct entry){ interfaces[i], &interfaces[i]->methods[j] };
    indexed = true;
}

const struct interface *table_interface(unsigned object, const char *name)
{
    for (size_t i = 0; interfaces[i]; i++)
        if ((interfaces[i]->objects & object) && strcmp(interfaces[i]->name, name) == 0)
            return interfaces[i];
    return NULL;
}

/* A caller may leave the interface out; then the first that has the member answers. */
static const struct method *find_anywhere(unsigned object, const char *member)
{
    for (size_t i = 0; interfaces[i]; i++) {
        const struct entry *entry = slot(interfaces[i]->name, member);

        if ((interfaces[i]->objects & object) && entry->method)
            return entry->method;
    }
    return NULL;
}

int table_find(unsigned object, const char *interface, const char *member,
               const struct method **ret_method)
{
    const struct method *method;

    if (!indexed)
        index_build();
    if (!interface) {
        method = find_anywhere(object, member);
    } else {
        const struct entry *entry = slot(interface, member);

        method = entry->method && (entry->interface->objects & object) ? entry->method : NULL;
        if (!method && !table_interface(object, interface))
            return TABLE_NO_INTERFACE;
    }
    if (!method)
        return TABLE_NO_METHOD;
    *ret_method = method;
    return TABLE_FOUND;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/introspect.h"

#include <string.h>

#define EMITS_CHANGED "org.freedesktop.DBus.Property.EmitsChangedSignal"

/* One <arg> for each complete type of the signature, with the names in order. */
static void write_args(FILE *stream, const char *signature, const char *names,
                       const char *direction)
{
    DBusSignatureIter iter;

    if (*signature == '\0')
        return;
    dbus_signature_iter_init(&iter, signature);
    do {
        char *type = dbus_signature_iter_get_signature(&iter);
        int length = (int)strcspn(names, " ");

        fprintf(stream, "      <arg type=\"%s\" name=\"%.*s\"", type ? type : "", length, names);
        if (direction)
            fprintf(stream, " direction=\"%s\"", direction);
        fputs("/>\n", stream);
        dbus_free(type);
        names += length;
        names += *names == ' ';
    } while (dbus_signature_iter_next(&iter));
}

static void write_method(FILE *stream, const struct method *method)
{
    fprintf(stream, "    <method name=\"%s\">\n", method->name);
    write_args(stream, method->in, method->in_args, "in");
    write_args(stream, method->out, method->out_args, "out");
    fputs("    </method>\n", stream);
}

static void write_signal(FILE *stream, const struct signal *signal)
{
    fprintf(stream, "    <signal name=\"%s\">\n", signal->name);
    write_args(stream, signal->signature, signal->args, NULL);
    fputs("    </signal>\n", stream);
}

static void write_property(FILE *stream, const struct property *property)
{
    fprintf(stream, "    <property name=\"%s\" type=\"%s\" access=\"read\">\n", property->name,
            property->signature);
    fprintf(stream, "      <annotation name=\"" EMITS_CHANGED "\" value=\"%s\"/>\n",
            property->emits);
    fputs("    </property>\n", stream);
}

static void write_interface(FILE *stream, const struct interface *interface)
{
    fprintf(stream, "  <interface name=\"%s\">\n", interface->name);
    for (size_t i = 0; i < interface->methods_count; i++)
        write_method(stream, &interface->methods[i]);
    for (size_t i = 0; i < interface->signals_count; i++)
        write_signal(stream, &interface->signals[i]);
    for (size_t i = 0; i < interface->properties_count; i++)
        write_property(stream, &interface->properties[i]);
    fputs("  </interface>\n", stream);
}

void introspect_interfaces(FILE *stream, unsigned object)
{
    fputs(DBUS_INTROSPECT_1_0_XML_DOCTYPE_DECL_NODE "<node>\n", stream);
    for (size_t i = 0; interfaces[i]; i++)
        if (interfaces[i]->objects & object)
            write_interface(stream, interfaces[i]);
}

void introspect_child(FILE *stream, const char *name)
{
    fprintf(stream, "  <node name=\"%s\"/>\n", name);
}

void introspect_end(FILE *stream)
{
    fputs("</node>\n", stream);
}

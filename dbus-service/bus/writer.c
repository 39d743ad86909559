/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/writer.h"

void writer_init(struct writer *writer, DBusMessage *message)
{
    *writer = (struct writer){ .message = message, .failed = !message };
    if (message)
        dbus_message_iter_init_append(message, &writer->stack[0]);
}

static void append(struct writer *writer, int type, const void *value)
{
    if (!writer->failed &&
        !dbus_message_iter_append_basic(&writer->stack[writer->depth], type, value))
        writer->failed = true;
}

void writer_string(struct writer *writer, const char *text)
{
    const char *checked = text && dbus_validate_utf8(text, NULL) ? text : "?";

    append(writer, DBUS_TYPE_STRING, &checked);
}

void writer_path(struct writer *writer, const char *path)
{
    const char *checked = dbus_validate_path(path, NULL) ? path : "/";

    append(writer, DBUS_TYPE_OBJECT_PATH, &checked);
}

void writer_boolean(struct writer *writer, bool value)
{
    dbus_bool_t wide = value;

    append(writer, DBUS_TYPE_BOOLEAN, &wide);
}

void writer_uint32(struct writer *writer, uint32_t value)
{
    append(writer, DBUS_TYPE_UINT32, &value);
}

void writer_uint64(struct writer *writer, uint64_t value)
{
    append(writer, DBUS_TYPE_UINT64, &value);
}

void writer_strings(struct writer *writer, char *const *texts, size_t count)
{
    writer_open(writer, DBUS_TYPE_ARRAY, DBUS_TYPE_STRING_AS_STRING);
    for (size_t i = 0; i < count; i++)
        writer_string(writer, texts[i]);
    writer_close(writer);
}

void writer_open(struct writer *writer, int type, const char *signature)
{
    DBusMessageIter *iter = &writer->stack[writer->depth];

    if (writer->failed)
        return;
    if (writer->depth + 1 >= WRITER_DEPTH ||
        !dbus_message_iter_open_container(iter, type, signature, iter + 1))
        writer->failed = true;
    else
        writer->depth++;
}

void writer_close(struct writer *writer)
{
    if (writer->failed)
        return;
    writer->depth--;
    if (!dbus_message_iter_close_container(&writer->stack[writer->depth],
                                           &writer->stack[writer->depth + 1]))
        writer->failed = true;
}

void writer_open_entry(struct writer *writer, const char *key, const char *signature)
{
    writer_open(writer, DBUS_TYPE_DICT_ENTRY, NULL);
    writer_string(writer, key);
    writer_open(writer, DBUS_TYPE_VARIANT, signature);
}

void writer_close_entry(struct writer *writer)
{
    writer_close(writer);
    writer_close(writer);
}

void writer_string_entry(struct writer *writer, const char *key, const char *text)
{
    writer_open_entry(writer, key, "s");
    writer_string(writer, text);
    writer_close_entry(writer);
}

void writer_boolean_entry(struct writer *writer, const char *key, bool value)
{
    writer_open_entry(writer, key, "b");
    writer_boolean(writer, value);
    writer_close_entry(writer);
}

void writer_uint32_entry(struct writer *writer, const char *key, uint32_t value)
{
    writer_open_entry(writer, key, "u");
    writer_uint32(writer, value);
    writer_close_entry(writer);
}

void writer_uint64_entry(struct writer *writer, const char *key, uint64_t value)
{
    writer_open_entry(writer, key, "t");
    writer_uint64(writer, value);
    writer_close_entry(writer);
}

DBusMessage *writer_take(struct writer *writer)
{
    DBusMessage *message = writer->message;

    writer->message = NULL;
    if (!writer->failed)
        return message;
    while (writer->depth > 0) {
        writer->depth--;
        dbus_message_iter_abandon_container_if_open(&writer->stack[writer->depth],
                                                    &writer->stack[writer->depth + 1]);
    }
    if (message)
        dbus_message_unref(message);
    return NULL;
}

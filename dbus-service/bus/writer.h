/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Appends values to a message; failure (only ever for want of memory) is kept until the end, so a
 * handler checks once. Every string is checked before libdbus, which would abort, sees it: one that is
 * not UTF-8 is replaced by "?". */
#ifndef BUS_WRITER_H
#define BUS_WRITER_H

#include <dbus/dbus.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WRITER_DEPTH 12

struct writer {
    DBusMessage *message;
    DBusMessageIter stack[WRITER_DEPTH];
    unsigned depth;
    bool failed;
};

/* Takes over the message; NULL = out of memory. */
void writer_init(struct writer *writer, DBusMessage *message);
void writer_string(struct writer *writer, const char *text);
void writer_path(struct writer *writer, const char *path);
void writer_boolean(struct writer *writer, bool value);
void writer_uint32(struct writer *writer, uint32_t value);
void writer_uint64(struct writer *writer, uint64_t value);
void writer_strings(struct writer *writer, char *const *texts, size_t count);
/* Containers: type DBUS_TYPE_ARRAY or _VARIANT with the signature of the content, or _STRUCT or
 * _DICT_ENTRY with NULL. */
void writer_open(struct writer *writer, int type, const char *signature);
void writer_close(struct writer *writer);
/* A dictionary entry {sv}: key, and a variant of the signature that is open until writer_close_entry(). */
void writer_open_entry(struct writer *writer, const char *key, const char *signature);
void writer_close_entry(struct writer *writer);
void writer_string_entry(struct writer *writer, const char *key, const char *text);
void writer_boolean_entry(struct writer *writer, const char *key, bool value);
void writer_uint32_entry(struct writer *writer, const char *key, uint32_t value);
void writer_uint64_entry(struct writer *writer, const char *key, uint64_t value);
/* The message, complete; NULL when something failed. */
DBusMessage *writer_take(struct writer *writer);

#endif

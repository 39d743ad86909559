/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/record_header.h"

#include "common/cursor.h"

#include <errno.h>

int record_header_parse(const void *record, size_t size, struct record_header *ret_header)
{
    struct cursor cursor = cursor_reader(record, size);
    struct record_header header = { .format = cursor_get_u8(&cursor) };

    /* Of a newer format nothing but the first byte can be understood. */
    if (cursor_ok(&cursor) && header.format > RECORD_FORMAT)
        return -EPROTONOSUPPORT;
    header.kind = cursor_get_u8(&cursor);
    header.generation = cursor_get_u32(&cursor);
    header.version = cursor_get_u64(&cursor);
    if (!cursor_ok(&cursor) || header.format != RECORD_FORMAT || header.kind > RECORD_TOMBSTONE)
        return -EBADMSG;
    *ret_header = header;
    return 0;
}

void record_header_format(const struct record_header *header, uint8_t *ret_bytes)
{
    struct cursor cursor = cursor_writer(ret_bytes, RECORD_HEADER_SIZE);

    cursor_put_u8(&cursor, header->format);
    cursor_put_u8(&cursor, header->kind);
    cursor_put_u32(&cursor, header->generation);
    cursor_put_u64(&cursor, header->version);
}

size_t record_key_format(const struct record_key *key, uint8_t *ret_bytes)
{
    struct cursor cursor = cursor_writer(ret_bytes, RECORD_KEY_MAX);

    cursor_put_u8(&cursor, key->class);
    cursor_put_bytes(&cursor, key->scope, sizeof(key->scope));
    cursor_put_bytes(&cursor, key->name, key->name_length);
    return cursor.position;
}

int record_key_parse(const void *bytes, size_t size, struct record_key *ret_key)
{
    struct cursor cursor = cursor_reader(bytes, size);
    struct record_key key = { .class = cursor_get_u8(&cursor) };
    size_t length;

    cursor_get_bytes(&cursor, key.scope, sizeof(key.scope));
    length = cursor_left(&cursor);
    if (length > sizeof(key.name))
        return -EBADMSG;
    cursor_get_bytes(&cursor, key.name, length);
    key.name_length = (uint16_t)length;
    if (!cursor_at_end(&cursor) || key.class < RECORD_APPLICATION || key.class > RECORD_CLASS_MAX)
        return -EBADMSG;
    *ret_key = key;
    return 0;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/cursor.h"

#include <endian.h>
#include <string.h>

struct cursor cursor_reader(const void *bytes, size_t size)
{
    /* The cast is safe: every writing function checks `writable` first. */
    return (struct cursor){ .bytes = (uint8_t *)(uintptr_t)bytes, .size = size };
}

struct cursor cursor_writer(void *bytes, size_t size)
{
    return (struct cursor){ .bytes = bytes, .size = size, .writable = true };
}

bool cursor_ok(const struct cursor *cursor)
{
    return !cursor->failed;
}

bool cursor_at_end(const struct cursor *cursor)
{
    return !cursor->failed && cursor->position == cursor->size;
}

size_t cursor_left(const struct cursor *cursor)
{
    return cursor->failed ? 0 : cursor->size - cursor->position;
}

/* The next `length` bytes, passed over; NULL (and failed for good) when there are fewer. */
static uint8_t *advance(struct cursor *cursor, size_t length)
{
    uint8_t *here;

    if (cursor->failed || length > cursor->size - cursor->position) {
        cursor->failed = true;
        return NULL;
    }
    here = cursor->bytes + cursor->position;
    cursor->position += length;
    return here;
}

/* For a width known where it is called it is one load. */
static inline uint64_t get_integer(struct cursor *cursor, size_t width)
{
    const uint8_t *bytes = advance(cursor, width);
    uint64_t value = 0;

    if (bytes)
        memcpy(&value, bytes, width);
    return le64toh(value);
}

uint8_t cursor_get_u8(struct cursor *cursor)
{
    return (uint8_t)get_integer(cursor, 1);
}

uint16_t cursor_get_u16(struct cursor *cursor)
{
    return (uint16_t)get_integer(cursor, 2);
}

uint32_t cursor_get_u32(struct cursor *cursor)
{
    return (uint32_t)get_integer(cursor, 4);
}

uint64_t cursor_get_u64(struct cursor *cursor)
{
    return get_integer(cursor, 8);
}

void cursor_get_bytes(struct cursor *cursor, void *destination, size_t length)
{
    const uint8_t *bytes = advance(cursor, length);

    if (length == 0)
        return;
    if (bytes)
        memcpy(destination, bytes, length);
    else
        memset(destination, 0, length);
}

const uint8_t *cursor_get_view(struct cursor *cursor, size_t length)
{
    /* An empty view of an empty, perhaps NULL buffer is still a success: never NULL. */
    static const uint8_t nothing[1];
    const uint8_t *bytes = advance(cursor, length);

    return !bytes && !cursor->failed ? nothing : bytes;
}

const uint8_t *cursor_get_block(struct cursor *cursor, size_t maximum, size_t *ret_length)
{
    size_t length = cursor_get_u32(cursor);
    const uint8_t *bytes;

    *ret_length = 0;
    if (length > maximum)
        cursor->failed = true;
    bytes = cursor_get_view(cursor, length);
    if (bytes)
        *ret_length = length;
    return bytes;
}

static inline void put_integer(struct cursor *cursor, uint64_t value, size_t width)
{
    value = htole64(value);
    cursor_put_bytes(cursor, &value, width);
}

void cursor_put_u8(struct cursor *cursor, uint8_t value)
{
    put_integer(cursor, value, 1);
}

void cursor_put_u16(struct cursor *cursor, uint16_t value)
{
    put_integer(cursor, value, 2);
}

void cursor_put_u32(struct cursor *cursor, uint32_t value)
{
    put_integer(cursor, value, 4);
}

void cursor_put_u64(struct cursor *cursor, uint64_t value)
{
    put_integer(cursor, value, 8);
}

void cursor_put_bytes(struct cursor *cursor, const void *bytes, size_t length)
{
    uint8_t *here;

    if (!cursor->writable)
        cursor->failed = true;
    here = advance(cursor, length);
    if (here && length > 0)
        memcpy(here, bytes, length);
}

void cursor_put_block(struct cursor *cursor, const void *bytes, size_t length)
{
    if (length > UINT32_MAX)
        cursor->failed = true;
    cursor_put_u32(cursor, (uint32_t)length);
    cursor_put_bytes(cursor, bytes, length);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one reader and writer of every binary format: bounded, little-endian, sticky failure. After
 * the first overrun all further reads return 0 / NULL and cursor_ok() is false, so that a parser
 * checks once, at its end (and before it uses a length for anything but the next read).
 * A cursor borrows the memory it walks over. */
#ifndef COMMON_CURSOR_H
#define COMMON_CURSOR_H

#include "common/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
    uint8_t *bytes;
    size_t size;
    size_t position;
    bool failed;
    bool writable;
};

struct cursor cursor_reader(const void *bytes, size_t size);
struct cursor cursor_writer(void *bytes, size_t size);

bool cursor_ok(const struct cursor *cursor);
/* True when nothing failed and every byte was consumed. */
bool cursor_at_end(const struct cursor *cursor);
size_t cursor_left(const struct cursor *cursor);

uint8_t cursor_get_u8(struct cursor *cursor);
uint16_t cursor_get_u16(struct cursor *cursor);
uint32_t cursor_get_u32(struct cursor *cursor);
uint64_t cursor_get_u64(struct cursor *cursor);
/* Copies `length` bytes to `destination` (zero-filled on failure). */
void cursor_get_bytes(struct cursor *cursor, void *destination, size_t length);
/* Borrows the next `length` bytes; NULL on failure. */
const uint8_t *cursor_get_view(struct cursor *cursor, size_t length);
/* A u32 length (refused above `maximum`), then that many bytes, borrowed. */
const uint8_t *cursor_get_block(struct cursor *cursor, size_t maximum, size_t *ret_length);

void cursor_put_u8(struct cursor *cursor, uint8_t value);
void cursor_put_u16(struct cursor *cursor, uint16_t value);
void cursor_put_u32(struct cursor *cursor, uint32_t value);
void cursor_put_u64(struct cursor *cursor, uint64_t value);
void cursor_put_bytes(struct cursor *cursor, const void *bytes, size_t length);
/* A u32 length, then the bytes. */
void cursor_put_block(struct cursor *cursor, const void *bytes, size_t length);

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/store/journal_frame.h"

#include "common/cursor.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { JOURNAL_FORMAT = 1, HEADER_CHECKED = 96 };

static const char header_magic[] = "MSJRNL1\n";
static const char export_magic[] = "MSEXPRT1";
static const char header_label[] = "mastersecret journal";

static struct iovec part(const void *bytes, size_t size)
{
    return (struct iovec){ .iov_base = (void *)(uintptr_t)bytes, .iov_len = size };
}

static void header_check(const uint8_t *bytes, const struct log_hash *hash, uint8_t ret_check[32])
{
    const struct iovec parts[] = {
        part(header_label, strlen(header_label)),
        part(bytes, HEADER_CHECKED),
    };

    hash->hash(hash->userdata, parts, 2, ret_check);
}

void journal_header_format(struct journal_header *header, const struct log_hash *hash,
                           uint8_t *ret_bytes)
{
    struct cursor cursor = cursor_writer(ret_bytes, JOURNAL_HEADER_SIZE);

    cursor_put_bytes(&cursor, header->export ? export_magic : header_magic, 8);
    cursor_put_u32(&cursor, JOURNAL_FORMAT);
    cursor_put_u32(&cursor, 0);
    cursor_put_bytes(&cursor, header->realm, sizeof(header->realm));
    cursor_put_bytes(&cursor, header->id, sizeof(header->id));
    cursor_put_u64(&cursor, header->base_revision);
    cursor_put_bytes(&cursor, header->base_chain, sizeof(header->base_chain));
    cursor_put_u64(&cursor, 0);
    header_check(ret_bytes, hash, header->check);
    cursor_put_bytes(&cursor, header->check, sizeof(header->check));
}

int journal_header_parse(const uint8_t *bytes, const struct log_hash *hash,
                         struct journal_header *ret_header)
{
    struct cursor cursor = cursor_reader(bytes, JOURNAL_HEADER_SIZE);
    const uint8_t *magic = cursor_get_view(&cursor, 8);
    uint8_t check[32];
    uint32_t format;

    ret_header->export = memcmp(magic, export_magic, 8) == 0;
    if (!ret_header->export && memcmp(magic, header_magic, 8) != 0)
        return -EBADMSG;
    format = cursor_get_u32(&cursor);
    if (format > JOURNAL_FORMAT)
        return -EPROTONOSUPPORT;
    cursor_get_u32(&cursor);
    cursor_get_bytes(&cursor, ret_header->realm, sizeof(ret_header->realm));
    cursor_get_bytes(&cursor, ret_header->id, sizeof(ret_header->id));
    ret_header->base_revision = cursor_get_u64(&cursor);
    cursor_get_bytes(&cursor, ret_header->base_chain, sizeof(ret_header->base_chain));
    cursor_get_u64(&cursor);
    cursor_get_bytes(&cursor, ret_header->check, sizeof(ret_header->check));
    header_check(bytes, hash, check);
    if (format != JOURNAL_FORMAT || memcmp(check, ret_header->check, sizeof(check)) != 0)
        return -EBADMSG;
    return 0;
}

static void frame_hash(const uint8_t *bytes, size_t body_size, const struct log_hash *hash,
                       uint8_t *ret_chain)
{
    const struct iovec whole = part(bytes, FRAME_HEADER_SIZE + body_size);

    hash->hash(hash->userdata, &whole, 1, ret_chain);
}

void frame_seal(uint8_t *bytes, struct frame *frame, const struct log_hash *hash)
{
    struct cursor cursor = cursor_writer(bytes, FRAME_HEADER_SIZE);
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (!frame->time)
        frame->time = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    cursor_put_u32(&cursor, FRAME_MAGIC);
    cursor_put_u8(&cursor, frame->type);
    cursor_put_bytes(&cursor, "\0\0\0", 3);
    cursor_put_u32(&cursor, (uint32_t)frame->body_size);
    cursor_put_u32(&cursor, frame->count);
    cursor_put_u64(&cursor, frame->first);
    cursor_put_u64(&cursor, frame->time);
    cursor_put_bytes(&cursor, frame->previous, sizeof(frame->previous));
    frame_hash(bytes, frame->body_size, hash, frame->chain);
    memcpy(bytes + FRAME_HEADER_SIZE + frame->body_size, frame->chain, sizeof(frame->chain));
}

int frame_header_parse(const uint8_t *bytes, struct frame *ret_frame)
{
    struct cursor cursor = cursor_reader(bytes, FRAME_HEADER_SIZE);
    struct frame frame = { 0 };
    uint32_t magic;
    uint8_t reserved[3];

    magic = cursor_get_u32(&cursor);
    frame.type = cursor_get_u8(&cursor);
    cursor_get_bytes(&cursor, reserved, sizeof(reserved));
    frame.body_size = cursor_get_u32(&cursor);
    frame.count = cursor_get_u32(&cursor);
    frame.first = cursor_get_u64(&cursor);
    frame.time = cursor_get_u64(&cursor);
    cursor_get_bytes(&cursor, frame.previous, sizeof(frame.previous));
    if (magic != FRAME_MAGIC || frame.type < FRAME_COMMIT || frame.type > FRAME_EXPORT_END)
        return -EBADMSG;
    if (reserved[0] || reserved[1] || reserved[2] || frame.body_size > FRAME_BODY_MAX)
        return -EBADMSG;
    *ret_frame = frame;
    return 0;
}

int frame_verify(const uint8_t *bytes, const struct log_hash *hash, struct frame *frame)
{
    frame->body = bytes + FRAME_HEADER_SIZE;
    frame_hash(bytes, frame->body_size, hash, frame->chain);
    if (memcmp(frame->chain, frame->body + frame->body_size, sizeof(frame->chain)) != 0)
        return -EBADMSG;
    return 0;
}

/* ---- bodies --------------------------------------------------------------------------------- */

static void change_put(struct cursor *cursor, const struct record_key *key, const uint8_t *record,
                       size_t size)
{
    uint8_t bytes[RECORD_KEY_MAX];
    size_t length = record_key_format(key, bytes);

    cursor_put_u16(cursor, (uint16_t)length);
    cursor_put_bytes(cursor, bytes, length);
    cursor_put_block(cursor, record, size);
}

static int change_get(struct cursor *cursor, struct frame_change *ret_change)
{
    uint16_t length = cursor_get_u16(cursor);
    const uint8_t *key = cursor_get_view(cursor, length);

    ret_change->record = cursor_get_block(cursor, RECORD_SIZE_MAX, &ret_change->size);
    if (!cursor_ok(cursor))
        return -EBADMSG;
    return record_key_parse(key, length, &ret_change->key);
}

static int append_walk(struct cursor *cursor, uint64_t revision, frame_each each, void *userdata)
{
    struct frame_change change = { .revision = revision };
    uint32_t count;

    (void)cursor_get_view(cursor, LOG_APPEND_ID_SIZE);
    count = cursor_get_u32(cursor);
    if (!cursor_ok(cursor) || count > LOG_CHANGES_MAX)
        return -EBADMSG;
    while (count--) {
        int r = change_get(cursor, &change);

        if (r == 0)
            r = each(userdata, &change);
        if (r != 0)
            return r;
    }
    return 0;
}

static int base_walk(struct cursor *cursor, frame_each each, void *userdata)
{
    struct frame_change change;
    int r;

    change.revision = cursor_get_u64(cursor);
    r = change_get(cursor, &change);
    return r == 0 ? each(userdata, &change) : r;
}

int frame_walk(const struct frame *frame, frame_each each, void *userdata)
{
    struct cursor cursor = cursor_reader(frame->body, frame->body_size);

    for (uint32_t i = 0; i < frame->count; i++) {
        int r = frame->type == FRAME_COMMIT ? append_walk(&cursor, frame->first + i, each, userdata)
                                            : base_walk(&cursor, each, userdata);

        if (r != 0)
            return r;
    }
    return cursor_at_end(&cursor) ? 0 : -EBADMSG;
}

size_t frame_append_size(const struct log_append *append)
{
    size_t size = LOG_APPEND_ID_SIZE + 4;

    for (size_t i = 0; i < append->changes_count; i++) {
        const struct log_change *change = &append->changes[i];

        size += 2u + 1u + RECORD_SCOPE_SIZE + change->key.name_length + 4u + change->size;
    }
    return size;
}

void frame_append_format(const struct log_append *append, uint8_t *ret_bytes, size_t size)
{
    struct cursor cursor = cursor_writer(ret_bytes, size);

    cursor_put_bytes(&cursor, append->id, LOG_APPEND_ID_SIZE);
    cursor_put_u32(&cursor, (uint32_t)append->changes_count);
    for (size_t i = 0; i < append->changes_count; i++) {
        const struct log_change *change = &append->changes[i];

        change_put(&cursor, &change->key, change->record, change->size);
    }
}

int frame_append_walk(const uint8_t *bytes, size_t size, uint64_t revision, frame_each each,
                      void *userdata)
{
    struct cursor cursor = cursor_reader(bytes, size);

    return append_walk(&cursor, revision, each, userdata);
}

size_t frame_base_size(const struct frame_change *change)
{
    return 8u + 2u + 1u + RECORD_SCOPE_SIZE + change->key.name_length + 4u + change->size;
}

void frame_base_format(const struct frame_change *change, uint8_t *ret_bytes, size_t size)
{
    struct cursor cursor = cursor_writer(ret_bytes, size);

    cursor_put_u64(&cursor, change->revision);
    change_put(&cursor, &change->key, change->record, change->size);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/store/journal_scan.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { WINDOW_SIZE = 1024 * 1024, BACKWARDS = 64 * 1024 };

static const uint8_t frame_magic[4] = { 'F', 'S', 'R', 'M' };

static int window_reserve(struct scan *scan, size_t size)
{
    uint8_t *window;

    if (size <= scan->window_capacity)
        return 0;
    window = realloc(scan->window, size);
    if (!window)
        return -ENOMEM;
    scan->window = window;
    scan->window_capacity = size;
    return 0;
}

static int window_fill(struct scan *scan, uint64_t offset, size_t size)
{
    scan->window_offset = offset;
    scan->window_size = 0;
    while (scan->window_size < size) {
        ssize_t n = pread(scan->fd, scan->window + scan->window_size, size - scan->window_size,
                          (off_t)(offset + scan->window_size));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO; /* shorter than it was */
        scan->window_size += (size_t)n;
    }
    return 0;
}

int scan_bytes(struct scan *scan, uint64_t offset, size_t length, const uint8_t **ret_bytes)
{
    size_t size = length > WINDOW_SIZE ? length : WINDOW_SIZE;
    int r;

    if (offset > scan->size || length > scan->size - offset)
        return 0;
    if (offset < scan->window_offset ||
        offset + length > scan->window_offset + scan->window_size) {
        if (size > scan->size - offset)
            size = (size_t)(scan->size - offset);
        r = window_reserve(scan, size);
        if (r == 0)
            r = window_fill(scan, offset, size);
        if (r < 0)
            return r;
    }
    *ret_bytes = scan->window + (offset - scan->window_offset);
    return 1;
}

int scan_init(struct scan *scan, int fd, const struct log_hash *hash)
{
    const uint8_t *bytes;
    struct stat status;
    int r;

    *scan = (struct scan){ .fd = fd, .hash = hash, .offset = JOURNAL_HEADER_SIZE };
    if (fstat(fd, &status))
        return -errno;
    scan->size = (uint64_t)status.st_size;
    r = scan_bytes(scan, 0, JOURNAL_HEADER_SIZE, &bytes);
    if (r <= 0)
        return r < 0 ? r : -EBADMSG;
    r = journal_header_parse(bytes, hash, &scan->header);
    if (r < 0)
        return r;
    scan->base_done = scan->header.base_revision == 0;
    scan->head.revision = scan->header.base_revision;
    memcpy(scan->head.id, scan->header.id, sizeof(scan->head.id));
    memcpy(scan->head.chain, scan->header.base_chain, sizeof(scan->head.chain));
    memcpy(scan->base_previous, scan->header.check, sizeof(scan->base_previous));
    return 0;
}

void scan_deinit(struct scan *scan)
{
    free(STEAL(scan->window));
    scan->window_size = scan->window_capacity = 0;
}

void scan_set_size(struct scan *scan, uint64_t size)
{
    scan->size = size;
    scan->window_size = 0;
}

/* 1 with a frame that verifies by itself, 0 none, or -errno. */
static int frame_at(struct scan *scan, uint64_t offset, struct frame *ret_frame)
{
    const uint8_t *bytes;
    int r;

    r = scan_bytes(scan, offset, FRAME_OVERHEAD, &bytes);
    if (r <= 0)
        return r;
    if (frame_header_parse(bytes, ret_frame) < 0)
        return 0;
    r = scan_bytes(scan, offset, FRAME_OVERHEAD + ret_frame->body_size, &bytes);
    if (r <= 0)
        return r;
    return frame_verify(bytes, scan->hash, ret_frame) < 0 ? 0 : 1;
}

static bool chain_equal(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, LOG_CHAIN_SIZE) == 0;
}

static bool base_follows(const struct scan *scan, const struct frame *frame)
{
    if (frame->type != FRAME_BASE && frame->type != FRAME_BASE_END)
        return false;
    if (frame->first != (frame->type == FRAME_BASE ? 0 : scan->header.base_revision))
        return false;
    return chain_equal(frame->previous, scan->base_previous);
}

static bool commit_follows(const struct scan *scan, const struct frame *frame)
{
    return frame->type == FRAME_COMMIT && frame->count > 0 &&
           frame->first == scan->head.revision + 1 &&
           chain_equal(frame->previous, scan->head.chain);
}

static bool export_ends(const struct scan *scan, const struct frame *frame)
{
    return scan->header.export && frame->type == FRAME_EXPORT_END && frame->count == 0 &&
           frame->body_size == 0 && frame->first == scan->head.revision &&
           chain_equal(frame->previous, scan->head.chain);
}

static bool follows(const struct scan *scan, const struct frame *frame)
{
    if (scan->ended)
        return false;
    if (!scan->base_done)
        return base_follows(scan, frame);
    return commit_follows(scan, frame) || export_ends(scan, frame);
}

/* Where the last magic of [start, end) stands; 0 none, or -errno. */
static int64_t magic_before(struct scan *scan, uint64_t start, uint64_t end)
{
    const uint8_t *bytes;
    int r = scan_bytes(scan, start, (size_t)(end - start), &bytes);

    if (r <= 0)
        return r;
    for (uint64_t at = end - sizeof(frame_magic); at >= start; at--) {
        if (memcmp(bytes + (at - start), frame_magic, sizeof(frame_magic)) == 0)
            return (int64_t)at;
    }
    return 0;
}

/* The frame that ends at `offset`, looked for backwards, since it says its length at its beginning. 1
 * with it, 0 none, or -errno. */
static int frame_before(struct scan *scan, uint64_t offset, struct frame *ret_frame)
{
    uint64_t end = offset - FRAME_OVERHEAD + sizeof(frame_magic);

    if (offset < JOURNAL_HEADER_SIZE + FRAME_OVERHEAD || offset > scan->size)
        return 0;
    while (end >= JOURNAL_HEADER_SIZE + sizeof(frame_magic)) {
        uint64_t start =
            end - JOURNAL_HEADER_SIZE > BACKWARDS ? end - BACKWARDS : JOURNAL_HEADER_SIZE;
        int64_t at = magic_before(scan, start, end);
        int r;

        if (at < 0)
            return (int)at;
        end = (at ? (uint64_t)at : start) + sizeof(frame_magic) - 1;
        r = at ? frame_at(scan, (uint64_t)at, ret_frame) : 0;
        if (r < 0 || (r > 0 && (uint64_t)at + FRAME_OVERHEAD + ret_frame->body_size == offset))
            return r;
    }
    return 0;
}

int scan_resume(struct scan *scan, const struct log_head *head, uint64_t offset)
{
    bool at_base = head->revision == scan->header.base_revision;
    struct frame end;
    int r;

    if (memcmp(head->id, scan->header.id, LOG_ID_SIZE) != 0 ||
        head->revision < scan->header.base_revision || offset < JOURNAL_HEADER_SIZE)
        return -ESTALE;
    if (at_base && !chain_equal(head->chain, scan->header.base_chain))
        return -ESTALE;
    if (at_base && head->revision == 0) {
        r = offset == JOURNAL_HEADER_SIZE;
    } else if (at_base) {
        r = offset < FRAME_OVERHEAD ? 0 : frame_at(scan, offset - FRAME_OVERHEAD, &end);
        if (r > 0)
            r = end.type == FRAME_BASE_END && end.first == head->revision;
    } else {
        r = frame_before(scan, offset, &end);
        if (r > 0)
            r = end.type == FRAME_COMMIT && end.first + end.count - 1 == head->revision &&
                chain_equal(end.chain, head->chain);
    }
    if (r <= 0)
        return r < 0 ? r : -ESTALE;
    scan->base_done = true;
    scan->head = *head;
    scan->offset = offset;
    return 0;
}

int scan_next(struct scan *scan, struct frame *ret_frame)
{
    struct frame frame;
    int r;

    r = frame_at(scan, scan->offset, &frame);
    if (r <= 0)
        return r;
    if (!follows(scan, &frame))
        return 0;
    if (frame.type == FRAME_EXPORT_END) {
        scan->ended = true;
    } else if (scan->base_done) {
        scan->head.revision += frame.count;
        memcpy(scan->head.chain, frame.chain, sizeof(scan->head.chain));
    } else {
        scan->base_done = frame.type == FRAME_BASE_END;
        memcpy(scan->base_previous, frame.chain, sizeof(scan->base_previous));
    }
    scan->offset += FRAME_OVERHEAD + frame.body_size;
    if (scan->progress)
        atomic_fetch_add(&scan->progress->done, FRAME_OVERHEAD + frame.body_size);
    *ret_frame = frame;
    return 1;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Whether a frame verifies at any byte from `offset` on. */
static int frames_follow(struct scan *scan, uint64_t offset)
{
    while (offset + sizeof(frame_magic) <= scan->size) {
        uint64_t left = scan->size - offset;
        size_t length = left < WINDOW_SIZE ? (size_t)left : WINDOW_SIZE;
        const uint8_t *bytes, *hit;
        struct frame frame;
        int r;

        r = scan_bytes(scan, offset, length, &bytes);
        if (r <= 0)
            return r;
        hit = memmem(bytes, length, frame_magic, sizeof(frame_magic));
        if (!hit) {
            offset += length - (sizeof(frame_magic) - 1);
            continue;
        }
        offset += (uint64_t)(hit - bytes);
        r = frame_at(scan, offset, &frame);
        if (r != 0)
            return r;
        offset++;
    }
    return 0;
}

int scan_tail(struct scan *scan)
{
    uint64_t offset = scan->offset;
    int r;

    while (offset < scan->size) {
        uint64_t left = scan->size - offset;
        size_t length = left < WINDOW_SIZE ? (size_t)left : WINDOW_SIZE;
        const uint8_t *bytes;

        r = scan_bytes(scan, offset, length, &bytes);
        if (r < 0)
            return r;
        if (r == 0 || !is_zero(bytes, length))
            break;
        offset += length;
    }
    if (offset >= scan->size)
        return SCAN_TAIL_ZERO;
    r = frames_follow(scan, scan->offset);
    if (r < 0)
        return r;
    return r ? SCAN_TAIL_FRAMES : SCAN_TAIL_TORN;
}

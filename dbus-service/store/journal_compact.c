/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/store/journal_background.h"
#include "dbus-service/store/journal_start.h"

#include <errno.h>
#include <string.h>

enum {
    BASE_BODY = 768 * 1024,      /* room for the largest record with its key */
    CATCH_UP_BYTES = 256 * 1024, /* what may be left to copy while appends wait */
    CATCH_UP_ROUNDS = 16,
    ZEROS = 256 * 1024,
};

struct compact {
    struct background *background;
    struct scan scan;        /* over the old file */
    struct writer_file file; /* the new one */
    uint8_t previous[LOG_CHAIN_SIZE];
    uint8_t *buffer;         /* one base frame */
    struct frame base;       /* count and body size so far */
};

static int put_frame(struct compact *compact, struct frame *frame)
{
    size_t size = FRAME_OVERHEAD + frame->body_size;
    int r;

    memcpy(frame->previous, compact->previous, sizeof(frame->previous));
    frame_seal(compact->buffer, frame, &compact->background->options->hash);
    r = writer_write(compact->file.fd, compact->buffer, size, compact->file.offset);
    if (r < 0)
        return r;
    memcpy(compact->previous, frame->chain, sizeof(compact->previous));
    compact->file.offset += size;
    return 0;
}

static int flush_base(struct compact *compact)
{
    int r = compact->base.count ? put_frame(compact, &compact->base) : 0;

    compact->base = (struct frame){ .type = FRAME_BASE };
    return r;
}

static int keep(void *userdata, const struct frame_change *change, enum question_answer answer)
{
    struct compact *compact = userdata;
    size_t size = frame_base_size(change);
    int r;

    if (answer == QUESTION_MISMATCH)
        return -ESTALE;
    if (answer != QUESTION_CURRENT)
        return 0;
    if (size > BASE_BODY - compact->base.body_size) {
        r = flush_base(compact);
        if (r < 0)
            return r;
    }
    frame_base_format(change, compact->buffer + FRAME_HEADER_SIZE + compact->base.body_size, size);
    compact->base.body_size += size;
    compact->base.count++;
    return 0;
}

static int write_base(struct compact *compact)
{
    struct frame end = { .type = FRAME_BASE_END, .first = compact->background->head.revision };
    int r;

    r = flush_base(compact);
    if (r == 0)
        r = background_walk(compact->background, &compact->scan, false, keep, compact);
    if (r == 0)
        r = flush_base(compact);
    return r < 0 ? r : put_frame(compact, &end);
}

/* Copies commits as they are, verified once more, up to the old file's `end`. */
static int copy_commits(struct compact *compact, uint64_t end)
{
    scan_set_size(&compact->scan, end);
    while (compact->scan.offset < end) {
        struct frame frame;
        size_t size;
        int r;

        r = scan_next(&compact->scan, &frame);
        if (r <= 0)
            return r < 0 ? r : -EBADMSG;
        size = FRAME_OVERHEAD + frame.body_size;
        r = writer_write(compact->file.fd, frame.body - FRAME_HEADER_SIZE, size,
                         compact->file.offset);
        if (r < 0)
            return r;
        compact->file.offset += size;
    }
    return 0;
}

static int catch_up(struct compact *compact)
{
    struct writer_file old;

    for (int round = 0; round < CATCH_UP_ROUNDS; round++) {
        int r;

        writer_position(compact->background->writer, &old);
        if (round > 0 && old.offset - compact->scan.offset < CATCH_UP_BYTES)
            break;
        r = copy_commits(compact, old.offset);
        if (r == 0 && fdatasync(compact->file.fd))
            r = -errno;
        if (r < 0)
            return r;
    }
    return 0;
}

/* On the journal's thread, between two commits. */
static int switch_file(void *userdata, struct writer_file *file)
{
    struct compact *compact = userdata;
    int folder_fd = compact->background->options->folder_fd;
    int r;

    r = copy_commits(compact, file->offset);
    if (r < 0)
        return r;
    compact->file.head = file->head;
    compact->file.allocated = compact->file.offset;
    r = writer_file_grow(&compact->file, ZEROS);
    if (r < 0)
        return r;
    if (fdatasync(compact->file.fd) ||
        renameat(folder_fd, JOURNAL_NEW_NAME, folder_fd, JOURNAL_NAME))
        return -errno;
    close(file->fd);
    *file = compact->file;
    compact->file.fd = -1;
    /* Without the folder on disk a power cut may bring the old file back, without what follows. */
    return fsync(folder_fd) ? 1 : 0;
}

static int build(struct compact *compact)
{
    struct background *background = compact->background;
    struct journal_header header = { .base_revision = background->head.revision };
    int r;

    r = scan_init(&compact->scan, background->fd, &background->options->hash);
    if (r < 0)
        return r;
    memcpy(header.realm, compact->scan.header.realm, sizeof(header.realm));
    memcpy(header.id, compact->scan.header.id, sizeof(header.id));
    memcpy(header.base_chain, background->head.chain, sizeof(header.base_chain));
    r = journal_file_new(background->options->folder_fd, &background->options->hash, &header,
                         &compact->file.fd);
    if (r < 0)
        return r;
    memcpy(compact->previous, header.check, sizeof(compact->previous));
    compact->file.offset = JOURNAL_HEADER_SIZE;
    r = write_base(compact);
    return r < 0 ? r : catch_up(compact);
}

static int forget_tombstones(struct compact *compact)
{
    struct background *background = compact->background;
    int r;

    scan_deinit(&compact->scan);
    r = scan_init(&compact->scan, background->fd, &background->options->hash);
    if (r == 0)
        r = background_walk(background, &compact->scan, true, NULL, NULL);
    if (r == 0 || r == -ECANCELED || r == -EBADMSG)
        return r;
    /* The new file has begun: a view that keeps what it lacks is not the journal's any more. */
    return -ESTALE;
}

void background_compact(struct background *background)
{
    struct compact compact = { .background = background, .file = { .fd = -1 } };
    int r = -ENOMEM;

    compact.buffer = malloc(FRAME_OVERHEAD + BASE_BODY);
    if (compact.buffer)
        r = build(&compact);
    if (r == 0)
        r = writer_change_file(background->writer, switch_file, &compact);
    background->switched = r == 0;
    if (r == 0)
        r = forget_tombstones(&compact);
    else if (r < 0)
        (void)unlinkat(background->options->folder_fd, JOURNAL_NEW_NAME, 0);
    background_finish(background, &compact.scan, r > 0 ? -EIO : r);
    scan_deinit(&compact.scan);
    if (compact.file.fd >= 0)
        close(compact.file.fd);
    free(compact.buffer);
}

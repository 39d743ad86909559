/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/store/journal_writer.h"

#include "dbus-service/store/thread.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

enum {
    BATCH_BYTES = 4 * 1024 * 1024,   /* of a commit's body, unless one append alone is larger */
    QUEUE_BYTES = 64 * 1024 * 1024,
    FRAME_KEEP = 256 * 1024,         /* a larger buffer is given back after use */
    GROW_MIN = 256 * 1024,
    GROW_MAX = 8 * 1024 * 1024,
    ALIGNMENT = 4096,
    ROOM_MIN = 1024 * 1024,
};

/* ---- lists ---------------------------------------------------------------------------------- */

static void list_init(struct writer_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static void list_push(struct writer_list *list, struct writer_append *append)
{
    append->next = NULL;
    *list->last = append;
    list->last = &append->next;
}

static void list_move(struct writer_list *to, struct writer_list *from)
{
    if (!from->first)
        return;
    *to->last = from->first;
    to->last = from->last;
    list_init(from);
}

static void list_set_outcome(struct writer_list *list, enum log_outcome outcome)
{
    for (struct writer_append *append = list->first; append; append = append->next)
        append->outcome = outcome;
}

/* ---- the file ------------------------------------------------------------------------------- */

int writer_write(int fd, const void *bytes, size_t size, uint64_t offset)
{
    const uint8_t *from = bytes;

    while (size > 0) {
        ssize_t n = pwrite(fd, from, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENOSPC;
        from += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

int writer_write_zeros(int fd, uint64_t offset, uint64_t end)
{
    static const uint8_t zeros[64 * 1024];

    while (offset < end) {
        size_t size = end - offset < sizeof(zeros) ? (size_t)(end - offset) : sizeof(zeros);
        int r = writer_write(fd, zeros, size, offset);

        if (r < 0)
            return r;
        offset += size;
    }
    return 0;
}

static uint64_t grow_step(const struct writer_file *file)
{
    uint64_t step = file->offset / 16;

    if (step < GROW_MIN)
        return GROW_MIN;
    return step > GROW_MAX ? GROW_MAX : step;
}

int writer_file_grow(struct writer_file *file, uint64_t needed)
{
    uint64_t end = file->offset + needed;

    end += ALIGNMENT - end % ALIGNMENT;
    while (file->allocated < end) {
        uint64_t next = end - file->allocated > GROW_MIN ? file->allocated + GROW_MIN : end;
        int r = writer_write_zeros(file->fd, file->allocated, next);

        if (r < 0)
            return r;
        file->allocated = next;
    }
    return 0;
}

/* ---- one commit ----------------------------------------------------------------------------- */

static int frame_reserve(struct writer *writer, size_t size)
{
    uint8_t *frame;

    if (size <= writer->frame_capacity)
        return 0;
    frame = realloc(writer->frame, size);
    if (!frame)
        return -ENOMEM;
    writer->frame = frame;
    writer->frame_capacity = size;
    return 0;
}

static void frame_release(struct writer *writer)
{
    if (writer->frame_capacity <= FRAME_KEEP)
        return;
    free(STEAL(writer->frame));
    writer->frame_capacity = 0;
}

static int batch_format(struct writer *writer, const struct writer_list *batch,
                        const struct writer_file *file, struct frame *ret_frame)
{
    struct frame frame = { .type = FRAME_COMMIT, .first = file->head.revision + 1 };
    size_t offset = FRAME_HEADER_SIZE;
    int r;

    for (const struct writer_append *append = batch->first; append; append = append->next)
        frame.body_size += append->size;
    r = frame_reserve(writer, FRAME_OVERHEAD + frame.body_size);
    if (r < 0)
        return r;
    for (const struct writer_append *append = batch->first; append; append = append->next) {
        memcpy(writer->frame + offset, append->bytes, append->size);
        offset += append->size;
        frame.count++;
    }
    memcpy(frame.previous, file->head.chain, sizeof(frame.previous));
    frame_seal(writer->frame, &frame, writer->hash);
    *ret_frame = frame;
    return 0;
}

/* What the journal takes, the view must take too, or lookups would end with the disk's last block: a
 * commit leaves room for what the view may grow by (blocks of the records, once in a while a larger
 * directory). What cannot be found out is no reason to refuse. */
static int room_check(int fd, size_t size)
{
    struct statvfs disk;

    if (fstatvfs(fd, &disk) < 0)
        return 0;
    return (uint64_t)disk.f_bavail * disk.f_frsize < ROOM_MIN + 4 * (uint64_t)size ? -ENOSPC : 0;
}

enum commit_outcome {
    COMMIT_DONE = 0,
    COMMIT_FAILED,   /* nothing of it is in the file */
    COMMIT_SPOILED,  /* as before, but its remains could not be removed */
    COMMIT_UNKNOWN,  /* the sync failed */
};

/* Writes and syncs one commit at the file's offset; `file` goes forward on COMMIT_DONE. */
static enum commit_outcome commit(struct writer *writer, const struct writer_list *batch,
                                  struct writer_file *file, int *ret_error)
{
    struct frame frame = { .body_size = 0 };
    size_t size;
    int r;

    r = batch_format(writer, batch, file, &frame);
    size = FRAME_OVERHEAD + frame.body_size;
    if (r == 0)
        r = room_check(file->fd, size);
    if (r == 0)
        r = writer_file_grow(file, size);
    *ret_error = r;
    if (r < 0)
        return COMMIT_FAILED;
    r = writer_write(file->fd, writer->frame, size, file->offset);
    if (r < 0) {
        *ret_error = r;
        r = writer_write_zeros(file->fd, file->offset, file->offset + size);
        return r < 0 ? COMMIT_SPOILED : COMMIT_FAILED;
    }
    if (fdatasync(file->fd)) {
        *ret_error = -errno;
        return COMMIT_UNKNOWN;
    }
    file->offset += size;
    file->head.revision += frame.count;
    memcpy(file->head.chain, frame.chain, sizeof(frame.chain));
    return COMMIT_DONE;
}

/* Zeros ahead of need, so that a commit's sync need not change the file's size. Not having the
 * space is no failure yet. 0, or -errno of a failed sync. */
static int grow_ahead(struct writer_file *file)
{
    uint64_t step = grow_step(file);
    uint64_t before = file->allocated;

    if (file->allocated - file->offset > step / 2)
        return 0;
    if (writer_file_grow(file, step) < 0 && file->allocated == before)
        return 0;
    return fdatasync(file->fd) ? -errno : 0;
}

/* ---- the thread ----------------------------------------------------------------------------- */

static void fail_read_only(struct writer *writer, const char *what, int error)
{
    writer->read_only = true;
    snprintf(writer->text, sizeof(writer->text), "journal: %s: %s", what, strerrordesc_np(-error));
    pthread_cond_broadcast(&writer->switched);
}

/* Under the mutex, after a commit. */
static void commit_report(struct writer *writer, struct writer_list *batch,
                          enum commit_outcome outcome, int error)
{
    static const enum log_outcome outcomes[] = {
        [COMMIT_DONE] = LOG_DONE,
        [COMMIT_FAILED] = LOG_FAILED,
        [COMMIT_SPOILED] = LOG_FAILED,
        [COMMIT_UNKNOWN] = LOG_UNKNOWN,
    };

    list_set_outcome(batch, outcomes[outcome]);
    list_move(&writer->finished, batch);
    if (outcome == COMMIT_FAILED) {
        writer->stalled = true;
        snprintf(writer->text, sizeof(writer->text), "journal: cannot write: %s",
                 strerrordesc_np(-error));
    }
    if (outcome == COMMIT_SPOILED)
        fail_read_only(writer, "cannot write", error);
    if (outcome == COMMIT_UNKNOWN)
        fail_read_only(writer, "cannot sync", error);
}

/* Under the mutex: what fits into one commit. */
static void batch_take(struct writer *writer, struct writer_list *ret_batch)
{
    size_t size = 0;

    list_init(ret_batch);
    while (writer->queue.first) {
        struct writer_append *append = writer->queue.first;

        if (ret_batch->first && size + append->size > BATCH_BYTES)
            break;
        size += append->size;
        writer->queue.first = append->next;
        if (!append->next)
            writer->queue.last = &writer->queue.first;
        list_push(ret_batch, append);
    }
    writer->queued_bytes -= size;
}

static void run_commit(struct writer *writer)
{
    struct writer_file file = writer->file;
    enum commit_outcome outcome;
    struct writer_list batch;
    int error, ahead = 0;

    batch_take(writer, &batch);
    pthread_mutex_unlock(&writer->mutex);
    outcome = commit(writer, &batch, &file, &error);
    frame_release(writer);
    pthread_mutex_lock(&writer->mutex);
    writer->file = file;
    commit_report(writer, &batch, outcome, error);
    /* Who is woken under the mutex only waits for it. */
    pthread_mutex_unlock(&writer->mutex);
    writer->notify(writer->userdata);
    if (outcome == COMMIT_DONE)
        ahead = grow_ahead(&file);
    pthread_mutex_lock(&writer->mutex);
    writer->file = file;
    if (ahead < 0) {
        fail_read_only(writer, "cannot sync", ahead);
        writer->notify(writer->userdata);
    }
}

static void run_change(struct writer *writer)
{
    struct writer_file file = writer->file;
    int r;

    pthread_mutex_unlock(&writer->mutex);
    r = writer->change(writer->change_userdata, &file);
    pthread_mutex_lock(&writer->mutex);
    if (r >= 0)
        writer->file = file;
    if (r > 0)
        fail_read_only(writer, "cannot sync the folder after compaction", -EIO);
    writer->change = NULL;
    writer->change_result = r;
    pthread_cond_broadcast(&writer->switched);
    writer->notify(writer->userdata);
}

static void *writer_main(void *userdata)
{
    struct writer *writer = userdata;

    pthread_mutex_lock(&writer->mutex);
    for (;;) {
        bool writable = !writer->stalled && !writer->read_only;

        if (writable && writer->change)
            run_change(writer);
        else if (writable && writer->queue.first && (!writer->held || writer->stop))
            run_commit(writer);
        else if (writer->stop)
            break;
        else
            pthread_cond_wait(&writer->wake, &writer->mutex);
    }
    writer->ended = true;
    pthread_cond_broadcast(&writer->switched);
    writer->notify(writer->userdata);
    pthread_mutex_unlock(&writer->mutex);
    return NULL;
}

/* ---- from the other threads ----------------------------------------------------------------- */

int writer_start(struct writer *writer, const struct writer_file *file)
{
    int r;

    writer->file = *file;
    list_init(&writer->queue);
    list_init(&writer->finished);
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->wake, NULL);
    pthread_cond_init(&writer->switched, NULL);
    r = thread_start(&writer->thread, "journal", writer_main, writer);
    if (r < 0)
        writer->file.fd = -1;
    writer->started = r == 0;
    return r;
}

bool writer_queue(struct writer *writer, struct writer_append *append)
{
    bool taken;

    pthread_mutex_lock(&writer->mutex);
    taken = writer->queued_bytes + append->size <= QUEUE_BYTES;
    if (taken) {
        writer->queued_bytes += append->size;
        list_push(&writer->queue, append);
    }
    pthread_mutex_unlock(&writer->mutex);
    return taken;
}

void writer_wake(struct writer *writer)
{
    /* Not under the mutex: who is woken would only wait for it. */
    pthread_cond_signal(&writer->wake);
}

void writer_hold(struct writer *writer, bool held)
{
    pthread_mutex_lock(&writer->mutex);
    if (writer->held && !held)
        pthread_cond_signal(&writer->wake);
    writer->held = held;
    pthread_mutex_unlock(&writer->mutex);
}

void writer_collect(struct writer *writer, struct writer_report *ret_report)
{
    struct writer_report *report = ret_report;

    list_init(&report->finished);
    pthread_mutex_lock(&writer->mutex);
    list_move(&report->finished, &writer->finished);
    report->head = writer->file.head;
    report->offset = writer->file.offset;
    report->failed = writer->stalled;
    report->read_only = writer->read_only;
    report->ended = writer->ended;
    memcpy(report->text, writer->text, sizeof(report->text));
    if (writer->stalled || writer->read_only) {
        /* What waits was numbered, and perhaps judged, on what now never happened. */
        list_set_outcome(&writer->queue, writer->read_only ? LOG_READ_ONLY : LOG_FAILED);
        list_move(&report->finished, &writer->queue);
        writer->queued_bytes = 0;
        writer->stalled = false;
        pthread_cond_signal(&writer->wake);
    }
    pthread_mutex_unlock(&writer->mutex);
}

void writer_position(struct writer *writer, struct writer_file *ret_file)
{
    pthread_mutex_lock(&writer->mutex);
    *ret_file = writer->file;
    pthread_mutex_unlock(&writer->mutex);
}

int writer_change_file(struct writer *writer, writer_switch change, void *userdata)
{
    int r = -ECANCELED;

    pthread_mutex_lock(&writer->mutex);
    if (!writer->ended && !writer->stop && !writer->read_only) {
        writer->change_userdata = userdata;
        writer->change = change;
        pthread_cond_signal(&writer->wake);
        while (writer->change && !writer->ended && !writer->read_only)
            pthread_cond_wait(&writer->switched, &writer->mutex);
        r = writer->change ? -ECANCELED : writer->change_result;
        writer->change = NULL;
    }
    pthread_mutex_unlock(&writer->mutex);
    return r;
}

void writer_stop(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    writer->stop = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->mutex);
}

void writer_deinit(struct writer *writer)
{
    if (!writer->started)
        return;
    pthread_join(writer->thread, NULL);
    pthread_cond_destroy(&writer->switched);
    pthread_cond_destroy(&writer->wake);
    pthread_mutex_destroy(&writer->mutex);
    free(writer->frame);
    writer->frame = NULL;
    writer->started = false;
}

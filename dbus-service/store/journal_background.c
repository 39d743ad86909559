/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/store/journal_background.h"

#include "dbus-service/store/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

static void *background_main(void *userdata)
{
    struct background *background = userdata;

    background->run(background);
    close(steal_fd(&background->fd)); /* the last of a file that was replaced takes its time */
    atomic_store(&background->ended, true);
    background->question.notify(background->question.userdata);
    return NULL;
}

static void background_release(struct background *background)
{
    if (!background)
        return;
    question_deinit(&background->question);
    if (background->fd >= 0)
        close(background->fd);
    free(background->batch);
    free(background);
}
CLEANUP_DEFINE(background_release, struct background, background_release)

int background_start(const struct journal_options *options, struct writer *writer,
                     const struct log_walk_options *walk,
                     void (*run)(struct background *background), void (*notify)(void *userdata),
                     void *userdata, struct background **ret_background)
{
    CLEANUP(background_release_cleanup) struct background *background =
        calloc(1, sizeof(*background));
    struct writer_file file;
    int r;

    if (!background)
        return -ENOMEM;
    background->options = options;
    background->writer = writer;
    background->walk = walk;
    background->run = run;
    question_init(&background->question, notify, userdata);
    writer_position(writer, &file);
    background->limit = file.offset;
    background->head = file.head;
    background->fd = fcntl(file.fd, F_DUPFD_CLOEXEC, 0);
    if (background->fd < 0)
        return -errno;
    background->batch = calloc(1, sizeof(*background->batch));
    if (!background->batch)
        return -ENOMEM;
    r = thread_start(&background->thread, "journal-walk", background_main, background);
    if (r < 0)
        return r;
    *ret_background = STEAL(background);
    return 0;
}

void background_free(struct background *background)
{
    if (!background)
        return;
    pthread_join(background->thread, NULL);
    background_release(background);
}

struct walk {
    struct background *background;
    background_each each;
    void *userdata;
};

static int walk_flush(struct walk *walk)
{
    struct question_batch *batch = walk->background->batch;
    int r;

    r = question_ask(&walk->background->question, batch);
    for (size_t i = 0; r == 0 && walk->each && i < batch->count; i++)
        r = walk->each(walk->userdata, &batch->items[i].change, batch->items[i].answer);
    batch->count = 0;
    batch->used = 0;
    return r;
}

static int walk_change(void *userdata, const struct frame_change *change)
{
    struct walk *walk = userdata;
    struct question_batch *batch = walk->background->batch;
    struct record_header header;
    int r;

    if (record_header_parse(change->record, change->size, &header) < 0)
        return -EBADMSG;
    if (batch->forget && header.kind != RECORD_TOMBSTONE)
        return 0;
    if (walk->background->keep && header.generation == walk->background->keep)
        return 0;
    if (question_add(batch, change))
        return 0;
    r = walk_flush(walk);
    if (r == 0 && !question_add(batch, change))
        r = -EBADMSG;
    return r;
}

int background_walk(struct background *background, struct scan *scan, bool forget,
                    background_each each, void *userdata)
{
    struct walk walk = { background, each, userdata };

    background->batch->forget = forget;
    background->batch->check = background->run == background_verify;
    background->batch->count = 0;
    background->batch->used = 0;
    scan_set_size(scan, background->limit);
    while (scan->offset < background->limit) {
        struct frame frame;
        int r;

        if (question_is_aborted(&background->question))
            return -ECANCELED;
        r = scan_next(scan, &frame);
        if (r == 0)
            return -EBADMSG;
        if (r > 0)
            r = frame_walk(&frame, walk_change, &walk);
        if (r < 0)
            return r;
        atomic_store(&background->done, scan->offset);
    }
    return walk_flush(&walk);
}

void background_finish(struct background *background, const struct scan *scan, int error)
{
    char *text = background->text;
    size_t size = sizeof(background->text);

    switch (error) {
    case 0:
        background->result = BACKGROUND_DONE;
        return;
    case -ECANCELED:
        background->result = BACKGROUND_CANCELED;
        snprintf(text, size, "journal: its reading was given up");
        return;
    case -ESTALE:
        background->result = BACKGROUND_MISMATCH;
        snprintf(text, size, "view: does not match the journal");
        return;
    case -EBADMSG:
        background->result = BACKGROUND_DAMAGED;
        snprintf(text, size, "journal: damaged at byte %" PRIu64, scan->offset);
        return;
    default:
        background->result = BACKGROUND_FAILED;
        snprintf(text, size, "journal: %s", strerrordesc_np(-error));
    }
}

/* ---- verification --------------------------------------------------------------------------- */

static int verify_answer(void *userdata, const struct frame_change *change,
                         enum question_answer answer)
{
    (void)userdata;
    (void)change;
    return answer == QUESTION_MISMATCH ? -ESTALE : 0;
}

void background_verify(struct background *background)
{
    struct scan scan;
    int r;

    thread_lower_priority();
    r = scan_init(&scan, background->fd, &background->options->hash);
    if (r == 0)
        r = background_walk(background, &scan, false, verify_answer, NULL);
    if (r == 0 && memcmp(&scan.head, &background->head, sizeof(scan.head)) != 0)
        r = -EBADMSG;
    background_finish(background, &scan, r);
    scan_deinit(&scan);
}

/* ---- handing out ---------------------------------------------------------------------------- */

static int walk_answer(void *userdata, const struct frame_change *change,
                       enum question_answer answer)
{
    struct background *background = userdata;
    const struct log_walk_options *walk = background->walk;
    const struct log_walk_record record = { &change->key, change->revision, change->record,
                                            change->size };
    int r;

    if (answer == QUESTION_MISMATCH)
        return -ESTALE;
    if (answer == QUESTION_SUPERSEDED)
        return 0;
    if (question_is_aborted(&background->question))
        return -ECANCELED;
    r = walk->each(walk->userdata, &record);
    /* Those are of the journal and of the view. */
    return r == -EBADMSG || r == -ESTALE || r > 0 ? -EIO : r;
}

/* One batch is filled by the loop while the other one is handed out. */
static int walk_view(struct background *background)
{
    CLEANUP_FREE struct question_batch *other = calloc(1, sizeof(*other));
    struct question_batch *batch = background->batch, *next = other;
    int r;

    if (!other)
        return -ENOMEM;
    batch->fill = next->fill = true;
    batch->keep = next->keep = background->keep;
    question_post(&background->question, batch);
    r = question_wait(&background->question);
    while (r == 0) {
        struct question_batch *filled = batch;
        int waited = 0;

        next->cursor = filled->cursor;
        next->count = next->used = 0;
        if (!filled->ended)
            question_post(&background->question, next);
        for (size_t i = 0; r == 0 && i < filled->count; i++)
            r = walk_answer(background, &filled->items[i].change, QUESTION_CURRENT);
        if (filled->ended)
            break;
        waited = question_wait(&background->question);
        r = r < 0 ? r : waited;
        batch = next;
        next = filled;
    }
    return r;
}

static int walk_journal(struct background *background, struct scan *scan)
{
    int r = scan_init(scan, background->fd, &background->options->hash);

    if (r == 0)
        r = background_walk(background, scan, false, walk_answer, background);
    return r == 0 && memcmp(&scan->head, &background->head, sizeof(scan->head)) != 0 ? -EBADMSG : r;
}

void background_walk_out(struct background *background)
{
    struct scan scan = { 0 };
    int r;

    if (background->walk->low_priority)
        thread_lower_priority();
    background->keep = background->walk->keep_generation;
    r = background->walk->in_view_order ? walk_view(background) : walk_journal(background, &scan);
    background_finish(background, &scan, r);
    scan_deinit(&scan);
}

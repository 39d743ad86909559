/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Which work on the whole log is done when. Verification, compaction and walk ask the view, so there
 * is one of them at a time; an export only copies what stands in the file. */
#include "dbus-service/store/journal_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum {
    QUESTIONS_MIN = 32,
    QUESTIONS_PER_CHANGE = 4,
    QUESTIONS_HELD = 512,
};

static void order_end(struct work_order *order, enum log_outcome outcome, uint64_t revision,
                      const char *text)
{
    const struct work_order ended = *order;

    *order = (struct work_order){ 0 };
    if (ended.done)
        ended.done(ended.userdata, outcome, revision, text);
}

static bool order_waits(const struct work_order *order)
{
    return order->done && !order->begun;
}

static bool is_compacting(const struct log *log)
{
    return log->background && log->background->run == background_compact;
}

static bool is_walking(const struct log *log)
{
    return log->background && log->background->run == background_walk_out;
}

/* ---- compaction: when ----------------------------------------------------------------------- */

/* The file has `tenths` tenths of the live bytes. */
static bool file_exceeds(const struct log *log, uint64_t tenths)
{
    return log->offset > log->options.compact_min &&
           log->offset / tenths > view_live_bytes(log->view) / 10;
}

/* From 1.6 times the live bytes on, so that what is appended meanwhile stays below 2.5. */
static bool compaction_is_due(const struct log *log)
{
    return log->offset > log->compact_after && file_exceeds(log, 16);
}

/* A walk that rewrites all there is doubles the file: it comes to its end before it is interrupted,
 * unless there was much to drop before. */
static bool compaction_is_urgent(const struct log *log)
{
    return log->offset > log->compact_after && file_exceeds(log, 22);
}

/* The journal goes on growing meanwhile. */
static void compact_failed(struct log *log, const char *text)
{
    log->compact_after = log->offset + log->offset / 4;
    log_event_send(log, LOG_EVENT_COMPACTION_FAILED, text);
}

/* ---- beginning ------------------------------------------------------------------------------ */

static int background_begin(struct log *log, void (*run)(struct background *background))
{
    view_check_begin(log->view);
    log->verify_changes = 0;
    return background_start(&log->options, &log->writer, &log->walk_options, run, log_notify, log,
                            &log->background);
}

void work_verify(struct log *log)
{
    /* It is tried again at the next start. */
    if (background_begin(log, background_verify) < 0)
        log->background = NULL;
}

/* A compaction that is overtaken by appends is waited for, so that the file, with the commit under way
 * and the zeros written ahead, stays below 2.5 times the live bytes. */
static void compaction_begin(struct log *log)
{
    uint64_t live = view_live_bytes(log->view), minimum = log->options.compact_min;
    int r;

    log->hold_at = 2 * (live > minimum ? live : minimum);
    if (log->hold_at < log->offset + live / 5)
        log->hold_at = log->offset + live / 5;
    log->compact.begun = log->compact.done != NULL;
    r = background_begin(log, background_compact);
    if (r == 0)
        return;
    log_notify(log); /* what waited for it */
    compact_failed(log, strerrordesc_np(-r));
    if (log->compact.begun)
        order_end(&log->compact, LOG_FAILED, 0, strerrordesc_np(-r));
}

static void walk_begin(struct log *log)
{
    int r;

    log->walk.begun = true;
    log->walk_overtaken = false;
    r = background_begin(log, background_walk_out);
    if (r < 0)
        order_end(&log->walk, LOG_FAILED, 0, strerrordesc_np(-r));
}

static void export_task_run(struct log *log)
{
    export_run(&log->export_job);
}

static void export_begin(struct log *log)
{
    struct export *export = &log->export_job;
    struct writer_file file;
    int r;

    writer_position(&log->writer, &file);
    log->export.begun = true;
    export->hash = &log->options.hash;
    export->limit = file.offset;
    export->head = file.head;
    atomic_store(&export->progress.total, 2 * export->limit);
    export->source_fd = fcntl(file.fd, F_DUPFD_CLOEXEC, 0);
    r = export->source_fd < 0 ? -errno : task_start(&log->export_task, log, export_task_run);
    if (r == 0)
        return;
    export_deinit(export);
    order_end(&log->export, LOG_FAILED, 0, strerrordesc_np(-r));
}

static bool can_compact(const struct log *log)
{
    return !log->read_only && !log->view_bad && log->head.revision > 0;
}

/* What waits and can never begin. */
static void refuse_orders(struct log *log)
{
    static const char gone[] = "the log is being closed", broken[] = "the view is damaged: restart",
                      closed[] = "nothing can be written any more: restart";
    bool stopping = log->state != STATE_RUNNING;

    if (order_waits(&log->walk) && (stopping || log->view_bad || log->walk.canceled))
        order_end(&log->walk, stopping || log->walk.canceled ? LOG_CANCELED : LOG_FAILED, 0,
                  log->walk.canceled ? "" : stopping ? gone : broken);
    if (order_waits(&log->compact) && log->head.revision == 0 && !stopping)
        order_end(&log->compact, LOG_DONE, 0, "");
    if (order_waits(&log->compact) && (stopping || !can_compact(log)))
        order_end(&log->compact, stopping ? LOG_CANCELED : LOG_FAILED, 0,
                  stopping ? gone : log->view_bad ? broken : closed);
    if (order_waits(&log->export) && (stopping || log->export.canceled)) {
        export_deinit(&log->export_job);
        order_end(&log->export, LOG_CANCELED, 0, stopping ? gone : "");
    }
}

/* Superseded and deleted records do not leave the service with an export, if that can be helped; a
 * compaction that fails is no reason for the export to fail. */
static bool export_wants_compaction(const struct log *log)
{
    return order_waits(&log->export) && !log->export.prepared && !is_walking(log);
}

static void begin_next(struct log *log)
{
    bool wanted;

    refuse_orders(log);
    if (log->state != STATE_RUNNING)
        return;
    wanted = can_compact(log) && export_wants_compaction(log);
    if (order_waits(&log->export) && !wanted && !is_compacting(log))
        export_begin(log);
    if (log->background || log->view_bad)
        return;
    if (can_compact(log) && (wanted || log->compact.done || compaction_is_due(log))) {
        log->export.prepared = wanted;
        compaction_begin(log);
    } else if (order_waits(&log->walk)) {
        walk_begin(log);
    }
}

/* ---- under way ------------------------------------------------------------------------------ */

static void hold_appends(struct log *log)
{
    bool overtaken = is_compacting(log) && !log->view_bad && log->offset > log->hold_at;

    if (overtaken == log->held)
        return;
    log->held = overtaken;
    writer_hold(&log->writer, overtaken);
}

static void interrupt_walk(struct log *log)
{
    if (!is_walking(log) || log->walk_overtaken || !can_compact(log) || !compaction_is_urgent(log))
        return;
    log->walk_overtaken = true;
    question_abort(&log->background->question);
}

/* So many a turn that others hardly wait; when a turn was long because of appends, as many more as
 * it takes for a compaction to be faster than they are, or for a walk over the view to keep up. */
static void answer_questions(struct log *log)
{
    struct view *view = log->view_bad ? NULL : log->view;
    size_t each = is_walking(log) && log->walk_options.in_view_order ? 1 : QUESTIONS_PER_CHANGE;
    size_t budget = log->held ? QUESTIONS_HELD : QUESTIONS_MIN + each * log->applied;

    log->applied = 0;
    if (log->background && question_answer(&log->background->question, view, budget))
        log_notify(log);
}

/* ---- ended ---------------------------------------------------------------------------------- */

static void verify_ended(struct log *log, const struct background *background)
{
    if (background->result != BACKGROUND_DONE)
        return;
    if (view_check_end(log->view, log->verify_changes))
        log_event_send(log, LOG_EVENT_VERIFIED, "");
    else
        view_fail(log, "view: holds other records than the journal");
}

static void compact_ended(struct log *log, const struct background *background)
{
    bool done = background->result == BACKGROUND_DONE;
    bool canceled = background->result == BACKGROUND_CANCELED;
    enum log_outcome outcome = done ? LOG_DONE : canceled ? LOG_CANCELED : LOG_FAILED;
    struct writer_file file;

    /* It may have switched after the appends of this turn were collected. */
    writer_position(&log->writer, &file);
    log->offset = file.offset;
    if (background->result == BACKGROUND_FAILED)
        compact_failed(log, background->text);
    /* The view still holds tombstones that the new file lacks: it is not kept. */
    if (canceled && background->switched)
        log->view_bad = true;
    if (done || (canceled && background->switched)) {
        log->compact_after = 0;
        log_event_send(log, LOG_EVENT_COMPACTED, "");
        anchor_begin(log);
    }
    /* A journal that became read-only meanwhile gives up, too: nobody asked for that. */
    if (canceled && log->state == STATE_RUNNING)
        outcome = LOG_FAILED;
    if (log->compact.begun)
        order_end(&log->compact, outcome, done ? background->head.revision : 0, background->text);
}

static void walk_ended(struct log *log, const struct background *background)
{
    static const enum log_outcome outcomes[] = {
        [BACKGROUND_DONE] = LOG_DONE,       [BACKGROUND_CANCELED] = LOG_CANCELED,
        [BACKGROUND_FAILED] = LOG_FAILED,   [BACKGROUND_DAMAGED] = LOG_DAMAGED,
        [BACKGROUND_MISMATCH] = LOG_FAILED,
    };
    enum log_outcome outcome = outcomes[background->result];

    if (outcome == LOG_CANCELED && log->walk_overtaken && !log->walk.canceled)
        outcome = LOG_CONFLICT;
    order_end(&log->walk, outcome, outcome == LOG_DONE ? background->head.revision : 0,
              background->text);
}

static void background_end(struct log *log)
{
    struct background *background = log->background;

    if (!background || !atomic_load(&background->ended))
        return;
    log->background = NULL;
    if (background->result == BACKGROUND_DAMAGED) {
        log->compact_after = UINT64_MAX;
        log_event_send(log, LOG_EVENT_DAMAGED, background->text);
    }
    if (background->result == BACKGROUND_MISMATCH)
        view_fail(log, background->text);
    if (background->run == background_verify)
        verify_ended(log, background);
    else if (background->run == background_compact)
        compact_ended(log, background);
    else
        walk_ended(log, background);
    background_free(background);
}

static void export_end(struct log *log)
{
    struct export *export = &log->export_job;

    if (!task_collect(&log->export_task))
        return;
    order_end(&log->export, export->outcome,
              export->outcome == LOG_DONE ? export->head.revision : 0, export->text);
}

void work_turn(struct log *log)
{
    answer_questions(log);
    interrupt_walk(log);
    background_end(log);
    export_end(log);
    begin_next(log);
    if (log->state == STATE_RUNNING)
        hold_appends(log);
}

void work_stop(struct log *log)
{
    if (log->background)
        question_abort(&log->background->question);
    atomic_store(&log->export_job.canceled, true);
}

bool work_is_idle(const struct log *log)
{
    return !log->background && !log->export_task.running;
}

/* ---- orders --------------------------------------------------------------------------------- */

static int order_take(struct log *log, struct work_order *order, log_work_done done, void *userdata)
{
    if (log->state != STATE_RUNNING)
        return -EIO;
    if (order->done)
        return -EBUSY;
    *order = (struct work_order){ .done = done, .userdata = userdata };
    log_notify(log);
    return 0;
}

int log_walk(struct log *log, const struct log_walk_options *options)
{
    int r = order_take(log, &log->walk, options->done, options->userdata);

    if (r == 0)
        log->walk_options = *options;
    return r;
}

void log_walk_progress(const struct log *log, uint64_t *ret_done, uint64_t *ret_total)
{
    bool walking = is_walking(log);

    *ret_done = walking ? atomic_load(&log->background->done) : 0;
    *ret_total = walking ? log->background->limit : 0;
}

void log_walk_cancel(struct log *log)
{
    if (!log->walk.done)
        return;
    log->walk.canceled = true;
    if (is_walking(log))
        question_abort(&log->background->question);
    else
        log_notify(log);
}

int log_compact(struct log *log, log_work_done done, void *userdata)
{
    return order_take(log, &log->compact, done, userdata);
}

int log_export(struct log *log, int fd, log_work_done done, void *userdata)
{
    int r = order_take(log, &log->export, done, userdata);

    if (r < 0)
        return r;
    log->export_job = (struct export){ .source_fd = -1, .fd = fcntl(fd, F_DUPFD_CLOEXEC, 0) };
    if (log->export_job.fd >= 0)
        return 0;
    log->export = (struct work_order){ 0 };
    return -errno;
}

void log_export_progress(const struct log *log, uint64_t *ret_done, uint64_t *ret_total)
{
    const struct work_order *order = &log->export;
    const struct export *export = &log->export_job;
    bool compacting = order_waits(order) && is_compacting(log);
    uint64_t compacted = order->prepared ? export->limit : 0; /* as many bytes again */

    *ret_done = order->begun ? atomic_load(&export->progress.done) + compacted : 0;
    *ret_total = order->begun ? atomic_load(&export->progress.total) + compacted : 0;
    if (!compacting)
        return;
    *ret_done = atomic_load(&log->background->done);
    *ret_total = 3 * log->background->limit;
}

void log_export_cancel(struct log *log)
{
    if (!log->export.done)
        return;
    log->export.canceled = true;
    atomic_store(&log->export_job.canceled, true);
    log_notify(log);
}

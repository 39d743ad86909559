/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/store/journal_internal.h"

#include "dbus-service/store/thread.h"

#include <errno.h>
#include <string.h>

enum {
    ANCHOR_INTERVAL = 10 * 1000, /* milliseconds */
    COMPACT_MIN_DEFAULT = 16 * 1024 * 1024,
};

void log_notify(void *userdata)
{
    struct log *log = userdata;

    uv_async_send(&log->async);
}

void log_event_send(struct log *log, enum log_event event, const char *text)
{
    if (log->options.events.event)
        log->options.events.event(log->options.events.userdata, event, text);
}

/* ---- tasks ---------------------------------------------------------------------------------- */

static void *task_main(void *userdata)
{
    struct task *task = userdata;

    task->run(task->log);
    atomic_store(&task->ended, true);
    log_notify(task->log);
    return NULL;
}

int task_start(struct task *task, struct log *log, void (*run)(struct log *log))
{
    int r;

    task->log = log;
    task->run = run;
    atomic_store(&task->ended, false);
    r = thread_start(&task->thread, "journal-task", task_main, task);
    task->running = r == 0;
    return r;
}

bool task_collect(struct task *task)
{
    if (!task->running || !atomic_load(&task->ended))
        return false;
    pthread_join(task->thread, NULL);
    task->running = false;
    return true;
}

/* ---- the anchor ----------------------------------------------------------------------------- */

static bool anchor_is_due(const struct log *log)
{
    return log->anchor_path && log->head.revision > 0 &&
           (!log->anchored || memcmp(&log->anchor.head, &log->head, sizeof(log->head)) != 0);
}

static void anchor_run(struct log *log)
{
    log->anchor_result = anchor_put(log->anchor_path, &log->options.hash, &log->anchor);
}

void anchor_begin(struct log *log)
{
    if (log->anchor_task.running || !anchor_is_due(log))
        return;
    memcpy(log->anchor.realm, log->options.realm, sizeof(log->anchor.realm));
    log->anchor.head = log->head;
    log->anchored = false;
    /* Without a thread it is tried again at the next tick. */
    if (task_start(&log->anchor_task, log, anchor_run) < 0)
        log->anchor_task.running = false;
}

static void anchor_end(struct log *log)
{
    bool failed;

    if (!task_collect(&log->anchor_task))
        return;
    log->anchored = log->anchor_result == 0;
    failed = log->anchor_result < 0;
    if (failed && !log->anchor_failed) {
        char text[512];

        snprintf(text, sizeof(text), "cannot write the anchor '%s': %s", log->anchor_path,
                 strerrordesc_np(-log->anchor_result));
        log_event_send(log, LOG_EVENT_ANCHOR_FAILED, text);
    }
    log->anchor_failed = failed;
}

/* The end of one turn of the loop: all that was appended in it shares a commit. The loop has nothing
 * left to do, so nobody waits longer for it, and the journal's thread does not take the processor
 * away from it for a sync per append. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct log *log = prepare->data;

    uv_prepare_stop(prepare);
    writer_wake(&log->writer);
}

static void on_timer(uv_timer_t *timer)
{
    anchor_begin(timer->data);
}

/* ---- the view ------------------------------------------------------------------------------- */

void view_fail(struct log *log, const char *text)
{
    if (log->view_bad)
        return;
    log->view_bad = true;
    log_event_send(log, LOG_EVENT_VIEW_DAMAGED, text);
}

/* For every result of the view: damage is not to be kept. */
static int view_checked(struct log *log, int result)
{
    if (result == -EBADMSG)
        view_fail(log, "view: damaged");
    return result;
}

static int apply_change(void *userdata, const struct frame_change *change)
{
    struct log *log = userdata;
    struct view_held held;
    bool known;
    int r;

    known = pending_del(&log->pending, &change->key, change->revision, &held);
    log->verify_changes++;
    log->applied++;
    if (log->view_bad)
        return 0;
    r = view_apply_held(log->view, change->revision, &change->key, change->record, change->size,
                        known ? &held : NULL);
    if (r != VIEW_DONE)
        view_fail(log, "view: cannot be written");
    return 0;
}

static void apply_finished(struct log *log, const struct writer_list *finished)
{
    for (const struct writer_append *append = finished->first; append; append = append->next) {
        int r;

        if (append->outcome != LOG_DONE)
            continue;
        r = frame_append_walk(append->bytes, append->size, append->revision, apply_change, log);
        if (r < 0)
            view_fail(log, "view: cannot be written");
    }
}

/* ---- appends -------------------------------------------------------------------------------- */

static bool keys_equal(const struct record_key *a, const struct record_key *b)
{
    return a->name_length == b->name_length && a->class == b->class &&
           memcmp(a->name, b->name, a->name_length) == 0 &&
           memcmp(a->scope, b->scope, sizeof(a->scope)) == 0;
}

static bool key_is_valid(const struct record_key *key)
{
    return key->class >= 1 && key->class <= RECORD_CLASS_MAX && key->name_length <= RECORD_NAME_MAX;
}

/* What is found out about an append before it is queued. */
struct judgement {
    struct record_state conditions[LOG_CONDITIONS_MAX], changes[LOG_CHANGES_MAX];
    struct record_header headers[LOG_CHANGES_MAX]; /* of the changes */
    bool left_out[LOG_CHANGES_MAX]; /* of an append that leaves out what was changed */
    size_t left_out_count;
};

static int check_form(const struct log_append *append, struct judgement *judgement)
{
    for (size_t i = 0; i < append->changes_count; i++) {
        const struct log_change *change = &append->changes[i];

        if (!key_is_valid(&change->key) ||
            record_header_parse(change->record, change->size, &judgement->headers[i]) < 0)
            return -EINVAL;
    }
    if (append->leave_out_changed && append->conditions_count != append->changes_count)
        return -EINVAL;
    for (size_t i = 0; i < append->conditions_count; i++) {
        const struct record_key *key = &append->conditions[i].key;

        if (!key_is_valid(key) ||
            (append->leave_out_changed && !keys_equal(key, &append->changes[i].key)))
            return -EINVAL;
    }
    return 0;
}

static int check_limits(const struct log_append *append)
{
    size_t total = 0;

    if (append->changes_count == 0)
        return -EINVAL;
    if (append->changes_count > LOG_CHANGES_MAX || append->conditions_count > LOG_CONDITIONS_MAX)
        return LOG_TOO_LARGE;
    for (size_t i = 0; i < append->changes_count; i++) {
        const struct log_change *change = &append->changes[i];

        if (change->size > RECORD_SIZE_MAX)
            return LOG_TOO_LARGE;
        total += 1u + RECORD_SCOPE_SIZE + change->key.name_length + change->size;
    }
    return total > LOG_APPEND_MAX ? LOG_TOO_LARGE : 0;
}

/* The newest record of a key after all that is under way. 0 or -errno. */
static int newest_state(struct log *log, const struct record_key *key,
                        struct record_state *ret_state)
{
    struct log_record held = { 0 };
    struct record_header header;
    int r;

    if (pending_get(&log->pending, key, ret_state)) {
        ret_state->held = (struct view_held){ 0 }; /* another change comes before */
        return 0;
    }
    *ret_state = (struct record_state){ 0 };
    r = view_checked(log, view_find(log->view, key, &held, &ret_state->held));
    if (r <= 0)
        return r;
    header = ret_state->held.header;
    ret_state->revision = held.revision;
    ret_state->version = header.version;
    ret_state->tombstone = header.kind == RECORD_TOMBSTONE;
    return 0;
}

static bool is_left_out(const struct log_append *append, const struct judgement *judgement, size_t i)
{
    return append->leave_out_changed && judgement->left_out[i];
}

static bool condition_holds(const struct log_condition *condition, const struct record_state *state)
{
    return condition->revision == 0 ? state->revision == 0 || state->tombstone
                                    : condition->revision == state->revision;
}

static int judge_conditions(struct log *log, const struct log_append *append,
                            struct judgement *judgement)
{
    for (size_t i = 0; i < append->conditions_count; i++) {
        const struct log_condition *condition = &append->conditions[i];
        int r = newest_state(log, &condition->key, &judgement->conditions[i]);
        bool changed;

        if (r < 0)
            return r;
        changed = !condition_holds(condition, &judgement->conditions[i]);
        if (changed && !append->leave_out_changed)
            return LOG_CONFLICT;
        if (append->leave_out_changed)
            judgement->left_out[i] = changed;
        judgement->left_out_count += changed;
    }
    if (append->leave_out_changed && append->ret_left_out)
        memcpy(append->ret_left_out, judgement->left_out,
               append->changes_count * sizeof(*append->ret_left_out));
    return judgement->left_out_count && judgement->left_out_count == append->changes_count
               ? LOG_CONFLICT
               : 0;
}

/* Most keys that are written were looked up for a condition, the one at the same place as a rule. */
static int known_state(struct log *log, const struct log_append *append, size_t change,
                       struct judgement *judgement)
{
    const struct record_key *key = &append->changes[change].key;

    for (size_t i = 0; i < append->conditions_count; i++) {
        size_t at = (change + i) % append->conditions_count;

        if (keys_equal(&append->conditions[at].key, key)) {
            judgement->changes[change] = judgement->conditions[at];
            return 0;
        }
    }
    return newest_state(log, key, &judgement->changes[change]);
}

/* A version not above the newest was decided on an older record, whatever the conditions say. */
static int judge_versions(struct log *log, const struct log_append *append,
                          struct judgement *judgement)
{
    for (size_t i = 0; i < append->changes_count; i++) {
        const struct record_state *state = &judgement->changes[i];
        int r = known_state(log, append, i, judgement);

        if (r < 0)
            return r;
        if (!is_left_out(append, judgement, i) && state->revision != 0 &&
            judgement->headers[i].version <= state->version)
            return LOG_CONFLICT;
    }
    return 0;
}

static int judge(struct log *log, const struct log_append *append, struct judgement *judgement)
{
    int r;

    judgement->left_out_count = 0;
    r = judge_conditions(log, append, judgement);
    return r == 0 ? judge_versions(log, append, judgement) : r;
}

/* The states that pending_put() writes over, to take an append back. */
struct undo {
    bool had;
    struct record_state state;
};

static void pending_undo(struct log *log, const struct log_append *append,
                         const struct undo *undo, size_t count)
{
    while (count--) {
        const struct record_key *key = &append->changes[count].key;

        /* A key that is there already needs no memory. */
        struct view_held held;

        if (!undo[count].had || pending_put(&log->pending, key, &undo[count].state, NULL) < 0)
            (void)pending_del(&log->pending, key, log->next_revision, &held);
    }
}

/* 0; -EINVAL: the same key twice; -ENOMEM. */
static int pending_put_all(struct log *log, const struct log_append *append,
                           const struct judgement *judgement, struct undo *undo)
{
    for (size_t i = 0; i < append->changes_count; i++) {
        const struct record_header *header = &judgement->headers[i];
        const struct record_state state = { .revision = log->next_revision,
                                            .version = header->version,
                                            .tombstone = header->kind == RECORD_TOMBSTONE,
                                            .held = judgement->changes[i].held };
        int r = pending_put(&log->pending, &append->changes[i].key, &state, &undo[i].state);
        bool twice = r > 0 && undo[i].state.revision == log->next_revision;

        undo[i].had = r > 0;
        if (r < 0 || twice) {
            pending_undo(log, append, undo, twice ? i + 1 : i);
            return twice ? -EINVAL : r;
        }
    }
    return 0;
}

static int queue_append(struct log *log, const struct log_append *append,
                        const struct judgement *judgement, log_append_done done, void *userdata)
{
    size_t size = frame_append_size(append);
    CLEANUP_FREE struct writer_append *queued = malloc(sizeof(*queued) + size);
    struct undo undo[LOG_CHANGES_MAX];
    int r;

    if (!queued)
        return LOG_FAILED;
    *queued = (struct writer_append){
        .revision = log->next_revision, .done = done, .userdata = userdata, .size = size
    };
    frame_append_format(append, queued->bytes, size);
    r = pending_put_all(log, append, judgement, undo);
    if (r < 0)
        return r == -EINVAL ? r : LOG_FAILED;
    if (!writer_queue(&log->writer, queued)) {
        pending_undo(log, append, undo, append->changes_count);
        return LOG_FAILED;
    }
    (void)STEAL(queued);
    log->next_revision++;
    uv_prepare_start(&log->prepare, on_prepare);
    return LOG_DONE;
}

/* Without what was left out. */
static int queue_rest(struct log *log, const struct log_append *append,
                      struct judgement *judgement, log_append_done done, void *userdata)
{
    struct log_change changes[LOG_CHANGES_MAX];
    struct log_append rest = *append;

    rest.changes = changes;
    rest.changes_count = 0;
    for (size_t i = 0; i < append->changes_count; i++) {
        if (judgement->left_out[i])
            continue;
        judgement->changes[rest.changes_count] = judgement->changes[i];
        judgement->headers[rest.changes_count] = judgement->headers[i];
        changes[rest.changes_count++] = append->changes[i];
    }
    return queue_append(log, &rest, judgement, done, userdata);
}

int log_append(struct log *log, const struct log_append *append, log_append_done done,
               void *userdata)
{
    struct judgement judgement;
    int r;

    if (log->read_only)
        return LOG_READ_ONLY;
    if (log->state != STATE_RUNNING || log->view_bad)
        return LOG_FAILED;
    r = check_limits(append);
    if (r == 0)
        r = check_form(append, &judgement);
    if (r != 0)
        return r;
    r = judge(log, append, &judgement);
    if (r != 0)
        return r;
    return judgement.left_out_count ? queue_rest(log, append, &judgement, done, userdata)
                                    : queue_append(log, append, &judgement, done, userdata);
}

static void call_done(struct writer_list *finished)
{
    while (finished->first) {
        struct writer_append *append = finished->first;

        finished->first = append->next;
        append->done(append->userdata, append->outcome,
                     append->outcome == LOG_DONE ? append->revision : 0);
        free(append);
    }
}

/* What was numbered after the head never came to be. */
static void void_pending(struct log *log)
{
    pending_deinit(&log->pending);
    log->next_revision = log->head.revision + 1;
}

static bool collect_appends(struct log *log)
{
    struct writer_report report;

    writer_collect(&log->writer, &report);
    apply_finished(log, &report.finished);
    log->head = report.head;
    log->offset = report.offset;
    if (report.failed || report.read_only)
        void_pending(log);
    if (report.read_only && !log->read_only) {
        log->read_only = true;
        log_event_send(log, LOG_EVENT_READ_ONLY, report.text);
    }
    call_done(&report.finished);
    return report.ended;
}

/* ---- closing -------------------------------------------------------------------------------- */

static void log_free(struct log *log)
{
    pending_deinit(&log->pending);
    free(log->anchor_path);
    free(log);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct log *log = handle->data;
    void (*done)(void *userdata) = log->close_done;
    void *userdata = log->close_userdata;

    if (--log->handles > 0)
        return;
    log_free(log);
    if (done)
        done(userdata);
}

/* Any of libuv's handle types. */
static void close_handle(void *handle)
{
    uv_close(handle, on_handle_closed);
}

static void close_handles(struct log *log)
{
    log->state = STATE_CLOSING;
    close_handle(&log->async);
    close_handle(&log->timer);
    close_handle(&log->prepare);
}

/* On a thread: a sync of the view may take its time. */
static void close_files(struct log *log)
{
    const struct view_position position = { log->head, log->offset };

    if (anchor_is_due(log)) {
        memcpy(log->anchor.realm, log->options.realm, sizeof(log->anchor.realm));
        log->anchor.head = log->head;
        anchor_run(log);
    }
    /* A view that cannot be kept is rebuilt at the next start, which says so. */
    if (log->view_bad)
        view_discard(STEAL(log->view));
    else if (view_close(STEAL(log->view), &position) < 0)
        log->view_bad = true;
    close(log->writer.file.fd);
    close(log->lock_fd);
}

static void close_when_idle(struct log *log, bool writer_ended)
{
    if (!writer_ended || !work_is_idle(log) || log->anchor_task.running || log->close_task.running)
        return;
    log->anchor_result = 0;
    writer_deinit(&log->writer);
    if (task_start(&log->close_task, log, close_files) < 0) {
        close_files(log);
        close_handles(log);
    }
}

void log_close(struct log *log, void (*done)(void *userdata), void *userdata)
{
    if (!log || log->state != STATE_RUNNING)
        return;
    log->state = STATE_STOPPING;
    log->close_done = done;
    log->close_userdata = userdata;
    uv_timer_stop(&log->timer);
    work_stop(log);
    writer_stop(&log->writer);
    log_notify(log);
}

/* ---- opening -------------------------------------------------------------------------------- */

static void start_run(struct log *log)
{
    journal_start_run(&log->start);
}

static void report_progress(struct log *log)
{
    uint64_t total = atomic_load(&log->start.total);

    if (total && log->options.events.progress &&
        !log->options.events.progress(log->options.events.userdata,
                                      atomic_load(&log->start.done), total))
        atomic_store(&log->start.given_up, true);
}

static void report_start(struct log *log)
{
    char text[64];

    if (log->start.torn_offset) {
        snprintf(text, sizeof(text), "journal: cut off at byte %llu",
                 (unsigned long long)log->start.torn_offset);
        log_event_send(log, LOG_EVENT_TORN_TAIL, text);
    }
    if (log->start.rebuilt)
        log_event_send(log, LOG_EVENT_VIEW_REBUILT, "");
}

/* What a start refused leaves nothing behind but the log itself. */
static void start_refuse(struct log *log, enum log_outcome outcome, const char *text)
{
    log->open_done(log->open_userdata, outcome, NULL, text);
    close_handles(log);
}

static void start_take_over(struct log *log)
{
    struct journal_start *start = &log->start;

    log->view = STEAL(start->view);
    log->lock_fd = start->lock_fd;
    log->head = start->file.head;
    log->offset = start->file.offset;
    log->next_revision = log->head.revision + 1;
    log->anchored = start->anchored;
    log->anchor = start->anchor;
}

static void start_end(struct log *log)
{
    struct journal_start *start = &log->start;
    int r;

    report_progress(log);
    if (!task_collect(&log->start_task))
        return;
    if (start->outcome != LOG_DONE) {
        start_refuse(log, start->outcome, start->text);
        return;
    }
    start_take_over(log);
    log->writer.hash = &log->options.hash;
    log->writer.notify = log_notify;
    log->writer.userdata = log;
    r = writer_start(&log->writer, &start->file);
    if (r < 0) {
        view_discard(STEAL(log->view));
        close(start->file.fd);
        close(log->lock_fd);
        start_refuse(log, LOG_FAILED, "cannot start the journal's thread");
        return;
    }
    log->state = STATE_RUNNING;
    uv_timer_start(&log->timer, on_timer, ANCHOR_INTERVAL, ANCHOR_INTERVAL);
    log->open_done(log->open_userdata, LOG_DONE, log, "");
    report_start(log);
    if (log->state != STATE_RUNNING)
        return;
    if (!start->rebuilt && log->head.revision > 0)
        work_verify(log);
    work_turn(log);
}

static void on_async(uv_async_t *async)
{
    struct log *log = async->data;
    bool writer_ended;

    if (log->state == STATE_STARTING) {
        start_end(log);
        return;
    }
    if (log->close_task.running) {
        if (task_collect(&log->close_task))
            close_handles(log);
        return;
    }
    if (log->state == STATE_CLOSING)
        return;
    writer_ended = collect_appends(log);
    work_turn(log);
    anchor_end(log);
    if (log->state == STATE_STOPPING)
        close_when_idle(log, writer_ended);
}

/* The handles are open after success; log->handles says how many. */
static int open_handles(struct log *log, uv_loop_t *loop)
{
    int r;

    r = uv_timer_init(loop, &log->timer);
    if (r < 0)
        return r;
    log->timer.data = log;
    log->handles++;
    r = uv_prepare_init(loop, &log->prepare);
    if (r < 0)
        return r;
    log->prepare.data = log;
    log->handles++;
    r = uv_async_init(loop, &log->async, on_async);
    if (r < 0)
        return r;
    log->async.data = log;
    log->handles++;
    return 0;
}

static void abandon(struct log *log)
{
    if (log->handles == 0) {
        log_free(log);
        return;
    }
    log->state = STATE_CLOSING;
    if (log->handles > 2)
        close_handle(&log->async);
    if (log->handles > 1)
        close_handle(&log->prepare);
    close_handle(&log->timer);
}

static int begin(struct log *log)
{
    int r;

    r = open_handles(log, log->options.loop);
    if (r < 0)
        return r;
    log->start.options = &log->options;
    log->start.notify = log_notify;
    log->start.userdata = log;
    return task_start(&log->start_task, log, start_run);
}

int journal_open(const struct journal_options *options, journal_open_done done, void *userdata)
{
    struct log *log = calloc(1, sizeof(*log));
    int r;

    if (!log)
        return -ENOMEM;
    log->options = *options;
    if (!log->options.compact_min)
        log->options.compact_min = COMPACT_MIN_DEFAULT;
    log->open_done = done;
    log->open_userdata = userdata;
    log->anchor_path = options->anchor_path ? strdup(options->anchor_path) : NULL;
    log->options.anchor_path = log->anchor_path;
    r = options->anchor_path && !log->anchor_path ? -ENOMEM : begin(log);
    if (r < 0)
        abandon(log);
    return r;
}

/* ---- reading -------------------------------------------------------------------------------- */

void log_head(const struct log *log, struct log_head *ret_head)
{
    *ret_head = log->head;
}

int log_get(struct log *log, const struct record_key *key, struct log_record *ret_record)
{
    if (!log->view || log->view_bad)
        return -EBADMSG;
    return view_checked(log, view_get(log->view, key, ret_record));
}

int log_list(struct log *log, uint8_t class, const uint8_t scope[RECORD_SCOPE_SIZE],
             uint64_t *cursor, size_t limit, log_list_each each, void *userdata)
{
    if (!log->view || log->view_bad)
        return -EBADMSG;
    return view_checked(log, view_list(log->view, class, scope, cursor, limit, each, userdata));
}

uint64_t log_count(struct log *log, uint8_t class, const uint8_t scope[RECORD_SCOPE_SIZE])
{
    return log->view ? view_count(log->view, class, scope) : 0;
}

uint64_t log_census(struct log *log, uint8_t class, uint32_t generation)
{
    return log->view ? view_census(log->view, class, generation) : 0;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/rotation_pass.h"

#include <errno.h>
#include <string.h>

enum {
    BATCHES = 8,              /* being filled, waiting, or appended */
    BATCH_BYTES_FAST = LOG_APPEND_MAX / 4, /* one more record may be as large as RECORD_SIZE_MAX */
    BATCH_BYTES_GENTLE = 32 * 1024,
    BATCHES_PER_SECOND = 1000, /* when throttled: short turns of the loop */
    COST_BYTES = 4096,        /* a larger record counts as several */
    BEHIND_NS = 50 * 1000 * 1000, /* what a throttled pass may catch up */
};

struct batch {
    struct rotation_pass *pass;
    struct log_change changes[LOG_CHANGES_MAX]; /* `record` of each is ours */
    struct log_condition conditions[LOG_CHANGES_MAX];
    bool left_out[LOG_CHANGES_MAX];
    size_t count;
    size_t bytes;
    struct batch *next;
};

struct rotation_pass {
    struct pass_options options;
    struct keyring *keyring; /* ours: workers outlive what the realm holds */
    uint32_t active;
    uv_async_t async;
    atomic_bool canceled;
    atomic_uint rate;
    atomic_uint_fast64_t records; /* sealed anew or proven */
    atomic_uint_fast64_t passed;  /* had been changed meanwhile */
    uint64_t due;           /* of the thread: when the next record may come, uv_hrtime() */
    struct batch *filling;  /* of the thread, and of the loop when the walk has ended */
    struct pass_result result; /* of the thread until then, but for failure */
    bool walk_ended;
    bool told;
    size_t under_way;       /* batches on the loop */
    uv_mutex_t mutex;       /* of the rest */
    uv_cond_t changed;
    struct batch *idle;
    struct batch *ready;    /* in the order in which they were filled */
    struct batch **ready_last;
    struct batch batches[BATCHES];
};

/* ---- On the thread ---- */

static void batch_empty(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        free((void *)(uintptr_t)batch->changes[i].record);
    batch->count = 0;
    batch->bytes = 0;
}

/* Its records go back to the thread that made them, which costs the loop nothing. */
static struct batch *take_idle(struct rotation_pass *pass)
{
    struct batch *batch;

    uv_mutex_lock(&pass->mutex);
    while (!pass->idle && !atomic_load(&pass->canceled))
        uv_cond_wait(&pass->changed, &pass->mutex);
    batch = atomic_load(&pass->canceled) ? NULL : pass->idle;
    if (batch)
        pass->idle = batch->next;
    uv_mutex_unlock(&pass->mutex);
    if (batch)
        batch_empty(batch);
    return batch;
}

static void hand_over(struct rotation_pass *pass)
{
    struct batch *batch = STEAL(pass->filling);

    batch->next = NULL;
    uv_mutex_lock(&pass->mutex);
    *pass->ready_last = batch;
    pass->ready_last = &batch->next;
    uv_mutex_unlock(&pass->mutex);
    uv_async_send(&pass->async);
}

static bool is_full(const struct rotation_pass *pass, const struct batch *batch)
{
    uint32_t rate = atomic_load(&pass->rate);
    size_t count = rate == 0 ? LOG_CHANGES_MAX : rate / BATCHES_PER_SECOND;

    return batch->count == LOG_CHANGES_MAX || batch->count >= count ||
           batch->bytes >= (rate == 0 ? BATCH_BYTES_FAST : BATCH_BYTES_GENTLE);
}

/* As many records a second as are allowed, evenly. One that was changed meanwhile, as all that were done
 * before a start, costs others a quarter of one that is stored. */
static void keep_pace(struct rotation_pass *pass, size_t size)
{
    uint32_t rate = atomic_load(&pass->rate);
    uint64_t now = uv_hrtime();

    if (rate == 0)
        return;
    pass->due += (1 + size / COST_BYTES) * UINT64_C(1000000000) / rate;
    pass->due -= atomic_exchange(&pass->passed, 0) * UINT64_C(1000000000) / rate * 3 / 4;
    if (pass->due + BEHIND_NS < now)
        pass->due = now - BEHIND_NS;
    uv_mutex_lock(&pass->mutex);
    while (!atomic_load(&pass->canceled) && atomic_load(&pass->rate) == rate &&
           (now = uv_hrtime()) < pass->due)
        (void)uv_cond_timedwait(&pass->changed, &pass->mutex, pass->due - now);
    uv_mutex_unlock(&pass->mutex);
}

static int seal_anew(struct rotation_pass *pass, const struct log_walk_record *record,
                     const struct record_header *header, const struct secret *value)
{
    struct batch *batch;
    struct log_change *change;
    uint8_t *sealed;
    int r;

    if (!pass->filling)
        pass->filling = take_idle(pass);
    if (!pass->filling)
        return -ECANCELED;
    batch = pass->filling;
    change = &batch->changes[batch->count];
    r = record_seal(pass->keyring, record->key, header->version + 1,
                    (enum record_kind)header->kind, value ? value->bytes : NULL,
                    value ? value->length : 0, &sealed, &change->size);
    if (r < 0)
        return r;
    change->key = *record->key;
    change->record = sealed;
    batch->conditions[batch->count] = (struct log_condition){
        .key = *record->key,
        .revision = record->revision,
    };
    batch->count++;
    batch->bytes += change->size;
    if (is_full(pass, batch))
        hand_over(pass);
    return 0;
}

/* RECORD_* or -errno. */
static int open_record(struct rotation_pass *pass, const struct log_walk_record *record,
                       struct record_header *ret_header, struct secret **ret_value)
{
    if (atomic_load(&pass->canceled))
        return -ECANCELED;
    return record_open(pass->keyring, record->key, record->record, record->size, ret_header,
                       ret_value);
}

/* Whether it was superseded meanwhile is found out when it is appended. What does not open is passed
 * over: it is for the proof to name. */
static int rewrite(void *userdata, const struct log_walk_record *record)
{
    struct rotation_pass *pass = userdata;
    CLEANUP_SECRET struct secret *value = NULL;
    struct record_header header;
    int r = open_record(pass, record, &header, &value);

    if (r == RECORD_OPENED || r == RECORD_IS_TOMBSTONE)
        r = seal_anew(pass, record, &header, value);
    if (r < 0)
        return r;
    keep_pace(pass, record->size);
    return 0;
}

static int prove(void *userdata, const struct log_walk_record *record)
{
    struct rotation_pass *pass = userdata;
    CLEANUP_SECRET struct secret *value = NULL;
    struct record_header header;
    int r = open_record(pass, record, &header, &value);

    if (r < 0)
        return r;
    if (record->key->class <= RECORD_CLASS_MAX)
        pass->result.by_class[record->key->class]++;
    if (r == RECORD_OPENED || r == RECORD_IS_TOMBSTONE)
        pass->result.older += header.generation != pass->active;
    else
        unreadable_add(&pass->result.unreadable, record->key, r);
    atomic_fetch_add(&pass->records, 1);
    keep_pace(pass, record->size);
    return 0;
}

/* ---- On the loop ---- */

static void batch_release(struct batch *batch)
{
    struct rotation_pass *pass = batch->pass;

    pass->under_way--;
    uv_mutex_lock(&pass->mutex);
    batch->next = pass->idle;
    pass->idle = batch;
    uv_cond_signal(&pass->changed);
    uv_mutex_unlock(&pass->mutex);
}

static void stop(struct rotation_pass *pass)
{
    struct log *log = realm_log(pass->options.realm);

    atomic_store(&pass->canceled, true);
    uv_mutex_lock(&pass->mutex);
    uv_cond_broadcast(&pass->changed);
    uv_mutex_unlock(&pass->mutex);
    if (log && !pass->walk_ended)
        log_walk_cancel(log);
}

/* The first reason stands. */
static void pass_fail(struct rotation_pass *pass, int r, const struct failure *failure)
{
    struct failure *result = &pass->result.failure;

    if (result->code == ERROR_NONE) {
        if (r < 0)
            failure_from_errno(result, r, "cannot store records anew");
        else
            *result = *failure;
    }
    stop(pass);
}

static void tell_end(struct rotation_pass *pass)
{
    if (!pass->walk_ended || pass->under_way > 0 || pass->told)
        return;
    pass->told = true;
    pass->options.done(pass->options.userdata, &pass->result);
}

/* Of an application there is a copy in memory that names the record's revision. */
static void stored(struct rotation_pass *pass, const struct log_change *change, uint64_t revision)
{
    if (change->key.class == RECORD_APPLICATION)
        application_set_rewritten(pass->options.applications, change->key.name, revision);
}

/* What was changed meanwhile is of the new generation already. */
static void batch_ended(struct batch *batch, size_t count)
{
    struct rotation_pass *pass = batch->pass;

    atomic_fetch_add(&pass->records, count);
    atomic_fetch_add(&pass->passed, batch->count - count);
    batch_release(batch);
    if (count > 0)
        pass->options.rewritten(pass->options.userdata, count);
}

static void on_batch(void *userdata, const struct failure *failure, uint64_t revision)
{
    struct batch *batch = userdata;
    struct rotation_pass *pass = batch->pass;
    size_t count = 0;

    if (failure->code != ERROR_NONE && failure->code != ERROR_CONFLICT)
        pass_fail(pass, 0, failure);
    for (size_t i = 0; failure->code == ERROR_NONE && i < batch->count; i++) {
        if (batch->left_out[i])
            continue;
        stored(pass, &batch->changes[i], revision);
        count++;
    }
    batch_ended(batch, count);
    tell_end(pass);
}

static void append(struct batch *batch)
{
    struct rotation_pass *pass = batch->pass;
    struct failure failure = {.code = ERROR_NONE};
    int r;

    pass->under_way++;
    r = realm_append_sealed(pass->options.realm, batch->changes, batch->conditions, batch->count,
                            batch->left_out, on_batch, batch, &failure);
    if (r == 0)
        return;
    if (r != ERROR_CONFLICT)
        pass_fail(pass, r, &failure);
    batch_ended(batch, 0);
}

static void on_async(uv_async_t *async)
{
    struct rotation_pass *pass = async->data;
    struct batch *batch;

    uv_mutex_lock(&pass->mutex);
    batch = STEAL(pass->ready);
    pass->ready_last = &pass->ready;
    uv_mutex_unlock(&pass->mutex);
    while (batch) {
        struct batch *next = batch->next;

        append(batch);
        batch = next;
    }
}

/* The thread has ended: what it was filling is the last. */
static void on_walked(void *userdata, enum log_outcome outcome, uint64_t revision, const char *text)
{
    struct rotation_pass *pass = userdata;
    struct failure failure;

    (void)revision;
    pass->walk_ended = true;
    on_async(&pass->async);
    if (outcome != LOG_DONE) {
        realm_failure_log(&failure, outcome, text);
        pass_fail(pass, 0, &failure);
    }
    if (pass->filling && pass->filling->count > 0 && pass->result.failure.code == ERROR_NONE)
        append(STEAL(pass->filling));
    tell_end(pass);
}

/* ---- Life ---- */

static void on_async_closed(uv_handle_t *handle)
{
    struct rotation_pass *pass = handle->data;

    uv_cond_destroy(&pass->changed);
    uv_mutex_destroy(&pass->mutex);
    free(pass);
}

void pass_free(struct rotation_pass *pass)
{
    if (!pass)
        return;
    for (size_t i = 0; i < BATCHES; i++)
        batch_empty(&pass->batches[i]);
    keyring_free(STEAL(pass->keyring));
    uv_close(loop_handle(&pass->async), on_async_closed);
}
CLEANUP_DEFINE(pass, struct rotation_pass, pass_free)

static int pass_new(const struct pass_options *options, struct rotation_pass **ret_pass)
{
    CLEANUP_FREE struct rotation_pass *pass = calloc(1, sizeof(*pass));
    int r;

    if (!pass)
        return -ENOMEM;
    pass->options = *options;
    pass->ready_last = &pass->ready;
    atomic_init(&pass->rate, options->rate);
    for (size_t i = 0; i < BATCHES; i++) {
        pass->batches[i].pass = pass;
        pass->batches[i].next = pass->idle;
        pass->idle = &pass->batches[i];
    }
    r = uv_mutex_init(&pass->mutex);
    if (r < 0)
        return r;
    r = uv_cond_init(&pass->changed);
    if (r == 0) {
        r = uv_async_init(options->loop, &pass->async, on_async);
        if (r < 0)
            uv_cond_destroy(&pass->changed);
    }
    if (r < 0) {
        uv_mutex_destroy(&pass->mutex);
        return r;
    }
    pass->async.data = pass;
    *ret_pass = STEAL(pass);
    return 0;
}

int pass_begin(const struct pass_options *options, struct rotation_pass **ret_pass,
               struct failure *failure)
{
    CLEANUP(pass_cleanup) struct rotation_pass *pass = NULL;
    bool rewrites = options->kind == PASS_REWRITE;
    struct log_walk_options walk = {.each = rewrites ? rewrite : prove, .done = on_walked};
    int r = realm_check_readable(options->realm, failure);

    if (r != 0)
        return r;
    r = pass_new(options, &pass);
    if (r < 0)
        return r;
    pass->keyring = keyring_ref(options->realm->keyring);
    pass->active = keyring_active_generation(pass->keyring);
    pass->due = uv_hrtime();
    walk.keep_generation = rewrites ? pass->active : 0;
    walk.in_view_order = rewrites;
    walk.low_priority = options->rate != 0;
    walk.userdata = pass;
    r = log_walk(realm_log(options->realm), &walk);
    if (r < 0)
        return failure_from_errno(failure, r, "cannot read the records");
    *ret_pass = STEAL(pass);
    return 0;
}

void pass_cancel(struct rotation_pass *pass)
{
    stop(pass);
}

void pass_set_rate(struct rotation_pass *pass, uint32_t rate)
{
    atomic_store(&pass->rate, rate);
    uv_mutex_lock(&pass->mutex);
    uv_cond_broadcast(&pass->changed);
    uv_mutex_unlock(&pass->mutex);
}

uint64_t pass_records(const struct rotation_pass *pass)
{
    return atomic_load(&pass->records);
}

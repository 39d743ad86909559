/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/store/journal_question.h"

#include <errno.h>
#include <string.h>

void question_init(struct question *question, void (*notify)(void *userdata), void *userdata)
{
    *question = (struct question){ .notify = notify, .userdata = userdata };
    pthread_mutex_init(&question->mutex, NULL);
    pthread_cond_init(&question->answered, NULL);
}

void question_deinit(struct question *question)
{
    pthread_cond_destroy(&question->answered);
    pthread_mutex_destroy(&question->mutex);
}

bool question_add(struct question_batch *batch, const struct frame_change *change)
{
    uint8_t *record = batch->bytes + batch->used;

    if (batch->count == QUESTION_BATCH || change->size > sizeof(batch->bytes) - batch->used)
        return false;
    memcpy(record, change->record, change->size);
    batch->used += change->size;
    batch->items[batch->count].change = *change;
    batch->items[batch->count++].change.record = record;
    return true;
}

void question_post(struct question *question, struct question_batch *batch)
{
    pthread_mutex_lock(&question->mutex);
    batch->answered = 0;
    batch->complete = batch->ended = false;
    if (!question->aborted) {
        question->batch = batch;
        question->notify(question->userdata);
    }
    pthread_mutex_unlock(&question->mutex);
}

int question_wait(struct question *question)
{
    int r;

    pthread_mutex_lock(&question->mutex);
    while (question->batch && !question->aborted)
        pthread_cond_wait(&question->answered, &question->mutex);
    question->batch = NULL;
    r = question->aborted ? -ECANCELED : question->result;
    pthread_mutex_unlock(&question->mutex);
    return r;
}

int question_ask(struct question *question, struct question_batch *batch)
{
    if (batch->count == 0)
        return 0;
    question_post(question, batch);
    return question_wait(question);
}

static enum question_answer judge(const struct frame_change *change, const struct log_record *held)
{
    struct record_header header;

    if (held->revision > change->revision)
        return QUESTION_SUPERSEDED;
    if (held->revision < change->revision || held->size != change->size ||
        memcmp(held->record, change->record, change->size) != 0)
        return QUESTION_MISMATCH;
    if (record_header_parse(held->record, held->size, &header) < 0)
        return QUESTION_MISMATCH;
    return header.kind == RECORD_TOMBSTONE ? QUESTION_TOMBSTONE : QUESTION_CURRENT;
}

static int answer(struct question_batch *batch, struct view *view)
{
    size_t i = batch->answered++;
    const struct frame_change *change = &batch->items[i].change;
    struct log_record held = { 0 };
    int r = view_get(view, &change->key, &held);

    batch->complete = batch->answered == batch->count;
    if (r < 0)
        return r;
    batch->items[i].answer = r ? judge(change, &held) : QUESTION_MISMATCH;
    if (batch->check && batch->items[i].answer <= QUESTION_TOMBSTONE)
        return view_check(view, &change->key);
    if (batch->forget && batch->items[i].answer == QUESTION_TOMBSTONE)
        return view_forget(view, &change->key);
    return 0;
}

static int fill(struct question_batch *batch, struct view *view)
{
    struct frame_change change = { .key = batch->cursor };
    struct log_record held = { 0 };
    struct record_header header;
    int r = view_next(view, &change.key, &held);
    bool has_room;

    batch->complete = batch->ended = r <= 0;
    if (r <= 0)
        return r;
    change.revision = held.revision;
    change.record = held.record;
    change.size = held.size;
    r = record_header_parse(held.record, held.size, &header);
    if (r < 0)
        return r;
    has_room = header.generation == batch->keep || question_add(batch, &change);
    if (has_room)
        batch->cursor = change.key;
    batch->complete = !has_room || batch->count == QUESTION_FILL;
    return 0;
}

static int answer_some(struct question_batch *batch, struct view *view, size_t budget)
{
    int r = view ? 0 : -ESTALE;

    for (; r == 0 && budget > 0 && !batch->complete; budget--)
        r = batch->fill ? fill(batch, view) : answer(batch, view);
    /* Not to be taken for damage of the journal. */
    return r == -EBADMSG ? -ESTALE : r;
}

bool question_answer(struct question *question, struct view *view, size_t budget)
{
    bool more = false;

    pthread_mutex_lock(&question->mutex);
    if (question->batch && !question->aborted) {
        question->result = answer_some(question->batch, view, budget);
        more = question->result == 0 && !question->batch->complete;
    }
    if (question->batch && !more) {
        question->batch = NULL;
        pthread_cond_signal(&question->answered);
    }
    pthread_mutex_unlock(&question->mutex);
    return more;
}

void question_abort(struct question *question)
{
    pthread_mutex_lock(&question->mutex);
    question->aborted = true;
    pthread_cond_signal(&question->answered);
    pthread_mutex_unlock(&question->mutex);
}

bool question_is_aborted(struct question *question)
{
    bool aborted;

    pthread_mutex_lock(&question->mutex);
    aborted = question->aborted;
    pthread_mutex_unlock(&question->mutex);
    return aborted;
}

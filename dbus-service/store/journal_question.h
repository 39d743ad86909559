/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Batches of questions about the view, asked by a thread of the background and answered on the
 * loop in small pieces, which never hold it up for long: verification and compaction walk over the
 * journal and ask, for each record, what the view makes of it. A batch may also ask to be filled with
 * what the view holds. */
#ifndef STORE_JOURNAL_QUESTION_H
#define STORE_JOURNAL_QUESTION_H

#include "dbus-service/store/journal_frame.h"
#include "dbus-service/store/view.h"

#include <pthread.h>

#define QUESTION_BATCH 4096
#define QUESTION_FILL 512 /* records of the view at once */
#define QUESTION_BYTES (2 * 1024 * 1024) /* of records waiting in one batch; one record always fits */

enum question_answer {
    QUESTION_CURRENT = 0, /* the view's record is this one, and live */
    QUESTION_TOMBSTONE,   /* the view's record is this one, a tombstone */
    QUESTION_SUPERSEDED,  /* the view holds a newer one */
    QUESTION_MISMATCH,    /* the view holds an older one, none, or other bytes */
};

struct question_batch {
    bool forget; /* tombstones that are still current are forgotten, which answers nothing */
    bool check;  /* records that are current must stand in the view's index where they should */
    bool fill;   /* with records of the view, from behind `cursor` on */
    uint32_t keep; /* but for those of this generation; 0 = none */
    struct record_key cursor; /* of class 0 to begin with; in the end the last one looked at */
    bool ended;  /* there is none behind it */
    size_t count;
    size_t answered; /* the first ones, so far */
    bool complete;   /* answered, or filled */
    struct {
        struct frame_change change; /* the record stands in `bytes` */
        enum question_answer answer;
    } items[QUESTION_BATCH];
    size_t used;
    uint8_t bytes[QUESTION_BYTES];
};

struct question {
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    struct question_batch *batch; /* waiting for its answer, or NULL */
    int result;
    bool aborted;
    void (*notify)(void *userdata);
    void *userdata;
};

void question_init(struct question *question, void (*notify)(void *userdata), void *userdata);
void question_deinit(struct question *question);
/* Copies a record into the batch; false when it has no room left. */
bool question_add(struct question_batch *batch, const struct frame_change *change);
/* On the asking thread: waits for the answers. 0; -ECANCELED when aborted; -ESTALE when the view is
 * damaged; -errno. */
int question_ask(struct question *question, struct question_batch *batch) MUST_CHECK;
/* The same in two steps; the batch is the loop's in between. */
void question_post(struct question *question, struct question_batch *batch);
int question_wait(struct question *question) MUST_CHECK;
/* On the loop: answers at most `budget` of what waits, some 2 us each. True when some still wait.
 * The view may be NULL: damaged. */
bool question_answer(struct question *question, struct view *view, size_t budget) MUST_CHECK;
/* On the loop: all asking ends with -ECANCELED, now and later. */
void question_abort(struct question *question);
bool question_is_aborted(struct question *question);

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The walks over a whole journal, or view, while it serves: verification, compaction, and the one that
 * hands every record out. One at a time, on a thread (of low priority for the verification; a compaction
 * must keep up with the appends). What they must know of the view they ask in small batches. */
#ifndef STORE_JOURNAL_BACKGROUND_H
#define STORE_JOURNAL_BACKGROUND_H

#include "dbus-service/store/journal_question.h"
#include "dbus-service/store/journal_scan.h"
#include "dbus-service/store/journal_writer.h"

#include <stdatomic.h>

enum background_result {
    BACKGROUND_DONE = 0,
    BACKGROUND_CANCELED,
    BACKGROUND_FAILED,   /* no space, an error of reading or writing; nothing was changed */
    BACKGROUND_DAMAGED,  /* of the journal; text: the place */
    BACKGROUND_MISMATCH, /* the view is not what the journal makes */
};

struct background {
    const struct journal_options *options; /* borrowed */
    struct writer *writer;
    const struct log_walk_options *walk; /* borrowed; of background_walk_out() */
    struct question question;
    void (*run)(struct background *background);
    int fd;              /* of the journal as it was at the beginning; owned */
    uint64_t limit;      /* walked up to here: a commit's end, */
    struct log_head head; /* of this head */
    struct question_batch *batch;
    uint32_t keep;       /* changes of this generation are not asked about; 0 = none */
    atomic_uint_fast64_t done; /* bytes of the journal walked over */
    pthread_t thread;
    atomic_bool ended;
    bool switched;       /* the new file is the journal; of interest once it ended */
    enum background_result result;
    char text[128];
};

/* Starts one of the functions below on its thread; `notify` comes from there when
 * a question waits and at the end. 0 or -errno. */
int background_start(const struct journal_options *options, struct writer *writer,
                     const struct log_walk_options *walk,
                     void (*run)(struct background *background), void (*notify)(void *userdata),
                     void *userdata, struct background **ret_background) MUST_CHECK;
/* After `ended`: joins and frees. NULL is legal. */
void background_free(struct background *background);

/* Reads every frame up to the limit and compares every record with the view. */
void background_verify(struct background *background);
/* Writes the live records into a new file, the commits since after them, and puts it in the
 * journal's place; then has the view forget the tombstones that were dropped. */
void background_compact(struct background *background);

/* Hands every record that is the newest of its key to walk->each; in_view_order it is the view that is
 * walked over. */
void background_walk_out(struct background *background);

/* For those. Each answer in the order of the journal; 0 or -errno to stop. */
typedef int (*background_each)(void *userdata, const struct frame_change *change,
                               enum question_answer answer);
/* Walks from the scan's offset up to the limit, with `forget` over tombstones only (each may be NULL
 * then). 0; -EBADMSG: no frame verifies at scan->offset; -ECANCELED; -errno. */
int background_walk(struct background *background, struct scan *scan, bool forget,
                    background_each each, void *userdata) MUST_CHECK;
/* Sets the result from what a walk returned. */
void background_finish(struct background *background, const struct scan *scan, int error);

#endif

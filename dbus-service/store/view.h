/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The view: a GDBM file made by applying the log; a cache that can always be rebuilt, and the only
 * place that knows GDBM. While open it is named view.open; only view_close() renames it to view.
 * Not thread-safe: one thread at a time (the rebuild hands it over to the loop). */
#ifndef STORE_VIEW_H
#define STORE_VIEW_H

#include "dbus-service/store/log.h"

struct view;

/* Where the view stands in the log. */
struct view_position {
    struct log_head head;
    uint64_t journal_offset; /* of the first byte after the commit last applied */
};

/* What the view held under a key when it was asked: who applies the next change of that key, and no
 * other in between, need not have it looked up again. */
struct view_held {
    uint64_t stamp; /* 0: nothing is known */
    bool found;
    uint32_t position;
    size_t size;
    struct record_header header;
};

enum view_outcome {
    VIEW_DONE = 0,
    VIEW_ABSENT,  /* there is no cleanly closed view; or it is of an older or newer format, another
                     log, or damaged: build a new one */
    VIEW_STALE_VERSION, /* a record version not above the one held: refused, the held one is kept */
};

/* Opens the cleanly closed view (renames it to view.open and syncs the folder first), removing any
 * view.open found. VIEW_DONE, VIEW_ABSENT or -errno. */
int view_open(int folder_fd, struct view **ret_view, struct view_position *ret_position) MUST_CHECK;
/* A new, empty one, as view.open. With `bulk` it is tuned for loading many records in order;
 * view_bulk_end() makes it ready for serving. */
int view_new(int folder_fd, bool bulk, struct view **ret_view) MUST_CHECK;
int view_bulk_end(struct view *view) MUST_CHECK;

/* Applies one change at a revision. VIEW_DONE, VIEW_STALE_VERSION or -errno. */
int view_apply(struct view *view, uint64_t revision, const struct record_key *key,
               const uint8_t *record, size_t size) MUST_CHECK;
/* The same, with what view_find() said of the key; NULL, or out of date by changes of other keys: it
 * is looked up. */
int view_apply_held(struct view *view, uint64_t revision, const struct record_key *key,
                    const uint8_t *record, size_t size, const struct view_held *held) MUST_CHECK;
/* Forgets a tombstone that compaction dropped. */
int view_forget(struct view *view, const struct record_key *key) MUST_CHECK;

int view_get(struct view *view, const struct record_key *key,
             struct log_record *ret_record) MUST_CHECK;
/* view_get() and what is held; also when nothing is found. */
int view_find(struct view *view, const struct record_key *key, struct log_record *ret_record,
              struct view_held *ret_held) MUST_CHECK;
/* Goes over all records in the order in which they lie in the file, the cheapest to read and to write
 * them in. `key` is the one before, of class 0 to begin with, and becomes the one found. It must not be
 * forgotten meanwhile; where others are added or deleted, a few may be left out or come twice. 1 found;
 * 0: there is none behind it; -errno. */
int view_next(struct view *view, struct record_key *key, struct log_record *ret_record) MUST_CHECK;
int view_list(struct view *view, uint8_t class, const uint8_t scope[RECORD_SCOPE_SIZE],
              uint64_t *cursor, size_t limit, log_list_each each, void *userdata) MUST_CHECK;
/* Verification: every record of the journal that is current is checked once between begin and end. */
void view_check_begin(struct view *view);
/* Whether the record stands in the index where it should, or not at all. 0, -EBADMSG: not; -errno. */
int view_check(struct view *view, const struct record_key *key) MUST_CHECK;
/* Whether nothing else is counted than what was checked; `changes` were applied meanwhile. */
bool view_check_end(struct view *view, uint64_t changes) MUST_CHECK;
uint64_t view_count(struct view *view, uint8_t class, const uint8_t scope[RECORD_SCOPE_SIZE]);
uint64_t view_census(struct view *view, uint8_t class, uint32_t generation);
/* Bytes of all live records with their keys: what compaction would keep. */
uint64_t view_live_bytes(const struct view *view);

/* Stores the position, syncs, closes and renames view.open to view, then syncs the folder. */
int view_close(struct view *view, const struct view_position *position) MUST_CHECK;
/* Gives it up without keeping it. */
void view_discard(struct view *view);

#endif

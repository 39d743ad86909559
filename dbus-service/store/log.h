/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The log: the ordered, durable list of record changes (doc/DESIGN section 2). This is the one
 * interface that the realm writes through; the journal implements it.
 *
 * Everything here is called on the loop's thread, and every callback comes there. The log owns the
 * view: a change is applied to it when it is durable, and only then acknowledged; it is never
 * visible before. Conditions are judged against the view and against the changes that wait or are
 * being written, so the outcome is the same as if all appends had been made one after the other. */
#ifndef STORE_LOG_H
#define STORE_LOG_H

#include "common/record_header.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_CHANGES_MAX 100
#define LOG_CONDITIONS_MAX 100
#define LOG_APPEND_MAX (1024 * 1024) /* bytes of all keys and records of one append */
#define LOG_APPEND_ID_SIZE 16
#define LOG_ID_SIZE 16
#define LOG_CHAIN_SIZE 32

struct log;

struct log_change {
    struct record_key key;
    const uint8_t *record; /* borrowed until log_append() returns; header in clear, rest sealed */
    size_t size;           /* at most RECORD_SIZE_MAX */
};

struct log_condition {
    struct record_key key;
    uint64_t revision; /* "unchanged since": the revision the decision was made on; 0 = absent
                          (never written, or a tombstone is its newest record) */
};

struct log_append {
    uint8_t id[LOG_APPEND_ID_SIZE]; /* random; stored with the changes */
    const struct log_change *changes;
    size_t changes_count;
    const struct log_condition *conditions;
    size_t conditions_count;
    /* Conditions are of the changes, one each, in the same order; a change whose condition does not
     * hold is left out, and only when all are it is a conflict. */
    bool leave_out_changed;
    bool *ret_left_out; /* of each change, whether it was; written before log_append() returns LOG_DONE
                           or LOG_CONFLICT; NULL is legal */
};

enum log_outcome {
    LOG_DONE = 0,
    LOG_CONFLICT,  /* a condition did not hold; nothing was changed */
    LOG_TOO_LARGE, /* a limit of one append is exceeded; nothing was changed */
    LOG_READ_ONLY, /* the storage failed earlier; nothing was changed */
    LOG_FAILED,    /* could not be stored (no space, no memory); nothing was changed */
    LOG_UNKNOWN,   /* a sync failed: it may or may not be found after a restart */
    LOG_DAMAGED,   /* open: damage beyond the rules of a torn tail */
    LOG_ROLLED_BACK, /* open: older than the anchor */
    LOG_NEWER,     /* open: a newer format */
    LOG_BAD_FILE,  /* export: not a file that may be written to; it was left as it is */
    LOG_CANCELED,  /* work on the whole log: by whoever asked for it, or the log is being closed */
};

/* Called once, on the loop, when the append is durable and applied (LOG_DONE, with its revision),
 * or failed. Never called from within log_append(). */
typedef void (*log_append_done)(void *userdata, enum log_outcome outcome, uint64_t revision);

/* LOG_DONE when taken (the outcome comes by callback), else why not at once: LOG_CONFLICT,
 * LOG_TOO_LARGE, LOG_READ_ONLY, LOG_FAILED; or -errno. The records are copied. */
int log_append(struct log *log, const struct log_append *append, log_append_done done,
               void *userdata) MUST_CHECK;

struct log_head {
    uint64_t revision; /* of the newest durable append; 0 = empty */
    uint8_t id[LOG_ID_SIZE];
    uint8_t chain[LOG_CHAIN_SIZE];
};

void log_head(const struct log *log, struct log_head *ret_head);

/* Reading: the newest durable record of a key. */
struct log_record {
    uint64_t revision;
    const uint8_t *record; /* borrowed until the next call on the log or return to the loop */
    size_t size;
};

/* 1 found (a tombstone is found too: see its header), 0 never written, or -errno (-EBADMSG: the
 * view is damaged; it is thrown away and rebuilt). */
int log_get(struct log *log, const struct record_key *key, struct log_record *ret_record) MUST_CHECK;

/* Lists the names under (class, scope), newest first, `limit` at most per call. The cursor is 0 to
 * begin; the returned one is for the next call, 0 = end. A name that exists throughout is seen at
 * least once whatever changes meanwhile; one that moved may be seen twice. A page costs what the
 * page costs. Only classes RECORD_APPLICATION and RECORD_MAPPING are listed; tombstones are not.
 * The callback must not call the log; it returns 0, or -errno to stop. */
typedef int (*log_list_each)(void *userdata, const struct record_key *key);
int log_list(struct log *log, uint8_t class, const uint8_t scope[RECORD_SCOPE_SIZE],
             uint64_t *cursor, size_t limit, log_list_each each, void *userdata) MUST_CHECK;

/* How many live names log_list() would give; O(1). */
uint64_t log_count(struct log *log, uint8_t class, const uint8_t scope[RECORD_SCOPE_SIZE]);
/* Records (tombstones included) of a class sealed under a generation; O(1), kept by the view. */
uint64_t log_census(struct log *log, uint8_t class, uint32_t generation);

/* What became of the log, on the loop: it turned read-only, the background verification ended, ... */
enum log_event {
    LOG_EVENT_READ_ONLY,  /* text: what failed */
    LOG_EVENT_DAMAGED,    /* background verification found damage of the journal; text: file, place */
    LOG_EVENT_VIEW_DAMAGED, /* the view is not what the journal says: nothing is read from it any
                               more, and closing the log throws it away, so opening it again builds
                               a new one; text: what was found */
    LOG_EVENT_VERIFIED,   /* background verification reached the end without a finding */
    LOG_EVENT_COMPACTED,
    LOG_EVENT_TORN_TAIL,  /* an unacknowledged commit was cut off at start; text: where */
    LOG_EVENT_VIEW_REBUILT,
    LOG_EVENT_COMPACTION_FAILED, /* tried again after the next quarter; text: what failed */
    LOG_EVENT_ANCHOR_FAILED, /* the anchor could not be written (tried again); text: why */
};

struct log_events {
    void (*event)(void *userdata, enum log_event event, const char *text);
    /* While the view is rebuilt: bytes of the journal done and in all. */
    /* False gives the rebuild up: the log does not open. */
    bool (*progress)(void *userdata, uint64_t done, uint64_t total);
    void *userdata;
};

/* ---- work on the whole log, on threads of its own while it serves; one of each kind at a time ---- */

/* Comes once, on the loop, never from within the call that began it: LOG_DONE with the revision it
 * covers; LOG_FAILED or LOG_DAMAGED with a text; LOG_CANCELED. `text` is never NULL. */
typedef void (*log_work_done)(void *userdata, enum log_outcome outcome, uint64_t revision,
                              const char *text);

/* A record that is the newest of its key; tombstones are handed out too. All is borrowed. */
struct log_walk_record {
    const struct record_key *key;
    uint64_t revision;
    const uint8_t *record;
    size_t size;
};

/* ON THE WALK'S THREAD, so it may take its time. 0; -ECANCELED to end the walk as LOG_CANCELED;
 * another -errno to end it as LOG_FAILED. */
typedef int (*log_walk_each)(void *userdata, const struct log_walk_record *record);

struct log_walk_options {
    uint32_t keep_generation; /* records of it are passed over, and cost next to nothing, or
                                 in_view_order a look; 0: none */
    bool low_priority;        /* gives way to everything else that wants the processor */
    bool in_view_order; /* read from the view, in the order in which it takes them back at the least
                           cost. Where records are added or deleted meanwhile a few others may be left
                           out: who needs all of them walks over the journal afterwards */
    log_walk_each each;
    log_work_done done;
    void *userdata;
};

/* Hands out every record of the log as it is at some moment after its newest change at or before
 * the head of now: one that is changed meanwhile may be left out or be handed out as it was, and
 * what is appended from now on is not met. It reads the journal, unless in_view_order, so a record that
 * the view lost is no gap: it ends as LOG_FAILED, and LOG_EVENT_VIEW_DAMAGED comes.
 *
 * A compaction under way, or due, is waited for. One that becomes due during the walk comes at 2.2
 * times the live bytes only, and then takes its place: LOG_CONFLICT, begin again.
 * 0; -EBUSY there is a walk already; -EIO the log does not work any more; -errno. */
int log_walk(struct log *log, const struct log_walk_options *options) MUST_CHECK;
/* Bytes of the journal read (in_view_order none are) and in all; 0 and 0 while there is no walk, or it
 * waits. */
void log_walk_progress(const struct log *log, uint64_t *ret_done, uint64_t *ret_total);
/* Its done still comes, as LOG_CANCELED if it had not ended. `each` is not called after this, but
 * for a call that is under way on the thread now. */
void log_walk_cancel(struct log *log);

/* Compacts now, after what is under way. Nothing that was superseded or deleted before the call is
 * in the journal's file after LOG_DONE (nor in the view's, which wipes what it drops); the
 * revision is that of the new base. LOG_FAILED with a text: not done, nothing was changed. Same
 * results as log_walk(). */
int log_compact(struct log *log, log_work_done done, void *userdata) MUST_CHECK;

/* Writes the whole log, compacted before if that can be done, as it is at one revision, to an empty
 * file of the caller's (common/safe_open.h, safe_is_empty_file()), which is asked on the export's
 * thread alone: LOG_BAD_FILE, and it is left as it is. Synced, and read again and verified before
 * LOG_DONE. The log goes on meanwhile. The descriptor is duplicated. On any other outcome the file holds
 * nothing. Same results as log_walk(). */
int log_export(struct log *log, int fd, log_work_done done, void *userdata) MUST_CHECK;
/* Bytes read and written, and in all, of the compaction before and of the export; 0 and 0: there is none. */
void log_export_progress(const struct log *log, uint64_t *ret_done, uint64_t *ret_total);
void log_export_cancel(struct log *log);

/* Stops taking appends, completes the waiting ones, records the head in the anchor, closes the view
 * (renamed to its clean name, folder synced) and the journal, then calls done on the loop and frees
 * the log. NULL is legal for done. */
void log_close(struct log *log, void (*done)(void *userdata), void *userdata);

#endif

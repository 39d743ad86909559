/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The log of one host: a local file with group commit, a keyed chain and compaction, and the view
 * beside it. Formats in doc/FORMAT. The journal has a thread of its own for write and fdatasync;
 * reading for the start, the rebuild, the background verification and compaction is done on another.
 *
 * Files in the folder: journal, journal.new (a compaction that did not end; thrown away at start),
 * view (closed cleanly), view.open (thrown away at start). */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "dbus-service/store/log.h"

#include <stdatomic.h>
#include <sys/uio.h>
#include <uv.h>

/* The keyed hash of chain and anchor. It belongs to keys/ (store/ knows no cryptography); called
 * from the loop and from the journal's threads at the same time, so it must be re-entrant.
 * Writes 32 bytes. */
struct log_hash {
    void (*hash)(void *userdata, const struct iovec *parts, size_t count, uint8_t ret_hash[32]);
    /* Fills with unpredictable bytes (log ids). */
    void (*random)(void *userdata, uint8_t *ret_bytes, size_t length);
    void *userdata;
};

struct journal_options {
    uv_loop_t *loop;
    int folder_fd;            /* the state folder; borrowed */
    const char *anchor_path;  /* absolute; NULL = no anchor */
    uint8_t realm[16];        /* bound into header and anchor */
    struct log_hash hash;
    struct log_events events;
    const atomic_bool *stopping; /* borrowed; set while opening: refused soon, as LOG_FAILED. NULL legal */
    uint64_t compact_min;     /* never compact below this file size in bytes; 0 = default 16 MiB */
};

/* Opens (or, when there is neither journal nor anchor, creates) the journal and the view. When the
 * view must be rebuilt that happens on a thread with progress events. `done` comes on the loop,
 * never from within: LOG_DONE with the log; LOG_DAMAGED, LOG_ROLLED_BACK, LOG_NEWER or LOG_FAILED
 * with a text that names file and place; the log is NULL then. 0, or -errno when not even begun. */
typedef void (*journal_open_done)(void *userdata, enum log_outcome outcome, struct log *log,
                                  const char *text);
int journal_open(const struct journal_options *options, journal_open_done done,
                 void *userdata) MUST_CHECK;

/* ---- whole files, while no log is open; SLOW: not for the loop ------------------------------ */

struct log_file_report {
    struct log_head head; /* the newest commit */
    uint64_t records;     /* handed out, or imported; tombstones included */
    bool other_realm;     /* that is what is wrong with it */
    uint64_t torn_offset; /* check: an unacknowledged commit's remains are there; 0 = none */
    char text[192];       /* why not: file and place; empty on LOG_DONE */
};

/* How far it has come; written on its thread, read on any. What is read three times counts three times. */
struct log_progress {
    atomic_uint_least64_t done, total; /* bytes; added to what stands there */
};

/* Reads the journal, or an export, from the beginning to the end without changing anything and
 * hands each record that is the newest of its key to `each`, in no order, on this thread. LOG_DONE;
 * LOG_DAMAGED (also: not made with this key, or another realm's), LOG_NEWER, LOG_FAILED, all with a
 * text; LOG_CANCELED when `each` returned -ECANCELED or *stopping was set. It may be a journal that
 * is being written: then it ends where it ended when it was begun. */
struct log_check_options {
    int fd;              /* borrowed, open for reading; offsets are not used */
    const uint8_t *realm; /* 16 bytes */
    struct log_hash hash;
    const atomic_bool *stopping; /* NULL legal */
    struct log_progress *progress; /* NULL legal */
    size_t notes; /* keys kept in memory at a time, 16 bytes each; at least 64, 0 = 32 MiB */
    log_walk_each each;
    void *userdata;
};
enum log_outcome log_check(const struct log_check_options *options,
                           struct log_file_report *ret_report) MUST_CHECK;

/* Makes an export the journal of a folder that has none, or an empty one, under a new log id: first
 * verified as a whole, then written beside, synced and renamed. Another process (or log) that has the
 * folder open: LOG_FAILED. The journal has records: LOG_CONFLICT. There is an anchor, or a view without
 * its journal, so records were there once: LOG_ROLLED_BACK, unless `accept_rollback`, which removes the
 * anchor first. LOG_DAMAGED, LOG_NEWER, LOG_CANCELED, LOG_FAILED: nothing was imported. LOG_UNKNOWN:
 * it was, but its name could not be synced. Each with a text. */
struct log_import_options {
    int folder_fd;
    int fd; /* of the export; as for log_check() */
    const char *anchor_path;
    const uint8_t *realm;
    struct log_hash hash;
    bool accept_rollback;
    const atomic_bool *stopping;   /* both may be NULL */
    struct log_progress *progress;
    /* Each record, as for log_check(), and then that all were seen: not 0, and it is LOG_CANCELED. Nothing was
     * touched before. NULL legal. */
    log_walk_each each;
    int (*verified)(void *userdata);
    void *userdata;
};
enum log_outcome log_import(const struct log_import_options *options,
                            struct log_file_report *ret_report) MUST_CHECK;

#endif

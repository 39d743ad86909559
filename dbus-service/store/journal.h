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

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* From the files in the state folder to a log that can go on: anchor, journal, view, what the view
 * has not seen yet, and the torn tail. Runs on a thread of its own. */
#ifndef STORE_JOURNAL_START_H
#define STORE_JOURNAL_START_H

#include "dbus-service/store/anchor.h"
#include "dbus-service/store/journal_scan.h"
#include "dbus-service/store/journal_writer.h"
#include "dbus-service/store/view.h"

#include <stdatomic.h>

#define JOURNAL_NAME "journal"
#define JOURNAL_NEW_NAME "journal.new"

struct journal_start {
    const struct journal_options *options;
    void (*notify)(void *userdata); /* progress moved */
    void *userdata;
    atomic_uint_fast64_t done, total; /* bytes of the journal; total 0 = no rebuild */
    atomic_bool given_up; /* by the loop: the rebuild ends as soon as it can */

    /* results; what was opened is the caller's on LOG_DONE, else closed already */
    enum log_outcome outcome;
    char text[192]; /* why not */
    struct view *view;
    struct writer_file file;
    int lock_fd; /* keeps other processes out of the folder */
    bool rebuilt;
    uint64_t torn_offset; /* of the commit cut off; 0 = none */
    bool anchored;
    struct anchor anchor; /* as found */
};

/* Sets outcome and text, or everything else. */
void journal_start_run(struct journal_start *start);

/* Makes journal.new with a header and `zeros` bytes after it; not synced. 0 or -errno. */
int journal_file_new(int folder_fd, const struct log_hash *hash, struct journal_header *header,
                     int *ret_fd) MUST_CHECK;

#endif

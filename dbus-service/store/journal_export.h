/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Copies of a whole journal in another file: the export of a log that is open (doc/FORMAT 5.6), and,
 * declared in journal.h, the import of one. Both only read frames and write them anew, chained to
 * another header. */
#ifndef STORE_JOURNAL_EXPORT_H
#define STORE_JOURNAL_EXPORT_H

#include "dbus-service/store/journal_scan.h"

#include <stdatomic.h>

struct export {
    const struct log_hash *hash;
    int source_fd;        /* of the journal as it was at the beginning; owned */
    uint64_t limit;       /* a commit's end, */
    struct log_head head; /* of this head */
    int fd;               /* owned */
    struct log_progress progress;
    atomic_bool canceled;
    enum log_outcome outcome;
    char text[128];
};

/* On a thread: sets outcome and text, and closes what it owns. */
void export_run(struct export *export);
/* For one that never ran. */
void export_deinit(struct export *export);

#endif

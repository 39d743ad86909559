/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The anchor: the newest head of the log, kept outside the state folder against its rollback
 * (doc/FORMAT 6). All functions do file operations: not for the loop. */
#ifndef STORE_ANCHOR_H
#define STORE_ANCHOR_H

#include "dbus-service/store/journal.h"

struct anchor {
    uint8_t realm[16];
    struct log_head head;
};

enum anchor_outcome {
    ANCHOR_DONE = 0,
    ANCHOR_ABSENT,
    ANCHOR_DAMAGED, /* not a file of this format and log key */
    ANCHOR_NEWER,
};

/* ANCHOR_*, or -errno. */
int anchor_get(const char *path, const struct log_hash *hash,
               struct anchor *ret_anchor) MUST_CHECK;
/* Replaces the file: beside it, synced, renamed, folder synced. 0 or -errno. */
int anchor_put(const char *path, const struct log_hash *hash,
               const struct anchor *anchor) MUST_CHECK;
/* Removes it, folder synced. 0, also when there is none, or -errno. */
int anchor_del(const char *path) MUST_CHECK;

#endif

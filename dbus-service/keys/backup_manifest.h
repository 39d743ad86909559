/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What a backup says of the records that its generations are for, behind the keyring's content
 * (doc/FORMAT, "Manifest"). */
#ifndef KEYS_BACKUP_MANIFEST_H
#define KEYS_BACKUP_MANIFEST_H

#include "common/cursor.h"

#define BACKUP_LOG_ID_SIZE 16
#define BACKUP_COUNTS_MAX 255

struct backup_count {
    uint8_t class;       /* enum record_class */
    uint32_t generation;
    uint64_t records;
};

struct backup_manifest {
    uint8_t log_id[BACKUP_LOG_ID_SIZE]; /* zero: there was no log yet */
    uint64_t revision;                  /* of the log, as of which was counted */
    size_t count;
    struct backup_count counts[BACKUP_COUNTS_MAX];
};

/* Up to the cursor's end. KEYRING_DONE, KEYRING_DAMAGED, KEYRING_NEWER. */
int backup_manifest_parse(struct cursor *cursor, struct backup_manifest *ret_manifest) MUST_CHECK;
void backup_manifest_put(struct cursor *cursor, const struct backup_manifest *manifest);
#define BACKUP_MANIFEST_MAX_SIZE (1 + BACKUP_LOG_ID_SIZE + 8 + 1 + BACKUP_COUNTS_MAX * (1 + 4 + 8))

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What a backup says without a key (doc/FORMAT, "Backup"), read without the service: on a machine
 * that has none, or whose own is lost. Nothing here is proven. */
#ifndef CLI_BACKUP_HEAD_H
#define CLI_BACKUP_HEAD_H

#include "common/cleanup.h"
#include "common/names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BACKUP_HEAD_REALM_SIZE = 16,
    BACKUP_HEAD_FINGERPRINT_SIZE = 16,
    BACKUP_HEAD_SIGNER_SIZE = 32,
    BACKUP_HEAD_GENERATIONS_MAX = 1024,
    BACKUP_HEAD_RECIPIENTS_MAX = 64,
};
#define BACKUP_HEAD_FILE_MAX ((size_t)256 * 1024)

enum backup_head_outcome {
    BACKUP_HEAD_DONE = 0,
    BACKUP_HEAD_NOT_ONE,
    BACKUP_HEAD_DAMAGED, /* cut off, or ill-formed */
    BACKUP_HEAD_NEWER,
};

struct backup_head {
    uint32_t format;
    uint8_t realm[BACKUP_HEAD_REALM_SIZE];
    uint64_t created_usec; /* CLOCK_REALTIME */
    char hint[HINT_MAX_BYTES + 1]; /* UTF-8 without control characters: those become '?' */
    char host[NAME_MAX_BYTES + 1]; /* the same */
    size_t generation_count;
    struct {
        uint32_t number;
        uint8_t fingerprint[BACKUP_HEAD_FINGERPRINT_SIZE];
    } generations[BACKUP_HEAD_GENERATIONS_MAX];
    bool is_signed; /* format 1 is not */
    uint8_t signer[BACKUP_HEAD_SIGNER_SIZE]; /* whose signature it says it has */
    bool has_passphrase; /* one opens it */
    size_t recipient_count;
    char recipients[BACKUP_HEAD_RECIPIENTS_MAX][NAME_MAX_BYTES + 1]; /* whose keys open it */
};

int backup_head_parse(const void *bytes, size_t size, struct backup_head *ret_head) MUST_CHECK;

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* A backup as far as it can be read without a key (doc/FORMAT, "Backup"): by the service, and by the
 * command line where there is none. Nothing of it is proven; backup_signature.h says whether the
 * file is as its signer left it. */
#ifndef COMMON_BACKUP_HEAD_H
#define COMMON_BACKUP_HEAD_H

#include "common/cleanup.h"
#include "common/names.h"

#include <stddef.h>
#include <stdint.h>

#define BACKUP_MAGIC "MSBACKU1"
#define BACKUP_FILE_MAX ((size_t)256 * 1024)
#define BACKUP_LOCKS_MAX (RECIPIENTS_MAX + 1)

enum {
    BACKUP_MAGIC_SIZE = 8,
    BACKUP_GENERATION_SIZE = 4 + FINGERPRINT_SIZE,
    BACKUP_SALT_SIZE = 16,
    BACKUP_COMMITMENT_SIZE = 32,
    BACKUP_NONCE_SIZE = 24,
    BACKUP_TAG_SIZE = 16,
    BACKUP_WRAPPED_SIZE = 32 + BACKUP_TAG_SIZE, /* a key */
    BACKUP_LOCK_HEAD_SIZE = 1 + 8 + 8 + BACKUP_SALT_SIZE + BACKUP_COMMITMENT_SIZE,
    BACKUP_PUBLIC_KEY_SIZE = 32,
    BACKUP_SEALED_KEY_SIZE = 32 + 48, /* crypto_box_seal */
    BACKUP_LOCK_MAX_SIZE = 1 + BACKUP_PUBLIC_KEY_SIZE + 4 + NAME_MAX_BYTES + BACKUP_SEALED_KEY_SIZE,
};

enum { BACKUP_FORMAT_PASSPHRASE = 1, BACKUP_FORMAT_LOCKS = 2 };

enum backup_lock_kind { BACKUP_LOCK_PASSPHRASE = 1, BACKUP_LOCK_RECIPIENT = 2 };

/* Any one opens the backup. Everything that points does so into the bytes parsed. */
struct backup_lock {
    enum backup_lock_kind kind;
    const uint8_t *bytes; /* the whole of it; NULL: format 1, where it stands in the head */
    /* passphrase */
    uint64_t opslimit, memlimit;
    const uint8_t *salt;
    const uint8_t *commitment;
    const uint8_t *nonce;   /* NULL: format 1, whose lock wraps no key */
    const uint8_t *wrapped; /* the same */
    /* recipient */
    const uint8_t *public_key;
    char name[NAME_MAX_BYTES + 1]; /* name_is_valid() */
    const uint8_t *sealed;
};

struct backup_head {
    const uint8_t *bytes; /* the beginning of the file, */
    size_t size;          /* which the content is authenticated with */
    uint32_t format;
    const uint8_t *realm;  /* REALM_ID_SIZE bytes */
    uint64_t created_usec; /* CLOCK_REALTIME */
    char hint[HINT_MAX_BYTES + 1]; /* text_to_line() */
    char host[NAME_MAX_BYTES + 1]; /* the same: the machine that wrote it */
    size_t generation_count;       /* 1..GENERATIONS_MAX */
    const uint8_t *generations;
    const uint8_t *signer; /* whose signature it says it has; NULL: format 1 has none */
    size_t lock_count;     /* one with a passphrase at most */
    struct backup_lock locks[BACKUP_LOCKS_MAX];
    const uint8_t *commitment; /* to the key under the locks; NULL: format 1 */
    const uint8_t *nonce;
    const uint8_t *sealed; /* the content, with its tag */
    size_t sealed_size;
};

enum backup_head_outcome {
    BACKUP_HEAD_DONE = 0,
    BACKUP_HEAD_NOT_ONE, /* the file is something else */
    BACKUP_HEAD_DAMAGED, /* cut off, or ill-formed */
    BACKUP_HEAD_NEWER,
};

/* The whole file. enum backup_head_outcome. */
int backup_head_parse(const void *bytes, size_t size, struct backup_head *ret_head) MUST_CHECK;

/* One of its generations, by index: the number; *ret_fingerprint points into the bytes. */
uint32_t backup_head_generation(const struct backup_head *head, size_t index,
                                const uint8_t **ret_fingerprint);

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A backup as bytes (doc/FORMAT, "Backup"); backup.c reads, writes and proves the file. */
#ifndef KEYS_BACKUP_FILE_H
#define KEYS_BACKUP_FILE_H

#include "common/backup_signature.h"
#include "dbus-service/keys/backup_lock.h"
#include "dbus-service/keys/sealed_file.h"

#define BACKUP_FILE_MAX ((size_t)256 * 1024)
#define BACKUP_GENERATION_SIZE (4 + FINGERPRINT_SIZE) /* in the plain head */

enum { BACKUP_FORMAT_PASSPHRASE = 1, BACKUP_FORMAT_LOCKS = 2 };

/* Everything that points does so into the bytes parsed. */
struct backup_file {
    const uint8_t *bytes; /* the whole */
    size_t size;
    uint32_t format;
    uint8_t realm[REALM_ID_SIZE];
    uint64_t created_usec;
    const uint8_t *hint;
    size_t hint_length;
    const uint8_t *host;
    size_t host_length;
    size_t generation_count;
    const uint8_t *generations; /* number u32, fingerprint, for each */
    const uint8_t *signer;      /* 32 bytes; NULL: format 1 */
    size_t lock_count;
    struct backup_lock locks[BACKUP_LOCKS_MAX]; /* format 1: one, which wraps no key */
    uint8_t commitment[BACKUP_COMMITMENT_SIZE]; /* to the key under the locks */
    size_t associated_size; /* of the beginning, authenticated with the content */
    struct sealed sealed;
    const uint8_t *signature; /* NULL: format 1 */
};

/* KEYRING_DONE, KEYRING_NOT_A_BACKUP, KEYRING_DAMAGED, KEYRING_NEWER. */
int backup_file_parse(const void *bytes, size_t size, struct backup_file *ret_file) MUST_CHECK;

/* Is it as the signer named in it left it? KEYRING_DONE, KEYRING_DAMAGED, -ENOMEM; format 1 has no
 * signature, what was changed there is found when it is opened. */
int backup_file_check(const struct backup_file *file) MUST_CHECK;

/* SLOW for a passphrase. The key of the content. KEYRING_DONE, KEYRING_NO_SLOT, KEYRING_WRONG_KEY,
 * KEYRING_DAMAGED, KEYRING_NEWER, -errno. */
int backup_file_unlock(const struct backup_file *file, const struct backup_key *key,
                       struct key *ret_content) MUST_CHECK;

/* Opens the content and compares realm, generations, fingerprints and signer with the plain head.
 * KEYRING_DONE, KEYRING_DAMAGED, KEYRING_NEWER, -errno. */
int backup_file_unseal(const struct backup_file *file, const struct key *content,
                       struct keyring **ret_keyring, struct backup_manifest *ret_manifest)
    MUST_CHECK;

/* SLOW for a passphrase. *ret_content is the key of the content, for the proof. KEYRING_DONE,
 * -EINVAL, -errno. */
int backup_file_seal(const struct keyring *keyring, const struct backup_request *request,
                     struct secret **ret_bytes, struct key *ret_content) MUST_CHECK;

#endif

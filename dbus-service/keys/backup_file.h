/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A backup as bytes (doc/FORMAT, "Backup"); backup.c reads, writes and proves the file. */
#ifndef KEYS_BACKUP_FILE_H
#define KEYS_BACKUP_FILE_H

#include "dbus-service/keys/keyring.h"
#include "dbus-service/keys/passphrase.h"
#include "dbus-service/keys/sealed_file.h"

#define BACKUP_FILE_MAX ((size_t)256 * 1024)
#define BACKUP_COMMITMENT_SIZE 32

/* Everything that points does so into the bytes parsed. */
struct backup_file {
    const uint8_t *bytes; /* the whole */
    size_t associated_size; /* of its beginning, authenticated with the content */
    uint8_t realm[REALM_ID_SIZE];
    uint64_t created_usec;
    const uint8_t *hint;
    size_t hint_length;
    const uint8_t *host;
    size_t host_length;
    size_t generation_count;
    const uint8_t *generations; /* number u32, fingerprint, for each */
    struct passphrase_cost cost;
    uint8_t salt[PASSPHRASE_SALT_SIZE];
    uint8_t commitment[BACKUP_COMMITMENT_SIZE];
    struct sealed sealed;
};

/* KEYRING_DONE, KEYRING_DAMAGED, KEYRING_NEWER. */
int backup_file_parse(const void *bytes, size_t size, struct backup_file *ret_file) MUST_CHECK;

/* SLOW. Opens the content and compares realm, generations and fingerprints with the plain head.
 * KEYRING_DONE, KEYRING_WRONG_KEY, KEYRING_DAMAGED, KEYRING_NEWER, -errno. */
int backup_file_unseal(const struct backup_file *file, const struct secret *passphrase,
                       struct keyring **ret_keyring) MUST_CHECK;

/* SLOW. 0 or -errno. */
int backup_file_seal(const struct keyring *keyring, const struct secret *passphrase,
                     const char *hint, struct secret **ret_bytes) MUST_CHECK;

#endif

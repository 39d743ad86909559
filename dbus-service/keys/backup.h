/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A backup of the keyring's content (doc/FORMAT, "Backup"), under a passphrase, or sealed to
 * recipients, or both; readable on any machine. SLOW: Argon2id, where there is a passphrase. */
#ifndef KEYS_BACKUP_H
#define KEYS_BACKUP_H

#include "dbus-service/keys/backup_manifest.h"
#include "dbus-service/keys/key.h"
#include "dbus-service/keys/keyring.h"

/* SLOW where whoever keeps the file is. Is fd fit to take a backup (safe_is_empty_file())?
 * KEYRING_DONE, KEYRING_BAD_FILE, -errno. */
int backup_check(int fd) MUST_CHECK;

struct backup_request {
    const struct secret *passphrase; /* NULL: none */
    bool to_recipients;              /* the keyring's */
    const char *hint;                /* UTF-8, may be empty, never NULL; anybody can read it */
    const struct backup_manifest *manifest; /* NULL: there is no log yet */
};

/* SLOW. Writes the keyring's content to `fd`, syncs it, reads it again, compares every byte, checks
 * the signature, opens it (by the passphrase if there is one, else with the key that was sealed to
 * the recipients, whose private halves are not here) and compares every generation. On failure the
 * file is truncated to nothing, unless it was refused. The folder is for the caller to sync.
 * *ret_info gets time, newest generation and hash; where the file is, only the caller knows.
 * KEYRING_DONE, KEYRING_BAD_FILE, KEYRING_PASSPHRASE_LENGTH, KEYRING_NO_RECIPIENTS,
 * KEYRING_BACKUP_FAILED, -EINVAL (hint, or no lock), -errno. */
int backup_write(int fd, const struct keyring *keyring, const struct backup_request *request,
                 struct backup_info *ret_info) MUST_CHECK;

/* Empties the file: what it holds must not be taken for a backup. */
void backup_discard(int fd);

/* What can be known without a key. */
struct backup_facts {
    uint32_t format;
    uint8_t realm[REALM_ID_SIZE];
    uint64_t created_usec;          /* CLOCK_REALTIME */
    uint8_t hash[BACKUP_HASH_SIZE]; /* as in struct backup_info */
    bool is_signed;                 /* format 1 is not */
    uint8_t signer[32];             /* as keyring_signer() */
    char hint[HINT_MAX_BYTES + 1];  /* one line of UTF-8 */
    char host[NAME_MAX_BYTES + 1];  /* the same: the machine that wrote it */
    uint32_t generation;            /* the newest it covers */
};

/* The caller frees the facts with free(). KEYRING_DONE, KEYRING_NOT_A_BACKUP, KEYRING_DAMAGED,
 * KEYRING_NEWER, -errno. */
int backup_inspect(int fd, struct backup_facts **ret_facts) MUST_CHECK;

/* What opens a backup: one of the two, the other NULL. */
struct backup_key {
    const struct secret *passphrase;
    const struct key *private_key; /* of a recipient (common/recipient_key.h) */
};

/* SLOW for a passphrase. What was changed is KEYRING_DAMAGED before a key is tried (format 2).
 * The keyring has a fresh root key, since no slot is in a backup; *ret_manifest is zero for
 * format 1. KEYRING_DONE; KEYRING_NO_SLOT: it does not open with a key of
 * that kind; KEYRING_WRONG_KEY; KEYRING_NOT_A_BACKUP, KEYRING_DAMAGED, KEYRING_NEWER, -errno. */
int backup_open(int fd, const struct backup_key *key, struct keyring **ret_keyring,
                struct backup_manifest *ret_manifest) MUST_CHECK;

#endif

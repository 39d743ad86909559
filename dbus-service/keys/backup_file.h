/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A backup as bytes (doc/FORMAT, "Backup"), with its keys; common/backup_head.h reads what needs
 * none, and backup.c reads, writes and proves the file. */
#ifndef KEYS_BACKUP_FILE_H
#define KEYS_BACKUP_FILE_H

#include "dbus-service/keys/backup_lock.h"

/* SLOW for a passphrase. The key of the content. KEYRING_DONE, KEYRING_NO_SLOT, KEYRING_WRONG_KEY,
 * KEYRING_DAMAGED, KEYRING_NEWER, -errno. */
int backup_file_unlock(const struct backup_head *head, const struct backup_key *key,
                       struct key *ret_content) MUST_CHECK;

/* Opens the content and compares realm, generations, fingerprints and signer with the plain head.
 * KEYRING_DONE, KEYRING_DAMAGED, KEYRING_NEWER, -errno. */
int backup_file_unseal(const struct backup_head *head, const struct key *content,
                       struct keyring **ret_keyring, struct backup_manifest *ret_manifest)
    MUST_CHECK;

/* SLOW for a passphrase. *ret_content is the key of the content, for the proof. KEYRING_DONE,
 * -EINVAL, -errno. */
int backup_file_seal(const struct keyring *keyring, const struct backup_request *request,
                     struct secret **ret_bytes, struct key *ret_content) MUST_CHECK;

#endif

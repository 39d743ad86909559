/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A lock of a backup: its content key under a passphrase, or sealed to a recipient's public key
 * (doc/FORMAT, "Backup"). Any one opens. */
#ifndef KEYS_BACKUP_LOCK_H
#define KEYS_BACKUP_LOCK_H

#include "common/backup_head.h"
#include "common/cursor.h"
#include "dbus-service/keys/backup.h"
#include "dbus-service/keys/passphrase.h"
#include "dbus-service/keys/sealed_file.h"

#define BACKUP_LABEL "mastersecret backup" /* of all that is authenticated or signed */
#define BACKUP_LABEL_SIZE (sizeof(BACKUP_LABEL) - 1)

/* SLOW: Argon2id. The key material of a passphrase, if it is the one committed to. KEYRING_DONE,
 * KEYRING_WRONG_KEY, KEYRING_DAMAGED, KEYRING_NEWER, -ENOMEM. */
int backup_lock_material(const struct backup_lock *lock, const struct secret *passphrase,
                         struct key *ret_material) MUST_CHECK;

/* SLOW for a passphrase. Opens the one that fits the key. KEYRING_DONE; KEYRING_NO_SLOT: none is of
 * that kind; KEYRING_WRONG_KEY, KEYRING_DAMAGED, KEYRING_NEWER, -ENOMEM. */
int backup_locks_open(const struct backup_head *head, const struct backup_key *key,
                      struct key *ret_content_key) MUST_CHECK;

/* SLOW. Writes a lock with its length. KEYRING_DONE or -ENOMEM. */
int backup_lock_put_passphrase(struct cursor *cursor, const struct secret *passphrase,
                               const uint8_t realm[REALM_ID_SIZE],
                               const struct key *content_key) MUST_CHECK;
/* KEYRING_DONE; -EINVAL: nothing can be sealed to this public key. */
int backup_lock_put_recipient(struct cursor *cursor, const struct recipient *recipient,
                              const struct key *content_key) MUST_CHECK;

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A lock of a backup: its content key under a passphrase, or sealed to a recipient's public key
 * (doc/FORMAT, "Backup"). Any one opens. */
#ifndef KEYS_BACKUP_LOCK_H
#define KEYS_BACKUP_LOCK_H

#include "common/cursor.h"
#include "dbus-service/keys/backup.h"
#include "dbus-service/keys/passphrase.h"
#include "dbus-service/keys/sealed_file.h"

#define BACKUP_LABEL "mastersecret backup" /* of all that is authenticated or signed */
#define BACKUP_LABEL_SIZE (sizeof(BACKUP_LABEL) - 1)
#define BACKUP_COMMITMENT_SIZE 32
#define BACKUP_SEALED_KEY_SIZE (KEY_SIZE + 48) /* crypto_box_seal */
#define BACKUP_LOCKS_MAX (RECIPIENTS_MAX + 1)
#define BACKUP_LOCK_MAX_SIZE (1 + KEY_SIZE + 4 + NAME_MAX_BYTES + BACKUP_SEALED_KEY_SIZE)

enum backup_lock_kind { BACKUP_LOCK_PASSPHRASE = 1, BACKUP_LOCK_RECIPIENT = 2 };

/* Everything that points does so into the bytes parsed. */
struct backup_lock {
    enum backup_lock_kind kind;
    const uint8_t *bytes;
    size_t head_size; /* passphrase: of its beginning, authenticated with the wrapped key */
    /* passphrase */
    struct passphrase_cost cost;
    uint8_t salt[PASSPHRASE_SALT_SIZE];
    uint8_t commitment[BACKUP_COMMITMENT_SIZE];
    const uint8_t *nonce;
    const uint8_t *wrapped;
    /* recipient */
    struct recipient recipient; /* when it was added is not known here */
    const uint8_t *sealed;
};

/* The cursor holds one lock and nothing else. KEYRING_DONE or KEYRING_DAMAGED. */
int backup_lock_parse(struct cursor *cursor, struct backup_lock *ret_lock) MUST_CHECK;

/* SLOW: Argon2id. The key material of a passphrase, if it is the one committed to. KEYRING_DONE,
 * KEYRING_WRONG_KEY, KEYRING_DAMAGED, KEYRING_NEWER, -ENOMEM. */
int backup_lock_material(const struct backup_lock *lock, const struct secret *passphrase,
                         struct key *ret_material) MUST_CHECK;

/* SLOW for a passphrase. Opens the one that fits the key. KEYRING_DONE; KEYRING_NO_SLOT: none is of
 * that kind; KEYRING_WRONG_KEY, KEYRING_DAMAGED, KEYRING_NEWER, -ENOMEM. */
int backup_locks_open(const struct backup_lock *locks, size_t count,
                      const uint8_t realm[REALM_ID_SIZE], const struct backup_key *key,
                      struct key *ret_content_key) MUST_CHECK;

/* SLOW. Writes a lock with its length. KEYRING_DONE or -ENOMEM. */
int backup_lock_put_passphrase(struct cursor *cursor, const struct secret *passphrase,
                               const uint8_t realm[REALM_ID_SIZE],
                               const struct key *content_key) MUST_CHECK;
/* KEYRING_DONE; -EINVAL: nothing can be sealed to this public key. */
int backup_lock_put_recipient(struct cursor *cursor, const struct recipient *recipient,
                              const struct key *content_key) MUST_CHECK;

#endif

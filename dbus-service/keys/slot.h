/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A slot: the root key wrapped under key material of one kind (doc/FORMAT, "Keyring"). */
#ifndef KEYS_SLOT_H
#define KEYS_SLOT_H

#include "common/cursor.h"
#include "dbus-service/keys/keyring.h"
#include "dbus-service/keys/passphrase.h"

#define SLOT_SALT_SIZE PASSPHRASE_SALT_SIZE
#define SLOT_COMMITMENT_SIZE 32
#define SLOT_NONCE_SIZE 24
#define SLOT_WRAPPED_SIZE (KEY_SIZE + 16)
#define SLOT_HEAD_SIZE (1 + 4 + 8 + 8 + SLOT_SALT_SIZE + SLOT_COMMITMENT_SIZE)
#define SLOT_SIZE (SLOT_HEAD_SIZE + SLOT_NONCE_SIZE + SLOT_WRAPPED_SIZE)
#define SLOT_CONTEXT "msslot01" /* of every subkey of key material */

struct slot {
    enum slot_kind kind;
    uint32_t id;
    struct passphrase_cost cost; /* zero unless kind is SLOT_PASSPHRASE */
    uint8_t salt[SLOT_SALT_SIZE];
    uint8_t commitment[SLOT_COMMITMENT_SIZE];
    uint8_t nonce[SLOT_NONCE_SIZE];
    uint8_t wrapped[SLOT_WRAPPED_SIZE];
};

/* Makes key material that this kind makes itself (the key file, unless it is there already).
 * KEYRING_DONE, KEYRING_NO_SLOT, KEYRING_PASSPHRASE_LENGTH, -errno. */
int slot_source_create(enum slot_kind kind, const struct slot_sources *sources,
                       bool *ret_created) MUST_CHECK;
/* Takes it back. */
void slot_source_remove(enum slot_kind kind, const struct slot_sources *sources);

/* SLOW for a passphrase. Wraps the root key. KEYRING_DONE, _NO_SLOT, _BAD_SOURCE, -errno. */
int slot_wrap(enum slot_kind kind, uint32_t id, const struct slot_sources *sources,
              const uint8_t realm[REALM_ID_SIZE], const uint8_t root[KEY_SIZE],
              struct slot *ret_slot) MUST_CHECK;
/* SLOW for a passphrase. KEYRING_DONE, _NO_SLOT, _BAD_SOURCE, _WRONG_KEY, _DAMAGED, _NEWER,
 * -errno. */
int slot_unwrap(const struct slot *slot, const struct slot_sources *sources,
                const uint8_t realm[REALM_ID_SIZE], struct key *ret_root) MUST_CHECK;

/* SLOT_SIZE bytes. */
void slot_format(const struct slot *slot, struct cursor *cursor);
/* KEYRING_DONE or KEYRING_DAMAGED. */
int slot_parse(struct cursor *cursor, struct slot *ret_slot) MUST_CHECK;

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A slot: the root key wrapped under key material of one kind (doc/FORMAT, "Keyring"). */
#ifndef KEYS_SLOT_H
#define KEYS_SLOT_H

#include "common/cursor.h"
#include "dbus-service/keys/keyring.h"
#include "dbus-service/keys/passphrase.h"

#include <limits.h>

#define SLOT_SALT_SIZE PASSPHRASE_SALT_SIZE
#define SLOT_COMMITMENT_SIZE 32
#define SLOT_NONCE_SIZE 24
#define SLOT_WRAPPED_SIZE (KEY_SIZE + 16)
#define SLOT_HEAD_SIZE (1 + 4 + 8 + 8 + SLOT_SALT_SIZE + SLOT_COMMITMENT_SIZE)
#define SLOT_SIZE (SLOT_HEAD_SIZE + SLOT_NONCE_SIZE + SLOT_WRAPPED_SIZE)
#define SLOT_CONTEXT "msslot01" /* of every subkey of key material */

#define FIRST_SLOT_ID 1 /* where there is no other */
#define SLOT_BLOCK_MAX 4096 /* of a kind that is yet to come */

struct slot {
    enum slot_kind kind;
    uint32_t id;
    /* As it stands in the file, borrowed: a slot that this version cannot use, of an unknown
     * kind or ill-formed, which is kept all the same and opens nothing. NULL for all others. */
    const uint8_t *kept;
    size_t kept_size;
    struct passphrase_cost cost; /* SLOT_SHARES: threshold and count; zero but for a passphrase */
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

/* SLOW for a passphrase. Wraps the root key; sources->shares are those made for this slot.
 * KEYRING_DONE, _NO_SLOT, _BAD_SOURCE, -errno. */
int slot_wrap(enum slot_kind kind, uint32_t id, const struct slot_sources *sources,
              const uint8_t realm[REALM_ID_SIZE], const uint8_t root[KEY_SIZE],
              struct slot *ret_slot) MUST_CHECK;
/* SLOW for a passphrase. KEYRING_DONE, _NO_SLOT, _BAD_SOURCE, _SHARES_DIFFER, _WRONG_KEY, _DAMAGED,
 * _NEWER, -errno. */
int slot_unwrap(const struct slot *slot, const struct slot_sources *sources,
                const uint8_t realm[REALM_ID_SIZE], struct key *ret_root) MUST_CHECK;

/* A new key file beside the present one, at a path of its own, and then in its place. 0 or
 * -errno. */
int slot_keyfile_prepare(const char *path, char ret_next[PATH_MAX]) MUST_CHECK;
int slot_keyfile_commit(const char *path) MUST_CHECK;
/* Instead of, or after a failed commit. 0: the present one is still in its place. */
int slot_keyfile_cancel(const char *path);

/* As a block. */
size_t slot_size(const struct slot *slot);
void slot_format(const struct slot *slot, struct cursor *cursor);
/* The slot borrows. KEYRING_DONE or KEYRING_DAMAGED: not even kind and id are there. */
int slot_parse(const uint8_t *block, size_t size, struct slot *ret_slot) MUST_CHECK;

#endif

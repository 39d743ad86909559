/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/backup_lock.h"

#include "common/names.h"
#include "common/recipient_key.h"
#include "dbus-service/keys/slot.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define ASSOCIATED_SIZE (BACKUP_LABEL_SIZE + REALM_ID_SIZE + BACKUP_LOCK_HEAD_SIZE)

enum { SUBKEY_WRAP = 3, SUBKEY_COMMITMENT = 4 };

_Static_assert(BACKUP_SALT_SIZE == PASSPHRASE_SALT_SIZE, "salt");
_Static_assert(BACKUP_NONCE_SIZE == SEALED_NONCE_SIZE, "nonce");
_Static_assert(BACKUP_TAG_SIZE == SEALED_TAG_SIZE, "tag");
_Static_assert(BACKUP_WRAPPED_SIZE == KEY_SIZE + SEALED_TAG_SIZE, "a wrapped key");
_Static_assert(BACKUP_SEALED_KEY_SIZE == KEY_SIZE + crypto_box_SEALBYTES, "a sealed key");

int backup_lock_material(const struct backup_lock *lock, const struct secret *passphrase,
                         struct key *ret_material)
{
    struct passphrase_cost cost = { lock->opslimit, lock->memlimit };
    uint8_t commitment[BACKUP_COMMITMENT_SIZE];
    int r = passphrase_derive(passphrase, lock->salt, &cost, ret_material);

    if (r != KEYRING_DONE)
        return r;
    key_derive(ret_material->bytes, SUBKEY_COMMITMENT, SLOT_CONTEXT, commitment);
    return sodium_memcmp(commitment, lock->commitment, sizeof(commitment)) == 0 ? KEYRING_DONE
                                                                               : KEYRING_WRONG_KEY;
}

static void format_associated(const uint8_t realm[REALM_ID_SIZE], const uint8_t head[BACKUP_LOCK_HEAD_SIZE],
                              uint8_t ret_bytes[ASSOCIATED_SIZE])
{
    struct cursor cursor = cursor_writer(ret_bytes, ASSOCIATED_SIZE);

    cursor_put_bytes(&cursor, BACKUP_LABEL, BACKUP_LABEL_SIZE);
    cursor_put_bytes(&cursor, realm, REALM_ID_SIZE);
    cursor_put_bytes(&cursor, head, BACKUP_LOCK_HEAD_SIZE);
}

static int open_passphrase(const struct backup_lock *lock, const uint8_t realm[REALM_ID_SIZE],
                           const struct secret *passphrase, struct key *ret_content_key)
{
    CLEANUP_KEY struct key material;
    CLEANUP_KEY struct key wrap;
    uint8_t associated[ASSOCIATED_SIZE];
    int r = backup_lock_material(lock, passphrase, &material);

    if (r != KEYRING_DONE)
        return r;
    key_derive(material.bytes, SUBKEY_WRAP, SLOT_CONTEXT, wrap.bytes);
    format_associated(realm, lock->bytes, associated);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            ret_content_key->bytes, NULL, NULL, lock->wrapped, BACKUP_WRAPPED_SIZE, associated,
            sizeof(associated), lock->nonce, wrap.bytes) < 0)
        return KEYRING_DAMAGED;
    return KEYRING_DONE;
}

static int open_recipient(const struct backup_lock *lock, const struct key *private_key,
                          struct key *ret_content_key)
{
    if (crypto_box_seal_open(ret_content_key->bytes, lock->sealed, BACKUP_SEALED_KEY_SIZE,
                             lock->public_key, private_key->bytes) < 0)
        return KEYRING_DAMAGED;
    return KEYRING_DONE;
}

static int open_by_passphrase(const struct backup_head *head, const struct secret *passphrase,
                              struct key *ret_content_key)
{
    for (size_t i = 0; i < head->lock_count; i++)
        if (head->locks[i].kind == BACKUP_LOCK_PASSPHRASE)
            return open_passphrase(&head->locks[i], head->realm, passphrase, ret_content_key);
    return KEYRING_NO_SLOT;
}

static int open_by_private_key(const struct backup_head *head, const struct key *private_key,
                               struct key *ret_content_key)
{
    uint8_t public_key[KEY_SIZE];
    int reason = KEYRING_NO_SLOT;

    recipient_key_public(private_key->bytes, public_key);
    for (size_t i = 0; i < head->lock_count; i++) {
        if (head->locks[i].kind != BACKUP_LOCK_RECIPIENT)
            continue;
        if (sodium_memcmp(head->locks[i].public_key, public_key, sizeof(public_key)) == 0)
            return open_recipient(&head->locks[i], private_key, ret_content_key);
        reason = KEYRING_WRONG_KEY;
    }
    return reason;
}

int backup_locks_open(const struct backup_head *head, const struct backup_key *key,
                      struct key *ret_content_key)
{
    if (key->passphrase)
        return open_by_passphrase(head, key->passphrase, ret_content_key);
    if (key->private_key)
        return open_by_private_key(head, key->private_key, ret_content_key);
    return KEYRING_NO_SLOT;
}

/* The head, and the key that it commits to. */
static int new_head(const struct secret *passphrase, uint8_t ret_head[BACKUP_LOCK_HEAD_SIZE],
                    struct key *ret_wrap)
{
    CLEANUP_KEY struct key material;
    uint8_t salt[PASSPHRASE_SALT_SIZE], commitment[BACKUP_COMMITMENT_SIZE];
    struct cursor cursor = cursor_writer(ret_head, BACKUP_LOCK_HEAD_SIZE);
    int r;

    random_bytes(salt, sizeof(salt));
    r = passphrase_derive(passphrase, salt, &passphrase_cost_default, &material);
    if (r != KEYRING_DONE)
        return r;
    key_derive(material.bytes, SUBKEY_COMMITMENT, SLOT_CONTEXT, commitment);
    key_derive(material.bytes, SUBKEY_WRAP, SLOT_CONTEXT, ret_wrap->bytes);
    cursor_put_u8(&cursor, BACKUP_LOCK_PASSPHRASE);
    cursor_put_u64(&cursor, passphrase_cost_default.opslimit);
    cursor_put_u64(&cursor, passphrase_cost_default.memlimit);
    cursor_put_bytes(&cursor, salt, sizeof(salt));
    cursor_put_bytes(&cursor, commitment, sizeof(commitment));
    return KEYRING_DONE;
}

int backup_lock_put_passphrase(struct cursor *cursor, const struct secret *passphrase,
                               const uint8_t realm[REALM_ID_SIZE], const struct key *content_key)
{
    CLEANUP_KEY struct key wrap;
    uint8_t head[BACKUP_LOCK_HEAD_SIZE], associated[ASSOCIATED_SIZE];
    uint8_t nonce[SEALED_NONCE_SIZE], wrapped[BACKUP_WRAPPED_SIZE];
    int r = new_head(passphrase, head, &wrap);

    if (r != KEYRING_DONE)
        return r;
    random_bytes(nonce, sizeof(nonce));
    format_associated(realm, head, associated);
    crypto_aead_xchacha20poly1305_ietf_encrypt(wrapped, NULL, content_key->bytes, KEY_SIZE,
                                               associated, sizeof(associated), NULL, nonce,
                                               wrap.bytes);
    cursor_put_u32(cursor, sizeof(head) + sizeof(nonce) + sizeof(wrapped));
    cursor_put_bytes(cursor, head, sizeof(head));
    cursor_put_bytes(cursor, nonce, sizeof(nonce));
    cursor_put_bytes(cursor, wrapped, sizeof(wrapped));
    return KEYRING_DONE;
}

int backup_lock_put_recipient(struct cursor *cursor, const struct recipient *recipient,
                              const struct key *content_key)
{
    uint8_t sealed[BACKUP_SEALED_KEY_SIZE];
    size_t length = strlen(recipient->name);

    if (crypto_box_seal(sealed, content_key->bytes, KEY_SIZE, recipient->public_key) < 0)
        return -EINVAL;
    cursor_put_u32(cursor, (uint32_t)(1 + KEY_SIZE + 4 + length + sizeof(sealed)));
    cursor_put_u8(cursor, BACKUP_LOCK_RECIPIENT);
    cursor_put_bytes(cursor, recipient->public_key, sizeof(recipient->public_key));
    cursor_put_block(cursor, recipient->name, length);
    cursor_put_bytes(cursor, sealed, sizeof(sealed));
    return KEYRING_DONE;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/backup_lock.h"

#include "common/names.h"
#include "common/recipient_key.h"
#include "dbus-service/keys/slot.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define WRAPPED_SIZE (KEY_SIZE + SEALED_TAG_SIZE)
#define HEAD_SIZE (1 + 8 + 8 + PASSPHRASE_SALT_SIZE + BACKUP_COMMITMENT_SIZE)
#define ASSOCIATED_SIZE (BACKUP_LABEL_SIZE + REALM_ID_SIZE + HEAD_SIZE)

enum { SUBKEY_WRAP = 3, SUBKEY_COMMITMENT = 4 };

_Static_assert(BACKUP_SEALED_KEY_SIZE == KEY_SIZE + crypto_box_SEALBYTES, "a sealed key");

static void parse_passphrase(struct cursor *cursor, struct backup_lock *lock)
{
    lock->cost.opslimit = cursor_get_u64(cursor);
    lock->cost.memlimit = cursor_get_u64(cursor);
    cursor_get_bytes(cursor, lock->salt, sizeof(lock->salt));
    cursor_get_bytes(cursor, lock->commitment, sizeof(lock->commitment));
    lock->head_size = cursor->position;
    lock->nonce = cursor_get_view(cursor, SEALED_NONCE_SIZE);
    lock->wrapped = cursor_get_view(cursor, WRAPPED_SIZE);
}

static void parse_recipient(struct cursor *cursor, struct backup_lock *lock)
{
    const uint8_t *name;
    size_t length;

    cursor_get_bytes(cursor, lock->recipient.public_key, sizeof(lock->recipient.public_key));
    name = cursor_get_block(cursor, NAME_MAX_BYTES, &length);
    if (name && !memchr(name, '\0', length))
        memcpy(lock->recipient.name, name, length);
    lock->sealed = cursor_get_view(cursor, BACKUP_SEALED_KEY_SIZE);
}

int backup_lock_parse(struct cursor *cursor, struct backup_lock *ret_lock)
{
    unsigned kind = cursor_get_u8(cursor);

    *ret_lock = (struct backup_lock){ .kind = (enum backup_lock_kind)kind, .bytes = cursor->bytes };
    if (ret_lock->kind == BACKUP_LOCK_PASSPHRASE)
        parse_passphrase(cursor, ret_lock);
    else if (ret_lock->kind == BACKUP_LOCK_RECIPIENT)
        parse_recipient(cursor, ret_lock);
    else
        return KEYRING_DAMAGED;
    if (!cursor_at_end(cursor) ||
        (ret_lock->kind == BACKUP_LOCK_RECIPIENT && !name_is_valid(ret_lock->recipient.name)))
        return KEYRING_DAMAGED;
    return KEYRING_DONE;
}

int backup_lock_material(const struct backup_lock *lock, const struct secret *passphrase,
                         struct key *ret_material)
{
    uint8_t commitment[BACKUP_COMMITMENT_SIZE];
    int r = passphrase_derive(passphrase, lock->salt, &lock->cost, ret_material);

    if (r != KEYRING_DONE)
        return r;
    key_derive(ret_material->bytes, SUBKEY_COMMITMENT, SLOT_CONTEXT, commitment);
    return sodium_memcmp(commitment, lock->commitment, sizeof(commitment)) == 0 ? KEYRING_DONE
                                                                               : KEYRING_WRONG_KEY;
}

static void format_associated(const uint8_t realm[REALM_ID_SIZE], const uint8_t head[HEAD_SIZE],
                              uint8_t ret_bytes[ASSOCIATED_SIZE])
{
    struct cursor cursor = cursor_writer(ret_bytes, ASSOCIATED_SIZE);

    cursor_put_bytes(&cursor, BACKUP_LABEL, BACKUP_LABEL_SIZE);
    cursor_put_bytes(&cursor, realm, REALM_ID_SIZE);
    cursor_put_bytes(&cursor, head, HEAD_SIZE);
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
            ret_content_key->bytes, NULL, NULL, lock->wrapped, WRAPPED_SIZE, associated,
            sizeof(associated), lock->nonce, wrap.bytes) < 0)
        return KEYRING_DAMAGED;
    return KEYRING_DONE;
}

static int open_recipient(const struct backup_lock *lock, const struct key *private_key,
                          struct key *ret_content_key)
{
    if (crypto_box_seal_open(ret_content_key->bytes, lock->sealed, BACKUP_SEALED_KEY_SIZE,
                             lock->recipient.public_key, private_key->bytes) < 0)
        return KEYRING_DAMAGED;
    return KEYRING_DONE;
}

static int open_by_passphrase(const struct backup_lock *locks, size_t count,
                              const uint8_t realm[REALM_ID_SIZE], const struct secret *passphrase,
                              struct key *ret_content_key)
{
    for (size_t i = 0; i < count; i++)
        if (locks[i].kind == BACKUP_LOCK_PASSPHRASE)
            return open_passphrase(&locks[i], realm, passphrase, ret_content_key);
    return KEYRING_NO_SLOT;
}

static int open_by_private_key(const struct backup_lock *locks, size_t count,
                               const struct key *private_key, struct key *ret_content_key)
{
    uint8_t public_key[KEY_SIZE];
    int reason = KEYRING_NO_SLOT;

    recipient_key_public(private_key->bytes, public_key);
    for (size_t i = 0; i < count; i++) {
        if (locks[i].kind != BACKUP_LOCK_RECIPIENT)
            continue;
        if (sodium_memcmp(locks[i].recipient.public_key, public_key, sizeof(public_key)) == 0)
            return open_recipient(&locks[i], private_key, ret_content_key);
        reason = KEYRING_WRONG_KEY;
    }
    return reason;
}

int backup_locks_open(const struct backup_lock *locks, size_t count,
                      const uint8_t realm[REALM_ID_SIZE], const struct backup_key *key,
                      struct key *ret_content_key)
{
    if (key->passphrase)
        return open_by_passphrase(locks, count, realm, key->passphrase, ret_content_key);
    if (key->private_key)
        return open_by_private_key(locks, count, key->private_key, ret_content_key);
    return KEYRING_NO_SLOT;
}

/* The head, and the key that it commits to. */
static int new_head(const struct secret *passphrase, uint8_t ret_head[HEAD_SIZE],
                    struct key *ret_wrap)
{
    CLEANUP_KEY struct key material;
    uint8_t salt[PASSPHRASE_SALT_SIZE], commitment[BACKUP_COMMITMENT_SIZE];
    struct cursor cursor = cursor_writer(ret_head, HEAD_SIZE);
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
    uint8_t head[HEAD_SIZE], associated[ASSOCIATED_SIZE];
    uint8_t nonce[SEALED_NONCE_SIZE], wrapped[WRAPPED_SIZE];
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

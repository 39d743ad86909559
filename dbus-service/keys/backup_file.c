/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/backup_file.h"

#include "common/backup_signature.h"
#include "common/cursor.h"
#include "dbus-service/keys/keyring_content.h"
#include "dbus-service/keys/slot.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define HEAD_MAX_SIZE                                                                              \
    (SEALED_MAGIC_SIZE + 4 + REALM_ID_SIZE + 8 + 4 + HINT_MAX_BYTES + 4 + NAME_MAX_BYTES + 2 +     \
     GENERATIONS_MAX * BACKUP_GENERATION_SIZE + KEY_SIZE + 2 +                                     \
     BACKUP_LOCKS_MAX * (4 + BACKUP_LOCK_MAX_SIZE) + BACKUP_COMMITMENT_SIZE)
#define CONTENT_CONTEXT "msbackup"

enum { SUBKEY_CONTENT = 1, SUBKEY_COMMITMENT = 2 }; /* of the key under the locks */
enum { SUBKEY_CONTENT_PASSPHRASE = 3 };             /* format 1: of the passphrase's material */

_Static_assert(HEAD_MAX_SIZE + SEALED_OVERHEAD + KEYRING_CONTENT_MAX + BACKUP_SIGNATURE_SIZE <=
                   BACKUP_FILE_MAX,
               "the largest backup fits");

static int unlock_passphrase(const struct backup_head *head, const struct secret *passphrase,
                             struct key *ret_content)
{
    CLEANUP_KEY struct key material;
    int r;

    if (!passphrase)
        return KEYRING_NO_SLOT;
    r = backup_lock_material(&head->locks[0], passphrase, &material);
    if (r == KEYRING_DONE)
        key_derive(material.bytes, SUBKEY_CONTENT_PASSPHRASE, SLOT_CONTEXT, ret_content->bytes);
    return r;
}

int backup_file_unlock(const struct backup_head *head, const struct backup_key *key,
                       struct key *ret_content)
{
    CLEANUP_KEY struct key locked;
    uint8_t commitment[BACKUP_COMMITMENT_SIZE];
    int r;

    if (head->format == BACKUP_FORMAT_PASSPHRASE)
        return unlock_passphrase(head, key->passphrase, ret_content);
    r = backup_locks_open(head, key, &locked);
    if (r != KEYRING_DONE)
        return r;
    key_derive(locked.bytes, SUBKEY_COMMITMENT, CONTENT_CONTEXT, commitment);
    if (sodium_memcmp(commitment, head->commitment, sizeof(commitment)) != 0)
        return KEYRING_DAMAGED;
    key_derive(locked.bytes, SUBKEY_CONTENT, CONTENT_CONTEXT, ret_content->bytes);
    return KEYRING_DONE;
}

/* The head's list is compared with fingerprints recomputed from the secrets just opened. */
static bool generations_fit(const struct backup_head *head, const struct keyring *keyring)
{
    if (head->generation_count != keyring->count)
        return false;
    for (size_t i = 0; i < keyring->count; i++) {
        const struct generation_info *info = &keyring->generations[i].info;
        const uint8_t *fingerprint;

        if (backup_head_generation(head, i, &fingerprint) != info->number ||
            memcmp(fingerprint, info->fingerprint, FINGERPRINT_SIZE) != 0)
            return false;
    }
    return true;
}

static bool head_fits(const struct backup_head *head, const struct keyring *keyring)
{
    return memcmp(head->realm, keyring->realm, sizeof(keyring->realm)) == 0 &&
           generations_fit(head, keyring) &&
           (!head->signer ||
            sodium_memcmp(head->signer, keyring->signing_public, KEY_SIZE) == 0);
}

static int parse_content(const struct backup_head *head, const struct secret *bytes,
                         struct keyring **ret_keyring, struct backup_manifest *ret_manifest)
{
    struct cursor cursor = cursor_reader(bytes->bytes, bytes->length);
    int r;

    *ret_manifest = (struct backup_manifest){ .revision = 0 };
    if (head->format == BACKUP_FORMAT_PASSPHRASE)
        return keyring_parse(bytes, ret_keyring);
    r = keyring_get(&cursor, ret_keyring);
    return r == KEYRING_DONE ? backup_manifest_parse(&cursor, ret_manifest) : r;
}

int backup_file_unseal(const struct backup_head *head, const struct key *content,
                       struct keyring **ret_keyring, struct backup_manifest *ret_manifest)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    struct sealed sealed = { BACKUP_LABEL, head->bytes, head->size,
                             head->nonce,  head->sealed, head->sealed_size };
    int r = sealed_open(&sealed, content, &bytes);

    if (r != KEYRING_DONE)
        return r;
    r = parse_content(head, bytes, &keyring, ret_manifest);
    if (r != KEYRING_DONE)
        return r;
    if (!head_fits(head, keyring))
        return KEYRING_DAMAGED;
    random_bytes(keyring->keys->root, sizeof(keyring->keys->root));
    *ret_keyring = STEAL(keyring);
    return KEYRING_DONE;
}

/* Writing: head, locks, sealed content, signature. */

static void put_names(struct cursor *cursor, const struct keyring *keyring, const char *hint)
{
    char host[NAME_MAX_BYTES + 1] = "";

    if (gethostname(host, sizeof(host) - 1) < 0)
        host[0] = '\0';
    cursor_put_bytes(cursor, keyring->realm, sizeof(keyring->realm));
    cursor_put_u64(cursor, keyring_now_usec());
    cursor_put_block(cursor, hint, strlen(hint));
    cursor_put_block(cursor, host, strlen(host));
    cursor_put_u16(cursor, (uint16_t)keyring->count);
    for (size_t i = 0; i < keyring->count; i++) {
        const struct generation_info *info = &keyring->generations[i].info;

        cursor_put_u32(cursor, info->number);
        cursor_put_bytes(cursor, info->fingerprint, FINGERPRINT_SIZE);
    }
}

static int put_locks(struct cursor *cursor, const struct keyring *keyring,
                     const struct backup_request *request, const struct key *locked)
{
    size_t recipients = request->to_recipients ? keyring->recipient_count : 0;
    int r = KEYRING_DONE;

    cursor_put_u16(cursor, (uint16_t)((request->passphrase ? 1 : 0) + recipients));
    if (request->passphrase)
        r = backup_lock_put_passphrase(cursor, request->passphrase, keyring->realm, locked);
    for (size_t i = 0; i < recipients && r == KEYRING_DONE; i++)
        r = backup_lock_put_recipient(cursor, &keyring->recipients[i], locked);
    return r;
}

static int put_sealed(struct cursor *cursor, const struct keyring *keyring,
                      const struct backup_manifest *manifest, const struct key *content)
{
    static const struct backup_manifest none;
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct cursor inner;
    int r = secret_new(keyring_content_size(keyring) + BACKUP_MANIFEST_MAX_SIZE, &bytes);

    if (r < 0)
        return r;
    inner = cursor_writer(bytes->bytes, bytes->capacity);
    keyring_put(&inner, keyring);
    backup_manifest_put(&inner, manifest ? manifest : &none);
    bytes->length = inner.position;
    return sealed_put(cursor, BACKUP_LABEL, cursor->position, bytes, content);
}

static int put_signature(struct cursor *cursor, const struct keyring *keyring)
{
    uint8_t signature[BACKUP_SIGNATURE_SIZE];
    int r = backup_signature_make(cursor->bytes, cursor->position, keyring->keys->signing_secret,
                                  signature);

    if (r == 0)
        cursor_put_bytes(cursor, signature, sizeof(signature));
    return r;
}

static int put_all(struct cursor *cursor, const struct keyring *keyring,
                   const struct backup_request *request, struct key *ret_content)
{
    CLEANUP_KEY struct key locked;
    uint8_t commitment[BACKUP_COMMITMENT_SIZE];
    int r;

    random_bytes(locked.bytes, sizeof(locked.bytes));
    key_derive(locked.bytes, SUBKEY_CONTENT, CONTENT_CONTEXT, ret_content->bytes);
    key_derive(locked.bytes, SUBKEY_COMMITMENT, CONTENT_CONTEXT, commitment);
    sealed_put_magic(cursor, BACKUP_MAGIC, BACKUP_FORMAT_LOCKS);
    put_names(cursor, keyring, request->hint);
    cursor_put_bytes(cursor, keyring->signing_public, sizeof(keyring->signing_public));
    r = put_locks(cursor, keyring, request, &locked);
    if (r != KEYRING_DONE)
        return r;
    cursor_put_bytes(cursor, commitment, sizeof(commitment));
    r = put_sealed(cursor, keyring, request->manifest, ret_content);
    return r == KEYRING_DONE ? put_signature(cursor, keyring) : r;
}

int backup_file_seal(const struct keyring *keyring, const struct backup_request *request,
                     struct secret **ret_bytes, struct key *ret_content)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct cursor cursor;
    int r;

    if (!keyring->signing_present)
        return -EINVAL;
    r = secret_new(BACKUP_FILE_MAX, &bytes);
    if (r < 0)
        return r;
    cursor = cursor_writer(bytes->bytes, bytes->capacity);
    r = put_all(&cursor, keyring, request, ret_content);
    if (r != KEYRING_DONE)
        return r;
    bytes->length = cursor.position;
    *ret_bytes = STEAL(bytes);
    return KEYRING_DONE;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/backup_file.h"

#include "common/cursor.h"
#include "common/names.h"
#include "dbus-service/keys/keyring_content.h"
#include "dbus-service/keys/slot.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define MAGIC "MSBACKU1"
#define HOST_MAX_BYTES NAME_MAX_BYTES
#define HEAD_MAX_SIZE                                                                              \
    (SEALED_MAGIC_SIZE + 4 + REALM_ID_SIZE + 8 + 4 + HINT_MAX_BYTES + 4 + HOST_MAX_BYTES + 2 +     \
     GENERATIONS_MAX * BACKUP_GENERATION_SIZE + KEY_SIZE + 2 +                                     \
     BACKUP_LOCKS_MAX * (4 + BACKUP_LOCK_MAX_SIZE) + BACKUP_COMMITMENT_SIZE)
#define CONTENT_CONTEXT "msbackup"

enum { SUBKEY_CONTENT = 1, SUBKEY_COMMITMENT = 2 }; /* of the key under the locks */
enum { SUBKEY_CONTENT_PASSPHRASE = 3 };             /* format 1: of the passphrase's material */

_Static_assert(HEAD_MAX_SIZE + SEALED_OVERHEAD + KEYRING_CONTENT_MAX + BACKUP_SIGNATURE_SIZE <=
                   BACKUP_FILE_MAX,
               "the largest backup fits");

static void parse_names(struct cursor *cursor, struct backup_file *file)
{
    cursor_get_bytes(cursor, file->realm, sizeof(file->realm));
    file->created_usec = cursor_get_u64(cursor);
    file->hint = cursor_get_block(cursor, HINT_MAX_BYTES, &file->hint_length);
    file->host = cursor_get_block(cursor, HOST_MAX_BYTES, &file->host_length);
    file->generation_count = cursor_get_u16(cursor);
    file->generations =
        cursor_get_view(cursor, file->generation_count * (size_t)BACKUP_GENERATION_SIZE);
}

/* Format 1: the passphrase's parameters stand in the head, the content is under its material. */
static int parse_passphrase(struct cursor *cursor, struct backup_file *file)
{
    struct backup_lock *lock = &file->locks[0];

    lock->kind = BACKUP_LOCK_PASSPHRASE;
    lock->cost.opslimit = cursor_get_u64(cursor);
    lock->cost.memlimit = cursor_get_u64(cursor);
    cursor_get_bytes(cursor, lock->salt, sizeof(lock->salt));
    cursor_get_bytes(cursor, lock->commitment, sizeof(lock->commitment));
    file->lock_count = 1;
    return KEYRING_DONE;
}

/* One passphrase at most: each costs whoever tries it a second. */
static int parse_locks(struct cursor *cursor, struct backup_file *file)
{
    size_t count, passphrases = 0;

    file->signer = cursor_get_view(cursor, KEY_SIZE);
    count = cursor_get_u16(cursor);
    if (count < 1 || count > BACKUP_LOCKS_MAX)
        return KEYRING_DAMAGED;
    while (file->lock_count < count) {
        size_t length;
        const uint8_t *block = cursor_get_block(cursor, BACKUP_LOCK_MAX_SIZE, &length);
        struct cursor inner = cursor_reader(block, block ? length : 0);
        struct backup_lock *lock = &file->locks[file->lock_count++];

        if (backup_lock_parse(&inner, lock) != KEYRING_DONE)
            return KEYRING_DAMAGED;
        passphrases += lock->kind == BACKUP_LOCK_PASSPHRASE;
    }
    cursor_get_bytes(cursor, file->commitment, sizeof(file->commitment));
    return passphrases <= 1 ? KEYRING_DONE : KEYRING_DAMAGED;
}

static int parse_body(struct cursor *cursor, struct backup_file *file)
{
    int r;

    parse_names(cursor, file);
    if (file->generation_count < 1 || file->generation_count > GENERATIONS_MAX)
        return KEYRING_DAMAGED;
    r = file->signature ? parse_locks(cursor, file) : parse_passphrase(cursor, file);
    if (r != KEYRING_DONE)
        return r;
    file->associated_size = cursor->position;
    return sealed_parse(cursor, &file->sealed);
}

int backup_file_parse(const void *bytes, size_t size, struct backup_file *ret_file)
{
    struct cursor cursor = cursor_reader(bytes, size);
    uint32_t format = 0;
    int r;

    if (size < SEALED_MAGIC_SIZE || memcmp(bytes, MAGIC, SEALED_MAGIC_SIZE) != 0)
        return KEYRING_NOT_A_BACKUP;
    r = sealed_get_magic(&cursor, MAGIC, BACKUP_FORMAT_LOCKS, &format);
    if (r != KEYRING_DONE)
        return r;
    *ret_file = (struct backup_file){ .bytes = bytes, .size = size, .format = format };
    if (format >= BACKUP_FORMAT_LOCKS) {
        if (cursor_left(&cursor) < BACKUP_SIGNATURE_SIZE)
            return KEYRING_DAMAGED;
        cursor.size -= BACKUP_SIGNATURE_SIZE; /* what is parsed ends before it */
        ret_file->signature = ret_file->bytes + cursor.size;
    }
    return parse_body(&cursor, ret_file);
}

int backup_file_check(const struct backup_file *file)
{
    int r = file->signature ? backup_signature_check(file->bytes, file->size, file->signer) : 0;

    return r == -EBADMSG ? KEYRING_DAMAGED : r;
}

static int unlock_passphrase(const struct backup_file *file, const struct secret *passphrase,
                             struct key *ret_content)
{
    CLEANUP_KEY struct key material;
    int r;

    if (!passphrase)
        return KEYRING_NO_SLOT;
    r = backup_lock_material(&file->locks[0], passphrase, &material);
    if (r == KEYRING_DONE)
        key_derive(material.bytes, SUBKEY_CONTENT_PASSPHRASE, SLOT_CONTEXT, ret_content->bytes);
    return r;
}

int backup_file_unlock(const struct backup_file *file, const struct backup_key *key,
                       struct key *ret_content)
{
    CLEANUP_KEY struct key locked;
    uint8_t commitment[BACKUP_COMMITMENT_SIZE];
    int r;

    if (file->format == BACKUP_FORMAT_PASSPHRASE)
        return unlock_passphrase(file, key->passphrase, ret_content);
    r = backup_locks_open(file->locks, file->lock_count, file->realm, key, &locked);
    if (r != KEYRING_DONE)
        return r;
    key_derive(locked.bytes, SUBKEY_COMMITMENT, CONTENT_CONTEXT, commitment);
    if (sodium_memcmp(commitment, file->commitment, sizeof(commitment)) != 0)
        return KEYRING_DAMAGED;
    key_derive(locked.bytes, SUBKEY_CONTENT, CONTENT_CONTEXT, ret_content->bytes);
    return KEYRING_DONE;
}

/* The head's list is compared with fingerprints recomputed from the secrets just opened. */
static bool generations_fit(const struct backup_file *file, const struct keyring *keyring)
{
    struct cursor cursor =
        cursor_reader(file->generations, file->generation_count * BACKUP_GENERATION_SIZE);

    if (file->generation_count != keyring->count)
        return false;
    for (size_t i = 0; i < keyring->count; i++) {
        const struct generation_info *info = &keyring->generations[i].info;

        if (cursor_get_u32(&cursor) != info->number ||
            memcmp(cursor_get_view(&cursor, FINGERPRINT_SIZE), info->fingerprint,
                   FINGERPRINT_SIZE) != 0)
            return false;
    }
    return true;
}

static bool head_fits(const struct backup_file *file, const struct keyring *keyring)
{
    return memcmp(file->realm, keyring->realm, sizeof(file->realm)) == 0 &&
           generations_fit(file, keyring) &&
           (!file->signer ||
            sodium_memcmp(file->signer, keyring->signing_public, KEY_SIZE) == 0);
}

/* The label, then the beginning of the file: what the seal authenticates. */
static int format_associated(const uint8_t *bytes, size_t size, uint8_t **ret_bytes,
                             size_t *ret_size)
{
    uint8_t *associated = malloc(BACKUP_LABEL_SIZE + size);

    if (!associated)
        return -ENOMEM;
    memcpy(associated, BACKUP_LABEL, BACKUP_LABEL_SIZE);
    memcpy(associated + BACKUP_LABEL_SIZE, bytes, size);
    *ret_bytes = associated;
    *ret_size = BACKUP_LABEL_SIZE + size;
    return 0;
}

static int open_sealed(const struct backup_file *file, const struct key *content,
                       struct secret **ret_bytes)
{
    CLEANUP_FREE uint8_t *associated = NULL;
    size_t size;
    int r = format_associated(file->bytes, file->associated_size, &associated, &size);

    if (r < 0)
        return r;
    return sealed_open(&file->sealed, content, associated, size, ret_bytes);
}

static int parse_content(const struct backup_file *file, const struct secret *bytes,
                         struct keyring **ret_keyring, struct backup_manifest *ret_manifest)
{
    struct cursor cursor = cursor_reader(bytes->bytes, bytes->length);
    int r;

    *ret_manifest = (struct backup_manifest){ .revision = 0 };
    if (file->format == BACKUP_FORMAT_PASSPHRASE)
        return keyring_parse(bytes, ret_keyring);
    r = keyring_get(&cursor, ret_keyring);
    return r == KEYRING_DONE ? backup_manifest_parse(&cursor, ret_manifest) : r;
}

int backup_file_unseal(const struct backup_file *file, const struct key *content,
                       struct keyring **ret_keyring, struct backup_manifest *ret_manifest)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    int r = open_sealed(file, content, &bytes);

    if (r != KEYRING_DONE)
        return r;
    r = parse_content(file, bytes, &keyring, ret_manifest);
    if (r != KEYRING_DONE)
        return r;
    if (!head_fits(file, keyring))
        return KEYRING_DAMAGED;
    random_bytes(keyring->keys->root, sizeof(keyring->keys->root));
    *ret_keyring = STEAL(keyring);
    return KEYRING_DONE;
}

/* Writing: head, locks, sealed content, signature. */

static void put_names(struct cursor *cursor, const struct keyring *keyring, const char *hint)
{
    char host[HOST_MAX_BYTES + 1] = "";

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
    CLEANUP_FREE uint8_t *associated = NULL;
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct cursor inner;
    size_t size;
    int r = secret_new(keyring_content_size(keyring) + BACKUP_MANIFEST_MAX_SIZE, &bytes);

    if (r < 0)
        return r;
    r = format_associated(cursor->bytes, cursor->position, &associated, &size);
    if (r < 0)
        return r;
    inner = cursor_writer(bytes->bytes, bytes->capacity);
    keyring_put(&inner, keyring);
    backup_manifest_put(&inner, manifest ? manifest : &none);
    bytes->length = inner.position;
    sealed_put(cursor, bytes, content, associated, size);
    return KEYRING_DONE;
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
    sealed_put_magic(cursor, MAGIC, BACKUP_FORMAT_LOCKS);
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

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
#define HOST_MAX_BYTES 255
#define GENERATION_SIZE (4 + FINGERPRINT_SIZE)
#define HEAD_FIXED_SIZE                                                                            \
    (SEALED_MAGIC_SIZE + 4 + REALM_ID_SIZE + 8 + 4 + 4 + 2 + 8 + 8 + PASSPHRASE_SALT_SIZE +        \
     BACKUP_COMMITMENT_SIZE)
#define ASSOCIATED_LABEL "mastersecret backup"
#define ASSOCIATED_LABEL_SIZE (sizeof(ASSOCIATED_LABEL) - 1)
#define HEAD_MAX_SIZE                                                                              \
    (HEAD_FIXED_SIZE + HINT_MAX_BYTES + HOST_MAX_BYTES + GENERATIONS_MAX * GENERATION_SIZE)

enum { SUBKEY_CONTENT = 3, SUBKEY_COMMITMENT = 4 };

static void parse_names(struct cursor *cursor, struct backup_file *file)
{
    file->created_usec = cursor_get_u64(cursor);
    file->hint = cursor_get_block(cursor, HINT_MAX_BYTES, &file->hint_length);
    file->host = cursor_get_block(cursor, HOST_MAX_BYTES, &file->host_length);
    file->generation_count = cursor_get_u16(cursor);
    file->generations = cursor_get_view(cursor, file->generation_count * GENERATION_SIZE);
}

static int parse_body(struct cursor *cursor, struct backup_file *file)
{
    cursor_get_bytes(cursor, file->realm, sizeof(file->realm));
    parse_names(cursor, file);
    file->cost.opslimit = cursor_get_u64(cursor);
    file->cost.memlimit = cursor_get_u64(cursor);
    cursor_get_bytes(cursor, file->salt, sizeof(file->salt));
    cursor_get_bytes(cursor, file->commitment, sizeof(file->commitment));
    file->associated_size = cursor->position;
    if (file->generation_count < 1 || file->generation_count > GENERATIONS_MAX)
        return KEYRING_DAMAGED;
    return sealed_parse(cursor, &file->sealed);
}

int backup_file_parse(const void *bytes, size_t size, struct backup_file *ret_file)
{
    struct cursor cursor = cursor_reader(bytes, size);
    int r = sealed_get_magic(&cursor, MAGIC);

    if (r != KEYRING_DONE)
        return r;
    *ret_file = (struct backup_file){ .bytes = bytes };
    return parse_body(&cursor, ret_file);
}

static int format_associated(const uint8_t *head, size_t head_size, uint8_t **ret_bytes,
                             size_t *ret_size)
{
    uint8_t *bytes = malloc(ASSOCIATED_LABEL_SIZE + head_size);

    if (!bytes)
        return -ENOMEM;
    memcpy(bytes, ASSOCIATED_LABEL, ASSOCIATED_LABEL_SIZE);
    memcpy(bytes + ASSOCIATED_LABEL_SIZE, head, head_size);
    *ret_bytes = bytes;
    *ret_size = ASSOCIATED_LABEL_SIZE + head_size;
    return 0;
}

/* The key material, if the passphrase is the one the file commits to. */
static int derive_material(const struct backup_file *file, const struct secret *passphrase,
                           struct key *ret_material)
{
    uint8_t commitment[BACKUP_COMMITMENT_SIZE];
    int r = passphrase_derive(passphrase, file->salt, &file->cost, ret_material);

    if (r != KEYRING_DONE)
        return r;
    key_derive(ret_material->bytes, SUBKEY_COMMITMENT, SLOT_CONTEXT, commitment);
    return sodium_memcmp(commitment, file->commitment, sizeof(commitment)) == 0 ? KEYRING_DONE
                                                                               : KEYRING_WRONG_KEY;
}

static int open_content(const struct backup_file *file, const struct key *material,
                        struct secret **ret_content)
{
    CLEANUP_FREE uint8_t *associated = NULL;
    CLEANUP_KEY struct key key;
    size_t size;
    int r = format_associated(file->bytes, file->associated_size, &associated, &size);

    if (r < 0)
        return r;
    key_derive(material->bytes, SUBKEY_CONTENT, SLOT_CONTEXT, key.bytes);
    return sealed_open(&file->sealed, &key, associated, size, ret_content);
}

/* The head's list is compared with fingerprints recomputed from the secrets just opened. */
static bool head_fits(const struct backup_file *file, const struct keyring *keyring)
{
    struct cursor cursor =
        cursor_reader(file->generations, file->generation_count * GENERATION_SIZE);

    if (memcmp(file->realm, keyring->realm, sizeof(file->realm)) != 0 ||
        file->generation_count != keyring->count)
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

int backup_file_unseal(const struct backup_file *file, const struct secret *passphrase,
                       struct keyring **ret_keyring)
{
    CLEANUP_SECRET struct secret *content = NULL;
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    CLEANUP_KEY struct key material;
    int r = derive_material(file, passphrase, &material);

    if (r != KEYRING_DONE)
        return r;
    r = open_content(file, &material, &content);
    if (r != KEYRING_DONE)
        return r;
    r = keyring_parse(content, &keyring);
    if (r != KEYRING_DONE)
        return r;
    if (!head_fits(file, keyring))
        return KEYRING_DAMAGED;
    *ret_keyring = STEAL(keyring);
    return KEYRING_DONE;
}

static void format_names(struct cursor *cursor, const struct keyring *keyring, const char *hint)
{
    char host[HOST_MAX_BYTES + 1] = "";

    if (gethostname(host, sizeof(host) - 1) < 0)
        host[0] = '\0';
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

/* Everything before the nonce, and the key material that it commits to. */
static int format_head(struct cursor *cursor, const struct keyring *keyring,
                       const struct secret *passphrase, const char *hint, struct key *ret_material)
{
    uint8_t salt[PASSPHRASE_SALT_SIZE];
    uint8_t commitment[BACKUP_COMMITMENT_SIZE];
    int r;

    random_bytes(salt, sizeof(salt));
    r = passphrase_derive(passphrase, salt, &passphrase_cost_default, ret_material);
    if (r != KEYRING_DONE)
        return r;
    key_derive(ret_material->bytes, SUBKEY_COMMITMENT, SLOT_CONTEXT, commitment);
    sealed_put_magic(cursor, MAGIC);
    cursor_put_bytes(cursor, keyring->realm, sizeof(keyring->realm));
    format_names(cursor, keyring, hint);
    cursor_put_u64(cursor, passphrase_cost_default.opslimit);
    cursor_put_u64(cursor, passphrase_cost_default.memlimit);
    cursor_put_bytes(cursor, salt, sizeof(salt));
    cursor_put_bytes(cursor, commitment, sizeof(commitment));
    return 0;
}

static int format_sealed(struct cursor *cursor, const struct secret *content,
                         const struct key *material)
{
    CLEANUP_FREE uint8_t *associated = NULL;
    CLEANUP_KEY struct key key;
    size_t size;
    int r = format_associated(cursor->bytes, cursor->position, &associated, &size);

    if (r < 0)
        return r;
    key_derive(material->bytes, SUBKEY_CONTENT, SLOT_CONTEXT, key.bytes);
    sealed_put(cursor, content, &key, associated, size);
    return 0;
}

int backup_file_seal(const struct keyring *keyring, const struct secret *passphrase,
                     const char *hint, struct secret **ret_bytes)
{
    CLEANUP_SECRET struct secret *content = NULL;
    CLEANUP_SECRET struct secret *bytes = NULL;
    CLEANUP_KEY struct key material;
    struct cursor cursor;
    int r = keyring_format(keyring, &content);

    if (r < 0)
        return r;
    r = secret_new(HEAD_MAX_SIZE + SEALED_OVERHEAD + content->length, &bytes);
    if (r < 0)
        return r;
    cursor = cursor_writer(bytes->bytes, bytes->capacity);
    r = format_head(&cursor, keyring, passphrase, hint, &material);
    if (r < 0)
        return r;
    r = format_sealed(&cursor, content, &material);
    if (r < 0)
        return r;
    bytes->length = cursor.position;
    *ret_bytes = STEAL(bytes);
    return 0;
}

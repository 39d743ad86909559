/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/keyring_file.h"

#include "dbus-service/keys/keyring_content.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define MAGIC "MSKEYR1\n"
#define MAGIC_SIZE 8
#define FILE_FORMAT 1
#define HEAD_SIZE (MAGIC_SIZE + 4 + REALM_ID_SIZE)
#define TAG_SIZE 16
#define CONTENT_CONTEXT "mskeyrng"
#define ASSOCIATED_LABEL "mastersecret keyring"
#define ASSOCIATED_SIZE (sizeof(ASSOCIATED_LABEL) - 1 + HEAD_SIZE)

enum { SUBKEY_CONTENT = 1 };

static void format_head(struct cursor *cursor, const uint8_t realm[REALM_ID_SIZE])
{
    cursor_put_bytes(cursor, MAGIC, MAGIC_SIZE);
    cursor_put_u32(cursor, FILE_FORMAT);
    cursor_put_bytes(cursor, realm, REALM_ID_SIZE);
}

static void format_associated(const uint8_t realm[REALM_ID_SIZE],
                              uint8_t ret_bytes[ASSOCIATED_SIZE])
{
    struct cursor cursor = cursor_writer(ret_bytes, ASSOCIATED_SIZE);

    cursor_put_bytes(&cursor, ASSOCIATED_LABEL, sizeof(ASSOCIATED_LABEL) - 1);
    format_head(&cursor, realm);
}

static int parse_slots(struct cursor *cursor, struct keyring_file *file)
{
    for (size_t i = 0; i < file->slot_count; i++) {
        size_t length;
        const uint8_t *block = cursor_get_block(cursor, SLOT_SIZE, &length);
        struct cursor slot = cursor_reader(block, block ? length : 0);

        if (slot_parse(&slot, &file->slots[i]) != KEYRING_DONE)
            return KEYRING_DAMAGED;
        for (size_t j = 0; j < i; j++)
            if (file->slots[j].id == file->slots[i].id)
                return KEYRING_DAMAGED;
    }
    return KEYRING_DONE;
}

static int parse_body(struct cursor *cursor, struct keyring_file *file)
{
    cursor_get_bytes(cursor, file->realm, sizeof(file->realm));
    file->slot_count = cursor_get_u16(cursor);
    if (!cursor_ok(cursor) || file->slot_count < 1 || file->slot_count > SLOTS_MAX)
        return KEYRING_DAMAGED;
    if (parse_slots(cursor, file) != KEYRING_DONE)
        return KEYRING_DAMAGED;
    cursor_get_bytes(cursor, file->nonce, sizeof(file->nonce));
    file->sealed =
        cursor_get_block(cursor, KEYRING_CONTENT_MAX + TAG_SIZE, &file->sealed_size);
    if (!cursor_at_end(cursor) || file->sealed_size < TAG_SIZE)
        return KEYRING_DAMAGED;
    return KEYRING_DONE;
}

int keyring_file_parse(const void *bytes, size_t size, struct keyring_file *ret_file)
{
    struct cursor cursor = cursor_reader(bytes, size);
    const uint8_t *magic = cursor_get_view(&cursor, MAGIC_SIZE);
    uint32_t format = cursor_get_u32(&cursor);

    *ret_file = (struct keyring_file){ .slot_count = 0 };
    if (!cursor_ok(&cursor) || memcmp(magic, MAGIC, MAGIC_SIZE) != 0 || format == 0)
        return KEYRING_DAMAGED;
    if (format > FILE_FORMAT)
        return KEYRING_NEWER;
    return parse_body(&cursor, ret_file);
}

static int open_content(const struct keyring_file *file, const struct key *root,
                        struct secret **ret_content)
{
    CLEANUP_SECRET struct secret *content = NULL;
    CLEANUP_KEY struct key key;
    uint8_t associated[ASSOCIATED_SIZE];
    int r = secret_new(file->sealed_size - TAG_SIZE, &content);

    if (r < 0)
        return r;
    key_derive(root->bytes, SUBKEY_CONTENT, CONTENT_CONTEXT, key.bytes);
    format_associated(file->realm, associated);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(content->bytes, NULL, NULL, file->sealed,
                                                   file->sealed_size, associated,
                                                   sizeof(associated), file->nonce, key.bytes) < 0)
        return KEYRING_DAMAGED;
    content->length = content->capacity;
    *ret_content = STEAL(content);
    return KEYRING_DONE;
}

int keyring_file_unseal(const struct keyring_file *file, const struct key *root,
                        struct keyring **ret_keyring)
{
    CLEANUP_SECRET struct secret *content = NULL;
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    int r = open_content(file, root, &content);

    if (r != KEYRING_DONE)
        return r;
    r = keyring_parse(content, &keyring);
    if (r != KEYRING_DONE)
        return r;
    if (memcmp(keyring->realm, file->realm, sizeof(file->realm)) != 0)
        return KEYRING_DAMAGED;
    *ret_keyring = STEAL(keyring);
    return KEYRING_DONE;
}

static void format_sealed(struct cursor *cursor, const struct keyring *keyring,
                          const struct secret *content, const struct key *root)
{
    CLEANUP_KEY struct key key;
    uint8_t associated[ASSOCIATED_SIZE];
    uint8_t nonce[KEYRING_NONCE_SIZE];

    random_bytes(nonce, sizeof(nonce));
    cursor_put_bytes(cursor, nonce, sizeof(nonce));
    cursor_put_u32(cursor, (uint32_t)(content->length + TAG_SIZE));
    key_derive(root->bytes, SUBKEY_CONTENT, CONTENT_CONTEXT, key.bytes);
    format_associated(keyring->realm, associated);
    crypto_aead_xchacha20poly1305_ietf_encrypt(cursor->bytes + cursor->position, NULL,
                                               content->bytes, content->length, associated,
                                               sizeof(associated), NULL, nonce, key.bytes);
    cursor->position += content->length + TAG_SIZE;
}

int keyring_file_seal(const struct keyring *keyring, const struct key *root,
                      const struct slot *slots, size_t slot_count, struct secret **ret_bytes)
{
    CLEANUP_SECRET struct secret *content = NULL;
    struct cursor cursor;
    size_t size;
    int r = keyring_format(keyring, &content);

    if (r < 0)
        return r;
    size = HEAD_SIZE + 2 + slot_count * (4 + SLOT_SIZE) + KEYRING_NONCE_SIZE + 4 +
           content->length + TAG_SIZE;
    r = secret_new(size, ret_bytes);
    if (r < 0)
        return r;
    cursor = cursor_writer((*ret_bytes)->bytes, size);
    format_head(&cursor, keyring->realm);
    cursor_put_u16(&cursor, (uint16_t)slot_count);
    for (size_t i = 0; i < slot_count; i++) {
        cursor_put_u32(&cursor, SLOT_SIZE);
        slot_format(&slots[i], &cursor);
    }
    format_sealed(&cursor, keyring, content, root);
    (*ret_bytes)->length = cursor.position;
    return 0;
}

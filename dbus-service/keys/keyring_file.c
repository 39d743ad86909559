/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/keyring_file.h"

#include "dbus-service/keys/keyring_content.h"

#include <string.h>

#define MAGIC "MSKEYR1\n"
#define FILE_FORMAT 1
#define HEAD_SIZE (SEALED_MAGIC_SIZE + 4 + REALM_ID_SIZE)
#define CONTENT_CONTEXT "mskeyrng"
#define ASSOCIATED_LABEL "mastersecret keyring"
#define ASSOCIATED_SIZE (sizeof(ASSOCIATED_LABEL) - 1 + HEAD_SIZE)

enum { SUBKEY_CONTENT = 1 };

static void format_head(struct cursor *cursor, const uint8_t realm[REALM_ID_SIZE])
{
    sealed_put_magic(cursor, MAGIC, FILE_FORMAT);
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
    return sealed_parse(cursor, &file->sealed);
}

int keyring_file_parse(const void *bytes, size_t size, struct keyring_file *ret_file)
{
    struct cursor cursor = cursor_reader(bytes, size);
    uint32_t format;
    int r = sealed_get_magic(&cursor, MAGIC, FILE_FORMAT, &format);

    *ret_file = (struct keyring_file){ .slot_count = 0 };
    return r == KEYRING_DONE ? parse_body(&cursor, ret_file) : r;
}

static int open_content(const struct keyring_file *file, const struct key *root,
                        struct secret **ret_content)
{
    CLEANUP_KEY struct key key;
    uint8_t associated[ASSOCIATED_SIZE];

    key_derive(root->bytes, SUBKEY_CONTENT, CONTENT_CONTEXT, key.bytes);
    format_associated(file->realm, associated);
    return sealed_open(&file->sealed, &key, associated, sizeof(associated), ret_content);
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
    memcpy(keyring->keys->root, root->bytes, sizeof(keyring->keys->root));
    *ret_keyring = STEAL(keyring);
    return KEYRING_DONE;
}

static void format_sealed(struct cursor *cursor, const struct keyring *keyring,
                          const struct secret *content)
{
    CLEANUP_KEY struct key key;
    uint8_t associated[ASSOCIATED_SIZE];

    key_derive(keyring->keys->root, SUBKEY_CONTENT, CONTENT_CONTEXT, key.bytes);
    format_associated(keyring->realm, associated);
    sealed_put(cursor, content, &key, associated, sizeof(associated));
}

int keyring_file_seal(const struct keyring *keyring, const struct slot *slots, size_t slot_count,
                      struct secret **ret_bytes)
{
    CLEANUP_SECRET struct secret *content = NULL;
    struct cursor cursor;
    size_t size;
    int r = keyring_format(keyring, &content);

    if (r < 0)
        return r;
    size = HEAD_SIZE + 2 + slot_count * (4 + SLOT_SIZE) + SEALED_OVERHEAD + content->length;
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
    format_sealed(&cursor, keyring, content);
    (*ret_bytes)->length = cursor.position;
    return 0;
}

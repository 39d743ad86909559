/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/keyring_file.h"

#include "dbus-service/keys/durable_file.h"
#include "dbus-service/keys/keyring_content.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

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
        const uint8_t *block = cursor_get_block(cursor, SLOT_BLOCK_MAX, &length);

        if (!block || slot_parse(block, length, &file->slots[i]) != KEYRING_DONE)
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

static int open_content(const struct keyring_file *file, const uint8_t root[KEY_SIZE],
                        struct secret **ret_content)
{
    CLEANUP_KEY struct key key;
    uint8_t associated[ASSOCIATED_SIZE];

    key_derive(root, SUBKEY_CONTENT, CONTENT_CONTEXT, key.bytes);
    format_associated(file->realm, associated);
    return sealed_open(&file->sealed, &key, associated, sizeof(associated), ret_content);
}

int keyring_file_check(const struct keyring_file *file, const uint8_t root[KEY_SIZE])
{
    CLEANUP_SECRET struct secret *content = NULL;

    return open_content(file, root, &content);
}

int keyring_file_unseal(const struct keyring_file *file, const struct key *root,
                        struct keyring **ret_keyring)
{
    CLEANUP_SECRET struct secret *content = NULL;
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    int r = open_content(file, root->bytes, &content);

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

static size_t slots_size(const struct slot *slots, size_t slot_count)
{
    size_t size = HEAD_SIZE + 2;

    for (size_t i = 0; i < slot_count; i++)
        size += 4 + slot_size(&slots[i]);
    return size;
}

static void format_slots(struct cursor *cursor, const uint8_t realm[REALM_ID_SIZE],
                         const struct slot *slots, size_t slot_count)
{
    format_head(cursor, realm);
    cursor_put_u16(cursor, (uint16_t)slot_count);
    for (size_t i = 0; i < slot_count; i++)
        slot_format(&slots[i], cursor);
}

int keyring_file_format(const struct keyring_file *file, struct secret **ret_bytes)
{
    size_t size = slots_size(file->slots, file->slot_count) + SEALED_NONCE_SIZE + 4 +
                  file->sealed.size;
    struct cursor cursor;
    int r = secret_new(size, ret_bytes);

    if (r < 0)
        return r;
    cursor = cursor_writer((*ret_bytes)->bytes, size);
    format_slots(&cursor, file->realm, file->slots, file->slot_count);
    cursor_put_bytes(&cursor, file->sealed.nonce, sizeof(file->sealed.nonce));
    cursor_put_block(&cursor, file->sealed.bytes, file->sealed.size);
    (*ret_bytes)->length = cursor.position;
    return 0;
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
    size = slots_size(slots, slot_count) + SEALED_OVERHEAD + content->length;
    r = secret_new(size, ret_bytes);
    if (r < 0)
        return r;
    cursor = cursor_writer((*ret_bytes)->bytes, size);
    format_slots(&cursor, keyring->realm, slots, slot_count);
    format_sealed(&cursor, keyring, content);
    (*ret_bytes)->length = cursor.position;
    return 0;
}

/* The file */

static int read_file(int folder_fd, struct secret **ret_bytes)
{
    CLEANUP_CLOSE int fd = -1;
    struct stat status;

    fd = openat(folder_fd, KEYRING_FILE,
                O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? KEYRING_ABSENT : -errno;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode) || (size_t)status.st_size > KEYRING_FILE_MAX)
        return KEYRING_DAMAGED;
    return durable_file_read(fd, (size_t)status.st_size, ret_bytes);
}

int keyring_file_load(int folder_fd, struct secret **ret_bytes, struct keyring_file *ret_file)
{
    int r = read_file(folder_fd, ret_bytes);

    return r == KEYRING_DONE
               ? keyring_file_parse((*ret_bytes)->bytes, (*ret_bytes)->length, ret_file)
               : r;
}

int keyring_file_save(int folder_fd, const struct secret *bytes)
{
    return durable_file_replace(folder_fd, KEYRING_FILE, 0600, bytes->bytes, bytes->length);
}

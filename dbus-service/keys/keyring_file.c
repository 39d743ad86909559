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
#define CONTENT_LABEL "mastersecret keyring"

enum { SUBKEY_CONTENT = 1 };

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

/* The end of the file. */
static int parse_sealed(struct cursor *cursor, struct sealed *ret_sealed)
{
    ret_sealed->label = CONTENT_LABEL;
    ret_sealed->head = cursor->bytes;
    ret_sealed->head_size = HEAD_SIZE;
    ret_sealed->nonce = cursor_get_view(cursor, SEALED_NONCE_SIZE);
    ret_sealed->bytes =
        cursor_get_block(cursor, KEYRING_CONTENT_MAX + SEALED_TAG_SIZE, &ret_sealed->size);
    return cursor_at_end(cursor) && ret_sealed->size >= SEALED_TAG_SIZE ? KEYRING_DONE
                                                                        : KEYRING_DAMAGED;
}

static int parse_body(struct cursor *cursor, struct keyring_file *file)
{
    cursor_get_bytes(cursor, file->realm, sizeof(file->realm));
    file->slot_count = cursor_get_u16(cursor);
    if (!cursor_ok(cursor) || file->slot_count < 1 || file->slot_count > SLOTS_MAX)
        return KEYRING_DAMAGED;
    if (parse_slots(cursor, file) != KEYRING_DONE)
        return KEYRING_DAMAGED;
    return parse_sealed(cursor, &file->sealed);
}

int keyring_file_parse(const void *bytes, size_t size, struct keyring_file *ret_file)
{
    struct cursor cursor = cursor_reader(bytes, size);
    const uint8_t *magic = cursor_get_view(&cursor, SEALED_MAGIC_SIZE);
    uint32_t format = cursor_get_u32(&cursor);

    if (!magic || memcmp(magic, MAGIC, SEALED_MAGIC_SIZE) != 0 || format < FILE_FORMAT)
        return KEYRING_DAMAGED;
    if (format > FILE_FORMAT)
        return KEYRING_NEWER;
    *ret_file = (struct keyring_file){ .slot_count = 0 };
    return parse_body(&cursor, ret_file);
}

static int open_content(const struct keyring_file *file, const uint8_t root[KEY_SIZE],
                        struct secret **ret_content)
{
    CLEANUP_KEY struct key key;

    key_derive(root, SUBKEY_CONTENT, CONTENT_CONTEXT, key.bytes);
    return sealed_open(&file->sealed, &key, ret_content);
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

/* The file up to the content, for which there is as much room as said. */
static int format_slots(const uint8_t realm[REALM_ID_SIZE], const struct slot *slots,
                        size_t slot_count, size_t room, struct secret **ret_bytes,
                        struct cursor *ret_cursor)
{
    size_t size = slots_size(slots, slot_count) + room;
    int r = secret_new(size, ret_bytes);

    if (r < 0)
        return r;
    *ret_cursor = cursor_writer((*ret_bytes)->bytes, size);
    sealed_put_magic(ret_cursor, MAGIC, FILE_FORMAT);
    cursor_put_bytes(ret_cursor, realm, REALM_ID_SIZE);
    cursor_put_u16(ret_cursor, (uint16_t)slot_count);
    for (size_t i = 0; i < slot_count; i++)
        slot_format(&slots[i], ret_cursor);
    return 0;
}

int keyring_file_format(const struct keyring_file *file, struct secret **ret_bytes)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct cursor cursor;
    int r = format_slots(file->realm, file->slots, file->slot_count,
                         SEALED_NONCE_SIZE + 4 + file->sealed.size, &bytes, &cursor);

    if (r < 0)
        return r;
    cursor_put_bytes(&cursor, file->sealed.nonce, SEALED_NONCE_SIZE);
    cursor_put_block(&cursor, file->sealed.bytes, file->sealed.size);
    bytes->length = cursor.position;
    *ret_bytes = STEAL(bytes);
    return 0;
}

int keyring_file_seal(const struct keyring *keyring, const struct slot *slots, size_t slot_count,
                      struct secret **ret_bytes)
{
    CLEANUP_KEY struct key key;
    CLEANUP_SECRET struct secret *bytes = NULL;
    CLEANUP_SECRET struct secret *content = NULL;
    struct cursor cursor;
    int r = keyring_format(keyring, &content);

    if (r == 0)
        r = format_slots(keyring->realm, slots, slot_count, SEALED_OVERHEAD + content->length,
                         &bytes, &cursor);
    if (r < 0)
        return r;
    key_derive(keyring->keys->root, SUBKEY_CONTENT, CONTENT_CONTEXT, key.bytes);
    r = sealed_put(&cursor, CONTENT_LABEL, HEAD_SIZE, content, &key);
    if (r < 0)
        return r;
    bytes->length = cursor.position;
    *ret_bytes = STEAL(bytes);
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

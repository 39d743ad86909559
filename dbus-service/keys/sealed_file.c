/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/sealed_file.h"

#include "dbus-service/keys/keyring_content.h"

#include <sodium.h>
#include <string.h>

void sealed_put_magic(struct cursor *cursor, const char *magic, uint32_t format)
{
    cursor_put_bytes(cursor, magic, SEALED_MAGIC_SIZE);
    cursor_put_u32(cursor, format);
}

int sealed_get_magic(struct cursor *cursor, const char *magic, uint32_t newest,
                     uint32_t *ret_format)
{
    const uint8_t *found = cursor_get_view(cursor, SEALED_MAGIC_SIZE);
    uint32_t format = cursor_get_u32(cursor);

    if (!cursor_ok(cursor) || memcmp(found, magic, SEALED_MAGIC_SIZE) != 0 || format == 0)
        return KEYRING_DAMAGED;
    *ret_format = format;
    return format > newest ? KEYRING_NEWER : KEYRING_DONE;
}

int sealed_parse(struct cursor *cursor, struct sealed *ret_sealed)
{
    cursor_get_bytes(cursor, ret_sealed->nonce, sizeof(ret_sealed->nonce));
    ret_sealed->bytes =
        cursor_get_block(cursor, KEYRING_CONTENT_MAX + SEALED_TAG_SIZE, &ret_sealed->size);
    if (!cursor_at_end(cursor) || ret_sealed->size < SEALED_TAG_SIZE)
        return KEYRING_DAMAGED;
    return KEYRING_DONE;
}

int sealed_open(const struct sealed *sealed, const struct key *key, const void *associated,
                size_t associated_size, struct secret **ret_content)
{
    CLEANUP_SECRET struct secret *content = NULL;
    int r = secret_new(sealed->size - SEALED_TAG_SIZE, &content);

    if (r < 0)
        return r;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(content->bytes, NULL, NULL, sealed->bytes,
                                                   sealed->size, associated, associated_size,
                                                   sealed->nonce, key->bytes) < 0)
        return KEYRING_DAMAGED;
    content->length = content->capacity;
    *ret_content = STEAL(content);
    return KEYRING_DONE;
}

void sealed_put(struct cursor *cursor, const struct secret *content, const struct key *key,
                const void *associated, size_t associated_size)
{
    uint8_t nonce[SEALED_NONCE_SIZE];

    random_bytes(nonce, sizeof(nonce));
    cursor_put_bytes(cursor, nonce, sizeof(nonce));
    cursor_put_u32(cursor, (uint32_t)(content->length + SEALED_TAG_SIZE));
    crypto_aead_xchacha20poly1305_ietf_encrypt(cursor->bytes + cursor->position, NULL,
                                               content->bytes, content->length, associated,
                                               associated_size, NULL, nonce, key->bytes);
    cursor->position += content->length + SEALED_TAG_SIZE;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/sealed_file.h"

#include "dbus-service/keys/keyring_content.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

void sealed_put_magic(struct cursor *cursor, const char *magic, uint32_t format)
{
    cursor_put_bytes(cursor, magic, SEALED_MAGIC_SIZE);
    cursor_put_u32(cursor, format);
}

/* What the seal authenticates, in the one piece that libsodium takes. */
static int format_associated(const char *label, const uint8_t *head, size_t head_size,
                             uint8_t **ret_bytes, size_t *ret_size)
{
    size_t length = strlen(label);
    uint8_t *bytes = malloc(length + head_size);

    if (!bytes)
        return -ENOMEM;
    memcpy(bytes, label, length);
    memcpy(bytes + length, head, head_size);
    *ret_bytes = bytes;
    *ret_size = length + head_size;
    return 0;
}

int sealed_open(const struct sealed *sealed, const struct key *key, struct secret **ret_content)
{
    CLEANUP_FREE uint8_t *associated = NULL;
    CLEANUP_SECRET struct secret *content = NULL;
    size_t associated_size;
    int r = secret_new(sealed->size - SEALED_TAG_SIZE, &content);

    if (r < 0)
        return r;
    r = format_associated(sealed->label, sealed->head, sealed->head_size, &associated,
                          &associated_size);
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

int sealed_put(struct cursor *cursor, const char *label, size_t head_size,
               const struct secret *content, const struct key *key)
{
    CLEANUP_FREE uint8_t *associated = NULL;
    uint8_t nonce[SEALED_NONCE_SIZE];
    size_t associated_size;
    int r = format_associated(label, cursor->bytes, head_size, &associated, &associated_size);

    if (r < 0)
        return r;
    random_bytes(nonce, sizeof(nonce));
    cursor_put_bytes(cursor, nonce, sizeof(nonce));
    cursor_put_u32(cursor, (uint32_t)(content->length + SEALED_TAG_SIZE));
    crypto_aead_xchacha20poly1305_ietf_encrypt(cursor->bytes + cursor->position, NULL,
                                               content->bytes, content->length, associated,
                                               associated_size, NULL, nonce, key->bytes);
    cursor->position += content->length + SEALED_TAG_SIZE;
    return 0;
}

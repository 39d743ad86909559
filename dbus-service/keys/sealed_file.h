/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What a keyring and a backup have in common on the disk (doc/FORMAT): magic and format at the
 * beginning, and at the end a keyring's content, sealed by XChaCha20-Poly1305. */
#ifndef KEYS_SEALED_FILE_H
#define KEYS_SEALED_FILE_H

#include "common/cursor.h"
#include "dbus-service/keys/key.h"

#include <stddef.h>
#include <stdint.h>

#define SEALED_MAGIC_SIZE 8
#define SEALED_NONCE_SIZE 24
#define SEALED_TAG_SIZE 16
/* Before the sealed content: the nonce, its length. After it: the tag. */
#define SEALED_OVERHEAD (SEALED_NONCE_SIZE + 4 + SEALED_TAG_SIZE)

struct sealed {
    uint8_t nonce[SEALED_NONCE_SIZE];
    const uint8_t *bytes; /* borrowed from the bytes parsed; with the tag */
    size_t size;
};

void sealed_put_magic(struct cursor *cursor, const char *magic, uint32_t format);
/* `newest` is the format that is known. KEYRING_DONE, KEYRING_DAMAGED, KEYRING_NEWER. */
int sealed_get_magic(struct cursor *cursor, const char *magic, uint32_t newest,
                     uint32_t *ret_format) MUST_CHECK;

/* The cursor's end. KEYRING_DONE or KEYRING_DAMAGED. */
int sealed_parse(struct cursor *cursor, struct sealed *ret_sealed) MUST_CHECK;

/* KEYRING_DONE, KEYRING_DAMAGED, -ENOMEM. */
int sealed_open(const struct sealed *sealed, const struct key *key, const void *associated,
                size_t associated_size, struct secret **ret_content) MUST_CHECK;

/* Writes SEALED_OVERHEAD bytes more than the content has, under a fresh nonce. */
void sealed_put(struct cursor *cursor, const struct secret *content, const struct key *key,
                const void *associated, size_t associated_size);

#endif

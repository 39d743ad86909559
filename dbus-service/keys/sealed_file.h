/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What a keyring and a backup have in common on the disk (doc/FORMAT): magic and format at the
 * beginning, and a keyring's content, sealed by XChaCha20-Poly1305 together with a label and with
 * the beginning of the file. */
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

/* All but the key. Everything points into the bytes parsed, but for the label. */
struct sealed {
    const char *label;
    const uint8_t *head; /* the beginning of the file */
    size_t head_size;
    const uint8_t *nonce;
    const uint8_t *bytes; /* with the tag */
    size_t size;
};

void sealed_put_magic(struct cursor *cursor, const char *magic, uint32_t format);

/* KEYRING_DONE, KEYRING_DAMAGED, -ENOMEM. */
int sealed_open(const struct sealed *sealed, const struct key *key,
                struct secret **ret_content) MUST_CHECK;

/* Writes SEALED_OVERHEAD bytes more than the content has, under a fresh nonce; the first `head_size`
 * bytes that the cursor wrote go with it. 0 or -ENOMEM. */
int sealed_put(struct cursor *cursor, const char *label, size_t head_size,
               const struct secret *content, const struct key *key) MUST_CHECK;

#endif

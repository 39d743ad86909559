/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes that must not survive their use: a length-known buffer that is wiped before its memory is
 * given back. Everything that holds a plaintext, a key or a credential is a struct secret; it is
 * never formatted and never compared with memcmp (see keys/equal.h).
 * Ownership: secret_new() allocates header and bytes in one block; secret_free(NULL) is legal. */
#ifndef COMMON_SECRET_H
#define COMMON_SECRET_H

#include "common/cleanup.h"

#include <stddef.h>
#include <stdint.h>

struct secret {
    size_t length;   /* bytes in use */
    size_t capacity; /* bytes allocated; never grows in place */
    uint8_t bytes[];
};

/* A secret with room for `capacity` bytes, zeroed, length 0. 0, or -ENOMEM. */
int secret_new(size_t capacity, struct secret **ret_secret) MUST_CHECK;

/* A copy of `length` bytes at `bytes`. 0, or -ENOMEM. */
int secret_new_copy(const void *bytes, size_t length, struct secret **ret_secret) MUST_CHECK;

/* Appends; -ENOBUFS when the capacity does not suffice (nothing is changed then). */
int secret_append(struct secret *secret, const void *bytes, size_t length) MUST_CHECK;

/* Reads a file from its start, up to its end or to the capacity. 0 or -errno. */
int secret_read(struct secret *secret, int fd) MUST_CHECK;

/* Wipes the bytes and sets the length to 0; the memory stays allocated. */
void secret_wipe(struct secret *secret);

/* Wipes and frees. */
void secret_free(struct secret *secret);

CLEANUP_DEFINE(secret, struct secret, secret_free)
#define CLEANUP_SECRET CLEANUP(secret_cleanup)

/* Wipes memory that is not a struct secret (stack buffers); the compiler cannot drop it. */
void memory_wipe(void *memory, size_t length);

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The few long-lived keys, in pages of memfd_secret(2), or of sodium_malloc() where the kernel has
 * none: locked, out of core files, unreadable through /proc/PID/mem, wiped when freed. A key is 32
 * bytes; the pool hands out places in one page set, since such pages are dear (20 us, memlock). */
#ifndef KEYS_KEY_H
#define KEYS_KEY_H

#include "common/cleanup.h"
#include "common/secret.h"

#include <stddef.h>
#include <stdint.h>

#define KEY_SIZE 32

/* A short-lived key on the stack: wiped when it leaves its scope. */
struct key {
    uint8_t bytes[KEY_SIZE];
};

static inline void key_cleanup(struct key *key)
{
    memory_wipe(key, sizeof(*key));
}
#define CLEANUP_KEY CLEANUP(key_cleanup)

/* Subkey `id` of `key` in a context of 8 characters (crypto_kdf). Writes KEY_SIZE bytes. */
void key_derive(const uint8_t *key, uint64_t id, const char *context, uint8_t *ret_subkey);

struct key_pool;

/* A pool for at most `capacity` bytes of keys. 0 or -errno. */
int key_pool_new(size_t capacity, struct key_pool **ret_pool) MUST_CHECK;
/* Wipes everything and frees. */
void key_pool_free(struct key_pool *pool);
/* A place of `size` bytes in the pool, zeroed, 16-byte aligned; -ENOSPC when full. */
int key_pool_get(struct key_pool *pool, size_t size, uint8_t **ret_place) MUST_CHECK;
/* How the pages are kept: "memfd_secret", "locked memory" or "memory that could not be locked". */
const char *key_pool_kind(const struct key_pool *pool);

#endif

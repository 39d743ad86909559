/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/key.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PLACE_ALIGNMENT ((size_t)16)

struct key_pool {
    uint8_t *pages;
    size_t capacity;
    size_t used;
    const char *kind;
    void (*release)(struct key_pool *pool);
};

static size_t round_up(size_t size)
{
    return (size + PLACE_ALIGNMENT - 1) & ~(PLACE_ALIGNMENT - 1);
}

static void release_memfd(struct key_pool *pool)
{
    memory_wipe(pool->pages, pool->capacity);
    munmap(pool->pages, pool->capacity);
}

static void release_sodium(struct key_pool *pool)
{
    sodium_free(pool->pages); /* wipes */
}

#ifdef SYS_memfd_secret
static int map_memfd(struct key_pool *pool)
{
    CLEANUP_CLOSE int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

    if (fd < 0 || ftruncate(fd, (off_t)pool->capacity) < 0)
        return -errno;
    pool->pages = mmap(NULL, pool->capacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (pool->pages == MAP_FAILED) {
        pool->pages = NULL;
        return -errno;
    }
    pool->kind = "memfd_secret";
    pool->release = release_memfd;
    return 0;
}
#else
static int map_memfd(struct key_pool *pool)
{
    return -ENOSYS;
}
#endif

static int map_sodium(struct key_pool *pool)
{
    pool->pages = sodium_malloc(pool->capacity);
    if (!pool->pages)
        return -ENOMEM;
    /* sodium_malloc() does not say whether it could lock; locking twice is harmless. */
    pool->kind = sodium_mlock(pool->pages, pool->capacity) == 0
                     ? "locked memory"
                     : "memory that could not be locked";
    pool->release = release_sodium;
    return 0;
}

int key_pool_new(size_t capacity, struct key_pool **ret_pool)
{
    CLEANUP_FREE struct key_pool *pool = calloc(1, sizeof(*pool));
    int r;

    if (!pool)
        return -ENOMEM;
    pool->capacity = round_up(capacity);
    r = map_memfd(pool);
    if (r < 0)
        r = map_sodium(pool);
    if (r < 0)
        return r;
    memory_wipe(pool->pages, pool->capacity);
    *ret_pool = STEAL(pool);
    return 0;
}

void key_pool_free(struct key_pool *pool)
{
    if (!pool)
        return;
    pool->release(pool);
    free(pool);
}

int key_pool_get(struct key_pool *pool, size_t size, uint8_t **ret_place)
{
    size_t rounded = round_up(size);

    if (rounded < size || rounded > pool->capacity - pool->used)
        return -ENOSPC;
    *ret_place = pool->pages + pool->used;
    pool->used += rounded;
    return 0;
}

const char *key_pool_kind(const struct key_pool *pool)
{
    return pool->kind;
}

void key_derive(const uint8_t *key, uint64_t id, const char *context, uint8_t *ret_subkey)
{
    /* Fails only for an output length that is out of range, and ours is fixed. */
    (void)!crypto_kdf_derive_from_key(ret_subkey, KEY_SIZE, id, context, key);
}

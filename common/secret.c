/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/secret.h"

#include <errno.h>
#include <string.h>

void memory_wipe(void *memory, size_t length)
{
    if (length > 0)
        explicit_bzero(memory, length);
}

int secret_new(size_t capacity, struct secret **ret_secret)
{
    struct secret *secret;

    if (capacity > SIZE_MAX - sizeof(*secret))
        return -ENOMEM;
    secret = calloc(1, sizeof(*secret) + capacity);
    if (!secret)
        return -ENOMEM;
    secret->capacity = capacity;
    *ret_secret = secret;
    return 0;
}

int secret_new_copy(const void *bytes, size_t length, struct secret **ret_secret)
{
    struct secret *secret;
    int r;

    r = secret_new(length, &secret);
    if (r < 0)
        return r;
    if (length > 0)
        memcpy(secret->bytes, bytes, length);
    secret->length = length;
    *ret_secret = secret;
    return 0;
}

int secret_append(struct secret *secret, const void *bytes, size_t length)
{
    if (length > secret->capacity - secret->length)
        return -ENOBUFS;
    if (length > 0)
        memcpy(secret->bytes + secret->length, bytes, length);
    secret->length += length;
    return 0;
}

int secret_read(struct secret *secret, int fd)
{
    while (secret->length < secret->capacity) {
        ssize_t count = pread(fd, secret->bytes + secret->length,
                              secret->capacity - secret->length, (off_t)secret->length);

        if (count == 0)
            break;
        if (count < 0 && errno != EINTR)
            return -errno;
        secret->length += count > 0 ? (size_t)count : 0;
    }
    return 0;
}

void secret_wipe(struct secret *secret)
{
    /* The whole capacity: a shorter length may have been set over longer content. */
    memory_wipe(secret->bytes, secret->capacity);
    secret->length = 0;
}

void secret_free(struct secret *secret)
{
    if (!secret)
        return;
    secret_wipe(secret);
    free(secret);
}

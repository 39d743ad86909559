/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/file_hash.h"

#include <errno.h>
#include <sodium.h>

int file_hash(int fd, uint8_t ret_hash[FILE_HASH_SIZE])
{
    crypto_generichash_state state;
    uint8_t bytes[4096];
    ssize_t count = 1;

    if (sodium_init() < 0)
        return -EIO;
    crypto_generichash_init(&state, NULL, 0, FILE_HASH_SIZE);
    while (count != 0) {
        count = read(fd, bytes, sizeof(bytes));
        if (count < 0 && errno != EINTR)
            return -errno;
        if (count > 0)
            crypto_generichash_update(&state, bytes, (size_t)count);
    }
    crypto_generichash_final(&state, ret_hash, FILE_HASH_SIZE);
    return 0;
}

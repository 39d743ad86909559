/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/equal.h"

#include <sodium.h>

/* libsodium compares equal lengths only, so both are hashed under a key made for this one
 * comparison, and the hashes are compared. */
bool secret_equal(const struct secret *a, const void *b, size_t b_length)
{
    uint8_t key[crypto_generichash_KEYBYTES];
    uint8_t hash_a[crypto_generichash_BYTES], hash_b[crypto_generichash_BYTES];
    bool equal;

    randombytes_buf(key, sizeof(key));
    crypto_generichash(hash_a, sizeof(hash_a), a->bytes, a->length, key, sizeof(key));
    crypto_generichash(hash_b, sizeof(hash_b), b, b_length, key, sizeof(key));
    equal = sodium_memcmp(hash_a, hash_b, sizeof(hash_a)) == 0;
    memory_wipe(key, sizeof(key));
    return equal;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The keyring's file, and its content where the seal still holds. Written again it is the same. */
#include "dbus-service/keys/keyring_content.h"
#include "dbus-service/keys/keyring_file.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static const struct key root = { .bytes = "root key of this fuzz target" };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct keyring_file file;
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    CLEANUP_SECRET struct secret *again = NULL;

    if (keyring_file_parse(bytes, size, &file) != KEYRING_DONE)
        return 0;
    if (keyring_file_format(&file, &again) < 0 || again->length != size ||
        memcmp(again->bytes, bytes, size) != 0)
        abort();
    if (keyring_file_unseal(&file, &root, &keyring) == KEYRING_DONE && keyring->count == 0)
        abort();
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    CLEANUP_SECRET struct secret *bytes = NULL;
    static const uint8_t unknown[] = { 200, 3, 0, 0, 0, 'n', 'e', 'w' };
    struct slot slots[] = {
        { .kind = SLOT_KEYFILE, .id = 1 },
        { .kind = SLOT_SHARES, .id = 2, .cost = { 2, 3 } },
        { .kind = 200, .id = 3, .kept = unknown, .kept_size = sizeof(unknown) },
    };

    if (keyring_new(&keyring) < 0)
        abort();
    memcpy(keyring->keys->root, root.bytes, sizeof(root.bytes));
    if (keyring_file_seal(keyring, slots, 3, &bytes) < 0 || bytes->length > room)
        abort();
    memcpy(ret_bytes, bytes->bytes, bytes->length);
    return bytes->length;
}

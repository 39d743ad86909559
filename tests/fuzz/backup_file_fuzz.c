/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The plain part of a backup; opening its content takes Argon2id, too slow for this. */
#include "dbus-service/keys/backup_file.h"
#include "dbus-service/keys/keyring_content.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

/* Everything that the parser borrows must lie within the bytes. */
static void check_within(const uint8_t *bytes, size_t size, const uint8_t *part, size_t length)
{
    if (length > 0 && (part < bytes || length > size || part > bytes + (size - length)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct backup_file file;

    if (backup_file_parse(bytes, size, &file) != KEYRING_DONE)
        return 0;
    check_within(bytes, size, file.hint, file.hint_length);
    check_within(bytes, size, file.host, file.host_length);
    check_within(bytes, size, file.sealed.bytes, file.sealed.size);
    check_within(bytes, size, file.generations, file.generation_count);
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    CLEANUP_SECRET struct secret *passphrase = NULL;
    CLEANUP_SECRET struct secret *bytes = NULL;

    if (keyring_new(&keyring) < 0 || secret_new_copy("passphrase", 10, &passphrase) < 0 ||
        backup_file_seal(keyring, passphrase, "a hint", &bytes) < 0 || bytes->length > room)
        abort();
    memcpy(ret_bytes, bytes->bytes, bytes->length);
    return bytes->length;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The keyring's content, behind its seal: what parses is written back as the same bytes. */
#include "dbus-service/keys/keyring_content.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    CLEANUP_SECRET struct secret *content = NULL;
    CLEANUP_SECRET struct secret *written = NULL;

    if (secret_new_copy(bytes, size, &content) < 0)
        return 0;
    if (keyring_parse(content, &keyring) != KEYRING_DONE || keyring_format(keyring, &written) < 0)
        return 0;
    if (written->length != size || memcmp(written->bytes, bytes, size) != 0)
        abort();
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    CLEANUP_SECRET struct secret *content = NULL;

    if (keys_init() < 0 || keyring_new(&keyring) < 0)
        abort();
    keyring->backup = (struct backup_info){ 1, 1, "/root/backup" };
    if (keyring_format(keyring, &content) < 0 || content->length > room)
        abort();
    memcpy(ret_bytes, content->bytes, content->length);
    return content->length;
}

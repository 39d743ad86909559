/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The keyring's content, behind its seal: what parses is written back as the same bytes, or where it
 * was of an older format, as bytes that say the same. */
#include "common/recipient_key.h"
#include "dbus-service/keys/keyring_content.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static struct secret *format(const struct keyring *keyring)
{
    struct secret *content = NULL;

    if (keyring_format(keyring, &content) < 0)
        abort();
    return content;
}

static void check_same(const struct secret *content, const uint8_t *bytes, size_t size)
{
    if (content->length != size || memcmp(content->bytes, bytes, size) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    CLEANUP_KEYRING struct keyring *again = NULL;
    CLEANUP_SECRET struct secret *content = NULL;
    CLEANUP_SECRET struct secret *written = NULL;
    CLEANUP_SECRET struct secret *rewritten = NULL;

    if (secret_new_copy(bytes, size, &content) < 0)
        return 0;
    if (keyring_parse(content, &keyring) != KEYRING_DONE)
        return 0;
    written = format(keyring);
    if (written->bytes[0] == bytes[0])
        check_same(written, bytes, size);
    if (keyring_parse(written, &again) != KEYRING_DONE)
        abort();
    rewritten = format(again);
    check_same(rewritten, written->bytes, written->length);
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    CLEANUP_SECRET struct secret *content = NULL;
    uint8_t private_key[RECIPIENT_KEY_SIZE];

    if (keys_init() < 0 || keyring_new(&keyring) < 0)
        abort();
    keyring->recipient_count = 1;
    strcpy(keyring->recipients[0].name, "offline");
    if (recipient_key_new(private_key, keyring->recipients[0].public_key) < 0)
        abort();
    keyring->backup = (struct backup_info){ .time_usec = 1,
                                            .generation = 1,
                                            .location = "/root/backup" };
    if (keyring_format(keyring, &content) < 0 || content->length > room)
        abort();
    memcpy(ret_bytes, content->bytes, content->length);
    return content->length;
}

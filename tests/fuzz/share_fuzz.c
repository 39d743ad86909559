/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A share as somebody types it. Whatever is taken reads the same once it is written again. */
#include "dbus-service/keys/shares.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    CLEANUP_SECRET struct secret *text = NULL;
    CLEANUP_SECRET struct secret *again = NULL;
    struct share share = { .slot = 0 }, same = { .slot = 0 };
    struct share_set set = { .count = 0 };
    struct key secret;

    if (secret_new_copy(bytes, size, &text) < 0)
        abort();
    if (share_parse(text, &share) != KEYRING_DONE)
        return 0;
    if (share_format(&share, &again) < 0 || share_parse(again, &same) != KEYRING_DONE ||
        memcmp(&share, &same, sizeof(share)) != 0)
        abort();
    if (share_set_add(&set, &share) != KEYRING_DONE || share_set_add(&set, &same) != KEYRING_DONE ||
        set.count != 1 || shares_join(&set, &secret) != KEYRING_NO_SLOT)
        abort();
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    CLEANUP_SECRET struct secret *text = NULL;
    struct share share = { .slot = 7, .threshold = 3, .count = 5, .index = 2, .bytes = "a share" };

    if (share_format(&share, &text) < 0 || text->length > room)
        abort();
    memcpy(ret_bytes, text->bytes, text->length);
    return text->length;
}

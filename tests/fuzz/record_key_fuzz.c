/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Record keys: what parses is written back as the same bytes. */
#include "common/record_header.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct record_key key;
    uint8_t written[RECORD_KEY_MAX];

    if (record_key_parse(bytes, size, &key) < 0)
        return 0;
    if (record_key_format(&key, written) != size || memcmp(written, bytes, size) != 0)
        abort();
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    struct record_key key = { .class = RECORD_MAPPING, .name_length = 6, .name = "ualice" };

    if (room < RECORD_KEY_MAX)
        abort();
    return record_key_format(&key, ret_bytes);
}

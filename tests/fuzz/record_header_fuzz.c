/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Heads of records: what parses is written back as the same bytes. */
#include "common/record_header.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct record_header header;
    uint8_t written[RECORD_HEADER_SIZE];

    if (record_header_parse(bytes, size, &header) < 0)
        return 0;
    record_header_format(&header, written);
    if (memcmp(written, bytes, sizeof(written)) != 0)
        abort();
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    struct record_header header = { .format = RECORD_FORMAT, .kind = RECORD_LIVE, .generation = 1,
                                    .version = 7 };

    if (room < RECORD_HEADER_SIZE)
        abort();
    record_header_format(&header, ret_bytes);
    return RECORD_HEADER_SIZE;
}

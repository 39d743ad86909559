/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The value of a mapping's record: what parses is within the limits, and is written again as the
 * same bytes. */
#include "dbus-service/domain/mapping_internal.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void check(const struct mapping *mapping, const uint8_t *bytes, size_t size)
{
    CLEANUP_SECRET struct secret *again = NULL;
    size_t total = 0;

    for (size_t i = 0; i < mapping->values_count; i++) {
        const struct mapping_value *value = &mapping->values[i];

        if (value->length > VALUE_MAX_BYTES || mapping_value(mapping, value->field) != value)
            abort();
        total += value->length;
    }
    if (total > VALUES_MAX_BYTES || !name_is_valid(mapping->external_user))
        abort();
    if (mapping_format(mapping, &again) < 0 || again->length != size ||
        memcmp(again->bytes, bytes, size) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    CLEANUP_MAPPING struct mapping *mapping = NULL;
    struct secret *value;
    int r;

    if (secret_new_copy(bytes, size, &value) < 0)
        return 0;
    r = mapping_parse(value, &mapping);
    if ((r == 0) != (mapping != NULL))
        abort();
    if (r == 0)
        check(mapping, bytes, size);
    else if (r != -EBADMSG && r != -EPROTONOSUPPORT)
        abort();
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    static char external_user[] = "ALICE01";
    const struct mapping mapping = {
        .state = MAPPING_DISABLED,
        .changed_usec = 1,
        .changed_by = 1000,
        .external_user = external_user,
        .values = {{1, (const uint8_t *)"secret", 6}, {7, (const uint8_t *)"100", 3}},
        .values_count = 2,
    };
    CLEANUP_SECRET struct secret *value = NULL;

    if (mapping_format(&mapping, &value) < 0 || value->length > room)
        abort();
    memcpy(ret_bytes, value->bytes, value->length);
    return value->length;
}

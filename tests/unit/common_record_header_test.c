/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/record_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <errno.h>
#include <string.h>

static const struct record_header sample = {
    .format = 1, .kind = RECORD_TOMBSTONE, .generation = 0x01020304, .version = 0x1122334455667788,
};
static const uint8_t sample_bytes[RECORD_HEADER_SIZE] = {
    1, 1, 4, 3, 2, 1, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
};

static void test_header_round_trip(void **state)
{
    uint8_t bytes[RECORD_HEADER_SIZE];
    struct record_header header;

    record_header_format(&sample, bytes);
    assert_memory_equal(bytes, sample_bytes, sizeof(bytes));
    assert_int_equal(record_header_parse(bytes, sizeof(bytes), &header), 0);
    assert_int_equal(header.kind, sample.kind);
    assert_int_equal(header.generation, sample.generation);
    assert_true(header.version == sample.version);
}

static void test_header_refusals(void **state)
{
    uint8_t bytes[RECORD_HEADER_SIZE];
    struct record_header header;

    for (size_t size = 0; size < sizeof(bytes); size++)
        assert_int_equal(record_header_parse(sample_bytes, size, &header), -EBADMSG);
    memcpy(bytes, sample_bytes, sizeof(bytes));
    bytes[1] = 2;
    assert_int_equal(record_header_parse(bytes, sizeof(bytes), &header), -EBADMSG);
    bytes[0] = 0;
    assert_int_equal(record_header_parse(bytes, sizeof(bytes), &header), -EBADMSG);
    bytes[0] = 2;
    assert_int_equal(record_header_parse(bytes, sizeof(bytes), &header), -EPROTONOSUPPORT);
    assert_int_equal(record_header_parse(bytes, 1, &header), -EPROTONOSUPPORT);
}

static void test_key_round_trip(void **state)
{
    struct record_key key = { .class = RECORD_MAPPING, .name_length = 6 };
    struct record_key parsed;
    uint8_t bytes[RECORD_KEY_MAX];
    size_t size;

    memset(key.scope, 0x5a, sizeof(key.scope));
    memcpy(key.name, "ualice", 6);
    size = record_key_format(&key, bytes);
    assert_int_equal(size, 1 + RECORD_SCOPE_SIZE + 6);
    assert_int_equal(bytes[0], RECORD_MAPPING);
    assert_int_equal(record_key_parse(bytes, size, &parsed), 0);
    assert_memory_equal(&parsed, &key, sizeof(key));
}

static void test_key_limits(void **state)
{
    uint8_t bytes[RECORD_KEY_MAX + 1] = { RECORD_APPLICATION };
    struct record_key key;

    assert_int_equal(record_key_parse(bytes, RECORD_KEY_MAX, &key), 0);
    assert_int_equal(key.name_length, RECORD_NAME_MAX);
    assert_int_equal(record_key_parse(bytes, RECORD_KEY_MAX + 1, &key), -EBADMSG);
    assert_int_equal(record_key_parse(bytes, 1 + RECORD_SCOPE_SIZE, &key), 0);
    assert_int_equal(record_key_parse(bytes, RECORD_SCOPE_SIZE, &key), -EBADMSG);
    assert_int_equal(record_key_parse(bytes, 0, &key), -EBADMSG);
    bytes[0] = 0;
    assert_int_equal(record_key_parse(bytes, 20, &key), -EBADMSG);
    bytes[0] = RECORD_CLASS_MAX + 1;
    assert_int_equal(record_key_parse(bytes, 20, &key), -EBADMSG);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_round_trip),
        cmocka_unit_test(test_header_refusals),
        cmocka_unit_test(test_key_round_trip),
        cmocka_unit_test(test_key_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

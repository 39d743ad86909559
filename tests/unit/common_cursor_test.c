/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <string.h>

static void test_round_trip(void **state)
{
    uint8_t bytes[64];
    uint8_t tail[3];
    size_t length;
    struct cursor writer = cursor_writer(bytes, sizeof(bytes));
    struct cursor reader;

    cursor_put_u8(&writer, 0xab);
    cursor_put_u16(&writer, 0x1234);
    cursor_put_u32(&writer, 0xdeadbeef);
    cursor_put_u64(&writer, 0x0123456789abcdef);
    cursor_put_block(&writer, "block", 5);
    cursor_put_bytes(&writer, "end", 3);
    assert_true(cursor_ok(&writer));

    reader = cursor_reader(bytes, writer.position);
    assert_int_equal(cursor_get_u8(&reader), 0xab);
    assert_int_equal(cursor_get_u16(&reader), 0x1234);
    assert_int_equal(cursor_get_u32(&reader), 0xdeadbeef);
    assert_true(cursor_get_u64(&reader) == 0x0123456789abcdef);
    assert_memory_equal(cursor_get_block(&reader, 5, &length), "block", 5);
    assert_int_equal(length, 5);
    assert_false(cursor_at_end(&reader));
    cursor_get_bytes(&reader, tail, sizeof(tail));
    assert_memory_equal(tail, "end", 3);
    assert_true(cursor_at_end(&reader));
    assert_int_equal(cursor_left(&reader), 0);
}

static void test_little_endian(void **state)
{
    uint8_t bytes[4];
    struct cursor writer = cursor_writer(bytes, sizeof(bytes));

    cursor_put_u32(&writer, 0x04030201);
    assert_memory_equal(bytes, "\1\2\3\4", 4);
}

static void test_failure_is_sticky(void **state)
{
    struct cursor reader = cursor_reader("\1\2\3", 3);
    uint8_t bytes[2] = { 7, 7 };

    assert_int_equal(cursor_get_u32(&reader), 0);
    assert_false(cursor_ok(&reader));
    assert_int_equal(cursor_get_u8(&reader), 0);
    assert_null(cursor_get_view(&reader, 0));
    cursor_get_bytes(&reader, bytes, 2);
    assert_memory_equal(bytes, "\0\0", 2);
    assert_int_equal(cursor_left(&reader), 0);
    assert_false(cursor_at_end(&reader));
}

static void test_oo7_length_caps_before_allocation(void **state)
{
    struct cursor reader = cursor_reader("\3\0\0\0abc", 7);
    size_t length = 99;

    assert_null(cursor_get_block(&reader, 2, &length));
    assert_int_equal(length, 0);
    assert_false(cursor_ok(&reader));
}

static void test_block_longer_than_the_rest(void **state)
{
    struct cursor reader = cursor_reader("\xff\xff\xff\xff" "abc", 7);
    size_t length;

    assert_null(cursor_get_block(&reader, SIZE_MAX, &length));
    assert_false(cursor_ok(&reader));
}

static void test_every_truncation_fails(void **state)
{
    uint8_t bytes[32];
    struct cursor writer = cursor_writer(bytes, sizeof(bytes));

    cursor_put_u16(&writer, 1);
    cursor_put_block(&writer, "abcdef", 6);
    cursor_put_u64(&writer, 2);
    for (size_t size = 0; size <= writer.position; size++) {
        struct cursor reader = cursor_reader(bytes, size);
        size_t length;

        cursor_get_u16(&reader);
        cursor_get_block(&reader, 100, &length);
        cursor_get_u64(&reader);
        assert_int_equal(cursor_at_end(&reader), size == writer.position);
    }
}

static void test_writer_is_bounded(void **state)
{
    uint8_t bytes[4] = { 9, 9, 9, 9 };
    struct cursor writer = cursor_writer(bytes, 3);

    cursor_put_u16(&writer, 0);
    cursor_put_u16(&writer, 0xffff);
    assert_false(cursor_ok(&writer));
    cursor_put_u8(&writer, 1);
    assert_memory_equal(bytes, "\0\0\11\11", 4);
}

static void test_reader_cannot_be_written(void **state)
{
    uint8_t bytes[4] = { 0 };
    struct cursor reader = cursor_reader(bytes, sizeof(bytes));

    cursor_put_u8(&reader, 1);
    assert_false(cursor_ok(&reader));
    assert_int_equal(bytes[0], 0);
}

static void test_nothing_of_nothing(void **state)
{
    struct cursor reader = cursor_reader(NULL, 0);

    assert_true(cursor_at_end(&reader));
    assert_non_null(cursor_get_view(&reader, 0));
    assert_true(cursor_ok(&reader));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_little_endian),
        cmocka_unit_test(test_failure_is_sticky),
        cmocka_unit_test(test_oo7_length_caps_before_allocation),
        cmocka_unit_test(test_block_longer_than_the_rest),
        cmocka_unit_test(test_every_truncation_fails),
        cmocka_unit_test(test_writer_is_bounded),
        cmocka_unit_test(test_reader_cannot_be_written),
        cmocka_unit_test(test_nothing_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

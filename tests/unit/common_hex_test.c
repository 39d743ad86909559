/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/hex.h"

#include <stdio.h>
#include <string.h>

static const uint8_t bytes[] = { 0x00, 0x01, 0x2a, 0x9f, 0xa0, 0xff, 0x10 };

static const struct {
    size_t length;
    unsigned group;
    const char *text;
} rows[] = {
    { 7, 0, "00012a9fa0ff10" }, { 0, 0, "" },
    { 0, 4, "" },               { 7, 4, "0001 2a9f a0ff 10" },
    { 6, 4, "0001 2a9f a0ff" }, { 2, 4, "0001" },
    { 3, 1, "0 0 0 1 2 a" },    { 3, 2, "00 01 2a" },
};

static void test_digits_and_groups(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[32];

        memset(text, '#', sizeof(text));
        hex_format(bytes, rows[i].length, rows[i].group, text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(text[strlen(rows[i].text) + 1], '#');
    }
}

static void test_every_byte(void **state)
{
    for (unsigned value = 0; value < 256; value++) {
        uint8_t byte = (uint8_t)value;
        char text[HEX_TEXT_SIZE(1)], expected[HEX_TEXT_SIZE(1)];

        hex_format(&byte, 1, 0, text);
        snprintf(expected, sizeof(expected), "%02x", value);
        assert_string_equal(text, expected);
    }
}

/* Callers declare their text with these. */
static void test_sizes(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t size = rows[i].length == 0 ? 1
                      : rows[i].group == 0 ? HEX_TEXT_SIZE(rows[i].length)
                                           : HEX_GROUPED_SIZE(rows[i].length, rows[i].group);

        assert_int_equal(size, strlen(rows[i].text) + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digits_and_groups),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

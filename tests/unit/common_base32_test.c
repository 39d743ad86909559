/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base32.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* RFC 4648 section 10, in our case and without the padding. */
static const struct {
    const char *bytes;
    const char *text;
} vectors[] = {
    { "", "" },           { "f", "my" },           { "fo", "mzxq" },
    { "foo", "mzxw6" },   { "foob", "mzxw6yq" },   { "fooba", "mzxw6ytb" },
    { "foobar", "mzxw6ytboi" },
};

static void test_published_vectors(void **state)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        size_t size = strlen(vectors[i].bytes), length = strlen(vectors[i].text);
        char text[16] = "";
        uint8_t bytes[16];

        assert_int_equal(BASE32_LENGTH(size), length);
        base32_format((const uint8_t *)vectors[i].bytes, size, text);
        assert_string_equal(text, vectors[i].text);
        assert_int_equal(base32_parse(text, length, bytes, size), 0);
        assert_memory_equal(bytes, vectors[i].bytes, size);
    }
}

static void test_every_letter(void **state)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t bytes[20];
    char text[33] = "";

    assert_int_equal(base32_parse(alphabet, 32, bytes, sizeof(bytes)), 0);
    base32_format(bytes, sizeof(bytes), text);
    assert_string_equal(text, alphabet);
    for (int c = 0; c < 256; c++) {
        const char pair[] = { (char)c, 'a' };
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '2' && c <= '7');

        if (base32_parse(pair, 2, bytes, 1) != (letter ? 0 : -EINVAL))
            fail_msg("character %d", c);
    }
}

static void test_as_people_write_it(void **state)
{
    static const char *const accepted[] = { "MZXW6YTBOI", "mzxw6-ytboi", " mzxw6 ytboi\r\n",
                                            "m-z-x-w-6\ty-T-b-o-i-" };
    static const char *const refused[] = { "",           "mzxw6ytbo",  "mzxw6ytboia", "mzxw6ytbo1",
                                           "mzxw6ytb0i", "mzxw6_tboi", "mzxw6ytboj" };
    uint8_t bytes[6];

    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        memset(bytes, 0, sizeof(bytes));
        assert_int_equal(base32_parse(accepted[i], strlen(accepted[i]), bytes, 6), 0);
        assert_memory_equal(bytes, "foobar", 6);
    }
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (base32_parse(refused[i], strlen(refused[i]), bytes, 6) != -EINVAL)
            fail_msg("%s", refused[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vectors),
        cmocka_unit_test(test_every_letter),
        cmocka_unit_test(test_as_people_write_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

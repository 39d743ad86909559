/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/recipient_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <ctype.h>
#include <sodium.h>
#include <string.h>

struct pair {
    uint8_t private_key[RECIPIENT_KEY_SIZE];
    uint8_t public_key[RECIPIENT_KEY_SIZE];
    char private_text[RECIPIENT_PRIVATE_TEXT_SIZE];
    char public_text[RECIPIENT_PUBLIC_TEXT_SIZE];
};

static struct pair pair_new(void)
{
    struct pair pair;

    assert_int_equal(recipient_key_new(pair.private_key, pair.public_key), 0);
    recipient_private_format(pair.private_key, pair.private_text);
    recipient_public_format(pair.public_key, pair.public_text);
    return pair;
}

static int read_public(const char *text)
{
    uint8_t key[RECIPIENT_KEY_SIZE];

    return recipient_public_parse(text, strlen(text), key);
}

static int read_private(const char *text)
{
    uint8_t key[RECIPIENT_KEY_SIZE];

    return recipient_private_parse(text, strlen(text), key);
}

static void test_round_trip(void **state)
{
    struct pair pair = pair_new(), other = pair_new();
    uint8_t key[RECIPIENT_KEY_SIZE];

    assert_memory_not_equal(pair.private_key, other.private_key, sizeof(key));
    assert_int_equal(strlen(pair.public_text) + 1, sizeof(pair.public_text));
    assert_int_equal(strlen(pair.private_text) + 1, sizeof(pair.private_text));
    assert_int_equal(recipient_public_parse(pair.public_text, strlen(pair.public_text), key), 0);
    assert_memory_equal(key, pair.public_key, sizeof(key));
    assert_int_equal(recipient_private_parse(pair.private_text, strlen(pair.private_text), key), 0);
    assert_memory_equal(key, pair.private_key, sizeof(key));
    recipient_key_public(pair.private_key, key);
    assert_memory_equal(key, pair.public_key, sizeof(key));
}

/* RFC 7748 section 6.1, Alice; the text was computed from doc/FORMAT by other means. */
static void test_published_key(void **state)
{
    static const uint8_t private_key[] = {
        0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66,
        0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9,
        0x2c, 0x2a,
    };
    uint8_t public_key[RECIPIENT_KEY_SIZE];
    char public_text[RECIPIENT_PUBLIC_TEXT_SIZE], private_text[RECIPIENT_PRIVATE_TEXT_SIZE];

    recipient_key_public(private_key, public_key);
    recipient_public_format(public_key, public_text);
    recipient_private_format(private_key, private_text);
    assert_string_equal(public_text, "ms1-public-agcsb4ajreykovdurn65znb665na3pz2butdqgxu5osktdvktnhgu2tpqgpa");
    assert_string_equal(private_text, "ms1-recipient-af3qo3ikommkk7j4c3axeunsmzc56tbpq7v4bgjkwf37xji5xewcuiyhszqa");
}

static void test_as_people_write_it(void **state)
{
    struct pair pair = pair_new();
    char text[200], *end = text;

    for (const char *c = pair.public_text; *c; c++)
        *end++ = (char)toupper(*c);
    *end = '\0';
    assert_int_equal(read_public(text), RECIPIENT_KEY_DONE);
    snprintf(text, sizeof(text), "\t %.30s\n  %.10s-%s \r\n", pair.public_text,
             pair.public_text + 30, pair.public_text + 40);
    assert_int_equal(read_public(text), RECIPIENT_KEY_DONE);
    assert_int_equal(read_public(""), RECIPIENT_KEY_NOT_ONE);
    assert_int_equal(read_public(" \n"), RECIPIENT_KEY_NOT_ONE);
    assert_int_equal(read_public("ms1-publi"), RECIPIENT_KEY_NOT_ONE);
    assert_int_equal(read_public("ms1-public-"), RECIPIENT_KEY_MISTYPED);
    assert_int_equal(read_public(pair.private_text), RECIPIENT_KEY_OTHER_HALF);
    assert_int_equal(read_private(pair.public_text), RECIPIENT_KEY_OTHER_HALF);
    snprintf(text, sizeof(text), "%sa", pair.public_text);
    assert_int_equal(read_public(text), RECIPIENT_KEY_MISTYPED);
}

/* Each letter replaced by each other one, two neighbours swapped, each length. */
static void test_every_slip(void **state)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    struct pair pair = pair_new();
    size_t prefix = strlen(RECIPIENT_PRIVATE_PREFIX), length = strlen(pair.private_text);
    char text[RECIPIENT_PRIVATE_TEXT_SIZE];

    for (size_t i = prefix; i < length; i++) {
        for (const char *letter = alphabet; *letter; letter++) {
            memcpy(text, pair.private_text, sizeof(text));
            text[i] = *letter;
            assert_int_equal(read_private(text), *letter == pair.private_text[i]
                                                     ? RECIPIENT_KEY_DONE
                                                     : RECIPIENT_KEY_MISTYPED);
        }
        memcpy(text, pair.private_text, sizeof(text));
        text[i] = '1'; /* not in the alphabet */
        assert_int_equal(read_private(text), RECIPIENT_KEY_MISTYPED);
        memcpy(text, pair.private_text, sizeof(text));
        text[i - 1] = pair.private_text[i];
        text[i] = pair.private_text[i - 1];
        if (i > prefix && text[i] != text[i - 1])
            assert_int_equal(read_private(text), RECIPIENT_KEY_MISTYPED);
        memcpy(text, pair.private_text, sizeof(text));
        text[i] = '\0';
        assert_int_equal(read_private(text), RECIPIENT_KEY_MISTYPED);
    }
    /* One half under the other's prefix: the check covers it. */
    memcpy(pair.public_text + strlen(RECIPIENT_PUBLIC_PREFIX), pair.private_text + prefix,
           RECIPIENT_KEY_LETTERS);
    assert_int_equal(read_public(pair.public_text), RECIPIENT_KEY_MISTYPED);
}

/* Points of small order: what is sealed to them, everybody opens. */
static void test_unusable_keys(void **state)
{
    static const uint8_t zero[RECIPIENT_KEY_SIZE] = { 0 }, one[RECIPIENT_KEY_SIZE] = { 1 };
    static const uint8_t order_8[RECIPIENT_KEY_SIZE] = {
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    };
    static const uint8_t *const keys[] = { zero, one, order_8 };
    struct pair pair = pair_new();

    assert_true(recipient_key_is_usable(pair.public_key));
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        assert_false(recipient_key_is_usable(keys[i]));
        recipient_public_format(keys[i], pair.public_text);
        assert_int_equal(read_public(pair.public_text), RECIPIENT_KEY_NOT_ONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_published_key),
        cmocka_unit_test(test_as_people_write_it), cmocka_unit_test(test_every_slip),
        cmocka_unit_test(test_unusable_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

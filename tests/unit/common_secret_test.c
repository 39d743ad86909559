/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <errno.h>
#include <string.h>

static void test_new_is_empty_and_zeroed(void **state)
{
    CLEANUP_SECRET struct secret *secret = NULL;
    static const uint8_t zero[100];

    assert_int_equal(secret_new(sizeof(zero), &secret), 0);
    assert_int_equal(secret->length, 0);
    assert_int_equal(secret->capacity, sizeof(zero));
    assert_memory_equal(secret->bytes, zero, sizeof(zero));
}

static void test_new_refuses_impossible_size(void **state)
{
    struct secret *secret = NULL;

    assert_int_equal(secret_new(SIZE_MAX, &secret), -ENOMEM);
    assert_null(secret);
}

static void test_copy(void **state)
{
    CLEANUP_SECRET struct secret *secret = NULL;
    CLEANUP_SECRET struct secret *empty = NULL;

    assert_int_equal(secret_new_copy("a\0b", 3, &secret), 0);
    assert_int_equal(secret->length, 3);
    assert_memory_equal(secret->bytes, "a\0b", 3);
    assert_int_equal(secret_new_copy(NULL, 0, &empty), 0);
    assert_int_equal(empty->length, 0);
}

static void test_append_is_bounded(void **state)
{
    CLEANUP_SECRET struct secret *secret = NULL;

    assert_int_equal(secret_new(4, &secret), 0);
    assert_int_equal(secret_append(secret, "abc", 3), 0);
    assert_int_equal(secret_append(secret, "de", 2), -ENOBUFS);
    assert_int_equal(secret->length, 3);
    assert_int_equal(secret_append(secret, "d", 1), 0);
    assert_memory_equal(secret->bytes, "abcd", 4);
    assert_int_equal(secret_append(secret, "", 0), 0);
}

static void test_wipe_reaches_the_whole_capacity(void **state)
{
    CLEANUP_SECRET struct secret *secret = NULL;
    static const uint8_t zero[16];

    assert_int_equal(secret_new(sizeof(zero), &secret), 0);
    assert_int_equal(secret_append(secret, "sixteen bytes ok", 16), 0);
    secret->length = 2;
    secret_wipe(secret);
    assert_int_equal(secret->length, 0);
    assert_memory_equal(secret->bytes, zero, sizeof(zero));
}

static void test_free_of_null(void **state)
{
    secret_free(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_is_empty_and_zeroed),
        cmocka_unit_test(test_new_refuses_impossible_size),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_append_is_bounded),
        cmocka_unit_test(test_wipe_reaches_the_whole_capacity),
        cmocka_unit_test(test_free_of_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

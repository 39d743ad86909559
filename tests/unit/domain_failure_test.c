/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dbus-service/domain/failure.h"

#include <errno.h>
#include <string.h>

static void test_set(void **state)
{
    struct failure failure;

    (void)state;
    assert_int_equal(failure_set(&failure, ERROR_SEALED, NULL), ERROR_SEALED);
    assert_string_equal(failure.text, error_text(ERROR_SEALED));
    assert_int_equal(failure_set(&failure, ERROR_DAMAGED, "%s %d", "a", 1), ERROR_DAMAGED);
    assert_int_equal(failure.code, ERROR_DAMAGED);
    assert_string_equal(failure.text, "a 1");
}

/* Whatever is quoted, the text is one line of UTF-8. */
static void test_clean(void **state)
{
    struct failure failure;

    (void)state;
    failure_set(&failure, ERROR_DAMAGED, "%s", "a\nb\x7f\x1b");
    assert_string_equal(failure.text, "a?b??");
    failure_set(&failure, ERROR_DAMAGED, "%s", "x\xff\xfey");
    assert_string_equal(failure.text, "x??y");
    failure_set(&failure, ERROR_DAMAGED, "%s", "M\xc3\xbcller");
    assert_string_equal(failure.text, "M\xc3\xbcller");
}

/* Cut at a character's boundary, wherever the cut falls. */
static void test_cut(void **state)
{
    struct failure failure;

    (void)state;
    for (int lead = 380; lead < 400; lead++) {
        failure_set(&failure, ERROR_DAMAGED, "%*s%s", lead, "",
                    "\xf0\x9f\x94\x91\xe2\x82\xac\xc3\xbc\xf0\x9f\x94\x91\xe2\x82\xac\xc3\xbc");
        assert_true(strlen(failure.text) >= sizeof(failure.text) - 5 || lead < 383);
        assert_true(text_is_utf8(failure.text, strlen(failure.text), sizeof(failure.text)));
        assert_null(strchr(failure.text, '?'));
    }
}

static void test_errno(void **state)
{
    struct failure failure;

    (void)state;
    assert_int_equal(failure_from_errno(&failure, -ENOMEM, "x"), ERROR_OUT_OF_MEMORY);
    assert_int_equal(failure_from_errno(&failure, -EBADMSG, "x"), ERROR_DAMAGED);
    assert_int_equal(failure_from_errno(&failure, -EIO, "cannot write 'y'"), ERROR_STORAGE_FAILED);
    assert_string_equal(failure.text, "cannot write 'y': Input/output error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_errno),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

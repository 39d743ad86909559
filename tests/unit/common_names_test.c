/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <dbus/dbus.h>
#include <errno.h>
#include <string.h>

static void test_error_table_is_complete(void **state)
{
    for (unsigned code = 1; code < ERROR_COUNT_; code++) {
        const char *name = error_name((enum error_code)code);

        assert_true(dbus_validate_error_name(name, NULL));
        assert_int_equal(error_from_name(name), code);
        assert_true(strlen(error_text((enum error_code)code)) > 0);
        assert_true(strlen(error_remedy((enum error_code)code)) > 0);
        assert_in_range(error_exit_status((enum error_code)code), 2, 10);
    }
}

static void test_foreign_error_names(void **state)
{
    assert_int_equal(error_from_name(NULL), ERROR_NONE);
    assert_int_equal(error_from_name(""), ERROR_NONE);
    assert_int_equal(error_from_name("org.freedesktop.DBus.Error.AccessDenied"), ERROR_NONE);
    assert_int_equal(error_from_name("AccessDenied"), ERROR_NONE);
    assert_non_null(error_text(ERROR_COUNT_));
}

struct text_case {
    const char *bytes;
    size_t length;
    bool good;
};

/* libdbus is the judge that matters: it aborts on what it finds bad. */
static void test_utf8(void **state)
{
    static const struct text_case cases[] = {
        { "", 0, true },
        { "plain", 5, true },
        { "\xc3\xa9", 2, true },
        { "\xe2\x82\xac", 3, true },
        { "\xf0\x9f\x94\x91", 4, true },
        { "\xf4\x8f\xbf\xbf", 4, true },
        { "\xef\xbf\xbf", 3, true },     /* a noncharacter */
        { "\xf4\x90\x80\x80", 4, false }, /* above U+10FFFF */
        { "\xed\xa0\x80", 3, false },     /* a surrogate */
        { "\xc0\x80", 2, false },         /* NUL in two bytes */
        { "\xc1\xbf", 2, false },
        { "\xe0\x9f\xbf", 3, false },
        { "\xf0\x8f\xbf\xbf", 4, false },
        { "\xf8\x88\x80\x80\x80", 5, false },
        { "\x80", 1, false },
        { "\xff", 1, false },
        { "\xc3", 1, false },
        { "\xe2\x82", 2, false },
        { "\xc3(", 2, false },
        { "a\0b", 3, false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(text_is_utf8(cases[i].bytes, cases[i].length, 100), cases[i].good);
        if (strlen(cases[i].bytes) == cases[i].length)
            assert_int_equal(dbus_validate_utf8(cases[i].bytes, NULL) != 0, cases[i].good);
    }
    assert_true(text_is_utf8("abc", 3, 3));
    assert_false(text_is_utf8("abc", 3, 2));
}

static void test_lines(void **state)
{
    static const struct {
        const char *text;
        const char *line;
    } rows[] = {
        { "", "" },
        { "zweiter Stock, grün", "zweiter Stock, grün" },
        { "one\ntwo\x7f", "one?two?" },
        { "\x1b[2J", "?[2J" },
        { "\xc2\x9b" "2J", "?2J" }, /* U+009B begins a sequence, too */
        { "\xc2\xa0\xf0\x9f\x94\x91", "\xc2\xa0\xf0\x9f\x94\x91" },
        { "\xff", "?" },
        { "cut \xc3", "?" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[32];

        memset(line, '#', sizeof(line));
        text_to_line(rows[i].text, strlen(rows[i].text), line);
        assert_string_equal(line, rows[i].line);
        assert_int_equal(line[strlen(rows[i].line) + 1], '#');
    }
}

static void test_every_two_bytes_as_libdbus(void **state)
{
    for (unsigned first = 1; first < 256; first++) {
        for (unsigned second = 1; second < 256; second++) {
            char text[] = { (char)first, (char)second, '\0' };

            assert_int_equal(text_is_utf8(text, 2, 2), dbus_validate_utf8(text, NULL) != 0);
        }
    }
}

static void test_names(void **state)
{
    char name[NAME_MAX_BYTES + 2];

    assert_true(name_is_valid("erp"));
    assert_true(name_is_valid("Lohn & Gehalt / \xc3\xa4"));
    assert_true(name_is_valid("\xc2\xa0"));
    assert_false(name_is_valid(""));
    assert_false(name_is_valid("a\nb"));
    assert_false(name_is_valid("a\x7f"));
    assert_false(name_is_valid("\xc2\x80"));
    assert_false(name_is_valid("\xc2\x9f"));
    assert_false(name_is_valid("\xff"));
    memset(name, 'x', sizeof(name));
    name[NAME_MAX_BYTES + 1] = '\0';
    assert_false(name_is_valid(name));
    name[NAME_MAX_BYTES] = '\0';
    assert_true(name_is_valid(name));
}

static const char *last_element(const char *path)
{
    return strrchr(path, '/') + 1;
}

static void test_path_round_trip(void **state)
{
    static const char *const names[] = { "erp", "a b", "x_y", "\xc3\xa9", "A-Z0.9", "_", "__" };
    char path[1024];
    char name[NAME_MAX_BYTES + 1];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(name_to_path(names[i], path, sizeof(path)), 0);
        assert_true(dbus_validate_path(path, NULL));
        assert_int_equal(name_from_path(last_element(path), name, sizeof(name)), 0);
        assert_string_equal(name, names[i]);
    }
    assert_int_equal(name_to_path("x_\xc3", path, sizeof(path)), 0);
    assert_string_equal(path, BUS_PATH_APPLICATION "/x_5f_c3");
    assert_int_equal(name_to_path("", path, sizeof(path)), 0);
    assert_string_equal(path, BUS_PATH_APPLICATION "/_");
}

static void test_path_sizes(void **state)
{
    char path[sizeof(BUS_PATH_APPLICATION "/abc")];
    char name[3];

    assert_int_equal(name_to_path("abc", path, sizeof(path)), 0);
    assert_int_equal(name_to_path("abcd", path, sizeof(path)), -ENOBUFS);
    assert_int_equal(name_to_path("a_", path, sizeof(path)), -ENOBUFS);
    assert_int_equal(name_from_path("ab", name, sizeof(name)), 0);
    assert_int_equal(name_from_path("abc", name, sizeof(name)), -ENOBUFS);
}

static void test_ill_formed_elements(void **state)
{
    static const char *const elements[] = {
        "", "_", "a_", "a_5", "_5F", "_61", "_gg", "a-b", "_00", "a_0a", "_c3", "_ff", "a_5f_",
    };
    char name[NAME_MAX_BYTES + 1];
    char text[4096];

    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
        assert_int_equal(name_from_path(elements[i], name, sizeof(name)), -EINVAL);
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(name_from_path(text, name, sizeof(name)), -EINVAL);
}

static void test_variables(void **state)
{
    static const char *const rows[][2] = {
        { "client", "MASTERSECRET_CLIENT" },
        { "Client-Nr 1", "MASTERSECRET_CLIENT_NR_1" },
        { "gr\xc3\xb6\xc3\x9f" "e", "MASTERSECRET_GR____E" },
        { "A=B\nPATH", "MASTERSECRET_A_B_PATH" },
    };
    char variable[VARIABLE_SIZE], longest[NAME_MAX_BYTES + 2];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        name_to_variable(rows[i][0], variable);
        assert_string_equal(variable, rows[i][1]);
    }
    memset(longest, 'a', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    name_to_variable(longest, variable); /* one byte more than a name has: cut, not overrun */
    assert_int_equal(strlen(variable), VARIABLE_SIZE - 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_table_is_complete),
        cmocka_unit_test(test_foreign_error_names),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_every_two_bytes_as_libdbus),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_path_round_trip),
        cmocka_unit_test(test_path_sizes),
        cmocka_unit_test(test_ill_formed_elements),
        cmocka_unit_test(test_variables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

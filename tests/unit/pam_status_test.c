/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole of both enums is walked. */
#include "pam_module/status.h"

#include "common/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <security/pam_modules.h>
#include <string.h>

static int status(unsigned error, unsigned entry, enum unavailable unavailable)
{
    return status_of_error((enum mastersecret_error)error, (enum entry_point)entry, unavailable);
}

static void test_no_error_is_ever_success(void **state)
{
    for (unsigned error = 1; error < ERROR_COUNT_ + 2; error++)
        for (unsigned entry = 0; entry < ENTRY_COUNT_; entry++) {
            assert_int_not_equal(status(error, entry, UNAVAILABLE_FAIL), PAM_SUCCESS);
            assert_int_not_equal(status(error, entry, UNAVAILABLE_IGNORE), PAM_SUCCESS);
        }
}

static void test_only_an_absent_service_is_ignored(void **state)
{
    for (unsigned error = 1; error < ERROR_COUNT_; error++) {
        bool absent = error == MASTERSECRET_UNREACHABLE || error == MASTERSECRET_TIMED_OUT ||
                      error == MASTERSECRET_OUTCOME_UNKNOWN;

        for (unsigned entry = 0; entry < ENTRY_COUNT_; entry++) {
            assert_int_not_equal(status(error, entry, UNAVAILABLE_FAIL), PAM_IGNORE);
            assert_int_equal(status(error, entry, UNAVAILABLE_IGNORE) == PAM_IGNORE, absent);
            if (!absent)
                assert_int_equal(status(error, entry, UNAVAILABLE_IGNORE),
                                 status(error, entry, UNAVAILABLE_FAIL));
        }
    }
}

static void test_unavailable_by_entry_point(void **state)
{
    static const struct {
        const char *name;
        int code;
    } expected[ENTRY_COUNT_] = {
        [ENTRY_AUTHENTICATE] = { "authenticate", PAM_AUTHINFO_UNAVAIL },
        [ENTRY_SETCRED] = { "setcred", PAM_CRED_UNAVAIL },
        [ENTRY_ACCT_MGMT] = { "acct_mgmt", PAM_PERM_DENIED },
        [ENTRY_OPEN_SESSION] = { "open_session", PAM_SESSION_ERR },
        [ENTRY_CLOSE_SESSION] = { "close_session", PAM_SESSION_ERR },
        [ENTRY_PRELIMINARY] = { "chauthtok", PAM_TRY_AGAIN },
        [ENTRY_UPDATE] = { "chauthtok", PAM_AUTHTOK_ERR },
    };

    for (unsigned entry = 0; entry < ENTRY_COUNT_; entry++) {
        assert_string_equal(entry_point_name((enum entry_point)entry), expected[entry].name);
        assert_int_equal(status_unavailable((enum entry_point)entry), expected[entry].code);
        assert_int_equal(status(MASTERSECRET_UNREACHABLE, entry, UNAVAILABLE_FAIL),
                         expected[entry].code);
        assert_int_equal(status(MASTERSECRET_TIMED_OUT, entry, UNAVAILABLE_FAIL),
                         expected[entry].code);
        assert_int_equal(status(MASTERSECRET_SEALED, entry, UNAVAILABLE_IGNORE),
                         expected[entry].code);
    }
}

/* The library's numbers and the service's table must not drift apart. */
static void test_library_follows_the_error_table(void **state)
{
#define X(id, name, status, text, remedy) assert_int_equal(MASTERSECRET_##id, ERROR_##id);
    ERROR_TABLE(X)
#undef X
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_error_is_ever_success),
        cmocka_unit_test(test_only_an_absent_service_is_ignored),
        cmocka_unit_test(test_unavailable_by_entry_point),
        cmocka_unit_test(test_library_follows_the_error_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

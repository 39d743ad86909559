/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Walks the table of return codes of pam_mastersecret(8), read from the manual itself, with
 * libpamtest: each error of the service, in each mode, gives the code that is printed there. */
#include "tests/pam/fake_service.h"
#include "tests/pam/stage.h"

#include "common/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <ctype.h>
#include <libpamtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct code_name {
    const char *name;
    int code;
} code_names[] = {
    { "PAM_AUTHINFO_UNAVAIL", PAM_AUTHINFO_UNAVAIL },
    { "PAM_AUTH_ERR", PAM_AUTH_ERR },
    { "PAM_AUTHTOK_RECOVERY_ERR", PAM_AUTHTOK_RECOVERY_ERR },
    { "PAM_BUF_ERR", PAM_BUF_ERR },
    { "PAM_CRED_INSUFFICIENT", PAM_CRED_INSUFFICIENT },
    { "PAM_IGNORE", IGNORED },
    { "PAM_MAXTRIES", PAM_MAXTRIES },
    { "PAM_PERM_DENIED", PAM_PERM_DENIED },
    { "PAM_SERVICE_ERR", PAM_SERVICE_ERR },
    { "PAM_SUCCESS", PAM_SUCCESS },
    { "PAM_SYSTEM_ERR", PAM_SYSTEM_ERR },
    { "PAM_USER_UNKNOWN", PAM_USER_UNKNOWN },
};

static int code_of(const char *name)
{
    for (size_t i = 0; i < sizeof(code_names) / sizeof(code_names[0]); i++)
        if (strcmp(code_names[i].name, name) == 0)
            return code_names[i].code;
    print_error("the manual names %s\n", name);
    return -1;
}

/* The rows "NAME<tab>PAM_CODE..." of the manual: expected[error] = code. */
static void read_manual(int *expected)
{
    FILE *manual = fopen(MANUAL, "r");
    char line[512], name[128], code[64];

    assert_non_null(manual);
    for (unsigned error = 0; error < ERROR_COUNT_; error++)
        expected[error] = -1;
    while (fgets(line, sizeof(line), manual)) {
        char full[256];
        enum error_code error;

        if (sscanf(line, "%127[A-Za-z]\t%63[A-Z_]", name, code) != 2)
            continue;
        snprintf(full, sizeof(full), "%s%s", BUS_ERROR_PREFIX, name);
        error = error_from_name(full);
        if (error == ERROR_NONE)
            continue;
        assert_int_equal(expected[error], -1); /* each once */
        expected[error] = code_of(code);
    }
    fclose(manual);
}

static int authenticate(const char *service, const char *user, const char *password)
{
    const char *answers[] = { password, NULL };
    struct pamtest_conv_data conversation = { .in_echo_off = answers };
    struct pam_testcase tests[] = { pam_test(PAMTEST_AUTHENTICATE, PAM_SUCCESS) };
    enum pamtest_err result = run_pamtest(service, user, &conversation, tests, NULL);

    assert_true(result == PAMTEST_ERR_OK || result == PAMTEST_ERR_CASE);
    return tests[0].op_rv;
}

static void check_error(enum error_code error, const char *mode, const char *unavailable,
                        int expected)
{
    const char *name = error_name(error) + strlen(BUS_ERROR_PREFIX);
    char arguments[256];
    int code;

    snprintf(arguments, sizeof(arguments),
             "mode=%s application=error:%s field=password timeout=20000 unavailable=%s", mode, name,
             unavailable);
    stage_reveal("t", 1, arguments);
    code = authenticate("t", "alice", "typed");
    if (code != expected)
        print_error("%s: %d, not %d\n", arguments, code, expected);
    assert_int_equal(code, expected);
}

static void test_every_error_is_as_in_the_manual(void **state)
{
    int expected[ERROR_COUNT_];
    pid_t service = fake_start(FAKE_ANSWERS);

    read_manual(expected);
    for (unsigned number = 1; number < ERROR_COUNT_; number++) {
        enum error_code error = (enum error_code)number;
        bool absent = error == ERROR_UNREACHABLE || error == ERROR_TIMED_OUT;
        int ignored = absent ? IGNORED : expected[number];

        if (expected[number] < 0)
            print_error("not in the manual: %s\n", error_name(error));
        assert_true(expected[number] > 0);
        check_error(error, "verify", "fail", expected[number]);
        check_error(error, "verify", "ignore", ignored);
        check_error(error, "authtok", "fail", expected[number]);
        check_error(error, "authtok", "ignore", ignored);
    }
    fake_stop(service);
}

/* An error that is not ours (an older or newer service, a bus) is never success. */
static void test_foreign_errors(void **state)
{
    pid_t service = fake_start(FAKE_ANSWERS);

    stage_reveal("t", 1, "mode=verify application=error:Invented timeout=20000");
    assert_int_not_equal(authenticate("t", "alice", "typed"), PAM_SUCCESS);
    stage_reveal("t", 1, "mode=authtok application=error:Invented field=password timeout=20000");
    assert_int_not_equal(authenticate("t", "alice", "typed"), PAM_SUCCESS);
    fake_stop(service);
}

/* The other rows of the manual's first table, and a program's whole sequence. */
static void test_sequence(void **state)
{
    pid_t service = fake_start(FAKE_ANSWERS);
    const char *answers[] = { FAKE_PASSWORD, NULL };
    struct pamtest_conv_data conversation = { .in_echo_off = answers };
    struct pam_testcase tests[] = {
        pam_test(PAMTEST_AUTHENTICATE, PAM_SUCCESS), pam_test(PAMTEST_SETCRED, PAM_SUCCESS),
        pam_test(PAMTEST_ACCOUNT, PAM_PERM_DENIED),  pam_test(PAMTEST_OPEN_SESSION, PAM_PERM_DENIED),
        pam_test(PAMTEST_CLOSE_SESSION, PAM_PERM_DENIED),
    };
    struct pam_testcase password[] = { pam_test(PAMTEST_CHAUTHTOK, PAM_PERM_DENIED) };

    stage_service("t", "auth required " MODULE " mode=verify application=erp\n"
                       "account required " MODULE " mode=verify application=erp\n"
                       "session required " MODULE " mode=verify application=erp\n"
                       "password required " MODULE " mode=verify application=erp\n");
    assert_int_equal(run_pamtest("t", "alice", &conversation, tests, NULL), PAMTEST_ERR_OK);
    assert_int_equal(run_pamtest("t", "alice", &conversation, password, NULL), PAMTEST_ERR_OK);
    fake_stop(service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_error_is_as_in_the_manual),
        cmocka_unit_test(test_foreign_errors),
        cmocka_unit_test(test_sequence),
    };

    stage_open();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

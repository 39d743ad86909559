/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Walks the tables of return codes of pam_mastersecret(8), read from the manual itself: each mode, at
 * each function, in each state of the service, and each error of the service in each mode, gives the
 * code that is printed there. */
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
    { "PAM_AUTHTOK_ERR", PAM_AUTHTOK_ERR },
    { "PAM_AUTHTOK_RECOVERY_ERR", PAM_AUTHTOK_RECOVERY_ERR },
    { "PAM_BUF_ERR", PAM_BUF_ERR },
    { "PAM_CRED_INSUFFICIENT", PAM_CRED_INSUFFICIENT },
    { "PAM_IGNORE", IGNORED },
    { "PAM_MAXTRIES", PAM_MAXTRIES },
    { "PAM_PERM_DENIED", PAM_PERM_DENIED },
    { "PAM_SERVICE_ERR", PAM_SERVICE_ERR },
    { "PAM_SESSION_ERR", PAM_SESSION_ERR },
    { "PAM_SUCCESS", PAM_SUCCESS },
    { "PAM_SYSTEM_ERR", PAM_SYSTEM_ERR },
    { "PAM_TRY_AGAIN", PAM_TRY_AGAIN },
    { "PAM_USER_UNKNOWN", PAM_USER_UNKNOWN },
};

/* With "PAM_" or without. */
static int code_of(const char *name)
{
    for (size_t i = 0; i < sizeof(code_names) / sizeof(code_names[0]); i++)
        if (strcmp(code_names[i].name, name) == 0 || strcmp(code_names[i].name + 4, name) == 0)
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

/* ---- Each error ---- */

/* What pam_open_session() and pam_acct_mgmt(), after pam_authenticate(), are answered with. */
static int run(int (*operation)(pam_handle_t *, int))
{
    pam_handle_t *pamh = stage_start("t", "alice", "typed");
    int code = pam_authenticate(pamh, 0);

    if (operation != pam_authenticate)
        code = operation(pamh, 0);
    pam_end(pamh, code);
    return code;
}

/* Where a mode asks the service, and the code there for what is PAM_AUTHINFO_UNAVAIL in the manual;
 * capture ignores all but an absent service. */
static const struct asking {
    const char *mode;
    int (*operation)(pam_handle_t *, int);
    int unavailable;
    bool ignores;
} asking[] = {
    { "verify", pam_authenticate, PAM_AUTHINFO_UNAVAIL, false },
    { "authtok", pam_authenticate, PAM_AUTHINFO_UNAVAIL, false },
    { "env", pam_open_session, PAM_SESSION_ERR, false },
    { "capture", pam_acct_mgmt, PAM_PERM_DENIED, true },
};

static bool is_absence(enum error_code error)
{
    return error == ERROR_UNREACHABLE || error == ERROR_TIMED_OUT || error == ERROR_OUTCOME_UNKNOWN;
}

static void check_error(enum error_code error, const struct asking *where, const char *unavailable,
                        int expected)
{
    char arguments[256];
    int code;

    if (where->ignores && !is_absence(error))
        expected = IGNORED;
    else if (expected == PAM_AUTHINFO_UNAVAIL)
        expected = where->unavailable;
    snprintf(arguments, sizeof(arguments),
             "mode=%s application=error:%s field=password timeout=20000 unavailable=%s",
             where->mode, error_name(error) + strlen(BUS_ERROR_PREFIX), unavailable);
    stage_reveal_all("t", arguments);
    code = run(where->operation);
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

        if (expected[number] < 0)
            print_error("not in the manual: %s\n", error_name(error));
        assert_true(expected[number] > 0);
        for (size_t i = 0; i < sizeof(asking) / sizeof(asking[0]); i++) {
            check_error(error, &asking[i], "fail", expected[number]);
            check_error(error, &asking[i], "ignore",
                        is_absence(error) ? IGNORED : expected[number]);
        }
    }
    fake_stop(service);
}

/* ---- Mode, function and state of the service ---- */

static int run_authenticate(pam_handle_t *pamh)
{
    return pam_authenticate(pamh, 0);
}

static int run_setcred(pam_handle_t *pamh)
{
    return pam_setcred(pamh, PAM_ESTABLISH_CRED);
}

static int run_acct_mgmt(pam_handle_t *pamh)
{
    (void)pam_authenticate(pamh, 0);
    return pam_acct_mgmt(pamh, 0);
}

static int run_open_session(pam_handle_t *pamh)
{
    return pam_open_session(pamh, 0);
}

static int run_close_session(pam_handle_t *pamh)
{
    return pam_close_session(pamh, 0);
}

static int run_chauthtok(pam_handle_t *pamh)
{
    return pam_chauthtok(pamh, 0);
}

static const struct function {
    const char *name; /* as in the manual; (1) the preliminary check, (2) the change */
    int (*run)(pam_handle_t *pamh);
    bool survives_one_answer; /* the service goes away after its first */
} functions[] = {
    { "authenticate", run_authenticate, false },
    { "setcred", run_setcred, false },
    { "acct_mgmt", run_acct_mgmt, false },
    { "open_session", run_open_session, false },
    { "close_session", run_close_session, false },
    { "chauthtok (1)", run_chauthtok, false },
    { "chauthtok (2)", run_chauthtok, true },
};

enum state { STATE_ANSWERS, STATE_REFUSES, STATE_AWAY_FAIL, STATE_AWAY_IGNORE, STATE_COUNT_ };

/* The codes of a row "MODE<tab>FUNCTION<tab>CODE<tab>CODE<tab>CODE<tab>CODE" of the manual;
 * "below" is the code of the refusal. Where there is no row: PAM_IGNORE. */
static void read_row(const char *mode, const char *function, int refusal, int expected[STATE_COUNT_])
{
    char line[512], found_mode[32], found_function[32], codes[STATE_COUNT_][32];
    FILE *manual = fopen(MANUAL, "r");

    assert_non_null(manual);
    for (unsigned i = 0; i < STATE_COUNT_; i++)
        expected[i] = IGNORED;
    while (fgets(line, sizeof(line), manual)) {
        if (sscanf(line, "%31[a-z]\t%31[^\t]\t%31[^\t]\t%31[^\t]\t%31[^\t]\t%31[^\t\n]", found_mode,
                   found_function, codes[0], codes[1], codes[2], codes[3]) != 6)
            continue;
        if (strcmp(found_mode, mode) != 0 || strcmp(found_function, function) != 0)
            continue;
        for (unsigned i = 0; i < STATE_COUNT_; i++)
            expected[i] = strcmp(codes[i], "below") == 0 ? refusal : code_of(codes[i]);
    }
    fclose(manual);
}

static bool is_away(enum state state)
{
    return state == STATE_AWAY_FAIL || state == STATE_AWAY_IGNORE;
}

static int run_in_state(const char *mode, const struct function *function, enum state state,
                        unsigned timeout_ms)
{
    static const char *const arguments[STATE_COUNT_] = {
        [STATE_ANSWERS] = "application=erp",
        [STATE_REFUSES] = "application=error:MappingDisabled unavailable=fail",
        [STATE_AWAY_FAIL] = "application=erp unavailable=fail",
        [STATE_AWAY_IGNORE] = "application=erp unavailable=ignore",
    };
    pid_t service = is_away(state) && !function->survives_one_answer
                        ? 0
                        : fake_start(is_away(state) ? FAKE_ANSWERS_ONCE : FAKE_ANSWERS);
    char line[256];
    pam_handle_t *pamh;
    int code;

    /* Without the preliminary check's question the first answer would be that of the change. */
    if (state == STATE_AWAY_IGNORE && service > 0)
        fake_pause(service);
    snprintf(line, sizeof(line), "mode=%s %s timeout=%u", mode, arguments[state], timeout_ms);
    stage_reveal_all("t", line);
    pamh = stage_start("t", "alice", state == STATE_ANSWERS ? FAKE_PASSWORD : "typed");
    code = function->run(pamh);
    pam_end(pamh, code);
    if (service > 0)
        fake_stop(service);
    return code;
}

static void test_mode_by_function_by_state(void **state)
{
    static const char *const modes[] = { "verify", "authtok", "capture", "env" };
    int expected[STATE_COUNT_];
    unsigned answered = 0;

    for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++)
        for (size_t f = 0; f < sizeof(functions) / sizeof(functions[0]); f++) {
            read_row(modes[m], functions[f].name, PAM_PERM_DENIED, expected);
            for (unsigned s = 0; s < STATE_COUNT_; s++) {
                bool away = is_away((enum state)s);
                int code = run_in_state(modes[m], &functions[f], (enum state)s, away ? 300 : 20000);

                /* A machine that stood still gave the one answer there is no time: with more of it. */
                if (code != expected[s] && away)
                    code = run_in_state(modes[m], &functions[f], (enum state)s, 10000);
                if (code != expected[s])
                    print_error("%s, %s, state %u: %d, not %d\n", modes[m], functions[f].name, s,
                                code, expected[s]);
                assert_int_equal(code, expected[s]);
                answered += expected[s] != IGNORED;
            }
        }
    assert_int_equal(answered, 14); /* the manual's table was found */
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

    stage_service("t", "auth required " MODULE " mode=verify application=erp timeout=20000\n"
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
        cmocka_unit_test(test_mode_by_function_by_state),
        cmocka_unit_test(test_foreign_errors),
        cmocka_unit_test(test_sequence),
    };

    stage_open();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dbus-service/domain/access.h"

#include <stdlib.h>
#include <string.h>

/* The matrix, written out anew: for each role alone, what it may do. Columns:
 *   '.' anybody   'u' the application's user   'g' agent   'p' application administrator
 *   'f' affiliate administrator   'a' administrator
 * 'Y' whoever's mapping it is; 'o' his own; 'i' his own, in individual applications; '-' never. */
struct row {
    enum operation operation;
    const char *cells; /* . u g p f a */
    const char *polkit;
};

static const struct row matrix[] = {
    {OPERATION_NONE, "------", NULL},
    {OPERATION_READ_STATE, "YYYYYY", NULL},
    {OPERATION_READ_STATUS, "----YY", "org.mastersecret1.manage-service"},
    {OPERATION_MANAGE_SERVICE, "-----Y", "org.mastersecret1.manage-service"},
    {OPERATION_MANAGE_SECRET, "-----Y", "org.mastersecret1.manage-secret"},
    {OPERATION_LIST_APPLICATIONS, "YYYYYY", NULL},
    {OPERATION_CREATE_APPLICATION, "----YY", "org.mastersecret1.manage-applications"},
    {OPERATION_DELETE_APPLICATION, "----YY", "org.mastersecret1.manage-applications"},
    {OPERATION_READ_APPLICATION, "-YYYYY", "org.mastersecret1.manage-applications"},
    {OPERATION_READ_DEFINITION, "---YYY", "org.mastersecret1.manage-applications"},
    {OPERATION_UPDATE_APPLICATION, "---YYY", "org.mastersecret1.manage-applications"},
    {OPERATION_UPDATE_APPLICATION_ADMINS, "----YY", "org.mastersecret1.manage-applications"},
    {OPERATION_LIST_MAPPINGS, "---YYY", "org.mastersecret1.manage-mappings"},
    {OPERATION_LIST_OWN_MAPPINGS, "YYYYYY", NULL},
    {OPERATION_SHOW_MAPPING, "-i-YYY", "org.mastersecret1.manage-mappings"},
    {OPERATION_CHANGE_MAPPING, "-i-YYY", "org.mastersecret1.manage-mappings"},
    {OPERATION_LOOKUP, "-oY---", NULL},
    {OPERATION_VERIFY, "-oY---", NULL},
};

static const unsigned roles[] = {
    ROLE_ANYBODY,
    ROLE_APPLICATION_USER,
    ROLE_AGENT,
    ROLE_APPLICATION_ADMINISTRATOR,
    ROLE_AFFILIATE_ADMINISTRATOR,
    ROLE_ADMINISTRATOR,
};

static enum access_verdict expected(char cell, bool own, bool individual)
{
    switch (cell) {
    case 'Y':
        return ACCESS_ALLOWED;
    case 'o':
        return own ? ACCESS_ALLOWED : ACCESS_DENIED;
    case 'i':
        return own && individual ? ACCESS_ALLOWED : ACCESS_DENIED;
    default:
        return ACCESS_DENIED;
    }
}

static void check_cell(const struct row *row, size_t column)
{
    for (unsigned flags = 0; flags < 4; flags++) {
        const struct access_request request = {
            .operation = row->operation,
            .roles = ROLE_ANYBODY | roles[column],
            .own = flags & 1,
            .individual = flags & 2,
        };

        if (access_decide(&request) !=
            expected(row->cells[column], request.own, request.individual))
            fail_msg("operation %d, role %zu, own %d, individual %d", row->operation, column,
                     request.own, request.individual);
    }
}

static void test_matrix(void **state)
{
    bool seen[OPERATION_COUNT_] = {false};

    (void)state;
    for (size_t i = 0; i < sizeof(matrix) / sizeof(matrix[0]); i++) {
        seen[matrix[i].operation] = true;
        assert_int_equal(strlen(matrix[i].cells), sizeof(roles) / sizeof(roles[0]));
        for (size_t column = 0; column < sizeof(roles) / sizeof(roles[0]); column++)
            check_cell(&matrix[i], column);
    }
    for (size_t i = 0; i < OPERATION_COUNT_; i++)
        assert_true(seen[i]);
}

/* Several roles allow what any one of them allows, no more. */
static void test_roles_add_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(matrix) / sizeof(matrix[0]); i++)
        for (unsigned set = 1; set < 64; set += 2) { /* everybody is anybody */
            struct access_request request = {.operation = matrix[i].operation, .own = true,
                                             .individual = true};
            enum access_verdict verdict = ACCESS_DENIED;

            for (size_t column = 0; column < 6; column++)
                if (set & 1u << column) {
                    request.roles |= roles[column];
                    if (expected(matrix[i].cells[column], true, true) == ACCESS_ALLOWED)
                        verdict = ACCESS_ALLOWED;
                }
            assert_int_equal(access_decide(&request), verdict);
        }
}

static void test_unknown_is_denied(void **state)
{
    const unsigned all = ~0u;
    struct access_request request = {.roles = all, .own = true, .individual = true};

    (void)state;
    request.operation = OPERATION_NONE;
    assert_int_equal(access_decide(&request), ACCESS_DENIED);
    request.operation = OPERATION_COUNT_;
    assert_int_equal(access_decide(&request), ACCESS_DENIED);
    request.operation = (enum operation)(OPERATION_COUNT_ + 100);
    assert_int_equal(access_decide(&request), ACCESS_DENIED);
    request.operation = (enum operation)-1;
    assert_int_equal(access_decide(&request), ACCESS_DENIED);
    request.operation = OPERATION_READ_STATE;
    request.roles = 0;
    assert_int_equal(access_decide(&request), ACCESS_DENIED);
}

static void test_disabled_by_an_administrator(void **state)
{
    struct access_request request = {
        .operation = OPERATION_CHANGE_MAPPING,
        .roles = ROLE_ANYBODY | ROLE_APPLICATION_USER,
        .own = true,
        .individual = true,
    };

    (void)state;
    for (unsigned flags = 0; flags < 4; flags++) {
        request.enabling = flags & 1;
        request.mapping_disabled_by_administrator = flags & 2;
        request.roles = ROLE_ANYBODY | ROLE_APPLICATION_USER;
        assert_int_equal(access_decide(&request), flags == 3 ? ACCESS_DENIED : ACCESS_ALLOWED);
        request.roles |= ROLE_APPLICATION_ADMINISTRATOR;
        assert_int_equal(access_decide(&request), ACCESS_ALLOWED);
    }
}

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(matrix) / sizeof(matrix[0]); i++) {
        const char *action = access_polkit_action(matrix[i].operation);

        assert_true(strlen(access_needs(matrix[i].operation)) > 0);
        if (matrix[i].polkit)
            assert_string_equal(action, matrix[i].polkit);
        else
            assert_null(action);
    }
    assert_string_equal(access_needs(OPERATION_CREATE_APPLICATION),
                        "administrator or affiliate administrator");
    assert_string_equal(access_needs(OPERATION_NONE), "nobody");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_roles_add_up),
        cmocka_unit_test(test_unknown_is_denied),
        cmocka_unit_test(test_disabled_by_an_administrator),
        cmocka_unit_test(test_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

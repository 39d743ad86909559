/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the calls of the library give and refuse, against a service that answers well. */
#include "client/error.h"
#include "client/mastersecret.h"
#include "common/names.h"
#include "tests/unit/fake_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <dbus/dbus.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_up(void **state)
{
    return fixture_start(state, FAKE_ANSWERS);
}

static int set_up_failing(void **state)
{
    return fixture_start(state, FAKE_FAILS);
}

static void test_error_texts(void **state)
{
    for (int error = 1; error < ERROR_COUNT_; error++) {
        assert_string_equal(mastersecret_strerror((enum mastersecret_error)error),
                            error_text((enum error_code)error));
        assert_string_equal(mastersecret_remedy((enum mastersecret_error)error),
                            error_remedy((enum error_code)error));
        assert_int_equal(client_error_from_name(error_name((enum error_code)error)), error);
    }
    assert_non_null(mastersecret_strerror((enum mastersecret_error)999));
    assert_int_equal(client_error_from_name(DBUS_ERROR_SERVICE_UNKNOWN),
                     MASTERSECRET_UNREACHABLE);
    assert_int_equal(client_error_from_name(DBUS_ERROR_ACCESS_DENIED),
                     MASTERSECRET_ACCESS_DENIED);
    assert_int_equal(client_error_from_name(NULL), MASTERSECRET_UNREACHABLE);
    assert_int_equal(client_error_from_errno(ENOMEM), MASTERSECRET_OUT_OF_MEMORY);
    assert_int_equal(client_error_from_errno(ENOENT), MASTERSECRET_UNREACHABLE);
}

static void test_lookup_one_field(void **state)
{
    static const char *const labels[] = { "password" };
    struct fixture *fixture = *state;
    struct mastersecret_credentials *credentials;
    const struct mastersecret_field *field;
    size_t count;

    assert_int_equal(
        mastersecret_lookup(fixture->context, "erp", NULL, labels, 1, &credentials),
        MASTERSECRET_OK);
    assert_string_equal(mastersecret_credentials_external_user(credentials), "ALICE01");
    mastersecret_credentials_fields(credentials, &count);
    assert_int_equal(count, 2);
    field = mastersecret_credentials_field(credentials, "password");
    assert_int_equal(field->length, FAKE_PASSWORD_LENGTH);
    assert_memory_equal(field->value, FAKE_PASSWORD, FAKE_PASSWORD_LENGTH + 1);
    assert_true(field->masked);
    assert_ptr_equal(field, mastersecret_credentials_field(credentials, NULL));
    field = mastersecret_credentials_field(credentials, "client");
    assert_string_equal(field->value, "100");
    assert_int_equal(field->length, 3);
    assert_false(field->masked);
    assert_null(mastersecret_credentials_field(credentials, "pin"));
    assert_int_equal(mastersecret_credentials_freshness(credentials)->generation, 1);
    assert_int_equal(mastersecret_credentials_freshness(credentials)->valid_until_usec, 5);
    mastersecret_credentials_free(credentials);
}

/* "pin" has no value, which must not keep "password" from coming. */
static void test_lookup_all_fields(void **state)
{
    struct fixture *fixture = *state;
    struct mastersecret_credentials *credentials;
    size_t count;

    assert_int_equal(mastersecret_lookup(fixture->context, "erp", "alice", NULL, 0, &credentials),
                     MASTERSECRET_OK);
    mastersecret_credentials_fields(credentials, &count);
    assert_int_equal(count, 2);
    assert_memory_equal(mastersecret_credentials_field(credentials, NULL)->value, FAKE_PASSWORD,
                        FAKE_PASSWORD_LENGTH);
    mastersecret_credentials_free(credentials);
}

static void test_lookup_plain_only(void **state)
{
    static const char *const labels[] = { NULL };
    struct fixture *fixture = *state;
    struct mastersecret_credentials *credentials;

    assert_int_equal(
        mastersecret_lookup(fixture->context, "erp", NULL, labels, 0, &credentials),
        MASTERSECRET_OK);
    assert_null(mastersecret_credentials_field(credentials, NULL));
    mastersecret_credentials_free(credentials);
}

/* Without the table's remedy, which the service puts behind it and mastersecret_remedy() gives. */
static void test_refusals_carry_the_text(void **state)
{
    struct fixture *fixture = *state;
    struct mastersecret_credentials *credentials = NULL;
    char text[64], cut[8];

    assert_int_equal(mastersecret_lookup(fixture->context, "erp", "bob", NULL, 0, &credentials),
                     MASTERSECRET_ACCESS_DENIED);
    assert_null(credentials);
    assert_int_equal(mastersecret_message(fixture->context, text, sizeof(text)),
                     strlen("you are not an agent of 'erp'"));
    assert_string_equal(text, "you are not an agent of 'erp'");
    assert_true(mastersecret_message(fixture->context, cut, sizeof(cut)) > sizeof(cut));
    assert_string_equal(cut, "you are");
    assert_true(mastersecret_message(fixture->context, NULL, 0) > 0);
    assert_int_equal(mastersecret_connect(fixture->context), MASTERSECRET_OK);
    assert_int_equal(mastersecret_message(fixture->context, text, sizeof(text)), 0);
}

static void test_error_of_the_service(void **state)
{
    struct fixture *fixture = *state;
    int matches = 7;

    assert_int_equal(
        mastersecret_verify(fixture->context, "erp", NULL, NULL, "x", 1, &matches),
        MASTERSECRET_MAPPING_NOT_FOUND);
    assert_int_equal(matches, 7);
}

static void test_verify(void **state)
{
    struct fixture *fixture = *state;
    int matches = 7;

    assert_int_equal(mastersecret_verify(fixture->context, "erp", NULL, NULL, FAKE_PASSWORD,
                                         FAKE_PASSWORD_LENGTH, &matches),
                     MASTERSECRET_OK);
    assert_int_equal(matches, 1);
    assert_int_equal(mastersecret_verify(fixture->context, "erp", "alice", "password",
                                         FAKE_PASSWORD, FAKE_PASSWORD_LENGTH - 1, &matches),
                     MASTERSECRET_OK);
    assert_int_equal(matches, 0);
    assert_int_equal(mastersecret_verify(fixture->context, "erp", NULL, NULL, "", 0, &matches),
                     MASTERSECRET_OK);
    assert_int_equal(matches, 0);
}

static void test_set(void **state)
{
    static uint8_t large[VALUE_MAX_BYTES + 1];
    struct fixture *fixture = *state;
    uint64_t revision = 0;
    const struct mastersecret_field good[] = {
        { "password", large, VALUE_MAX_BYTES, 1 },
        { "client", "100", 3, 0 },
    };
    const struct mastersecret_field bad[] = {
        { "password", large, VALUE_MAX_BYTES + 1, 1 },
        { "client", "\xff", 1, 0 },
        { "client", "a\0b", 3, 0 },
        { "\xff", "x", 1, 1 },
        { NULL, "x", 1, 1 },
    };

    assert_int_equal(mastersecret_set_mapping(fixture->context, "erp", "user:alice", "ALICE01",
                                              good, 2, &revision),
                     MASTERSECRET_OK);
    assert_int_equal(revision, 42);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(mastersecret_set_mapping(fixture->context, "erp", NULL, NULL, &bad[i], 1,
                                                  NULL),
                         i == 0 ? MASTERSECRET_TOO_LARGE : MASTERSECRET_INVALID_ARGUMENT);
}

static void test_too_many_masked_fields(void **state)
{
    struct mastersecret_field fields[MASKED_FIELDS_MAX + 1];
    const char *labels[MASKED_FIELDS_MAX + 1];
    struct mastersecret_credentials *credentials = NULL;
    struct fixture *fixture = *state;

    for (size_t i = 0; i < MASKED_FIELDS_MAX + 1; i++) {
        labels[i] = "password";
        fields[i] = (struct mastersecret_field){ "password", "x", 1, 1 };
    }
    assert_int_equal(mastersecret_set_mapping(fixture->context, "erp", NULL, NULL, fields,
                                              MASKED_FIELDS_MAX + 1, NULL),
                     MASTERSECRET_INVALID_ARGUMENT);
    assert_int_equal(mastersecret_lookup(fixture->context, "erp", NULL, labels,
                                         MASKED_FIELDS_MAX + 1, &credentials),
                     MASTERSECRET_INVALID_ARGUMENT);
}

static void test_list(void **state)
{
    struct fixture *fixture = *state;
    struct mastersecret_mappings *mappings;
    const struct mastersecret_mapping *rows;
    size_t count;

    assert_int_equal(mastersecret_list_mappings(fixture->context, &mappings), MASTERSECRET_OK);
    rows = mastersecret_mappings_get(mappings, &count);
    assert_int_equal(count, 2);
    assert_string_equal(rows[0].application, "erp");
    assert_string_equal(rows[1].application, "mainframe");
    assert_string_equal(rows[1].account, "user:alice");
    assert_string_equal(rows[1].external_user, "ALICE01");
    assert_string_equal(rows[1].state, "enabled");
    assert_true(rows[1].application_enabled);
    assert_int_equal(rows[1].changed_usec, 1000000);
    mastersecret_mappings_free(mappings);
}

static void test_describe(void **state)
{
    struct fixture *fixture = *state;
    struct mastersecret_application *application;
    const struct mastersecret_field *fields;
    size_t count;

    assert_int_equal(mastersecret_describe(fixture->context, "erp", &application), MASTERSECRET_OK);
    assert_true(mastersecret_application_is_group(application));
    fields = mastersecret_application_fields(application, &count);
    assert_int_equal(count, 4);
    assert_string_equal(fields[0].label, "user");
    assert_false(fields[0].masked);
    assert_string_equal(fields[3].label, "pin");
    assert_true(fields[3].masked);
    assert_null(fields[3].value);
    mastersecret_application_free(application);
    mastersecret_application_free(NULL);
    assert_int_equal(mastersecret_describe(fixture->context, "\xff", &application),
                     MASTERSECRET_INVALID_ARGUMENT);
}

/* A description that is not what a service of ours would give. */
static void test_ill_formed_descriptions(void **state)
{
    static const struct {
        const char *name;
        enum mastersecret_error error;
    } cases[] = {
        { "twice", MASTERSECRET_UNREACHABLE },    { "mistyped", MASTERSECRET_UNREACHABLE },
        { "many", MASTERSECRET_UNREACHABLE },
        /* What a caller may not see is left out; that is a refusal, not a service out of reach. */
        { "untyped", MASTERSECRET_ACCESS_DENIED }, { "fieldless", MASTERSECRET_ACCESS_DENIED },
        { "empty", MASTERSECRET_ACCESS_DENIED },
    };
    struct fixture *fixture = *state;
    struct mastersecret_application *application = NULL;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(mastersecret_describe(fixture->context, cases[i].name, &application),
                         cases[i].error);
        assert_null(application);
    }
}

/* Raw bytes, as login names are, must not reach libdbus, which would abort. */
static void test_bad_strings(void **state)
{
    static const char *const bad[] = { "\xff", "", "a\nb", "\xed\xa0\x80" };
    struct fixture *fixture = *state;
    struct mastersecret_credentials *credentials = NULL;
    int matches;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(
            mastersecret_lookup(fixture->context, bad[i], NULL, NULL, 0, &credentials),
            MASTERSECRET_INVALID_ARGUMENT);
        assert_int_equal(
            mastersecret_lookup(fixture->context, "erp", bad[i], NULL, 0, &credentials),
            MASTERSECRET_INVALID_ARGUMENT);
        assert_int_equal(
            mastersecret_lookup(fixture->context, "erp", NULL, &bad[i], 1, &credentials),
            MASTERSECRET_INVALID_ARGUMENT);
        assert_int_equal(
            mastersecret_verify(fixture->context, "erp", NULL, bad[i], "x", 1, &matches),
            MASTERSECRET_INVALID_ARGUMENT);
        assert_int_equal(
            mastersecret_set_mapping(fixture->context, "erp", NULL, bad[i], NULL, 0, NULL),
            MASTERSECRET_INVALID_ARGUMENT);
    }
    assert_int_equal(
        mastersecret_set_mapping(fixture->context, "erp", "user:\xff", NULL, NULL, 0, NULL),
        MASTERSECRET_INVALID_ARGUMENT);
    assert_int_equal(mastersecret_lookup(fixture->context, NULL, NULL, NULL, 0, &credentials),
                     MASTERSECRET_INVALID_ARGUMENT);
}

/* How often the bytes of FAKE_PASSWORD stand in this process's heap. */
static size_t count_in_heap(void)
{
    CLEANUP_FCLOSE FILE *maps = fopen("/proc/self/maps", "re");
    char line[256];
    size_t count = 0;

    while (fgets(line, sizeof(line), maps)) {
        unsigned long begin, end;

        if (!strstr(line, "[heap]") || sscanf(line, "%lx-%lx", &begin, &end) != 2)
            continue;
        for (const char *c = (const char *)begin;
             (c = memmem(c, end - (unsigned long)c, FAKE_PASSWORD, FAKE_PASSWORD_LENGTH)); c++)
            count++;
    }
    return count;
}

static void test_values_are_wiped(void **state)
{
    static const char *const labels[] = { "password" };
    struct fixture *fixture = *state;
    struct mastersecret_credentials *credentials;
    int matches;

    assert_int_equal(
        mastersecret_lookup(fixture->context, "erp", NULL, labels, 1, &credentials),
        MASTERSECRET_OK);
    /* Where memory is watched by a sanitizer it is not in the heap, and nothing can be seen. */
    if (count_in_heap() == 0) {
        mastersecret_credentials_free(credentials);
        skip();
    }
    assert_int_equal(count_in_heap(), 1);
    mastersecret_credentials_free(credentials);
    assert_int_equal(count_in_heap(), 0);
    assert_int_equal(mastersecret_verify(fixture->context, "erp", NULL, NULL, FAKE_PASSWORD,
                                         FAKE_PASSWORD_LENGTH, &matches),
                     MASTERSECRET_OK);
    assert_int_equal(count_in_heap(), 0);
}

static void test_free_of_null(void **state)
{
    mastersecret_free(NULL);
    mastersecret_credentials_free(NULL);
    mastersecret_mappings_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_texts),
        TEST(test_lookup_one_field),
        TEST(test_lookup_all_fields),
        TEST(test_lookup_plain_only),
        TEST(test_refusals_carry_the_text),
        cmocka_unit_test_setup_teardown(test_error_of_the_service, set_up_failing, fixture_end),
        TEST(test_verify),
        TEST(test_set),
        TEST(test_too_many_masked_fields),
        TEST(test_list),
        TEST(test_describe),
        TEST(test_ill_formed_descriptions),
        TEST(test_bad_strings),
        TEST(test_values_are_wiped),
        cmocka_unit_test(test_free_of_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

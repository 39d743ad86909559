/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The values of version 1, byte for byte (doc/FORMAT, 3.1 to 3.3): written once, never changed. */
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dbus-service/domain/application_internal.h"
#include "dbus-service/domain/mapping_internal.h"
#include "dbus-service/domain/realm_internal.h"

#include <errno.h>
#include <string.h>

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static const char application_v1[] =
    "\x01\x02\x01\x00" "\x08\x07\x06\x05\x04\x03\x02\x01"
    "\x03\0\0\0erp" "\x04\0\0\0text" "\x00\0\0\0"
    "\x02\0" "\x06\0\0\0clerks" "\x09\0\0\0user:dora"
    "\x01\0" "\x05\0\0\0wheel"
    "\x01\0" "\x0d\0\0\0user:postgres"
    "\x05\0\0\0"
    "\x02\0" "\x00\0\0\0\x00" "\x04\0\0\0user" "\x04\0\0\0\x01" "\x08\0\0\0password";

static void test_application(void **state)
{
    static const uint8_t id[APPLICATION_ID_SIZE] = "0123456789abcde";
    CLEANUP_APPLICATION struct application *application = NULL;
    CLEANUP_SECRET struct secret *again = NULL;

    (void)state;
    assert_int_equal(application_parse(id, BYTES(application_v1), &application),
                     APPLICATION_PARSED);
    assert_memory_equal(application->id, id, sizeof(id));
    assert_string_equal(application->name, "erp");
    assert_string_equal(application->description, "text");
    assert_string_equal(application->contact, "");
    assert_int_equal(application->type, APPLICATION_GROUP);
    assert_true(application->enabled && !application->agents_none);
    assert_int_equal(application->created_usec, 0x0102030405060708);
    assert_int_equal(application->users.count, 2);
    assert_string_equal(application->users.names[0], "clerks");
    assert_string_equal(application->users.names[1], "user:dora");
    assert_string_equal(application->admins.names[0], "wheel");
    assert_string_equal(application->agents.names[0], "user:postgres");
    assert_int_equal(application->next_field, 5);
    assert_int_equal(application->fields_count, 2);
    assert_true(application->fields[0].id == 0 && !application->fields[0].masked);
    assert_true(application->fields[1].id == 4 && application->fields[1].masked);
    assert_string_equal(application->fields[1].label, "password");
    assert_int_equal(application_format(application, &again), 0);
    assert_int_equal(again->length, sizeof(application_v1) - 1);
    assert_memory_equal(again->bytes, application_v1, again->length);
}

static void test_deleted_application(void **state)
{
    static const uint8_t id[APPLICATION_ID_SIZE];
    CLEANUP_APPLICATION struct application *application = NULL;
    CLEANUP_SECRET struct secret *value = NULL;

    (void)state;
    assert_int_equal(application_parse(id, BYTES("\x01\x00"), &application),
                     APPLICATION_IS_DELETED);
    assert_null(application);
    assert_int_equal(application_format_deleted(&value), 0);
    assert_int_equal(value->length, 2);
    assert_memory_equal(value->bytes, "\x01\x00", 2);
    assert_int_equal(application_parse(id, BYTES("\x02\x00"), &application), -EPROTONOSUPPORT);
    assert_int_equal(application_parse(id, BYTES("\x00\x00"), &application), -EBADMSG);
}

static const char mapping_v1[] =
    "\x01\x02" "\x08\x07\x06\x05\x04\x03\x02\x01" "\xe8\x03\0\0"
    "\x05\0\0\0ALICE"
    "\x02\0" "\x01\0\0\0" "\x03\0\0\0p\0w" "\x04\0\0\0" "\x00\0\0\0";

static int parse(const char *bytes, size_t size, struct mapping **ret_mapping)
{
    struct secret *value = NULL;

    assert_int_equal(secret_new_copy(bytes, size, &value), 0);
    return mapping_parse(value, ret_mapping);
}

static void test_mapping(void **state)
{
    CLEANUP_MAPPING struct mapping *mapping = NULL;
    CLEANUP_SECRET struct secret *again = NULL;

    (void)state;
    assert_int_equal(parse(mapping_v1, sizeof(mapping_v1) - 1, &mapping), 0);
    assert_int_equal(mapping->state, MAPPING_DISABLED_BY_ADMINISTRATOR);
    assert_int_equal(mapping->changed_usec, 0x0102030405060708);
    assert_int_equal(mapping->changed_by, 1000);
    assert_string_equal(mapping->external_user, "ALICE");
    assert_int_equal(mapping->values_count, 2);
    assert_int_equal(mapping_value(mapping, 1)->length, 3);
    assert_memory_equal(mapping_value(mapping, 1)->bytes, "p\0w", 3);
    assert_int_equal(mapping_value(mapping, 4)->length, 0);
    assert_int_equal(mapping_format(mapping, &again), 0);
    assert_int_equal(again->length, sizeof(mapping_v1) - 1);
    assert_memory_equal(again->bytes, mapping_v1, again->length);
    mapping_free(STEAL(mapping));
    assert_int_equal(parse("\x02", 1, &mapping), -EBADMSG);
    assert_int_equal(parse("\x02\x00", 2, &mapping), -EPROTONOSUPPORT);
}

static void test_reservation(void **state)
{
    static const char expected[] = "\x01" "\x17\0\0\0" "\x02" "0123456789abcdef" "ualice";
    CLEANUP_SECRET struct secret *value = NULL;
    const struct account_name alice = {ACCOUNT_USER, "alice"}, bob = {ACCOUNT_USER, "bob"};
    struct record_key holder;

    (void)state;
    mapping_key(&holder, (const uint8_t *)"0123456789abcdef", &alice);
    assert_int_equal(realm_reservation_value(&holder, &value), 0);
    assert_int_equal(value->length, sizeof(expected) - 1);
    assert_memory_equal(value->bytes, expected, value->length);
    assert_true(realm_reservation_held_by(value, &holder));
    mapping_key(&holder, (const uint8_t *)"0123456789abcdef", &bob);
    assert_false(realm_reservation_held_by(value, &holder));
    value->length--;
    mapping_key(&holder, (const uint8_t *)"0123456789abcdef", &alice);
    assert_false(realm_reservation_held_by(value, &holder));
}

static void test_words(void **state)
{
    enum application_type type;
    struct account_name account;
    char text[6 + NAME_MAX_BYTES + 1];

    (void)state;
    assert_int_equal(application_type_parse("individual", &type), 0);
    assert_string_equal(application_type_name(type), "individual");
    assert_int_equal(application_type_parse("group", &type), 0);
    assert_string_equal(application_type_name(type), "group");
    assert_int_equal(application_type_parse("Group", &type), -EINVAL);
    assert_int_equal(account_name_parse("group:a b", &account), 0);
    account_name_format(&account, text);
    assert_string_equal(text, "group:a b");
    assert_int_equal(account_name_parse("user:", &account), -EINVAL);
    assert_int_equal(account_name_parse("", &account), -EINVAL);
    assert_string_equal(mapping_state_name(MAPPING_DISABLED_BY_ADMINISTRATOR),
                        "disabled-by-administrator");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_application),
        cmocka_unit_test(test_deleted_application),
        cmocka_unit_test(test_mapping),
        cmocka_unit_test(test_reservation),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

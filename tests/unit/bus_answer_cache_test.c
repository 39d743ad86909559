/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/answer_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct answer_cache *cache;
    struct application application;
    struct mapping mapping;
    struct secret *memory;
    struct answer_key key;
    DBusMessage *call;
};

static DBusMessage *new_call(dbus_uint32_t serial, const char *sender)
{
    DBusMessage *call = dbus_message_new_method_call(NULL, "/", "a.b", "Lookup");

    assert_non_null(call);
    dbus_message_set_serial(call, serial);
    assert_true(dbus_message_set_sender(call, sender));
    return call;
}

static int set_up(void **state)
{
    static struct fixture fixture;
    const char *text = "ALICE01";
    DBusMessage *reply;

    fixture = (struct fixture){ .application = { .id = "0123456789abcde", .revision = 7 },
                                .mapping = { .account = { ACCOUNT_USER, "alice" },
                                             .revision = 9 } };
    fixture.key = (struct answer_key){ &fixture.application, &fixture.mapping, 1 };
    assert_int_equal(answer_cache_new(&fixture.cache), 0);
    assert_int_equal(secret_new(4096, &fixture.memory), 0);
    fixture.mapping.memory = fixture.memory;
    fixture.call = new_call(3, ":1.3");
    reply = dbus_message_new_method_return(fixture.call);
    assert_true(dbus_message_append_args(reply, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID));
    answer_cache_put(fixture.cache, &fixture.key, reply);
    dbus_message_unref(reply);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    dbus_message_unref(fixture->call);
    secret_free(fixture->memory);
    answer_cache_free(fixture->cache);
    return 0;
}

static bool is_kept(struct fixture *fixture)
{
    DBusMessage *reply = answer_cache_get(fixture->cache, &fixture->key, fixture->call);

    if (reply)
        dbus_message_unref(reply);
    return reply != NULL;
}

static void test_reply_belongs_to_its_call(void **state)
{
    struct fixture *fixture = *state;
    DBusMessage *call = new_call(4, ":1.4");
    DBusMessage *reply = answer_cache_get(fixture->cache, &fixture->key, call);
    const char *text = NULL;

    assert_non_null(reply);
    assert_int_equal(dbus_message_get_reply_serial(reply), 4);
    assert_int_equal(dbus_message_get_serial(reply), 0);
    assert_string_equal(dbus_message_get_destination(reply), ":1.4");
    assert_true(dbus_message_get_no_reply(reply));
    assert_true(dbus_message_get_args(reply, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID));
    assert_string_equal(text, "ALICE01");
    dbus_message_unref(reply);

    /* On the direct socket nobody has a name: nor does the reply, whoever asked before. */
    assert_true(dbus_message_set_sender(call, NULL));
    reply = answer_cache_get(fixture->cache, &fixture->key, call);
    assert_non_null(reply);
    assert_null(dbus_message_get_destination(reply));
    dbus_message_unref(reply);
    dbus_message_unref(call);
}

static void test_only_while_all_is_the_same(void **state)
{
    struct fixture *fixture = *state;

    assert_true(is_kept(fixture));
    fixture->mapping.revision++;
    assert_false(is_kept(fixture));
    fixture->mapping.revision--;
    fixture->application.revision++;
    assert_false(is_kept(fixture));
    fixture->application.revision--;
    fixture->key.epoch++;
    assert_false(is_kept(fixture));
    fixture->key.epoch--;
    fixture->application.id[0]++;
    assert_false(is_kept(fixture));
    fixture->application.id[0]--;
    fixture->mapping.account.kind = ACCOUNT_GROUP;
    assert_false(is_kept(fixture));
    fixture->mapping.account.kind = ACCOUNT_USER;
    fixture->mapping.account.name[0] = 'A';
    assert_false(is_kept(fixture));
    fixture->mapping.account.name[0] = 'a';
    assert_true(is_kept(fixture));
    answer_cache_clear(fixture->cache);
    assert_false(is_kept(fixture));
}

static void test_large_mappings_are_not_kept(void **state)
{
    struct fixture *fixture = *state;
    DBusMessage *reply = dbus_message_new_method_return(fixture->call);

    fixture->mapping.revision++;
    fixture->memory->length = fixture->memory->capacity;
    answer_cache_put(fixture->cache, &fixture->key, reply);
    assert_false(is_kept(fixture));
    fixture->memory->length = 100;
    answer_cache_put(fixture->cache, &fixture->key, reply);
    assert_true(is_kept(fixture));
    dbus_message_unref(reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reply_belongs_to_its_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_while_all_is_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_mappings_are_not_kept, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

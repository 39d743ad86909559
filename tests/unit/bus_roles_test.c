/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Every method and property of org.mastersecret1.Secret and Manager, asked by everybody through both doors in
 * every state of the service (in "rebuilding" the keyring is still being opened): who has not the role is
 * told that, never what the state would allow, and changes nothing. */
#include "dbus-service/bus/call.h"
#include "tests/fuzz/message.h"
#include "tests/fuzz/stand.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ADMINISTRATORS (1u << PERSON_ROOT | 1u << PERSON_ADMINISTRATOR)
#define REALM_ADMINISTRATORS (ADMINISTRATORS | 1u << PERSON_AFFILIATE)
#define EVERYBODY ((1u << PERSONS) - 1)

/* All but these are for administrators. */
static const struct {
    const char *name;
    unsigned persons;
} others[] = {
    { "Census", REALM_ADMINISTRATORS },
    { "Check", REALM_ADMINISTRATORS },
    { "State", EVERYBODY },
    { "Version", EVERYBODY },
    { "Role", EVERYBODY },
    { "StateText", EVERYBODY },
};

/* The one that is asked now. */
static struct {
    uint32_t serial;
    unsigned replies;
    bool denied;
} asked;

static unsigned who_may(const char *name, bool property)
{
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(others[i].name, name) == 0)
            return others[i].persons;
    return property ? REALM_ADMINISTRATORS : ADMINISTRATORS;
}

static void on_sent(enum person person, bool direct, DBusMessage *message)
{
    if (dbus_message_get_reply_serial(message) != asked.serial)
        return;
    asked.replies++;
    asked.denied = dbus_message_is_error(message, error_name(ERROR_ACCESS_DENIED));
}

static int no_descriptor(struct message_maker *maker)
{
    return STDIN_FILENO;
}

static DBusMessage *method_call(const struct interface *interface, const struct method *method)
{
    struct message_maker nothing = { .cursor = cursor_reader(NULL, 0), .descriptor = no_descriptor };
    DBusMessage *message = dbus_message_new_method_call(BUS_NAME, BUS_PATH, interface->name, method->name);
    DBusMessageIter to;

    dbus_message_iter_init_append(message, &to);
    if (*method->in)
        message_append(&nothing, &to, method->in);
    return message;
}

static DBusMessage *property_get(const struct interface *interface, const struct property *property)
{
    DBusMessage *message = dbus_message_new_method_call(BUS_NAME, BUS_PATH, DBUS_INTERFACE_PROPERTIES, "Get");

    assert_true(dbus_message_append_args(message, DBUS_TYPE_STRING, &interface->name, DBUS_TYPE_STRING,
                                         &property->name, DBUS_TYPE_INVALID));
    return message;
}

/* Those who may are asked last, and get any other answer: what they do does change something. */
static void ask_all(struct stand *stand, const char *name, unsigned may, bool allowed,
                    DBusMessage *(*make)(const struct interface *, size_t), const struct interface *interface,
                    size_t position)
{
    for (enum person person = 0; person < PERSONS; person++)
        for (int direct = 0; direct < 2; direct++) {
            if (!(may & 1u << person) == allowed)
                continue;
            asked.replies = 0;
            asked.serial = 0;
            assert_true(stand_send(stand, person, direct, make(interface, position), &asked.serial));
            stand_settle(stand);
            if (asked.replies != 1 || asked.denied == allowed)
                fail_msg("%s asked by %d: %u answers, %s", name, (int)person, asked.replies,
                         asked.denied ? "denied" : "not denied");
        }
}

static DBusMessage *make_method(const struct interface *interface, size_t position)
{
    return method_call(interface, &interface->methods[position]);
}

static DBusMessage *make_property(const struct interface *interface, size_t position)
{
    return property_get(interface, &interface->properties[position]);
}

static void ask(struct stand *stand, bool allowed)
{
    static const struct interface *const both[] = { &interface_manager, &interface_secret };

    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < both[i]->properties_count; j++) {
            const char *name = both[i]->properties[j].name;

            ask_all(stand, name, who_may(name, true), allowed, make_property, both[i], j);
        }
        for (size_t j = 0; j < both[i]->methods_count; j++) {
            const char *name = both[i]->methods[j].name;

            ask_all(stand, name, who_may(name, false), allowed, make_method, both[i], j);
        }
    }
}

static void test_in(enum stand_begin begin)
{
    struct stand *stand = stand_begin(begin);
    enum realm_state state = realm_state(stand->service.realm);
    uint64_t revision = stand_revision(stand);

    stand->speed = 1;
    stand->sent = on_sent;
    ask(stand, false);
    assert_int_equal(stand_revision(stand), revision);
    assert_int_equal(realm_state(stand->service.realm), state);
    stand_let_rebuild(stand);
    stand_settle(stand);
    ask(stand, true);
    stand->sent = NULL;
    stand_spoil(stand);
}

#define TEST_IN(state)                                                                             \
    static void test_##state(void **unused)                                                        \
    {                                                                                              \
        test_in(state);                                                                            \
    }
TEST_IN(BEGIN_UNCONFIGURED)
TEST_IN(BEGIN_SEALED)
TEST_IN(BEGIN_SEALED_BY_HAND)
TEST_IN(BEGIN_READY)
TEST_IN(BEGIN_READ_ONLY)
TEST_IN(BEGIN_REBUILDING)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_BEGIN_UNCONFIGURED), cmocka_unit_test(test_BEGIN_SEALED),
        cmocka_unit_test(test_BEGIN_SEALED_BY_HAND), cmocka_unit_test(test_BEGIN_READY),
        cmocka_unit_test(test_BEGIN_READ_ONLY), cmocka_unit_test(test_BEGIN_REBUILDING),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

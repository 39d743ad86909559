/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/quota.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define ALICE 1000
#define BOB 1001

static const struct quota_limits limits = {
    .connections = 5,
    .connections_per_user = 3,
    .calls_per_user = 4,
    .bytes_per_user = 1000,
    .requests_per_second = 100,
    .verify_burst = 10,
    .verify_per_minute = 60,
};

static int setup(void **state)
{
    return quota_new(&limits, (struct quota **)state);
}

static int teardown(void **state)
{
    quota_free(*state);
    return 0;
}

static void test_connections(void **state)
{
    struct quota *quota = *state;

    for (int i = 0; i < 3; i++)
        assert_int_equal(quota_connection_begin(quota, ALICE), 0);
    assert_int_equal(quota_connection_begin(quota, ALICE), -EDQUOT);
    assert_int_equal(quota_connection_begin(quota, BOB), 0);
    assert_int_equal(quota_connection_begin(quota, BOB), 0);
    assert_int_equal(quota_connection_begin(quota, BOB), -EDQUOT); /* all together */
    quota_connection_end(quota, ALICE);
    assert_int_equal(quota_connection_begin(quota, BOB), 0);
}

static void test_connections_of_root(void **state)
{
    struct quota *quota = *state;
    struct quota_limits wider = limits;

    wider.connections = wider.connections_per_user = 32;
    quota_set_limits(quota, &wider);
    for (int i = 0; i < 30; i++)
        assert_int_equal(quota_connection_begin(quota, i % 2 ? ALICE : BOB), 0);
    assert_int_equal(quota_connection_begin(quota, ALICE), -EDQUOT);
    assert_int_equal(quota_connection_begin(quota, 0), 0);
    assert_int_equal(quota_connection_begin(quota, 0), 0);
    assert_int_equal(quota_connection_begin(quota, 0), -EDQUOT);
}

static void test_calls_in_progress(void **state)
{
    struct quota *quota = *state;

    for (int i = 0; i < 4; i++)
        assert_int_equal(quota_call_begin(quota, ALICE, 10, 0), 0);
    assert_int_equal(quota_call_begin(quota, ALICE, 10, 0), -EDQUOT);
    assert_int_equal(quota_call_begin(quota, BOB, 10, 0), 0);
    quota_call_end(quota, ALICE, 10);
    assert_int_equal(quota_call_begin(quota, ALICE, 10, 0), 0);
}

static void test_bytes(void **state)
{
    struct quota *quota = *state;
    struct quota_limits smaller = limits;

    assert_int_equal(quota_call_begin(quota, ALICE, 900, 0), 0);
    assert_int_equal(quota_call_begin(quota, ALICE, 101, 0), -EDQUOT);
    assert_int_equal(quota_call_begin(quota, ALICE, 100, 0), 0);
    smaller.bytes_per_user = 500; /* less than what is held */
    quota_set_limits(quota, &smaller);
    assert_int_equal(quota_call_begin(quota, ALICE, 1, 0), -EDQUOT);
    quota_call_end(quota, ALICE, 900);
    assert_int_equal(quota_call_begin(quota, ALICE, 1, 0), 0);
}

/* What connections hold counts with the calls, even beyond the limit; less is never refused. */
static void test_bytes_of_connections(void **state)
{
    struct quota *quota = *state;

    assert_int_equal(quota_connection_begin(quota, ALICE), 0);
    assert_int_equal(quota_bytes_change(quota, ALICE, 0, 900), 0);
    assert_int_equal(quota_call_begin(quota, ALICE, 101, 0), -EDQUOT);
    assert_int_equal(quota_call_begin(quota, ALICE, 100, 0), 0);
    assert_int_equal(quota_bytes_change(quota, ALICE, 900, 2000), -EDQUOT);
    assert_int_equal(quota_bytes_change(quota, ALICE, 2000, 1500), 0);
    assert_int_equal(quota_bytes_change(quota, ALICE, 1500, 0), 0);
    assert_int_equal(quota_call_begin(quota, ALICE, 900, 0), 0);
}

/* Many users together hold eight times as much as one; root is let in nevertheless. */
static void test_bytes_of_many_users(void **state)
{
    struct quota *quota = *state;

    for (uid_t uid = 2000; uid < 2008; uid++)
        assert_int_equal(quota_call_begin(quota, uid, 1000, 0), 0);
    assert_int_equal(quota_call_begin(quota, ALICE, 1, 0), -EDQUOT);
    assert_int_equal(quota_call_begin(quota, 0, 1000, 0), 0);
    quota_call_end(quota, 2000, 1000);
    assert_int_equal(quota_call_begin(quota, ALICE, 1000, 0), 0);
}

static void test_users_are_forgotten(void **state)
{
    struct quota *quota = *state;

    for (uid_t uid = 2000; uid < 3000; uid++) {
        assert_int_equal(quota_call_begin(quota, uid, 10, 5000), 0);
        quota_call_end(quota, uid, 10);
    }
    assert_int_equal(quota_connection_begin(quota, BOB), 0);
    assert_int_equal(quota_users(quota), 1001);
    for (int i = 0; i < 256; i++) {
        assert_int_equal(quota_call_begin(quota, ALICE, 0, 5000 + (uint64_t)i * 100), 0);
        quota_call_end(quota, ALICE, 0);
        assert_true(i > 5 || quota_users(quota) == 1002); /* their second is not over */
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(quota_call_begin(quota, ALICE, 0, 40000 + (uint64_t)i * 100), 0);
        quota_call_end(quota, ALICE, 0);
    }
    assert_int_equal(quota_users(quota), 2);
}

/* Who has used up his share of a turn waits for the next one; nobody else does. */
static void test_turns(void **state)
{
    struct quota *quota = *state;

    assert_true(quota_has_share(quota, ALICE)); /* never seen */
    assert_int_equal(quota_call_begin(quota, ALICE, 0, 0), 0);
    assert_int_equal(quota_call_begin(quota, BOB, 0, 0), 0);
    quota_spend(quota, ALICE, 75000);
    assert_true(quota_has_share(quota, ALICE));
    quota_spend(quota, ALICE, 25000);
    assert_false(quota_has_share(quota, ALICE));
    assert_true(quota_has_share(quota, BOB));
    quota_turn(quota);
    assert_true(quota_has_share(quota, ALICE));
    quota_spend(quota, ALICE, 75000); /* what was spent before is past */
    assert_true(quota_has_share(quota, ALICE));
    quota_wait_begin(quota, ALICE);
    assert_true(quota_has_waiting(quota, ALICE));
    assert_false(quota_has_waiting(quota, BOB));
    quota_wait_end(quota, ALICE);
    assert_false(quota_has_waiting(quota, ALICE));
}

static unsigned calls_until_refused(struct quota *quota, uid_t uid, uint64_t now_ms)
{
    unsigned count = 0;

    while (quota_call_begin(quota, uid, 0, now_ms) == 0) {
        quota_call_end(quota, uid, 0);
        count++;
    }
    return count;
}

static void test_requests_per_second(void **state)
{
    struct quota *quota = *state;

    assert_int_equal(calls_until_refused(quota, ALICE, 1000), 100);
    assert_int_equal(calls_until_refused(quota, BOB, 1000), 100);
    assert_int_equal(calls_until_refused(quota, ALICE, 1500), 50);
    assert_int_equal(calls_until_refused(quota, ALICE, 1500), 0);
    assert_int_equal(calls_until_refused(quota, ALICE, 60000), 100); /* never more than a second's */
}

/* Who has been alone for a thousand turns gets more of each, until somebody else is served. */
static void test_share_of_a_user_alone(void **state)
{
    struct quota *quota = *state;

    assert_int_equal(quota_call_begin(quota, ALICE, 0, 1000), 0);
    assert_int_equal(quota_call_begin(quota, BOB, 0, 1000), 0);
    for (int i = 0; i < 1100; i++) {
        quota_turn(quota);
        quota_spend(quota, ALICE, 10000);
    }
    quota_spend(quota, ALICE, 1000000);
    assert_true(quota_has_share(quota, ALICE));
    quota_spend(quota, ALICE, 1000000);
    assert_false(quota_has_share(quota, ALICE));
    quota_turn(quota);
    quota_spend(quota, BOB, 1000);
    quota_spend(quota, ALICE, 100000);
    assert_false(quota_has_share(quota, ALICE));
    quota_call_end(quota, ALICE, 0);
    quota_call_end(quota, BOB, 0);
}

static unsigned events_told_of(struct quota *quota, uid_t uid, enum quota_event event,
                               unsigned events, uint64_t now_ms)
{
    unsigned told = 0;

    for (unsigned i = 0; i < events; i++)
        told += quota_event_told(quota, uid, event, now_ms);
    return told;
}

static unsigned told_of(struct quota *quota, uid_t uid, unsigned refusals, uint64_t now_ms)
{
    return events_told_of(quota, uid, QUOTA_REFUSAL, refusals, now_ms);
}

static struct {
    unsigned lines;
    uid_t last_uid;
    size_t count;
} left_out;

static void on_left_out(uid_t uid, size_t count)
{
    left_out.lines++;
    left_out.last_uid = uid;
    left_out.count += count;
}

static void take_left_out(struct quota *quota)
{
    left_out.lines = 0;
    left_out.count = 0;
    quota_left_out(quota, on_left_out);
}

/* A budget of each user; what is beyond it is counted, once. */
static void test_refusals_told(void **state)
{
    struct quota *quota = *state;

    assert_int_equal(told_of(quota, ALICE, 50, 1000), 50);
    take_left_out(quota);
    assert_int_equal(left_out.lines, 0);
    assert_int_equal(told_of(quota, ALICE, 1000, 1000), 50);
    assert_int_equal(told_of(quota, BOB, 1, 1000), 1);
    take_left_out(quota);
    assert_int_equal(left_out.lines, 1);
    assert_int_equal(left_out.last_uid, ALICE);
    assert_int_equal(left_out.count, 950);
    take_left_out(quota);
    assert_int_equal(left_out.lines, 0);
    assert_int_equal(told_of(quota, ALICE, 1000, 3000), 20);
    assert_int_equal(told_of(quota, ALICE, 1000, 100000), 100);
    assert_int_equal(events_told_of(quota, ALICE, QUOTA_AGENT_USE, 2000, 100000), 1000);
    assert_int_equal(events_told_of(quota, ALICE, QUOTA_AGENT_USE, 2000, 101000), 100);
    take_left_out(quota);
    assert_int_equal(left_out.count, 980 + 900 + 1000 + 1900);
}

/* Together they have a budget, too, and few lines say what was left out. */
static void test_refusals_told_of_many_users(void **state)
{
    struct quota *quota = *state;
    unsigned told = 0;

    for (uid_t uid = 2000; uid < 2100; uid++)
        told += told_of(quota, uid, 100, 1000);
    assert_int_equal(told, 800);
    take_left_out(quota);
    assert_int_equal(left_out.lines, 17);
    assert_int_equal(left_out.last_uid, QUOTA_NOBODY);
    assert_int_equal(left_out.count, 100 * 100 - 800);
    assert_int_equal(told_of(quota, BOB, 100, 2000), 80);
}

static void forget_idle_users(struct quota *quota, uint64_t now_ms)
{
    for (int i = 0; i < 256; i++) {
        assert_int_equal(quota_call_begin(quota, BOB, 0, now_ms + (uint64_t)i * 10), 0);
        quota_call_end(quota, BOB, 0);
    }
}

/* Going away and coming back gives nobody a new budget, nor does it hide what was left out. */
static void test_refused_users_are_not_forgotten(void **state)
{
    struct quota *quota = *state;

    assert_int_equal(told_of(quota, ALICE, 101, 1000), 100);
    forget_idle_users(quota, 1000000);
    take_left_out(quota);
    assert_int_equal(left_out.count, 1);
    assert_int_equal(told_of(quota, ALICE, 100, 1100000), 100);
    forget_idle_users(quota, 1102000);
    assert_int_equal(told_of(quota, ALICE, 100, 1105000), 50);
    forget_idle_users(quota, 1200000);
    take_left_out(quota);
    forget_idle_users(quota, 1300000);
    assert_int_equal(quota_users(quota), 1);
}

static unsigned guesses_until_refused(struct quota *quota, const char *user, uint64_t now_ms)
{
    unsigned count = 0;

    while (count < 1000 && quota_verify_allowed(quota, ALICE, user, "erp", now_ms)) {
        quota_verify_failed(quota, ALICE, user, "erp", now_ms);
        count++;
    }
    return count;
}

static void test_guesses(void **state)
{
    struct quota *quota = *state;

    assert_int_equal(guesses_until_refused(quota, "carol", 1000), 10);
    assert_true(quota_verify_allowed(quota, ALICE, "dave", "erp", 1000));
    assert_true(quota_verify_allowed(quota, ALICE, "carol", "crm", 1000));
    assert_true(quota_verify_allowed(quota, BOB, "carol", "erp", 1000));
    assert_int_equal(guesses_until_refused(quota, "carol", 1999), 0);
    assert_int_equal(guesses_until_refused(quota, "carol", 2000), 1);
    assert_int_equal(guesses_until_refused(quota, "carol", 1000000), 10);
}

/* However many triples are tried, one that is refused stays refused. */
static void test_guesses_are_not_washed_out(void **state)
{
    struct quota *quota = *state;
    char name[24];

    assert_int_equal(guesses_until_refused(quota, "carol", 1000), 10);
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(name, sizeof(name), "user%d", i);
        if (quota_verify_allowed(quota, ALICE, name, "erp", 1000))
            quota_verify_failed(quota, ALICE, name, "erp", 1000);
    }
    assert_false(quota_verify_allowed(quota, ALICE, "carol", "erp", 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connections_of_root, setup, teardown),
        cmocka_unit_test_setup_teardown(test_calls_in_progress, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes_of_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes_of_many_users, setup, teardown),
        cmocka_unit_test_setup_teardown(test_users_are_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(test_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_requests_per_second, setup, teardown),
        cmocka_unit_test_setup_teardown(test_share_of_a_user_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals_told_of_many_users, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_users_are_not_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guesses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guesses_are_not_washed_out, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

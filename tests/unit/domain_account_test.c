/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dbus-service/domain/account.h"
#include "tests/unit/fake_nss.h"

#include <errno.h>
#include <string.h>

static const struct fake_user users[] = {
    {"root", 0, {0}},
    {"alice", 1000, {100, 200, 201, 202, 203, 204}},
    {"bob", 1001, {100}},
    {NULL, 0, {0}},
};
static const struct fake_user users_later[] = {
    {"alice", 1000, {100}},
    {NULL, 0, {0}},
};
static const struct fake_group groups[] = {{"clerks", 200}, {NULL, 0}};

/* The cache's clock. It stands still, but for what the name service takes; 0: it is the loop's. */
static uint64_t clock_ms;
static unsigned call_takes_ms;
uint64_t __real_uv_now(const uv_loop_t *loop);
uint64_t __wrap_uv_now(const uv_loop_t *loop);

uint64_t __wrap_uv_now(const uv_loop_t *loop)
{
    return clock_ms ? clock_ms + fake_nss_calls() * call_takes_ms : __real_uv_now(loop);
}

/* What a machine that is busy with everything else may need. */
enum { PATIENCE_MS = 60000 };

struct stand {
    uv_loop_t loop;
    struct work_queue *work;
    struct account_cache *cache;
};

struct asker {
    struct stand *stand;
    unsigned ready;
};

static void on_ready(void *userdata)
{
    ((struct asker *)userdata)->ready++;
}

static struct account_waiter waiter_of(struct asker *asker)
{
    return (struct account_waiter){on_ready, asker};
}

static void setup(struct stand *stand, unsigned lifetime_ms)
{
    fake_nss_reset();
    fake_nss_set(users, groups);
    clock_ms = 1000000;
    call_takes_ms = 0;
    assert_int_equal(uv_loop_init(&stand->loop), 0);
    assert_int_equal(work_queue_new(&stand->loop, &stand->work), 0);
    assert_int_equal(
        account_cache_new(&stand->loop, stand->work, lifetime_ms, &stand->cache), 0);
}

static void teardown(struct stand *stand)
{
    fake_nss_hang(false);
    account_cache_free(stand->cache);
    work_queue_free(stand->work);
    uv_run(&stand->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&stand->loop), 0);
}

static void on_tick(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Runs until the asker was called that often, or the time is over. */
static void run(struct stand *stand, const struct asker *asker, unsigned ready,
                unsigned milliseconds)
{
    bool over = false;
    uv_timer_t timer;
    void *handle = &timer;

    uv_timer_init(&stand->loop, &timer);
    timer.data = &over;
    uv_update_time(&stand->loop);
    uv_timer_start(&timer, on_tick, milliseconds, 0);
    while (!over && (!asker || asker->ready < ready))
        uv_run(&stand->loop, UV_RUN_ONCE);
    uv_close(handle, NULL);
    uv_run(&stand->loop, UV_RUN_NOWAIT);
}

/* What a caller does: ask, wait, begin anew. */
static int resolve(struct stand *stand, const char *name, const struct account **ret_account)
{
    struct asker asker = {stand, 0};
    const struct account_waiter waiter = waiter_of(&asker);
    int r = account_by_name(stand->cache, name, &waiter, ret_account);

    if (r == ACCOUNT_PENDING) {
        run(stand, &asker, 1, PATIENCE_MS);
        assert_int_equal(asker.ready, 1);
        r = account_by_name(stand->cache, name, &waiter, ret_account);
    }
    assert_int_not_equal(r, ACCOUNT_PENDING);
    account_forget_waiter(stand->cache, &asker);
    return r;
}

static void test_found_and_unknown(void **state)
{
    const struct account *account = NULL;
    struct asker asker = {0};
    const struct account_waiter waiter = waiter_of(&asker);
    struct stand stand;
    gid_t gid;

    (void)state;
    setup(&stand, 10000);
    assert_int_equal(resolve(&stand, "alice", &account), ACCOUNT_FOUND);
    assert_int_equal(account->uid, 1000);
    assert_string_equal(account->name, "alice");
    assert_int_equal(account->gids_count, 6);
    assert_int_equal(account->gids[0], 100);
    assert_int_equal(account->gids[5], 204);
    assert_int_equal(resolve(&stand, "mallory", &account), ACCOUNT_UNKNOWN);
    assert_int_equal(account_by_uid(stand.cache, 1001, &waiter, &account), ACCOUNT_PENDING);
    run(&stand, &asker, 1, PATIENCE_MS);
    assert_int_equal(account_by_uid(stand.cache, 1001, &waiter, &account), ACCOUNT_FOUND);
    assert_string_equal(account->name, "bob");
    assert_int_equal(account_group(stand.cache, "clerks", &waiter, &gid), ACCOUNT_PENDING);
    run(&stand, &asker, 2, PATIENCE_MS);
    assert_int_equal(account_group(stand.cache, "clerks", &waiter, &gid), ACCOUNT_FOUND);
    assert_int_equal(gid, 200);
    teardown(&stand);
}

static void test_cached_and_coalesced(void **state)
{
    struct asker askers[20] = {0};
    const struct account *account = NULL;
    struct stand stand;

    (void)state;
    setup(&stand, 10000);
    for (int i = 0; i < 20; i++) {
        const struct account_waiter waiter = waiter_of(&askers[i]);

        assert_int_equal(account_by_name(stand.cache, "alice", &waiter, &account),
                         ACCOUNT_PENDING);
        assert_int_equal(account_by_name(stand.cache, "alice", &waiter, &account),
                         ACCOUNT_PENDING);
    }
    run(&stand, &askers[19], 1, PATIENCE_MS);
    for (int i = 0; i < 20; i++)
        assert_int_equal(askers[i].ready, 1);
    assert_int_equal(fake_nss_calls(), 1);
    assert_int_equal(resolve(&stand, "alice", &account), ACCOUNT_FOUND);
    assert_int_equal(resolve(&stand, "mallory", &account), ACCOUNT_UNKNOWN);
    assert_int_equal(resolve(&stand, "mallory", &account), ACCOUNT_UNKNOWN);
    assert_int_equal(fake_nss_calls(), 2);
    teardown(&stand);
}

static void test_lifetime(void **state)
{
    const struct account *account = NULL;
    struct stand stand;

    (void)state;
    setup(&stand, 1200);
    assert_int_equal(resolve(&stand, "alice", &account), ACCOUNT_FOUND);
    assert_int_equal(account->gids_count, 6);
    assert_int_equal(resolve(&stand, "mallory", &account), ACCOUNT_UNKNOWN);
    fake_nss_set(users_later, groups);
    clock_ms += 300;
    assert_int_equal(resolve(&stand, "alice", &account), ACCOUNT_FOUND);
    assert_int_equal(account->gids_count, 6);
    assert_int_equal(resolve(&stand, "mallory", &account), ACCOUNT_UNKNOWN);
    assert_int_equal(fake_nss_calls(), 2);
    clock_ms += 1; /* a quarter is over */
    assert_int_equal(resolve(&stand, "mallory", &account), ACCOUNT_UNKNOWN);
    assert_int_equal(fake_nss_calls(), 3);
    clock_ms += 899;
    assert_int_equal(resolve(&stand, "alice", &account), ACCOUNT_FOUND);
    assert_int_equal(account->gids_count, 6);
    clock_ms += 1;
    assert_int_equal(resolve(&stand, "alice", &account), ACCOUNT_FOUND);
    assert_int_equal(account->gids_count, 1);
    teardown(&stand);
}

static void test_flush(void **state)
{
    const struct account *account = NULL;
    struct stand stand;

    (void)state;
    setup(&stand, 100000);
    assert_int_equal(resolve(&stand, "alice", &account), ACCOUNT_FOUND);
    fake_nss_set(users_later, groups);
    account_cache_flush(stand.cache);
    assert_int_equal(account->gids_count, 6); /* lent in this turn */
    assert_int_equal(resolve(&stand, "alice", &account), ACCOUNT_FOUND);
    assert_int_equal(account->gids_count, 1);
    teardown(&stand);
}

/* Without any lifetime, and a name service that takes longer for all than an answer lives, somebody
 * who needs many answers still gets them together. */
static void test_no_lifetime_still_ends(void **state)
{
    static const char *const names[] = {"alice", "bob", "root", "carol", "dave", "erin",
                                        "frank", "grace", "heidi", "ivan", "judy", "karl"};
    const size_t count = sizeof(names) / sizeof(names[0]);
    struct asker asker = {0};
    const struct account_waiter waiter = waiter_of(&asker);
    const struct account *account;
    struct stand stand;
    unsigned rounds = 0;
    size_t open;

    (void)state;
    setup(&stand, 0);
    call_takes_ms = 40;
    do {
        open = 0;
        for (size_t i = 0; i < count; i++)
            open += account_by_name(stand.cache, names[i], &waiter, &account) == ACCOUNT_PENDING;
        rounds++;
        if (open > 0)
            run(&stand, &asker, rounds, PATIENCE_MS);
    } while (open > 0 && rounds < 5);
    assert_int_equal(open, 0);
    assert_int_equal(rounds, 2);
    assert_int_equal(fake_nss_calls(), count);
    teardown(&stand);
}

static void test_hung(void **state)
{
    struct asker askers[5] = {0};
    static const char *const names[] = {"alice", "bob", "carol", "dave", "erin"};
    const struct account *account;
    struct stand stand;
    uint64_t began;

    (void)state;
    setup(&stand, 100000);
    clock_ms = 0;
    fake_nss_hang(true);
    began = uv_hrtime();
    for (int i = 0; i < 5; i++) {
        const struct account_waiter waiter = waiter_of(&askers[i]);

        assert_int_equal(account_by_name(stand.cache, names[i], &waiter, &account),
                         ACCOUNT_PENDING);
    }
    run(&stand, &askers[4], 1, PATIENCE_MS);
    assert_true(uv_hrtime() - began >= UINT64_C(4900000000));
    clock_ms = uv_now(&stand.loop);
    for (int i = 0; i < 5; i++) {
        const struct account_waiter waiter = waiter_of(&askers[i]);

        assert_int_equal(askers[i].ready, 1);
        assert_int_equal(account_by_name(stand.cache, names[i], &waiter, &account),
                         ACCOUNT_UNAVAILABLE);
    }
    assert_int_equal(fake_nss_calls(), 2); /* the others never reached a worker */
    assert_int_equal(fake_nss_most(), 2);
    fake_nss_hang(false); /* the hung workers end later, and their answers count */
    for (int i = 0; i < PATIENCE_MS / 10 && resolve(&stand, "alice", &account) != ACCOUNT_FOUND; i++)
        run(&stand, NULL, 0, 10);
    assert_int_equal(resolve(&stand, "alice", &account), ACCOUNT_FOUND);
    assert_int_equal(fake_nss_calls(), 2);
    account_cache_flush(stand.cache); /* what never reached a worker is asked anew */
    assert_int_equal(resolve(&stand, "carol", &account), ACCOUNT_UNKNOWN);
    assert_int_equal(resolve(&stand, "alice", &account), ACCOUNT_FOUND);
    assert_int_equal(fake_nss_calls(), 4);
    teardown(&stand);
}

static void test_errors_are_not_unknown(void **state)
{
    const struct account *account;
    struct stand stand;

    (void)state;
    setup(&stand, 100000);
    fake_nss_fail(EIO);
    assert_int_equal(resolve(&stand, "alice", &account), ACCOUNT_UNAVAILABLE);
    fake_nss_fail(ENOENT);
    assert_int_equal(resolve(&stand, "bob", &account), ACCOUNT_UNKNOWN);
    fake_nss_fail(0);
    clock_ms += 300; /* asked again soon, not only after the lifetime */
    assert_int_equal(resolve(&stand, "alice", &account), ACCOUNT_FOUND);
    teardown(&stand);
}

static void test_forgotten_waiter(void **state)
{
    struct asker gone = {0}, there = {0};
    const struct account_waiter gone_waiter = waiter_of(&gone), waiter = waiter_of(&there);
    const struct account *account;
    struct stand stand;

    (void)state;
    setup(&stand, 10000);
    assert_int_equal(account_by_name(stand.cache, "alice", &gone_waiter, &account),
                     ACCOUNT_PENDING);
    assert_int_equal(account_by_name(stand.cache, "alice", &waiter, &account), ACCOUNT_PENDING);
    account_forget_waiter(stand.cache, &gone);
    run(&stand, &there, 1, PATIENCE_MS);
    assert_int_equal(there.ready, 1);
    assert_int_equal(gone.ready, 0);
    teardown(&stand);
}

/* More questions than may wait are refused at once; more answers than may be kept drop the oldest. */
static void test_bounds(void **state)
{
    struct asker asker = {0};
    const struct account_waiter waiter = waiter_of(&asker);
    const struct account *account;
    unsigned pending = 0, refused = 0;
    struct stand stand;
    char name[32];

    (void)state;
    setup(&stand, 100000);
    fake_nss_hang(true);
    for (int i = 0; i < 300; i++) {
        int r;

        snprintf(name, sizeof(name), "u%d", i);
        r = account_by_name(stand.cache, name, &waiter, &account);
        pending += r == ACCOUNT_PENDING;
        refused += r == ACCOUNT_UNAVAILABLE;
    }
    assert_int_equal(pending, 256);
    assert_int_equal(refused, 44);
    fake_nss_hang(false);
    run(&stand, &asker, 1, PATIENCE_MS);
    assert_int_equal(resolve(&stand, "alice", &account), ACCOUNT_FOUND);
    for (int i = 0; i < 33000; i++) {
        snprintf(name, sizeof(name), "v%d", i);
        assert_int_equal(resolve(&stand, name, &account), ACCOUNT_UNKNOWN);
    }
    pending = fake_nss_calls();
    assert_int_equal(resolve(&stand, "v32999", &account), ACCOUNT_UNKNOWN);
    assert_int_equal(fake_nss_calls(), pending);
    assert_int_equal(resolve(&stand, "alice", &account), ACCOUNT_FOUND);
    assert_int_equal(fake_nss_calls(), pending + 1);
    teardown(&stand);
}

/* The cache goes while workers hang and questions wait. */
static void test_freed_early(void **state)
{
    struct asker asker = {0};
    const struct account_waiter waiter = waiter_of(&asker);
    const struct account *account;
    struct stand stand;
    char name[32];

    (void)state;
    setup(&stand, 10000);
    fake_nss_hang(true);
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "u%d", i);
        assert_int_equal(account_by_name(stand.cache, name, &waiter, &account), ACCOUNT_PENDING);
    }
    teardown(&stand);
    assert_int_equal(asker.ready, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found_and_unknown),
        cmocka_unit_test(test_cached_and_coalesced),
        cmocka_unit_test(test_lifetime),
        cmocka_unit_test(test_flush),
        cmocka_unit_test(test_no_lifetime_still_ends),
        cmocka_unit_test(test_hung),
        cmocka_unit_test(test_errors_are_not_unknown),
        cmocka_unit_test(test_forgotten_waiter),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_freed_early),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Appends, conditions, limits and group commit over a journal; reading and reopening. */
#include "tests/unit/store_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static unsigned syncs;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* whoever holds it holds up every sync */
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    __atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST);
    return __real_fdatasync(fd);
}

static int setup(void **state)
{
    static struct store store;

    store_setup(&store);
    assert_int_equal(store_open(&store), LOG_DONE);
    *state = &store;
    return 0;
}

static int teardown(void **state)
{
    store_teardown(*state);
    return 0;
}

static void test_put_get_reopen(void **state)
{
    struct store *store = *state;
    struct store_put put = { .key = store_key(RECORD_MAPPING, 1, "ualice"), .version = 1 };
    struct log_head before, after;
    uint64_t revision;

    assert_int_equal(store_version(store, &put.key), 0);
    assert_int_equal(store_put(store, &put, &revision), LOG_DONE);
    assert_int_equal(revision, 1);
    assert_int_equal(store_version(store, &put.key), 1);
    put.version = 2;
    assert_int_equal(store_put(store, &put, &revision), LOG_DONE);
    assert_int_equal(revision, 2);
    log_head(store->log, &before);
    store_close(store);
    assert_int_equal(store_open(store), LOG_DONE);
    log_head(store->log, &after);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(store_version(store, &put.key), 2);
    assert_int_equal(log_count(store->log, RECORD_MAPPING, put.key.scope), 1);
    assert_int_equal(log_census(store->log, RECORD_MAPPING, 1), 1);
    store_await_event(store, LOG_EVENT_VERIFIED, 1);
    assert_int_equal(store->events[LOG_EVENT_VIEW_REBUILT], 0);
}

static void test_conditions(void **state)
{
    struct store *store = *state;
    struct store_put put = {
        .key = store_key(RECORD_RESERVATION, 1, "hash"), .version = 1, .conditional = true
    };

    assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    put.version = 2;
    assert_int_equal(store_put(store, &put, NULL), LOG_CONFLICT); /* no longer absent */
    put.revision = 7;
    assert_int_equal(store_put(store, &put, NULL), LOG_CONFLICT); /* never that revision */
    put.revision = 1;
    put.kind = RECORD_TOMBSTONE;
    assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    assert_int_equal(store_version(store, &put.key), 2);
    put.kind = RECORD_LIVE;
    put.revision = 0; /* absent: a tombstone is its newest record */
    assert_int_equal(store_put(store, &put, NULL), LOG_CONFLICT); /* version not raised */
    put.version = 3;
    assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    assert_int_equal(log_census(store->log, RECORD_RESERVATION, 1), 1);
}

struct counter {
    unsigned called, done;
    uint64_t last;
    bool all;
    unsigned expected;
};

static void on_counted(void *userdata, enum log_outcome outcome, uint64_t revision)
{
    struct counter *counter = userdata;

    counter->called++;
    if (outcome == LOG_DONE) {
        counter->done++;
        assert_true(revision > counter->last);
        counter->last = revision;
    }
    counter->all = counter->called == counter->expected;
}

static int append_one(struct store *store, const struct record_key *key, uint64_t version,
                      const uint64_t *condition, struct counter *counter)
{
    uint8_t record[64];
    const struct log_change change = { *key, record, sizeof(record) };
    const struct log_condition unchanged = { *key, condition ? *condition : 0 };
    const struct log_append append = { .changes = &change, .changes_count = 1,
                                       .conditions = &unchanged, .conditions_count = !!condition };

    store_record(record, sizeof(record), RECORD_LIVE, version);
    return log_append(store->log, &append, on_counted, counter);
}

/* Conditions see what waits, before anything of it is durable. */
static void test_conditions_in_one_batch(void **state)
{
    struct store *store = *state;
    struct record_key key = store_key(RECORD_MAPPING, 1, "ubob");
    struct counter counter = { .expected = 2 };
    const uint64_t absent = 0, first = 1;

    assert_int_equal(append_one(store, &key, 1, &absent, &counter), LOG_DONE);
    assert_int_equal(append_one(store, &key, 1, &absent, &counter), LOG_CONFLICT);
    assert_int_equal(append_one(store, &key, 2, &first, &counter), LOG_DONE);
    assert_int_equal(append_one(store, &key, 3, &first, &counter), LOG_CONFLICT);
    assert_int_equal(store_version(store, &key), 0); /* not visible before it is durable */
    store_run_until(store, &counter.all);
    assert_int_equal(counter.done, 2);
    assert_int_equal(store_version(store, &key), 2);
}

static void test_group_commit(void **state)
{
    struct store *store = *state;
    struct counter counter = { .expected = 64 };
    unsigned before = __atomic_load_n(&syncs, __ATOMIC_SEQ_CST);

    pthread_mutex_lock(&gate);
    for (unsigned i = 0; i < 64; i++) {
        char name[16];

        snprintf(name, sizeof(name), "uuser%u", i);
        struct record_key key = store_key(RECORD_MAPPING, 2, name);
        assert_int_equal(append_one(store, &key, 1, NULL, &counter), LOG_DONE);
    }
    pthread_mutex_unlock(&gate);
    store_run_until(store, &counter.all);
    assert_int_equal(counter.done, 64);
    /* The first may have been taken alone; whoever came while its sync was held up shares one. */
    assert_in_range(__atomic_load_n(&syncs, __ATOMIC_SEQ_CST) - before, 1, 2);
}

static void test_limits(void **state)
{
    struct store *store = *state;
    static uint8_t record[RECORD_SIZE_MAX + 1];
    static struct log_change changes[LOG_CHANGES_MAX + 1];
    static struct log_condition conditions[LOG_CONDITIONS_MAX + 1];
    struct counter counter = { .expected = 1 };
    struct log_append append = { .changes = changes };

    store_record(record, sizeof(record), RECORD_LIVE, 1);
    assert_int_equal(log_append(store->log, &append, on_counted, &counter), -EINVAL);
    for (unsigned i = 0; i <= LOG_CHANGES_MAX; i++) {
        char name[16];

        snprintf(name, sizeof(name), "u%u", i);
        changes[i] = (struct log_change){ store_key(RECORD_MAPPING, 3, name), record, 20 };
        conditions[i].key = changes[i].key;
    }
    append.changes_count = LOG_CHANGES_MAX + 1;
    assert_int_equal(log_append(store->log, &append, on_counted, &counter), LOG_TOO_LARGE);
    append.changes_count = 3;
    append.conditions = conditions;
    append.conditions_count = LOG_CONDITIONS_MAX + 1;
    assert_int_equal(log_append(store->log, &append, on_counted, &counter), LOG_TOO_LARGE);
    append.conditions_count = LOG_CONDITIONS_MAX;
    changes[0].size = RECORD_SIZE_MAX + 1;
    assert_int_equal(log_append(store->log, &append, on_counted, &counter), LOG_TOO_LARGE);
    changes[0].size = changes[1].size = RECORD_SIZE_MAX;
    assert_int_equal(log_append(store->log, &append, on_counted, &counter), LOG_TOO_LARGE);
    changes[1].key = changes[0].key;
    changes[1].size = 20;
    assert_int_equal(log_append(store->log, &append, on_counted, &counter), -EINVAL);
    changes[1].key = store_key(RECORD_MAPPING, 3, "other");
    record[1] = 9; /* no such kind */
    assert_int_equal(log_append(store->log, &append, on_counted, &counter), -EINVAL);
    record[1] = RECORD_LIVE;
    append.changes_count = 1;
    assert_int_equal(log_append(store->log, &append, on_counted, &counter), LOG_DONE);
    store_run_until(store, &counter.all);
    append.changes_count = LOG_CHANGES_MAX;
    changes[0].size = changes[1].size = 20;
    changes[0].key = store_key(RECORD_MAPPING, 3, "another");
    counter = (struct counter){ .expected = 1 };
    append.conditions_count = 0;
    assert_int_equal(log_append(store->log, &append, on_counted, &counter), LOG_DONE);
    store_run_until(store, &counter.all);
    assert_int_equal(log_count(store->log, RECORD_MAPPING, changes[0].key.scope), 101);
    store_close(store);
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(log_count(store->log, RECORD_MAPPING, changes[0].key.scope), 101);
}

/* Many keys, many versions, conditions and closing in the midst of it: a model tells the outcome. */
static void test_against_model(void **state)
{
    struct store *store = *state;
    uint64_t versions[50] = { 0 }, revisions[50] = { 0 };
    uint64_t revision = 0;

    srandom(1);
    for (unsigned i = 0; i < 600; i++) {
        unsigned k = (unsigned)random() % 50;
        char name[16];
        bool stale = random() % 4 == 0;
        struct store_put put = { .version = versions[k] + 1, .conditional = true };
        int outcome;

        snprintf(name, sizeof(name), "u%u", k);
        put.key = store_key(RECORD_MAPPING, 4, name);
        put.size = 20 + (size_t)random() % 5000;
        put.revision = stale ? revision + 1 : revisions[k];
        outcome = store_put(store, &put, NULL);
        assert_int_equal(outcome, stale ? LOG_CONFLICT : LOG_DONE);
        if (!stale) {
            versions[k]++;
            revisions[k] = ++revision;
        }
        if (i % 200 == 199) {
            store_close(store);
            assert_int_equal(store_open(store), LOG_DONE);
        }
    }
    for (unsigned k = 0; k < 50; k++) {
        char name[16];

        snprintf(name, sizeof(name), "u%u", k);
        struct record_key key = store_key(RECORD_MAPPING, 4, name);
        assert_int_equal(store_version(store, &key), versions[k]);
    }
}

/* Appends that wait when the log is closed are completed first. */
static void test_close_completes(void **state)
{
    struct store *store = *state;
    struct counter counter = { .expected = 10 };
    struct record_key key = store_key(RECORD_MAPPING, 5, "ucarol");

    for (uint64_t version = 1; version <= 10; version++)
        assert_int_equal(append_one(store, &key, version, NULL, &counter), LOG_DONE);
    store_close(store);
    assert_int_equal(counter.done, 10);
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store_version(store, &key), 10);
}

static void test_second_process_refused(void **state)
{
    struct store *store = *state;
    struct store other = *store;

    other.log = NULL;
    assert_int_equal(uv_loop_init(&other.loop), 0);
    other.options.loop = &other.loop;
    other.options.events.userdata = &other;
    assert_int_equal(store_open(&other), LOG_FAILED);
    uv_run(&other.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&other.loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_get_reopen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conditions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conditions_in_one_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_group_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_against_model, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_completes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_process_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The view against a model: random inserts, updates, deletions; lists that lose no name while they
 * are paged; counters; bulk load; closing and opening. */
#include "tests/unit/store_fixture.h"

#include "dbus-service/store/view.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NAMES = 500, SCOPES = 3 };

static struct {
    uint64_t version, revision;
    uint32_t generation;
    size_t size;
    bool live;
} model[SCOPES][NAMES];
static uint64_t revision;

static int setup(void **state)
{
    static struct store store;

    store_setup(&store);
    memset(model, 0, sizeof(model));
    revision = 0;
    *state = &store;
    return 0;
}

static int teardown(void **state)
{
    store_teardown(*state);
    return 0;
}

static struct record_key numbered(unsigned scope, unsigned name)
{
    char text[32];

    snprintf(text, sizeof(text), "uuser%u", name);
    return store_key(RECORD_MAPPING, (uint8_t)scope, text);
}

static void apply(struct view *view, unsigned scope, unsigned name, bool live)
{
    static uint8_t record[1000];
    struct record_key key = numbered(scope, name);
    size_t size = 20 + (size_t)random() % 900;
    struct record_header header = { RECORD_FORMAT, live ? RECORD_LIVE : RECORD_TOMBSTONE,
                                    1 + (uint32_t)random() % 3, model[scope][name].version + 1 };

    record_header_format(&header, record);
    memset(record + RECORD_HEADER_SIZE, (int)name, size - RECORD_HEADER_SIZE);
    assert_int_equal(view_apply(view, ++revision, &key, record, size), VIEW_DONE);
    model[scope][name].version++;
    model[scope][name].revision = revision;
    model[scope][name].generation = header.generation;
    model[scope][name].size = size;
    model[scope][name].live = live;
}

static void apply_random(struct view *view)
{
    apply(view, (unsigned)random() % SCOPES, (unsigned)random() % NAMES, random() % 3 != 0);
}

static void check_record(struct view *view, unsigned scope, unsigned name)
{
    struct record_key key = numbered(scope, name);
    struct record_header header;
    struct log_record record;
    int r = view_get(view, &key, &record);

    assert_int_equal(r, model[scope][name].version > 0);
    if (!r)
        return;
    assert_int_equal(record.revision, model[scope][name].revision);
    assert_int_equal(record.size, model[scope][name].size);
    assert_int_equal(record_header_parse(record.record, record.size, &header), 0);
    assert_int_equal(header.version, model[scope][name].version);
    assert_int_equal(header.kind == RECORD_LIVE, model[scope][name].live);
}

struct seen {
    unsigned count;
    unsigned times[NAMES];
};

static int on_name(void *userdata, const struct record_key *key)
{
    struct seen *seen = userdata;
    char name[RECORD_NAME_MAX + 1];
    unsigned number;

    memcpy(name, key->name, key->name_length);
    name[key->name_length] = '\0';
    assert_int_equal(sscanf(name, "uuser%u", &number), 1);
    assert_true(number < NAMES);
    seen->times[number]++;
    seen->count++;
    return 0;
}

/* Each record once, the ones in between that are none are passed over. */
static void check_next(struct view *view)
{
    bool met[SCOPES][NAMES] = { { false } };
    struct record_key key = { .class = 0 };
    struct log_record record;
    unsigned count = 0;
    int r;

    while ((r = view_next(view, &key, &record)) > 0) {
        unsigned scope = key.scope[0], name = (unsigned)strtoul((const char *)key.name + 5, NULL, 10);

        assert_true(key.class == RECORD_MAPPING && scope < SCOPES && name < NAMES);
        assert_false(met[scope][name]);
        met[scope][name] = true;
        assert_int_equal(record.revision, model[scope][name].revision);
        assert_int_equal(record.size, model[scope][name].size);
        assert_int_equal(record.record[record.size - 1], (uint8_t)name);
        count++;
    }
    assert_int_equal(r, 0);
    for (unsigned i = 0; i < SCOPES * NAMES; i++)
        count -= model[i / NAMES][i % NAMES].version > 0;
    assert_int_equal(count, 0);
}

static void check_all(struct view *view)
{
    uint64_t census[4] = { 0 }, live_bytes = 0;

    for (unsigned scope = 0; scope < SCOPES; scope++) {
        struct record_key key = numbered(scope, 0);
        struct seen seen = { 0 };
        uint64_t cursor = 0;
        unsigned live = 0;

        do
            assert_int_equal(view_list(view, RECORD_MAPPING, key.scope, &cursor, 37, on_name, &seen),
                             0);
        while (cursor);
        for (unsigned name = 0; name < NAMES; name++) {
            check_record(view, scope, name);
            assert_int_equal(seen.times[name], model[scope][name].live);
            live += model[scope][name].live;
            census[model[scope][name].generation]++;
            key = numbered(scope, name);
            if (model[scope][name].live)
                live_bytes += 1u + 16u + key.name_length + model[scope][name].size + 14u;
        }
        assert_int_equal(view_count(view, RECORD_MAPPING, key.scope), live);
    }
    for (uint32_t generation = 1; generation <= 3; generation++)
        assert_int_equal(view_census(view, RECORD_MAPPING, generation), census[generation]);
    assert_int_equal(view_live_bytes(view), live_bytes);
    check_next(view);
}

static void test_model(void **state)
{
    struct store *store = *state;
    struct view_position position = { .head = { .revision = 1 }, .journal_offset = 77 }, found;
    struct view *view;

    srandom(3);
    assert_int_equal(view_new(store->folder_fd, false, &view), 0);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 3000; i++)
            apply_random(view);
        check_all(view);
        position.head.revision = revision;
        assert_int_equal(view_close(view, &position), 0);
        assert_int_equal(view_open(store->folder_fd, &view, &found), VIEW_DONE);
        assert_memory_equal(&found, &position, sizeof(found));
        check_all(view);
    }
    view_discard(view);
    assert_int_equal(view_open(store->folder_fd, &view, &found), VIEW_ABSENT);
}

static void test_bulk(void **state)
{
    struct store *store = *state;
    struct view *view;

    srandom(4);
    assert_int_equal(view_new(store->folder_fd, true, &view), 0);
    for (unsigned scope = 0; scope < SCOPES; scope++)
        for (unsigned name = 0; name < NAMES; name += 1 + scope)
            apply(view, scope, name, true);
    for (unsigned i = 0; i < 5000; i++)
        apply_random(view);
    assert_int_equal(view_bulk_end(view), 0);
    check_all(view);
    for (unsigned i = 0; i < 2000; i++)
        apply_random(view);
    check_all(view);
    view_discard(view);
}

/* Names that exist throughout are seen at least once, whatever comes and goes meanwhile. */
static void test_paging_while_changing(void **state)
{
    struct store *store = *state;
    struct record_key key = numbered(1, 0);
    struct view *view;

    srandom(5);
    assert_int_equal(view_new(store->folder_fd, false, &view), 0);
    for (unsigned name = 0; name < NAMES; name++)
        apply(view, 1, name, true);
    for (unsigned run = 0; run < 20; run++) {
        bool touched[NAMES] = { false };
        struct seen seen = { 0 };
        uint64_t cursor = 0;

        do {
            size_t limit = 1 + (size_t)random() % 90;

            assert_int_equal(
                view_list(view, RECORD_MAPPING, key.scope, &cursor, limit, on_name, &seen), 0);
            for (unsigned i = 0; i < 20; i++) {
                unsigned name = (unsigned)random() % NAMES;

                apply(view, 1, name, random() % 2);
                touched[name] = true;
            }
        } while (cursor);
        for (unsigned name = 0; name < NAMES; name++)
            assert_true(seen.times[name] || touched[name] || !model[1][name].live);
    }
    view_discard(view);
}

static int stop(void *userdata, const struct record_key *key)
{
    (void)userdata;
    (void)key;
    return -ECANCELED;
}

static void test_edges(void **state)
{
    struct store *store = *state;
    struct record_key key = numbered(1, 1), longest = { .class = RECORD_APPLICATION };
    struct record_key reservation = store_key(RECORD_RESERVATION, 1, "hash");
    struct log_record record;
    uint8_t bytes[64];
    struct view *view;
    uint64_t cursor = 0;

    assert_int_equal(view_new(store->folder_fd, false, &view), 0);
    store_record(bytes, sizeof(bytes), RECORD_LIVE, 5);
    assert_int_equal(view_apply(view, 1, &key, bytes, sizeof(bytes)), VIEW_DONE);
    assert_int_equal(view_apply(view, 2, &key, bytes, sizeof(bytes)), VIEW_STALE_VERSION);
    assert_int_equal(view_get(view, &key, &record), 1);
    assert_int_equal(record.revision, 1);
    assert_int_equal(view_apply(view, 2, &key, bytes, 5), -EBADMSG);
    assert_int_equal(view_forget(view, &key), 0); /* not a tombstone */
    assert_int_equal(view_get(view, &key, &record), 1);
    assert_int_equal(view_list(view, RECORD_MAPPING, key.scope, &cursor, 5, stop, NULL), -ECANCELED);
    longest.name_length = RECORD_NAME_MAX;
    memset(longest.name, 0xff, RECORD_NAME_MAX);
    assert_int_equal(view_apply(view, 3, &longest, bytes, sizeof(bytes)), VIEW_DONE);
    assert_int_equal(view_count(view, RECORD_APPLICATION, longest.scope), 1);
    assert_int_equal(view_apply(view, 4, &reservation, bytes, sizeof(bytes)), VIEW_DONE);
    assert_int_equal(view_count(view, RECORD_RESERVATION, reservation.scope), 0);
    store_record(bytes, sizeof(bytes), RECORD_TOMBSTONE, 6);
    assert_int_equal(view_apply(view, 5, &key, bytes, sizeof(bytes)), VIEW_DONE);
    assert_int_equal(view_count(view, RECORD_MAPPING, key.scope), 0);
    assert_int_equal(view_census(view, RECORD_MAPPING, 1), 1);
    assert_int_equal(view_forget(view, &key), 0);
    assert_int_equal(view_get(view, &key, &record), 0);
    assert_int_equal(view_census(view, RECORD_MAPPING, 1), 0);
    view_discard(view);
}

/* Bytes overwritten all over the file: every answer is right or says that the view is damaged. */
static void test_scribbled(void **state)
{
    struct store *store = *state;
    struct view_position position = { .journal_offset = 128 };
    CLEANUP_FREE uint8_t *bytes = NULL;
    struct view *view;
    unsigned named = 0;
    size_t size;

    srandom(6);
    assert_int_equal(view_new(store->folder_fd, false, &view), 0);
    for (unsigned name = 0; name < NAMES; name++)
        apply(view, 1, name, true);
    assert_int_equal(view_close(view, &position), 0);
    bytes = store_read_file(store, "view", &size);
    for (size_t i = 64; i + 16 < size; i += 4096) {
        uint8_t kept[16];
        int r;

        memcpy(kept, bytes + i, sizeof(kept));
        memset(bytes + i, 0xa5, sizeof(kept));
        store_write_file(store, "view", bytes, size);
        memcpy(bytes + i, kept, sizeof(kept));
        r = view_open(store->folder_fd, &view, &position);
        assert_true(r >= 0);
        named += r == VIEW_ABSENT;
        for (unsigned name = 0; r == VIEW_DONE && name < NAMES; name++) {
            struct record_key key = numbered(1, name);
            struct log_record record;
            int found = view_get(view, &key, &record);

            assert_true(found == 0 || found == 1 || found == -EBADMSG);
            named += found == -EBADMSG;
        }
        if (r == VIEW_DONE)
            view_discard(view);
    }
    assert_true(named > 0);
}

/* Calls `make` while no file may grow beyond `size`: for a file that is what a full disk is. */
static int with_files_up_to(rlim_t size, int (*make)(struct store *store), struct store *store)
{
    void (*ignored)(int) = signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit, kept;
    int r;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &kept), 0);
    limit = (struct rlimit){ size, kept.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    r = make(store);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &kept), 0);
    signal(SIGXFSZ, ignored);
    return r;
}

static int fill_bulk(struct store *store)
{
    static uint8_t record[10000];
    const struct record_header header = { RECORD_FORMAT, RECORD_LIVE, 1, 1 };
    struct view *view;
    int r = view_new(store->folder_fd, true, &view);

    if (r < 0)
        return r;
    record_header_format(&header, record);
    for (unsigned name = 0; name < NAMES && r == 0; name++) {
        struct record_key key = numbered(1, name);

        r = view_apply(view, name + 1, &key, record, sizeof(record));
    }
    if (r == 0)
        r = view_bulk_end(view);
    view_discard(view);
    return r;
}

/* Not "Bad message": who reads it must know that there is no room. */
static void test_a_full_disk_is_named(void **state)
{
    enum { STEP = 37 * 4096 }; /* none at all is left out: GDBM does not free what it began */

    for (rlim_t size = STEP; size < 1024 * 1024; size += STEP)
        assert_int_equal(with_files_up_to(size, fill_bulk, *state), -EFBIG);
    assert_int_equal(with_files_up_to(RLIM_INFINITY, fill_bulk, *state), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_model), TEST(test_bulk),     TEST(test_paging_while_changing),
        TEST(test_edges), TEST(test_scribbled), TEST(test_a_full_disk_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Work on the whole log: the walk, compaction on demand, export, import, and the check of a file that
 * is not open. */
#include "tests/unit/store_fixture.h"

#include "dbus-service/store/journal_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEEN_MAX = 4096 };

/* What a walk or a check handed out. */
struct seen {
    size_t count, tombstones;
    size_t classes[RECORD_CLASS_MAX + 1], generations[8];
    uint64_t versions; /* their sum: another record of the same key is another sum */
    pthread_t thread;
    int result;      /* of `each`, */
    size_t after;    /* once so many were seen */
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    bool block, blocked; /* before the first one is taken */
};

struct end {
    bool came;
    enum log_outcome outcome;
    uint64_t revision;
    char text[256];
};

static void on_end(void *userdata, enum log_outcome outcome, uint64_t revision, const char *text)
{
    struct end *end = userdata;

    assert_false(end->came);
    *end = (struct end){ true, outcome, revision, "" };
    snprintf(end->text, sizeof(end->text), "%s", text);
}

struct walk {
    struct seen seen;
    struct end end;
};

static void on_walk_end(void *userdata, enum log_outcome outcome, uint64_t revision,
                        const char *text)
{
    on_end(&((struct walk *)userdata)->end, outcome, revision, text);
}

static int on_seen(void *userdata, const struct log_walk_record *record)
{
    struct seen *seen = userdata;
    struct record_header header;

    pthread_mutex_lock(&seen->mutex);
    seen->blocked = true;
    pthread_cond_broadcast(&seen->woken);
    while (seen->block)
        pthread_cond_wait(&seen->woken, &seen->mutex);
    pthread_mutex_unlock(&seen->mutex);
    if (record_header_parse(record->record, record->size, &header) < 0)
        return -EIO;
    seen->thread = pthread_self();
    seen->count++;
    seen->tombstones += header.kind == RECORD_TOMBSTONE;
    seen->classes[record->key->class]++;
    seen->generations[header.generation]++;
    seen->versions += header.version;
    return seen->result && seen->count >= seen->after ? seen->result : 0;
}

static int on_walk_seen(void *userdata, const struct log_walk_record *record)
{
    return on_seen(&((struct walk *)userdata)->seen, record);
}

static void seen_init(struct seen *seen)
{
    *seen = (struct seen){ 0 };
    pthread_mutex_init(&seen->mutex, NULL);
    pthread_cond_init(&seen->woken, NULL);
}

static void seen_let_go(struct seen *seen)
{
    pthread_mutex_lock(&seen->mutex);
    seen->block = false;
    pthread_cond_broadcast(&seen->woken);
    pthread_mutex_unlock(&seen->mutex);
}

static bool in_view_order; /* walks that begin */

static void walk_begin(struct store *store, struct walk *walk, uint32_t keep)
{
    const struct log_walk_options options = { .keep_generation = keep,
                                              .in_view_order = in_view_order,
                                              .each = on_walk_seen, .done = on_walk_end,
                                              .userdata = walk };

    walk->end = (struct end){ 0 };
    assert_int_equal(log_walk(store->log, &options), 0);
    assert_false(walk->end.came);
    assert_int_equal(log_walk(store->log, &options), -EBUSY);
}

static void walk_run(struct store *store, struct walk *walk, uint32_t keep)
{
    seen_init(&walk->seen);
    walk_begin(store, walk, keep);
    store_run_until(store, &walk->end.came);
}

/* ---- what is in the log --------------------------------------------------------------------- */

struct change {
    uint8_t class, scope;
    const char *name;
    uint8_t kind;
    uint64_t version;
    uint32_t generation;
    size_t size;
    uint8_t fill; /* the sealed part is made of it */
};

static void on_put(void *userdata, enum log_outcome outcome, uint64_t revision)
{
    on_end(userdata, outcome, revision, "");
}

static uint64_t change_put(struct store *store, const struct change *change)
{
    const struct record_header header = { RECORD_FORMAT, change->kind,
                                          change->generation ? change->generation : 1,
                                          change->version };
    size_t size = change->size ? change->size : 64;
    uint8_t *record = malloc(size);
    const struct log_change one = { store_key(change->class, change->scope, change->name), record,
                                    size };
    const struct log_append append = { .changes = &one, .changes_count = 1 };
    struct end end = { 0 };

    assert_non_null(record);
    memset(record, change->fill, size);
    record_header_format(&header, record);
    assert_int_equal(log_append(store->log, &append, on_put, &end), LOG_DONE);
    free(record);
    store_run_until(store, &end.came);
    assert_int_equal(end.outcome, LOG_DONE);
    return end.revision;
}

/* Every class, more than one version, a deletion, two generations. Its newest: 6 records, one of them a
 * tombstone, versions 1 + 2 + 3 + 2 + 1 + 1, four of generation 1. */
static const struct change mixed[] = {
    { RECORD_APPLICATION, 0, "application", RECORD_LIVE, 1, 1, 0, 'a' },
    { RECORD_MAPPING, 1, "ualice", RECORD_LIVE, 1, 1, 0, 'b' },
    { RECORD_MAPPING, 1, "ualice", RECORD_LIVE, 2, 1, 0, 'c' },
    { RECORD_MAPPING, 1, "ubob", RECORD_LIVE, 1, 1, 900, 'd' },
    { RECORD_MAPPING, 1, "ubob", RECORD_LIVE, 2, 1, 900, 'e' },
    { RECORD_MAPPING, 1, "ubob", RECORD_LIVE, 3, 2, 800, 'f' },
    { RECORD_MAPPING, 2, "ualice", RECORD_LIVE, 1, 1, 0, 'g' },
    { RECORD_MAPPING, 2, "ualice", RECORD_TOMBSTONE, 2, 1, 0, 'h' },
    { RECORD_RESERVATION, 1, "hash", RECORD_LIVE, 1, 1, 0, 'i' },
    { RECORD_RESERVATION, 2, "hash", RECORD_LIVE, 1, 2, 0, 'j' },
};
enum { MIXED = sizeof(mixed) / sizeof(mixed[0]), MIXED_RECORDS = 6, MIXED_VERSIONS = 10 };

static void fill_mixed(struct store *store)
{
    for (size_t i = 0; i < MIXED; i++)
        change_put(store, &mixed[i]);
}

static void assert_mixed(const struct seen *seen)
{
    assert_int_equal(seen->count, MIXED_RECORDS);
    assert_int_equal(seen->tombstones, 1);
    assert_int_equal(seen->versions, MIXED_VERSIONS);
    assert_int_equal(seen->classes[RECORD_APPLICATION], 1);
    assert_int_equal(seen->classes[RECORD_MAPPING], 3);
    assert_int_equal(seen->classes[RECORD_RESERVATION], 2);
    assert_int_equal(seen->generations[1], 4);
    assert_int_equal(seen->generations[2], 2);
}

static int setup(void **state)
{
    struct store *store = calloc(1, sizeof(*store));

    store_setup(store);
    *state = store;
    return store_open(store) == LOG_DONE ? 0 : -1;
}

static int setup_view_order(void **state)
{
    in_view_order = true;
    return setup(state);
}

static int teardown(void **state)
{
    in_view_order = false;
    store_teardown(*state);
    free(*state);
    return 0;
}

/* ---- the walk ------------------------------------------------------------------------------- */

static void test_walk_hands_out_the_newest(void **state)
{
    struct store *store = *state;
    struct walk walk;

    walk_run(store, &walk, 0); /* an empty log */
    assert_int_equal(walk.end.outcome, LOG_DONE);
    assert_int_equal(walk.end.revision, 0);
    assert_int_equal(walk.seen.count, 0);
    fill_mixed(store);
    walk_run(store, &walk, 0);
    assert_int_equal(walk.end.outcome, LOG_DONE);
    assert_int_equal(walk.end.revision, MIXED);
    assert_mixed(&walk.seen);
    assert_false(pthread_equal(walk.seen.thread, pthread_self()));
    walk_run(store, &walk, 1);
    assert_int_equal(walk.seen.count, 2);
    assert_int_equal(walk.seen.generations[2], 2);
}

static void test_walk_after_restart_and_compaction(void **state)
{
    struct store *store = *state;
    struct end end = { 0 };
    struct walk walk;

    fill_mixed(store);
    store_close(store);
    assert_int_equal(store_open(store), LOG_DONE);
    walk_run(store, &walk, 0); /* behind the verification */
    assert_int_equal(store->events[LOG_EVENT_VERIFIED], 1);
    assert_mixed(&walk.seen);
    assert_int_equal(log_compact(store->log, on_end, &end), 0);
    walk_run(store, &walk, 0); /* behind the compaction */
    assert_true(end.came);
    assert_int_equal(end.outcome, LOG_DONE);
    assert_int_equal(walk.end.outcome, LOG_DONE);
    assert_int_equal(walk.seen.count, MIXED_RECORDS - 1);
    assert_int_equal(walk.seen.tombstones, 0);
}

static void test_walk_ends_when_told(void **state)
{
    struct store *store = *state;
    struct walk walk;

    fill_mixed(store);
    seen_init(&walk.seen);
    walk.seen.result = -ENOSPC;
    walk.seen.after = 2;
    walk_begin(store, &walk, 0);
    store_run_until(store, &walk.end.came);
    assert_int_equal(walk.end.outcome, LOG_FAILED);
    assert_non_null(strstr(walk.end.text, strerror(ENOSPC)));
    assert_int_equal(walk.seen.count, 2);
    walk.seen.result = -ECANCELED;
    walk_begin(store, &walk, 0);
    store_run_until(store, &walk.end.came);
    assert_int_equal(walk.end.outcome, LOG_CANCELED);
    seen_init(&walk.seen);
    walk_begin(store, &walk, 0);
    log_walk_cancel(store->log); /* before it began */
    store_run_until(store, &walk.end.came);
    assert_int_equal(walk.end.outcome, LOG_CANCELED);
    assert_int_equal(walk.seen.count, 0);
    walk_run(store, &walk, 0); /* none of that is remembered */
    assert_mixed(&walk.seen);
}

static void await_blocked(struct store *store, struct seen *seen)
{
    bool blocked = false;

    while (!blocked) {
        uv_run(&store->loop, UV_RUN_NOWAIT);
        usleep(1000);
        pthread_mutex_lock(&seen->mutex);
        blocked = seen->blocked;
        pthread_mutex_unlock(&seen->mutex);
    }
}

static void test_walk_cancel_amidst_and_close(void **state)
{
    struct store *store = *state;
    uint64_t done, total;
    struct walk walk;

    fill_mixed(store);
    seen_init(&walk.seen);
    walk.seen.block = true;
    walk_begin(store, &walk, 0);
    log_walk_progress(store->log, &done, &total);
    assert_int_equal(total, 0);
    await_blocked(store, &walk.seen);
    log_walk_progress(store->log, &done, &total);
    assert_true(total > 0 && done <= total);
    log_walk_cancel(store->log);
    seen_let_go(&walk.seen);
    store_run_until(store, &walk.end.came);
    assert_int_equal(walk.end.outcome, LOG_CANCELED);
    assert_int_equal(walk.seen.count, 1);
    seen_init(&walk.seen);
    walk_begin(store, &walk, 0);
    store_close(store); /* whether it began or not */
    assert_true(walk.end.came);
    assert_true(walk.end.outcome == LOG_CANCELED);
}

/* The file of a log with one large record, that grows with every put. */
enum { LARGE = 64 * 1024 };

static void put_large(struct store *store, uint64_t version)
{
    const struct change change = { RECORD_MAPPING, 1, "ularge", RECORD_LIVE, version, 1, LARGE, 0 };

    change_put(store, &change);
}

static void test_compaction_takes_the_place_of_a_walk_late(void **state)
{
    struct store *store = *state;
    uint64_t version = 1;
    struct walk walk;

    store_close(store);
    store->options.compact_min = 1024;
    assert_int_equal(store_open(store), LOG_DONE);
    change_put(store, &mixed[0]);
    put_large(store, version++);
    seen_init(&walk.seen);
    walk.seen.block = true;
    walk_begin(store, &walk, 0);
    await_blocked(store, &walk.seen);
    put_large(store, version++); /* two times the live bytes: due, but not urgent */
    for (int i = 0; i < 50; i++) {
        uv_run(&store->loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    assert_int_equal(store->events[LOG_EVENT_COMPACTED], 0);
    assert_false(walk.end.came);
    put_large(store, version++); /* three times */
    seen_let_go(&walk.seen);
    store_run_until(store, &walk.end.came);
    assert_int_equal(walk.end.outcome, LOG_CONFLICT);
    store_await_event(store, LOG_EVENT_COMPACTED, 1);
    walk_run(store, &walk, 0);
    assert_int_equal(walk.end.outcome, LOG_DONE);
    assert_int_equal(walk.seen.versions, 1 + version - 1);
}

static void flip(struct store *store, const char *name, off_t offset)
{
    int fd = openat(store->folder_fd, name, O_RDWR);
    uint8_t byte;

    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static void test_walk_over_damage(void **state)
{
    struct store *store = *state;
    struct walk walk;

    fill_mixed(store);
    flip(store, "journal", 200);
    walk_run(store, &walk, 0);
    assert_int_equal(walk.end.outcome, LOG_DAMAGED);
    assert_non_null(strstr(walk.end.text, "journal: damaged at byte 128"));
    assert_int_equal(store->events[LOG_EVENT_DAMAGED], 1);
}

static void put_hundred(struct store *store, unsigned first)
{
    static uint8_t record[64];
    struct log_change changes[LOG_CHANGES_MAX];
    const struct log_append append = { .changes = changes, .changes_count = LOG_CHANGES_MAX };
    struct end end = { 0 };

    store_record(record, sizeof(record), RECORD_LIVE, 1);
    for (unsigned i = 0; i < LOG_CHANGES_MAX; i++) {
        char name[16];

        snprintf(name, sizeof(name), "u%u", first + i);
        changes[i] = (struct log_change){ store_key(RECORD_MAPPING, 3, name), record, sizeof(record) };
    }
    assert_int_equal(log_append(store->log, &append, on_put, &end), LOG_DONE);
    store_run_until(store, &end.came);
}

/* More than is filled in at once, by their number and by their bytes. */
static void test_walk_over_many(void **state)
{
    enum { HUNDREDS = 25, LARGE = 6 };
    struct store *store = *state;
    struct walk walk;

    for (unsigned i = 0; i < HUNDREDS; i++)
        put_hundred(store, i * LOG_CHANGES_MAX);
    for (unsigned i = 0; i < LARGE; i++) {
        char name[] = { 'u', (char)('a' + i), '\0' };
        const struct change large = { RECORD_MAPPING, 1, name, RECORD_LIVE, 1000, 2,
                                      RECORD_SIZE_MAX, 'l' };

        change_put(store, &large);
    }
    walk_run(store, &walk, 0);
    assert_int_equal(walk.end.outcome, LOG_DONE);
    assert_int_equal(walk.seen.count, HUNDREDS * LOG_CHANGES_MAX + LARGE);
    assert_int_equal(walk.seen.versions, HUNDREDS * LOG_CHANGES_MAX + LARGE * 1000);
    walk_run(store, &walk, 1);
    assert_int_equal(walk.seen.count, LARGE);
    assert_int_equal(walk.seen.generations[2], LARGE);
}

/* ---- what a rewrite appends ----------------------------------------------------------------- */

enum { MANY = 3 };

struct many {
    uint8_t records[MANY][64];
    struct log_change changes[MANY];
    struct log_condition conditions[MANY];
    bool left_out[MANY];
    struct log_append append;
};

static void many_init(struct many *many, uint64_t version, const uint64_t revisions[MANY])
{
    *many = (struct many){ .append = { .changes = many->changes, .changes_count = MANY,
                                       .conditions = many->conditions, .conditions_count = MANY,
                                       .leave_out_changed = true,
                                       .ret_left_out = many->left_out } };
    for (size_t i = 0; i < MANY; i++) {
        char name[16];

        snprintf(name, sizeof(name), "uuser%zu", i);
        store_record(many->records[i], sizeof(many->records[i]), RECORD_LIVE, version);
        many->changes[i] = (struct log_change){ store_key(RECORD_MAPPING, 1, name),
                                                many->records[i], sizeof(many->records[i]) };
        many->conditions[i] = (struct log_condition){ many->changes[i].key, revisions[i] };
    }
}

static void test_changed_records_are_left_out(void **state)
{
    static const uint64_t absent[MANY] = { 0 }, then[MANY] = { 1, 1, 1 }, now[MANY] = { 3, 2, 3 };
    struct store *store = *state;
    struct store_put put = { .key = store_key(RECORD_MAPPING, 1, "uuser1"), .version = 2 };
    struct end end = { 0 };
    struct many many;

    many_init(&many, 1, absent);
    assert_int_equal(log_append(store->log, &many.append, on_put, &end), LOG_DONE);
    store_run_until(store, &end.came);
    assert_false(many.left_out[0] || many.left_out[1] || many.left_out[2]);
    assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    many_init(&many, 9, then);
    end = (struct end){ 0 };
    assert_int_equal(log_append(store->log, &many.append, on_put, &end), LOG_DONE);
    assert_true(many.left_out[1]);
    assert_false(many.left_out[0] || many.left_out[2]);
    many_init(&many, 10, then); /* judged by what waits */
    assert_int_equal(log_append(store->log, &many.append, on_put, &end), LOG_CONFLICT);
    assert_true(many.left_out[0] && many.left_out[1] && many.left_out[2]);
    store_run_until(store, &end.came);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(store_version(store, &many.changes[i].key), i == 1 ? 2 : 9);
    many_init(&many, 11, now);
    many.conditions[0].key = many.conditions[1].key;
    assert_int_equal(log_append(store->log, &many.append, on_put, &end), -EINVAL);
    many_init(&many, 11, now);
    many.append.conditions_count--;
    assert_int_equal(log_append(store->log, &many.append, on_put, &end), -EINVAL);
    many_init(&many, 11, now);
    many.changes[2].key = many.changes[0].key; /* one key twice */
    many.append.leave_out_changed = false;
    assert_int_equal(log_append(store->log, &many.append, on_put, &end), -EINVAL);
    many_init(&many, 11, now); /* nothing of that is waiting */
    end = (struct end){ 0 };
    assert_int_equal(log_append(store->log, &many.append, on_put, &end), LOG_DONE);
    store_run_until(store, &end.came);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(store_version(store, &many.changes[i].key), 11);
}

static int on_name(void *userdata, const struct record_key *key)
{
    (void)key;
    ++*(size_t *)userdata;
    return 0;
}

/* What was looked up when an append was judged is out of date when another one, applied before it,
 * moved the entry. */
static void test_an_entry_moved_before_its_change_is_applied(void **state)
{
    static const uint64_t absent[MANY] = { 0 };
    static const uint8_t scope[RECORD_SCOPE_SIZE] = { 1, 1, 1, 1, 1, 1, 1, 1,
                                                      1, 1, 1, 1, 1, 1, 1, 1 };
    struct store *store = *state;
    struct end ends[2] = { { 0 } };
    uint64_t cursor = 0;
    struct many many;
    size_t names = 0;

    many_init(&many, 1, absent);
    assert_int_equal(log_append(store->log, &many.append, on_put, &ends[0]), LOG_DONE);
    store_run_until(store, &ends[0].came);
    ends[0] = (struct end){ 0 };
    many_init(&many, 2, absent);
    store_record(many.records[0], sizeof(many.records[0]), RECORD_TOMBSTONE, 2);
    many.append = (struct log_append){ .changes = &many.changes[0], .changes_count = 1 };
    assert_int_equal(log_append(store->log, &many.append, on_put, &ends[0]), LOG_DONE);
    many.append.changes = &many.changes[2]; /* takes the first one's place in the list */
    assert_int_equal(log_append(store->log, &many.append, on_put, &ends[1]), LOG_DONE);
    store_run_until(store, &ends[1].came);
    assert_int_equal(log_list(store->log, RECORD_MAPPING, scope, &cursor, 10, on_name, &names), 0);
    assert_int_equal(names, 2);
    store_close(store);
    assert_int_equal(store_open(store), LOG_DONE);
    while (!store->events[LOG_EVENT_VERIFIED] && !store->events[LOG_EVENT_VIEW_DAMAGED])
        uv_run(&store->loop, UV_RUN_ONCE); /* its list included */
    assert_int_equal(store->events[LOG_EVENT_VIEW_DAMAGED], 0);
}

/* ---- compaction on demand ------------------------------------------------------------------- */

static bool folder_holds(struct store *store, const void *bytes, size_t size)
{
    static const char *const names[] = { "journal", "journal.new", "view", "view.open" };
    bool held = false;

    for (size_t i = 0; i < 4; i++) {
        struct stat status;
        uint8_t *file;
        size_t length;

        if (fstatat(store->folder_fd, names[i], &status, 0) || status.st_size == 0)
            continue;
        file = store_read_file(store, names[i], &length);
        held |= memmem(file, length, bytes, size) != NULL;
        free(file);
    }
    return held;
}

static void compact_run(struct store *store, enum log_outcome expected)
{
    struct end end = { 0 };

    assert_int_equal(log_compact(store->log, on_end, &end), 0);
    assert_false(end.came);
    store_run_until(store, &end.came);
    assert_int_equal(end.outcome, expected);
}

/* Old ciphertext is in no file: neither where a record grew, shrank or stayed as large, nor where it
 * was deleted, nor what a rebuild of the view met on its way. */
static void check_wiped(struct store *store, bool rebuild)
{
    static const struct change changes[] = {
        { RECORD_MAPPING, 1, "usame", RECORD_LIVE, 1, 1, 3000, 'A' },
        { RECORD_MAPPING, 1, "ularger", RECORD_LIVE, 1, 1, 3000, 'B' },
        { RECORD_MAPPING, 1, "usmaller", RECORD_LIVE, 1, 1, 3000, 'C' },
        { RECORD_MAPPING, 1, "ugone", RECORD_LIVE, 1, 1, 3000, 'D' },
        { RECORD_MAPPING, 1, "usame", RECORD_LIVE, 2, 2, 3000, 'E' },
        { RECORD_MAPPING, 1, "ularger", RECORD_LIVE, 2, 2, 5000, 'F' },
        { RECORD_MAPPING, 1, "usmaller", RECORD_LIVE, 2, 2, 1000, 'G' },
        { RECORD_MAPPING, 1, "ugone", RECORD_TOMBSTONE, 2, 2, 70, 'H' },
    };
    uint8_t canary[40];

    for (size_t i = 0; i < 8; i++)
        change_put(store, &changes[i]);
    if (rebuild) {
        store_close(store);
        unlinkat(store->folder_fd, "view", 0);
        assert_int_equal(store_open(store), LOG_DONE);
    }
    for (size_t i = 0; i < 4; i++) {
        memset(canary, changes[i].fill, sizeof(canary));
        assert_true(folder_holds(store, canary, sizeof(canary)));
    }
    compact_run(store, LOG_DONE);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 8; i++) {
            bool expected = i >= 4 && changes[i].kind == RECORD_LIVE;

            memset(canary, changes[i].fill, sizeof(canary));
            if (folder_holds(store, canary, sizeof(canary)) != expected)
                fail_msg("'%c' of %s: %d", changes[i].fill, changes[i].name, !expected);
        }
        store_close(store); /* and what was in memory */
        assert_int_equal(store_open(store), LOG_DONE);
    }
}

static void test_compaction_leaves_no_old_ciphertext(void **state)
{
    check_wiped(*state, false);
}

static void test_compaction_after_a_rebuild_leaves_no_old_ciphertext(void **state)
{
    check_wiped(*state, true);
}

static void test_compact_of_nothing_and_twice(void **state)
{
    struct store *store = *state;
    struct end end = { 0 };
    struct walk walk;

    compact_run(store, LOG_DONE);
    fill_mixed(store);
    assert_int_equal(log_compact(store->log, on_end, &end), 0);
    assert_int_equal(log_compact(store->log, on_end, &end), -EBUSY);
    store_run_until(store, &end.came);
    assert_int_equal(end.outcome, LOG_DONE);
    assert_int_equal(end.revision, MIXED);
    compact_run(store, LOG_DONE);
    assert_int_equal(store->events[LOG_EVENT_COMPACTED], 2);
    walk_run(store, &walk, 0);
    assert_int_equal(walk.seen.count, MIXED_RECORDS - 1);
    end = (struct end){ 0 };
    assert_int_equal(log_compact(store->log, on_end, &end), 0);
    store_close(store);
    assert_true(end.came && end.outcome == LOG_CANCELED);
}

/* ---- export, check, import ------------------------------------------------------------------ */

static int temporary_file(void)
{
    char path[] = "/tmp/mastersecret-export-XXXXXX"; /* not every file system has O_TMPFILE */
    int fd = mkostemp(path, O_CLOEXEC);

    assert_true(fd >= 0);
    unlink(path);
    return fd;
}

static struct end export_run(struct store *store, int fd)
{
    struct end end = { 0 };

    assert_int_equal(log_export(store->log, fd, on_end, &end), 0);
    assert_false(end.came);
    store_run_until(store, &end.came);
    return end;
}

static struct log_progress progress;

static enum log_outcome check_run(struct store *store, int fd, size_t notes, struct seen *seen,
                                  struct log_file_report *report)
{
    const struct log_check_options options = {
        .fd = fd, .realm = store->options.realm, .hash = store->options.hash, .notes = notes,
        .each = on_seen, .userdata = seen, .progress = &progress,
    };

    seen_init(seen);
    progress = (struct log_progress){ 0 };
    return log_check(&options, report);
}

static enum log_outcome import_run(struct store *store, int fd, bool accept,
                                   struct log_file_report *report)
{
    const struct log_import_options options = {
        .folder_fd = store->folder_fd, .fd = fd, .anchor_path = store->options.anchor_path,
        .realm = store->options.realm, .hash = store->options.hash, .accept_rollback = accept,
        .progress = &progress,
    };

    progress = (struct log_progress){ 0 };
    return log_import(&options, report);
}

static void test_export_and_import(void **state)
{
    struct store *store = *state, other;
    struct log_file_report report;
    struct log_head head, imported;
    int fd = temporary_file();
    struct walk walk;
    struct end end;

    fill_mixed(store);
    end = export_run(store, fd);
    assert_int_equal(end.outcome, LOG_DONE);
    assert_int_equal(end.revision, MIXED);
    log_head(store->log, &head);
    assert_int_equal(check_run(store, fd, 0, &walk.seen, &report), LOG_DONE);
    assert_memory_equal(&report.head, &head, sizeof(head));
    assert_int_equal(report.records, MIXED_RECORDS - 1);
    store_setup(&other);
    assert_int_equal(import_run(&other, fd, false, &report), LOG_DONE);
    assert_int_equal(report.records, MIXED_RECORDS - 1);
    assert_int_equal(progress.total % 5, 0); /* three times verified, written and read */
    assert_in_range(progress.done, progress.total / 5 * 5 - 5 * 256, progress.total);
    assert_int_equal(store_open(&other), LOG_DONE);
    log_head(other.log, &imported);
    assert_memory_equal(&imported, &report.head, sizeof(imported));
    assert_int_equal(imported.revision, head.revision);
    assert_memory_not_equal(imported.id, head.id, sizeof(head.id));
    assert_memory_not_equal(imported.chain, head.chain, sizeof(head.chain));
    walk_run(&other, &walk, 0);
    assert_int_equal(walk.seen.count, MIXED_RECORDS - 1);
    assert_int_equal(walk.seen.versions, MIXED_VERSIONS - 2);
    for (size_t i = 0; i < MIXED; i++) {
        struct record_key key = store_key(mixed[i].class, mixed[i].scope, mixed[i].name);
        struct log_record one, two;

        if (log_get(store->log, &key, &one) == 0)
            continue;
        assert_int_equal(log_get(other.log, &key, &two), 1);
        assert_int_equal(one.revision, two.revision);
        assert_int_equal(one.size, two.size);
        assert_memory_equal(one.record, two.record, one.size);
    }
    put_large(&other, 1);
    store_close(&other);
    assert_int_equal(store_open(&other), LOG_DONE);
    store_teardown(&other);
    close(fd);
}

/* Nothing of it comes from the view: one that holds nothing any more changes nothing. */
static void test_export_beside_a_broken_view(void **state)
{
    struct store *store = *state;
    struct log_file_report report;
    int fd = temporary_file(), view;
    static const uint8_t garbage[4096] = { 0xff };
    struct stat status;
    struct seen seen;

    fill_mixed(store);
    view = openat(store->folder_fd, "view.open", O_RDWR);
    assert_true(view >= 0 && fstat(view, &status) == 0 && status.st_size > 4096);
    for (off_t at = 4096; at < status.st_size; at += (off_t)sizeof(garbage))
        assert_int_equal(pwrite(view, garbage, sizeof(garbage), at), sizeof(garbage));
    close(view);
    assert_int_equal(export_run(store, fd).outcome, LOG_DONE);
    assert_int_equal(check_run(store, fd, 0, &seen, &report), LOG_DONE);
    assert_int_equal(report.head.revision, MIXED);
    assert_int_equal(report.records, MIXED_RECORDS);
    assert_true(store->events[LOG_EVENT_VIEW_DAMAGED] + store->events[LOG_EVENT_COMPACTION_FAILED] > 0);
    close(fd);
}

struct busy {
    struct store *store;
    uint64_t version;
    bool stop;
};

static void append_on(struct busy *busy);

static void on_busy(void *userdata, enum log_outcome outcome, uint64_t revision)
{
    (void)revision;
    assert_int_equal(outcome, LOG_DONE);
    append_on(userdata);
}

static void append_on(struct busy *busy)
{
    uint8_t record[64];
    const struct log_change change = { store_key(RECORD_MAPPING, 7, "ubusy"), record,
                                       sizeof(record) };
    const struct log_append append = { .changes = &change, .changes_count = 1 };

    if (busy->stop)
        return;
    store_record(record, sizeof(record), RECORD_LIVE, ++busy->version);
    assert_int_equal(log_append(busy->store->log, &append, on_busy, busy), LOG_DONE);
}

/* Consistent at one revision, whatever is appended, and never more of it. */
static void test_export_while_appends_go_on(void **state)
{
    struct store *store = *state;
    struct busy busy = { .store = store };
    struct log_file_report report;
    int fd = temporary_file();
    struct seen seen;

    fill_mixed(store);
    append_on(&busy);
    for (int i = 0; i < 5; i++) {
        struct end end;

        assert_int_equal(ftruncate(fd, 0), 0);
        end = export_run(store, fd);
        assert_int_equal(end.outcome, LOG_DONE);
        assert_int_equal(check_run(store, fd, 0, &seen, &report), LOG_DONE);
        assert_int_equal(report.head.revision, end.revision);
        /* each revision since was one more version of that one record */
        assert_int_equal(seen.versions, MIXED_VERSIONS - 2 + end.revision - MIXED);
    }
    busy.stop = true;
    store_close(store); /* one is on its way, and ours */
    close(fd);
}

static void test_export_refuses_what_is_no_file(void **state)
{
    struct store *store = *state;
    int ends[2], fd;
    struct end end;

    fill_mixed(store);
    assert_int_equal(pipe(ends), 0);
    end = export_run(store, ends[1]);
    assert_int_equal(end.outcome, LOG_BAD_FILE);
    assert_non_null(strstr(end.text, "regular file"));
    fd = openat(store->folder_fd, "export", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    unlinkat(store->folder_fd, "export", 0);
    assert_int_equal(export_run(store, fd).outcome, LOG_BAD_FILE);
    close(fd);
    fd = temporary_file();
    assert_int_equal(pwrite(fd, "somebody's", 10, 0), 10);
    assert_int_equal(export_run(store, fd).outcome, LOG_BAD_FILE);
    assert_int_equal(lseek(fd, 0, SEEK_END), 10);
    assert_int_equal(log_export(store->log, -1, on_end, &end), -EBADF);
    end = (struct end){ 0 };
    assert_int_equal(log_export(store->log, fd, on_end, &end), 0);
    log_export_cancel(store->log);
    store_run_until(store, &end.came);
    assert_int_equal(end.outcome, LOG_CANCELED);
    end = (struct end){ 0 };
    assert_int_equal(log_export(store->log, fd, on_end, &end), 0);
    store_close(store);
    assert_true(end.came && end.outcome == LOG_CANCELED);
    close(fd);
    close(ends[0]);
    close(ends[1]);
}

/* Whatever the table's room: each record once. */
static void test_check_in_parts(void **state)
{
    struct store *store = *state;
    struct log_file_report report;
    struct seen seen;
    int fd;

    fill_mixed(store);
    for (int i = 0; i < 200; i++) {
        char name[16];
        const struct change change = { RECORD_MAPPING, 3, name, RECORD_LIVE, 1, 3, 0, 0 };

        snprintf(name, sizeof(name), "uuser%d", i % 150);
        if (i < 150)
            change_put(store, &change);
    }
    fd = openat(store->folder_fd, "journal", O_RDONLY);
    for (size_t notes = 64; notes <= 1024; notes *= 4) {
        assert_int_equal(check_run(store, fd, notes, &seen, &report), LOG_DONE); /* while open */
        assert_int_equal(report.records, MIXED_RECORDS + 150);
        assert_int_equal(seen.count, MIXED_RECORDS + 150);
        assert_int_equal(seen.generations[3], 150);
        assert_int_equal(seen.versions, MIXED_VERSIONS + 150);
        assert_int_equal(report.torn_offset, 0);
        /* read once, and twice for each part; headers do not count */
        assert_true(progress.total > progress.done);
        assert_int_equal((progress.total - progress.done) % JOURNAL_HEADER_SIZE, 0);
        assert_true((progress.total - progress.done) / JOURNAL_HEADER_SIZE >= (notes == 64 ? 13 : 3));
    }
    close(fd);
}

struct growing {
    int fd;
    const uint8_t *bytes;
    size_t size, written;
    unsigned calls; /* of the hash, until the rest is written */
};

static void hash_and_grow(void *userdata, const struct iovec *parts, size_t count, uint8_t ret_hash[32])
{
    struct growing *file = userdata;

    store_hash(NULL, parts, count, ret_hash);
    if (--file->calls == 0)
        assert_int_equal(pwrite(file->fd, file->bytes + file->written, file->size - file->written,
                                (off_t)file->written),
                         file->size - file->written);
}

/* A commit that is being written is read half, and it and those behind it are whole right after that. */
static void test_check_beside_a_writer(void **state)
{
    enum { ROOM = 64 * 1024, FILE_SIZE = 3 * 512 * 1024, CALLS = 40 };
    static uint8_t bytes[ROOM];
    struct store *store = *state;
    struct growing file = { .bytes = bytes };
    const struct log_check_options options = {
        .realm = store->options.realm, .hash = { .hash = hash_and_grow, .userdata = &file },
    };
    struct log_file_report report;
    int fd;

    fill_mixed(store);
    fd = openat(store->folder_fd, "journal", O_RDONLY);
    assert_true(pread(fd, bytes, ROOM, 0) > 0);
    for (file.size = ROOM; bytes[file.size - 1] == 0;)
        file.size--;
    for (unsigned calls = 1; calls < CALLS; calls++) {
        struct log_check_options check = options;
        struct seen seen;

        seen_init(&seen);
        check.fd = file.fd = temporary_file();
        check.each = on_seen;
        check.userdata = &seen;
        file.calls = calls;
        file.written = file.size / 2;
        assert_int_equal(ftruncate(file.fd, FILE_SIZE), 0); /* more than is read at a time */
        assert_int_equal(pwrite(file.fd, bytes, file.written, 0), file.written);
        if (log_check(&check, &report) != LOG_DONE)
            fail_msg("whole after %u hashes: %s", calls, report.text);
        close(file.fd);
    }
    close(fd);
}

/* Every byte of an export, and every length: an error of its own, and an import changes nothing. */
static void test_damaged_exports(void **state)
{
    struct store *store = *state, other;
    struct log_file_report report;
    int fd = temporary_file();
    struct seen seen;
    off_t size;

    for (size_t i = 0; i < 4; i++)
        change_put(store, &mixed[i]);
    assert_int_equal(export_run(store, fd).outcome, LOG_DONE);
    put_large(store, 1);
    store_setup(&other);
    size = lseek(fd, 0, SEEK_END);
    for (off_t at = 0; at < size; at++) {
        enum log_outcome outcome;
        uint8_t byte;

        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        outcome = check_run(store, fd, 64, &seen, &report);
        if (outcome != LOG_DAMAGED && outcome != LOG_NEWER)
            fail_msg("byte %ld: %d", (long)at, outcome);
        assert_true(strlen(report.text) > 10);
        assert_int_equal(import_run(&other, fd, false, &report), outcome);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    assert_int_equal(check_run(store, fd, 64, &seen, &report), LOG_DONE);
    assert_int_equal(pwrite(fd, "", 1, size), 1);
    assert_int_equal(check_run(store, fd, 64, &seen, &report), LOG_DAMAGED);
    while (size-- > 0) {
        assert_int_equal(ftruncate(fd, size), 0);
        assert_int_equal(check_run(store, fd, 64, &seen, &report), LOG_DAMAGED);
        assert_int_equal(import_run(&other, fd, false, &report), LOG_DAMAGED);
    }
    assert_int_equal(faccessat(other.folder_fd, "journal", F_OK, 0), -1);
    assert_int_equal(faccessat(other.folder_fd, "journal.new", F_OK, 0), -1);
    store_teardown(&other);
    close(fd);
}

static void test_import_refusals(void **state)
{
    struct store *store = *state, other;
    struct log_file_report report;
    int fd = temporary_file(), journal;
    struct seen seen;

    fill_mixed(store);
    assert_int_equal(export_run(store, fd).outcome, LOG_DONE);
    assert_int_equal(import_run(store, fd, true, &report), LOG_FAILED); /* in use */
    assert_non_null(strstr(report.text, "in use"));
    journal = openat(store->folder_fd, "journal", O_RDONLY);
    store_setup(&other);
    assert_int_equal(import_run(&other, journal, false, &report), LOG_DAMAGED);
    assert_non_null(strstr(report.text, "not an export"));
    close(journal);
    other.options.realm[0] ^= 1;
    assert_int_equal(import_run(&other, fd, false, &report), LOG_DAMAGED);
    assert_non_null(strstr(report.text, "another realm"));
    assert_int_equal(check_run(&other, fd, 0, &seen, &report), LOG_DAMAGED);
    other.options.realm[0] ^= 1;
    assert_int_equal(store_open(&other), LOG_DONE); /* an empty one */
    store_close(&other);
    assert_int_equal(import_run(&other, fd, false, &report), LOG_DONE);
    assert_int_equal(import_run(&other, fd, true, &report), LOG_CONFLICT);
    assert_non_null(strstr(report.text, "has records already"));
    assert_int_equal(store_open(&other), LOG_DONE);
    put_large(&other, 1);
    store_close(&other); /* with an anchor */
    unlinkat(other.folder_fd, "journal", 0);
    assert_int_equal(import_run(&other, fd, false, &report), LOG_ROLLED_BACK);
    unlinkat(other.folder_fd, "view", 0);
    assert_int_equal(import_run(&other, fd, false, &report), LOG_ROLLED_BACK);
    assert_non_null(strstr(report.text, "anchor"));
    assert_int_equal(import_run(&other, fd, true, &report), LOG_DONE);
    assert_int_equal(store_open(&other), LOG_DONE);
    store_teardown(&other);
    close(fd);
}

/* An export put in the journal's place is named as what it is. */
static void test_export_is_no_journal(void **state)
{
    struct store *store = *state;
    int fd = temporary_file();
    uint8_t bytes[8192];
    ssize_t size;

    fill_mixed(store);
    assert_int_equal(export_run(store, fd).outcome, LOG_DONE);
    size = pread(fd, bytes, sizeof(bytes), 0);
    store_close(store);
    store_write_file(store, "journal", bytes, (size_t)size);
    assert_int_equal(store_open(store), LOG_DAMAGED);
    assert_non_null(strstr(store->text, "is an export"));
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
/* Over the journal and over the view. */
#define TEST_BOTH(name) TEST(name), { #name "_in_view_order", name, setup_view_order, teardown, NULL }

/* A commit with one record, as whoever has the log's key could make it, behind all others. */
static void forge(struct store *store, const struct log_change *change)
{
    const struct log_append append = { .changes = change, .changes_count = 1 };
    size_t size = frame_append_size(&append);
    CLEANUP_FREE uint8_t *bytes = calloc(1, FRAME_OVERHEAD + size);
    CLEANUP_CLOSE int fd = openat(store->folder_fd, "journal", O_RDWR | O_CLOEXEC);
    struct frame frame = { .type = FRAME_COMMIT, .count = 1, .body_size = size }, last;
    struct scan scan;

    assert_int_equal(scan_init(&scan, fd, &store->options.hash), 0);
    while (scan_next(&scan, &last) > 0)
        ;
    frame.first = scan.head.revision + 1;
    memcpy(frame.previous, scan.head.chain, sizeof(frame.previous));
    frame_append_format(&append, bytes + FRAME_HEADER_SIZE, size);
    frame_seal(bytes, &frame, &store->options.hash);
    assert_int_equal(pwrite(fd, bytes, FRAME_OVERHEAD + size, (off_t)scan.offset),
                     FRAME_OVERHEAD + size);
    scan_deinit(&scan);
}

static void test_check_refuses_older_versions(void **state)
{
    struct store *store = *state;
    uint8_t record[64];
    const struct log_change change = { store_key(RECORD_MAPPING, 1, "ubob"), record, sizeof(record) };
    struct log_file_report report;
    struct seen seen;

    fill_mixed(store);
    for (uint64_t version = 4; version >= 3; version--) {
        CLEANUP_CLOSE int fd = -1;

        store_close(store);
        store_record(record, sizeof(record), RECORD_LIVE, version);
        forge(store, &change);
        fd = openat(store->folder_fd, "journal", O_RDONLY | O_CLOEXEC);
        assert_int_equal(check_run(store, fd, 0, &seen, &report), version == 4 ? LOG_DONE : LOG_DAMAGED);
        if (version == 4) {
            assert_int_equal(seen.count, MIXED_RECORDS);
            assert_int_equal(seen.versions, MIXED_VERSIONS + 1);
            assert_int_equal(store_open(store), LOG_DONE);
        }
    }
    assert_non_null(strstr(report.text, "journal: a record goes back to an older version"));
    assert_int_equal(seen.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_BOTH(test_walk_hands_out_the_newest),
        TEST_BOTH(test_walk_after_restart_and_compaction),
        TEST_BOTH(test_walk_ends_when_told),
        TEST_BOTH(test_walk_cancel_amidst_and_close),
        TEST_BOTH(test_compaction_takes_the_place_of_a_walk_late),
        TEST(test_walk_over_damage),
        TEST_BOTH(test_walk_over_many),
        TEST(test_changed_records_are_left_out),
        TEST(test_an_entry_moved_before_its_change_is_applied),
        TEST(test_compaction_leaves_no_old_ciphertext),
        TEST(test_compaction_after_a_rebuild_leaves_no_old_ciphertext),
        TEST(test_compact_of_nothing_and_twice),
        TEST(test_export_and_import),
        TEST(test_export_beside_a_broken_view),
        TEST(test_export_while_appends_go_on),
        TEST(test_export_refuses_what_is_no_file),
        TEST(test_check_in_parts),
        TEST(test_check_beside_a_writer),
        TEST(test_damaged_exports),
        TEST(test_import_refusals),
        TEST(test_export_is_no_journal),
        TEST(test_check_refuses_older_versions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

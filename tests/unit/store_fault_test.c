/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The disk fails: syncs, writes, space, the anchor's folder. And compaction: what stays, how large
 * the file gets, what happens when it cannot be written. */
#include "tests/unit/store_fixture.h"

#include "dbus-service/store/anchor.h"
#include "dbus-service/store/journal_frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- faults --------------------------------------------------------------------------------- */

static struct {
    atomic_bool fdatasync_fails;
    atomic_bool pwrite_fails; /* half a frame is written, then there is no space */
    atomic_bool zeros_fail;   /* pwrite of zeros, too */
    atomic_bool rename_fails;
    atomic_bool folder_sync_fails;
    atomic_uint fdatasync_calls;
    bool anchor_soon;
} fault;

static int fault_folder_fd;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    fault.fdatasync_calls++;
    if (fault.fdatasync_fails) {
        errno = EIO;
        return -1;
    }
    return __real_fdatasync(fd);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    if (fault.folder_sync_fails && fd == fault_folder_fd) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    if (fault.rename_fails && strcmp(to, "journal") == 0) {
        errno = EIO;
        return -1;
    }
    return __real_renameat(from_fd, from, to_fd, to);
}

ssize_t __real_pwrite(int fd, const void *bytes, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    /* All of them: what is left of a frame may begin with a zero byte. */
    bool zeros = *(const uint8_t *)bytes == 0 &&
                 memcmp(bytes, (const uint8_t *)bytes + 1, size - 1) == 0;

    if (!fault.pwrite_fails || (zeros && !fault.zeros_fail))
        return __real_pwrite(fd, bytes, size, offset);
    if (!zeros && size > 200)
        return __real_pwrite(fd, bytes, size / 2, offset);
    errno = ENOSPC;
    return -1;
}

static void fault_clear(void)
{
    fault.fdatasync_fails = false;
    fault.pwrite_fails = false;
    fault.zeros_fail = false;
    fault.rename_fails = false;
    fault.folder_sync_fails = false;
}

static int setup(void **state)
{
    static struct store store;

    fault_clear();
    store_setup(&store);
    fault_folder_fd = store.folder_fd;
    assert_int_equal(store_open(&store), LOG_DONE);
    *state = &store;
    return 0;
}

static int teardown(void **state)
{
    fault_clear();
    store_teardown(*state);
    return 0;
}

static struct store_put numbered(unsigned number, uint64_t version, size_t size)
{
    char name[16];

    snprintf(name, sizeof(name), "uuser%u", number);
    return (struct store_put){
        .key = store_key(RECORD_MAPPING, 1, name), .version = version, .size = size
    };
}

static void test_sync_fails(void **state)
{
    struct store *store = *state;
    struct store_put first = numbered(1, 1, 100), second = numbered(2, 1, 100);
    unsigned calls;

    assert_int_equal(store_put(store, &first, NULL), LOG_DONE);
    fault.fdatasync_fails = true;
    assert_int_equal(store_put(store, &second, NULL), LOG_UNKNOWN);
    assert_int_equal(store->events[LOG_EVENT_READ_ONLY], 1);
    assert_non_null(strstr(store->event_texts[LOG_EVENT_READ_ONLY], "cannot sync"));
    fault.fdatasync_fails = false; /* the next one would lie */
    calls = fault.fdatasync_calls;
    assert_int_equal(store_put(store, &second, NULL), LOG_READ_ONLY);
    assert_int_equal(fault.fdatasync_calls, calls);
    assert_int_equal(store_version(store, &first.key), 1); /* reading goes on */
    assert_int_equal(store_version(store, &second.key), 0);
    store_close(store);
    assert_int_equal(store_open(store), LOG_DONE); /* it was there after all, and is synced now */
    assert_true(fault.fdatasync_calls > calls);
    assert_int_equal(store_version(store, &second.key), 1);
    second.version = 2;
    assert_int_equal(store_put(store, &second, NULL), LOG_DONE);
}

static void test_no_space(void **state)
{
    struct store *store = *state;
    struct store_put first = numbered(1, 1, 100), second = numbered(2, 1, 3000);
    uint64_t revision;

    assert_int_equal(store_put(store, &first, NULL), LOG_DONE);
    fault.pwrite_fails = true;
    assert_int_equal(store_put(store, &second, NULL), LOG_FAILED);
    assert_int_equal(store_put(store, &second, NULL), LOG_FAILED);
    assert_int_equal(store_version(store, &second.key), 0);
    fault.pwrite_fails = false;
    second.size = 150; /* shorter than what was cut off */
    assert_int_equal(store_put(store, &second, &revision), LOG_DONE);
    assert_int_equal(revision, 2);
    store_close(store);
    unlinkat(store->folder_fd, "view", 0);
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store->events[LOG_EVENT_TORN_TAIL], 0);
    assert_int_equal(store_version(store, &second.key), 1);
}

/* Neither written nor cleaned up: what is there is a torn tail for the next start. */
static void test_no_space_at_all(void **state)
{
    struct store *store = *state;
    struct store_put first = numbered(1, 1, 100), second = numbered(2, 1, 3000);

    assert_int_equal(store_put(store, &first, NULL), LOG_DONE);
    fault.pwrite_fails = true;
    fault.zeros_fail = true;
    assert_int_equal(store_put(store, &second, NULL), LOG_FAILED);
    assert_int_equal(store_put(store, &second, NULL), LOG_READ_ONLY);
    assert_int_equal(store->events[LOG_EVENT_READ_ONLY], 1);
    fault.pwrite_fails = false;
    fault.zeros_fail = false;
    store_close(store);
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store->events[LOG_EVENT_TORN_TAIL], 1);
    assert_int_equal(store_put(store, &second, NULL), LOG_DONE);
}

struct counter {
    unsigned called, of[16];
    bool all;
    unsigned expected;
};

static void on_counted(void *userdata, enum log_outcome outcome, uint64_t revision)
{
    struct counter *counter = userdata;

    (void)revision;
    counter->of[outcome]++;
    counter->all = ++counter->called == counter->expected;
}

static int queue(struct store *store, const struct store_put *put, struct counter *counter)
{
    uint8_t record[4096];
    const struct log_change change = { put->key, record, put->size };
    const struct log_append append = { .changes = &change, .changes_count = 1 };

    store_record(record, put->size, put->kind, put->version);
    return log_append(store->log, &append, on_counted, counter);
}

/* Everything that waits fails with what it was judged on; afterwards all is as before. */
static void test_no_space_with_queue(void **state)
{
    struct store *store = *state;
    struct counter counter = { .expected = 30 };
    struct store_put put = numbered(1, 1, 1000);

    fault.pwrite_fails = true;
    for (put.version = 1; put.version <= 30; put.version++)
        assert_int_equal(queue(store, &put, &counter), LOG_DONE);
    store_run_until(store, &counter.all);
    assert_int_equal(counter.of[LOG_FAILED], 30);
    fault.pwrite_fails = false;
    put.version = 1;
    assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    assert_int_equal(store_version(store, &put.key), 1);
}

/* A compaction writes the anchor at once; that it cannot is said, and no reason to stop. */
static void test_anchor_fails(void **state)
{
    struct store *store = *state;
    struct store_put put = numbered(1, 0, 3000);

    store_close(store);
    store->options.anchor_path = "/nowhere/at/all/anchor";
    store->options.compact_min = 64 * 1024;
    assert_int_equal(store_open(store), LOG_DONE);
    for (put.version = 1; put.version < 30; put.version++)
        assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    store_await_event(store, LOG_EVENT_ANCHOR_FAILED, 1);
    assert_non_null(strstr(store->event_texts[LOG_EVENT_ANCHOR_FAILED], "/nowhere/at/all/anchor"));
    store_close(store);
    store->options.anchor_path = store->anchor_path;
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store_version(store, &put.key), 29);
}

int __real_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t first, uint64_t repeat);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t first, uint64_t repeat);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t first, uint64_t repeat)
{
    /* The time that is promised; here it is short. */
    bool anchors = fault.anchor_soon && first == 10000 && repeat == 10000;

    return __real_uv_timer_start(timer, callback, anchors ? 50 : first, anchors ? 50 : repeat);
}

/* Without a stop or a compaction the head is recorded too, after every ten seconds in which it moved. */
static void test_anchor_in_time(void **state)
{
    struct store *store = *state;
    struct store_put put = numbered(1, 1, 100);
    struct log_head head;
    struct anchor anchor = { 0 };

    store_close(store);
    fault.anchor_soon = true;
    assert_int_equal(store_open(store), LOG_DONE);
    fault.anchor_soon = false;
    for (; put.version < 4; put.version++) {
        uint64_t end = uv_hrtime() + UINT64_C(60000000000);

        assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
        log_head(store->log, &head);
        do {
            uv_run(&store->loop, UV_RUN_ONCE);
            if (anchor_get(store->anchor_path, &store->options.hash, &anchor) != ANCHOR_DONE)
                anchor.head.revision = 0;
            assert_true(uv_hrtime() < end);
        } while (anchor.head.revision != put.version);
        assert_memory_equal(&anchor.head, &head, sizeof(head));
    }
}

/* A start that is no longer wanted ends, and leaves all as it was. */
static void test_stopped_while_opening(void **state)
{
    struct store *store = *state;
    struct store_put put = numbered(1, 1, 100);
    atomic_bool stopping = true;

    assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    store_close(store);
    store->options.stopping = &stopping;
    assert_int_equal(store_open(store), LOG_FAILED);
    assert_int_equal(store_open(store), LOG_FAILED);
    stopping = false;
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store->events[LOG_EVENT_VIEW_REBUILT], 0);
    store_close(store);
    unlinkat(store->folder_fd, "view", 0);
    stopping = true;
    assert_int_equal(store_open(store), LOG_FAILED);
    assert_non_null(strstr(store->text, strerror(ECANCELED)));
    stopping = false;
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store_version(store, &put.key), 1);
}

/* ---- compaction ----------------------------------------------------------------------------- */

static uint64_t journal_size(struct store *store)
{
    struct stat status;

    assert_int_equal(fstatat(store->folder_fd, "journal", &status, 0), 0);
    return (uint64_t)status.st_size;
}

enum { KEYS = 200 };

/* Rewrites keys over and over, 16 at a time, until `count` compactions ended. */
static void churn(struct store *store, uint64_t *versions, unsigned count)
{
    for (unsigned round = 0; store->events[LOG_EVENT_COMPACTED] < count; round++) {
        struct counter counter = { .expected = 16 };

        assert_true(round < 20000);
        for (unsigned i = 0; i < 16; i++) {
            unsigned k = (round * 16 + i * 7) % KEYS;
            struct store_put put = numbered(k, versions[k] + 1, 900);

            put.kind = versions[k] % 6 == 5 ? RECORD_TOMBSTONE : RECORD_LIVE;
            if (store_version(store, &put.key) == 0)
                put.version = versions[k] == 0 ? 1 : put.version;
            assert_int_equal(queue(store, &put, &counter), LOG_DONE);
            versions[k] = put.version;
        }
        store_run_until(store, &counter.all);
        assert_int_equal(counter.of[LOG_DONE], 16);
    }
}

static void assert_versions(struct store *store, const uint64_t *versions)
{
    for (unsigned k = 0; k < KEYS; k++) {
        struct store_put put = numbered(k, 0, 0);
        uint64_t version = store_version(store, &put.key);

        /* A tombstone may have been dropped. */
        if (version || versions[k] % 6 != 0)
            assert_int_equal(version, versions[k]);
    }
}

static void on_settled(void *userdata, enum log_outcome outcome, uint64_t revision, const char *text)
{
    struct store *store = userdata;

    (void)revision;
    (void)text;
    assert_int_equal(outcome, LOG_DONE);
    store->answered = true;
}

/* Until none is under way, nor due: on a slow machine so much is appended during one that it is. */
static void settle(struct store *store)
{
    store->answered = false;
    assert_int_equal(log_compact(store->log, on_settled, store), 0);
    store_run_until(store, &store->answered);
}

static void test_compaction(void **state)
{
    struct store *store = *state;
    uint64_t versions[KEYS] = { 0 };
    struct log_head before, after;

    store_close(store);
    store->options.compact_min = 128 * 1024;
    assert_int_equal(store_open(store), LOG_DONE);
    churn(store, versions, 5);
    /* 200 live records of 900 bytes, and the step by which the file grows */
    assert_true(journal_size(store) < 5 * 200 * 950 / 2 + 512 * 1024);
    assert_versions(store, versions);
    settle(store);
    log_head(store->log, &before);
    store_close(store);
    assert_int_equal(store_open(store), LOG_DONE); /* the clean view fits the new file */
    assert_int_equal(store->events[LOG_EVENT_VIEW_REBUILT], 0);
    store_await_event(store, LOG_EVENT_VERIFIED, 1);
    store_close(store);
    unlinkat(store->folder_fd, "view", 0); /* and so does a new one */
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store->events[LOG_EVENT_VIEW_REBUILT], 1);
    assert_versions(store, versions);
    log_head(store->log, &after);
    assert_memory_equal(&before, &after, sizeof(before));
}

static ino_t journal_inode(struct store *store)
{
    struct stat status;

    assert_int_equal(fstatat(store->folder_fd, "journal", &status, 0), 0);
    return status.st_ino;
}

static void put_all(struct store *store, unsigned count, uint8_t kind, uint64_t version)
{
    struct counter counter = { .expected = count };

    for (unsigned k = 0; k < count; k++) {
        struct store_put put = numbered(k, version, 200);

        put.kind = kind;
        assert_int_equal(queue(store, &put, &counter), LOG_DONE);
    }
    store_run_until(store, &counter.all);
    assert_int_equal(counter.of[LOG_DONE], count);
}

/* Closed when the new file is in place, but the view does not know yet which tombstones it lacks. */
static void test_closed_amidst_compaction(void **state)
{
    enum { MANY = 3000 };
    struct store *store = *state;
    ino_t inode = journal_inode(store);

    put_all(store, MANY, RECORD_LIVE, 1);
    put_all(store, MANY, RECORD_TOMBSTONE, 2);
    store_close(store);
    store->options.compact_min = 64 * 1024;
    assert_int_equal(store_open(store), LOG_DONE);
    while (journal_inode(store) == inode)
        uv_run(&store->loop, UV_RUN_ONCE);
    assert_int_equal(store->events[LOG_EVENT_COMPACTED], 0);
    store_close(store);
    assert_int_equal(store_open(store), LOG_DONE);
    if (!store->events[LOG_EVENT_VIEW_REBUILT])
        store_await_event(store, LOG_EVENT_VERIFIED, 1);
    assert_int_equal(store->events[LOG_EVENT_VIEW_DAMAGED], 0);
}

/* Appended to as fast as it takes them, the file stays below 2.5 times what lives in it, beyond the
 * size from which on it is compacted at all. */
static void test_size_under_load(void **state)
{
    enum { MANY = 2500, AT_ONCE = 64, RECORD = 4000 };
    static uint64_t versions[MANY];
    struct store *store = *state;
    uint64_t largest = 0;

    store_close(store);
    store->options.compact_min = 2 * 1024 * 1024;
    assert_int_equal(store_open(store), LOG_DONE);
    for (unsigned round = 0; round < 12 * MANY / AT_ONCE; round++) {
        struct counter counter = { .expected = AT_ONCE };

        for (unsigned i = 0; i < AT_ONCE; i++) {
            unsigned k = (round * AT_ONCE + i) % MANY;
            struct store_put put = numbered(k, ++versions[k], RECORD);

            assert_int_equal(queue(store, &put, &counter), LOG_DONE);
        }
        store_run_until(store, &counter.all);
        if (journal_size(store) > largest)
            largest = journal_size(store);
    }
    print_message("%.2f\n", (double)largest / (MANY * RECORD));
    assert_true(store->events[LOG_EVENT_COMPACTED] > 3);
    assert_true(largest < (uint64_t)MANY * RECORD / 2 * 5);
}

/* Closed right after a compaction, so that no commit follows the base. */
static void test_reopen_at_base(void **state)
{
    struct store *store = *state;
    struct store_put put = numbered(1, 0, 3000);

    store_close(store);
    store->options.compact_min = 64 * 1024;
    assert_int_equal(store_open(store), LOG_DONE);
    for (put.version = 1; put.version < 23; put.version++)
        assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    store_await_event(store, LOG_EVENT_COMPACTED, 1);
    store_close(store);
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store->events[LOG_EVENT_VIEW_REBUILT], 0);
    assert_int_equal(store_version(store, &put.key), 22);
    store_await_event(store, LOG_EVENT_VERIFIED, 1);
    put.version = 23;
    assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
}

/* The loop is busy with what an append was for while a compaction comes to its end. */
static void on_put_slowly(void *userdata, enum log_outcome outcome, uint64_t revision)
{
    struct store *store = userdata;

    (void)revision;
    assert_int_equal(outcome, LOG_DONE);
    for (int i = 0; i < 100 && faccessat(store->folder_fd, "journal.new", F_OK, 0) == 0; i++)
        usleep(1000);
    usleep(2000);
    store->answered = true;
}

/* What is judged after it is the new file, not the old one: that is not compacted at once again. */
static void test_compacted_once(void **state)
{
    struct store *store = *state;
    struct store_put put = numbered(1, 0, 3000);
    uint8_t record[3000];
    const struct log_change change = { put.key, record, sizeof(record) };
    const struct log_append append = { .changes = &change, .changes_count = 1 };

    store_close(store);
    store->options.compact_min = 64 * 1024;
    assert_int_equal(store_open(store), LOG_DONE);
    for (put.version = 1; put.version < 35; put.version++) {
        store_record(record, sizeof(record), RECORD_LIVE, put.version);
        store->answered = false;
        assert_int_equal(log_append(store->log, &append, on_put_slowly, store), LOG_DONE);
        store_run_until(store, &store->answered);
    }
    store_await_event(store, LOG_EVENT_COMPACTED, 1);
    assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    assert_int_equal(store->events[LOG_EVENT_COMPACTED], 1);
    store_close(store);
    assert_int_equal(store->events[LOG_EVENT_COMPACTED], 1);
}

/* Damage in the base is damage, anchor or not. */
static void test_base_bit_flips(void **state)
{
    struct store *store = *state;
    struct store_put put = numbered(1, 0, 3000), other = numbered(2, 1, 3000);
    CLEANUP_FREE uint8_t *bytes = NULL;
    struct frame base;
    size_t size, end;

    store_close(store);
    store->options.anchor_path = NULL;
    store->options.compact_min = 64 * 1024;
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store_put(store, &other, NULL), LOG_DONE); /* stays in the base */
    for (put.version = 1; put.version < 23; put.version++)
        assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    store_await_event(store, LOG_EVENT_COMPACTED, 1);
    store_close(store);
    unlinkat(store->folder_fd, "view", 0);
    bytes = store_read_file(store, "journal", &size);
    assert_int_equal(frame_header_parse(bytes + JOURNAL_HEADER_SIZE, &base), 0);
    assert_int_equal(base.type, FRAME_BASE);
    end = JOURNAL_HEADER_SIZE + 2 * FRAME_OVERHEAD + base.body_size;
    for (size_t i = JOURNAL_HEADER_SIZE; i < end; i += i < JOURNAL_HEADER_SIZE + 100 ? 1 : 61) {
        bytes[i] ^= 1;
        store_write_file(store, "journal", bytes, size);
        assert_int_equal(store_open(store), LOG_DAMAGED);
        bytes[i] ^= 1;
    }
    store_write_file(store, "journal", bytes, size);
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store_version(store, &put.key), 22);
}

static void test_compaction_cannot_rename(void **state)
{
    struct store *store = *state;
    uint64_t versions[KEYS] = { 0 };

    store_close(store);
    store->options.compact_min = 128 * 1024;
    assert_int_equal(store_open(store), LOG_DONE);
    fault.rename_fails = true;
    for (unsigned i = 0; i < 40; i++) {
        struct counter counter = { .expected = 16 };

        for (unsigned k = 0; k < 16; k++) {
            struct store_put put = numbered(k, ++versions[k], 900);

            assert_int_equal(queue(store, &put, &counter), LOG_DONE);
        }
        store_run_until(store, &counter.all);
        assert_int_equal(counter.of[LOG_DONE], 16);
    }
    assert_int_equal(store->events[LOG_EVENT_COMPACTED], 0);
    store_await_event(store, LOG_EVENT_COMPACTION_FAILED, 1);
    assert_string_equal(store->event_texts[LOG_EVENT_COMPACTION_FAILED], "journal: Input/output error");
    fault.rename_fails = false;
    while (!store->events[LOG_EVENT_COMPACTED]) {
        struct store_put put = numbered(0, ++versions[0], 900);

        assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    }
    store_close(store);
    assert_int_equal(store_open(store), LOG_DONE);
    for (unsigned k = 0; k < 16; k++) {
        struct store_put put = numbered(k, 0, 0);

        assert_int_equal(store_version(store, &put.key), versions[k]);
    }
}

/* Renamed, but not known to last: nothing more may be built on it before a restart. */
static void test_compaction_cannot_sync_folder(void **state)
{
    struct store *store = *state;
    struct store_put put = numbered(1, 0, 3000);
    int outcome = LOG_DONE;

    store_close(store);
    store->options.compact_min = 64 * 1024;
    assert_int_equal(store_open(store), LOG_DONE);
    fault.folder_sync_fails = true;
    while (outcome == LOG_DONE) {
        put.version++;
        assert_true(put.version < 1000);
        outcome = store_put(store, &put, NULL);
    }
    assert_int_equal(outcome, LOG_READ_ONLY);
    assert_int_equal(store->events[LOG_EVENT_READ_ONLY], 1);
    fault.folder_sync_fails = false;
    store_close(store);
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store_version(store, &put.key), put.version - 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_sync_fails),                   TEST(test_no_space),
        TEST(test_no_space_at_all),              TEST(test_no_space_with_queue),
        TEST(test_anchor_fails),                 TEST(test_compaction),
        TEST(test_reopen_at_base),               TEST(test_base_bit_flips),
        TEST(test_compacted_once),
        TEST(test_anchor_in_time),               TEST(test_stopped_while_opening),
        TEST(test_closed_amidst_compaction),     TEST(test_size_under_load),
        TEST(test_compaction_cannot_rename),     TEST(test_compaction_cannot_sync_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

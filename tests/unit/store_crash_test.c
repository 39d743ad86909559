/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A process with the log open is killed by SIGKILL, at random moments under load and at each file
 * operation of a compaction. Whatever it acknowledged must be there afterwards. */
#include "tests/unit/store_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { KEYS = 40, IN_FLIGHT = 8, KILLS = 200, STEPS_MAX = 160 };

/* What the child was told is durable; shared with the parent. */
struct promise {
    atomic_uint_fast64_t versions[KEYS];
    atomic_uint_fast64_t asked[KEYS]; /* given to log_append() */
    atomic_uint compactions;
    atomic_int countdown; /* the file operation that is the last one; < 0 = none */
};
static struct promise *promise;
static bool counting; /* in the child */

/* ---- the knife ------------------------------------------------------------------------------ */

static void step(void)
{
    if (counting && atomic_load(&promise->countdown) >= 0 &&
        atomic_fetch_sub(&promise->countdown, 1) == 0)
        kill(getpid(), SIGKILL);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    int r;

    step();
    r = __real_fdatasync(fd);
    step();
    return r;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    step();
    return __real_fsync(fd);
}

int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    int r;

    step();
    r = __real_renameat(from_fd, from, to_fd, to);
    step();
    return r;
}

ssize_t __real_pwrite(int fd, const void *bytes, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    step();
    if (counting && atomic_load(&promise->countdown) == 0 && size > 1) {
        /* half of it */
        ssize_t half = __real_pwrite(fd, bytes, size / 2, offset);

        (void)half;
        step();
    }
    return __real_pwrite(fd, bytes, size, offset);
}

/* ---- the child ------------------------------------------------------------------------------ */

struct writer_state {
    struct store *store;
    unsigned key;
    uint64_t version;
};

static struct record_key numbered(unsigned number)
{
    char name[16];

    snprintf(name, sizeof(name), "uuser%u", number);
    return store_key(RECORD_MAPPING, 1, name);
}

static void on_done(void *userdata, enum log_outcome outcome, uint64_t revision);

static void append_next(struct writer_state *writer)
{
    static uint8_t record[3600];
    struct log_change change = { numbered(writer->key), record, 500 + (size_t)random() % 3000 };
    const struct log_append append = { .changes = &change, .changes_count = 1 };
    bool tombstone = writer->version % 5 == 4;

    store_record(record, change.size, tombstone ? RECORD_TOMBSTONE : RECORD_LIVE, writer->version + 1);
    atomic_store(&promise->asked[writer->key], writer->version + 1);
    if (log_append(writer->store->log, &append, on_done, writer) != LOG_DONE)
        _exit(3);
}

static void on_done(void *userdata, enum log_outcome outcome, uint64_t revision)
{
    struct writer_state *writer = userdata;

    (void)revision;
    if (outcome != LOG_DONE)
        _exit(4);
    atomic_store(&promise->versions[writer->key], ++writer->version);
    writer->key = (writer->key + IN_FLIGHT) % KEYS;
    writer->version = atomic_load(&promise->versions[writer->key]);
    append_next(writer);
}

static void on_event(void *userdata, enum log_event event, const char *text)
{
    (void)userdata;
    if (event == LOG_EVENT_COMPACTED)
        atomic_fetch_add(&promise->compactions, 1);
    if (event == LOG_EVENT_DAMAGED || event == LOG_EVENT_VIEW_DAMAGED ||
        event == LOG_EVENT_READ_ONLY) {
        fprintf(stderr, "event %u: %s\n", (unsigned)event, text);
        _exit(5);
    }
}

/* Versions start from what the log holds; asked for may be one more than acknowledged. */
static void child_main(struct store *store)
{
    static struct writer_state writers[IN_FLIGHT];

    assert_int_equal(uv_loop_init(&store->loop), 0);
    store->options.events.event = on_event;
    if (store_open(store) != LOG_DONE)
        _exit(2);
    for (unsigned i = 0; i < KEYS; i++) {
        struct record_key key = numbered(i);

        atomic_store(&promise->versions[i], store_version(store, &key));
    }
    counting = true;
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        writers[i] = (struct writer_state){ store, i, atomic_load(&promise->versions[i]) };
        append_next(&writers[i]);
    }
    uv_run(&store->loop, UV_RUN_DEFAULT);
    _exit(6);
}

static int run_child(struct store *store, unsigned microseconds)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(300); /* a hang is not what ends it */
        child_main(store);
    }
    if (microseconds) { /* else it goes on until the countdown kills it */
        usleep(microseconds);
        kill(pid, SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void assert_killed(int status)
{
    if (WIFEXITED(status))
        print_error("the child ended with status %d\n", WEXITSTATUS(status));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* Everything promised is there, and nothing that was never asked for. */
static void check_promise(struct store *store)
{
    struct stat status;
    bool due;

    assert_int_equal(store_open(store), LOG_DONE);
    /* Short lives leave a long journal; one that is far too long is compacted now. */
    assert_int_equal(fstatat(store->folder_fd, "journal", &status, 0), 0);
    due = status.st_size > 1024 * 1024;
    for (unsigned i = 0; i < KEYS; i++) {
        struct record_key key = numbered(i);
        uint64_t version = store_version(store, &key);
        uint64_t promised = atomic_load(&promise->versions[i]);

        /* A tombstone may have been dropped by compaction: then the versions begin anew. */
        if (version == 0 && promised % 5 == 0)
            continue;
        assert_true(version >= promised);
        assert_true(version <= atomic_load(&promise->asked[i]));
    }
    for (unsigned i = 0; i < KEYS; i++) {
        struct record_key key = numbered(i);

        atomic_store(&promise->versions[i], store_version(store, &key));
        atomic_store(&promise->asked[i], atomic_load(&promise->versions[i]));
    }
    if (due)
        store_await_event(store, LOG_EVENT_COMPACTED, 1);
    store_close(store);
}

static int setup(void **state)
{
    static struct store store;

    store_setup(&store);
    promise = mmap(NULL, sizeof(*promise), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(promise != MAP_FAILED);
    atomic_store(&promise->countdown, -1);
    store.options.compact_min = 64 * 1024;
    *state = &store;
    return 0;
}

static int teardown(void **state)
{
    store_teardown(*state);
    munmap(promise, sizeof(*promise));
    return 0;
}

static void test_random_kills(void **state)
{
    struct store *store = *state;

    srandom(7);
    /* Where none lives long enough to compact, on a busy machine, some more live longer: up to a minute. */
    for (unsigned i = 0; i < KILLS || (i < KILLS + 12 && !atomic_load(&promise->compactions)); i++) {
        unsigned longer = i < KILLS ? 0 : i - KILLS + 1;

        assert_killed(run_child(store, (2000 + (unsigned)random() % 20000) << longer));
        check_promise(store);
    }
    assert_true(atomic_load(&promise->compactions) > 0);
}

/* From the first file operation on, one further each time; compactions come every few dozen. */
static void test_kill_at_each_step(void **state)
{
    struct store *store = *state;

    for (int i = 0; i < STEPS_MAX || (i < 4 * STEPS_MAX && !atomic_load(&promise->compactions)); i++) {
        atomic_store(&promise->countdown, i);
        assert_killed(run_child(store, 0));
        atomic_store(&promise->countdown, -1);
        check_promise(store);
    }
    assert_true(atomic_load(&promise->compactions) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_kills, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kill_at_each_step, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* One life of a log, with everything that it ever does to the disk: made, appended to, compacted,
 * anchored, closed, opened with its view, opened without; and another one, compacted when told, exported
 * and imported elsewhere. At each step of it the process is killed, or
 * the step fails in each way it can. What was acknowledged is there afterwards, what was refused is
 * not, and nobody has to repair anything. */
#include "tests/unit/steps.h"
#include "tests/unit/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEYS = 3, RECORD_BYTES = 20000, TRIES = 4, STEPS_MAX = 5000 };

/* In memory shared by the life and the test. */
struct shared {
    struct steps steps;
    atomic_int promised[KEYS]; /* versions acknowledged */
    atomic_int asked[KEYS];    /* versions that may be there */
    atomic_int troubles;       /* that the life was told of */
    bool ends;                 /* at the first append that is refused */
};
static struct shared *shared;

static struct record_key numbered(unsigned number)
{
    char name[16];

    snprintf(name, sizeof(name), "uuser%u", number);
    return store_key(RECORD_MAPPING, 1, name);
}

static void steps_clear(void)
{
    atomic_store(&shared->steps.countdown, -1);
}

/* ---- the life ------------------------------------------------------------------------------- */

#define LIFE_MUST(condition)                                                                       \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: not %s (%s)\n", __LINE__, #condition, shared->steps.name);   \
            _exit(3);                                                                              \
        }                                                                                          \
    } while (0)

/* A failure that was brought about; the next try meets none. */
static void trouble(void)
{
    LIFE_MUST(atomic_load(&shared->steps.hits) > 0);
    steps_clear();
    atomic_fetch_add(&shared->troubles, 1);
}

static void life_open(struct store *store)
{
    for (int i = 0; i < TRIES; i++) {
        if (store_open_begin(store) < 0) {
            trouble();
            uv_run(&store->loop, UV_RUN_DEFAULT);
            continue;
        }
        store_run_until(store, &store->answered);
        if (store->opened == LOG_DONE)
            return;
        /* Not damaged, not rolled back: it only cannot be done now, and it says what. */
        LIFE_MUST(store->opened == LOG_FAILED && strlen(store->text) > 10);
        trouble();
    }
    LIFE_MUST(!"opened at last");
}

static int life_version(struct store *store, unsigned number)
{
    struct record_key key = numbered(number);
    struct record_header header;
    struct log_record record;
    int r = log_get(store->log, &key, &record);

    if (r <= 0)
        return r;
    LIFE_MUST(record_header_parse(record.record, record.size, &header) == 0);
    return (int)header.version;
}

static bool needs_opening(const struct store *store)
{
    return store->events[LOG_EVENT_READ_ONLY] || store->events[LOG_EVENT_VIEW_DAMAGED];
}

static void life_check(struct store *store)
{
    for (unsigned i = 0; i < KEYS; i++) {
        int version = life_version(store, i);

        if (version < 0 || store->events[LOG_EVENT_VIEW_DAMAGED]) {
            trouble();
            store_close(store);
            life_open(store);
            version = life_version(store, i);
        }
        LIFE_MUST(version >= atomic_load(&shared->promised[i]));
        LIFE_MUST(version <= atomic_load(&shared->asked[i]));
        atomic_store(&shared->promised[i], version);
        atomic_store(&shared->asked[i], version);
    }
}

struct answer {
    bool came;
    enum log_outcome outcome;
};

static void on_put(void *userdata, enum log_outcome outcome, uint64_t revision)
{
    (void)revision;
    *(struct answer *)userdata = (struct answer){ true, outcome };
}

static int append(struct store *store, unsigned number, int version)
{
    static uint8_t record[RECORD_BYTES];
    const struct log_change change = { numbered(number), record, sizeof(record) };
    const struct log_append append = { .changes = &change, .changes_count = 1 };
    struct answer answer = { 0 };
    int r;

    store_record(record, sizeof(record), RECORD_LIVE, (uint64_t)version);
    r = log_append(store->log, &append, on_put, &answer);
    if (r != LOG_DONE)
        return r;
    store_run_until(store, &answer.came);
    return (int)answer.outcome;
}

static void life_put(struct store *store, unsigned number)
{
    int version = atomic_load(&shared->promised[number]) + 1;

    for (int i = 0; i < TRIES; i++) {
        int outcome;

        atomic_store(&shared->asked[number], version);
        outcome = append(store, number, version);
        if (outcome == LOG_DONE) {
            atomic_store(&shared->promised[number], version);
            return;
        }
        trouble();
        LIFE_MUST(outcome < 0 || outcome == LOG_FAILED || outcome == LOG_UNKNOWN ||
                  outcome == LOG_READ_ONLY);
        /* "It may be there" comes with "nothing more is written", and is the only such answer. */
        LIFE_MUST(outcome != LOG_UNKNOWN || store->events[LOG_EVENT_READ_ONLY]);
        if (outcome != LOG_UNKNOWN)
            atomic_store(&shared->asked[number], version - 1);
        if (shared->ends)
            kill(getpid(), SIGKILL);
        if (needs_opening(store)) {
            store_close(store);
            life_open(store);
        }
        life_check(store);
        if (atomic_load(&shared->promised[number]) == version)
            return;
    }
    LIFE_MUST(!"stored at last");
}

static void life_compact(struct store *store)
{
    for (unsigned i = 0; !store->events[LOG_EVENT_COMPACTED]; i++) {
        LIFE_MUST(i < 800);
        life_put(store, i % KEYS);
        if (store->events[LOG_EVENT_COMPACTION_FAILED]) {
            store->events[LOG_EVENT_COMPACTION_FAILED] = 0;
            trouble();
        }
        /* Any room is taken for compacting, so that the steps come in the same order; and much, where what
         * comes before it, at the lowest priority, finds the machine busy. */
        for (int turn = 0; turn < 20 && i > KEYS; turn++) {
            uv_run(&store->loop, UV_RUN_NOWAIT);
            usleep(i < 200 ? 300 : 10000);
        }
    }
}

static void life(struct store *store)
{
    LIFE_MUST(uv_loop_init(&store->loop) == 0);
    life_open(store);
    for (unsigned i = 0; i < KEYS; i++)
        life_put(store, i);
    life_compact(store);
    life_put(store, 0);
    life_check(store);
    store_close(store);
    life_open(store); /* with its view */
    life_put(store, 1);
    life_check(store);
    store_close(store);
    syscall(SYS_unlinkat, store->folder_fd, "view", 0);
    life_open(store); /* without */
    life_check(store);
    life_put(store, 2);
    life_check(store);
    store_close(store);
    _exit(0);
}

/* ---- the other life ------------------------------------------------------------------------- */

enum { IMPORTED = 4 }; /* it is promised there */

static void on_work(void *userdata, enum log_outcome outcome, uint64_t revision, const char *text)
{
    (void)revision;
    LIFE_MUST(outcome == LOG_DONE || strlen(text) > 10);
    *(struct answer *)userdata = (struct answer){ true, outcome };
}

static void life_work(struct store *store, int fd)
{
    for (int i = 0; i < TRIES; i++) {
        struct answer answer = { 0 };
        int r;

        if (fd >= 0)
            syscall(SYS_ftruncate, fd, 0); /* what could not be emptied is refused */
        r = fd < 0 ? log_compact(store->log, on_work, &answer)
                   : log_export(store->log, fd, on_work, &answer);
        if (r == 0)
            store_run_until(store, &answer.came);
        if (r == 0 && answer.outcome == LOG_DONE)
            return;
        LIFE_MUST(r < 0 || answer.outcome == LOG_FAILED || answer.outcome == LOG_DAMAGED);
        trouble();
        if (needs_opening(store)) {
            store_close(store);
            life_open(store);
        }
        life_check(store);
    }
    LIFE_MUST(!"done at last");
}

static int no_record(void *userdata, const struct log_walk_record *record)
{
    (void)userdata;
    return record->size == RECORD_BYTES ? 0 : -EIO;
}

/* A folder of its own, in the one of the store. */
static int import_folder(const struct store *store)
{
    (void)mkdirat(store->folder_fd, "import", 0700);
    return openat(store->folder_fd, "import", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void life_import(struct store *store, int fd)
{
    struct log_file_report report;
    int folder_fd;

    for (int i = 0; i < TRIES && (folder_fd = import_folder(store)) < 0; i++)
        trouble();
    for (int i = 0; i < TRIES; i++) {
        const struct log_import_options options = { .folder_fd = folder_fd, .fd = fd,
                                                    .realm = store->options.realm,
                                                    .hash = store->options.hash };
        enum log_outcome outcome = log_import(&options, &report);

        if (outcome != LOG_DONE)
            trouble();
        LIFE_MUST(outcome == LOG_DONE || strlen(report.text) > 10);
        if (outcome == LOG_DONE || outcome == LOG_UNKNOWN) {
            LIFE_MUST(report.records == KEYS);
            atomic_fetch_add(&shared->troubles, IMPORTED << 8);
            return;
        }
        LIFE_MUST(outcome == LOG_FAILED || outcome == LOG_DAMAGED);
    }
    LIFE_MUST(!"imported at last");
}

static void other_life(struct store *store)
{
    int fd;

    LIFE_MUST(uv_loop_init(&store->loop) == 0);
    life_open(store);
    for (unsigned i = 0; i < 2 * KEYS; i++)
        life_put(store, i % KEYS);
    life_work(store, -1);
    life_put(store, 0);
    for (int i = 0; i < TRIES; i++) {
        fd = openat(store->folder_fd, "export", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd >= 0)
            break;
        trouble();
    }
    life_work(store, fd);
    life_import(store, fd);
    life_check(store);
    store_close(store);
    _exit(0);
}

/* What it left is nothing, or all of it. */
static void check_import(struct store *store, bool promised)
{
    int folder_fd = openat(store->folder_fd, "import", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = folder_fd < 0 ? -1 : openat(folder_fd, "journal", O_RDONLY | O_CLOEXEC);
    const struct log_check_options options = { .fd = fd, .realm = store->options.realm,
                                               .hash = store->options.hash, .each = no_record };
    struct log_file_report report;

    assert_true(fd >= 0 || !promised);
    if (fd >= 0) {
        assert_int_equal(log_check(&options, &report), LOG_DONE);
        assert_int_equal(report.records, KEYS);
        close(fd);
    }
    if (folder_fd < 0)
        return;
    unlinkat(folder_fd, "journal", 0);
    unlinkat(folder_fd, "journal.new", 0);
    close(folder_fd);
    unlinkat(store->folder_fd, "import", AT_REMOVEDIR);
}

/* ---- around it ------------------------------------------------------------------------------ */

struct fault {
    const char *name;
    enum step_action action;
    int kinds;
    int error;
    bool sticky;
    bool unnoticed; /* by whoever appends */
};

static void (*lived)(struct store *store) = life;

/* True when the step was reached. */
static bool live_once(const struct fault *fault, int number)
{
    struct store store;
    int status;
    pid_t pid;

    store_setup(&store);
    store.options.compact_min = 64 * 1024;
    memset(shared, 0, sizeof(*shared));
    shared->steps = (struct steps){ .countdown = number, .kinds = fault->kinds,
                                    .action = (int)fault->action, .error = fault->error,
                                    .sticky = fault->sticky };
    shared->ends = number % 2;
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        alarm(600);
        steps = &shared->steps;
        lived(&store);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGKILL : WEXITSTATUS(status) != 0)
        fail_msg("%s at step %d (%s): the process ended with %#x", fault->name, number,
                 shared->steps.name, (unsigned)status);
    check_import(&store, atomic_load(&shared->troubles) >> 8);
    unlinkat(store.folder_fd, "export", 0);
    if (fault->unnoticed && (atomic_load(&shared->troubles) & 0xff))
        fail_msg("%s at step %d (%s): was not overcome", fault->name, number, shared->steps.name);
    if (store_open(&store) != LOG_DONE)
        fail_msg("%s at step %d (%s): %s", fault->name, number, shared->steps.name, store.text);
    for (unsigned i = 0; i < KEYS; i++) {
        struct record_key key = numbered(i);
        struct store_put put = { .key = key, .version = store_version(&store, &key) };

        assert_in_range(put.version, atomic_load(&shared->promised[i]),
                        atomic_load(&shared->asked[i]));
        put.version++;
        assert_int_equal(store_put(&store, &put, NULL), LOG_DONE);
    }
    store_teardown(&store);
    return atomic_load(&shared->steps.hits) > 0;
}

static void sweep(const struct fault *fault)
{
    int number = 0;

    while (live_once(fault, number))
        assert_true(++number < STEPS_MAX);
    print_message("%s: %d steps\n", fault->name, number);
    assert_true(number > 3);
}

enum { OPEN = STEP_OPEN | STEP_CREATE,
       DISK = OPEN | STEP_WRITE | STEP_SIZE | STEP_SYNC | STEP_RENAME | STEP_UNLINK };

static void test_killed_at_each_step(void **state)
{
    static const struct fault before = { "killed before", STEP_KILL, DISK, 0, false, true };
    static const struct fault amidst = { "killed amidst", STEP_KILL_HALF, DISK, 0, false, true };

    (void)state;
    sweep(&before);
    sweep(&amidst);
}

static void test_fault_at_each_step(void **state)
{
    static const struct fault faults[] = {
        { "no space", STEP_FAIL, STEP_WRITE | STEP_SIZE, ENOSPC, true, false },
        { "no space for names", STEP_FAIL, OPEN | STEP_RENAME, ENOSPC, true, false },
        { "EIO", STEP_FAIL, STEP_WRITE | STEP_SIZE | STEP_RENAME | STEP_UNLINK, EIO, false, false },
        { "a sync fails", STEP_FAIL, STEP_SYNC, EIO, false, false },
        { "EIO of a read", STEP_FAIL, STEP_READ, EIO, false, false },
        { "no descriptors", STEP_FAIL, OPEN, EMFILE, true, false },
        { "a folder only to read", STEP_FAIL, OPEN | STEP_RENAME | STEP_UNLINK, EROFS, true,
          false },
        { "interrupted", STEP_FAIL, STEP_WRITE | STEP_READ, EINTR, false, true },
        { "short transfer", STEP_SHORT, STEP_WRITE | STEP_READ, 0, false, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sweep(&faults[i]);
}

static void test_no_memory_at_each_step(void **state)
{
    static const struct fault fault = { "no memory", STEP_FAIL, STEP_MEMORY, ENOMEM, false, false };

    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)fault;
    skip();
#else
    sweep(&fault);
#endif
}

/* The other life: compacted when told, exported, imported. */
static void test_work_killed_or_failed_at_each_step(void **state)
{
    static const struct fault faults[] = {
        { "work: killed before", STEP_KILL, DISK, 0, false, true },
        { "work: killed amidst", STEP_KILL_HALF, DISK, 0, false, true },
        { "work: no space", STEP_FAIL, STEP_WRITE | STEP_SIZE, ENOSPC, true, false },
        { "work: EIO", STEP_FAIL, STEP_WRITE | STEP_SIZE | STEP_RENAME | STEP_UNLINK, EIO, false, false },
        { "work: a sync fails", STEP_FAIL, STEP_SYNC, EIO, false, false },
        { "work: EIO of a read", STEP_FAIL, STEP_READ, EIO, false, false },
        { "work: no descriptors", STEP_FAIL, OPEN, EMFILE, true, false },
        { "work: short transfer", STEP_SHORT, STEP_WRITE | STEP_READ, 0, false, true },
    };

    (void)state;
    lived = other_life;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sweep(&faults[i]);
    lived = life;
}

static int group_setup(void **state)
{
    (void)state;
    /* The steps are the same there, and a sync costs nothing. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_at_each_step),
        cmocka_unit_test(test_fault_at_each_step),
        cmocka_unit_test(test_no_memory_at_each_step),
        cmocka_unit_test(test_work_killed_or_failed_at_each_step),
    };

    return cmocka_run_group_tests(tests, group_setup, NULL);
}

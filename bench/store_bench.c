/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The store against its floors, in one run: appends against fdatasync of a pre-written file, the
 * rebuild of a view against a bulk load of as many GDBM entries, start after a clean stop, memory, and
 * what a rotation does without its cryptography.
 * Usage: store_bench [MAPPINGS [FOLDER]]; 1000000 and the current folder if left out. */
#include "dbus-service/store/journal.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <gdbm.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { RECORD_BYTES = 300, APPENDS = 4000, SYNCS = 2000, PAGE = 4096 };

static const uint8_t hash_key[32] = "a key of the benchmark";

static void hash(void *userdata, const struct iovec *parts, size_t count, uint8_t ret_hash[32])
{
    crypto_generichash_state state;

    (void)userdata;
    crypto_generichash_init(&state, hash_key, sizeof(hash_key), 32);
    for (size_t i = 0; i < count; i++)
        crypto_generichash_update(&state, parts[i].iov_base, parts[i].iov_len);
    crypto_generichash_final(&state, ret_hash, 32);
}

static void fill_random(void *userdata, uint8_t *ret_bytes, size_t length)
{
    (void)userdata;
    randombytes_buf(ret_bytes, length);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Of the calling thread alone: what it needs whoever else wants the processor. */
static double now_processor(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct bench {
    uv_loop_t loop;
    struct journal_options options;
    struct log *log;
    bool opened, closed;
    unsigned long appended, target;
    unsigned long next;
    double ready;
} bench;

static void on_open(void *userdata, enum log_outcome outcome, struct log *log, const char *text)
{
    (void)userdata;
    if (outcome != LOG_DONE)
        errx(1, "open: %s", text);
    bench.log = log;
    bench.opened = true;
    bench.ready = now();
}

static double open_log(void)
{
    double begin = now();

    bench.opened = false;
    if (journal_open(&bench.options, on_open, NULL) < 0)
        errx(1, "journal_open");
    while (!bench.opened)
        uv_run(&bench.loop, UV_RUN_ONCE);
    return bench.ready - begin;
}

static void on_close(void *userdata)
{
    (void)userdata;
    bench.closed = true;
}

static void close_log(void)
{
    bench.closed = false;
    log_close(bench.log, on_close, NULL);
    while (!bench.closed)
        uv_run(&bench.loop, UV_RUN_ONCE);
}

static void fill_change(struct log_change *change, uint8_t *record, unsigned long number)
{
    const struct record_header header = { RECORD_FORMAT, RECORD_LIVE, 1, 1 };

    change->key = (struct record_key){ .class = RECORD_MAPPING };
    memset(change->key.scope, (int)(number % 16), sizeof(change->key.scope));
    change->key.name_length =
        (uint16_t)snprintf((char *)change->key.name, sizeof(change->key.name), "uuser%lu", number);
    record_header_format(&header, record);
    change->record = record;
    change->size = RECORD_BYTES;
}

static void append_next(size_t changes);

static void on_single(void *userdata, enum log_outcome outcome, uint64_t revision)
{
    (void)userdata;
    (void)revision;
    if (outcome != LOG_DONE)
        errx(1, "append: outcome %u", outcome);
    bench.appended++;
    if (bench.next < bench.target)
        append_next(1);
}

static void on_hundred(void *userdata, enum log_outcome outcome, uint64_t revision)
{
    (void)userdata;
    (void)revision;
    if (outcome != LOG_DONE)
        errx(1, "append: outcome %u", outcome);
    bench.appended += LOG_CHANGES_MAX;
    if (bench.next < bench.target)
        append_next(LOG_CHANGES_MAX);
}

static void append_next(size_t changes)
{
    static uint8_t records[LOG_CHANGES_MAX][RECORD_BYTES];
    static struct log_change list[LOG_CHANGES_MAX];
    const struct log_append append = { .changes = list, .changes_count = changes };

    for (size_t i = 0; i < changes; i++)
        fill_change(&list[i], records[i], bench.next++);
    if (log_append(bench.log, &append, changes == 1 ? on_single : on_hundred, NULL) != LOG_DONE)
        errx(1, "log_append");
}

/* Appends until `count` more mappings are there; returns the seconds. */
static double run_appends(unsigned long count, size_t in_flight, size_t changes)
{
    double begin = now();

    bench.appended = 0;
    bench.target = bench.next + count;
    for (size_t i = 0; i < in_flight; i++)
        append_next(changes);
    while (bench.appended < count)
        uv_run(&bench.loop, UV_RUN_ONCE);
    return now() - begin;
}

static double time_syncs(int folder_fd)
{
    static uint8_t bytes[512 + RECORD_BYTES];
    int fd = openat(folder_fd, "floor", O_RDWR | O_CREAT | O_TRUNC, 0600);
    double begin;

    if (fd < 0)
        err(1, "floor");
    for (size_t i = 0; i < SYNCS * sizeof(bytes); i += sizeof(bytes))
        if (pwrite(fd, bytes, sizeof(bytes), (off_t)i) < 0)
            err(1, "floor");
    fsync(fd);
    memset(bytes, 1, sizeof(bytes));
    begin = now();
    for (size_t i = 0; i < SYNCS * sizeof(bytes); i += sizeof(bytes))
        if (pwrite(fd, bytes, sizeof(bytes), (off_t)i) < 0 || fdatasync(fd))
            err(1, "floor");
    begin = now() - begin;
    close(fd);
    unlinkat(folder_fd, "floor", 0);
    return begin;
}

static double time_bulk_load(const char *folder, unsigned long count)
{
    static uint8_t record[RECORD_BYTES];
    size_t cache = 16384;
    struct log_change change;
    uint8_t key[RECORD_KEY_MAX];
    char path[512];
    double begin = now();
    GDBM_FILE db;

    snprintf(path, sizeof(path), "%s/floor.gdbm", folder);
    db = gdbm_open(path, 4096, GDBM_NEWDB | GDBM_NOMMAP | GDBM_NOLOCK, 0600, NULL);
    if (!db)
        errx(1, "gdbm_open");
    gdbm_setopt(db, GDBM_SETCACHESIZE, &cache, sizeof(cache));
    for (unsigned long i = 0; i < count; i++) {
        fill_change(&change, record, i);
        datum name = { (char *)key, (int)record_key_format(&change.key, key) };
        datum value = { (char *)record, RECORD_BYTES };

        if (gdbm_store(db, name, value, GDBM_REPLACE))
            errx(1, "gdbm_store");
    }
    gdbm_close(db);
    begin = now() - begin;
    unlink(path);
    return begin;
}

static unsigned long private_memory(void)
{
    char line[128];
    unsigned long kib = 0;
    FILE *file = fopen("/proc/self/status", "re");

    while (file && fgets(line, sizeof(line), file))
        (void)sscanf(line, "RssAnon: %lu kB", &kib);
    if (file)
        fclose(file);
    return kib;
}

static void row(const char *what, double floor, double ours, const char *unit, double target)
{
    printf("%-34s %10.1f %10.1f %-6s %6.2f  (target %.2f)\n", what, floor, ours, unit, ours / floor,
           target);
}

static void bench_appends(int folder_fd)
{
    double sync = time_syncs(folder_fd) / SYNCS * 1e6;
    double one = run_appends(APPENDS, 1, 1) / APPENDS * 1e6;
    double many = run_appends(APPENDS * 10, 64, 1) / (APPENDS * 10) * 1e6;

    sync = (sync + time_syncs(folder_fd) / SYNCS * 1e6) / 2;
    row("append, 1 in flight / fdatasync", sync, one, "us", 1.4);
    printf("%-34s %10.0f /s\n", "append, 64 in flight", 1e6 / many);
}

static void bench_start(const char *folder, int folder_fd, unsigned long count)
{
    double load = run_appends(count, 4, LOG_CHANGES_MAX);
    double clean, rebuild, bulk;

    printf("%-34s %10.0f /s\n", "load, 100 changes an append", (double)count / load);
    close_log();
    clean = open_log() * 1e3;
    printf("%-34s %10.1f ms            (target 20)\n", "start after a clean stop", clean);
    uv_sleep(100);
    printf("%-34s %10lu KiB           (target 16384)\n", "private memory", private_memory());
    close_log();
    unlinkat(folder_fd, "view", 0);
    bulk = time_bulk_load(folder, bench.next);
    rebuild = open_log();
    row("rebuild / bulk load of GDBM", bulk, rebuild, "s", 1.5);
    printf("%-34s %10lu KiB\n", "private memory after a rebuild", private_memory());
    close_log();
}

/* ---- what a rotation does, without its cryptography ----------------------------------------- */

/* One append on its way: made on the walk's thread, handed in on the loop. */
struct step {
    uint8_t records[LOG_CHANGES_MAX][RECORD_BYTES];
    struct log_change changes[LOG_CHANGES_MAX];
    struct log_condition conditions[LOG_CHANGES_MAX];
    size_t count;
    enum { STEP_FREE, STEP_FULL, STEP_FLIGHT } state;
};

static struct rewrite {
    struct step steps[4];
    struct step *filling;
    pthread_mutex_t mutex;
    pthread_cond_t freed;
    uv_async_t async;
    bool walked;
    unsigned long rewritten, conflicts;
} rewrite = { .mutex = PTHREAD_MUTEX_INITIALIZER, .freed = PTHREAD_COND_INITIALIZER };

static void step_set(struct step *step, int state)
{
    pthread_mutex_lock(&rewrite.mutex);
    step->state = state;
    pthread_cond_signal(&rewrite.freed);
    pthread_mutex_unlock(&rewrite.mutex);
}

static void on_rewritten(void *userdata, enum log_outcome outcome, uint64_t revision)
{
    struct step *step = userdata;

    (void)revision;
    if (outcome != LOG_DONE)
        errx(1, "rewrite: outcome %u", outcome);
    rewrite.rewritten += step->count;
    step_set(step, STEP_FREE);
}

static void on_full(uv_async_t *async)
{
    (void)async;
    for (size_t i = 0; i < 4; i++) {
        struct step *step = &rewrite.steps[i];
        const struct log_append append = { .changes = step->changes, .changes_count = step->count,
                                           .conditions = step->conditions,
                                           .conditions_count = step->count,
                                           .leave_out_changed = true };
        bool full;

        pthread_mutex_lock(&rewrite.mutex);
        full = step->state == STEP_FULL;
        pthread_mutex_unlock(&rewrite.mutex);
        if (!full)
            continue;
        step_set(step, STEP_FLIGHT);
        if (log_append(bench.log, &append, on_rewritten, step) != LOG_DONE)
            errx(1, "rewrite: log_append");
    }
}

/* On the walk's thread. */
static struct step *step_to_fill(void)
{
    struct step *found = NULL;

    pthread_mutex_lock(&rewrite.mutex);
    while (!found) {
        for (size_t i = 0; i < 4 && !found; i++)
            if (rewrite.steps[i].state == STEP_FREE)
                found = &rewrite.steps[i];
        if (!found)
            pthread_cond_wait(&rewrite.freed, &rewrite.mutex);
    }
    pthread_mutex_unlock(&rewrite.mutex);
    found->count = 0;
    return found;
}

static void step_hand_in(void)
{
    step_set(rewrite.filling, STEP_FULL);
    rewrite.filling = NULL;
    uv_async_send(&rewrite.async);
}

static int on_record(void *userdata, const struct log_walk_record *record)
{
    struct record_header header;
    struct step *step;

    (void)userdata;
    if (!rewrite.filling)
        rewrite.filling = step_to_fill();
    step = rewrite.filling;
    if (record->size != RECORD_BYTES ||
        record_header_parse(record->record, record->size, &header) < 0)
        return -EINVAL;
    header.generation++;
    header.version++;
    memcpy(step->records[step->count], record->record, record->size);
    record_header_format(&header, step->records[step->count]);
    step->changes[step->count] =
        (struct log_change){ *record->key, step->records[step->count], record->size };
    step->conditions[step->count] = (struct log_condition){ *record->key, record->revision };
    if (++step->count == LOG_CHANGES_MAX)
        step_hand_in();
    return 0;
}

static void on_walked(void *userdata, enum log_outcome outcome, uint64_t revision, const char *text)
{
    (void)userdata;
    (void)revision;
    if (outcome != LOG_DONE && outcome != LOG_CONFLICT)
        errx(1, "walk: %s", text);
    rewrite.conflicts += outcome == LOG_CONFLICT;
    rewrite.walked = outcome == LOG_DONE;
    if (!rewrite.filling && rewrite.walked)
        return;
    if (rewrite.filling)
        step_hand_in();
}

static double time_walk(uint32_t keep, log_walk_each each)
{
    const struct log_walk_options options = { .keep_generation = keep, .in_view_order = keep != 0,
                                              .each = each,
                                              .done = on_walked };
    double begin = now();

    do {
        rewrite.walked = false;
        rewrite.conflicts = 0;
        if (log_walk(bench.log, &options) < 0)
            errx(1, "log_walk");
        while (!rewrite.walked && !rewrite.conflicts)
            uv_run(&bench.loop, UV_RUN_ONCE);
    } while (!rewrite.walked);
    return now() - begin;
}

static int on_counted(void *userdata, const struct log_walk_record *record)
{
    (void)userdata;
    (void)record;
    rewrite.rewritten++;
    return 0;
}

static void on_done(void *userdata, enum log_outcome outcome, uint64_t revision, const char *text)
{
    (void)revision;
    if (outcome != LOG_DONE)
        errx(1, "%s", text);
    *(bool *)userdata = true;
}

static double time_compaction(void)
{
    double begin = now();
    bool done = false;

    if (log_compact(bench.log, on_done, &done) < 0)
        errx(1, "log_compact");
    while (!done)
        uv_run(&bench.loop, UV_RUN_ONCE);
    return now() - begin;
}

static void rate(const char *what, unsigned long count, double seconds, double processor,
                 const char *target)
{
    printf("%-34s %10.0f /s %9.2f us of the loop each  %s\n", what, (double)count / seconds,
           processor / (double)count * 1e6, target);
}

static void bench_rewrite(void)
{
    uv_async_t *async = &rewrite.async;
    double seconds, begin;
    unsigned long count;

    open_log();
    uv_async_init(&bench.loop, async, on_full);
    (void)time_compaction(); /* and what was begun at the start */
    rewrite.rewritten = 0;
    begin = now_processor();
    seconds = time_walk(0, on_counted);
    count = rewrite.rewritten;
    rate("walk over every record", count, seconds, now_processor() - begin, "");
    rewrite.rewritten = 0;
    begin = now_processor();
    seconds = time_walk(2, on_record);
    while (rewrite.rewritten < count)
        uv_run(&bench.loop, UV_RUN_ONCE);
    rate("rewrite of every record", count, seconds, now_processor() - begin, "(target 200000)");
    begin = now_processor();
    seconds = time_compaction();
    rate("compaction", count, seconds, now_processor() - begin, "");
    uv_close((uv_handle_t *)async, NULL);
    close_log();
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    const char *base = argc > 2 ? argv[2] : ".";
    char folder[256];
    int folder_fd;

    snprintf(folder, sizeof(folder), "%s/store-bench-XXXXXX", base);
    if (sodium_init() < 0 || !mkdtemp(folder))
        err(1, "%s", folder);
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uv_loop_init(&bench.loop);
    bench.options = (struct journal_options){ .loop = &bench.loop, .folder_fd = folder_fd,
                                              .hash = { hash, fill_random, NULL } };
    printf("%-34s %10s %10s        ratio\n", "", "floor", "ours");
    open_log();
    bench_appends(folder_fd);
    bench_start(folder, folder_fd, count);
    bench_rewrite();
    unlinkat(folder_fd, "journal", 0);
    unlinkat(folder_fd, "view", 0);
    return rmdir(folder) ? 1 : 0;
}

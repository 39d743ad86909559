/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#define PATIENCE_NS UINT64_C(120000000000) /* what a machine that is busy with all else may need */

static const uint8_t key[32] = "a key that only the tests have";

void store_hash(void *userdata, const struct iovec *parts, size_t count, uint8_t ret_hash[32])
{
    crypto_generichash_state state;

    (void)userdata;
    crypto_generichash_init(&state, key, sizeof(key), 32);
    for (size_t i = 0; i < count; i++)
        crypto_generichash_update(&state, parts[i].iov_base, parts[i].iov_len);
    crypto_generichash_final(&state, ret_hash, 32);
}

static void store_random(void *userdata, uint8_t *ret_bytes, size_t length)
{
    (void)userdata;
    randombytes_buf(ret_bytes, length);
}

static void on_event(void *userdata, enum log_event event, const char *text)
{
    struct store *store = userdata;

    store->events[event]++;
    snprintf(store->event_text, sizeof(store->event_text), "%s", text);
    snprintf(store->event_texts[event], sizeof(store->event_texts[event]), "%s", text);
}

void store_setup(struct store *store)
{
    const char *base = getenv("TMPDIR");

    if (!base) /* in memory, where a sync costs nothing and the bytes are the same */
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    memset(store, 0, sizeof(*store));
    assert_true(sodium_init() >= 0);
    snprintf(store->folder, sizeof(store->folder), "%s/store-XXXXXX", base);
    assert_non_null(mkdtemp(store->folder));
    snprintf(store->state_path, sizeof(store->state_path), "%s/state", store->folder);
    snprintf(store->anchor_path, sizeof(store->anchor_path), "%s/anchor", store->folder);
    assert_int_equal(mkdir(store->state_path, 0700), 0);
    store->folder_fd = open(store->state_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(store->folder_fd >= 0);
    assert_int_equal(uv_loop_init(&store->loop), 0);
    assert_int_equal(uv_timer_init(&store->loop, &store->tick), 0);
    store->options = (struct journal_options){
        .loop = &store->loop,
        .folder_fd = store->folder_fd,
        .anchor_path = store->anchor_path,
        .realm = "realm of a test",
        .hash = { store_hash, store_random, NULL },
        .events = { on_event, NULL, store },
    };
}

void store_teardown(struct store *store)
{
    static const char *const names[] = { "journal", "journal.new", "view", "view.open" };
    uv_timer_t *tick = &store->tick;

    if (store->log)
        store_close(store);
    uv_close((uv_handle_t *)tick, NULL);
    uv_run(&store->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&store->loop), 0);
    for (size_t i = 0; i < 4; i++)
        unlinkat(store->folder_fd, names[i], 0);
    close(store->folder_fd);
    rmdir(store->state_path);
    unlink(store->anchor_path);
    assert_int_equal(rmdir(store->folder), 0);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

/* The timer is the store's: an assertion that fails here leaves it to the teardown. */
static void run_once(struct store *store, uint64_t end)
{
    assert_true(uv_hrtime() < end);
    uv_timer_start(&store->tick, on_tick, 50, 0);
    uv_run(&store->loop, UV_RUN_ONCE);
}

static void run_end(struct store *store)
{
    uv_timer_stop(&store->tick);
    uv_run(&store->loop, UV_RUN_NOWAIT);
}

void store_run_until(struct store *store, const bool *flag)
{
    uint64_t end = uv_hrtime() + PATIENCE_NS;

    while (!*flag)
        run_once(store, end);
    run_end(store);
}

void store_await_event(struct store *store, enum log_event event, unsigned count)
{
    uint64_t end = uv_hrtime() + PATIENCE_NS;

    while (store->events[event] < count)
        run_once(store, end);
    run_end(store);
}

static void on_open(void *userdata, enum log_outcome outcome, struct log *log, const char *text)
{
    struct store *store = userdata;

    store->answered = true;
    store->opened = outcome;
    store->log = log;
    snprintf(store->text, sizeof(store->text), "%s", text);
}

int store_open_begin(struct store *store)
{
    store->answered = false;
    memset(store->events, 0, sizeof(store->events));
    return journal_open(&store->options, on_open, store);
}

enum log_outcome store_open(struct store *store)
{
    assert_int_equal(store_open_begin(store), 0);
    store_run_until(store, &store->answered);
    return store->opened;
}

static void on_close(void *userdata)
{
    struct store *store = userdata;

    store->log = NULL;
    store->answered = true;
}

void store_close(struct store *store)
{
    store->answered = false;
    log_close(store->log, on_close, store);
    store_run_until(store, &store->answered);
}

struct record_key store_key(uint8_t class, uint8_t scope, const char *name)
{
    struct record_key result = { .class = class };

    memset(result.scope, scope, sizeof(result.scope));
    result.name_length = (uint16_t)strlen(name);
    memcpy(result.name, name, result.name_length);
    return result;
}

void store_record(uint8_t *ret_record, size_t size, uint8_t kind, uint64_t version)
{
    const struct record_header header = { RECORD_FORMAT, kind, 1, version };

    record_header_format(&header, ret_record);
    for (size_t i = RECORD_HEADER_SIZE; i < size; i++)
        ret_record[i] = (uint8_t)(version * 31 + i);
}

struct put_result {
    bool answered;
    enum log_outcome outcome;
    uint64_t revision;
};

static void on_put(void *userdata, enum log_outcome outcome, uint64_t revision)
{
    struct put_result *result = userdata;

    *result = (struct put_result){ true, outcome, revision };
}

int store_put(struct store *store, const struct store_put *put, uint64_t *ret_revision)
{
    size_t size = put->size ? put->size : 64;
    uint8_t *record = malloc(size);
    const struct log_change change = { put->key, record, size };
    const struct log_condition condition = { put->key, put->revision };
    const struct log_append append = {
        .changes = &change, .changes_count = 1,
        .conditions = &condition, .conditions_count = put->conditional,
    };
    struct put_result result = { 0 };
    int r;

    assert_non_null(record);
    store_record(record, size, put->kind, put->version);
    r = log_append(store->log, &append, on_put, &result);
    free(record);
    if (r != LOG_DONE)
        return r;
    assert_false(result.answered);
    store_run_until(store, &result.answered);
    if (ret_revision)
        *ret_revision = result.revision;
    return (int)result.outcome;
}

uint64_t store_version(struct store *store, const struct record_key *record_key)
{
    struct record_header header;
    struct log_record record;
    int r = log_get(store->log, record_key, &record);

    assert_true(r >= 0);
    if (r == 0)
        return 0;
    assert_int_equal(record_header_parse(record.record, record.size, &header), 0);
    return header.version;
}

uint8_t *store_read_file(struct store *store, const char *path, size_t *ret_size)
{
    int fd = openat(store->folder_fd, path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    uint8_t *bytes;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    bytes = malloc((size_t)status.st_size + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, (size_t)status.st_size), status.st_size);
    close(fd);
    *ret_size = (size_t)status.st_size;
    return bytes;
}

void store_write_file(struct store *store, const char *path, const uint8_t *bytes, size_t size)
{
    int fd = openat(store->folder_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The journal's file, opened the way the service does it: threads, view and all. Byte 0 says what
 * is made to fit beforehand, as by somebody who has the log key, since else nothing behind the
 * first keyed hash would be reached; byte 1 which anchor lies beside it. The rest is the file. */
#include "dbus-service/store/anchor.h"
#include "dbus-service/store/journal_frame.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/journal_fit.h"
#include "tests/unit/store_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Compaction is part of it; a much smaller file would be due for the next as soon as one ends. */
enum { COMPACT_MIN = 2048, FILE_MAX = 64 * 1024 };
enum beside { BESIDE_NOTHING, BESIDE_HEAD, BESIDE_NEWER, BESIDE_FORK, BESIDE_COUNT };

size_t fuzz_places = 60;

static struct store *store_get(void)
{
    static struct store store;

    if (!store.folder_fd) {
        setenv("CMOCKA_TEST_ABORT", "1", 1);
        if (access("/dev/shm", W_OK) == 0)
            setenv("TMPDIR", "/dev/shm", 1);
        store_setup(&store);
        store.options.compact_min = COMPACT_MIN;
    }
    return &store;
}

static void __attribute__((destructor)) clean(void)
{
    if (store_get()->folder_fd)
        store_teardown(store_get());
}

static void put_anchor(struct store *store, enum beside beside, const struct log_head *head)
{
    struct anchor anchor = { .realm = "realm of a test", .head = *head };

    unlink(store->anchor_path);
    if (beside == BESIDE_NOTHING)
        return;
    if (beside == BESIDE_NEWER)
        anchor.head.revision++;
    if (beside == BESIDE_FORK)
        anchor.head.chain[0] ^= 1;
    if (anchor_put(store->anchor_path, &store->options.hash, &anchor) < 0)
        abort();
}

/* What is refused says why, stays as it is, and is refused again. */
static void check_refused(struct store *store, const uint8_t *file, size_t size)
{
    enum log_outcome outcome = store->opened;
    CLEANUP_FREE uint8_t *after = NULL;
    size_t length;

    if (store->log || !*store->text)
        abort();
    after = store_read_file(store, "journal", &length);
    if (length != size || memcmp(after, file, size) != 0 || store_open(store) != outcome)
        abort();
}

/* What was taken goes on: one change more, and it is there after the next start. */
static void check_taken(struct store *store)
{
    static const uint8_t scope[RECORD_SCOPE_SIZE] = "\1";
    struct store_put put = { .key = store_key(RECORD_MAPPING, 9, "uzoe"), .version = 1u << 31 };
    struct log_head before, after;
    uint64_t revision;
    int r;

    log_head(store->log, &before);
    (void)log_count(store->log, RECORD_MAPPING, scope);
    r = store_put(store, &put, &revision);
    if (r == LOG_DONE && revision != before.revision + 1)
        abort();
    store_close(store);
    if (r != LOG_DONE) /* the file has a newer version of this record, or no revision is left */
        return;
    if (store_open(store) != LOG_DONE)
        abort();
    log_head(store->log, &after);
    if (after.revision != revision || store_version(store, &put.key) != put.version)
        abort();
    store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t file[FILE_MAX];
    struct store *store = store_get();
    struct log_head head;

    if (size < 2 || size - 2 > sizeof(file))
        return 0;
    size -= 2;
    memcpy(file, bytes + 2, size);
    head = journal_fit(file, size, bytes[0] % 8);
    unlinkat(store->folder_fd, "view", 0);
    unlinkat(store->folder_fd, "view.open", 0);
    store_write_file(store, "journal", file, size);
    put_anchor(store, bytes[1] % BESIDE_COUNT, &head);
    if (store_open(store) == LOG_DONE)
        check_taken(store);
    else
        check_refused(store, file, size);
    return 0;
}

/* Three commits, the first of them of two changes. */
size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    static const char *const names[] = { "ualice", "ubob", "ualice" };
    struct store *store = store_get();
    CLEANUP_FREE uint8_t *file = NULL;
    size_t size;

    if (store_open(store) != LOG_DONE)
        abort();
    for (uint64_t i = 0; i < 3; i++) {
        struct store_put put = { .key = store_key(RECORD_MAPPING, 1, names[i]), .version = 1 + i,
                                 .kind = i == 2 ? RECORD_TOMBSTONE : RECORD_LIVE };

        if (store_put(store, &put, NULL) != LOG_DONE)
            abort();
    }
    store_close(store);
    file = store_read_file(store, "journal", &size);
    while (size > 0 && file[size - 1] == 0)
        size--;
    if (size + 2 + 64 > room)
        abort();
    ret_bytes[0] = FIT_HASHES;
    ret_bytes[1] = BESIDE_NOTHING;
    memcpy(ret_bytes + 2, file, size);
    memset(ret_bytes + 2 + size, 0, 64);
    return size + 2 + 64;
}

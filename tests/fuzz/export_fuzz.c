/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* An export: checked without a log, imported into an empty folder, opened there. Byte 0 says what is made
 * to fit beforehand; the rest is the file. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/journal_fit.h"
#include "tests/unit/store_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FILE_MAX = 64 * 1024, NOTES = 1024 };

size_t fuzz_places = 100;

static struct store *store_get(void)
{
    static struct store store;

    if (!store.folder_fd) {
        setenv("CMOCKA_TEST_ABORT", "1", 1);
        if (access("/dev/shm", W_OK) == 0)
            setenv("TMPDIR", "/dev/shm", 1);
        store_setup(&store);
    }
    return &store;
}

static void __attribute__((destructor)) clean(void)
{
    if (store_get()->folder_fd)
        store_teardown(store_get());
}

static void empty_folder(struct store *store)
{
    static const char *const names[] = { "journal", "view", "view.open" };

    for (size_t i = 0; i < 3; i++)
        unlinkat(store->folder_fd, names[i], 0);
    unlink(store->anchor_path);
}

/* The record is all there, and within the limits. */
static int look_at(void *userdata, const struct log_walk_record *record)
{
    struct record_header header;

    if (record->size > RECORD_SIZE_MAX || record->key->name_length > RECORD_NAME_MAX ||
        record_header_parse(record->record, record->size, &header) < 0)
        abort();
    *(uint64_t *)userdata += 1;
    return 0;
}

static enum log_outcome check(const struct store *store, int fd, struct log_file_report *report)
{
    uint64_t seen = 0;
    const struct log_check_options options = { .fd = fd, .realm = store->options.realm,
                                               .hash = store->options.hash, .notes = NOTES,
                                               .each = look_at, .userdata = &seen };
    enum log_outcome outcome = log_check(&options, report);

    if ((outcome == LOG_DONE) != (*report->text == '\0'))
        abort();
    if (outcome == LOG_DONE && seen != report->records)
        abort();
    return outcome;
}

static enum log_outcome import(const struct store *store, int fd, struct log_file_report *report)
{
    const struct log_import_options options = { .folder_fd = store->folder_fd, .fd = fd,
                                                .anchor_path = store->anchor_path,
                                                .realm = store->options.realm,
                                                .hash = store->options.hash };

    return log_import(&options, report);
}

/* What was imported is a journal with the same records. Only who has the key can have written versions
 * out of order, or an append that the view does not take. */
static void check_imported(struct store *store, const struct log_file_report *before)
{
    int fd = openat(store->folder_fd, "journal", O_RDONLY | O_CLOEXEC);
    struct log_file_report report;

    if (fd < 0 || check(store, fd, &report) != LOG_DONE)
        abort();
    if (report.records != before->records || report.head.revision != before->head.revision)
        abort();
    close(fd);
    if (store_open(store) == LOG_DONE)
        store_close(store);
    else if (store->opened != LOG_DAMAGED)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t file[FILE_MAX];
    struct store *store = store_get();
    struct log_file_report report, again;
    enum log_outcome outcome;
    int fd;

    if (size < 1 || size - 1 > sizeof(file))
        return 0;
    size--;
    memcpy(file, bytes + 1, size);
    (void)journal_fit(file, size, bytes[0] % 8);
    fd = memfd_create("export", MFD_CLOEXEC);
    if (fd < 0 || write(fd, file, size) != (ssize_t)size)
        abort();
    empty_folder(store);
    outcome = check(store, fd, &report);
    if (import(store, fd, &again) == LOG_DONE) {
        if (outcome != LOG_DONE)
            abort();
        check_imported(store, &report);
    } else if (faccessat(store->folder_fd, "journal", F_OK, 0) == 0 ||
               faccessat(store->folder_fd, "journal.new", F_OK, 0) == 0 || !*again.text) {
        abort();
    }
    close(fd);
    return 0;
}

static void on_exported(void *userdata, enum log_outcome outcome, uint64_t revision,
                        const char *text)
{
    (void)revision;
    (void)text;
    if (outcome != LOG_DONE)
        abort();
    *(bool *)userdata = true;
}

/* Of three commits, compacted, one of them superseded. */
size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    static const char *const names[] = { "ualice", "ubob", "ualice" };
    struct store *store = store_get();
    int fd = memfd_create("export", MFD_CLOEXEC);
    bool done = false;
    ssize_t size;

    empty_folder(store);
    if (fchmod(fd, 0600) < 0 || store_open(store) != LOG_DONE)
        abort();
    for (uint64_t i = 0; i < 3; i++) {
        struct store_put put = { .key = store_key(RECORD_MAPPING, 1, names[i]), .version = 1 + i };

        if (store_put(store, &put, NULL) != LOG_DONE)
            abort();
    }
    if (log_export(store->log, fd, on_exported, &done) < 0)
        abort();
    store_run_until(store, &done);
    store_close(store);
    ret_bytes[0] = FIT_HASHES;
    size = pread(fd, ret_bytes + 1, room - 1, 0);
    close(fd);
    if (size <= 0)
        abort();
    return 1 + (size_t)size;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Every byte of what a clean stop leaves is changed, and every file cut at every length, with the other
 * files in place. What comes of it is the truth, or a refusal that names file and place; a view is built
 * again. Never another value, never an empty start (bug museum: gnome-keyring 50).
 * So with an export, which is refused and imports nothing.
 * The view's zeros and lengths are sampled, one of MS_BYTES, which of them by MS_BYTES_SEED; each byte of the
 * journal is tried with the view and without where MS_BYTES is given (`make check-bytes`), else with the one
 * or the other. */
#include "tests/unit/store_fixture.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAMES = 4, RECORD_BYTES = 24, SAMPLE = 97 };

static bool both;
static size_t sample = SAMPLE, seed;

static bool is_sampled(size_t at)
{
    return (at + seed) % sample == 0;
}

struct file {
    const char *name;
    uint8_t *bytes;
    size_t size;
};

struct state {
    struct store store;
    struct file journal, view, anchor;
    size_t used; /* of the journal */
};

static struct record_key numbered(unsigned number)
{
    char name[16];

    snprintf(name, sizeof(name), "uuser%u", number);
    return store_key(RECORD_MAPPING, 1, name);
}

/* Of the key's newest record, as make() put it there; the last is a tombstone. */
static uint64_t version_of(unsigned number)
{
    return number % 2 + 1;
}

static void make(struct state *state)
{
    struct store *store = &state->store;

    assert_int_equal(store_open(store), LOG_DONE);
    for (unsigned i = 0; i < NAMES; i++) {
        struct store_put put = { .key = numbered(i), .size = RECORD_BYTES };

        for (put.version = 1; put.version <= version_of(i); put.version++) {
            put.kind = i == NAMES - 1 && put.version == 2 ? RECORD_TOMBSTONE : RECORD_LIVE;
            assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
        }
    }
    store_close(store);
}

/* What is zero at the end need not be written. */
static void file_put(struct state *state, const struct file *file)
{
    size_t written = file->size < state->used + 4096 ? file->size : state->used + 4096;
    int fd;

    if (file != &state->journal)
        written = file->size;
    store_write_file(&state->store, file->name, file->bytes, written);
    fd = openat(state->store.folder_fd, file->name, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)file->size), 0);
    close(fd);
}

static void restore(struct state *state)
{
    unlinkat(state->store.folder_fd, "view.open", 0);
    file_put(state, &state->journal);
    file_put(state, &state->view);
    file_put(state, &state->anchor);
}

static void keep(struct state *state, struct file *file, const char *name)
{
    file->name = name;
    file->bytes = store_read_file(&state->store, name, &file->size);
}

static int setup(void **userdata)
{
    static struct state state;

    memset(&state, 0, sizeof(state));
    store_setup(&state.store);
    make(&state);
    keep(&state, &state.journal, "journal");
    keep(&state, &state.view, "view");
    keep(&state, &state.anchor, "../anchor");
    for (state.used = state.journal.size; !state.journal.bytes[state.used - 1]; state.used--)
        ;
    *userdata = &state;
    return 0;
}

static int teardown(void **userdata)
{
    struct state *state = *userdata;

    store_teardown(&state->store);
    free(state->journal.bytes);
    free(state->view.bytes);
    free(state->anchor.bytes);
    return 0;
}

/* ---- what is true --------------------------------------------------------------------------- */

static bool record_is_true(struct store *store, unsigned number)
{
    uint8_t wanted[RECORD_BYTES];
    struct record_key key = numbered(number);
    struct log_record held;
    bool deleted = number == NAMES - 1;

    store_record(wanted, sizeof(wanted), deleted ? RECORD_TOMBSTONE : RECORD_LIVE,
                 version_of(number));
    return log_get(store->log, &key, &held) == 1 && held.size == sizeof(wanted) &&
           memcmp(held.record, wanted, sizeof(wanted)) == 0;
}

static int on_name(void *userdata, const struct record_key *key)
{
    unsigned *seen = userdata;

    for (unsigned i = 0; i < NAMES - 1; i++) {
        struct record_key wanted = numbered(i);

        if (key->name_length == wanted.name_length &&
            memcmp(key->name, wanted.name, key->name_length) == 0) {
            *seen |= 1u << i;
            return 0;
        }
    }
    *seen |= 1u << 31;
    return 0;
}

static bool all_is_true(struct store *store)
{
    struct record_key key = numbered(0);
    uint64_t cursor = 0;
    unsigned seen = 0;
    int r = log_list(store->log, RECORD_MAPPING, key.scope, &cursor, 100, on_name, &seen);
    bool ok = r == 0 && cursor == 0 && seen == (1u << (NAMES - 1)) - 1 &&
              log_count(store->log, RECORD_MAPPING, key.scope) == NAMES - 1 &&
              log_census(store->log, RECORD_MAPPING, 1) == NAMES;

    for (unsigned i = 0; i < NAMES; i++)
        ok = record_is_true(store, i) && ok;
    return ok;
}

/* Runs until the verification has a verdict. True: the log stands by what it says. */
static bool verified(struct store *store)
{
    while (!store->events[LOG_EVENT_VERIFIED] && !store->events[LOG_EVENT_VIEW_DAMAGED] &&
           !store->events[LOG_EVENT_DAMAGED] && !store->events[LOG_EVENT_VIEW_REBUILT])
        uv_run(&store->loop, UV_RUN_ONCE);
    return !store->events[LOG_EVENT_VIEW_DAMAGED] && !store->events[LOG_EVENT_DAMAGED];
}

static bool names_file_and_place(const struct store *store)
{
    return strstr(store->text, "journal") || strstr(store->text, store->anchor_path);
}

/* ---- journal and anchor --------------------------------------------------------------------- */

/* The state as it is on the disk now: refused and named, or true. `harmless`: only the latter. */
static void check(struct state *state, const char *what, size_t at, bool harmless)
{
    struct store *store = &state->store;
    enum log_outcome outcome = store_open(store);

    if (outcome == LOG_DONE) {
        if (verified(store) && !all_is_true(store))
            fail_msg("%s at %zu: something else is true", what, at);
        if (harmless && store->events[LOG_EVENT_DAMAGED])
            fail_msg("%s at %zu: %s", what, at, store->event_text);
        if (!harmless && !store->events[LOG_EVENT_DAMAGED])
            fail_msg("%s at %zu: unnoticed", what, at);
        store_close(store);
        return;
    }
    if (harmless || !names_file_and_place(store) ||
        (outcome != LOG_DAMAGED && outcome != LOG_ROLLED_BACK && outcome != LOG_NEWER))
        fail_msg("%s at %zu: outcome %d, %s", what, at, (int)outcome, store->text);
}

static void flip_each(struct state *state, struct file *file, size_t size, bool view)
{
    for (size_t i = 0; i < size; i++) {
        if (!both && i % 2 != view && file == &state->journal)
            continue;
        restore(state);
        if (!view)
            unlinkat(state->store.folder_fd, "view", 0);
        file->bytes[i] ^= (uint8_t)(1u << (i % 8));
        file_put(state, file);
        check(state, file->name, i, false);
        file->bytes[i] ^= (uint8_t)(1u << (i % 8));
    }
}

static void cut_each(struct state *state, struct file *file, size_t used, bool view)
{
    size_t size = file->size;

    for (file->size = 0; file->size < size;
         file->size += file->size < used + SAMPLE ? 1 : size / 16) {
        if (!both && file->size % 2 != view && file == &state->journal)
            continue;
        restore(state);
        if (!view)
            unlinkat(state->store.folder_fd, "view", 0);
        check(state, file->name, file->size, file->size >= used);
    }
    file->size = size;
}

static void test_journal(void **userdata)
{
    struct state *state = *userdata;

    flip_each(state, &state->journal, state->used, true);
    flip_each(state, &state->journal, state->used, false);
    cut_each(state, &state->journal, state->used, true);
    cut_each(state, &state->journal, state->used, false);
}

static void test_anchor(void **userdata)
{
    struct state *state = *userdata;

    flip_each(state, &state->anchor, state->anchor.size, true);
    cut_each(state, &state->anchor, state->anchor.size, true);
}

/* ---- an export ------------------------------------------------------------------------------ */

static void on_exported(void *userdata, enum log_outcome outcome, uint64_t revision,
                        const char *text)
{
    assert_int_equal(outcome, LOG_DONE);
    *(bool *)userdata = true;
}

static enum log_outcome import(const struct store *store, int fd, struct log_file_report *report)
{
    const struct log_import_options options = { .folder_fd = store->folder_fd, .fd = fd,
                                                .anchor_path = store->anchor_path,
                                                .realm = store->options.realm,
                                                .hash = store->options.hash };

    return log_import(&options, report);
}

/* Refused, with the reason, and nothing is imported. */
static void check_export(const struct store *store, int fd, const char *what, size_t at)
{
    struct log_file_report report;
    enum log_outcome outcome = import(store, fd, &report);

    if ((outcome != LOG_DAMAGED && outcome != LOG_NEWER) || !*report.text)
        fail_msg("export, %s at %zu: outcome %d, %s", what, at, (int)outcome, report.text);
    if (faccessat(store->folder_fd, "journal", F_OK, 0) == 0 ||
        faccessat(store->folder_fd, "journal.new", F_OK, 0) == 0)
        fail_msg("export, %s at %zu: something was imported", what, at);
}

static void test_export(void **userdata)
{
    struct state *state = *userdata;
    struct store *store = &state->store;
    CLEANUP_CLOSE int fd = memfd_create("export", MFD_CLOEXEC);
    struct log_file_report report;
    uint8_t bytes[4096];
    bool done = false;
    ssize_t size;

    assert_int_equal(fchmod(fd, 0600), 0);
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(log_export(store->log, fd, on_exported, &done), 0);
    store_run_until(store, &done);
    store_close(store);
    unlinkat(store->folder_fd, "journal", 0);
    unlinkat(store->folder_fd, "view", 0);
    unlink(store->anchor_path);
    size = pread(fd, bytes, sizeof(bytes), 0);
    assert_in_range(size, 1, sizeof(bytes) - 1);
    for (ssize_t i = 0; i < size; i++) {
        uint8_t changed = bytes[i] ^ (uint8_t)(1u << (i % 8));

        assert_int_equal(pwrite(fd, &changed, 1, i), 1);
        check_export(store, fd, "changed", (size_t)i);
        assert_int_equal(pwrite(fd, &bytes[i], 1, i), 1);
    }
    assert_int_equal(pwrite(fd, "", 1, size), 1);
    check_export(store, fd, "longer", (size_t)size);
    for (ssize_t length = size - 1; length >= 0; length--) {
        assert_int_equal(ftruncate(fd, length), 0);
        check_export(store, fd, "cut", (size_t)length);
    }
    assert_int_equal(pwrite(fd, bytes, (size_t)size, 0), size);
    assert_int_equal(import(store, fd, &report), LOG_DONE);
    assert_int_equal(store_open(store), LOG_DONE);
    for (unsigned i = 0; i < NAMES - 1; i++) /* a tombstone is not exported */
        assert_true(record_is_true(store, i));
    store_close(store);
}

/* ---- the view ------------------------------------------------------------------------------- */

/* In a process of its own, since GDBM is not made for damaged files: if it ends by that, the next start
 * finds no clean view and builds one. */
static int view_life(struct state *state)
{
    struct store *store = &state->store;

    alarm(20);
    if (store_open(store) != LOG_DONE)
        return 2;
    if (verified(store)) {
        if (!all_is_true(store) && !store->events[LOG_EVENT_VIEW_DAMAGED])
            return 3;
    } else if (store->events[LOG_EVENT_DAMAGED]) {
        return 4;
    }
    store_close(store);
    return 0;
}

static bool view_once(struct state *state, const char *what, size_t at)
{
    struct store *store = &state->store;
    int status;
    pid_t pid;

    pid = fork();
    if (pid == 0) {
        assert_int_equal(uv_loop_init(&store->loop), 0);
        _exit(view_life(state));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        fail_msg("view %s at %zu: ended with %d", what, at, WEXITSTATUS(status));
    if (store_open(store) != LOG_DONE || !verified(store) || !all_is_true(store))
        fail_msg("view %s at %zu: not true after it (%s)", what, at, store->text);
    store_close(store);
    return WIFEXITED(status);
}

static void test_view(void **userdata)
{
    struct state *state = *userdata;
    struct file *view = &state->view;
    size_t size = view->size, opened = 0, ended = 0;

    for (size_t i = 0; i < size; i++) {
        if (!view->bytes[i] && !is_sampled(i))
            continue;
        restore(state);
        view->bytes[i] ^= (uint8_t)(1u << (i % 8));
        file_put(state, view);
        if (view_once(state, "byte", i))
            opened++;
        else
            ended++;
        view->bytes[i] ^= (uint8_t)(1u << (i % 8));
    }
    for (view->size = 0; view->size < size; view->size++) {
        if (!is_sampled(view->size))
            continue;
        restore(state);
        if (view_once(state, "cut", view->size))
            opened++;
        else
            ended++;
    }
    view->size = size;
    print_message("view of %zu bytes: %zu opened or built again, %zu ended the process first\n", size,
                  opened, ended);
}

int main(void)
{
    const char *one_of = getenv("MS_BYTES"), *which = getenv("MS_BYTES_SEED");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_export, setup, teardown),
        cmocka_unit_test_setup_teardown(test_view, setup, teardown),
    };

    both = one_of;
    if (one_of)
        sample = strtoul(one_of, NULL, 10);
    if (which)
        seed = strtoul(which, NULL, 10);
    if (sample == 0)
        errx(1, "MS_BYTES: want a number from 1");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

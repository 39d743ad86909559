/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Damage, torn tails, rollback: every byte of a small journal and of an anchor, and whole files put
 * back. */
#include "tests/unit/store_fixture.h"

#include "dbus-service/store/journal_frame.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int setup(void **state)
{
    static struct store store;

    store_setup(&store);
    *state = &store;
    return 0;
}

static int teardown(void **state)
{
    store_teardown(*state);
    return 0;
}

/* Three commits, each of one record, closed. */
static void make_three(struct store *store)
{
    assert_int_equal(store_open(store), LOG_DONE);
    for (uint64_t i = 0; i < 3; i++) {
        static const char *const names[] = { "ualice", "ubob", "ucarol" };
        struct store_put put = { .key = store_key(RECORD_MAPPING, 1, names[i]), .version = 1 };

        assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    }
    store_close(store);
}

/* Where the frames begin, and last the end. */
static size_t find_frames(const uint8_t *bytes, size_t size, size_t offsets[8])
{
    size_t count = 0, offset = JOURNAL_HEADER_SIZE;
    struct frame frame;

    while (offset + FRAME_HEADER_SIZE <= size && frame_header_parse(bytes + offset, &frame) == 0) {
        offsets[count++] = offset;
        offset += FRAME_OVERHEAD + frame.body_size;
    }
    offsets[count] = offset;
    return count;
}

static void remove_file(struct store *store, const char *name)
{
    unlinkat(store->folder_fd, name, 0);
}

/* The folder as it was, without a view, so that all is read. */
static enum log_outcome open_with(struct store *store, const uint8_t *bytes, size_t size)
{
    remove_file(store, "view");
    remove_file(store, "view.open");
    store_write_file(store, "journal", bytes, size);
    return store_open(store);
}

static uint64_t head_revision(struct store *store)
{
    struct log_head head;

    log_head(store->log, &head);
    return head.revision;
}

static void test_torn_tail_at_every_byte(void **state)
{
    struct store *store = *state;
    size_t size, offsets[8];
    CLEANUP_FREE uint8_t *bytes = NULL;
    CLEANUP_FREE uint8_t *torn = NULL;

    make_three(store);
    bytes = store_read_file(store, "journal", &size);
    assert_int_equal(find_frames(bytes, size, offsets), 3);
    torn = malloc(size);
    assert_non_null(torn);
    for (size_t cut = offsets[2]; cut < offsets[3]; cut++) {
        memcpy(torn, bytes, size);
        memset(torn + cut, 0, size - cut);
        unlink(store->anchor_path);
        assert_int_equal(open_with(store, torn, cut % 2 ? size : cut), LOG_DONE);
        assert_int_equal(head_revision(store), 2);
        assert_int_equal(store->events[LOG_EVENT_TORN_TAIL], cut > offsets[2]);
        if (cut % 16 == 0) { /* and it goes on */
            struct store_put put = { .key = store_key(RECORD_MAPPING, 1, "udave"), .version = 1 };

            assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
            store_close(store);
            assert_int_equal(store_open(store), LOG_DONE);
            assert_int_equal(head_revision(store), 3);
        }
        store_close(store);
    }
}

/* The same tail below the anchor's head was acknowledged: no torn tail. */
static void test_tail_below_anchor(void **state)
{
    struct store *store = *state;
    size_t size, offsets[8];
    CLEANUP_FREE uint8_t *bytes = NULL;

    make_three(store);
    bytes = store_read_file(store, "journal", &size);
    assert_int_equal(find_frames(bytes, size, offsets), 3);
    memset(bytes + offsets[2] + 100, 0, size - offsets[2] - 100);
    assert_int_equal(open_with(store, bytes, size), LOG_DAMAGED);
    assert_non_null(strstr(store->text, "journal: damaged at byte"));
    memset(bytes + offsets[2], 0, size - offsets[2]);
    assert_int_equal(open_with(store, bytes, size), LOG_ROLLED_BACK);
}

static void test_bit_flips(void **state)
{
    struct store *store = *state;
    size_t size, offsets[8];
    CLEANUP_FREE uint8_t *bytes = NULL;

    make_three(store);
    bytes = store_read_file(store, "journal", &size);
    assert_int_equal(find_frames(bytes, size, offsets), 3);
    unlink(store->anchor_path);
    for (size_t i = 0; i < offsets[3] + 40; i++) {
        enum log_outcome outcome;

        bytes[i] ^= (uint8_t)(1u << (i % 8));
        outcome = open_with(store, bytes, size);
        if (i >= 8 && i < 12) {
            assert_true(outcome == LOG_NEWER || outcome == LOG_DAMAGED);
        } else if (i < offsets[2]) {
            assert_int_equal(outcome, LOG_DAMAGED);
        } else {
            /* Indistinguishable from an append that was cut short; reported. */
            assert_int_equal(outcome, LOG_DONE);
            assert_int_equal(store->events[LOG_EVENT_TORN_TAIL], 1);
            assert_int_equal(head_revision(store), i < offsets[3] ? 2 : 3);
        }
        if (store->log)
            store_close(store);
        unlink(store->anchor_path);
        bytes[i] ^= (uint8_t)(1u << (i % 8));
    }
}

/* With the anchor in place the last commit is no exception. */
static void test_bit_flips_anchored(void **state)
{
    struct store *store = *state;
    size_t size, offsets[8];
    CLEANUP_FREE uint8_t *bytes = NULL;

    make_three(store);
    bytes = store_read_file(store, "journal", &size);
    assert_int_equal(find_frames(bytes, size, offsets), 3);
    for (size_t i = offsets[1]; i < offsets[3]; i++) {
        bytes[i] ^= 1;
        assert_int_equal(open_with(store, bytes, size), LOG_DAMAGED);
        bytes[i] ^= 1;
    }
}

static void test_frames_rearranged(void **state)
{
    struct store *store = *state;
    size_t size, offsets[8];
    CLEANUP_FREE uint8_t *bytes = NULL;
    CLEANUP_FREE uint8_t *other = NULL;

    make_three(store);
    bytes = store_read_file(store, "journal", &size);
    assert_int_equal(find_frames(bytes, size, offsets), 3);
    unlink(store->anchor_path);
    other = calloc(1, size);
    assert_non_null(other);
    /* the last frame twice */
    memcpy(other, bytes, size);
    memcpy(other + offsets[3], bytes + offsets[2], offsets[3] - offsets[2]);
    assert_int_equal(open_with(store, other, size), LOG_DAMAGED);
    /* the middle one left out */
    memset(other, 0, size);
    memcpy(other, bytes, offsets[1]);
    memcpy(other + offsets[1], bytes + offsets[2], offsets[3] - offsets[2]);
    assert_int_equal(open_with(store, other, size), LOG_DAMAGED);
}

static void test_anchor_bit_flips(void **state)
{
    struct store *store = *state;
    uint8_t anchor[144];
    int fd;

    make_three(store);
    fd = open(store->anchor_path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, anchor, sizeof(anchor)), sizeof(anchor));
    for (size_t i = 0; i < sizeof(anchor); i++) {
        anchor[i] ^= 1;
        assert_int_equal(pwrite(fd, anchor, sizeof(anchor), 0), sizeof(anchor));
        anchor[i] ^= 1;
        assert_int_not_equal(store_open(store), LOG_DONE);
        if (i >= 8 && i < 12)
            assert_true(store->opened == LOG_NEWER || store->opened == LOG_DAMAGED);
        else
            assert_int_equal(store->opened, LOG_DAMAGED);
    }
    assert_int_equal(pwrite(fd, anchor, sizeof(anchor), 0), sizeof(anchor));
    assert_int_equal(ftruncate(fd, 143), 0);
    assert_int_equal(store_open(store), LOG_DAMAGED);
    assert_int_equal(pwrite(fd, anchor, sizeof(anchor), 0), sizeof(anchor));
    close(fd);
    assert_int_equal(store_open(store), LOG_DONE);
}

static void copy_state(struct store *store, bool back)
{
    static const char *const names[] = { "journal", "view" };
    static uint8_t *kept[2];
    static size_t sizes[2];

    for (size_t i = 0; i < 2; i++) {
        if (!back) {
            kept[i] = store_read_file(store, names[i], &sizes[i]);
            continue;
        }
        store_write_file(store, names[i], kept[i], sizes[i]);
        free(kept[i]);
    }
}

static void test_rollback(void **state)
{
    struct store *store = *state;
    struct store_put put = { .key = store_key(RECORD_MAPPING, 1, "ualice"), .version = 2 };

    make_three(store);
    copy_state(store, false);
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    store_close(store);
    copy_state(store, true);
    assert_int_equal(store_open(store), LOG_ROLLED_BACK);
    assert_int_equal(store_open(store), LOG_ROLLED_BACK); /* and stays so */
    unlink(store->anchor_path); /* the loss is accepted */
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store_version(store, &put.key), 1);
}

/* The same revision reached by another history. */
static void test_fork(void **state)
{
    struct store *store = *state;
    struct store_put put = { .key = store_key(RECORD_MAPPING, 1, "ualice"), .version = 2 };
    const char *anchor = store->options.anchor_path;

    make_three(store);
    copy_state(store, false);
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    store_close(store);
    copy_state(store, true);
    store->options.anchor_path = NULL;
    assert_int_equal(store_open(store), LOG_DONE);
    put.version = 3;
    assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    put.version = 4;
    assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    store_close(store);
    remove_file(store, "view");
    store->options.anchor_path = anchor;
    assert_int_equal(store_open(store), LOG_ROLLED_BACK);
}

/* Only the journal is put back; the view is the witness, also without an anchor. */
static void test_journal_older_than_view(void **state)
{
    struct store *store = *state;
    struct store_put put = { .key = store_key(RECORD_MAPPING, 1, "ualice"), .version = 2 };
    CLEANUP_FREE uint8_t *journal = NULL;
    size_t size;

    store->options.anchor_path = NULL;
    make_three(store);
    journal = store_read_file(store, "journal", &size);
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    store_close(store);
    store_write_file(store, "journal", journal, size);
    assert_int_equal(store_open(store), LOG_ROLLED_BACK);
    assert_int_equal(store_open(store), LOG_ROLLED_BACK);
    remove_file(store, "view");
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store_version(store, &put.key), 1);
}

static void test_missing_files(void **state)
{
    struct store *store = *state;

    make_three(store);
    remove_file(store, "journal");
    assert_int_equal(store_open(store), LOG_ROLLED_BACK);
    remove_file(store, "view");
    assert_int_equal(store_open(store), LOG_ROLLED_BACK);
    assert_non_null(strstr(store->text, store->anchor_path));
    unlink(store->anchor_path);
    store_write_file(store, "view", (const uint8_t *)"x", 1);
    assert_int_equal(store_open(store), LOG_DAMAGED); /* a view without its journal */
    remove_file(store, "view");
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(head_revision(store), 0);
}

static void test_other_realm_and_log(void **state)
{
    struct store *store = *state;

    make_three(store);
    store->options.realm[0] ^= 1;
    assert_int_equal(store_open(store), LOG_DAMAGED);
    store->options.anchor_path = NULL;
    assert_int_equal(store_open(store), LOG_DAMAGED);
    store->options.realm[0] ^= 1;
    remove_file(store, "journal");
    remove_file(store, "view");
    assert_int_equal(store_open(store), LOG_DONE); /* a new log */
    store_close(store);
    store->options.anchor_path = store->anchor_path;
    assert_int_equal(store_open(store), LOG_ROLLED_BACK);
}

/* A view cut or scribbled over is rebuilt or named, and never believed. */
static void test_view_damaged(void **state)
{
    struct store *store = *state;
    struct record_key key = store_key(RECORD_MAPPING, 1, "ubob");
    CLEANUP_FREE uint8_t *view = NULL;
    size_t size;

    make_three(store);
    view = store_read_file(store, "view", &size);
    store_write_file(store, "view", view, size / 3);
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store->events[LOG_EVENT_VIEW_REBUILT], 1);
    assert_int_equal(store_version(store, &key), 1);
    store_close(store);
    store_write_file(store, "view", (const uint8_t *)"", 0);
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store->events[LOG_EVENT_VIEW_REBUILT], 1);
    assert_int_equal(store_version(store, &key), 1);
}

/* One byte of a record changed in the closed view: found in the background. */
static void test_view_altered(void **state)
{
    struct store *store = *state;
    CLEANUP_FREE uint8_t *view = NULL;
    uint8_t record[64];
    uint8_t *hit;
    size_t size;

    make_three(store);
    view = store_read_file(store, "view", &size);
    store_record(record, sizeof(record), RECORD_LIVE, 1);
    hit = memmem(view, size, record, sizeof(record));
    assert_non_null(hit);
    hit[40] ^= 1;
    store_write_file(store, "view", view, size);
    assert_int_equal(store_open(store), LOG_DONE);
    store_await_event(store, LOG_EVENT_VIEW_DAMAGED, 1);
    store_close(store);
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store->events[LOG_EVENT_VIEW_REBUILT], 1);
}

/* One that an earlier stop left, beside the present journal: what came since is applied to it. */
static void test_view_older(void **state)
{
    struct store *store = *state;
    struct store_put put = { .key = store_key(RECORD_MAPPING, 1, "ubob"), .version = 2 };
    CLEANUP_FREE uint8_t *view = NULL;
    size_t size;

    make_three(store);
    view = store_read_file(store, "view", &size);
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
    store_close(store);
    store_write_file(store, "view", view, size);
    assert_int_equal(store_open(store), LOG_DONE);
    assert_int_equal(store_version(store, &put.key), 2);
    store_await_event(store, LOG_EVENT_VERIFIED, 1);
    assert_int_equal(store->events[LOG_EVENT_VIEW_DAMAGED], 0);
}

/* Damage met while serving: named, nothing wrong is answered, and opening again makes a new view. */
static void test_view_damaged_while_serving(void **state)
{
    struct store *store = *state;
    struct store_put put = { .key = store_key(RECORD_MAPPING, 1, "ubob"), .version = 2 };
    CLEANUP_FREE uint8_t *view = NULL;
    struct log_record held;
    size_t size;

    make_three(store);
    view = store_read_file(store, "view", &size);
    memset(view + 4096, 0xa5, size - 4096);
    store_write_file(store, "view", view, size);
    assert_int_equal(store_open(store), LOG_DONE);
    if (!store->events[LOG_EVENT_VIEW_REBUILT]) {
        assert_int_equal(log_get(store->log, &put.key, &held), -EBADMSG);
        assert_int_equal(store->events[LOG_EVENT_VIEW_DAMAGED], 1);
        assert_int_equal(store_put(store, &put, NULL), LOG_FAILED);
        store_close(store);
        assert_int_equal(store_open(store), LOG_DONE);
        assert_int_equal(store->events[LOG_EVENT_VIEW_REBUILT], 1);
    }
    assert_int_equal(store_version(store, &put.key), 1);
    assert_int_equal(store_put(store, &put, NULL), LOG_DONE);
}

/* An old commit damaged behind a clean view: served, and named by the verification. */
static void test_background_finds_damage(void **state)
{
    struct store *store = *state;
    CLEANUP_FREE uint8_t *journal = NULL;
    size_t size;

    make_three(store);
    journal = store_read_file(store, "journal", &size);
    journal[JOURNAL_HEADER_SIZE + 80] ^= 1;
    store_write_file(store, "journal", journal, size);
    assert_int_equal(store_open(store), LOG_DONE);
    store_await_event(store, LOG_EVENT_DAMAGED, 1);
    assert_string_equal(store->event_text, "journal: damaged at byte 128");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_torn_tail_at_every_byte), TEST(test_tail_below_anchor),
        TEST(test_bit_flips),               TEST(test_bit_flips_anchored),
        TEST(test_frames_rearranged),       TEST(test_anchor_bit_flips),
        TEST(test_rollback),                TEST(test_fork),
        TEST(test_journal_older_than_view), TEST(test_missing_files),
        TEST(test_other_realm_and_log),     TEST(test_view_damaged),
        TEST(test_view_altered),            TEST(test_view_older),
        TEST(test_background_finds_damage),
        TEST(test_view_damaged_while_serving),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

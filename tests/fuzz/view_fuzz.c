/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The view's file, as a clean stop left it or anybody made of it: its size, then pieces of it (where,
 * how often, how long, bytes), zeros between them. It is opened, read, checked, changed and closed again. */
#include "dbus-service/store/view.h"

#include "common/cursor.h"
#include "tests/fuzz/folder.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FILE_MAX = 128 * 1024, GROWN_MAX = 128 * FILE_MAX, NAMES = 12, MORE = 120, LIST = 200 };

static int folder_get(void)
{
    /* A file that grows without end is a finding (SIGXFSZ), not a full disk. */
    const struct rlimit limit = { GROWN_MAX, GROWN_MAX };
    static int fd = -1;

    if (fd >= 0)
        return fd;
    fd = open(folder_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || setrlimit(RLIMIT_FSIZE, &limit))
        abort();
    return fd;
}

static bool is_there(const char *name)
{
    return faccessat(folder_get(), name, F_OK, 0) == 0;
}

static struct record_key numbered(unsigned number)
{
    static const uint8_t classes[] = { RECORD_APPLICATION, RECORD_MAPPING, RECORD_MAPPING,
                                       RECORD_MAPPING, RECORD_RESERVATION };
    struct record_key key = { .class = classes[number % 5], .name_length = 2 };

    key.scope[0] = key.class == RECORD_MAPPING;
    key.name[0] = 'u';
    key.name[1] = (uint8_t)('0' + number);
    return key;
}

/* ---- the file ------------------------------------------------------------------------------- */

struct piece {
    size_t length, times;
};

static size_t file_parse(const uint8_t *bytes, size_t size, uint8_t *file)
{
    struct cursor cursor = cursor_reader(bytes, size);
    size_t total = cursor_get_u32(&cursor) % (FILE_MAX + 1);

    memset(file, 0, FILE_MAX);
    while (!cursor_at_end(&cursor)) {
        size_t at = cursor_get_u32(&cursor), times = cursor_get_u16(&cursor);
        size_t length = cursor_get_u16(&cursor);
        const uint8_t *piece = cursor_get_view(&cursor, length);

        if (!cursor_ok(&cursor))
            break;
        for (; times > 0 && at <= total && length <= total - at; times--, at += length)
            memcpy(file + at, piece, length);
    }
    return total;
}

/* How often the piece stands there in a row. */
static size_t times_of(const uint8_t *file, size_t total, size_t at, size_t length)
{
    size_t times = 1;

    while (at + (times + 1) * length <= total &&
           memcmp(file + at, file + at + times * length, length) == 0)
        times++;
    return times;
}

/* The directory is one number again and again, and an empty place of a bucket another. */
static struct piece piece_find(const uint8_t *file, size_t total, size_t at)
{
    for (size_t length = 8; length <= 32; length += 8) {
        struct piece piece = { length, times_of(file, total, at, length) };

        if (piece.times > 2)
            return piece;
    }
    return (struct piece){ 8, 1 };
}

static size_t file_format(const uint8_t *file, size_t total, uint8_t *ret_bytes, size_t room)
{
    struct cursor cursor = cursor_writer(ret_bytes, room);
    struct piece piece;

    cursor_put_u32(&cursor, (uint32_t)total);
    for (size_t at = 0; at < total; at += piece.length * piece.times) {
        piece = piece_find(file, total, at);
        while (piece.times == 1 && piece_find(file, total, at + piece.length).times == 1)
            piece.length += 8;
        if (memcmp(file + at, (const uint8_t[8]){ 0 }, 8) == 0 && piece.times > 1)
            continue;
        cursor_put_u32(&cursor, (uint32_t)at);
        cursor_put_u16(&cursor, (uint16_t)piece.times);
        cursor_put_u16(&cursor, (uint16_t)piece.length);
        cursor_put_bytes(&cursor, file + at, piece.length);
    }
    if (!cursor_ok(&cursor))
        abort();
    return cursor.position;
}

/* ---- what the service does with a view ------------------------------------------------------- */

static int on_name(void *userdata, const struct record_key *key)
{
    unsigned *count = userdata;

    if (key->name_length > RECORD_NAME_MAX)
        abort();
    ++*count;
    return 0;
}

static void read_all(struct view *view)
{
    bool agrees;

    view_check_begin(view);
    for (unsigned i = 0; i < NAMES; i++) {
        struct record_key key = numbered(i);
        struct record_header header;
        struct log_record record;
        uint64_t cursor = 0;
        unsigned count = 0;
        int r = view_get(view, &key, &record);

        if (r == 1 && record_header_parse(record.record, record.size, &header) < 0)
            abort();
        r = view_check(view, &key);
        if (r == 0 && view_get(view, &key, &record) != 1)
            abort();
        r = view_list(view, key.class, key.scope, &cursor, LIST, on_name, &count);
        if (count > LIST || (r == 0 && cursor > UINT32_MAX))
            abort();
    }
    agrees = view_check_end(view, 0);
    (void)agrees;
}

static int change(struct view *view, unsigned number, uint8_t kind, uint64_t version)
{
    const struct record_header header = { RECORD_FORMAT, kind, 1, version };
    struct record_key key = numbered(number);
    uint8_t record[RECORD_HEADER_SIZE];

    record_header_format(&header, record);
    return view_apply(view, version, &key, record, sizeof(record));
}

/* New, replaced, deleted, forgotten. False: given up, which is for the next start to mend. */
static bool change_all(struct view *view)
{
    struct record_key key = numbered(1);

    for (unsigned i = 0; i < MORE; i++) {
        if (change(view, i, i % 7 == 2 ? RECORD_TOMBSTONE : RECORD_LIVE, 1u << 20) < 0)
            return false;
    }
    return change(view, 1, RECORD_TOMBSTONE, 1u << 21) >= 0 && view_forget(view, &key) >= 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t file[FILE_MAX];
    struct view_position position;
    struct view *view;
    int r;

    folder_put("view", file, file_parse(bytes, size, file));
    r = view_open(folder_get(), &view, &position);
    if (r != VIEW_DONE) {
        /* Refused is gone, or a start would meet it again and again. */
        if (r < 0 || is_there("view") || is_there("view.open"))
            abort();
        return 0;
    }
    /* Whatever happens from here on, the next start finds no view. */
    if (is_there("view"))
        abort();
    read_all(view);
    if (!change_all(view))
        view_discard(view);
    else if (view_close(view, &position) == 0 && !is_there("view"))
        abort();
    if (is_there("view.open"))
        abort();
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    static const struct view_position position = { .head.revision = NAMES };
    uint8_t file[FILE_MAX];
    struct view *view;
    ssize_t size;
    int fd;

    if (view_new(folder_get(), false, &view) < 0)
        abort();
    for (unsigned i = 0; i < NAMES; i++) {
        if (change(view, i, i % 5 ? RECORD_LIVE : RECORD_TOMBSTONE, 1 + i) != VIEW_DONE)
            abort();
    }
    if (view_close(view, &position) < 0)
        abort();
    fd = openat(folder_get(), "view", O_RDONLY | O_CLOEXEC);
    size = read(fd, file, sizeof(file));
    close(fd);
    if (size <= 0 || size == FILE_MAX)
        abort();
    return file_format(file, (size_t)size, ret_bytes, room);
}

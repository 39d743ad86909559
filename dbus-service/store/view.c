/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/store/view.h"

#include "common/cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <gdbm.h>
#include <malloc.h>
#include <string.h>
#include <sys/stat.h>

#define VIEW_NAME "view"
#define VIEW_OPEN_NAME "view.open"

enum {
    VIEW_FORMAT = 1,
    BLOCK_SIZE = 4096,
    HEADER_NEXT_BLOCK = 32, /* in GDBM's header: an off_t */
    END_SLACK = 2 * RECORD_SIZE_MAX, /* what was allocated last need not be written to its end */
    CACHE_BUCKETS = 1024, /* 6 MiB; more make a bulk load slower */
    PAGE_NAMES = 64,
    PAGE_SIZE_MAX = PAGE_NAMES * (2 + RECORD_NAME_MAX),
    INDEX_KEY_SIZE = 2 + RECORD_SCOPE_SIZE,
    ENTRY_HEAD_SIZE = 12,
    RECORD_OVERHEAD = 14, /* what a base record costs in the journal beside key and record */
    CENSUS_MAX = 65536,
    TAIL_BUCKETS = 1024,
    TAILS_SERVING = 1024, /* 2 to 4 MiB at most, for ordinary names */
    TAILS_BULK = 8192,
};
#define POSITION_NONE UINT32_MAX

struct census {
    uint8_t class;
    uint32_t generation;
    uint64_t count;
};

struct counters {
    struct census *census;
    size_t census_count;
    uint64_t live_bytes;
    uint64_t live_records;
};

/* The last page of an index and its count wait in memory, since every new name changes them; they
 * are written when the page is full, when somebody must see them, and at the end. */
struct tail {
    struct tail *next;
    uint8_t class;
    uint8_t scope[RECORD_SCOPE_SIZE];
    bool dirty;
    uint64_t count;
    size_t page_size, page_capacity;
    uint8_t *page;
};

struct view {
    GDBM_FILE db;
    int folder_fd;
    bool broken;
    bool bulk;
    uint64_t stamp; /* another one after an entry was touched that no change was of */
    size_t tails_count;
    struct tail *tails[TAIL_BUCKETS];
    struct counters counters;
    struct counters checked; /* of the records that were, since view_check_begin() */
    uint8_t *lent; /* what view_get() handed out */
    uint8_t *scratch;
    size_t scratch_capacity;
};

struct view_lister {
    log_list_each each;
    void *userdata;
};

struct entry {
    uint64_t revision;
    uint32_t position;
    const uint8_t *record;
    size_t size;
    struct record_header header;
};

/* ---- GDBM, and its errors ------------------------------------------------------------------- */

/* What cannot be read is damaged, whatever the reason: it is built anew. */
static int db_read_error(void)
{
    return gdbm_errno == GDBM_MALLOC_ERROR ? -ENOMEM : -EBADMSG;
}

/* Why it cannot be made or written somebody has to be told, the disk being full above all. */
static int db_write_error(void)
{
    int error = errno;

    switch (gdbm_errno) {
    case GDBM_FILE_OPEN_ERROR:
    case GDBM_FILE_WRITE_ERROR:
    case GDBM_FILE_CLOSE_ERROR:
    case GDBM_FILE_SYNC_ERROR:
    case GDBM_FILE_TRUNCATE_ERROR:
        return error > 0 ? -error : -EIO;
    default:
        return db_read_error();
    }
}

static datum db_datum(const void *bytes, size_t size)
{
    /* gdbm does not write through the keys and values it is given. */
    return (datum){ .dptr = (char *)(uintptr_t)bytes, .dsize = (int)size };
}

/* 1 with allocated bytes, 0 absent, or -errno. */
static int db_get(struct view *view, datum key, uint8_t **ret_bytes, size_t *ret_size)
{
    datum value = gdbm_fetch(view->db, key);

    if (!value.dptr)
        return gdbm_errno == GDBM_ITEM_NOT_FOUND ? 0 : db_read_error();
    *ret_bytes = (uint8_t *)value.dptr;
    *ret_size = (size_t)value.dsize;
    return 1;
}

static int db_put(struct view *view, datum key, const void *bytes, size_t size)
{
    return gdbm_store(view->db, key, db_datum(bytes, size), GDBM_REPLACE) ? db_write_error() : 0;
}

static int db_del(struct view *view, datum key)
{
    if (gdbm_delete(view->db, key) == 0 || gdbm_errno == GDBM_ITEM_NOT_FOUND)
        return 0;
    return db_write_error();
}

/* GDBM takes its header's word for where the file ends, and fills it with zeros up to there: a damaged
 * one fills the disk. All other places it holds against that one. */
static int db_check_end(int fd)
{
    struct stat status;
    uint8_t bytes[8];
    uint64_t end;

    if (fstat(fd, &status))
        return -errno;
    if (status.st_size == 0)
        return 0;
    for (size_t length = 0; length < sizeof(bytes);) {
        ssize_t count = TEMP_FAILURE_RETRY(
            pread(fd, bytes + length, sizeof(bytes) - length, (off_t)(HEADER_NEXT_BLOCK + length)));

        if (count <= 0)
            return count < 0 ? -errno : -EBADMSG;
        length += (size_t)count;
    }
    memcpy(&end, bytes, sizeof(end)); /* GDBM's, in the machine's order */
    return end <= (uint64_t)status.st_size + END_SLACK ? 0 : -EBADMSG;
}

/* By descriptor, so that the folder may be out of reach by path. */
static int db_open(int folder_fd, bool bulk, GDBM_FILE *ret_db)
{
    size_t cache = CACHE_BUCKETS;
    int flags = GDBM_WRCREAT | GDBM_NOLOCK | GDBM_CLOERROR | (bulk ? GDBM_NOMMAP : 0);
    CLEANUP_CLOSE int fd = openat(folder_fd, VIEW_OPEN_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    GDBM_FILE db;
    int r;

    if (fd < 0)
        return -errno;
    r = db_check_end(fd);
    if (r < 0)
        return r;
    db = gdbm_fd_open(steal_fd(&fd), VIEW_OPEN_NAME, BLOCK_SIZE, flags, NULL);
    if (!db)
        return db_write_error();
    if (gdbm_setopt(db, GDBM_SETCACHESIZE, &cache, sizeof(cache))) {
        int error = db_write_error();

        gdbm_close(db);
        return error;
    }
    *ret_db = db;
    return 0;
}

static int folder_remove(int folder_fd, const char *name)
{
    return unlinkat(folder_fd, name, 0) && errno != ENOENT ? -errno : 0;
}

/* ---- keys of the file ----------------------------------------------------------------------- */

struct entry_key {
    uint8_t bytes[1 + RECORD_KEY_MAX];
    size_t size;
};

static void entry_key_format(const struct record_key *key, struct entry_key *ret)
{
    ret->bytes[0] = 'R';
    ret->size = 1 + record_key_format(key, ret->bytes + 1);
}

struct index_key {
    uint8_t bytes[INDEX_KEY_SIZE + 4];
    size_t size;
};

static struct index_key count_key(uint8_t class, const uint8_t *scope)
{
    struct index_key key = { .bytes = { 'C', class }, .size = INDEX_KEY_SIZE };

    memcpy(key.bytes + 2, scope, RECORD_SCOPE_SIZE);
    return key;
}

static struct index_key page_key(uint8_t class, const uint8_t *scope, uint64_t page)
{
    struct index_key key = { .bytes = { 'P', class }, .size = INDEX_KEY_SIZE + 4 };
    struct cursor cursor = cursor_writer(key.bytes + INDEX_KEY_SIZE, 4);

    memcpy(key.bytes + 2, scope, RECORD_SCOPE_SIZE);
    cursor_put_u32(&cursor, (uint32_t)page);
    return key;
}

static bool class_is_listed(uint8_t class)
{
    return class == RECORD_APPLICATION || class == RECORD_MAPPING;
}

/* ---- index: dense names of one (class, scope) ----------------------------------------------- */

static int index_count(struct view *view, uint8_t class, const uint8_t *scope, uint64_t *ret_count)
{
    struct index_key key = count_key(class, scope);
    CLEANUP_FREE uint8_t *bytes = NULL;
    struct cursor cursor;
    size_t size;
    uint64_t count;
    int r;

    r = db_get(view, db_datum(key.bytes, key.size), &bytes, &size);
    if (r < 0)
        return r;
    if (r == 0) {
        *ret_count = 0;
        return 0;
    }
    cursor = cursor_reader(bytes, size);
    count = cursor_get_u64(&cursor);
    if (!cursor_at_end(&cursor) || count > UINT32_MAX)
        return -EBADMSG;
    *ret_count = count;
    return 0;
}

static int index_put_count(struct view *view, uint8_t class, const uint8_t *scope, uint64_t count)
{
    struct index_key key = count_key(class, scope);
    uint8_t bytes[8];
    struct cursor cursor = cursor_writer(bytes, sizeof(bytes));

    if (count == 0)
        return db_del(view, db_datum(key.bytes, key.size));
    cursor_put_u64(&cursor, count);
    return db_put(view, db_datum(key.bytes, key.size), bytes, sizeof(bytes));
}

struct page {
    size_t count;
    struct {
        const uint8_t *bytes;
        uint16_t length;
    } names[PAGE_NAMES];
    uint8_t *memory; /* what the names point into */
};

static void page_deinit(struct page *page)
{
    free(page->memory);
}

/* The page must hold at least `least` names. */
static int page_get(struct view *view, struct index_key key, size_t least, struct page *ret_page)
{
    struct cursor cursor;
    size_t size;
    int r;

    r = db_get(view, db_datum(key.bytes, key.size), &ret_page->memory, &size);
    if (r < 0)
        return r;
    if (r == 0)
        return least ? -EBADMSG : 0;
    cursor = cursor_reader(ret_page->memory, size);
    while (!cursor_at_end(&cursor)) {
        uint16_t length = cursor_get_u16(&cursor);
        const uint8_t *name = cursor_get_view(&cursor, length);

        if (!cursor_ok(&cursor) || length > RECORD_NAME_MAX || ret_page->count == PAGE_NAMES)
            return -EBADMSG;
        ret_page->names[ret_page->count].bytes = name;
        ret_page->names[ret_page->count++].length = length;
    }
    return ret_page->count < least ? -EBADMSG : 0;
}

static int page_put(struct view *view, struct index_key key, const struct page *page)
{
    uint8_t bytes[PAGE_SIZE_MAX];
    struct cursor cursor = cursor_writer(bytes, sizeof(bytes));

    if (page->count == 0)
        return db_del(view, db_datum(key.bytes, key.size));
    for (size_t i = 0; i < page->count; i++) {
        cursor_put_u16(&cursor, page->names[i].length);
        cursor_put_bytes(&cursor, page->names[i].bytes, page->names[i].length);
    }
    return db_put(view, db_datum(key.bytes, key.size), bytes, cursor.position);
}

/* Tells an entry where its name stands now. */
static int entry_move(struct view *view, const struct record_key *key, uint32_t position)
{
    CLEANUP_FREE uint8_t *bytes = NULL;
    struct entry_key place;
    struct cursor cursor;
    size_t size;
    int r;

    entry_key_format(key, &place);
    r = db_get(view, db_datum(place.bytes, place.size), &bytes, &size);
    if (r < 0)
        return r;
    if (r == 0 || size < ENTRY_HEAD_SIZE)
        return -EBADMSG;
    cursor = cursor_writer(bytes + 8, 4);
    cursor_put_u32(&cursor, position);
    view->stamp++;
    return db_put(view, db_datum(place.bytes, place.size), bytes, size);
}

/* Puts the last name of the index, taken off its page, into the place of the one removed. */
static int index_refill(struct view *view, const struct record_key *moved, uint32_t position)
{
    __attribute__((__cleanup__(page_deinit))) struct page page = { 0 };
    struct index_key place = page_key(moved->class, moved->scope, position / PAGE_NAMES);
    size_t slot = position % PAGE_NAMES;
    int r;

    r = page_get(view, place, slot + 1, &page);
    if (r < 0)
        return r;
    page.names[slot].bytes = moved->name;
    page.names[slot].length = moved->name_length;
    r = page_put(view, place, &page);
    return r < 0 ? r : entry_move(view, moved, position);
}

static int index_remove(struct view *view, const struct record_key *key, uint32_t position)
{
    __attribute__((__cleanup__(page_deinit))) struct page page = { 0 };
    struct record_key moved = *key;
    struct index_key place;
    uint64_t count;
    size_t slot;
    int r;

    r = index_count(view, key->class, key->scope, &count);
    if (r < 0)
        return r;
    if (position >= count)
        return -EBADMSG;
    place = page_key(key->class, key->scope, (count - 1) / PAGE_NAMES);
    slot = (count - 1) % PAGE_NAMES;
    r = page_get(view, place, slot + 1, &page);
    if (r < 0)
        return r;
    moved.name_length = page.names[slot].length;
    memcpy(moved.name, page.names[slot].bytes, moved.name_length);
    page.count = slot;
    r = page_put(view, place, &page);
    if (r < 0)
        return r;
    r = index_put_count(view, key->class, key->scope, count - 1);
    if (r < 0 || position == count - 1)
        return r;
    return index_refill(view, &moved, position);
}

/* ---- tails of indexes ----------------------------------------------------------------------- */

static size_t tail_bucket(uint8_t class, const uint8_t *scope)
{
    uint64_t hash = class * UINT64_C(0x9e3779b97f4a7c15);

    for (size_t i = 0; i < RECORD_SCOPE_SIZE; i++)
        hash = (hash ^ scope[i]) * UINT64_C(0x100000001b3);
    return (size_t)(hash >> 32) % TAIL_BUCKETS;
}

static void tail_free(struct tail *tail)
{
    if (!tail)
        return;
    free(tail->page);
    free(tail);
}
CLEANUP_DEFINE(tail, struct tail, tail_free)

static int tail_put_page(struct view *view, const struct tail *tail, uint64_t page)
{
    struct index_key key = page_key(tail->class, tail->scope, page);

    return db_put(view, db_datum(key.bytes, key.size), tail->page, tail->page_size);
}

static int tail_flush(struct view *view, struct tail *tail)
{
    int r = 0;

    if (!tail->dirty)
        return 0;
    if (tail->count % PAGE_NAMES)
        r = tail_put_page(view, tail, tail->count / PAGE_NAMES);
    if (r == 0)
        r = index_put_count(view, tail->class, tail->scope, tail->count);
    tail->dirty = r < 0;
    return r;
}

static int tail_drop(struct view *view, struct tail **link)
{
    CLEANUP(tail_cleanup) struct tail *tail = *link;

    *link = tail->next;
    view->tails_count--;
    return tail_flush(view, tail);
}

static int tails_flush(struct view *view)
{
    for (size_t i = 0; i < TAIL_BUCKETS; i++) {
        while (view->tails[i]) {
            int r = tail_drop(view, &view->tails[i]);

            if (r < 0)
                return r;
        }
    }
    return 0;
}

static struct tail **tail_find(struct view *view, uint8_t class, const uint8_t *scope)
{
    struct tail **link = &view->tails[tail_bucket(class, scope)];

    while (*link && ((*link)->class != class ||
                     memcmp((*link)->scope, scope, RECORD_SCOPE_SIZE) != 0))
        link = &(*link)->next;
    return link;
}

static int tail_load(struct view *view, const struct record_key *key, struct tail **ret_tail)
{
    CLEANUP(tail_cleanup) struct tail *tail = calloc(1, sizeof(*tail));
    struct index_key place;
    int r;

    if (!tail)
        return -ENOMEM;
    tail->class = key->class;
    memcpy(tail->scope, key->scope, RECORD_SCOPE_SIZE);
    r = index_count(view, key->class, key->scope, &tail->count);
    if (r < 0)
        return r;
    if (tail->count % PAGE_NAMES) {
        place = page_key(key->class, key->scope, tail->count / PAGE_NAMES);
        r = db_get(view, db_datum(place.bytes, place.size), &tail->page, &tail->page_size);
        if (r <= 0)
            return r < 0 ? r : -EBADMSG;
        tail->page_capacity = tail->page_size;
    }
    *ret_tail = STEAL(tail);
    return 0;
}

static int tail_get(struct view *view, const struct record_key *key, struct tail **ret_tail)
{
    struct tail **link = tail_find(view, key->class, key->scope);
    int r;

    if (!*link) {
        if (view->tails_count >= (view->bulk ? TAILS_BULK : TAILS_SERVING)) {
            r = tails_flush(view);
            if (r < 0)
                return r;
            link = tail_find(view, key->class, key->scope);
        }
        r = tail_load(view, key, link);
        if (r < 0)
            return r;
        view->tails_count++;
    }
    if ((*link)->count >= POSITION_NONE)
        return -EFBIG;
    *ret_tail = *link;
    return 0;
}

static int tail_append(struct view *view, struct tail *tail, const struct record_key *key)
{
    size_t needed = tail->page_size + 2 + key->name_length;
    struct cursor cursor;
    int r = 0;

    if (needed > tail->page_capacity) {
        size_t capacity = needed * 2;
        uint8_t *page = realloc(tail->page, capacity);

        if (!page)
            return -ENOMEM;
        tail->page = page;
        tail->page_capacity = capacity;
    }
    cursor = cursor_writer(tail->page + tail->page_size, needed - tail->page_size);
    cursor_put_u16(&cursor, key->name_length);
    cursor_put_bytes(&cursor, key->name, key->name_length);
    tail->page_size = needed;
    tail->count++;
    tail->dirty = true;
    if (tail->count % PAGE_NAMES == 0) {
        r = tail_put_page(view, tail, tail->count / PAGE_NAMES - 1);
        tail->page_size = 0;
    }
    return r;
}

static int index_insert(struct view *view, const struct record_key *key, uint32_t *ret_position)
{
    struct tail *tail;
    int r;

    r = tail_get(view, key, &tail);
    if (r < 0)
        return r;
    *ret_position = (uint32_t)tail->count;
    return tail_append(view, tail, key);
}

/* Before anything but an insert changes an index, its tail goes back to the file. */
static int index_settle(struct view *view, uint8_t class, const uint8_t *scope)
{
    struct tail **link = tail_find(view, class, scope);

    return *link ? tail_drop(view, link) : 0;
}

/* ---- counters ------------------------------------------------------------------------------- */

static struct census *census_find(const struct counters *counters, uint8_t class, uint32_t generation)
{
    for (size_t i = 0; i < counters->census_count; i++) {
        if (counters->census[i].class == class && counters->census[i].generation == generation)
            return &counters->census[i];
    }
    return NULL;
}

static int census_reserve(struct counters *counters, uint8_t class, uint32_t generation)
{
    struct census *census;

    if (census_find(counters, class, generation))
        return 0;
    if (counters->census_count >= CENSUS_MAX)
        return -EFBIG;
    census = reallocarray(counters->census, counters->census_count + 1, sizeof(*census));
    if (!census)
        return -ENOMEM;
    counters->census = census;
    census[counters->census_count++] = (struct census){ .class = class, .generation = generation };
    return 0;
}

/* Adds (or, with sign -1, takes away) one record from the counters. */
static void census_count(struct counters *counters, const struct record_key *key,
                         const struct record_header *header, size_t size, int sign)
{
    struct census *census = census_find(counters, key->class, header->generation);
    uint64_t bytes = 1u + RECORD_SCOPE_SIZE + key->name_length + size + RECORD_OVERHEAD;

    if (census)
        census->count += (uint64_t)(int64_t)sign;
    if (header->kind != RECORD_LIVE)
        return;
    counters->live_bytes += sign > 0 ? bytes : -bytes;
    counters->live_records += (uint64_t)(int64_t)sign;
}

/* ---- entries -------------------------------------------------------------------------------- */

static int entry_parse(const uint8_t *bytes, size_t size, struct entry *ret_entry)
{
    struct cursor cursor = cursor_reader(bytes, size);
    int r;

    ret_entry->revision = cursor_get_u64(&cursor);
    ret_entry->position = cursor_get_u32(&cursor);
    ret_entry->size = cursor_left(&cursor);
    ret_entry->record = cursor_get_view(&cursor, ret_entry->size);
    if (!cursor_ok(&cursor))
        return -EBADMSG;
    r = record_header_parse(ret_entry->record, ret_entry->size, &ret_entry->header);
    return r < 0 ? -EBADMSG : 0;
}

/* 1 found (memory to be freed by the caller), 0 absent, or -errno. */
static int entry_get(struct view *view, const struct record_key *key, uint8_t **ret_memory,
                     struct entry *ret_entry)
{
    struct entry_key place;
    size_t size;
    int r;

    entry_key_format(key, &place);
    r = db_get(view, db_datum(place.bytes, place.size), ret_memory, &size);
    if (r <= 0)
        return r;
    r = entry_parse(*ret_memory, size, ret_entry);
    return r < 0 ? r : 1;
}

/* 0 stored, 1 it exists and `flag` is GDBM_INSERT, or -errno. */
static int entry_put(struct view *view, const struct record_key *key, const struct entry *entry,
                     int flag)
{
    size_t size = ENTRY_HEAD_SIZE + entry->size;
    struct entry_key place;
    struct cursor cursor;
    int r;

    if (size > view->scratch_capacity) {
        uint8_t *scratch = realloc(view->scratch, size + 1024);

        if (!scratch)
            return -ENOMEM;
        view->scratch = scratch;
        view->scratch_capacity = size + 1024;
    }
    cursor = cursor_writer(view->scratch, size);
    cursor_put_u64(&cursor, entry->revision);
    cursor_put_u32(&cursor, entry->position);
    cursor_put_bytes(&cursor, entry->record, entry->size);
    entry_key_format(key, &place);
    r = gdbm_store(view->db, db_datum(place.bytes, place.size), db_datum(view->scratch, size), flag);
    return r < 0 ? db_write_error() : r;
}

/* What is let go leaves its bytes in the file, in room that is free: they are wiped first. A value of
 * the same size is written in the same place. */
static int entry_wipe(struct view *view, const struct record_key *key, size_t size)
{
    CLEANUP_FREE uint8_t *zeros = calloc(1, ENTRY_HEAD_SIZE + size);
    struct entry_key place;

    if (!zeros)
        return -ENOMEM;
    entry_key_format(key, &place);
    return db_put(view, db_datum(place.bytes, place.size), zeros, ENTRY_HEAD_SIZE + size);
}

/* A record under a key that has none, in a bulk load: no look-up. 0, 1 there is one, or -errno. */
static int bulk_apply(struct view *view, const struct record_key *key, struct entry *entry)
{
    struct tail *tail = NULL;
    int r;

    if (entry->header.kind == RECORD_LIVE && class_is_listed(key->class)) {
        r = tail_get(view, key, &tail);
        if (r < 0)
            return r;
        entry->position = (uint32_t)tail->count;
    }
    r = entry_put(view, key, entry, GDBM_INSERT);
    if (r != 0)
        return r;
    r = tail ? tail_append(view, tail, key) : 0;
    if (r == 0)
        census_count(&view->counters, key, &entry->header, entry->size, 1);
    return r;
}

static int index_update(struct view *view, const struct record_key *key, uint32_t held,
                        struct entry *entry)
{
    bool listed = entry->header.kind == RECORD_LIVE && class_is_listed(key->class);
    int r;

    entry->position = held;
    if (listed == (held != POSITION_NONE))
        return 0;
    if (listed)
        return index_insert(view, key, &entry->position);
    entry->position = POSITION_NONE;
    r = index_settle(view, key->class, key->scope);
    return r < 0 ? r : index_remove(view, key, held);
}

static struct view_held held_of(const struct view *view, bool found, const struct entry *entry)
{
    struct view_held held = { .stamp = view->stamp, .found = found, .position = POSITION_NONE };

    if (found) {
        held.position = entry->position;
        held.size = entry->size;
        held.header = entry->header;
    }
    return held;
}

static int entry_look_up(struct view *view, const struct record_key *key,
                         struct view_held *ret_held)
{
    CLEANUP_FREE uint8_t *memory = NULL;
    struct entry entry;
    int found = entry_get(view, key, &memory, &entry);

    if (found < 0)
        return found;
    *ret_held = held_of(view, found, &entry);
    return 0;
}

static int entry_replace(struct view *view, const struct record_key *key, struct entry *entry,
                         const struct view_held *held)
{
    struct view_held looked_up;
    int r;

    if (!held || held->stamp != view->stamp) {
        r = entry_look_up(view, key, &looked_up);
        if (r < 0)
            return r;
        held = &looked_up;
    }
    if (held->found && entry->header.version <= held->header.version)
        return VIEW_STALE_VERSION;
    r = index_update(view, key, held->position, entry);
    if (r == 0 && held->found && held->size != entry->size)
        r = entry_wipe(view, key, held->size);
    if (r == 0)
        r = entry_put(view, key, entry, GDBM_REPLACE);
    if (r < 0)
        return r;
    if (held->found)
        census_count(&view->counters, key, &held->header, held->size, -1);
    census_count(&view->counters, key, &entry->header, entry->size, 1);
    return VIEW_DONE;
}

/* After a change that stopped half-way the file is not to be kept. */
static int view_result(struct view *view, int result)
{
    if (result < 0)
        view->broken = true;
    return result;
}

int view_apply_held(struct view *view, uint64_t revision, const struct record_key *key,
                    const uint8_t *record, size_t size, const struct view_held *held)
{
    struct entry entry = {
        .revision = revision, .position = POSITION_NONE, .record = record, .size = size
    };
    int r;

    if (view->broken)
        return -EBADMSG;
    r = record_header_parse(record, size, &entry.header);
    if (r < 0)
        return r;
    r = census_reserve(&view->counters, key->class, entry.header.generation);
    if (r < 0)
        return r;
    if (view->bulk) {
        r = bulk_apply(view, key, &entry);
        if (r <= 0)
            return view_result(view, r);
    }
    return view_result(view, entry_replace(view, key, &entry, held));
}

int view_apply(struct view *view, uint64_t revision, const struct record_key *key,
               const uint8_t *record, size_t size)
{
    return view_apply_held(view, revision, key, record, size, NULL);
}

int view_forget(struct view *view, const struct record_key *key)
{
    CLEANUP_FREE uint8_t *memory = NULL;
    struct entry_key place;
    struct entry held;
    int r;

    if (view->broken)
        return -EBADMSG;
    r = entry_get(view, key, &memory, &held);
    if (r <= 0)
        return view_result(view, r);
    if (held.header.kind != RECORD_TOMBSTONE)
        return 0;
    entry_key_format(key, &place);
    view->stamp++;
    r = entry_wipe(view, key, held.size);
    if (r == 0)
        r = db_del(view, db_datum(place.bytes, place.size));
    if (r == 0)
        census_count(&view->counters, key, &held.header, held.size, -1);
    return view_result(view, r);
}

int view_find(struct view *view, const struct record_key *key, struct log_record *ret_record,
              struct view_held *ret_held)
{
    struct entry entry;
    int r;

    free(view->lent);
    view->lent = NULL;
    if (view->broken)
        return -EBADMSG;
    r = entry_get(view, key, &view->lent, &entry);
    if (r >= 0)
        *ret_held = held_of(view, r, &entry);
    if (r <= 0)
        return r;
    ret_record->revision = entry.revision;
    ret_record->record = entry.record;
    ret_record->size = entry.size;
    return 1;
}

int view_get(struct view *view, const struct record_key *key, struct log_record *ret_record)
{
    struct view_held held;

    return view_find(view, key, ret_record, &held);
}

/* The key of the next record's entry: what is beside records is passed over. */
static int entry_next(struct view *view, const struct record_key *before, struct record_key *ret_key)
{
    struct entry_key place;
    datum next;
    int r;

    entry_key_format(before, &place);
    next = before->class ? gdbm_nextkey(view->db, db_datum(place.bytes, place.size))
                         : gdbm_firstkey(view->db);
    while (next.dptr && (next.dsize < 1 || next.dptr[0] != 'R')) {
        CLEANUP_FREE char *passed = next.dptr;

        next = gdbm_nextkey(view->db, next);
    }
    if (!next.dptr)
        return gdbm_errno == GDBM_ITEM_NOT_FOUND ? 0 : db_read_error();
    r = record_key_parse(next.dptr + 1, (size_t)next.dsize - 1, ret_key);
    free(next.dptr);
    return r < 0 ? r : 1;
}

int view_next(struct view *view, struct record_key *key, struct log_record *ret_record)
{
    int r = view->broken ? -EBADMSG : entry_next(view, key, key);

    if (r <= 0)
        return r;
    r = view_get(view, key, ret_record);
    return r == 0 ? -EBADMSG : r;
}

/* Hands out at most `limit` names of the page below *position, the newest first. */
static int list_page(struct view *view, struct record_key *key, uint64_t *position, size_t *limit,
                     const struct view_lister *lister)
{
    __attribute__((__cleanup__(page_deinit))) struct page page = { 0 };
    size_t slot = (*position - 1) % PAGE_NAMES + 1;
    int r;

    r = page_get(view, page_key(key->class, key->scope, (*position - 1) / PAGE_NAMES), slot, &page);
    if (r < 0)
        return r;
    for (; slot > 0 && *limit > 0; slot--, (*limit)--, (*position)--) {
        key->name_length = page.names[slot - 1].length;
        memcpy(key->name, page.names[slot - 1].bytes, key->name_length);
        r = lister->each(lister->userdata, key);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The index as it is on its pages: the tail of the scope is written first. */
static int index_settle_count(struct view *view, uint8_t class, const uint8_t *scope,
                              uint64_t *ret_count)
{
    struct tail *tail = *tail_find(view, class, scope);
    int r = tail ? tail_flush(view, tail) : 0;

    return r < 0 ? r : index_count(view, class, scope, ret_count);
}

/* A page is as long as the count says, and so, by its last name, whether another one follows. */
static int index_check(struct view *view, const struct record_key *key, uint32_t position)
{
    __attribute__((__cleanup__(page_deinit))) struct page page = { 0 };
    __attribute__((__cleanup__(page_deinit))) struct page next = { 0 };
    uint64_t number = position / PAGE_NAMES, first = number * PAGE_NAMES, count;
    size_t slot = position % PAGE_NAMES;
    int r;

    r = index_settle_count(view, key->class, key->scope, &count);
    if (r < 0)
        return r;
    if (position >= count)
        return -EBADMSG;
    r = page_get(view, page_key(key->class, key->scope, number), slot + 1, &page);
    if (r == 0 && slot == PAGE_NAMES - 1)
        r = page_get(view, page_key(key->class, key->scope, number + 1), 0, &next);
    if (r < 0)
        return r;
    if (page.count != (count - first < PAGE_NAMES ? count - first : PAGE_NAMES) ||
        (slot == PAGE_NAMES - 1 && (next.count > 0) != (count > first + PAGE_NAMES)))
        return -EBADMSG;
    return page.names[slot].length == key->name_length &&
                   memcmp(page.names[slot].bytes, key->name, key->name_length) == 0
               ? 0
               : -EBADMSG;
}

void view_check_begin(struct view *view)
{
    free(view->checked.census);
    view->checked = (struct counters){ 0 };
}

int view_check(struct view *view, const struct record_key *key)
{
    CLEANUP_FREE uint8_t *memory = NULL;
    struct entry entry;
    int r;

    if (view->broken)
        return -EBADMSG;
    r = entry_get(view, key, &memory, &entry);
    if (r <= 0)
        return r < 0 ? r : -EBADMSG;
    r = census_reserve(&view->checked, key->class, entry.header.generation);
    if (r < 0)
        return r;
    census_count(&view->checked, key, &entry.header, entry.size, 1);
    if (entry.header.kind == RECORD_LIVE && class_is_listed(key->class))
        return index_check(view, key, entry.position);
    return entry.position == POSITION_NONE ? 0 : -EBADMSG;
}

static bool is_within(uint64_t a, uint64_t b, uint64_t slack)
{
    return (a > b ? a - b : b - a) <= slack;
}

/* What is counted in `one` is counted in the other. */
static bool census_agrees(const struct counters *one, const struct counters *other, uint64_t slack)
{
    for (size_t i = 0; i < one->census_count; i++) {
        const struct census *census = &one->census[i];
        const struct census *found = census_find(other, census->class, census->generation);

        if (!is_within(census->count, found ? found->count : 0, slack))
            return false;
    }
    return true;
}

bool view_check_end(struct view *view, uint64_t changes)
{
    const struct counters *held = &view->counters, *checked = &view->checked;

    return is_within(held->live_records, checked->live_records, changes) &&
           is_within(held->live_bytes, checked->live_bytes, changes * RECORD_SIZE_MAX) &&
           census_agrees(held, checked, changes) && census_agrees(checked, held, changes);
}

/* The cursor is the number of positions not yet visited: a removal moves the last name down only,
 * so a name not yet seen stays below it. */
int view_list(struct view *view, uint8_t class, const uint8_t scope[RECORD_SCOPE_SIZE],
              uint64_t *cursor, size_t limit, log_list_each each, void *userdata)
{
    const struct view_lister lister = { each, userdata };
    struct record_key key = { .class = class };
    uint64_t position;
    int r;

    if (view->broken)
        return -EBADMSG;
    memcpy(key.scope, scope, RECORD_SCOPE_SIZE);
    r = index_settle_count(view, class, scope, &position);
    if (r < 0)
        return r;
    if (*cursor && *cursor < position)
        position = *cursor;
    while (position > 0 && limit > 0) {
        r = list_page(view, &key, &position, &limit, &lister);
        if (r < 0)
            return r;
    }
    *cursor = position;
    return 0;
}

uint64_t view_count(struct view *view, uint8_t class, const uint8_t scope[RECORD_SCOPE_SIZE])
{
    const struct tail *tail = *tail_find(view, class, scope);
    uint64_t count;

    if (tail)
        return tail->count;
    if (view->broken || index_count(view, class, scope, &count) < 0)
        return 0;
    return count;
}

uint64_t view_census(struct view *view, uint8_t class, uint32_t generation)
{
    const struct census *census = census_find(&view->counters, class, generation);

    return census ? census->count : 0;
}

uint64_t view_live_bytes(const struct view *view)
{
    return view->counters.live_bytes;
}

/* ---- the header entry ----------------------------------------------------------------------- */

enum { HEADER_FIXED = 4 + LOG_ID_SIZE + 8 + LOG_CHAIN_SIZE + 8 + 8 + 8 + 4, CENSUS_SIZE = 1 + 4 + 8 };

static int header_put(struct view *view, const struct view_position *position)
{
    size_t size = HEADER_FIXED + view->counters.census_count * CENSUS_SIZE;
    CLEANUP_FREE uint8_t *bytes = malloc(size);
    struct cursor cursor;

    if (!bytes)
        return -ENOMEM;
    cursor = cursor_writer(bytes, size);
    cursor_put_u32(&cursor, VIEW_FORMAT);
    cursor_put_bytes(&cursor, position->head.id, LOG_ID_SIZE);
    cursor_put_u64(&cursor, position->head.revision);
    cursor_put_bytes(&cursor, position->head.chain, LOG_CHAIN_SIZE);
    cursor_put_u64(&cursor, position->journal_offset);
    cursor_put_u64(&cursor, view->counters.live_bytes);
    cursor_put_u64(&cursor, view->counters.live_records);
    cursor_put_u32(&cursor, (uint32_t)view->counters.census_count);
    for (size_t i = 0; i < view->counters.census_count; i++) {
        cursor_put_u8(&cursor, view->counters.census[i].class);
        cursor_put_u32(&cursor, view->counters.census[i].generation);
        cursor_put_u64(&cursor, view->counters.census[i].count);
    }
    return db_put(view, db_datum("H", 1), bytes, size);
}

static int header_parse(struct view *view, struct cursor *cursor, struct view_position *ret_position)
{
    uint32_t count;

    if (cursor_get_u32(cursor) != VIEW_FORMAT)
        return -EBADMSG;
    cursor_get_bytes(cursor, ret_position->head.id, LOG_ID_SIZE);
    ret_position->head.revision = cursor_get_u64(cursor);
    cursor_get_bytes(cursor, ret_position->head.chain, LOG_CHAIN_SIZE);
    ret_position->journal_offset = cursor_get_u64(cursor);
    view->counters.live_bytes = cursor_get_u64(cursor);
    view->counters.live_records = cursor_get_u64(cursor);
    count = cursor_get_u32(cursor);
    if (!cursor_ok(cursor) || count > CENSUS_MAX || cursor_left(cursor) != count * CENSUS_SIZE)
        return -EBADMSG;
    view->counters.census = count ? calloc(count, sizeof(*view->counters.census)) : NULL;
    if (count && !view->counters.census)
        return -ENOMEM;
    for (; view->counters.census_count < count; view->counters.census_count++) {
        struct census *census = &view->counters.census[view->counters.census_count];

        census->class = cursor_get_u8(cursor);
        census->generation = cursor_get_u32(cursor);
        census->count = cursor_get_u64(cursor);
    }
    return cursor_at_end(cursor) ? 0 : -EBADMSG;
}

static int header_get(struct view *view, struct view_position *ret_position)
{
    CLEANUP_FREE uint8_t *bytes = NULL;
    struct cursor cursor;
    size_t size;
    int r;

    r = db_get(view, db_datum("H", 1), &bytes, &size);
    if (r <= 0)
        return r < 0 ? r : -EBADMSG;
    cursor = cursor_reader(bytes, size);
    return header_parse(view, &cursor, ret_position);
}

/* ---- opening and closing -------------------------------------------------------------------- */

static void view_free(struct view *view)
{
    if (!view)
        return;
    for (size_t i = 0; i < TAIL_BUCKETS; i++) {
        while (view->tails[i]) {
            struct tail *tail = view->tails[i];

            view->tails[i] = tail->next;
            tail_free(tail);
        }
    }
    if (view->db)
        gdbm_close(view->db);
    free(view->counters.census);
    free(view->checked.census);
    free(view->lent);
    free(view->scratch);
    free(view);
}
CLEANUP_DEFINE(view, struct view, view_free)

int view_open(int folder_fd, struct view **ret_view, struct view_position *ret_position)
{
    CLEANUP(view_cleanup) struct view *view = calloc(1, sizeof(*view));
    struct view_position position;
    int r;

    if (!view)
        return -ENOMEM;
    view->folder_fd = folder_fd;
    view->stamp = 1;
    r = folder_remove(folder_fd, VIEW_OPEN_NAME);
    if (r < 0)
        return r;
    if (renameat(folder_fd, VIEW_NAME, folder_fd, VIEW_OPEN_NAME))
        return errno == ENOENT ? VIEW_ABSENT : -errno;
    if (fsync(folder_fd))
        return -errno;
    r = db_open(folder_fd, false, &view->db);
    if (r == 0)
        r = header_get(view, &position);
    if (r == -EBADMSG) {
        r = folder_remove(folder_fd, VIEW_OPEN_NAME);
        return r < 0 ? r : VIEW_ABSENT;
    }
    if (r < 0)
        return r;
    *ret_position = position;
    *ret_view = STEAL(view);
    return VIEW_DONE;
}

int view_new(int folder_fd, bool bulk, struct view **ret_view)
{
    CLEANUP(view_cleanup) struct view *view = calloc(1, sizeof(*view));
    CLEANUP_CLOSE int fd = -1;
    int r;

    if (!view)
        return -ENOMEM;
    view->folder_fd = folder_fd;
    view->bulk = bulk;
    view->stamp = 1;
    r = folder_remove(folder_fd, VIEW_NAME);
    if (r == 0)
        r = folder_remove(folder_fd, VIEW_OPEN_NAME);
    if (r < 0)
        return r;
    fd = openat(folder_fd, VIEW_OPEN_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (fsync(folder_fd))
        return -errno;
    r = db_open(folder_fd, bulk, &view->db);
    if (r < 0)
        return r;
    *ret_view = STEAL(view);
    return 0;
}

int view_bulk_end(struct view *view)
{
    int r;

    if (!view->bulk)
        return 0;
    r = view->broken ? -EBADMSG : tails_flush(view);
    if (r < 0)
        return view_result(view, r);
    view->bulk = false;
    /* Opened anew for mapped access; the tails' memory is given back. */
    if (gdbm_close(STEAL(view->db)))
        return view_result(view, db_write_error());
    malloc_trim(0);
    return view_result(view, db_open(view->folder_fd, false, &view->db));
}

/* gdbm_close() reports what it could not write, not what the disk did with it. */
static int db_close_synced(struct view *view)
{
    CLEANUP_CLOSE int fd = fcntl(gdbm_fdesc(view->db), F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (gdbm_close(STEAL(view->db)))
        return db_write_error();
    return fsync(fd) ? -errno : 0;
}

int view_close(struct view *view, const struct view_position *position)
{
    int folder_fd = view->folder_fd;
    int r;

    if (view->broken || view->bulk) {
        view_discard(view);
        return -EBADMSG;
    }
    r = tails_flush(view);
    if (r == 0)
        r = header_put(view, position);
    if (r == 0)
        r = db_close_synced(view);
    if (r < 0) {
        view_discard(view);
        return r;
    }
    view_free(view);
    if (renameat(folder_fd, VIEW_OPEN_NAME, folder_fd, VIEW_NAME) || fsync(folder_fd))
        return -errno;
    return 0;
}

void view_discard(struct view *view)
{
    int folder_fd;

    if (!view)
        return;
    folder_fd = view->folder_fd;
    view_free(view);
    /* If it stays, the next start throws it away. */
    (void)folder_remove(folder_fd, VIEW_OPEN_NAME);
}

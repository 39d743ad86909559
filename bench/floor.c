/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "bench/floor.h"

#include "bench/clock.h"
#include "bench/people.h"
#include "bench/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <gdbm.h>
#include <stdint.h>
#include <string.h>

#define SYNC_FILE_SIZE (16 * 1024 * 1024)
#define SYNC_WRITE_SIZE 1024

struct sync_stream {
    struct stream stream;
    int fd;
    off_t offset;
};

static void sync_free(struct stream *stream)
{
    struct sync_stream *sync = (struct sync_stream *)stream;

    if (sync->fd >= 0)
        close(sync->fd);
    free(sync);
}

static int sync_call(struct stream *stream)
{
    struct sync_stream *sync = (struct sync_stream *)stream;
    char bytes[SYNC_WRITE_SIZE];

    memset(bytes, (int)(sync->offset / SYNC_WRITE_SIZE % 255) + 1, sizeof(bytes));
    if (pwrite(sync->fd, bytes, sizeof(bytes), sync->offset) != (ssize_t)sizeof(bytes) ||
        fdatasync(sync->fd)) {
        perror("cannot write and sync");
        return -EIO;
    }
    sync->offset = (sync->offset + SYNC_WRITE_SIZE) % SYNC_FILE_SIZE;
    return 0;
}

static int sync_prepare(struct sync_stream *sync, const char *path)
{
    static const char zeros[64 * 1024];

    sync->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (off_t at = 0; sync->fd >= 0 && at < SYNC_FILE_SIZE; at += (off_t)sizeof(zeros))
        if (pwrite(sync->fd, zeros, sizeof(zeros), at) != (ssize_t)sizeof(zeros))
            return -EIO;
    if (sync->fd < 0 || fsync(sync->fd)) {
        fprintf(stderr, "cannot prepare '%s': %m\n", path);
        return -EIO;
    }
    return 0;
}

int floor_stream_new(const char *name, struct stream **ret_stream)
{
    struct sync_stream *sync = calloc(1, sizeof(*sync));
    int r;

    if (!sync)
        return -ENOMEM;
    sync->stream.call = sync_call;
    sync->stream.free = sync_free;
    r = sync_prepare(sync, strchr(name, ':') + 1);
    if (r < 0) {
        sync_free(&sync->stream);
        return r;
    }
    *ret_stream = &sync->stream;
    return 0;
}

static int gdbm_failed(const char *what, const char *path)
{
    fprintf(stderr, "cannot %s '%s': %s\n", what, path, gdbm_strerror(gdbm_errno));
    return -EIO;
}

int floor_gdbm_shape(const char *path, struct gdbm_shape *ret_shape)
{
    GDBM_FILE file = gdbm_open(path, 0, GDBM_READER | GDBM_NOLOCK, 0, NULL);
    struct gdbm_shape sum = { 0 };
    datum key, next;

    if (!file)
        return gdbm_failed("open", path);
    for (key = gdbm_firstkey(file); key.dptr; key = next) {
        datum value = gdbm_fetch(file, key);

        next = gdbm_nextkey(file, key);
        sum.entries++;
        sum.key_size += (size_t)key.dsize;
        sum.value_size += (size_t)value.dsize;
        free(value.dptr);
        free(key.dptr);
    }
    gdbm_close(file);
    if (sum.entries) {
        sum.key_size /= sum.entries;
        sum.value_size /= sum.entries;
    }
    *ret_shape = sum;
    return 0;
}

/* Half of the keys end in a name of our people, as mappings do, and half in a hash, as reservations do:
 * GDBM's own hash spreads the former less well, which costs everybody the same. */
static void gdbm_key(char *key, size_t size, uint64_t number)
{
    uint64_t mixed = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    char name[PEOPLE_NAME_SIZE];
    size_t length;

    people_filler((unsigned)(number / 2), name);
    length = strlen(name);
    memset(key, 'k', size);
    if (number % 2 == 0)
        memcpy(key + size - length, name, length);
    else
        memcpy(key + size - sizeof(mixed), &mixed, sizeof(mixed));
}

static int gdbm_fill(GDBM_FILE file, const struct gdbm_shape *shape)
{
    size_t key_size = shape->key_size > PEOPLE_NAME_SIZE ? shape->key_size : PEOPLE_NAME_SIZE;
    char *key CLEANUP_FREE = calloc(1, key_size);
    char *value CLEANUP_FREE = calloc(1, shape->value_size + 8);

    if (!key || !value)
        return -ENOMEM;
    for (uint64_t i = 0; i < shape->entries; i++) {
        datum k = { .dptr = key, .dsize = (int)key_size };
        datum v = { .dptr = value, .dsize = (int)shape->value_size };

        gdbm_key(key, key_size, i);
        memcpy(value, &i, 8);
        if (gdbm_store(file, k, v, GDBM_REPLACE))
            return -EIO;
    }
    return 0;
}

int floor_gdbm_load(const char *path, const struct gdbm_shape *shape, double *ret_seconds)
{
    uint64_t begin = clock_nsec();
    GDBM_FILE file = gdbm_open(path, 4096, GDBM_NEWDB | GDBM_NOMMAP | GDBM_CLOEXEC, 0600, NULL);
    int cache = 1024, r;

    if (!file)
        return gdbm_failed("make", path);
    gdbm_setopt(file, GDBM_SETCACHESIZE, &cache, sizeof(cache));
    r = gdbm_fill(file, shape);
    if (gdbm_close(file) || r < 0)
        return gdbm_failed("load", path);
    *ret_seconds = (double)(clock_nsec() - begin) / 1e9;
    unlink(path);
    return 0;
}

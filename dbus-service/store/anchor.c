/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/store/anchor.h"

#include "common/cursor.h"
#include "common/secret.h"
#include "dbus-service/store/journal_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>

enum { ANCHOR_FORMAT = 1, ANCHOR_SIZE = 144, ANCHOR_CHECKED = 112 };

static const char anchor_magic[] = "MSANCHR1";
static const char anchor_label[] = "mastersecret anchor";

static void anchor_check(const uint8_t *bytes, const struct log_hash *hash, uint8_t ret_check[32])
{
    const struct iovec parts[] = {
        { .iov_base = (void *)(uintptr_t)anchor_label, .iov_len = strlen(anchor_label) },
        { .iov_base = (void *)(uintptr_t)bytes, .iov_len = ANCHOR_CHECKED },
    };

    hash->hash(hash->userdata, parts, 2, ret_check);
}

static int anchor_parse(const uint8_t *bytes, const struct log_hash *hash,
                        struct anchor *ret_anchor)
{
    struct cursor cursor = cursor_reader(bytes, ANCHOR_SIZE);
    struct anchor anchor;
    uint8_t check[32];
    uint32_t format;

    if (memcmp(cursor_get_view(&cursor, 8), anchor_magic, 8) != 0)
        return ANCHOR_DAMAGED;
    format = cursor_get_u32(&cursor);
    if (format > ANCHOR_FORMAT)
        return ANCHOR_NEWER;
    cursor_get_u32(&cursor);
    cursor_get_bytes(&cursor, anchor.realm, sizeof(anchor.realm));
    cursor_get_bytes(&cursor, anchor.head.id, sizeof(anchor.head.id));
    anchor.head.revision = cursor_get_u64(&cursor);
    cursor_get_bytes(&cursor, anchor.head.chain, sizeof(anchor.head.chain));
    anchor_check(bytes, hash, check);
    if (format != ANCHOR_FORMAT || memcmp(check, bytes + ANCHOR_CHECKED, sizeof(check)) != 0)
        return ANCHOR_DAMAGED;
    *ret_anchor = anchor;
    return ANCHOR_DONE;
}

int anchor_get(const char *path, const struct log_hash *hash, struct anchor *ret_anchor)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    CLEANUP_SECRET struct secret *content = NULL;
    int r;

    if (fd < 0)
        return errno == ENOENT ? ANCHOR_ABSENT : -errno;
    r = secret_new(ANCHOR_SIZE + 1, &content);
    if (r == 0)
        r = secret_read(content, fd);
    if (r < 0)
        return r;
    /* A later format may be longer, but names itself in the first twelve bytes. */
    if (content->length < ANCHOR_SIZE)
        return ANCHOR_DAMAGED;
    switch (anchor_parse(content->bytes, hash, ret_anchor)) {
    case ANCHOR_DONE:
        return content->length == ANCHOR_SIZE ? ANCHOR_DONE : ANCHOR_DAMAGED;
    case ANCHOR_NEWER:
        return ANCHOR_NEWER;
    default:
        return ANCHOR_DAMAGED;
    }
}

static void anchor_format(const struct anchor *anchor, const struct log_hash *hash,
                          uint8_t ret_bytes[ANCHOR_SIZE])
{
    struct cursor cursor = cursor_writer(ret_bytes, ANCHOR_SIZE);
    static const uint8_t reserved[16];
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    cursor_put_bytes(&cursor, anchor_magic, 8);
    cursor_put_u32(&cursor, ANCHOR_FORMAT);
    cursor_put_u32(&cursor, 0);
    cursor_put_bytes(&cursor, anchor->realm, sizeof(anchor->realm));
    cursor_put_bytes(&cursor, anchor->head.id, sizeof(anchor->head.id));
    cursor_put_u64(&cursor, anchor->head.revision);
    cursor_put_bytes(&cursor, anchor->head.chain, sizeof(anchor->head.chain));
    cursor_put_u64(&cursor, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    cursor_put_bytes(&cursor, reserved, sizeof(reserved));
    anchor_check(ret_bytes, hash, ret_bytes + ANCHOR_CHECKED);
}

/* Opens the folder of a path; what follows the last slash is its name there. */
static int folder_open(const char *path, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];
    int fd;

    if (!slash || !slash[1] || (size_t)(slash - path) + 2 > sizeof(folder))
        return -EINVAL;
    memcpy(folder, path, (size_t)(slash - path) + 1);
    folder[slash - path + 1] = '\0';
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *ret_name = slash + 1;
    return fd;
}

static int file_put(int folder_fd, const char *name, const uint8_t *bytes, size_t size)
{
    CLEANUP_CLOSE int fd =
        openat(folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int r;

    if (fd < 0)
        return -errno;
    r = writer_write(fd, bytes, size, 0);
    if (r == 0 && fsync(fd))
        r = -errno;
    return r;
}

int anchor_put(const char *path, const struct log_hash *hash, const struct anchor *anchor)
{
    uint8_t bytes[ANCHOR_SIZE];
    char temporary[NAME_MAX + 1];
    const char *name;
    CLEANUP_CLOSE int folder_fd = folder_open(path, &name);
    int r;

    if (folder_fd < 0)
        return folder_fd;
    if (snprintf(temporary, sizeof(temporary), "%s.new", name) >= (int)sizeof(temporary))
        return -ENAMETOOLONG;
    anchor_format(anchor, hash, bytes);
    r = file_put(folder_fd, temporary, bytes, sizeof(bytes));
    if (r == 0 && renameat(folder_fd, temporary, folder_fd, name))
        r = -errno;
    if (r < 0) {
        (void)unlinkat(folder_fd, temporary, 0);
        return r;
    }
    return fsync(folder_fd) ? -errno : 0;
}

int anchor_del(const char *path)
{
    const char *name;
    CLEANUP_CLOSE int folder_fd = folder_open(path, &name);

    if (folder_fd < 0)
        return folder_fd;
    if (unlinkat(folder_fd, name, 0) && errno != ENOENT)
        return -errno;
    return fsync(folder_fd) ? -errno : 0;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/durable_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

int durable_file_read(int fd, size_t size, struct secret **ret_bytes)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    int r = secret_new(size, &bytes);

    if (r == 0)
        r = secret_read(bytes, fd);
    if (r < 0)
        return r;
    *ret_bytes = STEAL(bytes);
    return 0;
}

int durable_file_write(int fd, const void *bytes, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = pwrite(fd, (const uint8_t *)bytes + done, size - done, (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

int durable_file_temporary(const char *name, char ret_name[NAME_MAX + 1])
{
    int length = snprintf(ret_name, NAME_MAX + 1, ".%s.new", name);

    return length < 0 || length > NAME_MAX ? -ENAMETOOLONG : 0;
}

/* What the disk says it holds, before anybody relies on it. */
static int check_written(int fd, const void *bytes, size_t size)
{
    CLEANUP_SECRET struct secret *found = NULL;
    int r = durable_file_read(fd, size + 1, &found);

    if (r < 0)
        return r;
    return found->length == size && sodium_memcmp(found->bytes, bytes, size) == 0 ? 0 : -EIO;
}

static int write_temporary(int folder_fd, const char *temporary, mode_t mode, const void *bytes,
                           size_t size)
{
    CLEANUP_CLOSE int fd = -1;
    int r;

    fd = openat(folder_fd, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    if (fchmod(fd, mode) < 0) /* whatever the umask is */
        return -errno;
    r = durable_file_write(fd, bytes, size);
    return r < 0 ? r : check_written(fd, bytes, size);
}

int durable_file_prepare(int folder_fd, const char *name, mode_t mode, const void *bytes,
                         size_t size)
{
    char temporary[NAME_MAX + 1];
    int r = durable_file_temporary(name, temporary);

    if (r < 0)
        return r;
    unlinkat(folder_fd, temporary, 0); /* left by a crash */
    r = write_temporary(folder_fd, temporary, mode, bytes, size);
    if (r < 0)
        unlinkat(folder_fd, temporary, 0);
    return r;
}

static int put_in_place(int folder_fd, const char *name, unsigned flags, bool *ret_renamed)
{
    char temporary[NAME_MAX + 1];
    int r = durable_file_temporary(name, temporary);

    *ret_renamed = false;
    if (r < 0)
        return r;
    if (renameat2(folder_fd, temporary, folder_fd, name, flags) < 0)
        return -errno;
    *ret_renamed = true;
    return fsync(folder_fd) < 0 ? -errno : 0;
}

int durable_file_commit(int folder_fd, const char *name)
{
    bool renamed;

    return put_in_place(folder_fd, name, 0, &renamed);
}

int durable_file_cancel(int folder_fd, const char *name)
{
    char temporary[NAME_MAX + 1];
    int r = durable_file_temporary(name, temporary);

    if (r < 0)
        return r;
    return unlinkat(folder_fd, temporary, 0) < 0 ? -errno : 0;
}

int durable_file_replace(int folder_fd, const char *name, mode_t mode, const void *bytes,
                         size_t size)
{
    int r = durable_file_prepare(folder_fd, name, mode, bytes, size);

    if (r < 0)
        return r;
    r = durable_file_commit(folder_fd, name);
    if (r < 0)
        durable_file_cancel(folder_fd, name);
    return r;
}

int durable_file_create(int folder_fd, const char *name, mode_t mode, const void *bytes,
                        size_t size)
{
    bool renamed;
    int r = durable_file_prepare(folder_fd, name, mode, bytes, size);

    if (r < 0)
        return r;
    r = put_in_place(folder_fd, name, RENAME_NOREPLACE, &renamed);
    if (r < 0 && renamed)
        unlinkat(folder_fd, name, 0);
    else if (r < 0)
        durable_file_cancel(folder_fd, name);
    return r;
}

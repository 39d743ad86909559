/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/durable_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

static int write_temporary(int folder_fd, const char *temporary, mode_t mode, const void *bytes,
                           size_t size)
{
    CLEANUP_CLOSE int fd = -1;

    fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    if (fchmod(fd, mode) < 0) /* whatever the umask is */
        return -errno;
    return durable_file_write(fd, bytes, size);
}

static int put_in_place(int folder_fd, const char *temporary, const char *name)
{
    int r;

    if (renameat2(folder_fd, temporary, folder_fd, name, RENAME_NOREPLACE) < 0)
        return -errno;
    if (fsync(folder_fd) == 0)
        return 0;
    r = -errno;
    unlinkat(folder_fd, name, 0);
    return r;
}

int durable_file_create(int folder_fd, const char *name, mode_t mode, const void *bytes,
                        size_t size)
{
    char temporary[NAME_MAX + 1];
    int length = snprintf(temporary, sizeof(temporary), ".%s.new", name);
    int r;

    if (length < 0 || (size_t)length >= sizeof(temporary))
        return -ENAMETOOLONG;
    unlinkat(folder_fd, temporary, 0); /* left by a crash */
    r = write_temporary(folder_fd, temporary, mode, bytes, size);
    if (r == 0)
        r = put_in_place(folder_fd, temporary, name);
    if (r < 0)
        unlinkat(folder_fd, temporary, 0);
    return r;
}

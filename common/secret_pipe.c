/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/secret_pipe.h"

#include "common/descriptor.h"
#include "common/names.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/ioctl.h>

/* A user over its share of pipe pages (pipe-user-pages-soft) gets pipes of a page or two only, without
 * an error, and is refused a larger one: look, and ask for the room. */
static int ensure_room(int fd)
{
    int size = fcntl(fd, F_GETPIPE_SZ);

    if (size < 0)
        return -errno;
    if (size >= VALUE_MAX_BYTES || fcntl(fd, F_SETPIPE_SZ, VALUE_MAX_BYTES) >= 0)
        return 0;
    return errno == EPERM ? PIPE_NO_ROOM : -errno;
}

/* See descriptor.h: what is printed into a pipe would be taken for a value. */
static int open_above_standard(int ret_fds[2])
{
    int fillers[DESCRIPTORS_STANDARD];
    int r;

    descriptors_fill(fillers);
    r = pipe2(ret_fds, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
    descriptors_unfill(fillers);
    if (r < 0 || (ret_fds[0] > STDERR_FILENO && ret_fds[1] > STDERR_FILENO))
        return r;
    /* Another thread emptied one of the places meanwhile. */
    close(ret_fds[1]);
    close(ret_fds[0]);
    return -EAGAIN;
}

int secret_pipe_init(struct secret_pipe *pipe)
{
    int fds[2];
    int r;

    do
        r = open_above_standard(fds);
    while (r == -EAGAIN);
    if (r < 0)
        return r;
    r = ensure_room(fds[1]);
    if (r < 0) {
        close(fds[0]);
        close(fds[1]);
        return r;
    }
    *pipe = (struct secret_pipe){ .read_fd = fds[0], .write_fd = fds[1] };
    return r;
}

void secret_pipe_deinit(struct secret_pipe *pipe)
{
    cleanup_close_fd(&pipe->read_fd);
    cleanup_close_fd(&pipe->write_fd);
    *pipe = (struct secret_pipe){ .read_fd = -1, .write_fd = -1 };
}

/* How much fits into the pipe `fd`, and so whether it is one: nothing else has a size. */
static int pipe_size(int fd, enum pipe_direction direction, size_t *ret_size)
{
    int wanted = direction == PIPE_READ_END ? O_RDONLY : O_WRONLY;
    int flags = fcntl(fd, F_GETFL), size;

    if (flags < 0)
        return -errno;
    size = fcntl(fd, F_GETPIPE_SZ);
    if (size < 0 && errno != EBADF)
        return -errno;
    if (size < 0 || (flags & O_PATH) || (flags & O_ACCMODE) != wanted)
        return PIPE_NOT_PIPE;
    *ret_size = (size_t)size;
    return PIPE_DONE;
}

int secret_pipe_check(int fd, enum pipe_direction direction)
{
    size_t size;

    return pipe_size(fd, direction, &size);
}

/* What one caller left behind must never reach the next one: if the private pipe cannot be emptied
 * it is replaced. Returns `result`, or the error of the replacement. */
static int discard(struct secret_pipe *pipe, int result)
{
    uint8_t bytes[4096];
    ssize_t count;
    int r;

    do
        count = read(pipe->read_fd, bytes, sizeof(bytes));
    while (count > 0 || (count < 0 && errno == EINTR));
    memory_wipe(bytes, sizeof(bytes));
    if (count < 0 && errno == EAGAIN)
        return result;
    secret_pipe_deinit(pipe);
    r = secret_pipe_init(pipe);
    return r < 0 ? r : result;
}

/* Reads exactly `length` bytes, which the private pipe holds, to the end of `into`. */
static int take(struct secret_pipe *pipe, size_t length, struct secret *into)
{
    while (length > 0) {
        ssize_t count = read(pipe->read_fd, into->bytes + into->length, length);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return discard(pipe, count < 0 ? -errno : -EIO);
        into->length += (size_t)count;
        length -= (size_t)count;
    }
    return 0;
}

int secret_pipe_receive(struct secret_pipe *pipe, int fd, struct secret *into)
{
    int r = secret_pipe_check(fd, PIPE_READ_END);

    if (r != PIPE_DONE)
        return r;
    if (into->capacity < VALUE_MAX_BYTES + 1)
        return -ENOBUFS;
    while (into->length <= VALUE_MAX_BYTES) {
        ssize_t count = splice(fd, NULL, pipe->write_fd, NULL,
                               VALUE_MAX_BYTES + 1 - into->length, SPLICE_F_NONBLOCK);

        if (count == 0)
            return PIPE_DONE;
        if (count < 0 && errno == EAGAIN)
            return PIPE_AGAIN;
        if (count < 0 && errno == EINVAL)
            return PIPE_NOT_PIPE;
        if (count < 0 && errno != EINTR)
            return -errno;
        r = count > 0 ? take(pipe, (size_t)count, into) : 0;
        if (r < 0)
            return r;
    }
    return PIPE_TOO_LARGE;
}

static int check_reader(int fd)
{
    struct pollfd poll_fd = { .fd = fd };

    if (poll(&poll_fd, 1, 0) < 0)
        return -errno;
    return (poll_fd.revents & POLLERR) ? PIPE_CLOSED : PIPE_DONE;
}

static int pass_on(struct secret_pipe *pipe, int fd, size_t length)
{
    while (length > 0) {
        ssize_t count = splice(pipe->read_fd, NULL, fd, NULL, length, SPLICE_F_NONBLOCK);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EPIPE)
            return discard(pipe, PIPE_CLOSED);
        /* The peer filled its own pipe, or changed its size, after the check. */
        if (count == 0 || (count < 0 && (errno == EAGAIN || errno == EBUSY)))
            return discard(pipe, PIPE_NO_ROOM);
        if (count < 0)
            return discard(pipe, errno == EINVAL ? PIPE_NOT_PIPE : -errno);
        length -= (size_t)count;
    }
    return PIPE_DONE;
}

/* Whether there is room is asked before anything is sent, because bytes in a pipe cannot be taken back. */
int secret_pipe_send(struct secret_pipe *pipe, int fd, const void *bytes, size_t length)
{
    size_t size = 0;
    ssize_t count;
    int queued = 0;
    int r = pipe_size(fd, PIPE_WRITE_END, &size);

    if (r != PIPE_DONE)
        return r;
    if (length > VALUE_MAX_BYTES)
        return PIPE_TOO_LARGE;
    if (ioctl(fd, FIONREAD, &queued) < 0)
        return -errno;
    if (queued > 0 || size < length)
        return PIPE_NO_ROOM;
    if (length == 0)
        return check_reader(fd);
    /* One write of at most the pipe's size into an empty non-blocking pipe: all or an error. */
    count = write(pipe->write_fd, bytes, length);
    if (count < 0)
        return -errno;
    if ((size_t)count != length)
        return discard(pipe, -EIO);
    return pass_on(pipe, fd, length);
}

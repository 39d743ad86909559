/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors 0 to 2 belong to the host process, even while they are closed: what it prints would
 * go into a socket or a pipe of ours that has come to lie there. */
#ifndef COMMON_DESCRIPTOR_H
#define COMMON_DESCRIPTOR_H

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Takes a new descriptor over, or -1 with its errno, and returns it above 2. For files open for
 * reading only: whatever is printed to them meanwhile fails. */
static inline int descriptor_above_standard(int fd)
{
    int above;

    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return above;
}

enum { DESCRIPTORS_STANDARD = STDERR_FILENO + 1 };

/* For what must not lie there for a moment (a write that has begun goes on after the move): fills
 * the places below 3 that are free, with sockets that nothing can be printed to. */
static inline void descriptors_fill(int ret_fillers[DESCRIPTORS_STANDARD])
{
    for (int fd = 0; fd < DESCRIPTORS_STANDARD; fd++)
        ret_fillers[fd] =
            fcntl(fd, F_GETFD) < 0 ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
}

static inline void descriptors_unfill(const int fillers[DESCRIPTORS_STANDARD])
{
    for (int fd = 0; fd < DESCRIPTORS_STANDARD; fd++)
        if (fillers[fd] >= 0)
            close(fillers[fd]);
}

/* A new AF_UNIX socket, close-on-exec, or -1 with errno. */
static inline int socket_above_standard(int type)
{
    int fillers[DESCRIPTORS_STANDARD];
    int fd;

    descriptors_fill(fillers);
    fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    descriptors_unfill(fillers);
    return fd;
}

#endif

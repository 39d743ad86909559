/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors 0 to 2 belong to the host process, even while they are closed: what it prints would
 * go into a socket or a pipe of ours that has come to lie there. */
#ifndef COMMON_DESCRIPTOR_H
#define COMMON_DESCRIPTOR_H

#include <fcntl.h>
#include <unistd.h>

/* Takes a new descriptor over, or -1 with its errno, and returns it above 2. To be called before it
 * is connected to anything: until then whatever is printed to it only fails. */
static inline int descriptor_above_standard(int fd)
{
    int above;

    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return above;
}

#endif

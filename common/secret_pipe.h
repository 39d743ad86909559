/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moving secret bytes through pipes that the other side made. The peer may change O_NONBLOCK, keep
 * the other end open or be slow on purpose, so nothing here ever blocks: bytes pass through a
 * private pipe with splice(2) and SPLICE_F_NONBLOCK.
 * Values are at most VALUE_MAX_BYTES. Nothing here closes the peer's fd. */
#ifndef COMMON_SECRET_PIPE_H
#define COMMON_SECRET_PIPE_H

#include "common/secret.h"

enum pipe_direction { PIPE_READ_END, PIPE_WRITE_END };

enum pipe_outcome {
    PIPE_DONE = 0,
    PIPE_AGAIN,     /* the end has not come yet, or there is no room now: call again when ready */
    PIPE_NOT_PIPE,  /* not a pipe, or the wrong end */
    PIPE_TOO_LARGE, /* more than VALUE_MAX_BYTES */
    PIPE_NO_ROOM,   /* write: the pipe cannot take the whole value */
    PIPE_CLOSED,    /* write: nobody has the read end open */
};

/* A private pipe pair for splicing, to be made once per thread and kept. */
struct secret_pipe {
    int read_fd;
    int write_fd;
};

/* 0, -errno, or PIPE_NO_ROOM: it is made, but the user holds so many pipes that the kernel gives it room
 * for a page or two only; most values fit. */
int secret_pipe_init(struct secret_pipe *pipe) MUST_CHECK;
void secret_pipe_deinit(struct secret_pipe *pipe);

/* Is fd a pipe and the named end of it? PIPE_DONE or PIPE_NOT_PIPE, or -errno. */
int secret_pipe_check(int fd, enum pipe_direction direction) MUST_CHECK;

/* Takes what the pipe `fd` holds now and appends it to `into` (whose capacity is at least
 * VALUE_MAX_BYTES + 1). PIPE_DONE once end of file was seen, PIPE_AGAIN when more may come,
 * PIPE_TOO_LARGE, PIPE_NOT_PIPE, or -errno. Never blocks. */
int secret_pipe_receive(struct secret_pipe *pipe, int fd, struct secret *into) MUST_CHECK;

/* Puts the whole value into the pipe `fd` or nothing: PIPE_DONE, PIPE_NO_ROOM, PIPE_CLOSED,
 * PIPE_NOT_PIPE, or -errno. Never blocks; the process ignores SIGPIPE, as the service does. */
int secret_pipe_send(struct secret_pipe *pipe, int fd, const void *bytes, size_t length) MUST_CHECK;

#endif

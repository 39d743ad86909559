/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A line on the terminal for what takes more than two seconds: how far, how fast, how long yet.
 * None where standard error is no terminal. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "client/cli/command.h"

#include <jansson.h>
#include <pthread.h>

struct progress_point {
    const char *what;   /* "re-encrypting" */
    uint64_t done;
    uint64_t total;     /* 0: not known */
    uint64_t rate;      /* per second; 0: from the beginning of the line on average */
    uint64_t left_usec; /* 0: not known */
    bool bytes;         /* else records */
};

struct progress {
    bool terminal;
    bool shown;
    uint64_t started_usec; /* CLOCK_MONOTONIC */
    /* When this was seen first, and what was done by then. */
    char what[32];
    uint64_t first_usec;
    uint64_t first;
};

void progress_begin(struct progress *progress);
void progress_show(struct progress *progress, const struct progress_point *point);
/* Removes the line. */
void progress_end(struct progress *progress);

/* Of the property Rotation: its phase, and how far that is, if it has a count. `what` is borrowed from it
 * at most. */
void progress_of_rotation(const json_t *rotation, struct progress_point *ret_point);

/* "[#####-----]  50 %  1200/s  2 min 5 s left" of a point, at that rate. */
void progress_format(const struct progress_point *point, char *ret_text, size_t size);

/* Shows the service's progress from a thread of its own, by a connection of its own, while this
 * thread waits for a call's answer, which takes as long as it takes unless --timeout says otherwise.
 * fd: a file that the call fills, or -1. */
struct progress_watch {
    const char *what;
    const char *address; /* of the bus, or NULL */
    int fd;
    bool running;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool over;
};
void progress_watch_start(struct cli *cli, const char *what, int fd,
                          struct progress_watch *ret_watch);
void progress_watch_stop(struct progress_watch *watch);

#endif

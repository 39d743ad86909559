/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A stream is one kind of operation, set up and ready to be repeated: a call over one connection, or
 * a floor that such a call is held against. What goes wrong is told on standard error where it
 * happens; the negative errno only says that it did. */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include "common/cleanup.h"

struct stream {
    int (*call)(struct stream *stream); /* one operation: 0 or -errno */
    void (*free)(struct stream *stream);
};

struct workload {
    const char *bus_address;
    const char *direct_address;
    const char *folder; /* where echo:set syncs */
    unsigned users;   /* people_user(0) … (users - 1) are mapped and known */
    unsigned client;  /* which one this is, of so many: no two set the same user's mapping */
    unsigned clients;
};

/* DOOR:OPERATION with DOOR bus, direct or echo (see bench/echo.h) and OPERATION ping, lookup, set; or
 * DOOR keyring, gnome-keyring at the bus, and OPERATION ping, secret. */
int client_stream_new(const char *name, const struct workload *workload,
                      struct stream **ret_stream) MUST_CHECK;
/* sync:FILE, one write of 1 KiB and fdatasync into a file written beforehand, like the journal's. */
int floor_stream_new(const char *name, struct stream **ret_stream) MUST_CHECK;

static inline int stream_call(struct stream *stream)
{
    return stream->call(stream);
}

static inline void stream_free(struct stream *stream)
{
    if (stream)
        stream->free(stream);
}

/* 0 once Manager.State read over the direct socket is `state`, -EAGAIN while not; the connection is
 * made anew each time. Says nothing. */
int client_state_is(const char *address, const char *state) MUST_CHECK;

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The file descriptors of a call, by name: an argument a{sh}, or one h. All are duplicates that are closed
 * with the call; the originals go with the message. Values that a caller gives are read to their end
 * before anything is decided, waiting at most DESCRIPTORS_WAIT_MS in all for writers that are late. */
#ifndef BUS_DESCRIPTORS_H
#define BUS_DESCRIPTORS_H

#include "common/names.h"
#include "common/secret.h"

#include <stdbool.h>

#define DESCRIPTORS_MAX 16
#define DESCRIPTORS_WAIT_MS 1000

struct call;
struct descriptors_wait;

struct descriptor {
    const char *name;     /* within the message */
    int fd;               /* -1 = given away */
    struct secret *value; /* what was read */
    bool complete;        /* read to its end */
    bool left_alone;      /* not to be read */
};

/* What a method takes by a{sh}, and how. */
enum descriptor_use {
    DESCRIPTOR_VALUE,      /* a pipe, read to its end */
    DESCRIPTOR_PASSPHRASE, /* the same, and as long as a passphrase is */
    DESCRIPTOR_END,        /* the write end of a pipe */
    DESCRIPTOR_FILE,       /* a regular file; only a worker reads, writes or asks it, for that may take for ever */
};

struct descriptor_rule {
    const char *name;
    enum descriptor_use use;
    bool needed;
};

struct descriptors {
    bool taken; /* from the message */
    size_t count;
    struct descriptor items[DESCRIPTORS_MAX];
    struct descriptors_wait *wait;
};

/* Takes them out of the position-th argument: 0 (also when they were taken before), an error code, or
 * -errno. */
int descriptors_take(struct call *call, unsigned position) MUST_CHECK;
/* Takes them, by these rules (a name NULL at the end; NULL: none may be given), and what comes through the
 * pipes among them: 0, CALL_WAIT, an error code, -errno. */
int descriptors_accept(struct call *call, unsigned position,
                       const struct descriptor_rule *rules) MUST_CHECK;
/* The failure when one that is needed was not given. */
int descriptors_missing(struct call *call, const char *name) MUST_CHECK;
/* NULL when not given. */
struct descriptor *descriptors_find(struct call *call, const char *name);
/* What came through one of them, the caller's from now on; NULL when it was not given. */
struct secret *descriptors_steal(struct call *call, const char *name);
/* Reads all but those that are left alone to their end: 0, CALL_WAIT, an error code, -errno. */
int descriptors_receive(struct call *call) MUST_CHECK;
/* Writes a value into the pipe: 0, an error code, -errno. */
int descriptor_send(struct call *call, const struct descriptor *descriptor, const void *bytes,
                    size_t length) MUST_CHECK;
void descriptors_deinit(struct call *call);

#endif

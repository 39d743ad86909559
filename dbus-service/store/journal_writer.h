/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The journal's thread: takes all appends that wait, writes them as one commit, syncs once, and
 * hands them back; one write in flight at a time. Functions here are called on the loop, unless it
 * says otherwise. */
#ifndef STORE_JOURNAL_WRITER_H
#define STORE_JOURNAL_WRITER_H

#include "dbus-service/store/journal_frame.h"

#include <pthread.h>

/* One append on its way: judged, numbered, its bytes as in a commit's body. */
struct writer_append {
    struct writer_append *next;
    uint64_t revision;
    enum log_outcome outcome;
    log_append_done done;
    void *userdata;
    size_t size;
    uint8_t bytes[];
};

struct writer_list {
    struct writer_append *first;
    struct writer_append **last;
};

/* The file that is written to, and how far. */
struct writer_file {
    int fd;             /* owned */
    uint64_t offset;    /* end of the newest durable commit */
    uint64_t allocated; /* zeros written up to here */
    struct log_head head;
};

/* Work to be done between two commits, on the journal's thread, with no write in flight: may change
 * the file. 0; -errno when nothing happened; 1 when the storage is no longer to be trusted. */
typedef int (*writer_switch)(void *userdata, struct writer_file *file);

struct writer {
    const struct log_hash *hash;
    void (*notify)(void *userdata); /* from the journal's thread: something to collect */
    void *userdata;
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t wake;     /* of the journal's thread */
    pthread_cond_t switched; /* of who asked for a switch */
    /* below: under the mutex */
    struct writer_file file;
    struct writer_list queue, finished;
    size_t queued_bytes;
    bool stop, ended, held;
    bool stalled;   /* a write failed; nothing is taken until the loop collected */
    bool read_only; /* a sync failed */
    char text[128]; /* why */
    writer_switch change;
    void *change_userdata;
    int change_result;
    /* below: the journal's thread only */
    uint8_t *frame;
    size_t frame_capacity;
};

/* What is found waiting for the loop, all at one moment. */
struct writer_report {
    struct writer_list finished; /* in the order of the log */
    struct log_head head;        /* after them */
    uint64_t offset;
    bool failed;    /* a write failed: what was numbered after `head` is void */
    bool read_only;
    bool ended;
    char text[128];
};

/* Takes the file's fd over on success. 0 or -errno. */
int writer_start(struct writer *writer, const struct writer_file *file) MUST_CHECK;
/* False when too much waits already. Takes the append over on true. It is written with the commit
 * that writer_wake() begins, or with one under way before. */
bool writer_queue(struct writer *writer, struct writer_append *append) MUST_CHECK;
void writer_wake(struct writer *writer);
/* While held, appends wait; a change of the file and stopping do not. */
void writer_hold(struct writer *writer, bool held);
void writer_collect(struct writer *writer, struct writer_report *ret_report);
/* Any thread. The fd is only lent; it is replaced by writer_change_file() alone. */
void writer_position(struct writer *writer, struct writer_file *ret_file);
/* On a thread of the background: runs `change` between two commits and returns its result, or
 * -ECANCELED when the writer stops or is read-only. */
int writer_change_file(struct writer *writer, writer_switch change, void *userdata) MUST_CHECK;
/* Completes what waits, then the report says `ended`. */
void writer_stop(struct writer *writer);
/* After `ended`: joins the thread and frees; the file's fd stays open and is the caller's. */
void writer_deinit(struct writer *writer);

/* Writes zeros so that `file` has at least `needed` bytes beyond its offset. 0 or -errno; what was
 * written counts even then. Not synced. */
int writer_file_grow(struct writer_file *file, uint64_t needed) MUST_CHECK;
/* pwrite() of all bytes. 0 or -errno. */
int writer_write(int fd, const void *bytes, size_t size, uint64_t offset) MUST_CHECK;
/* Writes zeros over a range. 0 or -errno. */
int writer_write_zeros(int fd, uint64_t offset, uint64_t end) MUST_CHECK;

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What journal.c (opening, closing, appending, reading) and journal_work.c (the work on the whole log
 * while it serves) share: the log itself. All is the loop's. */
#ifndef STORE_JOURNAL_INTERNAL_H
#define STORE_JOURNAL_INTERNAL_H

#include "dbus-service/store/anchor.h"
#include "dbus-service/store/journal_background.h"
#include "dbus-service/store/journal_export.h"
#include "dbus-service/store/journal_pending.h"
#include "dbus-service/store/journal_start.h"
#include "dbus-service/store/journal_writer.h"
#include "dbus-service/store/view.h"

enum log_state { STATE_STARTING, STATE_RUNNING, STATE_STOPPING, STATE_CLOSING };

/* A thread that runs one function to its end. */
struct task {
    struct log *log;
    void (*run)(struct log *log);
    pthread_t thread;
    bool running;
    atomic_bool ended;
};

/* Work on the whole log that somebody asked for. */
struct work_order {
    log_work_done done; /* NULL: there is none */
    void *userdata;
    bool begun;
    bool canceled;
    bool prepared; /* an export: a compaction was tried for it */
};

struct log {
    struct journal_options options;
    char *anchor_path;
    uv_async_t async;
    uv_timer_t timer;
    uv_prepare_t prepare; /* active while appends wait for the journal's thread to be woken */
    int handles; /* open ones */
    enum log_state state;

    struct task start_task;
    struct journal_start start;
    journal_open_done open_done;
    void *open_userdata;

    struct view *view;
    bool view_bad; /* not kept when the log is closed */
    bool read_only;
    int lock_fd;
    struct log_head head; /* durable and applied */
    uint64_t offset;      /* of the journal's end */
    uint64_t next_revision;
    struct pending pending;
    struct writer writer;

    struct background *background;
    uint64_t verify_changes; /* changes applied since the verification began */
    uint64_t hold_at;        /* while compacting: appends wait when the file is as large */
    bool held;               /* they do */
    size_t applied;          /* changes applied in this turn of the loop */
    uint64_t compact_after;  /* not below this offset: the last try failed */

    struct work_order walk, compact, export;
    struct log_walk_options walk_options;
    bool walk_overtaken; /* by a compaction */
    struct task export_task;
    struct export export_job;

    struct task anchor_task;
    struct anchor anchor; /* what is being, or was last, written */
    int anchor_result;
    bool anchored, anchor_failed;

    struct task close_task;
    void (*close_done)(void *userdata);
    void *close_userdata;
};

/* Wakes the loop, from any thread; `userdata` is the log. */
void log_notify(void *userdata);
void log_event_send(struct log *log, enum log_event event, const char *text);
/* 0 or -errno. */
int task_start(struct task *task, struct log *log, void (*run)(struct log *log)) MUST_CHECK;
/* True once, when it has ended. */
bool task_collect(struct task *task) MUST_CHECK;
void anchor_begin(struct log *log);
/* The changes stay durable in the journal; the next start builds the view anew. */
void view_fail(struct log *log, const char *text);

/* Each turn of the loop while the log runs or stops: answers what the threads ask, ends and begins
 * work. */
void work_turn(struct log *log);
/* The first verification of the view, as it was found. */
void work_verify(struct log *log);
/* The log stops: what is under way ends soon. */
void work_stop(struct log *log);
/* No thread is at work. */
bool work_is_idle(const struct log *log);

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Work that may block, off the loop's thread: libuv's pool with a bound per class, so that a hung
 * name service never holds up Argon2id or a file. Everything is called on the loop's thread but
 * `run`. */
#ifndef SERVICE_LOOP_H
#define SERVICE_LOOP_H

#include "common/cleanup.h"

#include <uv.h>

/* Any libuv handle as the type that uv_close() and the like take: a cast would break the rules of
 * aliasing. */
static inline uv_handle_t *loop_handle(void *handle)
{
    return handle;
}

enum work_class {
    WORK_NAMES, /* name service: at most 2 at once */
    WORK_KDF,   /* Argon2id: 1 */
    WORK_FILE,  /* other files: 1 */
    WORK_CLASSES,
};

struct work_queue;

int work_queue_new(uv_loop_t *loop, struct work_queue **ret_queue) MUST_CHECK;
/* Items not begun are dropped without a call; those that run are waited for by the loop's end. */
void work_queue_free(struct work_queue *queue);
/* Runs `run` on a worker, then `done` on the loop. 0, -EBUSY when more than 256 wait in this class,
 * -ENOMEM. */
int work_submit(struct work_queue *queue, enum work_class class, void (*run)(void *userdata),
                void (*done)(void *userdata), void *userdata) MUST_CHECK;

#endif

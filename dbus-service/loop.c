/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#define WAITING_MAX 256

struct work_item {
    uv_work_t request;
    struct work_queue *queue;
    enum work_class class;
    void (*run)(void *userdata);
    void (*done)(void *userdata);
    void *userdata;
    struct work_item *next;
};

struct work_line {
    struct work_item *head;
    struct work_item **tail;
    size_t waiting;
    size_t running;
};

struct work_queue {
    uv_loop_t *loop;
    struct work_line lines[WORK_CLASSES];
    size_t running;
    bool freed; /* items still run: the last of them frees the queue */
};

/* Together at most the four threads of libuv's pool, so no class ever waits for another. */
static const size_t running_max[WORK_CLASSES] = {
    [WORK_NAMES] = 2,
    [WORK_KDF] = 1,
    [WORK_FILE] = 1,
};

int work_queue_new(uv_loop_t *loop, struct work_queue **ret_queue)
{
    struct work_queue *queue = calloc(1, sizeof(*queue));

    if (!queue)
        return -ENOMEM;
    queue->loop = loop;
    for (size_t i = 0; i < WORK_CLASSES; i++)
        queue->lines[i].tail = &queue->lines[i].head;
    *ret_queue = queue;
    return 0;
}

static struct work_item *line_take(struct work_line *line)
{
    struct work_item *item = line->head;

    if (!item)
        return NULL;
    line->head = item->next;
    if (!line->head)
        line->tail = &line->head;
    line->waiting--;
    return item;
}

void work_queue_free(struct work_queue *queue)
{
    if (!queue)
        return;
    for (size_t i = 0; i < WORK_CLASSES; i++) {
        struct work_item *item;

        while ((item = line_take(&queue->lines[i])))
            free(item);
    }
    if (queue->running)
        queue->freed = true;
    else
        free(queue);
}

static void on_run(uv_work_t *request)
{
    struct work_item *item = request->data;

    item->run(item->userdata);
}

static void line_advance(struct work_queue *queue, enum work_class class);

static void on_done(uv_work_t *request, int status)
{
    struct work_item *item = request->data;
    struct work_queue *queue = item->queue;

    (void)status; /* nothing is ever cancelled */
    queue->running--;
    queue->lines[item->class].running--;
    if (!queue->freed)
        line_advance(queue, item->class);
    else if (!queue->running)
        free(queue);
    item->done(item->userdata);
    free(item);
}

static void line_advance(struct work_queue *queue, enum work_class class)
{
    struct work_line *line = &queue->lines[class];

    while (line->head && line->running < running_max[class]) {
        struct work_item *item = line_take(line);

        line->running++;
        queue->running++;
        /* Fails only without a callback. */
        (void)uv_queue_work(queue->loop, &item->request, on_run, on_done);
    }
}

int work_submit(struct work_queue *queue, enum work_class class, void (*run)(void *userdata),
                void (*done)(void *userdata), void *userdata)
{
    struct work_line *line = &queue->lines[class];
    struct work_item *item;

    if (line->waiting >= WAITING_MAX)
        return -EBUSY;
    item = calloc(1, sizeof(*item));
    if (!item)
        return -ENOMEM;
    item->request.data = item;
    item->queue = queue;
    item->class = class;
    item->run = run;
    item->done = done;
    item->userdata = userdata;
    *line->tail = item;
    line->tail = &item->next;
    line->waiting++;
    line_advance(queue, class);
    return 0;
}

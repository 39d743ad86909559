/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/watch.h"
#include "dbus-service/loop.h"

#include "common/cleanup.h"

#include <stdbool.h>
#include <sys/ioctl.h>

#define WATCHES_PER_FD 2

struct watch_poll {
    uv_poll_t poll;
    struct watch_set *set;
    struct watch_poll *next;
    DBusWatch *watches[WATCHES_PER_FD];
    int fd;
    int events; /* what the poll is started for */
};

struct watch_timer {
    uv_timer_t timer;
    struct watch_set *set;
    DBusTimeout *timeout;
};

static bool begin(struct watch_set *set, int events)
{
    return !set->begin || set->begin(set->userdata, events);
}

static void end(struct watch_set *set)
{
    if (set->end)
        set->end(set->userdata);
}

static int wanted_events(const struct watch_poll *poll)
{
    int events = 0;

    for (size_t i = 0; i < WATCHES_PER_FD; i++) {
        DBusWatch *watch = poll->watches[i];
        unsigned flags;

        if (!watch || !dbus_watch_get_enabled(watch))
            continue;
        flags = dbus_watch_get_flags(watch);
        if (flags & DBUS_WATCH_READABLE)
            events |= UV_READABLE;
        if (flags & DBUS_WATCH_WRITABLE)
            events |= UV_WRITABLE;
    }
    return events;
}

/* The flags of an event that this watch asked for. */
static unsigned watch_flags(DBusWatch *watch, int status, int events)
{
    unsigned asked = dbus_watch_get_flags(watch), flags = 0;

    if (status < 0)
        return DBUS_WATCH_ERROR;
    if ((events & UV_READABLE) && (asked & DBUS_WATCH_READABLE))
        flags |= DBUS_WATCH_READABLE;
    if ((events & UV_WRITABLE) && (asked & DBUS_WATCH_WRITABLE))
        flags |= DBUS_WATCH_WRITABLE;
    return flags;
}

static bool has_more(int fd)
{
    int bytes = 0;

    return ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

/* Handles one watch, which may be gone then, and so may all others of the set. */
static void handle_watch(struct watch_poll *poll, size_t index, unsigned flags)
{
    uint64_t until = poll->set->read_nsec ? uv_hrtime() + poll->set->read_nsec : 0;

    (void)dbus_watch_handle(poll->watches[index], flags); /* out of memory: the event comes again */
    while ((flags & DBUS_WATCH_READABLE) && until && poll->watches[index] &&
           dbus_watch_get_enabled(poll->watches[index]) && has_more(poll->fd) && uv_hrtime() < until)
        (void)dbus_watch_handle(poll->watches[index], DBUS_WATCH_READABLE);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct watch_poll *poll = handle->data;
    struct watch_set *set = poll->set;

    if (!begin(set, events))
        return; /* epoll tells it again */
    /* Handling one watch may remove the other, so each is looked at again; the poll itself lives
     * until libuv's next turn. */
    for (size_t i = 0; i < WATCHES_PER_FD; i++) {
        DBusWatch *watch = poll->watches[i];
        unsigned flags;

        if (!watch || !dbus_watch_get_enabled(watch))
            continue;
        flags = watch_flags(watch, status, events);
        if (flags)
            handle_watch(poll, i, flags);
    }
    end(set);
}

static void poll_update(struct watch_poll *poll)
{
    int events = wanted_events(poll);

    if (events == poll->events)
        return;
    poll->events = events;
    if (!events)
        uv_poll_stop(&poll->poll);
    else
        uv_poll_start(&poll->poll, events, on_poll);
}

static struct watch_poll *poll_find(const struct watch_set *set, int fd)
{
    struct watch_poll *poll = set->polls;

    while (poll && poll->fd != fd)
        poll = poll->next;
    return poll;
}

static struct watch_poll *poll_new(struct watch_set *set, int fd)
{
    struct watch_poll *poll = calloc(1, sizeof(*poll));

    if (!poll)
        return NULL;
    if (uv_poll_init(set->loop, &poll->poll, fd) < 0) {
        free(poll);
        return NULL;
    }
    poll->poll.data = poll;
    poll->set = set;
    poll->fd = fd;
    poll->next = set->polls;
    set->polls = poll;
    return poll;
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void poll_drop(struct watch_poll *poll)
{
    struct watch_poll **link = &poll->set->polls;

    while (*link != poll)
        link = &(*link)->next;
    *link = poll->next;
    uv_poll_stop(&poll->poll);
    uv_close(loop_handle(&poll->poll), on_poll_closed);
}

dbus_bool_t watch_add(DBusWatch *watch, void *data)
{
    struct watch_set *set = data;
    int fd = dbus_watch_get_unix_fd(watch);
    struct watch_poll *poll = poll_find(set, fd);
    size_t i = 0;

    if (!poll)
        poll = poll_new(set, fd);
    if (!poll)
        return FALSE;
    while (i < WATCHES_PER_FD && poll->watches[i])
        i++;
    if (i == WATCHES_PER_FD)
        return FALSE;
    poll->watches[i] = watch;
    dbus_watch_set_data(watch, poll, NULL);
    poll_update(poll);
    return TRUE;
}

void watch_remove(DBusWatch *watch, void *data)
{
    struct watch_poll *poll = dbus_watch_get_data(watch);
    bool used = false;

    if (!poll)
        return;
    dbus_watch_set_data(watch, NULL, NULL);
    for (size_t i = 0; i < WATCHES_PER_FD; i++) {
        if (poll->watches[i] == watch)
            poll->watches[i] = NULL;
        used = used || poll->watches[i];
    }
    if (used)
        poll_update(poll);
    else
        poll_drop(poll);
}

void watch_toggle(DBusWatch *watch, void *data)
{
    struct watch_poll *poll = dbus_watch_get_data(watch);

    if (!poll)
        return;
    poll_update(poll);
    if (poll->set->readable && dbus_watch_get_enabled(watch) &&
        (dbus_watch_get_flags(watch) & DBUS_WATCH_READABLE))
        poll->set->readable(poll->set->userdata);
}

static void on_timer(uv_timer_t *handle)
{
    struct watch_timer *timer = handle->data;
    struct watch_set *set = timer->set;

    if (!begin(set, 0))
        return;
    (void)dbus_timeout_handle(timer->timeout); /* out of memory: it repeats */
    end(set);
}

static void timer_update(struct watch_timer *timer)
{
    uint64_t interval = (uint64_t)dbus_timeout_get_interval(timer->timeout);

    if (dbus_timeout_get_enabled(timer->timeout))
        uv_timer_start(&timer->timer, on_timer, interval, interval);
    else
        uv_timer_stop(&timer->timer);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

dbus_bool_t timeout_add(DBusTimeout *timeout, void *data)
{
    struct watch_set *set = data;
    struct watch_timer *timer = calloc(1, sizeof(*timer));

    if (!timer)
        return FALSE;
    uv_timer_init(set->loop, &timer->timer);
    timer->timer.data = timer;
    timer->set = set;
    timer->timeout = timeout;
    dbus_timeout_set_data(timeout, timer, NULL);
    timer_update(timer);
    return TRUE;
}

void timeout_remove(DBusTimeout *timeout, void *data)
{
    struct watch_timer *timer = dbus_timeout_get_data(timeout);

    if (!timer)
        return;
    dbus_timeout_set_data(timeout, NULL, NULL);
    uv_timer_stop(&timer->timer);
    uv_close(loop_handle(&timer->timer), on_timer_closed);
}

void timeout_toggle(DBusTimeout *timeout, void *data)
{
    struct watch_timer *timer = dbus_timeout_get_data(timeout);

    if (timer)
        timer_update(timer);
}

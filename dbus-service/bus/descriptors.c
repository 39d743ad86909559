/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/descriptors.h"

#include "dbus-service/bus/call.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

/* Waiting for pipes goes through an epoll of our own: libuv would set O_NONBLOCK on the pipe itself,
 * and that flag belongs to the caller. */
struct descriptors_wait {
    struct call *call;
    uv_poll_t poll;
    uv_timer_t timer;
    int epoll_fd;
    bool late;
    unsigned open_handles;
};

static int take_one(struct call *call, DBusMessageIter *iter, const char *name)
{
    struct descriptors *set = &call->descriptors;
    struct descriptor *item = &set->items[set->count];

    if (set->count == DESCRIPTORS_MAX)
        return failure_set(&call->failure, ERROR_TOO_LARGE, "more than %d descriptors",
                           DESCRIPTORS_MAX);
    if (descriptors_find(call, name))
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                           "a descriptor is named twice");
    *item = (struct descriptor){ .name = name, .fd = -1 };
    dbus_message_iter_get_basic(iter, &item->fd); /* a duplicate, ours to close */
    if (item->fd < 0)
        return failure_set(&call->failure, ERROR_BAD_DESCRIPTOR,
                           "descriptor '%s' did not come with the message", name);
    set->count++;
    return 0;
}

int descriptors_take(struct call *call, unsigned position)
{
    DBusMessageIter iter, entries, pair;
    const char *name;
    int r = 0;

    if (call->descriptors.taken)
        return 0;
    iter = call_iter(call, position);
    if (dbus_message_iter_get_arg_type(&iter) == DBUS_TYPE_UNIX_FD) {
        r = take_one(call, &iter, "");
    } else {
        dbus_message_iter_recurse(&iter, &entries);
        while (r == 0 && dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_DICT_ENTRY) {
            dbus_message_iter_recurse(&entries, &pair);
            dbus_message_iter_get_basic(&pair, &name);
            dbus_message_iter_next(&pair);
            r = take_one(call, &pair, name);
            dbus_message_iter_next(&entries);
        }
    }
    call->descriptors.taken = r == 0;
    return r;
}

struct descriptor *descriptors_find(struct call *call, const char *name)
{
    struct descriptors *set = &call->descriptors;

    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->items[i].name, name) == 0)
            return &set->items[i];
    return NULL;
}

struct secret *descriptors_steal(struct call *call, const char *name)
{
    struct descriptor *item = descriptors_find(call, name);

    return item ? STEAL(item->value) : NULL;
}

/* By what is known of it already: whoever keeps the file (a user's FUSE, a server that is away) is not asked. */
static bool is_regular_file(int fd)
{
    struct statx status;

    return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status) == 0 &&
           S_ISREG(status.stx_mode);
}

static const struct descriptor_rule *rule_of(const struct descriptor_rule *rules, const char *name)
{
    while (rules && rules->name && strcmp(rules->name, name) != 0)
        rules++;
    return rules && rules->name ? rules : NULL;
}

int descriptors_missing(struct call *call, const char *name)
{
    return failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                       "descriptor '%s' is missing; busctl can pass none, mastersecret(1) does", name);
}

static int check_rules(struct call *call, const struct descriptor_rule *rules)
{
    struct descriptors *set = &call->descriptors;

    for (size_t i = 0; i < set->count; i++) {
        struct descriptor *item = &set->items[i];
        const struct descriptor_rule *rule = rule_of(rules, item->name);

        if (!rule)
            return failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                               "no descriptor is called '%.100s' here", item->name);
        item->left_alone = rule->use == DESCRIPTOR_END || rule->use == DESCRIPTOR_FILE;
        if (rule->use == DESCRIPTOR_FILE && !is_regular_file(item->fd))
            return failure_set(&call->failure, ERROR_BAD_DESCRIPTOR,
                               "descriptor '%s' is not a regular file", item->name);
        if (rule->use == DESCRIPTOR_END &&
            secret_pipe_check(item->fd, PIPE_WRITE_END) != PIPE_DONE)
            return failure_set(&call->failure, ERROR_BAD_DESCRIPTOR,
                               "descriptor '%s' is not the write end of a pipe", item->name);
    }
    for (; rules && rules->name; rules++)
        if (rules->needed && !descriptors_find(call, rules->name))
            return descriptors_missing(call, rules->name);
    return 0;
}

static int check_passphrases(struct call *call, const struct descriptor_rule *rules)
{
    for (; rules && rules->name; rules++) {
        const struct descriptor *item = descriptors_find(call, rules->name);

        if (rules->use == DESCRIPTOR_PASSPHRASE && item &&
            (item->value->length < PASSPHRASE_MIN_BYTES || item->value->length > PASSPHRASE_MAX_BYTES))
            return failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                               "a passphrase has %d to %d bytes", PASSPHRASE_MIN_BYTES,
                               PASSPHRASE_MAX_BYTES);
    }
    return 0;
}

int descriptors_accept(struct call *call, unsigned position, const struct descriptor_rule *rules)
{
    int r = descriptors_take(call, position);

    if (r == 0)
        r = check_rules(call, rules);
    if (r == 0)
        r = descriptors_receive(call);
    return r == 0 ? check_passphrases(call, rules) : r;
}

static int pipe_failure(struct call *call, const struct descriptor *descriptor, int outcome)
{
    const char *text = "cannot be used";

    if (outcome < 0)
        return outcome == -ENOMEM ? outcome
                                  : failure_set(&call->failure, ERROR_BAD_DESCRIPTOR,
                                                "descriptor '%.100s' %s: %s", descriptor->name, text,
                                                strerrordesc_np(-outcome));
    switch ((enum pipe_outcome)outcome) {
    case PIPE_TOO_LARGE:
        return failure_set(&call->failure, ERROR_TOO_LARGE,
                           "more than %d bytes came through descriptor '%.100s'", VALUE_MAX_BYTES,
                           descriptor->name);
    case PIPE_NOT_PIPE:
        text = "is not a pipe, or its wrong end";
        break;
    case PIPE_AGAIN:
        text = "did not come to its end within a second";
        break;
    case PIPE_NO_ROOM:
        text = "is a pipe without room for the value";
        break;
    case PIPE_CLOSED:
        text = "is a pipe that nobody reads from";
        break;
    case PIPE_DONE:
        break;
    }
    return failure_set(&call->failure, ERROR_BAD_DESCRIPTOR, "descriptor '%.100s' %s",
                       descriptor->name, text);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct descriptors_wait *wait = handle->data;

    if (--wait->open_handles == 0)
        free(wait);
}

static void wait_stop(struct call *call)
{
    struct descriptors_wait *wait = call->descriptors.wait;

    if (!wait)
        return;
    call->descriptors.wait = NULL;
    wait->call = NULL;
    uv_poll_stop(&wait->poll);
    uv_close(loop_handle(&wait->poll), on_handle_closed);
    uv_close(loop_handle(&wait->timer), on_handle_closed);
    close(wait->epoll_fd);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct descriptors_wait *wait = poll->data;

    call_resume(wait->call);
}

static void on_late(uv_timer_t *timer)
{
    struct descriptors_wait *wait = timer->data;

    wait->late = true;
    call_resume(wait->call);
}

static int wait_start(struct call *call)
{
    uv_loop_t *loop = call->service->loop;
    CLEANUP_CLOSE int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct descriptors_wait *wait;
    int r;

    if (epoll_fd < 0)
        return -errno;
    wait = calloc(1, sizeof(*wait));
    if (!wait)
        return -ENOMEM;
    r = uv_poll_init(loop, &wait->poll, epoll_fd);
    if (r < 0) {
        free(wait);
        return r;
    }
    uv_timer_init(loop, &wait->timer);
    wait->poll.data = wait->timer.data = wait;
    wait->open_handles = 2;
    wait->call = call;
    wait->epoll_fd = steal_fd(&epoll_fd);
    uv_poll_start(&wait->poll, UV_READABLE, on_ready);
    uv_timer_start(&wait->timer, on_late, DESCRIPTORS_WAIT_MS, 0);
    call->descriptors.wait = wait;
    return 0;
}

static int wait_add(struct call *call, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    int r;

    if (!call->descriptors.wait) {
        r = wait_start(call);
        if (r < 0)
            return r;
    }
    if (epoll_ctl(call->descriptors.wait->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 &&
        errno != EEXIST)
        return -errno;
    return 0;
}

/* What has come already. Most values are short and come whole, and a buffer with room for the largest,
 * zeroed and wiped, costs more than all the rest of a call: so the service keeps one for everybody. */
static int receive_first(struct call *call, struct descriptor *item)
{
    struct secret *inbox = call->service->inbox;
    int outcome = secret_pipe_receive(&call->service->pipe, item->fd, inbox);
    int r = 0;

    if (outcome == PIPE_DONE)
        r = secret_new_copy(inbox->bytes, inbox->length, &item->value);
    if (outcome == PIPE_AGAIN)
        r = secret_new(VALUE_MAX_BYTES + 1, &item->value);
    if (outcome == PIPE_AGAIN && r == 0)
        r = secret_append(item->value, inbox->bytes, inbox->length);
    memory_wipe(inbox->bytes, inbox->length);
    inbox->length = 0;
    return r < 0 ? r : outcome;
}

/* 0 complete, CALL_WAIT, or why not. */
static int receive_one(struct call *call, struct descriptor *item)
{
    const struct descriptors_wait *wait = call->descriptors.wait;
    int r;

    if (item->complete)
        return 0;
    r = item->value ? secret_pipe_receive(&call->service->pipe, item->fd, item->value)
                    : receive_first(call, item);
    if (r == PIPE_AGAIN && !(wait && wait->late)) {
        r = wait_add(call, item->fd);
        return r < 0 ? r : CALL_WAIT;
    }
    if (r != PIPE_DONE)
        return pipe_failure(call, item, r);
    item->complete = true;
    /* The message holds the pipe open still, so closing alone would not take it out of the epoll. */
    if (wait)
        (void)epoll_ctl(wait->epoll_fd, EPOLL_CTL_DEL, item->fd, NULL);
    close(steal_fd(&item->fd));
    return 0;
}

int descriptors_receive(struct call *call)
{
    struct descriptors *set = &call->descriptors;
    bool waiting = false;

    for (size_t i = 0; i < set->count; i++) {
        int r;

        if (set->items[i].left_alone)
            continue;
        r = receive_one(call, &set->items[i]);
        if (r == CALL_WAIT)
            waiting = true;
        else if (r != 0)
            return r;
    }
    if (waiting)
        return CALL_WAIT;
    wait_stop(call);
    return 0;
}

int descriptor_send(struct call *call, const struct descriptor *descriptor, const void *bytes,
                    size_t length)
{
    int r = secret_pipe_send(&call->service->pipe, descriptor->fd, bytes, length);

    return r == PIPE_DONE ? 0 : pipe_failure(call, descriptor, r);
}

void descriptors_deinit(struct call *call)
{
    struct descriptors *set = &call->descriptors;

    wait_stop(call);
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].fd >= 0)
            close(set->items[i].fd);
        secret_free(set->items[i].value);
    }
    set->count = 0;
}

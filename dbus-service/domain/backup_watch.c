/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/backup_watch.h"

#include "dbus-service/domain/audit.h"
#include "dbus-service/domain/realm_internal.h"

#include <errno.h>

struct backup_watch {
    struct realm *realm;
    uv_timer_t timer;
    uint64_t interval_ms;
    uint64_t max_age_usec;
    bool looking;            /* a worker does: */
    struct backup_info info; /* after this backup, */
    enum backup_file found;  /* and this is what it finds */
    enum backup_file file;   /* the same, for the loop, */
    uint64_t file_time_usec; /* and of which backup */
    bool freed, closed;
};

int backup_watch_new(struct realm *realm, uv_loop_t *loop, uint64_t interval_ms,
                     struct backup_watch **ret_watch)
{
    struct backup_watch *watch = calloc(1, sizeof(*watch));
    int r;

    if (!watch)
        return -ENOMEM;
    watch->realm = realm;
    watch->interval_ms = interval_ms;
    r = uv_timer_init(loop, &watch->timer);
    watch->timer.data = watch;
    if (r == 0)
        *ret_watch = watch;
    else
        free(watch);
    return r;
}

/* Once neither the loop nor a worker has it. */
static void free_if_idle(struct backup_watch *watch)
{
    if (watch->closed && !watch->looking)
        free(watch);
}

static void on_closed(uv_handle_t *handle)
{
    struct backup_watch *watch = handle->data;

    watch->closed = true;
    free_if_idle(watch);
}

void backup_watch_free(struct backup_watch *watch)
{
    if (!watch)
        return;
    watch->freed = true;
    uv_close(loop_handle(&watch->timer), on_closed);
}

void backup_watch_set(struct backup_watch *watch, uint64_t max_age_usec)
{
    watch->max_age_usec = max_age_usec;
}

const char *backup_watch_due(const struct backup_watch *watch)
{
    const struct keyring *keyring = realm_keyring(watch->realm);
    struct backup_info info;

    if (!keyring)
        return NULL;
    keyring_backup_info(keyring, &info);
    return backup_due(keyring, watch->max_age_usec,
                      info.time_usec == watch->file_time_usec ? watch->file : BACKUP_FILE_FINE);
}

static void run_look(void *userdata)
{
    struct backup_watch *watch = userdata;

    watch->found = backup_look(&watch->info);
}

static void on_looked(void *userdata)
{
    struct backup_watch *watch = userdata;
    const char *due;
    struct failure why = {.code = ERROR_NONE};
    const struct audit_event event = {.id = AUDIT_BACKUP_DUE, .failure = &why};

    watch->looking = false;
    if (watch->freed) {
        free_if_idle(watch);
        return;
    }
    watch->file = watch->found;
    watch->file_time_usec = watch->info.time_usec;
    due = backup_watch_due(watch); /* NULL, too, if it was sealed meanwhile */
    if (!due)
        return;
    failure_set(&why, ERROR_BACKUP_DUE, "%s", due);
    audit_write(&event);
}

/* Not a job with the keyring: where the directory's file system hangs, nothing else must wait for it. */
static void on_timer(uv_timer_t *timer)
{
    struct backup_watch *watch = timer->data;
    const struct keyring *keyring = realm_keyring(watch->realm);

    if (watch->looking || !keyring)
        return;
    keyring_backup_info(keyring, &watch->info);
    watch->looking = work_submit(watch->realm->options.work, WORK_FILE, run_look, on_looked, watch) == 0;
}

/* Sealing and opening again is not another day. */
void backup_watch_begin(struct backup_watch *watch)
{
    if (!uv_is_active(loop_handle(&watch->timer)))
        uv_timer_start(&watch->timer, on_timer, 0, watch->interval_ms);
}

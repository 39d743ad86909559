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
    bool looking;           /* a worker does */
    enum backup_file found; /* by it, and of which backup */
    uint64_t found_time_usec;
    enum backup_file file;  /* the same, for the loop */
    uint64_t file_time_usec;
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

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void backup_watch_free(struct backup_watch *watch)
{
    if (watch)
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

static int run_look(void *work, struct keyring *keyring, struct keyring **ret_keyring,
                    struct failure *failure)
{
    struct backup_watch *watch = work;
    struct backup_info info;

    (void)ret_keyring;
    (void)failure;
    keyring_backup_info(keyring, &info);
    watch->found_time_usec = info.time_usec;
    watch->found = backup_look(keyring);
    return 0;
}

static void on_looked(void *userdata, const struct failure *failure)
{
    struct backup_watch *watch = userdata;
    const char *due;
    struct failure why = {.code = ERROR_NONE};
    const struct audit_event event = {.id = AUDIT_BACKUP_DUE, .failure = &why};

    watch->looking = false;
    if (failure->code != ERROR_NONE)
        return; /* sealed meanwhile */
    watch->file = watch->found;
    watch->file_time_usec = watch->found_time_usec;
    due = backup_watch_due(watch);
    if (!due)
        return;
    failure_set(&why, ERROR_BACKUP_DUE, "%s", due);
    audit_write(&event);
}

static void on_timer(uv_timer_t *timer)
{
    struct backup_watch *watch = timer->data;
    struct failure failure;

    if (!watch->looking)
        watch->looking =
            realm_job(watch->realm, run_look, watch, on_looked, watch, &failure) == 0;
}

/* Sealing and opening again is not another day. */
void backup_watch_begin(struct backup_watch *watch)
{
    if (!uv_is_active(loop_handle(&watch->timer)))
        uv_timer_start(&watch->timer, on_timer, 0, watch->interval_ms);
}

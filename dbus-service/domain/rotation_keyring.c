/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/rotation_keyring.h"

#include "dbus-service/domain/backup.h"
#include "dbus-service/keys/keyring_change.h"
#include "dbus-service/keys/keyring_slot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

void rotation_facts(const struct keyring *keyring, uint64_t before_usec,
                    struct rotation_facts *ret_facts)
{
    uint32_t active = keyring_active_generation(keyring);

    *ret_facts = (struct rotation_facts){.newer = 0};
    for (size_t i = 0; i < keyring_generations(keyring); i++) {
        struct generation_info info;

        keyring_generation(keyring, i, &info);
        if (info.number > active && ret_facts->newer == 0)
            ret_facts->newer = info.number;
        ret_facts->older |= info.number < active && info.retired_usec == 0;
        ret_facts->retired |= info.retired_usec != 0;
        ret_facts->expired |= info.retired_usec != 0 && info.retired_usec < before_usec;
    }
}

/* ---- On the worker ---- */

/* Replaces *keyring by a changed copy of it. */
static int change(struct keyring **keyring, const struct keyring_change *change)
{
    struct keyring *changed;
    int r = keyring_change(*keyring, change, &changed);

    if (r != KEYRING_DONE)
        return r;
    keyring_free(*keyring);
    *keyring = changed;
    return KEYRING_DONE;
}

/* One after the other, all that `wanted` picks out. */
static int change_each(struct keyring **keyring, const struct rotation_edit *edit,
                       bool (*wanted)(const struct keyring *keyring,
                                      const struct generation_info *info,
                                      const struct rotation_edit *edit,
                                      struct keyring_change *ret_change))
{
    size_t i = 0;

    while (i < keyring_generations(*keyring)) {
        struct keyring_change one = {.activate = 0};
        struct generation_info info;
        int r;

        keyring_generation(*keyring, i++, &info);
        if (!wanted(*keyring, &info, edit, &one))
            continue;
        r = change(keyring, &one);
        if (r != KEYRING_DONE)
            return r;
        i = 0;
    }
    return KEYRING_DONE;
}

static bool is_older(const struct keyring *keyring, const struct generation_info *info,
                     const struct rotation_edit *edit, struct keyring_change *ret_change)
{
    (void)edit;
    ret_change->retire = info->number;
    return info->number < keyring_active_generation(keyring) && info->retired_usec == 0;
}

static bool is_expired(const struct keyring *keyring, const struct generation_info *info,
                       const struct rotation_edit *edit, struct keyring_change *ret_change)
{
    (void)keyring;
    ret_change->remove = info->number;
    return info->retired_usec != 0 && info->retired_usec < edit->before_usec;
}

static int set_state(struct keyring **keyring, const struct rotation_state *state)
{
    const struct keyring_change one = {.rotation = state};

    return change(keyring, &one);
}

static int edit_switch(struct keyring **keyring, const struct rotation_edit *edit)
{
    struct rotation_state state = {.begun_usec = realm_now_usec(),
                                   .from = keyring_active_generation(*keyring),
                                   .rate = edit->rate};
    struct keyring_change both = {.rotation = &state};
    struct rotation_facts facts;

    rotation_facts(*keyring, 0, &facts);
    if (facts.newer == 0)
        return KEYRING_DONE;
    both.activate = facts.newer;
    return change(keyring, &both);
}

static int edit_retire(struct keyring **keyring, const struct rotation_edit *edit)
{
    struct rotation_state state;
    int r = change_each(keyring, edit, is_older);

    keyring_rotation(*keyring, &state);
    state.ended_usec = 0; /* until the old ciphertext has gone */
    state.re_encrypted += edit->re_encrypted;
    return r == KEYRING_DONE ? set_state(keyring, &state) : r;
}

static int edit_give_up(struct keyring **keyring, const struct rotation_edit *edit)
{
    struct rotation_state state;

    keyring_rotation(*keyring, &state);
    state.ended_usec = realm_now_usec();
    state.re_encrypted += edit->re_encrypted;
    return set_state(keyring, &state);
}

static int edit_remove(struct keyring **keyring, const struct rotation_edit *edit)
{
    return change_each(keyring, edit, is_expired);
}

static int edit_finish(struct keyring **keyring, const struct rotation_edit *edit)
{
    struct rotation_state state;
    int r;

    keyring_rotation(*keyring, &state);
    state.ended_usec = realm_now_usec();
    r = set_state(keyring, &state);
    return r == KEYRING_DONE ? edit_remove(keyring, edit) : r;
}

static int edit_pause(struct keyring **keyring, const struct rotation_edit *edit)
{
    struct rotation_state state;

    keyring_rotation(*keyring, &state);
    state.paused = edit->paused;
    return set_state(keyring, &state);
}

static int edit_rate(struct keyring **keyring, const struct rotation_edit *edit)
{
    struct rotation_state state;

    keyring_rotation(*keyring, &state);
    state.rate = edit->rate;
    return set_state(keyring, &state);
}

struct edit {
    struct realm *realm;
    struct rotation_edit edit;
    realm_done done;
    void *userdata;
};

static int run_edit(void *userdata, struct keyring *keyring, struct keyring **ret_keyring,
                    struct failure *failure)
{
    static int (*const edits[])(struct keyring **keyring, const struct rotation_edit *edit) = {
        [EDIT_SWITCH] = edit_switch, [EDIT_RETIRE] = edit_retire, [EDIT_GIVE_UP] = edit_give_up,
        [EDIT_FINISH] = edit_finish, [EDIT_REMOVE] = edit_remove, [EDIT_PAUSE] = edit_pause,
        [EDIT_RATE] = edit_rate,
    };
    CLEANUP_KEYRING struct keyring *changed = keyring_ref(keyring);
    struct edit *edit = userdata;
    int r = edits[edit->edit.kind](&changed, &edit->edit);

    if (r == KEYRING_DONE)
        r = keyring_store(edit->realm->options.folder_fd, changed);
    if (r == KEYRING_DONE)
        *ret_keyring = STEAL(changed);
    return r > 0 ? realm_failure_keyring(failure, edit->realm, (enum keyring_outcome)r, false) : r;
}

static void on_edited(void *userdata, const struct failure *failure)
{
    CLEANUP_FREE struct edit *edit = userdata;

    edit->done(edit->userdata, failure);
}

int rotation_edit(struct realm *realm, const struct rotation_edit *edit, realm_done done,
                  void *userdata, struct failure *failure)
{
    CLEANUP_FREE struct edit *job = malloc(sizeof(*job));
    int r;

    if (!job)
        return -ENOMEM;
    *job = (struct edit){realm, *edit, done, userdata};
    r = realm_job(realm, run_edit, job, on_edited, job, failure);
    if (r == 0)
        (void)STEAL(job);
    return r;
}

/* ---- The backup ---- */

struct backup {
    struct realm *realm;
    struct backup_create *create;
    bool dry_run;
    int fd; /* ours; or -1 with a directory */
    realm_done done;
    void *userdata;
};

static void backup_free(struct backup *backup)
{
    if (!backup)
        return;
    backup_create_free(backup->create);
    if (backup->fd >= 0)
        close(backup->fd);
    free(backup);
}
CLEANUP_DEFINE(backup, struct backup, backup_free)

static int store_with_backup(struct backup *backup, struct keyring **keyring)
{
    struct keyring_change noted = {.backup = &backup->create->info};
    int r = change(keyring, &noted);

    return r == KEYRING_DONE ? keyring_store(backup->realm->options.folder_fd, *keyring) : r;
}

static int keyring_failed(const struct backup *backup, int r, struct failure *failure)
{
    if (r < 0)
        return r;
    return realm_failure_keyring(failure, backup->realm, (enum keyring_outcome)r, false);
}

/* What fails after the backup takes it back: it holds a generation that there never was. */
static int make_generation(struct backup *backup, const struct keyring *before,
                           struct keyring **keyring, struct failure *failure)
{
    const struct keyring_change add = {.add_generation = true};
    int r = change(keyring, &add);

    if (r != KEYRING_DONE)
        return keyring_failed(backup, r, failure);
    if (backup->dry_run)
        return backup_try_directory(backup->create, failure);
    r = backup_write_file(backup->realm, backup->create, *keyring, failure);
    if (r != 0)
        return r;
    r = store_with_backup(backup, keyring);
    if (r == KEYRING_DONE)
        return 0;
    backup_take_back(backup->realm, backup->create, before);
    return keyring_failed(backup, r, failure);
}

static int run_backup(void *userdata, struct keyring *keyring, struct keyring **ret_keyring,
                      struct failure *failure)
{
    CLEANUP_KEYRING struct keyring *changed = keyring_ref(keyring);
    struct backup *backup = userdata;
    struct rotation_facts facts;
    int r;

    rotation_facts(keyring, 0, &facts);
    if (facts.newer != 0)
        return failure_set(failure, ERROR_ROTATION_RUNNING,
                           "generation %u waits to be rotated to", facts.newer);
    r = make_generation(backup, keyring, &changed, failure);
    if (r == 0 && !backup->dry_run)
        *ret_keyring = STEAL(changed);
    return r;
}

static void on_backup(void *userdata, const struct failure *failure)
{
    CLEANUP(backup_cleanup) struct backup *backup = userdata;

    backup->done(backup->userdata, failure);
}

static int copy_texts(const struct rotation_request *request, struct backup_create *create)
{
    create->hint = strdup(request->hint);
    create->location = strdup(request->location);
    if (request->directory)
        create->directory = strdup(request->directory);
    if (!create->hint || !create->location || (request->directory && !create->directory))
        return -ENOMEM;
    return 0;
}

static int backup_fill(struct backup *backup, struct rotation_request *request,
                       struct failure *failure)
{
    struct backup_create *create = backup->create = calloc(1, sizeof(*create));
    int r = create ? copy_texts(request, create) : -ENOMEM;

    if (r < 0)
        return r;
    create->passphrase = STEAL(request->passphrase);
    r = backup_prepare(backup->realm, create, failure);
    if (r != 0 || create->directory)
        return r;
    if (request->backup_fd < 0)
        return failure_set(failure, ERROR_NO_BACKUP_DIRECTORY, NULL);
    create->fd = backup->fd = fcntl(request->backup_fd, F_DUPFD_CLOEXEC, 3);
    if (backup->fd < 0)
        return realm_failure_keyring(failure, backup->realm, KEYRING_BAD_FILE, false);
    return 0;
}

int rotation_backup(struct realm *realm, struct rotation_request *request, realm_done done,
                    void *userdata, struct failure *failure)
{
    CLEANUP(backup_cleanup) struct backup *backup = calloc(1, sizeof(*backup));
    int r;

    if (!backup)
        return -ENOMEM;
    backup->fd = -1;
    backup->dry_run = request->dry_run;
    backup->realm = realm;
    backup->done = done;
    backup->userdata = userdata;
    r = backup_fill(backup, request, failure);
    if (r == 0)
        r = realm_job(realm, run_backup, backup, on_backup, backup, failure);
    if (r == 0)
        (void)STEAL(backup);
    return r;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/export.h"

#include "dbus-service/domain/realm_internal.h"
#include "dbus-service/domain/restore.h"

#include <errno.h>
#include <sys/stat.h>

/* ---- Export ---- */

static void on_exported(void *userdata, enum log_outcome outcome, uint64_t revision,
                        const char *text)
{
    struct record_move *move = userdata;
    struct failure failure;

    if (outcome == LOG_FAILED && text)
        failure_set(&failure, ERROR_STORAGE_FAILED, "%s; check the file that is written, and its disk",
                    text);
    else
        realm_failure_log(&failure, outcome,
                          outcome == LOG_BAD_FILE
                              ? "\"file\" must be an empty regular file of your own, mode 0600, "
                                "opened for reading and writing"
                              : text);
    move->revision = revision;
    move->done(move->userdata, &failure);
}

static uint64_t count_records(struct realm *realm)
{
    struct generation_info info;
    uint64_t records = 0;

    for (size_t i = 0; i < keyring_generations(realm->keyring); i++) {
        keyring_generation(realm->keyring, i, &info);
        for (unsigned class = 1; class <= RECORD_CLASS_MAX; class ++)
            records += log_census(realm->log, (uint8_t) class, info.number);
    }
    return records;
}

int realm_export(struct realm *realm, struct record_move *move, realm_done done, void *userdata,
                 struct failure *failure)
{
    int r = realm_check_readable(realm, failure);

    if (r != 0)
        return r;
    move->realm = realm;
    move->done = done;
    move->userdata = userdata;
    move->records = count_records(realm);
    r = log_export(realm->log, move->fd, on_exported, move);
    return r == -EBUSY ? failure_set(failure, ERROR_LIMITS_EXCEEDED, "another export is under way")
                       : r;
}

/* ---- Import ---- */

struct import {
    struct examination examination;
    struct failure *failure;
};

static int import_examine(void *userdata, const struct log_walk_record *record)
{
    struct import *import = userdata;

    return restore_examine_record(&import->examination, record);
}

static int import_judge(void *userdata)
{
    const struct import *import = userdata;
    const struct restore *found = import->examination.into;

    if (found->unreadable.count == 0)
        return 0;
    return failure_set(
        import->failure, ERROR_RECORDS_UNREADABLE,
        "%llu of the file's %llu records do not open with the keys here; restore a backup that "
        "was made with the export, or later",
        (unsigned long long)found->unreadable.count, (unsigned long long)found->records);
}

/* The anchor is the empty journal's, which was open a moment ago: nothing is rolled back. */
static enum log_outcome import_file(struct record_move *move, struct keyring *keyring,
                                    struct import *import, struct log_file_report *ret_report)
{
    struct realm *realm = move->realm;
    const struct log_import_options options = {
        .folder_fd = realm->options.folder_fd,
        .fd = move->fd,
        .anchor_path = realm->options.anchor_path,
        .realm = keyring_realm(keyring),
        .hash = realm_log_hash(keyring),
        .accept_rollback = true,
        .stopping = &realm->stopping,
        .progress = &realm->reading,
        .each = import_examine,
        .verified = import_judge,
        .userdata = import,
    };
    struct stat status;

    /* The view is built of as many bytes afterwards. */
    if (fstat(move->fd, &status) == 0)
        atomic_fetch_add(&realm->reading.total, (uint64_t)status.st_size);
    return log_import(&options, ret_report);
}

static int run_import(void *work, struct keyring **keyring, struct failure *failure)
{
    struct record_move *move = work;
    struct import context = {.examination = {.keyring = *keyring}, .failure = failure};
    struct log_file_report report;
    enum log_outcome outcome;

    context.examination.into = calloc(1, sizeof(struct restore));
    if (!context.examination.into)
        return -ENOMEM;
    outcome = import_file(move, *keyring, &context, &report);
    restore_free(context.examination.into);
    move->records = report.records;
    if (failure->code != ERROR_NONE)
        return (int)failure->code;
    if (report.other_realm)
        return failure_set(failure, ERROR_OTHER_REALM, NULL);
    if (outcome == LOG_CONFLICT)
        return failure_set(failure, ERROR_NOT_EMPTY, NULL);
    if (outcome == LOG_DAMAGED)
        return failure_set(failure, ERROR_DAMAGED, "%s; take another copy, or another export",
                           report.text);
    return outcome == LOG_DONE ? 0 : realm_failure_log(failure, outcome, report.text);
}

int realm_import(struct realm *realm, struct record_move *move, realm_done done, void *userdata,
                 struct failure *failure)
{
    struct log_head head;
    int r = realm_check_readable(realm, failure);

    if (r != 0)
        return r;
    log_head(realm->log, &head);
    if (head.revision > 0)
        return failure_set(failure, ERROR_NOT_EMPTY, NULL);
    move->realm = realm;
    return realm_reopen_after(realm, run_import, move, done, userdata, failure);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/export.h"

#include "dbus-service/domain/realm_internal.h"
#include "dbus-service/domain/restore.h"

#include <errno.h>

/* ---- Export ---- */

static void on_exported(void *userdata, enum log_outcome outcome, uint64_t revision,
                        const char *text)
{
    struct record_move *move = userdata;
    struct failure failure;

    realm_failure_log(&failure, outcome, text);
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
    r = backup_check(move->fd);
    if (r == KEYRING_BAD_FILE)
        return failure_set(
            failure, ERROR_BAD_DESCRIPTOR,
            "\"file\" must be an empty regular file of your own, mode 0600, opened for "
            "reading and writing");
    if (r < 0)
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

static int check_records(struct record_move *move, struct keyring *keyring, struct failure *failure)
{
    struct restore *found = calloc(1, sizeof(*found));
    struct log_file_report report;
    int r = -ENOMEM;

    if (found)
        r = restore_examine(found, move->realm, move->fd, keyring, false, &report, failure);
    if (r == 0 && found->unreadable > 0)
        r = failure_set(
            failure, ERROR_RECORDS_UNREADABLE,
            "%llu of the file's %llu records do not open with the keys here: restore a backup that "
            "was made with the export, or later",
            (unsigned long long)found->unreadable, (unsigned long long)found->records);
    restore_free(found);
    return r;
}

static void log_hash(void *userdata, const struct iovec *parts, size_t count, uint8_t ret_hash[32])
{
    keyring_log_hash(userdata, parts, count, ret_hash);
}

static void log_random(void *userdata, uint8_t *ret_bytes, size_t length)
{
    (void)userdata;
    random_bytes(ret_bytes, length);
}

/* The anchor is the empty journal's, which was open a moment ago: nothing is rolled back. */
static int run_import(void *work, struct keyring **keyring, struct failure *failure)
{
    struct record_move *move = work;
    struct log_import_options options = {
        .folder_fd = move->realm->options.folder_fd,
        .fd = move->fd,
        .anchor_path = move->realm->options.anchor_path,
        .realm = keyring_realm(*keyring),
        .hash = {.hash = log_hash, .random = log_random, .userdata = *keyring},
        .accept_rollback = true,
        .stopping = &move->realm->closing,
    };
    struct log_file_report report;
    enum log_outcome outcome;
    int r = check_records(move, *keyring, failure);

    if (r != 0)
        return r;
    outcome = log_import(&options, &report);
    move->records = report.records;
    if (outcome == LOG_CONFLICT)
        return failure_set(failure, ERROR_NOT_EMPTY, NULL);
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

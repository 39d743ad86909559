/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/check.h"

#include "dbus-service/domain/backup.h"
#include "dbus-service/domain/realm_internal.h"
#include "dbus-service/domain/restore.h"
#include "dbus-service/domain/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#define REMEDY_STATE                                                                               \
    "see the service's log; put a good copy of the state folder back, or restore a backup and an " \
    "export"

void check_free(struct check *check)
{
    if (!check)
        return;
    restore_free(check->found);
    free(check);
}

static void __attribute__((__format__(__printf__, 4, 5)))
add(struct check *check, const char *severity, const char *remedy, const char *format, ...)
{
    struct finding *finding = &check->findings[check->count];
    va_list arguments;

    if (check->count == CHECK_FINDINGS_MAX)
        return;
    check->count++;
    finding->severity = severity;
    finding->remedy = remedy;
    va_start(arguments, format);
    (void)vsnprintf(finding->text, sizeof(finding->text), format, arguments);
    va_end(arguments);
}

/* ---- On the worker ---- */

/* Those that open without a person. */
static void check_slot(struct check *check, const struct keyring *keyring,
                       const struct slot_info *slot)
{
    struct slot_sources sources;
    struct failure failure;
    int r;

    if (slot->kind != SLOT_KEYFILE && slot->kind != SLOT_CREDENTIAL)
        return;
    slot_sources(check->realm, slot->kind, &sources);
    r = keyring_slot_test(check->realm->options.folder_fd, keyring, slot->id, &sources);
    if (r == KEYRING_DONE)
        return;
    if (r < 0)
        (void)failure_from_errno(&failure, r, "testing it");
    else
        (void)realm_failure_keyring(&failure, check->realm, (enum keyring_outcome)r, false);
    add(check, "error", "provide its key material, or replace it: mastersecret secret slot replace",
        "slot %u (%s) does not open: %.120s", slot->id, slot_kind_name((enum slot_kind)slot->kind),
        failure.text);
}

static void check_slots(struct check *check, const struct keyring *keyring)
{
    struct slot_info infos[SLOTS_MAX];
    size_t count = 0, usable = 0;
    int r = keyring_slot_infos(check->realm->options.folder_fd, infos, &count);

    if (r != KEYRING_DONE) {
        add(check, "error",
            "while the service is open make a backup now: mastersecret secret backup create FILE",
            "the keyring's file cannot be read any more");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        usable += infos[i].usable;
        if (infos[i].usable)
            check_slot(check, keyring, &infos[i]);
        else
            add(check, "warning", "remove it, or install the version that made it",
                "slot %u is of a newer version or ill-formed: it opens nothing here", infos[i].id);
    }
    if (usable == 1)
        add(check, "note", "add another: mastersecret secret slot add KIND",
            "only one slot opens the keyring; without its key a backup must be restored");
}

static void check_backup(struct check *check, const struct keyring *keyring)
{
    struct backup_info info;
    const char *due;

    keyring_backup_info(keyring, &info);
    due = backup_due(keyring, check->max_age_usec, backup_look(&info));
    if (due)
        add(check, "warning", "run: mastersecret secret backup create FILE", "%s", due);
}

static int check_records(struct check *check, struct keyring *keyring, struct failure *sealed)
{
    CLEANUP_CLOSE int fd = openat(check->realm->options.folder_fd, "journal",
                                  O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct log_file_report report = {0};
    struct failure failure = {.code = ERROR_NONE};
    int r = fd < 0 ? -errno : 0;

    if (r == 0)
        r = restore_examine(check->found, check->realm, fd, keyring, check->deep, &report,
                            &failure);
    if (r == ERROR_SEALED) {
        *sealed = failure;
        return r;
    }
    if (r < 0)
        (void)failure_from_errno(&failure, r, "the journal");
    if (r != 0)
        add(check, "error", REMEDY_STATE, "%.200s", failure.text);
    if (check->found->unreadable > 0)
        add(check, "error",
            "restore a backup that holds their generations: mastersecret secret restore FILE",
            "%llu of %llu records that were opened do not open",
            (unsigned long long)check->found->unreadable,
            (unsigned long long)check->found->sampled);
    if (r != 0 || report.head.revision != check->revision)
        check->revision = 0; /* it was written meanwhile: the counters are of another moment */
    return 0;
}

static int run(void *work, struct keyring *keyring, struct keyring **ret_keyring,
               struct failure *failure)
{
    struct check *check = work;

    (void)ret_keyring;
    check_slots(check, keyring);
    check_backup(check, keyring);
    return check_records(check, keyring, failure);
}

/* ---- On the loop ---- */

static uint64_t found_records(const struct restore *found, uint32_t generation, unsigned class)
{
    for (size_t i = 0; i < found->count; i++)
        if (found->generations[i].number == generation)
            return found->generations[i].by_class[class];
    return 0;
}

static void compare_counters(struct check *check, struct log *log, const struct keyring *keyring)
{
    struct generation_info info;

    for (size_t i = 0; i < keyring_generations(keyring); i++) {
        keyring_generation(keyring, i, &info);
        for (unsigned class = 1; class <= RECORD_CLASS_MAX; class ++) {
            uint64_t counted = log_census(log, (uint8_t) class, info.number);
            uint64_t found = found_records(check->found, info.number, class);

            if (counted != found)
                add(check, "error",
                    "restart mastersecretd; it builds the view anew: remove the file view first",
                    "generation %u, class %u: the view counts %llu records, the journal has %llu",
                    info.number, class, (unsigned long long)counted, (unsigned long long)found);
        }
    }
}

static void on_checked(void *userdata, const struct failure *failure)
{
    struct check *check = userdata;
    struct realm *realm = check->realm;
    struct log_head head = {.revision = 0};

    /* Whole numbers only if nothing was written from before the reading until now. */
    if (failure->code == ERROR_NONE && realm->log && realm->keyring) {
        log_head(realm->log, &head);
        if (head.revision == check->revision && head.revision > 0)
            compare_counters(check, realm->log, realm->keyring);
    }
    if (failure->code == ERROR_NONE && realm->keyring &&
        strcmp(keyring_memory_kind(realm->keyring), "memory that could not be locked") == 0)
        add(check, "warning", "raise LimitMEMLOCK", "keys could be swapped to disk");
    check->done(check->userdata, failure);
}

int check_begin(struct realm *realm, struct check *check, realm_done done, void *userdata,
                struct failure *failure)
{
    struct log_head head;
    int r = realm_check_readable(realm, failure);

    if (r != 0)
        return r;
    check->found = calloc(1, sizeof(*check->found));
    if (!check->found)
        return -ENOMEM;
    log_head(realm->log, &head);
    check->realm = realm;
    check->revision = head.revision;
    check->done = done;
    check->userdata = userdata;
    return realm_job(realm, run, check, on_checked, check, failure);
}

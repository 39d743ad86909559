/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/check.h"

#include "dbus-service/domain/realm_internal.h"
#include "dbus-service/domain/restore.h"
#include "dbus-service/domain/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

/* A start holds it against the journal, and builds it anew. */
#define REMEDY_VIEW "run: systemctl restart mastersecretd"
#define REMEDY_STATE "see mastersecret-secret(7): The records are damaged"

/* So many of the records that do not open are a finding each. */
enum { NAMED_MAX = 20 };

void check_free(struct check *check)
{
    if (!check)
        return;
    restore_free(check->found);
    free(check);
}

/* Its remedy is filled in by remedy(). */
static struct finding *__attribute__((__format__(__printf__, 3, 4)))
add(struct check *check, const char *severity, const char *format, ...)
{
    struct finding *finding = &check->findings[check->count];
    va_list arguments;

    if (check->count < CHECK_FINDINGS_MAX - 1)
        check->count++; /* the last place is overwritten */
    finding->severity = severity;
    va_start(arguments, format);
    (void)vsnprintf(finding->text, sizeof(finding->text), format, arguments);
    va_end(arguments);
    return finding;
}

static void __attribute__((__format__(__printf__, 2, 3)))
remedy(struct finding *finding, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(finding->remedy, sizeof(finding->remedy), format, arguments);
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
    remedy(add(check, "error", "slot %u (%s) does not open: %.120s", slot->id,
               slot_kind_name((enum slot_kind)slot->kind), failure.text),
           "put its %s back, or make it anew, run: mastersecret secret slot replace %u",
           slot->kind == SLOT_KEYFILE ? "key file" : "credential", slot->id);
}

static void check_slots(struct check *check, const struct keyring *keyring)
{
    struct slot_list list;
    size_t usable = 0;

    keyring_slot_list(check->realm->options.folder_fd, &list);
    if (list.outcome != KEYRING_DONE) {
        remedy(add(check, "error", "the keyring's file cannot be read any more"),
               "see mastersecret-secret(7): The keyring is damaged; do not restart the service meanwhile");
        return;
    }
    for (size_t i = 0; i < list.count; i++) {
        usable += list.infos[i].usable;
        if (list.infos[i].usable)
            check_slot(check, keyring, &list.infos[i]);
        else
            remedy(add(check, "warning",
                       "slot %u is of a newer version or ill-formed: it opens nothing here",
                       list.infos[i].id),
                   "install the version that made it, or run: mastersecret secret slot remove %u",
                   list.infos[i].id);
    }
    if (usable == 1)
        remedy(add(check, "note",
                   "only one slot opens the keyring; without its key a backup must be restored"),
               "run: mastersecret secret slot add KIND");
}

static void check_backup(struct check *check, const struct keyring *keyring)
{
    struct backup_info info;
    const char *due;

    keyring_backup_info(keyring, &info);
    due = backup_due(keyring, check->max_age_usec,
                     info.time_usec == check->backup.time_usec ? check->backup_file
                                                               : BACKUP_FILE_FINE);
    if (due)
        remedy(add(check, "warning", "%s", due), "run: mastersecret secret backup create FILE");
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
        remedy(add(check, "error", "%.200s", failure.text), REMEDY_STATE);
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

/* All that were found, and the first of them by name. */
static void name_unreadable(struct check *check)
{
    static const char *const remedies[] = {
        [RECORD_NO_GENERATION] =
            "with a backup that has its generation, run: mastersecret secret restore FILE",
        [RECORD_FORGED] = "set it anew or delete it (mastersecret map set, map delete)",
        [RECORD_NEWER] = "install the version that wrote it",
    };
    const struct unreadable_list *list = &check->found->unreadable;
    char line[UNREADABLE_LINE_MAX];
    char more[64] = "";

    if (list->count > NAMED_MAX)
        (void)snprintf(more, sizeof(more), "; %d of them follow, and there are %llu more", NAMED_MAX,
                       (unsigned long long)list->count - NAMED_MAX);
    if (list->count > 0)
        remedy(add(check, "error", "%llu of %llu records that were opened do not open%s",
                   (unsigned long long)list->count, (unsigned long long)check->found->sampled,
                   more),
               "%s", remedies[list->first[0].reason]);
    for (size_t i = 0; i < NAMED_MAX && unreadable_line(list, i, check->applications, line); i++)
        remedy(add(check, "error", "%s", line), "%s", remedies[list->first[i].reason]);
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
                remedy(add(check, "error",
                           "generation %u, class %s: the view counts %llu records, the journal has %llu",
                           info.number, realm_class_name((uint8_t) class), (unsigned long long)counted,
                           (unsigned long long)found),
                       REMEDY_VIEW);
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
    if (failure->code == ERROR_NONE)
        name_unreadable(check);
    if (failure->code == ERROR_NONE && realm->keyring &&
        strcmp(keyring_memory_kind(realm->keyring), "memory that could not be locked") == 0)
        remedy(add(check, "warning", "keys could be swapped to disk: memory cannot be locked"),
               "let the service lock 16 MiB (systemctl edit mastersecretd: [Service] LimitMEMLOCK=16M), "
               "then run: systemctl restart mastersecretd");
    check->done(check->userdata, failure);
}

static void run_look(void *userdata)
{
    struct check *check = userdata;

    check->backup_file = backup_look(&check->backup);
}

static void on_looked(void *userdata)
{
    struct check *check = userdata;
    struct realm *realm = check->realm;
    struct failure failure = {.code = ERROR_NONE};
    int r = realm_job(realm, run, check, on_checked, check, &failure);

    if (r < 0)
        (void)failure_from_errno(&failure, r, "the keyring");
    if (r != 0)
        check->done(check->userdata, &failure);
    realm_look_end(realm);
}

/* First the backup directory, which may be another machine's: where that hangs, nothing of the
 * keyring waits. */
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
    keyring_backup_info(realm_keyring(realm), &check->backup);
    r = work_submit(realm->options.work, WORK_FILE, run_look, on_looked, check);
    if (r == -EBUSY)
        return failure_set(failure, ERROR_LIMITS_EXCEEDED, NULL);
    realm->looks += r == 0;
    return r;
}

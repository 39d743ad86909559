/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/backup.h"

#include "dbus-service/domain/realm_internal.h"
#include "dbus-service/keys/keyring_change.h"
#include "dbus-service/keys/keyring_slot.h"

#include "common/hex.h"
#include "common/recipient_key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>


void backup_create_free(struct backup_create *create)
{
    if (!create)
        return;
    secret_free(create->passphrase);
    free(create->directory);
    free(create->hint);
    free(create->location);
    free(create);
}

/* ---- Making one ---- */

static void count_records(struct realm *realm, const struct keyring *keyring,
                          struct backup_manifest *manifest)
{
    struct generation_info info;
    struct log_head head;

    log_head(realm->log, &head);
    memcpy(manifest->log_id, head.id, sizeof(manifest->log_id));
    manifest->revision = head.revision;
    for (size_t i = 0; i < keyring_generations(keyring); i++) {
        keyring_generation(keyring, i, &info);
        for (unsigned class = 1; class <= RECORD_CLASS_MAX; class++) {
            struct backup_count *count = &manifest->counts[manifest->count];

            if (manifest->count == BACKUP_COUNTS_MAX)
                return;
            count->class = (uint8_t)class;
            count->generation = info.number;
            count->records = log_census(realm->log, (uint8_t)class, info.number);
            manifest->count += count->records > 0;
        }
    }
}

int backup_prepare(struct realm *realm, struct backup_create *create, struct failure *failure)
{
    const struct keyring *keyring = realm_keyring(realm);
    const char *hint = create->hint, *location = create->location ? create->location : "";

    if (realm->state == REALM_UNCONFIGURED)
        return failure_set(failure, ERROR_UNCONFIGURED, NULL);
    if (!keyring)
        return failure_set(failure, ERROR_SEALED, NULL);
    if (!text_is_utf8(hint, strlen(hint), HINT_MAX_BYTES))
        return failure_set(failure, ERROR_INVALID_ARGUMENT, "a hint is UTF-8 of at most %d bytes",
                           HINT_MAX_BYTES);
    if (!text_is_utf8(location, strlen(location), TEXT_MAX_BYTES - 1))
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "a location is UTF-8 of less than %d bytes", TEXT_MAX_BYTES);
    if (!create->passphrase && keyring_recipients(keyring) == 0)
        return failure_set(failure, ERROR_NO_RECIPIENTS, NULL);
    if (realm->log)
        count_records(realm, keyring, &create->manifest);
    return 0;
}

static int write_to(const struct realm *realm, struct backup_create *create, int fd,
                    const struct keyring *keyring, struct failure *failure)
{
    struct backup_request request = {
        .passphrase = create->passphrase,
        .to_recipients = !create->passphrase,
        .hint = create->hint,
        .manifest = &create->manifest,
    };
    int r = backup_write(fd, keyring, &request, &create->info);

    if (r < 0 || r == KEYRING_DONE)
        return r;
    return realm_failure_keyring(failure, realm, (enum keyring_outcome)r, true);
}

struct backup_paths {
    char whole[sizeof(((struct backup_info *)0)->location)];
    char unproven[sizeof(((struct backup_info *)0)->location)];
};

/* The beginning of the realm's id, so that backups of several may lie side by side, and the time. What is not
 * proven yet always has the same name, so that the next backup takes the place of what a kill left. */
static int name_files(const struct keyring *keyring, const char *directory,
                      struct backup_paths *ret_paths)
{
    time_t now = time(NULL);
    struct tm tm = {0};
    char realm[HEX_TEXT_SIZE(4)], text[32];
    int length;

    hex_format(keyring_realm(keyring), 4, 0, realm);
    length = snprintf(ret_paths->unproven, sizeof(ret_paths->unproven),
                      "%s/.mastersecret-%s.backup.new", directory, realm);
    if (length < 0 || (size_t)length >= sizeof(ret_paths->unproven))
        return -ENAMETOOLONG;
    gmtime_r(&now, &tm);
    strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm);
    for (unsigned again = 0; again < 100; again++) {
        char another[8] = "";

        if (again > 0)
            snprintf(another, sizeof(another), "-%u", again);
        length = snprintf(ret_paths->whole, sizeof(ret_paths->whole),
                          "%s/mastersecret-%s-%s%s.backup", directory, realm, text, another);
        if (length < 0 || (size_t)length >= sizeof(ret_paths->whole))
            return -ENAMETOOLONG;
        if (access(ret_paths->whole, F_OK) < 0)
            return errno == ENOENT ? 0 : -errno;
    }
    return -EEXIST;
}

static int failed_in(struct failure *failure, const char *directory, int error)
{
    return failure_set(failure, ERROR_BACKUP_FAILED, "%.200s: %s%s", directory, strerrordesc_np(-error),
                       error == -EROFS || error == -EACCES
                           ? " (the unit may write there with ReadWritePaths=)"
                           : "");
}

/* The folder, too, or the name might be gone after a power cut. */
static int rename_durably(const char *directory, const char *from, const char *to)
{
    CLEANUP_CLOSE int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || rename(from, to) < 0)
        return -errno;
    return fsync(fd) < 0 ? -errno : 0;
}

/* Under its name only when it is proven, so that whatever cuts it off leaves nothing that looks like one. */
static int write_in_directory(const struct realm *realm, struct backup_create *create,
                              const struct keyring *keyring, struct failure *failure)
{
    struct backup_paths paths = {.whole = ""};
    CLEANUP_CLOSE int fd = -1;
    int r = name_files(keyring, create->directory, &paths);

    if (r < 0)
        return failed_in(failure, create->directory, r);
    (void)unlink(paths.unproven);
    fd = open(paths.unproven, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed_in(failure, create->directory, -errno);
    r = write_to(realm, create, fd, keyring, failure);
    if (r == 0) {
        r = rename_durably(create->directory, paths.unproven, paths.whole);
        if (r < 0)
            r = failed_in(failure, create->directory, r);
    }
    if (r != 0) {
        (void)unlink(paths.unproven);
        (void)unlink(paths.whole);
        return r;
    }
    memcpy(create->info.location, paths.whole, sizeof(paths.whole));
    create->info.in_directory = true;
    return 0;
}

int backup_try_directory(const struct backup_create *create, struct failure *failure)
{
    if (!create->directory || access(create->directory, W_OK | X_OK) == 0)
        return 0;
    return failed_in(failure, create->directory, -errno);
}

int backup_write_file(const struct realm *realm, struct backup_create *create,
                      const struct keyring *keyring, struct failure *failure)
{
    int r;

    if (create->directory)
        return write_in_directory(realm, create, keyring, failure);
    r = write_to(realm, create, create->fd, keyring, failure);
    if (r == 0)
        snprintf(create->info.location, sizeof(create->info.location), "%s", create->location);
    return r;
}

void backup_take_back(const struct realm *realm, struct backup_create *create,
                      const struct keyring *before)
{
    if (keyring_store(realm->options.folder_fd, before) != KEYRING_DONE)
        return;
    if (create->info.in_directory)
        (void)unlink(create->info.location);
    else if (!create->directory)
        backup_discard(create->fd);
}

/* The change, on the disk. */
static int store(const struct realm *realm, const struct keyring *keyring,
                 const struct keyring_change *change, struct keyring **ret_keyring,
                 struct failure *failure)
{
    struct keyring *changed = NULL;
    int r = keyring_change(keyring, change, &changed);

    if (r == KEYRING_DONE)
        r = keyring_store(realm->options.folder_fd, changed);
    if (r != KEYRING_DONE) {
        keyring_free(changed);
        return r < 0 ? r : realm_failure_keyring(failure, realm, (enum keyring_outcome)r, false);
    }
    *ret_keyring = changed;
    return 0;
}

struct create_job {
    struct realm *realm;
    struct backup_create *create;
    realm_done done;
    void *userdata;
};

static int run_create(void *work, struct keyring *keyring, struct keyring **ret_keyring,
                      struct failure *failure)
{
    struct create_job *job = work;
    struct keyring_change change = {.backup = &job->create->info};
    int r = backup_write_file(job->realm, job->create, keyring, failure);

    if (r != 0)
        return r;
    r = store(job->realm, keyring, &change, ret_keyring, failure);
    /* A keyring that is damaged or gone on the disk is when a backup is needed most. */
    if ((r == ERROR_DAMAGED || r == ERROR_UNCONFIGURED) &&
        keyring_change(keyring, &change, ret_keyring) == KEYRING_DONE) {
        failure->code = ERROR_NONE;
        return 0;
    }
    if (r != 0)
        backup_take_back(job->realm, job->create, keyring);
    return r;
}

static void on_created(void *userdata, const struct failure *failure)
{
    struct create_job *job = userdata;

    job->done(job->userdata, failure);
    free(job);
}

int backup_create_begin(struct realm *realm, struct backup_create *create, realm_done done,
                        void *userdata, struct failure *failure)
{
    CLEANUP_FREE struct create_job *job = malloc(sizeof(*job));
    int r = backup_prepare(realm, create, failure);

    if (r != 0)
        return r;
    if (!job)
        return -ENOMEM;
    *job = (struct create_job){realm, create, done, userdata};
    r = realm_job(realm, run_create, job, on_created, job, failure);
    if (r == 0)
        STEAL(job);
    return r;
}

/* ---- Is one due? ---- */

const char *backup_due(const struct keyring *keyring, uint64_t max_age_usec, enum backup_file file)
{
    struct backup_info info;

    keyring_backup_info(keyring, &info);
    if (info.time_usec == 0)
        return "No backup of the master secret has been proven: make one.";
    if (info.generation < keyring_active_generation(keyring))
        return "The backup does not hold the newest generation: make a new one.";
    if (info.in_directory && file == BACKUP_FILE_GONE)
        return "The backup is gone from the backup directory: make a new one.";
    if (info.in_directory && file == BACKUP_FILE_CHANGED)
        return "The backup in the backup directory was changed: make a new one.";
    if (max_age_usec > 0 && info.time_usec + max_age_usec < realm_now_usec())
        return "The backup is older than backup-max-age: make a new one.";
    return NULL;
}

enum backup_file backup_look(const struct backup_info *info)
{
    CLEANUP_FREE struct backup_facts *facts = NULL;
    CLEANUP_CLOSE int fd = -1;
    struct stat status;

    if (info->time_usec == 0 || !info->in_directory)
        return BACKUP_FILE_FINE;
    fd = open(info->location, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP ? BACKUP_FILE_CHANGED : BACKUP_FILE_GONE;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
        backup_inspect(fd, &facts) != KEYRING_DONE ||
        memcmp(facts->hash, info->hash, sizeof(info->hash)) != 0)
        return BACKUP_FILE_CHANGED;
    return BACKUP_FILE_FINE;
}

/* ---- Recipients ---- */

struct recipient_job {
    struct realm *realm;
    bool add;
    struct recipient recipient;
    realm_done done;
    void *userdata;
};

static int run_recipient(void *work, struct keyring *keyring, struct keyring **ret_keyring,
                         struct failure *failure)
{
    struct recipient_job *job = work;
    struct keyring_change change = {
        .add_recipient = job->add ? &job->recipient : NULL,
        .remove_recipient = job->add ? NULL : job->recipient.name,
    };

    return store(job->realm, keyring, &change, ret_keyring, failure);
}

static void on_recipient(void *userdata, const struct failure *failure)
{
    struct recipient_job *job = userdata;

    job->done(job->userdata, failure);
    free(job);
}

static int recipient_begin(struct realm *realm, const struct recipient_job *wanted,
                           struct failure *failure)
{
    CLEANUP_FREE struct recipient_job *job = malloc(sizeof(*job));
    int r;

    if (!job)
        return -ENOMEM;
    *job = *wanted;
    r = realm_job(realm, run_recipient, job, on_recipient, job, failure);
    if (r == 0)
        STEAL(job);
    return r;
}

static int parse_public(const char *text, struct recipient *recipient, struct failure *failure)
{
    const char *problem = "is not one";
    int outcome = recipient_public_parse(text, strlen(text), recipient->public_key);

    switch ((enum recipient_key_outcome)outcome) {
    case RECIPIENT_KEY_DONE:
        if (recipient_key_is_usable(recipient->public_key))
            return 0;
        problem = "protects nothing";
        break;
    case RECIPIENT_KEY_OTHER_HALF:
        problem = "is a private key; keep that to yourself, and make a new pair, for it was shown";
        break;
    case RECIPIENT_KEY_MISTYPED:
        problem = "is mistyped";
        break;
    case RECIPIENT_KEY_NEWER:
        return failure_set(failure, ERROR_NEWER_FORMAT, "the public key is of a newer version");
    case RECIPIENT_KEY_NOT_ONE:
        break;
    }
    return failure_set(failure, ERROR_INVALID_ARGUMENT,
                       "what was given as public key %s (it begins with " RECIPIENT_PUBLIC_PREFIX ")",
                       problem);
}

int recipient_add(struct realm *realm, const char *name, const char *public_key, realm_done done,
                  void *userdata, struct failure *failure)
{
    struct recipient_job job = {.realm = realm, .add = true, .done = done, .userdata = userdata};
    int r;

    if (!name_is_valid(name))
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "a recipient's name has 1 to %d bytes of UTF-8 without control characters",
                           NAME_MAX_BYTES);
    snprintf(job.recipient.name, sizeof(job.recipient.name), "%s", name);
    r = parse_public(public_key, &job.recipient, failure);
    return r == 0 ? recipient_begin(realm, &job, failure) : r;
}

int recipient_remove(struct realm *realm, const char *name, realm_done done, void *userdata,
                     struct failure *failure)
{
    struct recipient_job job = {.realm = realm, .done = done, .userdata = userdata};

    if (!name_is_valid(name))
        return failure_set(failure, ERROR_RECIPIENT_NOT_FOUND, NULL);
    snprintf(job.recipient.name, sizeof(job.recipient.name), "%s", name);
    return recipient_begin(realm, &job, failure);
}

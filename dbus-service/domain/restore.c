/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/restore.h"

#include "common/recipient_key.h"
#include "dbus-service/domain/realm_internal.h"
#include "dbus-service/domain/slot.h"
#include "dbus-service/keys/keyring_change.h"
#include "dbus-service/keys/record.h"
#include "dbus-service/store/anchor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* Of each generation the first records met are opened, and every so many of the others. */
#define SAMPLE_FIRST 64
#define SAMPLE_EVERY 1000

void restore_free(struct restore *restore)
{
    if (!restore)
        return;
    secret_free(restore->passphrase);
    secret_free(restore->private_key);
    secret_free(restore->slot_passphrase);
    free(restore->facts);
    free(restore->generations);
    free(restore);
}

const char *restore_verdict_name(enum restore_verdict verdict)
{
    static const char *const names[] = {
        [RESTORE_MATCHES] = "matches",
        [RESTORE_IN_BACKUP] = "in-backup",
        [RESTORE_ONLY_IN_BACKUP] = "only-in-backup",
        [RESTORE_NOT_IN_BACKUP] = "not-in-backup",
        [RESTORE_DIFFERS] = "differs",
    };

    return names[verdict];
}

/* ---- The backup ---- */

static int keyring_failure(const struct restore *restore, int outcome, struct failure *failure)
{
    if (outcome <= 0)
        return outcome;
    if (outcome == KEYRING_DAMAGED)
        return failure_set(failure, ERROR_DAMAGED,
                           "the backup was changed or cut off; take another copy of it");
    if (outcome == KEYRING_NEWER)
        return failure_set(failure, ERROR_NEWER_FORMAT, "the backup is of a newer version");
    if (outcome == KEYRING_WRONG_KEY && restore->private_key)
        return failure_set(failure, ERROR_WRONG_PASSPHRASE,
                           "the private key is of none of the backup's recipients; see whose open it with: "
                           "mastersecret secret backup inspect FILE");
    if (outcome == KEYRING_NO_SLOT)
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           restore->private_key
                               ? "the backup is not sealed to recipients; give its passphrase"
                               : "the backup has no passphrase; give a recipient's private key");
    return realm_failure_keyring(failure, restore->realm, (enum keyring_outcome)outcome, true);
}

static int parse_private(const struct restore *restore, struct key *ret_key,
                         struct failure *failure)
{
    const struct secret *text = restore->private_key;
    int outcome = recipient_private_parse((const char *)text->bytes, text->length, ret_key->bytes);

    switch ((enum recipient_key_outcome)outcome) {
    case RECIPIENT_KEY_DONE:
        return 0;
    case RECIPIENT_KEY_NEWER:
        return failure_set(failure, ERROR_NEWER_FORMAT, "the private key is of a newer version");
    case RECIPIENT_KEY_OTHER_HALF:
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "what was given is a public key; give the private one, which opens backups");
    case RECIPIENT_KEY_MISTYPED:
        return failure_set(failure, ERROR_WRONG_PASSPHRASE,
                           "the private key is mistyped; enter it again as it was printed");
    case RECIPIENT_KEY_NOT_ONE:
        break;
    }
    return failure_set(failure, ERROR_INVALID_ARGUMENT,
                       "what was given is no private key; give the one that begins "
                       "with " RECIPIENT_PRIVATE_PREFIX);
}

static int open_backup(struct restore *restore, struct keyring **ret_keyring,
                       struct failure *failure)
{
    CLEANUP_KEY struct key private_key = {0};
    struct backup_key key = {.passphrase = restore->passphrase};
    int r = backup_inspect(restore->fd, &restore->facts);

    if (r != KEYRING_DONE)
        return keyring_failure(restore, r, failure);
    if (restore->private_key) {
        r = parse_private(restore, &private_key, failure);
        if (r != 0)
            return r;
        key.private_key = &private_key;
    }
    r = backup_open(restore->fd, &key, ret_keyring, &restore->manifest);
    return keyring_failure(restore, r, failure);
}

/* ---- Generations ---- */

/* The entry of a number, made where there is none; NULL without memory. */
static struct restore_generation *generation_at(struct restore *restore, uint32_t number)
{
    struct restore_generation *larger;
    size_t at = 0;

    while (at < restore->count && restore->generations[at].number < number)
        at++;
    if (at < restore->count && restore->generations[at].number == number)
        return &restore->generations[at];
    larger = realloc(restore->generations, (restore->count + 1) * sizeof(*larger));
    if (!larger)
        return NULL;
    restore->generations = larger;
    memmove(larger + at + 1, larger + at, (restore->count - at) * sizeof(*larger));
    restore->count++;
    larger[at] = (struct restore_generation){.number = number, .verdict = RESTORE_NOT_IN_BACKUP};
    return &larger[at];
}

static int note_generations(struct restore *restore, const struct keyring *keyring, bool present)
{
    struct generation_info info;

    for (size_t i = 0; i < keyring_generations(keyring); i++) {
        struct restore_generation *entry;

        keyring_generation(keyring, i, &info);
        entry = generation_at(restore, info.number);
        if (!entry)
            return -ENOMEM;
        if (!present)
            entry->verdict = RESTORE_IN_BACKUP;
        else if (entry->known)
            entry->verdict = memcmp(entry->fingerprint, info.fingerprint, FINGERPRINT_SIZE) == 0
                                 ? RESTORE_MATCHES
                                 : RESTORE_DIFFERS;
        entry->known = true;
        memcpy(entry->fingerprint, info.fingerprint, FINGERPRINT_SIZE);
    }
    for (size_t i = 0; present && i < restore->count; i++)
        if (restore->generations[i].verdict == RESTORE_IN_BACKUP)
            restore->generations[i].verdict = RESTORE_ONLY_IN_BACKUP;
    return 0;
}

/* ---- The records ---- */

int restore_examine_record(void *userdata, const struct log_walk_record *record)
{
    struct examination *examination = userdata;
    CLEANUP_SECRET struct secret *value = NULL;
    struct restore_generation *entry;
    struct record_header header = {.generation = 0};
    int r = record_header_parse(record->record, record->size, &header);

    entry = generation_at(examination->into, r < 0 ? 0 : header.generation);
    if (!entry)
        return -ENOMEM;
    examination->into->records++;
    entry->by_class[record->key->class]++;
    if (entry->records++ >= SAMPLE_FIRST && entry->records % SAMPLE_EVERY != 0 && !examination->all)
        return 0;
    r = record_open(examination->keyring, record->key, record->record, record->size, NULL, &value);
    if (r < 0)
        return r;
    entry->sampled++;
    examination->into->sampled++;
    if (r != RECORD_OPENED && r != RECORD_IS_TOMBSTONE) {
        entry->unreadable++;
        unreadable_add(&examination->into->unreadable, record->key, r);
    }
    return 0;
}

/* Is the anchor ahead of what the journal ends with? */
static int check_anchor(struct restore *restore, const struct log_hash *hash,
                        const struct log_file_report *journal, struct failure *failure)
{
    const char *path = restore->realm->options.anchor_path;
    struct anchor anchor;
    int r = path ? anchor_get(path, hash, &anchor) : ANCHOR_ABSENT;

    if (r < 0)
        return r;
    if (r == ANCHOR_ABSENT)
        return 0;
    restore->rolled_back = r != ANCHOR_DONE || !journal ||
                           anchor.head.revision > journal->head.revision ||
                           memcmp(anchor.head.id, journal->head.id, sizeof(anchor.head.id)) != 0;
    if (!restore->rolled_back || restore->accept_rollback || restore->action == RESTORE_TRY)
        return 0;
    return failure_set(
        failure, ERROR_ROLLED_BACK,
        "the anchor (%.150s) %s", path,
        journal ? "is newer than the journal, or of another one" : "is there, but no journal");
}

int restore_examine(struct restore *into, struct realm *realm, int fd,
                    struct keyring *keyring, bool all, struct log_file_report *ret_report,
                    struct failure *failure)
{
    struct examination examination = {into, keyring, all};
    struct log_check_options options = {
        .fd = fd,
        .realm = keyring_realm(keyring),
        .hash = realm_log_hash(keyring),
        .stopping = &realm->stopping,
        .progress = &realm->reading,
        .each = restore_examine_record,
        .userdata = &examination,
    };
    enum log_outcome outcome = log_check(&options, ret_report);

    realm_reading_end(realm);
    if (outcome == LOG_DONE)
        return 0;
    if (outcome == LOG_CANCELED)
        return failure_set(failure, ERROR_SEALED, NULL);
    return ret_report->other_realm ? failure_set(failure, ERROR_OTHER_REALM, NULL)
                                   : realm_failure_log(failure, outcome, ret_report->text);
}

static void forget_counts(struct restore *restore)
{
    restore->records = restore->sampled = restore->unreadable.count = 0;
    for (size_t i = 0; i < restore->count; i++) {
        struct restore_generation *entry = &restore->generations[i];

        entry->records = entry->sampled = entry->unreadable = 0;
        memset(entry->by_class, 0, sizeof(entry->by_class));
    }
}

/* Where one of the sample does not open, all are opened: whoever gives some up says how many. */
static int examine_sample(struct restore *restore, int fd, struct keyring *keyring,
                          struct log_file_report *ret_report, struct failure *failure)
{
    int r = restore_examine(restore, restore->realm, fd, keyring, false, ret_report, failure);

    if (r != 0 || restore->unreadable.count == 0)
        return r;
    forget_counts(restore);
    return restore_examine(restore, restore->realm, fd, keyring, true, ret_report, failure);
}

/* All records of the journal that is here, with the keyring that would open it. */
static int examine_journal(struct restore *restore, struct keyring *keyring,
                           struct failure *failure)
{
    const struct realm *realm = restore->realm;
    CLEANUP_CLOSE int fd = openat(realm->options.folder_fd, "journal",
                                  O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct log_hash hash = realm_log_hash(keyring);
    bool present = fd >= 0, closed = !realm_keyring(realm);
    struct log_file_report report;
    int r = 0;

    if (!present && errno != ENOENT)
        return -errno;
    if (present)
        r = examine_sample(restore, fd, keyring, &report, failure);
    return r == 0 && closed ? check_anchor(restore, &hash, present ? &report : NULL, failure) : r;
}

static int check_loss(const struct restore *restore, struct failure *failure)
{
    char accepted[64] = "";

    if (restore->action != RESTORE_DO || restore->unreadable.count == 0 ||
        restore->unreadable.count == restore->accept_loss)
        return 0;
    if (restore->accept_loss > 0)
        snprintf(accepted, sizeof(accepted), ", and a loss of %llu was accepted",
                 (unsigned long long)restore->accept_loss);
    return failure_set(failure, ERROR_RECORDS_UNREADABLE,
                       "%llu of %llu records would be unreadable afterwards%s; use a newer backup, or "
                       "accept the loss of as many: --accept-loss %llu",
                       (unsigned long long)restore->unreadable.count,
                       (unsigned long long)restore->records, accepted,
                       (unsigned long long)restore->unreadable.count);
}

/* ---- With an open keyring ---- */

/* The keyring that is there is kept. 0, also when there is none, an error code, -errno. */
static int keep_aside(struct restore *restore, struct failure *failure)
{
    int r = keyring_keep_aside(restore->realm->options.folder_fd, restore->aside);

    if (r == KEYRING_DONE)
        return 0;
    *restore->aside = '\0';
    return r == KEYRING_ABSENT ? 0 : keyring_failure(restore, r, failure);
}

static int store_merged(struct restore *restore, struct keyring *merged, struct failure *failure)
{
    int r = keep_aside(restore, failure);

    if (r != 0)
        return r;
    return keyring_failure(restore, keyring_store(restore->realm->options.folder_fd, merged),
                           failure);
}

/* Whoever knows a recipient's public key can make up a backup; only this realm can sign it. */
static int check_maker(const struct restore *restore, const struct keyring *backup,
                       const struct keyring *keyring, struct failure *failure)
{
    const struct backup_facts *facts = restore->facts;

    if (memcmp(keyring_realm(backup), keyring_realm(keyring), REALM_ID_SIZE) != 0)
        return failure_set(failure, ERROR_OTHER_REALM, NULL);
    if (facts->is_signed &&
        memcmp(facts->signer, keyring_signer(keyring), sizeof(facts->signer)) != 0)
        return failure_set(failure, ERROR_OTHER_REALM,
                           "the backup says that it is this realm's, but its signature is not; it was made up: "
                           "do not use it");
    return 0;
}

static int run_open(void *work, struct keyring *keyring, struct keyring **ret_keyring,
                    struct failure *failure)
{
    CLEANUP_KEYRING struct keyring *backup = NULL;
    CLEANUP_KEYRING struct keyring *merged = NULL;
    struct restore *restore = work;
    int r = open_backup(restore, &backup, failure);

    if (r != 0)
        return r;
    r = check_maker(restore, backup, keyring, failure);
    if (r != 0)
        return r;
    r = note_generations(restore, backup, false);
    if (r == 0)
        r = note_generations(restore, keyring, true);
    if (r == 0 && restore->action != RESTORE_VERIFY)
        r = keyring_failure(restore, keyring_merge(keyring, backup, &merged), failure);
    if (r == 0)
        r = examine_journal(restore, merged ? merged : backup, failure);
    if (r == 0)
        r = check_loss(restore, failure);
    if (r != 0 || restore->action != RESTORE_DO)
        return r;
    r = store_merged(restore, merged, failure);
    if (r == 0)
        *ret_keyring = STEAL(merged);
    return r;
}

static int run_nothing(void *work, struct keyring **keyring, struct failure *failure)
{
    (void)work;
    (void)keyring;
    (void)failure;
    return 0;
}

/* Records can be read that could not before: what is kept in memory of them is read anew, before that is said. */
static void on_merged(void *userdata, const struct failure *failure)
{
    struct restore *restore = userdata;
    struct failure ignored;
    bool more = false;

    for (size_t i = 0; i < restore->count; i++)
        more = more || (restore->generations[i].verdict == RESTORE_ONLY_IN_BACKUP &&
                        restore->generations[i].records > 0);
    if (more && failure->code == ERROR_NONE && restore->action == RESTORE_DO &&
        realm_reopen_after(restore->realm, run_nothing, restore, restore->done, restore->userdata,
                           &ignored) == 0)
        return;
    restore->done(restore->userdata, failure);
}

/* ---- Without ---- */

/* A backup of another realm never takes the place of a keyring whose realm can be read. */
static int check_realm(const struct restore *restore, const struct keyring *backup,
                       struct failure *failure)
{
    uint8_t realm[REALM_ID_SIZE];
    int r = keyring_realm_of(restore->realm->options.folder_fd, realm);

    if (r == KEYRING_DONE && memcmp(realm, keyring_realm(backup), REALM_ID_SIZE) != 0)
        return failure_set(failure, ERROR_OTHER_REALM, NULL);
    return r < 0 ? r : 0;
}

/* What is restored knows of the backup that it came from. */
static int renew(struct restore *restore, const struct keyring *backup,
                 struct keyring **ret_keyring, struct failure *failure)
{
    const struct backup_facts *facts = restore->facts;
    struct backup_info info = {
        .time_usec = facts->created_usec,
        .generation = facts->generation,
    };
    struct keyring_change change = {.backup = &info, .raise_epoch = true};

    memcpy(info.hash, facts->hash, sizeof(info.hash));
    return keyring_failure(restore, keyring_change(backup, &change, ret_keyring), failure);
}

/* What says that the journal was newer once: the anchor, and a view, which is built anew. */
static int move_witnesses(const struct restore *restore)
{
    const char *path = restore->realm->options.anchor_path;
    int folder_fd = restore->realm->options.folder_fd;
    CLEANUP_FREE char *aside = NULL;

    if (!restore->accept_rollback)
        return 0;
    if (renameat(folder_fd, "view", folder_fd, "view.before-restore") < 0 && errno != ENOENT)
        return -errno;
    if (!restore->rolled_back)
        return 0;
    if (asprintf(&aside, "%s.before-restore", path) < 0)
        return -ENOMEM;
    return rename(path, aside) < 0 ? -errno : 0;
}

static int install(struct restore *restore, struct keyring *keyring, struct failure *failure)
{
    const struct realm *realm = restore->realm;
    struct slot_request request = {.kind = restore->slot};
    int r;

    slot_sources(realm, restore->slot, &request.sources);
    if (restore->slot == SLOT_PASSPHRASE)
        request.sources.passphrase = restore->slot_passphrase ? restore->slot_passphrase
                                                              : restore->passphrase;
    r = keep_aside(restore, failure);
    if (r == 0)
        r = keyring_failure(restore, keyring_install(realm->options.folder_fd, keyring, &request),
                            failure);
    return r == 0 ? move_witnesses(restore) : r;
}

static int run_closed(void *work, struct keyring **ret_keyring, struct failure *failure)
{
    CLEANUP_KEYRING struct keyring *backup = NULL;
    CLEANUP_KEYRING struct keyring *renewed = NULL;
    struct restore *restore = work;
    int r = open_backup(restore, &backup, failure);

    if (r == 0)
        r = check_realm(restore, backup, failure);
    if (r == 0)
        r = note_generations(restore, backup, false);
    if (r == 0)
        r = examine_journal(restore, backup, failure);
    if (r == 0)
        r = check_loss(restore, failure);
    if (r != 0 || restore->action != RESTORE_DO)
        return r;
    r = renew(restore, backup, &renewed, failure);
    if (r == 0)
        r = install(restore, renewed, failure);
    if (r == 0)
        *ret_keyring = STEAL(renewed);
    return r;
}

static int check(const struct realm *realm, const struct restore *restore, struct failure *failure)
{
    if (!restore->passphrase == !restore->private_key)
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "nothing to open the backup with; give its passphrase, or a recipient's private "
                           "key");
    if (restore->action == RESTORE_VERIFY || restore->action == RESTORE_TRY)
        return 0;
    if (realm_keyring(realm))
        return 0;
    if (restore->slot == SLOT_SHARES)
        return failure_set(
            failure, ERROR_INVALID_ARGUMENT,
            "slot is \"keyfile\", \"credential\" or \"passphrase\"; add shares afterwards");
    if (restore->slot == SLOT_PASSPHRASE && !restore->slot_passphrase && !restore->passphrase)
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "descriptor 'slot-passphrase' is missing");
    return slot_check_kind(realm, restore->slot, failure);
}

int restore_begin(struct realm *realm, struct restore *restore, realm_done done, void *userdata,
                  struct failure *failure)
{
    int r = check(realm, restore, failure);

    if (r != 0)
        return r;
    restore->realm = realm;
    restore->done = done;
    restore->userdata = userdata;
    if (realm_keyring(realm) || restore->action == RESTORE_VERIFY)
        return realm_job(realm, run_open, restore, on_merged, restore, failure);
    return realm_open_by(realm, run_closed, restore, restore->slot, done, userdata, failure);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A backup of the master secret, held against what is here: to verify it, to try a restore, to
 * restore. */
#ifndef DOMAIN_RESTORE_H
#define DOMAIN_RESTORE_H

#include "dbus-service/domain/unreadable.h"
#include "dbus-service/keys/backup.h"
#include "dbus-service/store/journal.h"

#include <limits.h>

enum restore_action { RESTORE_VERIFY, RESTORE_TRY, RESTORE_DO };

enum restore_verdict {
    RESTORE_MATCHES,   /* here and in the backup, the same */
    RESTORE_IN_BACKUP, /* there is no open keyring to compare with */
    RESTORE_ONLY_IN_BACKUP,
    RESTORE_NOT_IN_BACKUP, /* here, or needed by records here */
    RESTORE_DIFFERS,
};
const char *restore_verdict_name(enum restore_verdict verdict);

struct restore_generation {
    uint32_t number;
    bool known; /* there is a fingerprint */
    uint8_t fingerprint[FINGERPRINT_SIZE];
    enum restore_verdict verdict;
    uint64_t records; /* of the journal here, sealed under it; tombstones included */
    uint64_t sampled; /* of these were opened */
    uint64_t by_class[RECORD_CLASS_MAX + 1];
    uint64_t unreadable; /* of these do not open, or cannot, with what there would be afterwards */
};

/* Made with calloc(); the caller's, and left alone until `done`. */
struct restore {
    struct realm *realm; /* set by restore_begin() */
    enum restore_action action;
    int fd;                     /* of the backup; borrowed */
    struct secret *passphrase;  /* owned; or */
    struct secret *private_key; /* owned; its text */
    /* RESTORE_TRY, RESTORE_DO. */
    enum slot_kind slot; /* of the keyring to be made, where none is open; a passphrase: */
    struct secret *slot_passphrase; /* owned; NULL: the backup's */
    uint64_t accept_loss; /* so many records, no more and no fewer, may be unreadable */
    bool accept_rollback; /* the journal may be older than its anchor and its view: kept aside */
    /* What was found, as far as it came. */
    struct backup_facts *facts;
    struct backup_manifest manifest;
    size_t count;
    struct restore_generation *generations; /* numbers ascend */
    uint64_t records, sampled;
    struct unreadable_list unreadable;
    bool rolled_back;
    realm_done done;
    void *userdata;
    char aside[NAME_MAX + 1]; /* RESTORE_DO: what the keyring that was here is kept as in the state
                                 folder; "": none was */
};
void restore_free(struct restore *restore);

/* A log_walk_each with one of these: opens the record, if it is of the sample, and adds to the counts. */
struct examination {
    struct restore *into;
    const struct keyring *keyring;
    bool all; /* no sample */
};
int restore_examine_record(void *userdata, const struct log_walk_record *record) MUST_CHECK;

/* SLOW. Reads a journal or an export to its end and opens a sample of its records, or all, with the
 * keyring; adds what it finds to the counts of `into`. 0, an error code, -errno. */
int restore_examine(struct restore *into, struct realm *realm, int fd,
                    struct keyring *keyring, bool all, struct log_file_report *ret_report,
                    struct failure *failure) MUST_CHECK;

/* RESTORE_VERIFY needs an open keyring. A restore with an open keyring adds what the backup holds
 * to it; else the backup's takes the place of the keyring file, under one new slot, and the service
 * opens. Everything that can refuse it is found before anything is changed. 0 when begun. */
int restore_begin(struct realm *realm, struct restore *restore, realm_done done, void *userdata,
                  struct failure *failure) MUST_CHECK;

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The realm: its state, its keys and its records. The only door to keys/ and store/: everything above
 * deals in opened values. */
#ifndef DOMAIN_REALM_H
#define DOMAIN_REALM_H

#include "dbus-service/domain/failure.h"
#include "dbus-service/keys/keyring.h"
#include "dbus-service/loop.h"
#include "dbus-service/store/log.h"

struct realm;
struct share_set; /* keys/shares.h */
struct slot_list; /* keys/keyring_slot.h */

enum realm_state {
    REALM_UNCONFIGURED, /* no master secret yet */
    REALM_SEALED,
    REALM_REBUILDING,
    REALM_READY,
    REALM_READ_ONLY,
};
/* "unconfigured", "sealed", "rebuilding", "ready", "read-only". */
const char *realm_state_name(enum realm_state state);

struct realm_events {
    void (*state_changed)(void *userdata, enum realm_state old_state, enum realm_state new_state);
    /* The log told something (see log.h); for the audit. */
    void (*log_event)(void *userdata, enum log_event event, const char *text);
    /* Records can be read, and nobody is served yet: whoever keeps some in memory reads them. NULL legal. 0,
     * or the journal is closed again: what was begun has failed, or is tried again later (a rebuild). */
    int (*load)(void *userdata, struct failure *failure);
    void *userdata;
};

struct realm_options {
    uv_loop_t *loop;
    struct work_queue *work;
    int folder_fd;           /* borrowed for the realm's life */
    const char *anchor_path; /* these three borrowed; absolute, NULL = none */
    const char *keyfile_path;
    const char *credential_path;
    struct realm_events events;
};

/* Looks whether there is a keyring: unconfigured or sealed. 0 or -errno. */
int realm_new(const struct realm_options *options, struct realm **ret_realm) MUST_CHECK;
/* Ends cleanly: pending changes durable, view closed; then `done` on the loop. Frees the realm. */
void realm_close(struct realm *realm, void (*done)(void *userdata), void *userdata);

enum realm_state realm_state(const struct realm *realm);
/* 0 when records can be read (ready, read-only), else the state's error with text. */
int realm_check_readable(const struct realm *realm, struct failure *failure) MUST_CHECK;
/* NULL unless open. */
const struct keyring *realm_keyring(const struct realm *realm);
struct log *realm_log(const struct realm *realm);
const char *realm_slot_used(const struct realm *realm); /* "" unless open */
/* Of the keyring's file as it was read last: at the beginning, and by whatever works with it.
 * While the keyring is open, as it could be read last. */
const struct slot_list *realm_slots(const struct realm *realm);
/* Of what takes long: the journal that is rebuilt or read, an export, an import. Bytes done and in all, 0 and 0: nothing
 * does. Microseconds left, while nobody is served; else 0. */
void realm_progress(const struct realm *realm, uint64_t *ret_done, uint64_t *ret_total,
                    uint64_t *ret_left_usec);

/* Outcome of a long operation: code ERROR_NONE for success. On the loop, never from within. */
typedef void (*realm_done)(void *userdata, const struct failure *failure);

/* Makes the master secret; ends in state ready. Secrets and strings are taken over or copied; the fd
 * is duplicated. One at a time (LIMITS_EXCEEDED). 0 when begun, else the error. */
struct realm_generate {
    enum slot_kind slot;
    struct secret *backup_passphrase; /* moved */
    struct secret *slot_passphrase;   /* moved; NULL = as the backup's */
    const char *hint;
    const char *location;
    int backup_fd;
};
int realm_generate(struct realm *realm, struct realm_generate *request, realm_done done,
                   void *userdata, struct failure *failure) MUST_CHECK;
/* Opens the keyring with the passphrase (moved) or, with NULL, credential or key file. The state is then
 * rebuilding or ready. `done` when ready, or failed. */
int realm_unseal(struct realm *realm, struct secret *passphrase, realm_done done, void *userdata,
                 struct failure *failure) MUST_CHECK;
/* The same with shares, which are the caller's and left alone until `done`. Any that do not fit: BAD_SHARE. */
int realm_unseal_shares(struct realm *realm, const struct share_set *shares, realm_done done,
                        void *userdata, struct failure *failure) MUST_CHECK;
/* While sealed: reads again which slots there are. */
int realm_read_slots(struct realm *realm, realm_done done, void *userdata,
                     struct failure *failure) MUST_CHECK;
/* Wipes the keys; appends under way are completed first. */
int realm_seal(struct realm *realm, realm_done done, void *userdata,
               struct failure *failure) MUST_CHECK;

/* Work with the open keyring: changes of it, backups. Jobs run one after the other, `run` on a worker, with
 * the keyring as the job before left it (borrowed until it returns; with keyring_ref() longer). A changed
 * copy that is on the disk already, put into *ret_keyring, becomes the open one. 0, an error code, or
 * -errno; then `done` on the loop, never from within. A job that has begun ends though the realm be sealed
 * meanwhile; one that has not is refused. 0 when taken, else the error. */
typedef int (*realm_job_run)(void *work, struct keyring *keyring, struct keyring **ret_keyring,
                             struct failure *failure);
int realm_job(struct realm *realm, realm_job_run run, void *work, realm_done done, void *userdata,
              struct failure *failure) MUST_CHECK;

/* "application", "mapping", "reservation". */
const char *realm_class_name(uint8_t class);

/* Records, opened. */
struct realm_record {
    uint64_t revision; /* 0 = absent (never written, or a tombstone): then value is NULL */
    uint64_t version;  /* of the newest record under the key, tombstones counted; 0 = none */
    uint32_t generation;
    struct secret *value;
};
void realm_record_deinit(struct realm_record *record);
/* 0 (absent is no error), an error code (DAMAGED names the record), or -errno. */
int realm_get(struct realm *realm, const struct record_key *key, struct realm_record *ret_record,
              struct failure *failure) MUST_CHECK;

/* A set of changes that happen together or not at all. Conditions: each key read for the decision, at the revision it
 * was read. */
struct realm_write;
int realm_write_new(struct realm *realm, struct realm_write **ret_write) MUST_CHECK;
void realm_write_free(struct realm_write *write);
CLEANUP_DEFINE(realm_write, struct realm_write, realm_write_free)
#define CLEANUP_REALM_WRITE CLEANUP(realm_write_cleanup)
/* "Unchanged since revision" (0 = absent). -ENOSPC when the write is full. */
int realm_write_expect(struct realm_write *write, const struct record_key *key,
                       uint64_t revision) MUST_CHECK;
/* Writes over the record as it was read: expects its revision, and seals the value under the version
 * after the one read (0 if the key is new). NULL value = tombstone. -ENOSPC when the write is full. */
int realm_write_put(struct realm_write *write, const struct record_key *key, uint64_t revision,
                    uint64_t version, const struct secret *value) MUST_CHECK;
/* Frees the write in any case. 0 when taken: then `done` comes, with the revision on success. */
typedef void (*realm_write_done)(void *userdata, const struct failure *failure, uint64_t revision);
int realm_write_commit(struct realm_write *write, realm_write_done done, void *userdata,
                       struct failure *failure) MUST_CHECK;

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the realm, applications and mappings share and nobody else sees. */
#ifndef DOMAIN_REALM_INTERNAL_H
#define DOMAIN_REALM_INTERNAL_H

#include "dbus-service/domain/realm.h"
#include "dbus-service/keys/keyring_slot.h"
#include "dbus-service/store/journal.h"

#include <stdatomic.h>

struct realm_task;
struct realm_waiter;
struct realm_job;

struct realm {
    struct realm_options options;
    enum realm_state state;
    struct keyring *keyring; /* replaced, never changed: whoever keeps it takes a reference */
    struct keyring *log_keyring; /* the log's threads' own, as long as it is open: its key alone */
    struct log *log;
    enum slot_kind slot_used;
    struct slot_list slots; /* as a worker left the file; changed while none has it */
    bool storage_failed; /* the log has said so, maybe before it was handed over */
    struct log_progress reading; /* of the worker that reads a journal or an export as a whole */
    uint64_t progress_before;    /* its, when an import goes over into rebuilding */
    uint64_t progress_done;      /* rebuilding */
    uint64_t progress_total;
    uint64_t progress_began; /* uv_hrtime() */
    struct realm_task *task; /* generate, unseal or seal under way: one at a time */
    size_t appends;          /* under way; they end in their order */
    uint64_t appends_ended;
    struct realm_job *job;   /* under way, and those behind it */
    struct realm_job *jobs;
    void (*jobs_idle)(void *userdata);
    void *jobs_userdata;
    size_t looks;            /* of workers, at files elsewhere: only closing waits for them */
    struct realm_waiter *waiters;
    uv_timer_t timer;
    bool view_damaged; /* the log is to be opened anew */
    bool told_late; /* of a view that could not be built again */
    atomic_bool closing;
    atomic_bool stopping; /* sealing or closing: whoever reads with the keys gives up */
    void (*close_done)(void *userdata);
    void *close_userdata;
};

/* Outcomes of the floor below as failures: the one place for each. `text` may be NULL. */
int realm_failure_log(struct failure *failure, enum log_outcome outcome, const char *text);
int realm_failure_keyring(struct failure *failure, const struct realm *realm,
                          enum keyring_outcome outcome, bool by_passphrase);

/* Hash and random of a log, with the keys of the keyring, which is borrowed. */
struct log_hash realm_log_hash(struct keyring *keyring);

/* Calls `retry` once, on the loop, when an append that is under way now has ended: to decide anew
 * after a conflict with it. 0 or -ENOMEM. */
int realm_retry_later(struct realm *realm, void (*retry)(void *userdata),
                      void *userdata) MUST_CHECK;
/* While nothing is open: `run` on a worker puts a keyring with its file into the folder, and the realm is opened
 * with it, as by realm_unseal(); without one in *ret_keyring nothing is opened. `slot` names what opens it
 * from now on. */
typedef int (*realm_open_run)(void *work, struct keyring **ret_keyring, struct failure *failure);
int realm_open_by(struct realm *realm, realm_open_run run, void *work, enum slot_kind slot,
                  realm_done done, void *userdata, struct failure *failure) MUST_CHECK;

/* Closes the log, calls `run` on a worker (*ret_keyring is the open one, to be left as it is) and opens the log again,
 * whatever became of it. */
int realm_reopen_after(struct realm *realm, realm_open_run run, void *work, realm_done done,
                       void *userdata, struct failure *failure) MUST_CHECK;

/* Calls `idle` when the job under way has ended; one waiter. Of those behind it none begins if the realm is
 * sealed or closing. */
void realm_jobs_wait(struct realm *realm, void (*idle)(void *userdata), void *userdata);

/* One of realm->looks has ended. Then the realm may be gone. */
void realm_look_end(struct realm *realm);

/* An append ended. */
void realm_settled(struct realm *realm);

/* What the worker has read is no longer to be told of. */
void realm_reading_end(struct realm *realm);

/* The newest record of a key without opening it: revision 0 = absent. Unauthenticated: good for
 * existence and for tombstones. */
int realm_peek(struct realm *realm, const struct record_key *key, uint64_t *ret_revision,
               uint64_t *ret_version) MUST_CHECK;

/* A key of `name_length` (at most RECORD_NAME_MAX) bytes; scope NULL = the realm. */
void realm_key(struct record_key *ret_key, enum record_class class, const uint8_t *scope,
               const void *name, size_t name_length);
/* Key of the reservation of a name: scope NULL for application names. `kind` "application" or
 * "external" (doc/FORMAT, section 4). */
void realm_reservation_key(const struct realm *realm, struct record_key *ret_key, const char *kind,
                           const uint8_t *scope, const char *name);
/* As realm_get(), but one that does not open is no failure: it has revision and version, and no
 * value. Whom it is for is then to be told by who has the name, and writing it again mends it. */
int realm_reservation_get(struct realm *realm, const struct record_key *key,
                          struct realm_record *ret_record, struct failure *failure) MUST_CHECK;
/* Value of a reservation, and whether it is held by `holder`. */
int realm_reservation_value(const struct record_key *holder, struct secret **ret_value) MUST_CHECK;
bool realm_reservation_held_by(const struct secret *value, const struct record_key *holder);

/* For the rotation alone: records that were sealed by a worker, each in the place of what stands at its
 * condition's revision; those that were changed since are left out, and said to be. As realm_write_commit();
 * everything is borrowed until it returns. */
int realm_append_sealed(struct realm *realm, const struct log_change *changes,
                        const struct log_condition *conditions, size_t count, bool *ret_left_out,
                        realm_write_done done, void *userdata, struct failure *failure) MUST_CHECK;

uint64_t realm_now_usec(void); /* CLOCK_REALTIME */

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The keyring: what the master secret server holds for its realm. On disk it is sealed under a root
 * key, and the root key under each slot (doc/FORMAT, "Keyring"). Open, its keys live in pages that
 * are locked, not dumped and wiped (keys/key.h).
 *
 * Everything here computes or touches small files; opening a passphrase slot runs Argon2id and
 * takes up to seconds, so the functions marked SLOW are called on a worker thread. They touch
 * nothing but their arguments. */
#ifndef KEYS_KEYRING_H
#define KEYS_KEYRING_H

#include "common/names.h"
#include "common/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define GENERATION_ID_SIZE 16
#define KEYRING_FILE "keyring"
#define SLOTS_MAX 32
#define BACKUP_HASH_SIZE 16

struct keyring;

enum keyring_outcome {
    KEYRING_DONE = 0,
    KEYRING_ABSENT,        /* there is no keyring file: unconfigured */
    KEYRING_EXISTS,        /* generate: there is one already */
    KEYRING_NO_SLOT,       /* no slot of that kind, or its key material is not there */
    KEYRING_WRONG_KEY,     /* not the passphrase, key file or credential committed to */
    KEYRING_DAMAGED,       /* does not authenticate or is ill-formed */
    KEYRING_NEWER,         /* a newer format, or KDF parameters above the cap */
    KEYRING_BACKUP_FAILED, /* the backup could not be written, synced, read again and opened */
    KEYRING_BAD_FILE,      /* the backup fd is not an empty regular file opened O_RDWR, mode 0600 */
    KEYRING_PASSPHRASE_LENGTH,
    KEYRING_BAD_SOURCE,    /* key file or credential open to others, or under 32 bytes */
    KEYRING_NOT_A_BACKUP,  /* the file is something else */
    KEYRING_OTHER_REALM,
    KEYRING_KEYS_DIFFER,   /* merge: the same realm, but other keys under the same number */
    KEYRING_RECIPIENT_EXISTS, /* that name, or that public key */
    KEYRING_RECIPIENT_NOT_FOUND,
    KEYRING_NO_RECIPIENTS, /* there are none to seal a backup to */
    KEYRING_FULL,          /* GENERATIONS_MAX, RECIPIENTS_MAX, SLOTS_MAX */
    KEYRING_LAST_SLOT,     /* none would be left that can open */
    KEYRING_SLOT_NOT_FOUND,
    KEYRING_BAD_SHARE,     /* mistyped, cut off, or no share */
    KEYRING_SHARES_DIFFER, /* not of this slot, or not made with the others */
};

enum slot_kind { SLOT_KEYFILE = 1, SLOT_CREDENTIAL = 2, SLOT_PASSPHRASE = 3, SLOT_SHARES = 4 };
/* "keyfile", "credential", "passphrase", "shares"; NULL for another value. */
const char *slot_kind_name(enum slot_kind kind);
/* 0 or -EINVAL. */
int slot_kind_parse(const char *name, enum slot_kind *ret_kind) MUST_CHECK;

/* Where slots find their key material. Paths are absolute; NULL = not there. */
struct slot_sources {
    const char *keyfile;     /* where there is none, one is made of 32 random bytes, 0400 */
    const char *credential;  /* file of a systemd credential, at least 32 bytes */
    const struct secret *passphrase;
    const struct share_set *shares; /* keys/shares.h */
};

struct backup_info {
    uint64_t time_usec;   /* CLOCK_REALTIME when proven; 0 = never */
    uint32_t generation;  /* the newest it covers */
    char location[1024];  /* as the caller named it, UTF-8; for display only */
    uint8_t hash[BACKUP_HASH_SIZE]; /* of the file's bytes, to see that it was changed */
    bool in_directory;    /* in the configured one: the service can look after it */
};

/* Whom backups are sealed to: a public key whose private half is kept offline. */
struct recipient {
    uint8_t public_key[32]; /* X25519 */
    uint64_t added_usec;    /* CLOCK_REALTIME */
    char name[NAME_MAX_BYTES + 1];
};

/* What of a rotation must survive a restart. That one is under way is not among it: it is while
 * there is a generation that is neither active nor retired; one that is newer than the active one
 * waits for its turn. */
struct rotation_state {
    uint64_t begun_usec; /* 0: there was none yet */
    uint64_t ended_usec; /* 0: under way */
    uint64_t re_encrypted;
    uint32_t from;       /* to the active one */
    uint32_t rate;       /* records per second, 0: not throttled */
    bool paused;
};

struct keyring_generate {
    int folder_fd;               /* state folder, opened for reading; takes the keyring */
    enum slot_kind slot;
    struct slot_sources sources; /* of the slot to make (a passphrase for SLOT_PASSPHRASE) */
    const struct secret *backup_passphrase;
    const char *backup_hint;     /* UTF-8, may be empty, never NULL */
    const char *backup_location; /* for display, may be empty, never NULL */
    int backup_fd;               /* borrowed */
};

/* SLOW. Makes realm, generation 1 and all keys; writes the backup, syncs it, reads it again and
 * opens it with the passphrase; then writes the keyring with one slot. Any failure leaves no
 * keyring, no key file made here and an emptied backup file (one that is refused as
 * KEYRING_BAD_FILE is not touched). -EINVAL: hint or location too long or not UTF-8, or a path that
 * is not absolute. KEYRING_* or -errno. */
int keyring_generate(const struct keyring_generate *request,
                     struct keyring **ret_keyring) MUST_CHECK;

/* Whose keyring is in the folder, without a key. KEYRING_DONE, _ABSENT, _DAMAGED, _NEWER, -errno. */
int keyring_realm_of(int folder_fd, uint8_t ret_realm[REALM_ID_SIZE]) MUST_CHECK;

/* Is there a keyring file? KEYRING_DONE, KEYRING_ABSENT, or -errno. */
int keyring_exists(int folder_fd) MUST_CHECK;

/* SLOW when a passphrase is given. Tries the slots for which `sources` has material, in the order
 * credential, keyfile, passphrase, shares: any one slot opens, whatever became of the others.
 * *ret_used tells which opened. KEYRING_* or -errno. */
int keyring_open(int folder_fd, const struct slot_sources *sources, struct keyring **ret_keyring,
                 enum slot_kind *ret_used) MUST_CHECK;

/* Workers read a keyring while the loop may already have another: each holds a reference. Any
 * thread; returns the keyring. */
struct keyring *keyring_ref(struct keyring *keyring);
/* Gives a reference back; with the last one every key is wiped. Any thread; NULL is legal. */
void keyring_free(struct keyring *keyring);
CLEANUP_DEFINE(keyring, struct keyring, keyring_free)
#define CLEANUP_KEYRING CLEANUP(keyring_cleanup)

/* Facts; none is secret. */
const uint8_t *keyring_realm(const struct keyring *keyring); /* REALM_ID_SIZE bytes */
uint32_t keyring_active_generation(const struct keyring *keyring);
uint32_t keyring_opened_by(const struct keyring *keyring); /* id of a slot; 0: a copy, changed */
uint64_t keyring_epoch(const struct keyring *keyring);
const char *keyring_memory_kind(const struct keyring *keyring); /* key_pool_kind() */
void keyring_backup_info(const struct keyring *keyring, struct backup_info *ret_info);
void keyring_rotation(const struct keyring *keyring, struct rotation_state *ret_state);
const uint8_t *keyring_signer(const struct keyring *keyring); /* 32 bytes: who signs its backups */
size_t keyring_recipients(const struct keyring *keyring);
/* In the order in which they were added; lives as long as the keyring. */
const struct recipient *keyring_recipient(const struct keyring *keyring, size_t index);

struct generation_info {
    uint32_t number;
    uint8_t id[GENERATION_ID_SIZE];
    uint8_t fingerprint[FINGERPRINT_SIZE];
    uint64_t created_usec;   /* CLOCK_REALTIME, as the next two */
    uint64_t activated_usec; /* 0: never; nothing is sealed under it */
    uint64_t retired_usec;   /* 0: in use, or to be used */
};
size_t keyring_generations(const struct keyring *keyring);
void keyring_generation(const struct keyring *keyring, size_t index,
                        struct generation_info *ret_info);

/* Of the same realm, with the log's key and nothing else: for the log's threads, which would keep
 * others that were removed meanwhile. 0 or -errno. */
int keyring_new_for_log(const struct keyring *keyring, struct keyring **ret_keyring) MUST_CHECK;

/* Keyed hashes under keys of the realm's own. Re-entrant. The log hash serves journal and anchor;
 * the name hash hides names in reservation keys. Each writes 32 bytes. */
void keyring_log_hash(const struct keyring *keyring, const struct iovec *parts, size_t count,
                      uint8_t ret_hash[32]);
void keyring_name_hash(const struct keyring *keyring, const struct iovec *parts, size_t count,
                       uint8_t ret_hash[32]);

/* Unpredictable bytes, for ids. */
void random_bytes(void *ret_bytes, size_t length);
/* Must be called once before anything else of keys/; 0 or -errno. */
int keys_init(void) MUST_CHECK;

#endif

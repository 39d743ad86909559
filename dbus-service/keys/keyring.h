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

#include "common/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define REALM_ID_SIZE 16
#define GENERATION_ID_SIZE 16
#define FINGERPRINT_SIZE 16 /* bytes; shown as 32 hex digits in groups of four */
#define KEYRING_FILE "keyring"
#define GENERATIONS_MAX 1024

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
};

enum slot_kind { SLOT_KEYFILE = 1, SLOT_CREDENTIAL = 2, SLOT_PASSPHRASE = 3 };
/* "keyfile", "credential", "passphrase"; NULL for another value. */
const char *slot_kind_name(enum slot_kind kind);
/* 0 or -EINVAL. */
int slot_kind_parse(const char *name, enum slot_kind *ret_kind) MUST_CHECK;

/* Where slots find their key material. Paths are absolute; NULL = not there. */
struct slot_sources {
    const char *keyfile;     /* created by generate with 32 random bytes, 0400, never overwritten */
    const char *credential;  /* file of a systemd credential, at least 32 bytes */
    const struct secret *passphrase;
};

struct backup_info {
    uint64_t time_usec;   /* CLOCK_REALTIME when proven; 0 = never */
    uint32_t generation;  /* the newest it covers */
    char location[1024];  /* as the caller named it, UTF-8; for display only */
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

/* Is there a keyring file? KEYRING_DONE, KEYRING_ABSENT, or -errno. */
int keyring_exists(int folder_fd) MUST_CHECK;
/* Slot kinds in the file, readable without any key, as a bit mask of 1 << enum slot_kind.
 * KEYRING_DONE, KEYRING_ABSENT, KEYRING_DAMAGED, KEYRING_NEWER, -errno. */
int keyring_slots(int folder_fd, unsigned *ret_mask) MUST_CHECK;

/* SLOW when a passphrase is given. Tries the slots for which `sources` has material, in the order
 * credential, keyfile, passphrase. *ret_used tells which opened. KEYRING_* or -errno. */
int keyring_open(int folder_fd, const struct slot_sources *sources, struct keyring **ret_keyring,
                 enum slot_kind *ret_used) MUST_CHECK;

/* Wipes every key. NULL is legal. */
void keyring_free(struct keyring *keyring);

/* Facts; none is secret. */
const uint8_t *keyring_realm(const struct keyring *keyring); /* REALM_ID_SIZE bytes */
uint32_t keyring_active_generation(const struct keyring *keyring);
uint64_t keyring_epoch(const struct keyring *keyring);
const char *keyring_memory_kind(const struct keyring *keyring); /* key_pool_kind() */
void keyring_backup_info(const struct keyring *keyring, struct backup_info *ret_info);

struct generation_info {
    uint32_t number;
    uint8_t id[GENERATION_ID_SIZE];
    uint8_t fingerprint[FINGERPRINT_SIZE];
    uint64_t created_usec; /* CLOCK_REALTIME */
};
size_t keyring_generations(const struct keyring *keyring);
void keyring_generation(const struct keyring *keyring, size_t index,
                        struct generation_info *ret_info);

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

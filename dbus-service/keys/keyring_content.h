/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The open keyring, and its content as bytes (doc/FORMAT, "Content"). Only keys/ looks inside.
 * What is open is never changed: workers read it. keyring_change.h makes changed copies. */
#ifndef KEYS_KEYRING_CONTENT_H
#define KEYS_KEYRING_CONTENT_H

#include "common/cursor.h"
#include "common/record_header.h"
#include "dbus-service/keys/key.h"
#include "dbus-service/keys/keyring.h"

#include <stdatomic.h>

#define SIGNING_SECRET_SIZE 64

/* In the pool, one for each generation; the subkeys are derived once, when the keyring is made. */
struct generation_keys {
    uint8_t secret[KEY_SIZE];
    uint8_t by_class[RECORD_CLASS_MAX][KEY_SIZE]; /* index: class - 1 */
    uint8_t nonce[KEY_SIZE];
};

/* In the pool, one. */
struct realm_keys {
    uint8_t root[KEY_SIZE]; /* not of the content: it is what slots wrap; zero until known */
    uint8_t log[KEY_SIZE];
    uint8_t name[KEY_SIZE];
    uint8_t host_secret[KEY_SIZE];
    uint8_t signing_secret[SIGNING_SECRET_SIZE];
};

struct generation {
    struct generation_info info;
    struct generation_keys *keys;
};

struct keyring {
    atomic_uint references;
    uint8_t realm[REALM_ID_SIZE];
    uint64_t epoch;
    uint32_t opened_by; /* id of the slot; not of the content */
    uint32_t active; /* number of a generation below */
    uint8_t host_public[KEY_SIZE];
    uint8_t signing_public[KEY_SIZE];
    bool signing_present; /* its secret half */
    struct backup_info backup;
    struct rotation_state rotation;
    size_t recipient_count;
    struct recipient recipients[RECIPIENTS_MAX]; /* names and keys differ */
    struct key_pool *pool;
    struct realm_keys *keys;
    size_t count;
    struct generation generations[]; /* numbers ascend */
};

/* A new realm with generation 1 and fresh keys, the root key too, at epoch 1. 0 or -errno. */
int keyring_new(struct keyring **ret_keyring) MUST_CHECK;

/* Room for `count` generations in a keyring that has none yet. 0 or -errno. */
int keyring_alloc(size_t count, struct keyring **ret_keyring) MUST_CHECK;
/* A fresh one behind the others; there is room for it. */
void keyring_add_generation(struct keyring *keyring, uint32_t number);
/* One of another keyring, behind the others; there is room for it. */
void keyring_take_generation(struct keyring *keyring, const struct generation *generation);
/* The same name, or the same public key. */
bool recipient_is(const struct recipient *one, const struct recipient *other);
/* The rules that every content keeps (doc/FORMAT). */
bool keyring_is_valid(const struct keyring *keyring);

/* Leaves the root key zero. KEYRING_DONE, KEYRING_DAMAGED, KEYRING_NEWER, -errno. */
int keyring_parse(const struct secret *content, struct keyring **ret_keyring) MUST_CHECK;
/* Of the newest format. 0 or -ENOMEM. */
int keyring_format(const struct keyring *keyring, struct secret **ret_content) MUST_CHECK;
/* The same, where something follows: the cursor is left behind the content. */
int keyring_get(struct cursor *cursor, struct keyring **ret_keyring) MUST_CHECK;
void keyring_put(struct cursor *cursor, const struct keyring *keyring);
size_t keyring_content_size(const struct keyring *keyring);
/* No content is larger. */
#define KEYRING_CONTENT_MAX ((size_t)128 * 1024)

/* CLOCK_REALTIME, for what people read. */
uint64_t keyring_now_usec(void);

/* NULL when the keyring does not hold it. */
const struct generation *keyring_find(const struct keyring *keyring, uint32_t number);

#endif

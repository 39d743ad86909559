/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The open keyring, and its content as bytes (doc/FORMAT, "Content"). Only keys/ looks inside. */
#ifndef KEYS_KEYRING_CONTENT_H
#define KEYS_KEYRING_CONTENT_H

#include "common/record_header.h"
#include "dbus-service/keys/key.h"
#include "dbus-service/keys/keyring.h"

#define SIGNING_SECRET_SIZE 64

/* In the pool, one for each generation; the subkeys are derived once, when the keyring is made. */
struct generation_keys {
    uint8_t secret[KEY_SIZE];
    uint8_t by_class[RECORD_CLASS_MAX][KEY_SIZE]; /* index: class - 1 */
    uint8_t nonce[KEY_SIZE];
};

/* In the pool, one. */
struct realm_keys {
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
    uint8_t realm[REALM_ID_SIZE];
    uint64_t epoch;
    uint32_t active; /* number of a generation below */
    uint8_t host_public[KEY_SIZE];
    uint8_t signing_public[KEY_SIZE];
    bool signing_present; /* its secret half */
    struct backup_info backup;
    struct key_pool *pool;
    struct realm_keys *keys;
    size_t count;
    struct generation generations[]; /* numbers ascend */
};

CLEANUP_DEFINE(keyring, struct keyring, keyring_free)
#define CLEANUP_KEYRING CLEANUP(keyring_cleanup)

/* A new realm with generation 1 and fresh keys, at epoch 1. 0 or -errno. */
int keyring_new(struct keyring **ret_keyring) MUST_CHECK;

/* KEYRING_DONE, KEYRING_DAMAGED, KEYRING_NEWER, -errno. */
int keyring_parse(const struct secret *content, struct keyring **ret_keyring) MUST_CHECK;
/* 0 or -ENOMEM. */
int keyring_format(const struct keyring *keyring, struct secret **ret_content) MUST_CHECK;
/* No content is larger. */
#define KEYRING_CONTENT_MAX ((size_t)128 * 1024)

/* CLOCK_REALTIME, for what people read. */
uint64_t keyring_now_usec(void);

/* NULL when the keyring does not hold it. */
const struct generation *keyring_find(const struct keyring *keyring, uint32_t number);

#endif

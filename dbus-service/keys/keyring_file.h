/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The keyring as it stands on the disk: slots, and the content sealed under the root key
 * (doc/FORMAT, "Keyring"). */
#ifndef KEYS_KEYRING_FILE_H
#define KEYS_KEYRING_FILE_H

#include "dbus-service/keys/sealed_file.h"
#include "dbus-service/keys/slot.h"

#define KEYRING_FILE_MAX ((size_t)256 * 1024)

/* Slots of kinds unknown, and the content, point into the bytes parsed. */
struct keyring_file {
    uint8_t realm[REALM_ID_SIZE];
    size_t slot_count;
    struct slot slots[SLOTS_MAX];
    struct sealed sealed;
};

/* Reads and parses. KEYRING_DONE, KEYRING_ABSENT, KEYRING_DAMAGED, KEYRING_NEWER, -errno. */
int keyring_file_load(int folder_fd, struct secret **ret_bytes,
                      struct keyring_file *ret_file) MUST_CHECK;
/* Durable, in the place of the one that is there. 0 or -errno (durable_file_replace()). */
int keyring_file_save(int folder_fd, const struct secret *bytes) MUST_CHECK;

/* KEYRING_DONE, KEYRING_DAMAGED, KEYRING_NEWER. */
int keyring_file_parse(const void *bytes, size_t size, struct keyring_file *ret_file) MUST_CHECK;

/* Does the root key open the content? KEYRING_DONE, KEYRING_DAMAGED, -ENOMEM. */
int keyring_file_check(const struct keyring_file *file, const uint8_t root[KEY_SIZE]) MUST_CHECK;
/* Opens the content; the keyring keeps the root key. KEYRING_DONE, KEYRING_DAMAGED,
 * KEYRING_NEWER, -errno. */
int keyring_file_unseal(const struct keyring_file *file, const struct key *root,
                        struct keyring **ret_keyring) MUST_CHECK;

/* With the content as it was sealed before. 0 or -ENOMEM. */
int keyring_file_format(const struct keyring_file *file, struct secret **ret_bytes) MUST_CHECK;
/* Seals the keyring under its root key, for the slots given. 0 or -errno. */
int keyring_file_seal(const struct keyring *keyring, const struct slot *slots, size_t slot_count,
                      struct secret **ret_bytes) MUST_CHECK;

#endif

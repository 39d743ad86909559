/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The keyring as it stands on the disk: slots, and the content sealed under the root key
 * (doc/FORMAT, "Keyring"). Bytes in memory only; keyring.c reads and writes the file. */
#ifndef KEYS_KEYRING_FILE_H
#define KEYS_KEYRING_FILE_H

#include "dbus-service/keys/sealed_file.h"
#include "dbus-service/keys/slot.h"

#define SLOTS_MAX 32
#define KEYRING_FILE_MAX ((size_t)256 * 1024)

struct keyring_file {
    uint8_t realm[REALM_ID_SIZE];
    size_t slot_count;
    struct slot slots[SLOTS_MAX];
    struct sealed sealed;
};

/* KEYRING_DONE, KEYRING_DAMAGED, KEYRING_NEWER. */
int keyring_file_parse(const void *bytes, size_t size, struct keyring_file *ret_file) MUST_CHECK;

/* Opens the content; the keyring keeps the root key. KEYRING_DONE, KEYRING_DAMAGED, KEYRING_NEWER, -errno. */
int keyring_file_unseal(const struct keyring_file *file, const struct key *root,
                        struct keyring **ret_keyring) MUST_CHECK;

/* Seals the keyring under its root key, for the slots given. 0 or -errno. */
int keyring_file_seal(const struct keyring *keyring, const struct slot *slots, size_t slot_count,
                      struct secret **ret_bytes) MUST_CHECK;

#endif

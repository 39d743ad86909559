/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A backup of the keyring's content under a passphrase (doc/FORMAT, "Backup"): readable on any
 * machine. SLOW: Argon2id. */
#ifndef KEYS_BACKUP_H
#define KEYS_BACKUP_H

#include "dbus-service/keys/keyring.h"

/* Writes `payload` (the keyring's content, see keyring.c) to the empty regular file `fd`, syncs it, reads it
 * again and opens it with the passphrase, and compares every byte. On failure the file is truncated to
 * nothing. KEYRING_DONE, KEYRING_BAD_FILE, KEYRING_PASSPHRASE_LENGTH, KEYRING_BACKUP_FAILED, -errno. */
int backup_write(int fd, const uint8_t realm[REALM_ID_SIZE], const struct secret *passphrase,
                 const char *hint, const struct secret *payload) MUST_CHECK;

/* Reads and opens. KEYRING_DONE, KEYRING_WRONG_KEY, KEYRING_DAMAGED, KEYRING_NEWER, -errno. */
int backup_read(int fd, const struct secret *passphrase, struct secret **ret_payload) MUST_CHECK;

#endif

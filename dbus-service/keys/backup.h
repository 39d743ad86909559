/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A backup of the keyring's content under a passphrase (doc/FORMAT, "Backup"): readable on any
 * machine. SLOW: Argon2id. */
#ifndef KEYS_BACKUP_H
#define KEYS_BACKUP_H

#include "dbus-service/keys/keyring.h"

/* Is fd fit to take a backup: an empty regular file, opened O_RDWR, mode 0600? KEYRING_DONE,
 * KEYRING_BAD_FILE, -errno. */
int backup_check(int fd) MUST_CHECK;

/* SLOW. Writes the keyring's content to `fd`, syncs it, reads it again, opens it with the
 * passphrase, compares every byte and recomputes every generation's fingerprint. On failure the
 * file is truncated to nothing, unless it was refused. The folder is for the caller to sync.
 * KEYRING_DONE, KEYRING_BAD_FILE, KEYRING_PASSPHRASE_LENGTH, KEYRING_BACKUP_FAILED, -EINVAL (hint),
 * -errno. */
int backup_write(int fd, const struct keyring *keyring, const struct secret *passphrase,
                 const char *hint) MUST_CHECK;

/* Empties the file: what it holds must not be taken for a backup. */
void backup_discard(int fd);

/* SLOW. Reads and opens. KEYRING_DONE, KEYRING_WRONG_KEY, KEYRING_DAMAGED, KEYRING_NEWER,
 * -errno. */
int backup_read(int fd, const struct secret *passphrase, struct keyring **ret_keyring) MUST_CHECK;

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Key material from a passphrase: Argon2id, its cost stored beside the salt and capped before a
 * byte is allocated, so that a changed file can neither weaken it unseen nor exhaust the
 * machine. */
#ifndef KEYS_PASSPHRASE_H
#define KEYS_PASSPHRASE_H

#include "dbus-service/keys/key.h"

#include <stdbool.h>

#define PASSPHRASE_SALT_SIZE 16

struct passphrase_cost {
    uint64_t opslimit;
    uint64_t memlimit; /* bytes */
};

/* What new slots and backups use: libsodium's MODERATE, 256 MiB and about 0.7 s. */
extern const struct passphrase_cost passphrase_cost_default;

/* Within PASSPHRASE_MIN_BYTES..PASSPHRASE_MAX_BYTES? Asked for new ones only. */
bool passphrase_is_valid(const struct secret *passphrase);

/* SLOW. KEYRING_DONE, KEYRING_NEWER (above the cap), KEYRING_DAMAGED (below what any version
 * writes), -ENOMEM. */
int passphrase_derive(const struct secret *passphrase, const uint8_t salt[PASSPHRASE_SALT_SIZE],
                      const struct passphrase_cost *cost, struct key *ret_material) MUST_CHECK;

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/passphrase.h"

#include "common/names.h"
#include "dbus-service/keys/keyring.h"

#include <errno.h>
#include <sodium.h>

#define MIB ((uint64_t)1024 * 1024)

static const struct passphrase_cost cost_least = { .opslimit = 1, .memlimit = 8 * MIB };
static const struct passphrase_cost cost_most = { .opslimit = 16, .memlimit = 1024 * MIB };

const struct passphrase_cost passphrase_cost_default = {
    .opslimit = crypto_pwhash_argon2id_OPSLIMIT_MODERATE,
    .memlimit = crypto_pwhash_argon2id_MEMLIMIT_MODERATE,
};

bool passphrase_is_valid(const struct secret *passphrase)
{
    return passphrase->length >= PASSPHRASE_MIN_BYTES && passphrase->length <= PASSPHRASE_MAX_BYTES;
}

static int check_cost(const struct passphrase_cost *cost)
{
    if (cost->opslimit > cost_most.opslimit || cost->memlimit > cost_most.memlimit)
        return KEYRING_NEWER;
    if (cost->opslimit < cost_least.opslimit || cost->memlimit < cost_least.memlimit)
        return KEYRING_DAMAGED;
    return KEYRING_DONE;
}

int passphrase_derive(const struct secret *passphrase, const uint8_t salt[PASSPHRASE_SALT_SIZE],
                      const struct passphrase_cost *cost, struct key *ret_material)
{
    int r = check_cost(cost);

    if (r != KEYRING_DONE)
        return r;
    /* Within the caps it fails only for want of memory. */
    if (crypto_pwhash(ret_material->bytes, sizeof(ret_material->bytes),
                      (const char *)passphrase->bytes, passphrase->length, salt, cost->opslimit,
                      (size_t)cost->memlimit, crypto_pwhash_ALG_ARGON2ID13) < 0)
        return -ENOMEM;
    return KEYRING_DONE;
}

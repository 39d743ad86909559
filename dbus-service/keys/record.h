/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* One record sealed and opened (doc/FORMAT, "Record"). The value is encrypted under a subkey of
 * (generation, class); realm, key, generation, version, kind and format are authenticated with it,
 * so a record that was moved, swapped or brought back from another place does not open. */
#ifndef KEYS_RECORD_H
#define KEYS_RECORD_H

#include "common/record_header.h"
#include "dbus-service/keys/keyring.h"

/* Bytes a record needs beyond its value. */
#define RECORD_NONCE_SIZE 24
#define RECORD_OVERHEAD (RECORD_HEADER_SIZE + RECORD_NONCE_SIZE + 16)
#define RECORD_VALUE_MAX (RECORD_SIZE_MAX - RECORD_OVERHEAD)

/* Seals under the active generation. A tombstone has an empty value. *ret_record is malloc()ed
 * (ciphertext: free() it). 0, -EINVAL (a tombstone with a value, version 0), -EMSGSIZE, -ENOMEM. */
int record_seal(const struct keyring *keyring, const struct record_key *key, uint64_t version,
                enum record_kind kind, const void *value, size_t value_size, uint8_t **ret_record,
                size_t *ret_size) MUST_CHECK;

enum record_outcome {
    RECORD_OPENED = 0,
    RECORD_IS_TOMBSTONE,  /* authentic, and deleted */
    RECORD_NO_GENERATION, /* sealed under a generation that the keyring does not hold */
    RECORD_FORGED,        /* does not authenticate for this key and realm, or ill-formed */
    RECORD_NEWER,         /* newer format */
};

/* RECORD_* or -ENOMEM. *ret_value only on RECORD_OPENED; ret_header (may be NULL) on the first
 * two. */
int record_open(const struct keyring *keyring, const struct record_key *key, const uint8_t *record,
                size_t size, struct record_header *ret_header,
                struct secret **ret_value) MUST_CHECK;

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plain head of every sealed record (doc/FORMAT, "Record"): what the store may know of a record
 * without a key. 14 bytes, little-endian: format u8, kind u8, generation u32, version u64. */
#ifndef COMMON_RECORD_HEADER_H
#define COMMON_RECORD_HEADER_H

#include "common/cleanup.h"

#include <stddef.h>
#include <stdint.h>

#define RECORD_FORMAT 1
#define RECORD_HEADER_SIZE 14

enum record_kind { RECORD_LIVE = 0, RECORD_TOMBSTONE = 1 };

struct record_header {
    uint8_t format;
    uint8_t kind;        /* enum record_kind */
    uint32_t generation; /* of the master secret that sealed it */
    uint64_t version;    /* 1 for the first write under this key, then one more each */
};

/* 0; -EBADMSG when too short or of an unknown kind; -EPROTONOSUPPORT for a newer format. */
int record_header_parse(const void *record, size_t size, struct record_header *ret_header) MUST_CHECK;
/* Writes RECORD_HEADER_SIZE bytes. */
void record_header_format(const struct record_header *header, uint8_t *ret_bytes);

/* Record keys: class u8, scope 16 bytes, name 0..RECORD_NAME_MAX bytes. The scope is the
 * application's id, or zero for records that belong to the realm. */
#define RECORD_SCOPE_SIZE 16
#define RECORD_NAME_MAX 264
#define RECORD_KEY_MAX (1 + RECORD_SCOPE_SIZE + RECORD_NAME_MAX)
#define RECORD_SIZE_MAX (512 * 1024)

enum record_class {
    RECORD_APPLICATION = 1, /* scope zero, name = application id */
    RECORD_MAPPING = 2,     /* scope = application id, name = 'u' or 'g', then the account name */
    RECORD_RESERVATION = 3, /* scope = application id or zero, name = keyed hash (32 bytes) */
    RECORD_CLASS_MAX = 3,
};

struct record_key {
    uint8_t class; /* enum record_class */
    uint8_t scope[RECORD_SCOPE_SIZE];
    uint16_t name_length;
    uint8_t name[RECORD_NAME_MAX];
};

/* The key's bytes as stored: class, scope, name. Returns their number (at most RECORD_KEY_MAX). */
size_t record_key_format(const struct record_key *key, uint8_t *ret_bytes);
/* -EBADMSG for an unknown class or a bad length. */
int record_key_parse(const void *bytes, size_t size, struct record_key *ret_key) MUST_CHECK;

#endif

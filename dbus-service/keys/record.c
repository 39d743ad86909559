/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/record.h"

#include "common/cursor.h"
#include "dbus-service/keys/keyring_content.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define TAG_SIZE 16
#define ASSOCIATED_LABEL "mastersecret record"
#define ASSOCIATED_LABEL_SIZE (sizeof(ASSOCIATED_LABEL) - 1)
#define ASSOCIATED_MAX                                                                             \
    (ASSOCIATED_LABEL_SIZE + REALM_ID_SIZE + RECORD_HEADER_SIZE + 4 + RECORD_KEY_MAX)

struct associated {
    uint8_t bytes[ASSOCIATED_MAX];
    size_t size;
};

static bool class_is_known(const struct record_key *key)
{
    return key->class >= 1 && key->class <= RECORD_CLASS_MAX &&
           key->name_length <= RECORD_NAME_MAX;
}

static void put_key(struct cursor *cursor, const struct record_key *key)
{
    uint8_t bytes[RECORD_KEY_MAX];

    cursor_put_block(cursor, bytes, record_key_format(key, bytes));
}

static void format_associated(const struct keyring *keyring, const struct record_key *key,
                              const uint8_t header[RECORD_HEADER_SIZE], struct associated *ret)
{
    struct cursor cursor = cursor_writer(ret->bytes, sizeof(ret->bytes));

    cursor_put_bytes(&cursor, ASSOCIATED_LABEL, ASSOCIATED_LABEL_SIZE);
    cursor_put_bytes(&cursor, keyring->realm, REALM_ID_SIZE);
    cursor_put_bytes(&cursor, header, RECORD_HEADER_SIZE);
    put_key(&cursor, key);
    ret->size = cursor.position;
}

#define NONCE_INPUT_MAX (32 + 4 + RECORD_KEY_MAX + 8)

/* Hedged: a random generator that repeats itself, as after a restored machine image, still gives a
 * nonce of its own to each key, version and value (doc/FORMAT, "Record"). */
static void make_nonce(const struct generation_keys *keys, const struct record_key *key,
                       uint64_t version, const struct iovec *value,
                       uint8_t ret_nonce[RECORD_NONCE_SIZE])
{
    uint8_t input[NONCE_INPUT_MAX];
    uint8_t fresh[32];
    uint8_t hash[32];
    struct cursor cursor = cursor_writer(input, sizeof(input));
    crypto_generichash_state state;

    random_bytes(fresh, sizeof(fresh));
    cursor_put_bytes(&cursor, fresh, sizeof(fresh));
    put_key(&cursor, key);
    cursor_put_u64(&cursor, version);
    crypto_generichash_init(&state, keys->nonce, KEY_SIZE, sizeof(hash));
    crypto_generichash_update(&state, input, cursor.position);
    crypto_generichash_update(&state, value->iov_base, value->iov_len);
    crypto_generichash_final(&state, hash, sizeof(hash));
    memory_wipe(&state, sizeof(state)); /* it holds the end of the value */
    memcpy(ret_nonce, hash, RECORD_NONCE_SIZE);
}

static int check_seal(const struct record_key *key, uint64_t version, enum record_kind kind,
                      size_t value_size)
{
    if (!class_is_known(key) || version == 0 || (kind == RECORD_TOMBSTONE && value_size > 0))
        return -EINVAL;
    return value_size > RECORD_VALUE_MAX ? -EMSGSIZE : 0;
}

int record_seal(const struct keyring *keyring, const struct record_key *key, uint64_t version,
                enum record_kind kind, const void *value, size_t value_size, uint8_t **ret_record,
                size_t *ret_size)
{
    const struct generation *generation = keyring_find(keyring, keyring->active);
    struct record_header header = { RECORD_FORMAT, (uint8_t)kind, keyring->active, version };
    struct iovec whole = { (void *)(uintptr_t)value, value_size };
    struct associated associated;
    uint8_t *record;
    int r = check_seal(key, version, kind, value_size);

    if (r < 0)
        return r;
    record = malloc(RECORD_OVERHEAD + value_size);
    if (!record)
        return -ENOMEM;
    record_header_format(&header, record);
    make_nonce(generation->keys, key, version, &whole, record + RECORD_HEADER_SIZE);
    format_associated(keyring, key, record, &associated);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        record + RECORD_HEADER_SIZE + RECORD_NONCE_SIZE, NULL, value, value_size, associated.bytes,
        associated.size, NULL, record + RECORD_HEADER_SIZE,
        generation->keys->by_class[key->class - 1]);
    *ret_record = record;
    *ret_size = RECORD_OVERHEAD + value_size;
    return 0;
}

static int parse_record(const struct record_key *key, const uint8_t *record, size_t size,
                        struct record_header *ret_header)
{
    int r = record_header_parse(record, size, ret_header);

    if (r == -EPROTONOSUPPORT)
        return RECORD_NEWER;
    if (r < 0 || size < RECORD_OVERHEAD || size > RECORD_SIZE_MAX || !class_is_known(key))
        return RECORD_FORGED;
    return RECORD_OPENED;
}

int record_open(const struct keyring *keyring, const struct record_key *key, const uint8_t *record,
                size_t size, struct record_header *ret_header, struct secret **ret_value)
{
    CLEANUP_SECRET struct secret *value = NULL;
    const uint8_t *nonce = record + RECORD_HEADER_SIZE;
    const struct generation *generation;
    struct record_header header;
    struct associated associated;
    int r = parse_record(key, record, size, &header);

    if (r != RECORD_OPENED)
        return r;
    generation = keyring_find(keyring, header.generation);
    if (!generation)
        return RECORD_NO_GENERATION;
    r = secret_new(size - RECORD_OVERHEAD, &value);
    if (r < 0)
        return r;
    format_associated(keyring, key, record, &associated);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            value->bytes, NULL, NULL, nonce + RECORD_NONCE_SIZE,
            size - RECORD_HEADER_SIZE - RECORD_NONCE_SIZE, associated.bytes, associated.size, nonce,
            generation->keys->by_class[key->class - 1]) < 0)
        return RECORD_FORGED;
    value->length = value->capacity;
    if (header.kind == RECORD_TOMBSTONE && value->length > 0)
        return RECORD_FORGED;
    if (ret_header)
        *ret_header = header;
    if (header.kind == RECORD_TOMBSTONE)
        return RECORD_IS_TOMBSTONE;
    *ret_value = STEAL(value);
    return RECORD_OPENED;
}

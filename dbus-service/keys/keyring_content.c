/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/keyring_content.h"

#include "common/cursor.h"
#include "common/names.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#define CONTENT_FORMAT 1
#define RECORD_CONTEXT "msrecord"
#define CONTENT_FIXED_SIZE (1 + REALM_ID_SIZE + 8 + 4 + 2 + 4 * KEY_SIZE + 1 + KEY_SIZE + 8 + 4 + 4)
#define CONTENT_GENERATION_SIZE (4 + GENERATION_ID_SIZE + 8 + KEY_SIZE)

enum { SUBKEY_NONCE = 200, SUBKEY_FINGERPRINT = 255 };

static int take_places(struct keyring *keyring)
{
    uint8_t *place;
    int r = key_pool_get(keyring->pool, sizeof(*keyring->keys), &place);

    if (r < 0)
        return r;
    keyring->keys = (struct realm_keys *)(void *)place;
    for (size_t i = 0; i < keyring->count; i++) {
        r = key_pool_get(keyring->pool, sizeof(*keyring->generations[i].keys), &place);
        if (r < 0)
            return r;
        keyring->generations[i].keys = (struct generation_keys *)(void *)place;
    }
    return 0;
}

static int keyring_alloc(size_t count, struct keyring **ret_keyring)
{
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    int r;

    keyring = calloc(1, sizeof(*keyring) + count * sizeof(keyring->generations[0]));
    if (!keyring)
        return -ENOMEM;
    keyring->count = count;
    r = key_pool_new(sizeof(struct realm_keys) + count * sizeof(struct generation_keys),
                     &keyring->pool);
    if (r < 0)
        return r;
    r = take_places(keyring);
    if (r < 0)
        return r;
    *ret_keyring = STEAL(keyring);
    return 0;
}

void keyring_free(struct keyring *keyring)
{
    if (!keyring)
        return;
    key_pool_free(keyring->pool);
    free(keyring);
}

static void derive_subkeys(struct generation *generation)
{
    struct generation_keys *keys = generation->keys;
    CLEANUP_KEY struct key fingerprint;

    for (unsigned class = 1; class <= RECORD_CLASS_MAX; class++)
        key_derive(keys->secret, class, RECORD_CONTEXT, keys->by_class[class - 1]);
    key_derive(keys->secret, SUBKEY_NONCE, RECORD_CONTEXT, keys->nonce);
    key_derive(keys->secret, SUBKEY_FINGERPRINT, RECORD_CONTEXT, fingerprint.bytes);
    memcpy(generation->info.fingerprint, fingerprint.bytes, FINGERPRINT_SIZE);
}

uint64_t keyring_now_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void fill_generation(struct generation *generation, uint32_t number)
{
    generation->info.number = number;
    generation->info.created_usec = keyring_now_usec();
    random_bytes(generation->info.id, sizeof(generation->info.id));
    random_bytes(generation->keys->secret, sizeof(generation->keys->secret));
    derive_subkeys(generation);
}

int keyring_new(struct keyring **ret_keyring)
{
    struct keyring *keyring;
    int r = keyring_alloc(1, &keyring);

    if (r < 0)
        return r;
    random_bytes(keyring->realm, sizeof(keyring->realm));
    keyring->epoch = 1;
    keyring->active = 1;
    fill_generation(&keyring->generations[0], keyring->active);
    random_bytes(keyring->keys->log, sizeof(keyring->keys->log));
    random_bytes(keyring->keys->name, sizeof(keyring->keys->name));
    crypto_box_keypair(keyring->host_public, keyring->keys->host_secret);
    crypto_sign_keypair(keyring->signing_public, keyring->keys->signing_secret);
    keyring->signing_present = true;
    *ret_keyring = keyring;
    return 0;
}

const struct generation *keyring_find(const struct keyring *keyring, uint32_t number)
{
    for (size_t i = keyring->count; i > 0; i--) /* the newest is asked for most */
        if (keyring->generations[i - 1].info.number == number)
            return &keyring->generations[i - 1];
    return NULL;
}

static bool parse_generations(struct cursor *cursor, struct keyring *keyring)
{
    uint32_t previous = 0;

    for (size_t i = 0; i < keyring->count; i++) {
        struct generation *generation = &keyring->generations[i];

        generation->info.number = cursor_get_u32(cursor);
        cursor_get_bytes(cursor, generation->info.id, sizeof(generation->info.id));
        generation->info.created_usec = cursor_get_u64(cursor);
        cursor_get_bytes(cursor, generation->keys->secret, sizeof(generation->keys->secret));
        if (!cursor_ok(cursor) || generation->info.number <= previous)
            return false;
        previous = generation->info.number;
        derive_subkeys(generation);
    }
    return true;
}

static bool parse_realm_keys(struct cursor *cursor, struct keyring *keyring)
{
    unsigned present;

    cursor_get_bytes(cursor, keyring->keys->log, sizeof(keyring->keys->log));
    cursor_get_bytes(cursor, keyring->keys->name, sizeof(keyring->keys->name));
    cursor_get_bytes(cursor, keyring->host_public, sizeof(keyring->host_public));
    cursor_get_bytes(cursor, keyring->keys->host_secret, sizeof(keyring->keys->host_secret));
    present = cursor_get_u8(cursor);
    cursor_get_bytes(cursor, keyring->signing_public, sizeof(keyring->signing_public));
    keyring->signing_present = present == 1;
    if (keyring->signing_present)
        cursor_get_bytes(cursor, keyring->keys->signing_secret, SIGNING_SECRET_SIZE);
    return cursor_ok(cursor) && present <= 1;
}

static bool parse_backup_info(struct cursor *cursor, struct backup_info *ret_info)
{
    const uint8_t *location;
    size_t length;

    ret_info->time_usec = cursor_get_u64(cursor);
    ret_info->generation = cursor_get_u32(cursor);
    location = cursor_get_block(cursor, sizeof(ret_info->location) - 1, &length);
    if (!cursor_at_end(cursor) ||
        !text_is_utf8((const char *)location, length, sizeof(ret_info->location) - 1))
        return false;
    memcpy(ret_info->location, location, length);
    return true;
}

static int parse_body(struct cursor *cursor, struct keyring *keyring)
{
    if (!parse_generations(cursor, keyring) || !parse_realm_keys(cursor, keyring) ||
        !parse_backup_info(cursor, &keyring->backup) || !keyring_find(keyring, keyring->active))
        return KEYRING_DAMAGED;
    return KEYRING_DONE;
}

int keyring_parse(const struct secret *content, struct keyring **ret_keyring)
{
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    struct cursor cursor = cursor_reader(content->bytes, content->length);
    unsigned format = cursor_get_u8(&cursor);
    const uint8_t *realm = cursor_get_view(&cursor, REALM_ID_SIZE);
    uint64_t epoch = cursor_get_u64(&cursor);
    uint32_t active = cursor_get_u32(&cursor);
    size_t count = cursor_get_u16(&cursor);
    int r;

    if (format > CONTENT_FORMAT)
        return KEYRING_NEWER;
    if (!cursor_ok(&cursor) || format != CONTENT_FORMAT || count < 1 || count > GENERATIONS_MAX)
        return KEYRING_DAMAGED;
    r = keyring_alloc(count, &keyring);
    if (r < 0)
        return r;
    memcpy(keyring->realm, realm, sizeof(keyring->realm));
    keyring->epoch = epoch;
    keyring->active = active;
    r = parse_body(&cursor, keyring);
    if (r == KEYRING_DONE)
        *ret_keyring = STEAL(keyring);
    return r;
}

static void format_generations(struct cursor *cursor, const struct keyring *keyring)
{
    cursor_put_u16(cursor, (uint16_t)keyring->count);
    for (size_t i = 0; i < keyring->count; i++) {
        const struct generation *generation = &keyring->generations[i];

        cursor_put_u32(cursor, generation->info.number);
        cursor_put_bytes(cursor, generation->info.id, sizeof(generation->info.id));
        cursor_put_u64(cursor, generation->info.created_usec);
        cursor_put_bytes(cursor, generation->keys->secret, sizeof(generation->keys->secret));
    }
}

static void format_realm_keys(struct cursor *cursor, const struct keyring *keyring)
{
    cursor_put_bytes(cursor, keyring->keys->log, sizeof(keyring->keys->log));
    cursor_put_bytes(cursor, keyring->keys->name, sizeof(keyring->keys->name));
    cursor_put_bytes(cursor, keyring->host_public, sizeof(keyring->host_public));
    cursor_put_bytes(cursor, keyring->keys->host_secret, sizeof(keyring->keys->host_secret));
    cursor_put_u8(cursor, keyring->signing_present);
    cursor_put_bytes(cursor, keyring->signing_public, sizeof(keyring->signing_public));
    if (keyring->signing_present)
        cursor_put_bytes(cursor, keyring->keys->signing_secret, SIGNING_SECRET_SIZE);
}

int keyring_format(const struct keyring *keyring, struct secret **ret_content)
{
    size_t location = strlen(keyring->backup.location);
    size_t size = CONTENT_FIXED_SIZE + keyring->count * CONTENT_GENERATION_SIZE +
                  (keyring->signing_present ? SIGNING_SECRET_SIZE : 0) + location;
    struct secret *content;
    struct cursor cursor;
    int r = secret_new(size, &content);

    if (r < 0)
        return r;
    cursor = cursor_writer(content->bytes, size);
    cursor_put_u8(&cursor, CONTENT_FORMAT);
    cursor_put_bytes(&cursor, keyring->realm, sizeof(keyring->realm));
    cursor_put_u64(&cursor, keyring->epoch);
    cursor_put_u32(&cursor, keyring->active);
    format_generations(&cursor, keyring);
    format_realm_keys(&cursor, keyring);
    cursor_put_u64(&cursor, keyring->backup.time_usec);
    cursor_put_u32(&cursor, keyring->backup.generation);
    cursor_put_block(&cursor, keyring->backup.location, location);
    content->length = cursor.position;
    *ret_content = content;
    return 0;
}

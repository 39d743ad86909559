/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/keyring_content.h"

#include "common/names.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#define CONTENT_FORMAT 2
#define CONTENT_FORMAT_PLAIN 1 /* without recipients, rotation and what becomes of a generation */
#define RECORD_CONTEXT "msrecord"
#define CONTENT_FIXED_SIZE                                                                         \
    (1 + REALM_ID_SIZE + 8 + 4 + 2 + 4 * KEY_SIZE + 1 + KEY_SIZE + 8 + 4 + 4 + BACKUP_HASH_SIZE + 1)
#define CONTENT_GENERATION_SIZE (4 + GENERATION_ID_SIZE + 8 + 8 + 8 + KEY_SIZE)
#define CONTENT_GENERATION_PLAIN_SIZE (4 + GENERATION_ID_SIZE + 8 + KEY_SIZE)
#define CONTENT_RECIPIENT_SIZE (KEY_SIZE + 8 + 4) /* and the name */
#define CONTENT_ROTATION_SIZE (8 + 4 + 8 + 8 + 1 + 4)

_Static_assert(CONTENT_FIXED_SIZE + SIGNING_SECRET_SIZE +
                       sizeof(((struct backup_info *)0)->location) +
                       GENERATIONS_MAX * CONTENT_GENERATION_SIZE + 2 +
                       RECIPIENTS_MAX * (CONTENT_RECIPIENT_SIZE + NAME_MAX_BYTES) +
                       CONTENT_ROTATION_SIZE <=
                   KEYRING_CONTENT_MAX,
               "the largest content fits");

enum { SUBKEY_NONCE = 200, SUBKEY_FINGERPRINT = 255 };

static int take_places(struct keyring *keyring, size_t count)
{
    uint8_t *place;
    int r = key_pool_get(keyring->pool, sizeof(*keyring->keys), &place);

    if (r < 0)
        return r;
    keyring->keys = (struct realm_keys *)(void *)place;
    for (size_t i = 0; i < count; i++) {
        r = key_pool_get(keyring->pool, sizeof(*keyring->generations[i].keys), &place);
        if (r < 0)
            return r;
        keyring->generations[i].keys = (struct generation_keys *)(void *)place;
    }
    return 0;
}

int keyring_alloc(size_t count, struct keyring **ret_keyring)
{
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    int r;

    keyring = calloc(1, sizeof(*keyring) + count * sizeof(keyring->generations[0]));
    if (!keyring)
        return -ENOMEM;
    atomic_init(&keyring->references, 1);
    r = key_pool_new(sizeof(struct realm_keys) + count * sizeof(struct generation_keys),
                     &keyring->pool);
    if (r < 0)
        return r;
    r = take_places(keyring, count);
    if (r < 0)
        return r;
    *ret_keyring = STEAL(keyring);
    return 0;
}

struct keyring *keyring_ref(struct keyring *keyring)
{
    atomic_fetch_add(&keyring->references, 1);
    return keyring;
}

void keyring_free(struct keyring *keyring)
{
    if (!keyring || atomic_fetch_sub(&keyring->references, 1) > 1)
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

void keyring_add_generation(struct keyring *keyring, uint32_t number)
{
    struct generation *generation = &keyring->generations[keyring->count++];

    generation->info.number = number;
    generation->info.created_usec = keyring_now_usec();
    random_bytes(generation->info.id, sizeof(generation->info.id));
    random_bytes(generation->keys->secret, sizeof(generation->keys->secret));
    derive_subkeys(generation);
}

void keyring_take_generation(struct keyring *keyring, const struct generation *generation)
{
    struct generation *place = &keyring->generations[keyring->count++];

    place->info = generation->info;
    *place->keys = *generation->keys;
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
    keyring_add_generation(keyring, keyring->active);
    keyring->generations[0].info.activated_usec = keyring->generations[0].info.created_usec;
    random_bytes(keyring->keys->root, sizeof(keyring->keys->root));
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

bool recipient_is(const struct recipient *one, const struct recipient *other)
{
    return strcmp(one->name, other->name) == 0 ||
           memcmp(one->public_key, other->public_key, sizeof(one->public_key)) == 0;
}

static bool generations_are_valid(const struct keyring *keyring)
{
    const struct generation *active = keyring_find(keyring, keyring->active);
    uint32_t previous = 0;

    for (size_t i = 0; i < keyring->count; i++) {
        if (keyring->generations[i].info.number <= previous)
            return false;
        previous = keyring->generations[i].info.number;
    }
    return active && active->info.activated_usec != 0 && active->info.retired_usec == 0;
}

static bool recipients_are_valid(const struct keyring *keyring)
{
    for (size_t i = 0; i < keyring->recipient_count; i++) {
        const struct recipient *recipient = &keyring->recipients[i];

        if (!name_is_valid(recipient->name))
            return false;
        for (size_t j = 0; j < i; j++)
            if (recipient_is(&keyring->recipients[j], recipient))
                return false;
    }
    return true;
}

bool keyring_is_valid(const struct keyring *keyring)
{
    return generations_are_valid(keyring) && recipients_are_valid(keyring);
}

static void parse_generations(struct cursor *cursor, struct keyring *keyring, size_t count,
                              unsigned format)
{
    while (keyring->count < count) {
        struct generation *generation = &keyring->generations[keyring->count++];
        struct generation_info *info = &generation->info;

        info->number = cursor_get_u32(cursor);
        cursor_get_bytes(cursor, info->id, sizeof(info->id));
        info->created_usec = info->activated_usec = cursor_get_u64(cursor);
        if (format > CONTENT_FORMAT_PLAIN) {
            info->activated_usec = cursor_get_u64(cursor);
            info->retired_usec = cursor_get_u64(cursor);
        }
        cursor_get_bytes(cursor, generation->keys->secret, sizeof(generation->keys->secret));
        derive_subkeys(generation);
    }
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

static bool parse_backup_info(struct cursor *cursor, unsigned format, struct backup_info *ret_info)
{
    const uint8_t *location;
    unsigned in_directory = 0;
    size_t length;

    ret_info->time_usec = cursor_get_u64(cursor);
    ret_info->generation = cursor_get_u32(cursor);
    location = cursor_get_block(cursor, sizeof(ret_info->location) - 1, &length);
    if (!location ||
        !text_is_utf8((const char *)location, length, sizeof(ret_info->location) - 1))
        return false;
    memcpy(ret_info->location, location, length);
    if (format > CONTENT_FORMAT_PLAIN) {
        cursor_get_bytes(cursor, ret_info->hash, sizeof(ret_info->hash));
        in_directory = cursor_get_u8(cursor);
        ret_info->in_directory = in_directory == 1;
    }
    return cursor_ok(cursor) && in_directory <= 1;
}

static bool parse_recipients(struct cursor *cursor, struct keyring *keyring)
{
    size_t count = cursor_get_u16(cursor);

    if (count > RECIPIENTS_MAX)
        return false;
    while (keyring->recipient_count < count) {
        struct recipient *recipient = &keyring->recipients[keyring->recipient_count++];
        const uint8_t *name;
        size_t length;

        cursor_get_bytes(cursor, recipient->public_key, sizeof(recipient->public_key));
        recipient->added_usec = cursor_get_u64(cursor);
        name = cursor_get_block(cursor, sizeof(recipient->name) - 1, &length);
        if (!name || !text_is_utf8((const char *)name, length, sizeof(recipient->name) - 1))
            return false;
        memcpy(recipient->name, name, length);
    }
    return cursor_ok(cursor);
}

static bool parse_rotation(struct cursor *cursor, struct rotation_state *ret_state)
{
    unsigned paused;

    ret_state->begun_usec = cursor_get_u64(cursor);
    ret_state->from = cursor_get_u32(cursor);
    ret_state->ended_usec = cursor_get_u64(cursor);
    ret_state->re_encrypted = cursor_get_u64(cursor);
    paused = cursor_get_u8(cursor);
    ret_state->rate = cursor_get_u32(cursor);
    ret_state->paused = paused == 1;
    return cursor_ok(cursor) && paused <= 1;
}

static int parse_body(struct cursor *cursor, struct keyring *keyring, size_t count, unsigned format)
{
    parse_generations(cursor, keyring, count, format);
    if (!parse_realm_keys(cursor, keyring) ||
        !parse_backup_info(cursor, format, &keyring->backup))
        return KEYRING_DAMAGED;
    if (format > CONTENT_FORMAT_PLAIN &&
        (!parse_recipients(cursor, keyring) || !parse_rotation(cursor, &keyring->rotation)))
        return KEYRING_DAMAGED;
    return keyring_is_valid(keyring) ? KEYRING_DONE : KEYRING_DAMAGED;
}

/* Nothing is allocated for more generations than there are bytes. */
static bool count_fits(const struct cursor *cursor, size_t count, unsigned format)
{
    size_t size = format == CONTENT_FORMAT_PLAIN ? CONTENT_GENERATION_PLAIN_SIZE
                                                 : CONTENT_GENERATION_SIZE;

    return cursor_ok(cursor) && count >= 1 && count <= GENERATIONS_MAX &&
           count * size <= cursor_left(cursor);
}

int keyring_get(struct cursor *cursor, struct keyring **ret_keyring)
{
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    unsigned format = cursor_get_u8(cursor);
    const uint8_t *realm = cursor_get_view(cursor, REALM_ID_SIZE);
    uint64_t epoch = cursor_get_u64(cursor);
    uint32_t active = cursor_get_u32(cursor);
    size_t count = cursor_get_u16(cursor);
    int r;

    if (format > CONTENT_FORMAT)
        return KEYRING_NEWER;
    if (format < CONTENT_FORMAT_PLAIN || !count_fits(cursor, count, format))
        return KEYRING_DAMAGED;
    r = keyring_alloc(count, &keyring);
    if (r < 0)
        return r;
    memcpy(keyring->realm, realm, sizeof(keyring->realm));
    keyring->epoch = epoch;
    keyring->active = active;
    r = parse_body(cursor, keyring, count, format);
    if (r == KEYRING_DONE)
        *ret_keyring = STEAL(keyring);
    return r;
}

int keyring_parse(const struct secret *content, struct keyring **ret_keyring)
{
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    struct cursor cursor = cursor_reader(content->bytes, content->length);
    int r = keyring_get(&cursor, &keyring);

    if (r == KEYRING_DONE && !cursor_at_end(&cursor))
        return KEYRING_DAMAGED;
    if (r == KEYRING_DONE)
        *ret_keyring = STEAL(keyring);
    return r;
}

static void put_generations(struct cursor *cursor, const struct keyring *keyring)
{
    cursor_put_u16(cursor, (uint16_t)keyring->count);
    for (size_t i = 0; i < keyring->count; i++) {
        const struct generation *generation = &keyring->generations[i];

        cursor_put_u32(cursor, generation->info.number);
        cursor_put_bytes(cursor, generation->info.id, sizeof(generation->info.id));
        cursor_put_u64(cursor, generation->info.created_usec);
        cursor_put_u64(cursor, generation->info.activated_usec);
        cursor_put_u64(cursor, generation->info.retired_usec);
        cursor_put_bytes(cursor, generation->keys->secret, sizeof(generation->keys->secret));
    }
}

static void put_realm_keys(struct cursor *cursor, const struct keyring *keyring)
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

static void put_backup_info(struct cursor *cursor, const struct backup_info *info)
{
    cursor_put_u64(cursor, info->time_usec);
    cursor_put_u32(cursor, info->generation);
    cursor_put_block(cursor, info->location, strlen(info->location));
    cursor_put_bytes(cursor, info->hash, sizeof(info->hash));
    cursor_put_u8(cursor, info->in_directory);
}

static void put_recipients(struct cursor *cursor, const struct keyring *keyring)
{
    cursor_put_u16(cursor, (uint16_t)keyring->recipient_count);
    for (size_t i = 0; i < keyring->recipient_count; i++) {
        const struct recipient *recipient = &keyring->recipients[i];

        cursor_put_bytes(cursor, recipient->public_key, sizeof(recipient->public_key));
        cursor_put_u64(cursor, recipient->added_usec);
        cursor_put_block(cursor, recipient->name, strlen(recipient->name));
    }
}

static void put_rotation(struct cursor *cursor, const struct rotation_state *state)
{
    cursor_put_u64(cursor, state->begun_usec);
    cursor_put_u32(cursor, state->from);
    cursor_put_u64(cursor, state->ended_usec);
    cursor_put_u64(cursor, state->re_encrypted);
    cursor_put_u8(cursor, state->paused);
    cursor_put_u32(cursor, state->rate);
}

void keyring_put(struct cursor *cursor, const struct keyring *keyring)
{
    cursor_put_u8(cursor, CONTENT_FORMAT);
    cursor_put_bytes(cursor, keyring->realm, sizeof(keyring->realm));
    cursor_put_u64(cursor, keyring->epoch);
    cursor_put_u32(cursor, keyring->active);
    put_generations(cursor, keyring);
    put_realm_keys(cursor, keyring);
    put_backup_info(cursor, &keyring->backup);
    put_recipients(cursor, keyring);
    put_rotation(cursor, &keyring->rotation);
}

size_t keyring_content_size(const struct keyring *keyring)
{
    size_t size = CONTENT_FIXED_SIZE + keyring->count * CONTENT_GENERATION_SIZE +
                  (keyring->signing_present ? SIGNING_SECRET_SIZE : 0) +
                  strlen(keyring->backup.location) + 2 + CONTENT_ROTATION_SIZE;

    for (size_t i = 0; i < keyring->recipient_count; i++)
        size += CONTENT_RECIPIENT_SIZE + strlen(keyring->recipients[i].name);
    return size;
}

int keyring_format(const struct keyring *keyring, struct secret **ret_content)
{
    size_t size = keyring_content_size(keyring);
    struct secret *content;
    struct cursor cursor;
    int r = secret_new(size, &content);

    if (r < 0)
        return r;
    cursor = cursor_writer(content->bytes, size);
    keyring_put(&cursor, keyring);
    content->length = cursor.position;
    *ret_content = content;
    return 0;
}

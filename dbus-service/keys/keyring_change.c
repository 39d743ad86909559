/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/keyring_change.h"

#include "common/names.h"
#include "common/recipient_key.h"
#include "dbus-service/keys/keyring_content.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

/* All but the generations. */
static int copy_realm(const struct keyring *from, size_t capacity, struct keyring **ret_keyring)
{
    struct keyring *keyring;
    int r = keyring_alloc(capacity, &keyring);

    if (r < 0)
        return r;
    memcpy(keyring->realm, from->realm, sizeof(keyring->realm));
    keyring->epoch = from->epoch;
    keyring->active = from->active;
    memcpy(keyring->host_public, from->host_public, sizeof(keyring->host_public));
    memcpy(keyring->signing_public, from->signing_public, sizeof(keyring->signing_public));
    keyring->signing_present = from->signing_present;
    keyring->backup = from->backup;
    keyring->rotation = from->rotation;
    keyring->recipient_count = from->recipient_count;
    memcpy(keyring->recipients, from->recipients, sizeof(keyring->recipients));
    *keyring->keys = *from->keys;
    *ret_keyring = keyring;
    return KEYRING_DONE;
}

static struct generation_info *find_info(struct keyring *keyring, uint32_t number)
{
    for (size_t i = 0; i < keyring->count; i++)
        if (keyring->generations[i].info.number == number)
            return &keyring->generations[i].info;
    return NULL;
}

static int add_generation(struct keyring *keyring, const struct keyring_change *change)
{
    uint32_t highest = keyring->generations[keyring->count - 1].info.number;

    if (!change->add_generation)
        return KEYRING_DONE;
    if (keyring->count == GENERATIONS_MAX || highest == UINT32_MAX)
        return KEYRING_FULL;
    keyring_add_generation(keyring, highest + 1);
    return KEYRING_DONE;
}

static int activate(struct keyring *keyring, const struct keyring_change *change)
{
    struct generation_info *info = find_info(keyring, change->activate);

    if (change->activate == 0)
        return KEYRING_DONE;
    if (!info || info->number <= keyring->active)
        return -EINVAL;
    info->activated_usec = keyring_now_usec();
    keyring->active = info->number;
    return KEYRING_DONE;
}

static int retire(struct keyring *keyring, const struct keyring_change *change)
{
    struct generation_info *info = find_info(keyring, change->retire);

    if (change->retire == 0)
        return KEYRING_DONE;
    if (!info || info->number >= keyring->active || info->retired_usec != 0)
        return -EINVAL;
    info->retired_usec = keyring_now_usec();
    return KEYRING_DONE;
}

/* The highest number is never retired, so never removed, and no number is used twice. */
static int remove_generation(struct keyring *keyring, const struct keyring_change *change)
{
    size_t index = 0;

    if (change->remove == 0)
        return KEYRING_DONE;
    while (index < keyring->count && keyring->generations[index].info.number != change->remove)
        index++;
    if (index == keyring->count || keyring->generations[index].info.retired_usec == 0)
        return -EINVAL;
    memory_wipe(keyring->generations[index].keys, sizeof(*keyring->generations[index].keys));
    keyring->count--;
    memmove(&keyring->generations[index], &keyring->generations[index + 1],
            (keyring->count - index) * sizeof(keyring->generations[0]));
    return KEYRING_DONE;
}

static int remove_recipient(struct keyring *keyring, const struct keyring_change *change)
{
    size_t index = 0;

    if (!change->remove_recipient)
        return KEYRING_DONE;
    while (index < keyring->recipient_count &&
           strcmp(keyring->recipients[index].name, change->remove_recipient) != 0)
        index++;
    if (index == keyring->recipient_count)
        return KEYRING_RECIPIENT_NOT_FOUND;
    keyring->recipient_count--;
    memmove(&keyring->recipients[index], &keyring->recipients[index + 1],
            (keyring->recipient_count - index) * sizeof(keyring->recipients[0]));
    return KEYRING_DONE;
}

static int add_recipient(struct keyring *keyring, const struct keyring_change *change)
{
    const struct recipient *added = change->add_recipient;
    struct recipient *place = &keyring->recipients[keyring->recipient_count];

    if (!added)
        return KEYRING_DONE;
    if (!name_is_valid(added->name) || !recipient_key_is_usable(added->public_key))
        return -EINVAL;
    for (size_t i = 0; i < keyring->recipient_count; i++)
        if (recipient_is(&keyring->recipients[i], added))
            return KEYRING_RECIPIENT_EXISTS;
    if (keyring->recipient_count == RECIPIENTS_MAX)
        return KEYRING_FULL;
    *place = *added;
    place->added_usec = keyring_now_usec();
    keyring->recipient_count++;
    return KEYRING_DONE;
}

static int set_state(struct keyring *keyring, const struct keyring_change *change)
{
    if (change->rotation)
        keyring->rotation = *change->rotation;
    if (change->backup) {
        const char *location = change->backup->location;

        if (!text_is_utf8(location, strnlen(location, sizeof(change->backup->location)),
                          sizeof(change->backup->location) - 1))
            return -EINVAL;
        keyring->backup = *change->backup;
    }
    keyring->epoch += change->raise_epoch;
    return KEYRING_DONE;
}

static int (*const steps[])(struct keyring *keyring, const struct keyring_change *change) = {
    add_generation, activate, retire, remove_generation, remove_recipient, add_recipient, set_state,
};

int keyring_change(const struct keyring *keyring, const struct keyring_change *change,
                   struct keyring **ret_keyring)
{
    CLEANUP_KEYRING struct keyring *changed = NULL;
    int r = copy_realm(keyring, keyring->count + 1, &changed);

    if (r < 0)
        return r;
    for (size_t i = 0; i < keyring->count; i++)
        keyring_take_generation(changed, &keyring->generations[i]);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        r = steps[i](changed, change);
        if (r != KEYRING_DONE)
            return r;
    }
    if (!keyring_is_valid(changed))
        return -EINVAL;
    *ret_keyring = STEAL(changed);
    return KEYRING_DONE;
}

static bool same_realm_keys(const struct keyring *one, const struct keyring *other)
{
    return sodium_memcmp(one->keys->log, other->keys->log, KEY_SIZE) == 0 &&
           sodium_memcmp(one->keys->name, other->keys->name, KEY_SIZE) == 0 &&
           sodium_memcmp(one->signing_public, other->signing_public, KEY_SIZE) == 0;
}

static bool same_generation(const struct generation *one, const struct generation *other)
{
    return sodium_memcmp(one->info.id, other->info.id, sizeof(one->info.id)) == 0 &&
           sodium_memcmp(one->keys->secret, other->keys->secret, KEY_SIZE) == 0;
}

/* Both have the number. */
static int join(struct keyring *keyring, const struct generation *present,
                const struct generation *backup)
{
    struct generation_info *joined;

    if (!same_generation(present, backup)) {
        if (present->info.activated_usec != 0 && backup->info.activated_usec != 0)
            return KEYRING_KEYS_DIFFER;
        keyring_take_generation(keyring, backup->info.activated_usec != 0 ? backup : present);
        return KEYRING_DONE;
    }
    keyring_take_generation(keyring, present);
    joined = &keyring->generations[keyring->count - 1].info;
    if (joined->activated_usec == 0)
        joined->activated_usec = backup->info.activated_usec;
    if (backup->info.retired_usec == 0)
        joined->retired_usec = 0;
    return KEYRING_DONE;
}

/* Both lists ascend. */
static int merge_generations(struct keyring *keyring, const struct keyring *present,
                             const struct keyring *backup)
{
    size_t i = 0, j = 0;

    while (i < present->count || j < backup->count) {
        const struct generation *one = i < present->count ? &present->generations[i] : NULL;
        const struct generation *other = j < backup->count ? &backup->generations[j] : NULL;
        bool from_one = one && (!other || one->info.number <= other->info.number);
        bool from_other = other && (!one || other->info.number <= one->info.number);

        if (from_one && from_other) {
            if (join(keyring, one, other) != KEYRING_DONE)
                return KEYRING_KEYS_DIFFER;
        } else {
            keyring_take_generation(keyring, from_one ? one : other);
        }
        i += from_one;
        j += from_other;
    }
    return keyring->count > GENERATIONS_MAX ? KEYRING_FULL : KEYRING_DONE;
}

int keyring_merge(const struct keyring *present, const struct keyring *backup,
                  struct keyring **ret_keyring)
{
    CLEANUP_KEYRING struct keyring *merged = NULL;
    int r;

    if (memcmp(present->realm, backup->realm, sizeof(present->realm)) != 0)
        return KEYRING_OTHER_REALM;
    if (!same_realm_keys(present, backup))
        return KEYRING_KEYS_DIFFER;
    r = copy_realm(present, present->count + backup->count, &merged);
    if (r < 0)
        return r;
    r = merge_generations(merged, present, backup);
    if (r != KEYRING_DONE)
        return r;
    if (backup->active > merged->active)
        merged->active = backup->active;
    merged->epoch = (present->epoch > backup->epoch ? present->epoch : backup->epoch) + 1;
    if (!keyring_is_valid(merged)) /* histories that exclude each other */
        return KEYRING_KEYS_DIFFER;
    *ret_keyring = STEAL(merged);
    return KEYRING_DONE;
}

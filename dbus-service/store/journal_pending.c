/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/store/journal_pending.h"

#include <errno.h>
#include <string.h>

enum { BUCKETS_MIN = 256, BUCKETS_MAX = 65536 };

struct pending_entry {
    struct pending_entry *next;
    struct record_state state;
    uint32_t hash;
    uint16_t size;
    uint8_t key[];
};

/* Names are chosen by callers, but a chain is never longer than what is under way. */
static uint32_t key_hash(const uint8_t *bytes, size_t size)
{
    uint64_t hash = size;

    while (size > 0) {
        size_t length = size < sizeof(uint64_t) ? size : sizeof(uint64_t);
        uint64_t word = 0;

        memcpy(&word, bytes, length);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
        bytes += length;
        size -= length;
    }
    return (uint32_t)hash;
}

static struct pending_entry **find(const struct pending *pending, const uint8_t *bytes, size_t size,
                                   uint32_t hash)
{
    struct pending_entry **link = &pending->buckets[hash & (pending->buckets_count - 1)];

    while (*link && ((*link)->hash != hash || (*link)->size != size ||
                     memcmp((*link)->key, bytes, size) != 0))
        link = &(*link)->next;
    return link;
}

bool pending_get(const struct pending *pending, const struct record_key *key,
                 struct record_state *ret_state)
{
    uint8_t bytes[RECORD_KEY_MAX];
    const struct pending_entry *entry;
    size_t size;

    if (!pending->count)
        return false;
    size = record_key_format(key, bytes);
    entry = *find(pending, bytes, size, key_hash(bytes, size));
    if (!entry)
        return false;
    *ret_state = entry->state;
    return true;
}

/* More buckets; staying with fewer is no error unless there are none. */
static int grow(struct pending *pending)
{
    size_t count = pending->buckets_count ? pending->buckets_count * 4 : BUCKETS_MIN;
    struct pending_entry **buckets;

    if (pending->buckets_count >= BUCKETS_MAX || pending->count < pending->buckets_count)
        return 0;
    buckets = calloc(count, sizeof(*buckets));
    if (!buckets)
        return pending->buckets_count ? 0 : -ENOMEM;
    for (size_t i = 0; i < pending->buckets_count; i++) {
        struct pending_entry *entry = pending->buckets[i];

        while (entry) {
            struct pending_entry *next = entry->next;

            entry->next = buckets[entry->hash & (count - 1)];
            buckets[entry->hash & (count - 1)] = entry;
            entry = next;
        }
    }
    free(pending->buckets);
    pending->buckets = buckets;
    pending->buckets_count = count;
    return 0;
}

int pending_put(struct pending *pending, const struct record_key *key,
                const struct record_state *state, struct record_state *ret_before)
{
    uint8_t bytes[RECORD_KEY_MAX];
    size_t size = record_key_format(key, bytes);
    uint32_t hash = key_hash(bytes, size);
    struct pending_entry **link, *entry;
    int r;

    r = grow(pending);
    if (r < 0)
        return r;
    link = find(pending, bytes, size, hash);
    if (*link) {
        if (ret_before)
            *ret_before = (*link)->state;
        (*link)->state = *state;
        return 1;
    }
    entry = malloc(sizeof(*entry) + size);
    if (!entry)
        return -ENOMEM;
    *entry = (struct pending_entry){ .hash = hash, .size = (uint16_t)size, .state = *state };
    memcpy(entry->key, bytes, size);
    *link = entry;
    pending->count++;
    return 0;
}

bool pending_del(struct pending *pending, const struct record_key *key, uint64_t revision,
                 struct view_held *ret_held)
{
    uint8_t bytes[RECORD_KEY_MAX];
    struct pending_entry **link, *entry;
    size_t size;

    if (!pending->count)
        return false;
    size = record_key_format(key, bytes);
    link = find(pending, bytes, size, key_hash(bytes, size));
    entry = *link;
    if (!entry || entry->state.revision != revision)
        return false;
    *ret_held = entry->state.held;
    *link = entry->next;
    free(entry);
    pending->count--;
    return true;
}

void pending_deinit(struct pending *pending)
{
    for (size_t i = 0; i < pending->buckets_count; i++) {
        while (pending->buckets[i]) {
            struct pending_entry *entry = pending->buckets[i];

            pending->buckets[i] = entry->next;
            free(entry);
        }
    }
    free(pending->buckets);
    *pending = (struct pending){ 0 };
}

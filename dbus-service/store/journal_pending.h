/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What the appends that wait or are being written will make of their keys: conditions are judged
 * against this first, then against the view. A hash table with the keys' own bytes. */
#ifndef STORE_JOURNAL_PENDING_H
#define STORE_JOURNAL_PENDING_H

#include "dbus-service/store/view.h"

/* The newest record of a key, as far as judging needs it. */
struct record_state {
    uint64_t revision; /* 0: never written */
    uint64_t version;
    bool tombstone;
    struct view_held held; /* what the view had when the change was judged */
};

struct pending_entry;
struct pending {
    struct pending_entry **buckets;
    size_t buckets_count; /* a power of two, or 0 */
    size_t count;
};

/* True and the state when a change of this key is under way. */
bool pending_get(const struct pending *pending, const struct record_key *key,
                 struct record_state *ret_state);
/* 1 when a change of this key was under way already, with its state; 0; or -ENOMEM (nothing is changed then).
 * `ret_before` may be NULL. */
int pending_put(struct pending *pending, const struct record_key *key,
                const struct record_state *state, struct record_state *ret_before) MUST_CHECK;
/* The change at `revision` has arrived: it is forgotten, and true, with what the view had before it. A
 * newer one of the same key stays: false. */
bool pending_del(struct pending *pending, const struct record_key *key, uint64_t revision,
                 struct view_held *ret_held);
/* Forgets all. */
void pending_deinit(struct pending *pending);

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Replies to lookups, kept to be copied: libdbus takes 6 us to build one and 1 us to copy it. What a
 * reply says depends on the application's definition, the mapping's record and the epoch, and is used
 * again only while all three are the same. Whether the caller may have it is decided before; masked
 * values go through pipes and are never in a reply. */
#ifndef BUS_ANSWER_CACHE_H
#define BUS_ANSWER_CACHE_H

#include "dbus-service/domain/mapping.h"

#include <dbus/dbus.h>

struct answer_cache;

struct answer_key {
    const struct application *application;
    const struct mapping *mapping;
    uint64_t epoch;
};

int answer_cache_new(struct answer_cache **ret_cache) MUST_CHECK;
void answer_cache_free(struct answer_cache *cache);
void answer_cache_clear(struct answer_cache *cache);
/* A reply to this call, the caller's to send and unref; NULL when none is kept. */
DBusMessage *answer_cache_get(struct answer_cache *cache, const struct answer_key *key,
                              DBusMessage *call);
/* Keeps a copy, unless the mapping is large or memory is short. Before the reply is sent. */
void answer_cache_put(struct answer_cache *cache, const struct answer_key *key,
                      const DBusMessage *reply);

#endif

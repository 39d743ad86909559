/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/answer_cache.h"

#include <errno.h>
#include <string.h>

enum {
    ANSWERS = 2048,      /* places; each mapping has one, and who comes last has it */
    VALUES_MAX = 1024,   /* bytes: with larger ones building a reply is not what takes time */
};

struct answer {
    uint8_t application[APPLICATION_ID_SIZE];
    uint64_t definition; /* revisions of the two records */
    uint64_t record;
    uint64_t epoch;
    struct account_name account;
    DBusMessage *reply;
};

struct answer_cache {
    struct answer *answers[ANSWERS];
};

int answer_cache_new(struct answer_cache **ret_cache)
{
    struct answer_cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        return -ENOMEM;
    *ret_cache = cache;
    return 0;
}

static void answer_free(struct answer *answer)
{
    if (!answer)
        return;
    if (answer->reply)
        dbus_message_unref(answer->reply);
    free(answer);
}

void answer_cache_clear(struct answer_cache *cache)
{
    for (size_t i = 0; i < ANSWERS; i++)
        answer_free(STEAL(cache->answers[i]));
}

void answer_cache_free(struct answer_cache *cache)
{
    if (!cache)
        return;
    answer_cache_clear(cache);
    free(cache);
}

static struct answer **place(struct answer_cache *cache, const struct answer_key *key)
{
    const struct account_name *account = &key->mapping->account;
    uint64_t hash = 0xcbf29ce484222325u ^ (uint64_t)account->kind;

    for (size_t i = 0; i < APPLICATION_ID_SIZE; i++)
        hash = (hash ^ key->application->id[i]) * 0x100000001b3u;
    for (const char *byte = account->name; *byte; byte++)
        hash = (hash ^ (uint8_t)*byte) * 0x100000001b3u;
    return &cache->answers[(hash ^ hash >> 32) % ANSWERS];
}

static bool is_for(const struct answer *answer, const struct answer_key *key)
{
    return answer && answer->record == key->mapping->revision &&
           answer->definition == key->application->revision && answer->epoch == key->epoch &&
           memcmp(answer->application, key->application->id, APPLICATION_ID_SIZE) == 0 &&
           answer->account.kind == key->mapping->account.kind &&
           strcmp(answer->account.name, key->mapping->account.name) == 0;
}

/* As dbus_message_new_method_return() does it. */
static bool address(DBusMessage *reply, DBusMessage *call)
{
    const char *sender = dbus_message_get_sender(call);

    return dbus_message_set_reply_serial(reply, dbus_message_get_serial(call)) &&
           (!sender || dbus_message_set_destination(reply, sender));
}

DBusMessage *answer_cache_get(struct answer_cache *cache, const struct answer_key *key,
                              DBusMessage *call)
{
    const struct answer *answer = *place(cache, key);
    DBusMessage *reply = is_for(answer, key) ? dbus_message_copy(answer->reply) : NULL;

    if (reply && !address(reply, call)) {
        dbus_message_unref(reply);
        return NULL;
    }
    return reply;
}

void answer_cache_put(struct answer_cache *cache, const struct answer_key *key,
                      const DBusMessage *reply)
{
    struct answer **at = place(cache, key);
    struct answer *answer;

    if (key->mapping->memory && key->mapping->memory->length > VALUES_MAX)
        return;
    answer = calloc(1, sizeof(*answer));
    if (!answer)
        return;
    memcpy(answer->application, key->application->id, APPLICATION_ID_SIZE);
    answer->definition = key->application->revision;
    answer->record = key->mapping->revision;
    answer->epoch = key->epoch;
    answer->account = key->mapping->account;
    answer->reply = dbus_message_copy(reply);
    if (!answer->reply || !dbus_message_set_destination(answer->reply, NULL)) {
        answer_free(answer);
        return;
    }
    answer_free(*at);
    *at = answer;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Local users and groups, as the name service knows them: asked on a worker, at most 2 questions at
 * once, answers cached. A function that needs an answer which is not there yet returns
 * ACCOUNT_PENDING after it has asked; the waiter is called once, on the loop, and then simply
 * begins its work anew. So nothing may be changed before all accounts are known. */
#ifndef DOMAIN_ACCOUNT_H
#define DOMAIN_ACCOUNT_H

#include "dbus-service/loop.h"

#include <stdbool.h>
#include <sys/types.h>

struct account_cache;

struct account {
    uid_t uid;
    char *name;
    gid_t *gids; /* primary group and getgrouplist(3) */
    size_t gids_count;
};

enum account_outcome {
    ACCOUNT_FOUND = 0,
    ACCOUNT_UNKNOWN,     /* the name service says that there is none */
    ACCOUNT_PENDING,     /* asked; the waiter will be called */
    ACCOUNT_UNAVAILABLE, /* no answer within 5 s, an error, or too many questions wait */
};

struct account_waiter {
    void (*ready)(void *userdata);
    void *userdata;
};

/* Answers live `lifetime_ms` (the configuration's name-cache; unknown names 1/4 of it). At most 32768
 * entries are kept. */
int account_cache_new(uv_loop_t *loop, struct work_queue *work, unsigned lifetime_ms,
                      struct account_cache **ret_cache) MUST_CHECK;
void account_cache_free(struct account_cache *cache);
void account_cache_set_lifetime(struct account_cache *cache, unsigned lifetime_ms);
/* Forgets everything (SIGHUP). */
void account_cache_flush(struct account_cache *cache);

/* The account is borrowed until control returns to the loop. */
int account_by_uid(struct account_cache *cache, uid_t uid, const struct account_waiter *waiter,
                   const struct account **ret_account) MUST_CHECK;
int account_by_name(struct account_cache *cache, const char *name,
                    const struct account_waiter *waiter,
                    const struct account **ret_account) MUST_CHECK;
int account_group(struct account_cache *cache, const char *name,
                  const struct account_waiter *waiter, gid_t *ret_gid) MUST_CHECK;
/* The waiter's object goes away: never call it. */
void account_forget_waiter(struct account_cache *cache, const void *userdata);

#endif

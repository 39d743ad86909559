/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/quota.h"

#include <errno.h>
#include <string.h>

#define USER_BUCKETS 256
#define GUESS_BUCKETS 1024
#define GUESS_WAYS 4
#define ROOT_SHARE 16
#define TOGETHER 8 /* times what one user may, for all but root */
#define LEFT_OUT_NAMED 16
#define TURN_SHARE_NSEC 100000
#define TURN_SHARE_ALONE_NSEC 2000000
#define ALONE_TURNS 1000 /* since somebody else was served */

struct bucket {
    double tokens;
    uint64_t filled_ms;
};

/* Events of one user that are told. */
static const struct budget {
    double burst;
    double per_second;
} budgets[QUOTA_EVENTS] = {
    [QUOTA_REFUSAL] = { 100, 10 },
    [QUOTA_AGENT_USE] = { 1000, 100 },
};

struct quota_user {
    struct quota_user *next;
    uid_t uid;
    unsigned connections;
    unsigned calls;
    unsigned waiting; /* of these, for a turn */
    size_t bytes;
    uint64_t turn;    /* in which he spent this: */
    uint64_t spent_nsec;
    struct bucket requests;
    struct bucket told[QUOTA_EVENTS];
    size_t left_out; /* events that were not told */
};

/* Wrong guesses leak out of `level` at the rate of forgiveness. The triple is known by a hash of 64
 * bits: a collision can only make the limit stricter. */
struct guess {
    uint64_t triple;
    double level;
    uint64_t updated_ms;
};

struct quota {
    struct quota_limits limits;
    unsigned connections;
    size_t bytes; /* of all users but root */
    struct bucket told[QUOTA_EVENTS];
    size_t users_count;
    uint64_t turn;
    uint64_t shared_turn; /* the last one in which another user was served than the one before him: */
    uid_t served;
    size_t swept; /* bucket that was looked through last */
    uint64_t seed;
    struct quota_user *users[USER_BUCKETS];
    struct guess guesses[GUESS_BUCKETS][GUESS_WAYS];
};

int quota_new(const struct quota_limits *limits, struct quota **ret_quota)
{
    struct quota *quota = calloc(1, sizeof(*quota));

    if (!quota)
        return -ENOMEM;
    quota->limits = *limits;
    for (size_t i = 0; i < QUOTA_EVENTS; i++)
        quota->told[i].tokens = TOGETHER * budgets[i].burst;
    quota->seed = (uint64_t)(uintptr_t)quota * 0x9e3779b97f4a7c15u;
    *ret_quota = quota;
    return 0;
}

void quota_free(struct quota *quota)
{
    if (!quota)
        return;
    for (size_t i = 0; i < USER_BUCKETS; i++)
        while (quota->users[i]) {
            struct quota_user *user = quota->users[i];

            quota->users[i] = user->next;
            free(user);
        }
    free(quota);
}

void quota_set_limits(struct quota *quota, const struct quota_limits *limits)
{
    quota->limits = *limits;
}

static struct quota_user **user_link(struct quota *quota, uid_t uid)
{
    struct quota_user **link = &quota->users[uid % USER_BUCKETS];

    while (*link && (*link)->uid != uid)
        link = &(*link)->next;
    return link;
}

static struct quota_user *user_get(struct quota *quota, uid_t uid)
{
    struct quota_user **link = user_link(quota, uid);
    struct quota_user *user = *link;

    if (user)
        return user;
    user = calloc(1, sizeof(*user));
    if (user) {
        user->uid = uid;
        user->requests.tokens = quota->limits.requests_per_second;
        for (size_t i = 0; i < QUOTA_EVENTS; i++)
            user->told[i].tokens = budgets[i].burst;
        quota->users_count++;
        *link = user;
    }
    return user;
}

static void bucket_fill(struct bucket *bucket, double per_second, double most, uint64_t now_ms)
{
    if (now_ms > bucket->filled_ms)
        bucket->tokens += (double)(now_ms - bucket->filled_ms) * per_second / 1000;
    if (bucket->tokens > most)
        bucket->tokens = most;
    bucket->filled_ms = now_ms;
}

static bool is_told_of_lately(struct quota_user *user, uint64_t now_ms)
{
    bool full = user->left_out == 0;

    for (size_t i = 0; i < QUOTA_EVENTS; i++) {
        bucket_fill(&user->told[i], budgets[i].per_second, budgets[i].burst, now_ms);
        full = full && user->told[i].tokens >= budgets[i].burst;
    }
    return !full;
}

/* Forgets users who hold nothing and whose buckets are full again: that of requests is after a second. */
static void sweep(struct quota *quota, uint64_t now_ms)
{
    struct quota_user **link = &quota->users[quota->swept++ % USER_BUCKETS];

    while (*link) {
        struct quota_user *user = *link;

        if (user->connections || user->calls || now_ms < user->requests.filled_ms + 1000 ||
            is_told_of_lately(user, now_ms)) {
            link = &user->next;
            continue;
        }
        *link = user->next;
        quota->users_count--;
        free(user);
    }
}

size_t quota_users(const struct quota *quota)
{
    return quota->users_count;
}

static void add_bytes(struct quota *quota, struct quota_user *user, size_t more, size_t less)
{
    user->bytes += more - less;
    if (user->uid != 0)
        quota->bytes += more - less;
}

static bool holds_too_much(const struct quota *quota, const struct quota_user *user, size_t more)
{
    return user->bytes + more > quota->limits.bytes_per_user ||
           (user->uid != 0 && quota->bytes + more > TOGETHER * quota->limits.bytes_per_user);
}

int quota_bytes_change(struct quota *quota, uid_t uid, size_t before, size_t now)
{
    struct quota_user *user = *user_link(quota, uid);

    if (!user)
        return 0;
    add_bytes(quota, user, now, before);
    return now > before && holds_too_much(quota, user, 0) ? -EDQUOT : 0;
}

int quota_connection_begin(struct quota *quota, uid_t uid)
{
    unsigned limit = quota->limits.connections;
    struct quota_user *user;

    if (uid != 0)
        limit -= limit / ROOT_SHARE;
    if (quota->connections >= limit)
        return -EDQUOT;
    user = user_get(quota, uid);
    if (!user)
        return -ENOMEM;
    if (user->connections >= quota->limits.connections_per_user)
        return -EDQUOT;
    user->connections++;
    quota->connections++;
    return 0;
}

void quota_connection_end(struct quota *quota, uid_t uid)
{
    struct quota_user **link = user_link(quota, uid);

    if (!*link || !(*link)->connections)
        return;
    (*link)->connections--;
    quota->connections--;
}

int quota_call_begin(struct quota *quota, uid_t uid, size_t bytes, uint64_t now_ms)
{
    double rate = quota->limits.requests_per_second;
    struct quota_user *user;

    sweep(quota, now_ms);
    user = user_get(quota, uid);
    if (!user)
        return -ENOMEM;
    bucket_fill(&user->requests, rate, rate, now_ms);
    if (user->requests.tokens < 1 || user->calls >= quota->limits.calls_per_user ||
        holds_too_much(quota, user, bytes))
        return -EDQUOT;
    user->requests.tokens -= 1;
    user->calls++;
    add_bytes(quota, user, bytes, 0);
    return 0;
}

void quota_call_end(struct quota *quota, uid_t uid, size_t bytes)
{
    struct quota_user **link = user_link(quota, uid);

    if (!*link || !(*link)->calls)
        return;
    (*link)->calls--;
    add_bytes(quota, *link, 0, bytes);
}

void quota_turn(struct quota *quota)
{
    quota->turn++;
}

void quota_spend(struct quota *quota, uid_t uid, uint64_t nsec)
{
    struct quota_user *user = *user_link(quota, uid);

    if (!user)
        return;
    user->spent_nsec = user->turn == quota->turn ? user->spent_nsec + nsec : nsec;
    user->turn = quota->turn;
    if (quota->served != uid)
        quota->shared_turn = quota->turn;
    quota->served = uid;
}

bool quota_has_share(struct quota *quota, uid_t uid)
{
    const struct quota_user *user = *user_link(quota, uid);
    bool alone = quota->turn - quota->shared_turn >= ALONE_TURNS;
    uint64_t share = alone ? TURN_SHARE_ALONE_NSEC : TURN_SHARE_NSEC;

    return !user || user->turn != quota->turn || user->spent_nsec < share;
}

bool quota_has_waiting(struct quota *quota, uid_t uid)
{
    const struct quota_user *user = *user_link(quota, uid);

    return user && user->waiting;
}

void quota_wait_begin(struct quota *quota, uid_t uid)
{
    (*user_link(quota, uid))->waiting++; /* a call that was begun */
}

void quota_wait_end(struct quota *quota, uid_t uid)
{
    (*user_link(quota, uid))->waiting--;
}

bool quota_event_told(struct quota *quota, uid_t uid, enum quota_event event, uint64_t now_ms)
{
    const struct budget *budget = &budgets[event];
    struct bucket *all = &quota->told[event], *own;
    struct quota_user *user = user_get(quota, uid);

    if (!user)
        return true;
    own = &user->told[event];
    bucket_fill(own, budget->per_second, budget->burst, now_ms);
    bucket_fill(all, TOGETHER * budget->per_second, TOGETHER * budget->burst, now_ms);
    if (own->tokens < 1 || all->tokens < 1) {
        user->left_out++;
        return false;
    }
    own->tokens -= 1;
    all->tokens -= 1;
    return true;
}

void quota_left_out(struct quota *quota, void (*tell)(uid_t uid, size_t count))
{
    size_t named = 0, others = 0;

    for (size_t i = 0; i < USER_BUCKETS; i++)
        for (struct quota_user *user = quota->users[i]; user; user = user->next) {
            if (user->left_out && named++ < LEFT_OUT_NAMED)
                tell(user->uid, user->left_out);
            else
                others += user->left_out;
            user->left_out = 0;
        }
    if (others)
        tell(QUOTA_NOBODY, others);
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const uint8_t *byte = bytes;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t triple_hash(const struct quota *quota, uid_t caller, const char *user,
                            const char *application)
{
    uint64_t hash = hash_bytes(0xcbf29ce484222325u ^ quota->seed, &caller, sizeof(caller));

    hash = hash_bytes(hash, user, strlen(user) + 1);
    hash = hash_bytes(hash, application, strlen(application) + 1);
    hash ^= hash >> 29;
    return hash ? hash : 1;
}

static double guess_level(const struct quota *quota, const struct guess *guess, uint64_t now_ms)
{
    double forgiven = (double)(now_ms - guess->updated_ms) * quota->limits.verify_per_minute / 60000;

    return guess->level > forgiven ? guess->level - forgiven : 0;
}

static struct guess *guess_find(struct quota *quota, uint64_t triple)
{
    struct guess *ways = quota->guesses[triple % GUESS_BUCKETS];

    for (size_t i = 0; i < GUESS_WAYS; i++)
        if (ways[i].triple == triple)
            return &ways[i];
    return NULL;
}

/* The way whose level is lowest now. */
static struct guess *guess_victim(struct quota *quota, uint64_t triple, uint64_t now_ms)
{
    struct guess *ways = quota->guesses[triple % GUESS_BUCKETS];
    struct guess *victim = &ways[0];

    for (size_t i = 1; i < GUESS_WAYS; i++)
        if (guess_level(quota, &ways[i], now_ms) < guess_level(quota, victim, now_ms))
            victim = &ways[i];
    return victim;
}

bool quota_verify_allowed(struct quota *quota, uid_t caller, const char *user,
                          const char *application, uint64_t now_ms)
{
    uint64_t triple = triple_hash(quota, caller, user, application);
    const struct guess *guess = guess_find(quota, triple);

    /* When every way of the bucket holds somebody who is refused, a new triple is refused too:
     * otherwise it could be guessed without being noted. */
    if (!guess)
        guess = guess_victim(quota, triple, now_ms);
    return guess_level(quota, guess, now_ms) + 1 <= quota->limits.verify_burst;
}

void quota_verify_failed(struct quota *quota, uid_t caller, const char *user,
                         const char *application, uint64_t now_ms)
{
    uint64_t triple = triple_hash(quota, caller, user, application);
    struct guess *guess = guess_find(quota, triple);

    if (!guess) {
        guess = guess_victim(quota, triple, now_ms);
        *guess = (struct guess){ .triple = triple, .updated_ms = now_ms };
    }
    guess->level = guess_level(quota, guess, now_ms) + 1;
    guess->updated_ms = now_ms;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ENTRIES_MAX 32768 /* more than the lists of all applications name on any real site */
#define BUCKETS 4096
#define QUESTIONS_MAX 256  /* that wait for an answer */
#define WORKERS_MAX 2
#define TIMEOUT_MS 5000
#define GRACE_MS 100
#define BUFFER_MAX ((size_t)1024 * 1024)
#define GROUPS_MAX 65536

enum kind { KIND_UID, KIND_NAME, KIND_GROUP };

/* A question to the name service, on its own memory: it may outlive entry and cache. */
struct lookup {
    struct account_cache *cache; /* NULL: the cache is gone */
    struct entry *entry;         /* NULL: nobody waits any more */
    struct lookup *next;         /* of those not begun */
    enum kind kind;
    uid_t uid;
    char *name;
    int outcome; /* FOUND, UNKNOWN or UNAVAILABLE */
    struct account account;
    gid_t gid;
};

struct entry {
    enum kind kind;
    uid_t uid;
    char *name; /* NULL for KIND_UID */
    int outcome;
    struct account account;
    gid_t gid;
    uint64_t asked_ms;
    uint64_t valid_ms; /* up to and including; ACCOUNT_PENDING: unused */
    struct lookup *lookup;
    struct entry *chain;          /* in its bucket */
    struct entry *newer, *older;  /* by use */
    struct entry *pending_next;   /* by asked_ms */
};

/* Somebody who waits for some entries, and is called when the last of them is there. Called after
 * each, he could find the first expired by the time that the last comes, for ever. */
struct wait {
    struct account_waiter waiter;
    uint64_t since_ms;
    struct entry **entries;
    size_t count;
    size_t room;
    size_t missing;
    struct wait *next;
};

struct account_cache {
    uv_loop_t *loop;
    struct work_queue *work;
    unsigned lifetime_ms;
    struct entry *buckets[BUCKETS];
    struct entry *newest, *oldest;
    size_t entries;
    struct entry *pending, **pending_tail;
    size_t pending_count;
    struct lookup *queue, **queue_tail; /* not begun */
    struct lookup *running[WORKERS_MAX];
    struct wait *waits;
    uv_timer_t *timer; /* of its own memory: closing takes a turn of the loop */
};

/* ---- Asking, on a worker ---- */

static int account_fill(struct account *account, const struct passwd *passwd)
{
    int count = 64;

    account->uid = passwd->pw_uid;
    account->name = strdup(passwd->pw_name);
    for (;;) {
        int room = count;
        gid_t *gids = reallocarray(account->gids, (size_t)room, sizeof(gid_t));

        if (!account->name || !gids)
            return ACCOUNT_UNAVAILABLE;
        account->gids = gids;
        if (getgrouplist(passwd->pw_name, passwd->pw_gid, gids, &count) >= 0)
            break;
        count = count > room ? count : room * 2;
        if (count > GROUPS_MAX)
            return ACCOUNT_UNAVAILABLE;
    }
    account->gids_count = (size_t)count;
    return ACCOUNT_FOUND;
}

/* One call with a buffer of `size`: ERANGE asks for a larger one. */
static int ask_once(struct lookup *lookup, char *buffer, size_t size)
{
    struct passwd passwd, *found = NULL;
    struct group group, *found_group = NULL;
    int r;

    if (lookup->kind == KIND_UID)
        r = getpwuid_r(lookup->uid, &passwd, buffer, size, &found);
    else if (lookup->kind == KIND_NAME)
        r = getpwnam_r(lookup->name, &passwd, buffer, size, &found);
    else
        r = getgrnam_r(lookup->name, &group, buffer, size, &found_group);
    if (found)
        lookup->outcome = account_fill(&lookup->account, found);
    else if (found_group) {
        lookup->gid = found_group->gr_gid;
        lookup->outcome = ACCOUNT_FOUND;
    } else {
        /* What getpwnam(3) lists as "not found" beside 0. */
        lookup->outcome = r == 0 || r == ENOENT || r == ESRCH ? ACCOUNT_UNKNOWN
                                                              : ACCOUNT_UNAVAILABLE;
    }
    return r;
}

static void run_lookup(void *userdata)
{
    struct lookup *lookup = userdata;
    size_t size = 4096;
    int r = ERANGE;

    lookup->outcome = ACCOUNT_UNAVAILABLE;
    for (; r == ERANGE && size <= BUFFER_MAX; size *= 4) {
        CLEANUP_FREE char *buffer = malloc(size);

        if (!buffer)
            return;
        r = ask_once(lookup, buffer, size);
    }
}

static void account_deinit(struct account *account)
{
    free(account->name);
    free(account->gids);
    *account = (struct account){0};
}

static void lookup_free(struct lookup *lookup)
{
    if (!lookup)
        return;
    account_deinit(&lookup->account);
    free(lookup->name);
    free(lookup);
}

/* ---- Entries ---- */

static struct entry **bucket_of(struct account_cache *cache, enum kind kind, uid_t uid,
                                const char *name)
{
    uint32_t hash = 2166136261u ^ (uint32_t)kind;

    if (!name)
        hash = (hash ^ uid) * 16777619u;
    for (; name && *name; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619u;
    hash ^= hash >> 15;
    return &cache->buckets[hash % BUCKETS];
}

static struct entry *entry_find(struct account_cache *cache, enum kind kind, uid_t uid,
                                const char *name)
{
    struct entry *entry = *bucket_of(cache, kind, uid, name);

    while (entry && (entry->kind != kind ||
                     (name ? strcmp(entry->name, name) != 0 : entry->uid != uid)))
        entry = entry->chain;
    return entry;
}

static void use_unlink(struct account_cache *cache, struct entry *entry)
{
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void use_link(struct account_cache *cache, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static void entry_free(struct entry *entry)
{
    account_deinit(&entry->account);
    free(entry->name);
    free(entry);
}

static void entry_drop(struct account_cache *cache, struct entry *entry)
{
    struct entry **place = bucket_of(cache, entry->kind, entry->uid, entry->name);

    while (*place != entry)
        place = &(*place)->chain;
    *place = entry->chain;
    use_unlink(cache, entry);
    cache->entries--;
    if (entry->lookup)
        entry->lookup->entry = NULL;
    entry_free(entry);
}

static bool entry_is_waited_for(const struct account_cache *cache, const struct entry *entry)
{
    for (const struct wait *wait = cache->waits; wait; wait = wait->next)
        for (size_t i = 0; i < wait->count; i++)
            if (wait->entries[i] == entry)
                return true;
    return false;
}

/* Makes room by what was used longest ago, except what somebody waits for. */
static void cache_shrink(struct account_cache *cache)
{
    struct entry *entry = cache->oldest;

    while (entry && cache->entries >= ENTRIES_MAX) {
        struct entry *newer = entry->newer;

        if (entry->outcome != ACCOUNT_PENDING && !entry_is_waited_for(cache, entry))
            entry_drop(cache, entry);
        entry = newer;
    }
}

static struct entry *entry_new(struct account_cache *cache, enum kind kind, uid_t uid,
                               const char *name)
{
    struct entry **bucket = bucket_of(cache, kind, uid, name);
    struct entry *entry = calloc(1, sizeof(*entry));

    if (!entry)
        return NULL;
    entry->kind = kind;
    entry->uid = uid;
    entry->name = name ? strdup(name) : NULL;
    if (name && !entry->name) {
        free(entry);
        return NULL;
    }
    cache_shrink(cache);
    entry->outcome = ACCOUNT_UNAVAILABLE;
    entry->chain = *bucket;
    *bucket = entry;
    use_link(cache, entry);
    cache->entries++;
    return entry;
}

/* ---- Waiting ---- */

static struct wait *wait_get(struct account_cache *cache, const struct account_waiter *waiter)
{
    struct wait **end = &cache->waits;

    for (; *end; end = &(*end)->next)
        if ((*end)->waiter.userdata == waiter->userdata && (*end)->waiter.ready == waiter->ready)
            return *end;
    *end = calloc(1, sizeof(**end));
    if (*end) {
        (*end)->waiter = *waiter;
        (*end)->since_ms = uv_now(cache->loop);
    }
    return *end;
}

static int wait_add(struct account_cache *cache, const struct account_waiter *waiter,
                    struct entry *entry)
{
    struct wait *wait = wait_get(cache, waiter);

    if (!wait)
        return -ENOMEM;
    for (size_t i = 0; i < wait->count; i++)
        if (wait->entries[i] == entry)
            return 0;
    if (wait->count == wait->room) {
        size_t room = wait->room ? wait->room * 2 : 4;
        struct entry **grown = reallocarray(wait->entries, room, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        wait->entries = grown;
        wait->room = room;
    }
    wait->entries[wait->count++] = entry;
    wait->missing++;
    return 0;
}

static void wait_free(struct wait *wait)
{
    free(wait->entries);
    free(wait);
}

/* What came first is kept for him who waited for what came last, and for his next question. */
static void wait_fire(struct account_cache *cache, struct wait *wait)
{
    uint64_t now = uv_now(cache->loop);
    uint64_t until = now + (now - wait->since_ms) + GRACE_MS;
    struct account_waiter waiter = wait->waiter;

    for (size_t i = 0; i < wait->count; i++)
        if (wait->entries[i]->valid_ms < until)
            wait->entries[i]->valid_ms = until;
    wait_free(wait);
    waiter.ready(waiter.userdata);
}

static void wait_settle(struct wait *wait, const struct entry *entry)
{
    for (size_t i = 0; i < wait->count; i++)
        if (wait->entries[i] == entry)
            wait->missing--;
}

/* The waiters may do anything, ask and forget included: the list is read anew after each. */
static void entry_announce(struct account_cache *cache, const struct entry *entry)
{
    struct wait **place;

    for (struct wait *wait = cache->waits; wait; wait = wait->next)
        wait_settle(wait, entry);
    for (place = &cache->waits; *place;) {
        struct wait *wait = *place;

        if (wait->missing > 0) {
            place = &wait->next;
            continue;
        }
        *place = wait->next;
        wait_fire(cache, wait);
        place = &cache->waits;
    }
}

void account_forget_waiter(struct account_cache *cache, const void *userdata)
{
    struct wait **place = &cache->waits;

    while (*place) {
        struct wait *wait = *place;

        if (wait->waiter.userdata != userdata) {
            place = &wait->next;
            continue;
        }
        *place = wait->next;
        wait_free(wait);
    }
}

/* ---- Questions ---- */

static void pending_remove(struct account_cache *cache, struct entry *entry)
{
    struct entry **place = &cache->pending;

    while (*place && *place != entry)
        place = &(*place)->pending_next;
    if (!*place)
        return;
    *place = entry->pending_next;
    if (!*place)
        cache->pending_tail = place;
    cache->pending_count--;
}

static void on_timeout(uv_timer_t *timer);

static void timer_set(struct account_cache *cache)
{
    uint64_t now = uv_now(cache->loop);

    if (!cache->pending)
        uv_timer_stop(cache->timer);
    else
        uv_timer_start(cache->timer, on_timeout,
                       cache->pending->asked_ms + TIMEOUT_MS > now
                           ? cache->pending->asked_ms + TIMEOUT_MS - now
                           : 0,
                       0);
}

static void entry_answer(struct account_cache *cache, struct entry *entry, int outcome)
{
    uint64_t now = uv_now(cache->loop);
    uint64_t lifetime = cache->lifetime_ms;

    if (outcome == ACCOUNT_UNKNOWN)
        lifetime /= 4;
    else if (outcome == ACCOUNT_UNAVAILABLE)
        lifetime = 0; /* the grace of its waiters suffices: better to ask again soon */
    pending_remove(cache, entry);
    entry->outcome = outcome;
    entry->valid_ms = now + lifetime;
    timer_set(cache);
    entry_announce(cache, entry);
}

static void queue_remove(struct account_cache *cache, struct lookup *lookup)
{
    struct lookup **place = &cache->queue;

    while (*place && *place != lookup)
        place = &(*place)->next;
    if (!*place)
        return;
    *place = lookup->next;
    if (!*place)
        cache->queue_tail = place;
    lookup_free(lookup);
}

static bool lookup_is_running(const struct account_cache *cache, const struct lookup *lookup)
{
    for (size_t i = 0; i < WORKERS_MAX; i++)
        if (cache->running[i] == lookup)
            return true;
    return false;
}

/* The worker may hang for long; whoever waits does not. */
static void on_timeout(uv_timer_t *timer)
{
    struct account_cache *cache = timer->data;
    struct entry *entry = cache->pending;

    if (!entry)
        return;
    if (uv_now(cache->loop) < entry->asked_ms + TIMEOUT_MS) {
        timer_set(cache);
        return;
    }
    if (!lookup_is_running(cache, entry->lookup)) {
        queue_remove(cache, entry->lookup);
        entry->lookup = NULL;
    }
    entry_answer(cache, entry, ACCOUNT_UNAVAILABLE);
}

static void queue_advance(struct account_cache *cache);

static void on_lookup(void *userdata)
{
    struct lookup *lookup = userdata;
    struct account_cache *cache = lookup->cache;
    struct entry *entry = lookup->entry;

    if (!cache) {
        lookup_free(lookup);
        return;
    }
    for (size_t i = 0; i < WORKERS_MAX; i++)
        if (cache->running[i] == lookup)
            cache->running[i] = NULL;
    if (entry) {
        account_deinit(&entry->account);
        entry->account = lookup->account;
        lookup->account = (struct account){0};
        entry->gid = lookup->gid;
        entry->lookup = NULL;
    }
    queue_advance(cache);
    if (entry)
        entry_answer(cache, entry, lookup->outcome);
    lookup_free(lookup);
}

/* Only what begins at once is handed to the pool: what waits is still ours to drop. */
static void queue_advance(struct account_cache *cache)
{
    for (size_t i = 0; i < WORKERS_MAX && cache->queue; i++) {
        struct lookup *lookup = cache->queue;

        if (cache->running[i])
            continue;
        if (work_submit(cache->work, WORK_NAMES, run_lookup, on_lookup, lookup) < 0)
            return; /* stays: the timer will answer for it */
        cache->queue = lookup->next;
        if (!cache->queue)
            cache->queue_tail = &cache->queue;
        lookup->next = NULL;
        cache->running[i] = lookup;
    }
}

static struct lookup *lookup_new(struct account_cache *cache, struct entry *entry)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup));

    if (!lookup)
        return NULL;
    lookup->cache = cache;
    lookup->entry = entry;
    lookup->kind = entry->kind;
    lookup->uid = entry->uid;
    lookup->name = entry->name ? strdup(entry->name) : NULL;
    if (entry->name && !lookup->name) {
        free(lookup);
        return NULL;
    }
    return lookup;
}

static int ask(struct account_cache *cache, struct entry *entry)
{
    if (cache->pending_count >= QUESTIONS_MAX)
        return ACCOUNT_UNAVAILABLE;
    if (!entry->lookup) { /* else a worker still hangs in the same question: its answer will do */
        entry->lookup = lookup_new(cache, entry);
        if (!entry->lookup)
            return ACCOUNT_UNAVAILABLE;
        *cache->queue_tail = entry->lookup;
        cache->queue_tail = &entry->lookup->next;
    }
    entry->outcome = ACCOUNT_PENDING;
    entry->asked_ms = uv_now(cache->loop);
    entry->pending_next = NULL;
    *cache->pending_tail = entry;
    cache->pending_tail = &entry->pending_next;
    cache->pending_count++;
    timer_set(cache);
    queue_advance(cache);
    return ACCOUNT_PENDING;
}

static int answer(struct account_cache *cache, enum kind kind, uid_t uid, const char *name,
                  const struct account_waiter *waiter, const struct entry **ret_entry)
{
    struct entry *entry = entry_find(cache, kind, uid, name);

    if (!entry)
        entry = entry_new(cache, kind, uid, name);
    if (!entry)
        return ACCOUNT_UNAVAILABLE;
    use_unlink(cache, entry);
    use_link(cache, entry);
    if (entry->outcome != ACCOUNT_PENDING && entry->valid_ms < uv_now(cache->loop) &&
        ask(cache, entry) != ACCOUNT_PENDING)
        return ACCOUNT_UNAVAILABLE;
    if (entry->outcome == ACCOUNT_PENDING && wait_add(cache, waiter, entry) < 0)
        return ACCOUNT_UNAVAILABLE;
    *ret_entry = entry;
    return entry->outcome;
}

int account_by_uid(struct account_cache *cache, uid_t uid, const struct account_waiter *waiter,
                   const struct account **ret_account)
{
    const struct entry *entry = NULL;
    int r = answer(cache, KIND_UID, uid, NULL, waiter, &entry);

    if (r == ACCOUNT_FOUND)
        *ret_account = &entry->account;
    return r;
}

int account_by_name(struct account_cache *cache, const char *name,
                    const struct account_waiter *waiter, const struct account **ret_account)
{
    const struct entry *entry = NULL;
    int r = answer(cache, KIND_NAME, 0, name, waiter, &entry);

    if (r == ACCOUNT_FOUND)
        *ret_account = &entry->account;
    return r;
}

int account_group(struct account_cache *cache, const char *name,
                  const struct account_waiter *waiter, gid_t *ret_gid)
{
    const struct entry *entry = NULL;
    int r = answer(cache, KIND_GROUP, 0, name, waiter, &entry);

    if (r == ACCOUNT_FOUND)
        *ret_gid = entry->gid;
    return r;
}

/* ---- Life ---- */

int account_cache_new(uv_loop_t *loop, struct work_queue *work, unsigned lifetime_ms,
                      struct account_cache **ret_cache)
{
    struct account_cache *cache = calloc(1, sizeof(*cache));
    int r;

    if (!cache)
        return -ENOMEM;
    cache->timer = calloc(1, sizeof(*cache->timer));
    r = cache->timer ? uv_timer_init(loop, cache->timer) : -ENOMEM;
    if (r < 0) {
        free(cache->timer);
        free(cache);
        return r;
    }
    cache->timer->data = cache;
    cache->loop = loop;
    cache->work = work;
    cache->lifetime_ms = lifetime_ms;
    cache->pending_tail = &cache->pending;
    cache->queue_tail = &cache->queue;
    *ret_cache = cache;
    return 0;
}

void account_cache_set_lifetime(struct account_cache *cache, unsigned lifetime_ms)
{
    cache->lifetime_ms = lifetime_ms;
    account_cache_flush(cache);
}

/* Answers lent in this turn stay where they are; they are only not valid any longer. */
void account_cache_flush(struct account_cache *cache)
{
    for (struct entry *entry = cache->newest; entry; entry = entry->older)
        if (entry->outcome != ACCOUNT_PENDING)
            entry->valid_ms = 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

void account_cache_free(struct account_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < WORKERS_MAX; i++)
        if (cache->running[i]) {
            cache->running[i]->cache = NULL;
            cache->running[i]->entry = NULL;
        }
    while (cache->queue)
        queue_remove(cache, cache->queue);
    for (struct wait *wait = cache->waits, *next; wait; wait = next) {
        next = wait->next;
        wait_free(wait);
    }
    for (struct entry *entry = cache->newest, *older; entry; entry = older) {
        older = entry->older;
        entry_free(entry);
    }
    uv_close((uv_handle_t *)cache->timer, on_timer_closed);
    free(cache);
}

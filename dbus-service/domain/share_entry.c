/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/share_entry.h"

#include "dbus-service/domain/realm_internal.h"
#include "dbus-service/keys/keyring_slot.h"

#include <errno.h>
#include <string.h>

struct share_entry {
    struct realm *realm;
    uint64_t lifetime_ms;
    struct key_pool *pool;
    struct share_set *set;            /* in the pool */
    uint64_t forget_at[SHARES_MAX];   /* uv_now(), for each */
    uv_timer_t timer;
    bool opening;                     /* a worker reads the set */
    bool cancelled;                   /* meanwhile */
    realm_done done;
    void *userdata;
};

int share_entry_new(struct realm *realm, uv_loop_t *loop, uint64_t lifetime_ms,
                    struct share_entry **ret_entry)
{
    struct share_entry *entry = calloc(1, sizeof(*entry));
    uint8_t *place = NULL;
    int r;

    if (!entry)
        return -ENOMEM;
    r = key_pool_new(sizeof(*entry->set), &entry->pool);
    if (r == 0)
        r = key_pool_get(entry->pool, sizeof(*entry->set), &place);
    if (r == 0)
        r = uv_timer_init(loop, &entry->timer);
    if (r < 0) {
        key_pool_free(entry->pool);
        free(entry);
        return r;
    }
    entry->set = (struct share_set *)(void *)place;
    entry->timer.data = entry;
    entry->realm = realm;
    entry->lifetime_ms = lifetime_ms;
    *ret_entry = entry;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void share_entry_free(struct share_entry *entry)
{
    if (!entry)
        return;
    key_pool_free(STEAL(entry->pool));
    uv_close(loop_handle(&entry->timer), on_closed);
}

static void forget(struct share_entry *entry)
{
    share_set_wipe(entry->set);
    entry->cancelled = false;
    uv_timer_stop(&entry->timer);
}

void share_entry_clear(struct share_entry *entry)
{
    entry->cancelled = entry->opening;
    if (!entry->opening)
        forget(entry);
}

static void on_timer(uv_timer_t *timer);

/* The oldest share comes first in the set. */
static void timer_set(struct share_entry *entry)
{
    uint64_t now = uv_now(entry->timer.loop);
    uint64_t at = entry->forget_at[0];

    if (entry->set->count > 0)
        uv_timer_start(&entry->timer, on_timer, at > now ? at - now : 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct share_entry *entry = timer->data;
    struct share_set *set = entry->set;
    size_t old = 0;

    if (entry->opening)
        return; /* what is left of them is looked at when that has ended */
    while (old < set->count && entry->forget_at[old] <= uv_now(timer->loop))
        old++;
    set->count -= old;
    memmove(set->shares, set->shares + old, set->count * sizeof(set->shares[0]));
    memmove(entry->forget_at, entry->forget_at + old, set->count * sizeof(entry->forget_at[0]));
    memory_wipe(set->shares + set->count, old * sizeof(set->shares[0]));
    timer_set(entry);
}

static int check(const struct share_entry *entry, const struct share *share, struct failure *failure)
{
    const struct realm *realm = entry->realm;
    int r;

    if (realm_state(realm) == REALM_UNCONFIGURED)
        return failure_set(failure, ERROR_UNCONFIGURED, NULL);
    if (realm_state(realm) != REALM_SEALED)
        return failure_set(failure, ERROR_ALREADY_UNSEALED, NULL);
    if (entry->opening)
        return failure_set(failure, ERROR_LIMITS_EXCEEDED, "the keyring is being opened right now");
    r = slot_list_check_share(realm_slots(realm), share);
    if (r < 0)
        return r;
    return r == KEYRING_DONE ? 0 : realm_failure_keyring(failure, realm, (enum keyring_outcome)r, false);
}

int share_entry_add(struct share_entry *entry, const struct secret *text, struct failure *failure)
{
    CLEANUP_SHARE struct share share = {0};
    size_t before = entry->set->count;
    int r = share_parse(text, &share);

    if (r != KEYRING_DONE)
        return r < 0 ? r
                     : realm_failure_keyring(failure, entry->realm, (enum keyring_outcome)r, false);
    r = check(entry, &share, failure);
    if (r != 0)
        return r;
    if (share_set_add(entry->set, &share) != KEYRING_DONE)
        return failure_set(failure, ERROR_BAD_SHARE,
                           "the share was not made with those that were entered before; enter one "
                           "that was, or begin anew with CancelShares");
    if (entry->set->count > before) {
        entry->forget_at[before] = uv_now(entry->timer.loop) + entry->lifetime_ms;
        timer_set(entry);
    }
    return 0;
}

void share_entry_progress(const struct share_entry *entry, unsigned *ret_entered,
                          unsigned *ret_needed)
{
    const struct slot_list *list = realm_slots(entry->realm);

    *ret_entered = (unsigned)entry->set->count;
    *ret_needed = entry->set->count > 0 ? entry->set->shares[0].threshold : 0;
    for (size_t i = 0; i < list->count && *ret_needed == 0; i++)
        if (list->infos[i].kind == SLOT_SHARES && list->infos[i].usable)
            *ret_needed = list->infos[i].threshold;
}

static void on_unsealed(void *userdata, const struct failure *failure)
{
    struct share_entry *entry = userdata;

    entry->opening = false;
    if (entry->cancelled || failure->code == ERROR_NONE || failure->code == ERROR_BAD_SHARE)
        forget(entry);
    else
        timer_set(entry);
    entry->done(entry->userdata, failure);
}

int share_entry_unseal(struct share_entry *entry, realm_done done, void *userdata,
                       struct failure *failure)
{
    int r = realm_unseal_shares(entry->realm, entry->set, on_unsealed, entry, failure);

    if (r != 0)
        return r;
    entry->opening = true;
    entry->done = done;
    entry->userdata = userdata;
    return 0;
}

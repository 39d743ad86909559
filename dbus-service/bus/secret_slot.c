/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* org.mastersecret1.Secret: slots, and the shares that are entered to open one. */
#include "dbus-service/bus/secret.h"

#include "dbus-service/domain/share_entry.h"
#include "dbus-service/domain/slot.h"

#include <errno.h>
#include <string.h>

/* The descriptors that shares go through. */
#define SHARE_RULES(use)                                                                           \
    {                                                                                              \
        { "share-1", use, false },  { "share-2", use, false },  { "share-3", use, false },         \
        { "share-4", use, false },  { "share-5", use, false },  { "share-6", use, false },         \
        { "share-7", use, false },  { "share-8", use, false },  { "share-9", use, false },         \
        { "share-10", use, false }, { "share-11", use, false }, { "share-12", use, false },        \
        { "share-13", use, false }, { "share-14", use, false }, { "share-15", use, false },        \
        { "share-16", use, false }, { NULL }                                                       \
    }
static const struct descriptor_rule share_ends[] = SHARE_RULES(DESCRIPTOR_END);
static const struct descriptor_rule share_values[] = SHARE_RULES(DESCRIPTOR_VALUE);

static void free_change(void *extra)
{
    slot_change_free(extra);
}

/* A handler runs anew from its beginning when it waited; the change goes with the call. */
static int change_new(struct call *call, struct slot_change **ret_change)
{
    if (!call->extra)
        call->extra = calloc(1, sizeof(struct slot_change));
    if (!call->extra)
        return -ENOMEM;
    call->extra_free = free_change;
    *ret_change = call->extra;
    return 0;
}

static int change_begin(struct call *call, struct slot_change *change, realm_done done)
{
    int r = slot_change_begin(call->service->realm, change, done, call, &call->failure);

    call->acting = r == 0;
    return r;
}

/* What comes with the call, for a slot of the kind. */
static int accept_for(struct call *call, struct slot_change *change, unsigned position,
                      const struct descriptor_rule *shares)
{
    static const struct descriptor_rule passphrase[] = {
        { "passphrase", DESCRIPTOR_PASSPHRASE, true }, { NULL }
    };
    int r = descriptors_accept(call, position,
                               change->kind == SLOT_SHARES       ? shares
                               : change->kind == SLOT_PASSPHRASE ? passphrase
                                                                 : NULL);

    if (r == 0)
        change->passphrase = descriptors_steal(call, "passphrase");
    return r;
}

/* "share-1" to "share-N", and as many are made. */
static int check_share_ends(struct call *call, struct slot_change *change)
{
    unsigned count = (unsigned)call->descriptors.count;

    for (unsigned i = 0; i < count; i++)
        if (!descriptors_find(call, share_ends[i].name))
            return descriptors_missing(call, share_ends[i].name);
    change->count = count;
    if (!shares_are_valid(change->threshold, count))
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                           "%u of %u shares: at least %d are needed to open, and at most %d are made",
                           change->threshold, count, SHARES_MIN, SHARES_MAX);
    return 0;
}

/* What a new slot of the kind is made with. */
static int take_material(struct call *call, struct slot_change *change)
{
    int r = slot_check_kind(call->service->realm, change->kind, &call->failure);

    if (r == 0 && change->kind != SLOT_SHARES && change->threshold != 0)
        r = failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                        "a threshold is for slots of shares; give 0");
    if (r == 0)
        r = accept_for(call, change, 2, share_ends);
    return r == 0 && change->kind == SLOT_SHARES ? check_share_ends(call, change) : r;
}

static void reply_id(struct call *call, uint32_t id)
{
    struct writer writer = call_writer(call);

    writer_uint32(&writer, id);
    call_reply(call, writer_take(&writer));
}

static int send_shares(struct call *call, const struct slot_change *change)
{
    for (size_t i = 0; i < change->shares.count; i++) {
        CLEANUP_SECRET struct secret *text = NULL;
        int r = share_format(&change->shares.shares[i], &text);

        if (r == 0)
            r = descriptor_send(call, descriptors_find(call, share_ends[i].name), text->bytes,
                                text->length);
        if (r != 0)
            return r;
    }
    return 0;
}

/* The slot that nobody needs is gone, or is one too many in the list: either way it is told what happened. */
static void on_tidied(void *userdata, const struct failure *failure)
{
    struct call *call = userdata;
    struct slot_change *change = call->extra;

    if (call->failure.code != ERROR_NONE)
        call_fail(call, (int)call->failure.code);
    else if (call_succeeded(call, failure))
        reply_id(call, change->new_id);
}

static void tidy(struct call *call, uint32_t unneeded)
{
    struct slot_change *change = call->extra;
    struct failure failure = { .code = ERROR_NONE };
    int r;

    change->action = SLOT_REMOVE;
    change->id = unneeded;
    r = slot_change_begin(call->service->realm, change, on_tidied, call, &failure);
    if (r < 0)
        (void)failure_from_errno(&failure, r, "removing the slot");
    if (r != 0)
        on_tidied(call, &failure);
}

/* Shares that cannot be handed out open nothing any more. */
static void hand_out(struct call *call, struct slot_change *change, uint32_t replaced)
{
    int r = send_shares(call, change);

    if (r < 0)
        (void)failure_from_errno(&call->failure, r, "handing out the shares");
    if (r != 0)
        tidy(call, change->new_id);
    else if (replaced)
        tidy(call, replaced);
    else
        reply_id(call, change->new_id);
}

static void on_made(void *userdata, const struct failure *failure)
{
    struct call *call = userdata;
    struct slot_change *change = call->extra;
    uint32_t replaced = change->action == SLOT_REPLACE ? call_uint32(call, 0) : 0;

    if (!call_succeeded(call, failure))
        return;
    call_detail(call, replaced ? "slot %u (%s) in the place of slot %u" : "slot %u (%s) added", change->new_id,
                slot_kind_name(change->kind), replaced);
    if (change->kind == SLOT_SHARES)
        hand_out(call, change, replaced);
    else
        reply_id(call, change->new_id);
}

int handle_add_slot(struct call *call)
{
    struct slot_change *change;
    int r = change_new(call, &change);

    if (r != 0)
        return r;
    if (slot_kind_parse(call_string(call, 0), &change->kind) < 0)
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                           "a slot is keyfile, credential, passphrase or shares");
    change->action = SLOT_ADD;
    change->threshold = call_uint32(call, 1);
    r = take_material(call, change);
    return r == 0 ? change_begin(call, change, on_made) : r;
}

/* The change, about a slot that is there. */
static int change_of_slot(struct call *call, struct slot_change **ret_change)
{
    struct slot_info info;
    struct slot_change *change;
    int r = change_new(call, &change);

    if (r == 0)
        r = slot_find(call->service->realm, call_uint32(call, 0), &info, &call->failure);
    if (r != 0)
        return r;
    change->id = info.id;
    change->kind = (enum slot_kind)info.kind;
    *ret_change = change;
    return 0;
}

int handle_replace_slot(struct call *call)
{
    struct slot_change *change;
    int r = change_of_slot(call, &change);

    if (r != 0)
        return r;
    change->action = SLOT_REPLACE;
    change->threshold = call_uint32(call, 1);
    r = take_material(call, change);
    return r == 0 ? change_begin(call, change, on_made) : r;
}

static void on_changed(void *userdata, const struct failure *failure)
{
    struct call *call = userdata;
    const struct slot_change *change = call->extra;
    const char *kind = slot_kind_name(change->kind);

    call_detail(call, change->action == SLOT_TEST ? "slot %u (%s) tested" : "slot %u (%s) removed",
                change->id, kind ? kind : "unknown");
    call_on_done(call, failure);
}

int handle_remove_slot(struct call *call)
{
    struct slot_change *change;
    int r = change_of_slot(call, &change);

    if (r != 0)
        return r;
    change->action = SLOT_REMOVE;
    return change_begin(call, change, on_changed);
}

static int take_shares(struct call *call, struct slot_change *change)
{
    for (size_t i = 0; i < call->descriptors.count; i++) {
        const struct descriptor *item = &call->descriptors.items[i];
        CLEANUP_SHARE struct share share;
        int r = share_parse(item->value, &share);

        if (r == KEYRING_DONE)
            r = share_set_add(&change->shares, &share);
        if (r != KEYRING_DONE)
            return failure_set(&call->failure, ERROR_BAD_SHARE,
                               "descriptor '%s' holds no share, or one that was not made with the "
                               "others; enter one that was",
                               item->name);
    }
    return 0;
}

int handle_test_slot(struct call *call)
{
    struct slot_change *change;
    int r = change_of_slot(call, &change);

    if (r == 0)
        r = accept_for(call, change, 1, share_values);
    if (r != 0)
        return r;
    change->action = SLOT_TEST;
    if (change->kind == SLOT_SHARES)
        r = take_shares(call, change);
    return r == 0 ? change_begin(call, change, on_changed) : r;
}

/* ---- Shares, entered one by one ---- */

static void reply_progress(struct call *call, unsigned entered, unsigned needed)
{
    struct writer writer = call_writer(call);

    writer_uint32(&writer, entered);
    writer_uint32(&writer, needed);
    call_reply(call, writer_take(&writer));
}

static void on_opened(void *userdata, const struct failure *failure)
{
    struct call *call = userdata;
    const unsigned *needed = call->extra;

    call_detail(call, "share %u of %u; slot shares", *needed, *needed);
    if (call_succeeded(call, failure))
        reply_progress(call, *needed, *needed);
}

static int enter_share(struct call *call)
{
    struct share_entry *entry = call->service->share_entry;
    unsigned entered, needed, *kept;
    int r = share_entry_add(entry, descriptors_find(call, "share")->value, &call->failure);

    if (r != 0)
        return r;
    share_entry_progress(entry, &entered, &needed);
    if (entered < needed) {
        call_detail(call, "share %u of %u", entered, needed);
        reply_progress(call, entered, needed);
        return 0;
    }
    call->extra = kept = malloc(sizeof(*kept));
    call->extra_free = free;
    if (!kept)
        return -ENOMEM;
    *kept = needed;
    return share_entry_unseal(entry, on_opened, call, &call->failure);
}

static void on_slots(void *userdata, const struct failure *failure)
{
    struct call *call = userdata;
    int r;

    if (!call_succeeded(call, failure))
        return;
    r = enter_share(call);
    if (r != 0)
        call_fail(call, r);
}

/* Held against the keyring's file as it is now: somebody may have put a good copy in the place of a
 * bad one. */
int handle_enter_share(struct call *call)
{
    static const struct descriptor_rule rules[] = { { "share", DESCRIPTOR_VALUE, true }, { NULL } };
    int r = descriptors_accept(call, 0, rules);

    if (r == 0)
        r = realm_read_slots(call->service->realm, on_slots, call, &call->failure);
    call->acting = r == 0;
    return r;
}

int handle_cancel_shares(struct call *call)
{
    call_detail(call, "shares entered so far are forgotten");
    share_entry_clear(call->service->share_entry);
    call_reply_done(call);
    return 0;
}

/* ---- Properties ---- */

void get_secret_slots(const struct property_source *source, struct writer *writer)
{
    const struct slot_list *list = realm_slots(source->service->realm);

    writer_open(writer, DBUS_TYPE_ARRAY, "(usuu)");
    for (size_t i = 0; i < list->count; i++) {
        const struct slot_info *info = &list->infos[i];
        const char *kind = info->usable ? slot_kind_name((enum slot_kind)info->kind) : NULL;

        writer_open(writer, DBUS_TYPE_STRUCT, NULL);
        writer_uint32(writer, info->id);
        writer_string(writer, kind ? kind : "unknown");
        writer_uint32(writer, info->threshold);
        writer_uint32(writer, info->count);
        writer_close(writer);
    }
    writer_close(writer);
}

void get_unseal_progress(const struct property_source *source, struct writer *writer)
{
    unsigned entered = 0, needed = 0;

    if (realm_state(source->service->realm) == REALM_SEALED)
        share_entry_progress(source->service->share_entry, &entered, &needed);
    writer_open(writer, DBUS_TYPE_STRUCT, NULL);
    writer_uint32(writer, entered);
    writer_uint32(writer, needed);
    writer_close(writer);
}

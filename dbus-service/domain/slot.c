/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/slot.h"

#include "dbus-service/domain/realm_internal.h"

#include <errno.h>

void slot_change_free(struct slot_change *change)
{
    if (!change)
        return;
    secret_free(change->passphrase);
    share_set_wipe(&change->shares);
    free(change);
}

int slot_find(const struct realm *realm, uint32_t id, struct slot_info *ret_info,
              struct failure *failure)
{
    const struct slot_list *list = realm_slots(realm);

    if (list->outcome < 0)
        return list->outcome;
    if (list->outcome != KEYRING_DONE)
        return realm_failure_keyring(failure, realm, (enum keyring_outcome)list->outcome, false);
    for (size_t i = 0; i < list->count; i++)
        if (list->infos[i].id == id) {
            *ret_info = list->infos[i];
            return 0;
        }
    return failure_set(failure, ERROR_SLOT_NOT_FOUND, "the keyring has no slot %u", id);
}

int slot_check_kind(const struct realm *realm, enum slot_kind kind, struct failure *failure)
{
    switch (kind) {
    case SLOT_KEYFILE:
        return realm->options.keyfile_path
                   ? 0
                   : failure_set(failure, ERROR_INVALID_ARGUMENT,
                                 "no key file is configured; set keyfile in mastersecretd.conf(5) "
                                 "and restart the service");
    case SLOT_CREDENTIAL:
        return realm->options.credential_path
                   ? 0
                   : failure_set(failure, ERROR_INVALID_ARGUMENT,
                                 "the service was started without a credential; give the unit "
                                 "LoadCredential= or LoadCredentialEncrypted=mastersecret.slot:FILE and "
                                 "restart it");
    case SLOT_PASSPHRASE:
    case SLOT_SHARES:
        return 0;
    }
    return failure_set(failure, ERROR_INVALID_ARGUMENT, "there is no such kind of slot");
}

void slot_sources(const struct realm *realm, unsigned kind, struct slot_sources *ret_sources)
{
    *ret_sources = (struct slot_sources){0};
    if (kind == 0 || kind == SLOT_KEYFILE)
        ret_sources->keyfile = realm->options.keyfile_path;
    if (kind == 0 || kind == SLOT_CREDENTIAL)
        ret_sources->credential = realm->options.credential_path;
}

static int make(struct slot_change *change, struct keyring *keyring)
{
    int folder_fd = change->realm->options.folder_fd;
    struct slot_request request = {
        .kind = change->kind,
        .threshold = change->threshold,
        .count = change->count,
        .shares = &change->shares,
    };

    slot_sources(change->realm, change->kind, &request.sources);
    request.sources.passphrase = change->passphrase;
    if (change->action == SLOT_REPLACE && change->kind != SLOT_SHARES)
        return keyring_slot_replace(folder_fd, keyring, change->id, &request, &change->new_id);
    return keyring_slot_add(folder_fd, keyring, &request, &change->new_id);
}

static int test(struct slot_change *change, struct keyring *keyring)
{
    struct slot_sources sources;

    slot_sources(change->realm, change->kind, &sources);
    sources.passphrase = change->passphrase;
    if (change->kind == SLOT_SHARES)
        sources.shares = &change->shares;
    return keyring_slot_test(change->realm->options.folder_fd, keyring, change->id, &sources);
}

static int outcome_failure(const struct slot_change *change, int outcome, struct failure *failure)
{
    bool by_passphrase = change->kind == SLOT_PASSPHRASE;

    if (outcome == -EINVAL)
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "2 to %d shares are made, and 2 or more of them open the slot", SHARES_MAX);
    if (outcome <= 0)
        return outcome;
    if (change->kind == SLOT_SHARES && outcome == KEYRING_WRONG_KEY)
        return failure_set(failure, ERROR_BAD_SHARE,
                           "the shares do not open the slot: at least one of them is forged; enter others");
    if (change->kind == SLOT_SHARES && outcome == KEYRING_NO_SLOT)
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "these are too few shares for slot %u; see how many it needs: "
                           "mastersecret secret slot list", change->id);
    return realm_failure_keyring(failure, change->realm, (enum keyring_outcome)outcome, by_passphrase);
}

/* With an older copy of the keyring, what opened the slot that is gone opens the present one too. A fresh
 * root key ends that, where what opens all other slots is at hand; where it is not, all stays. */
static void draw_root_key(const struct slot_change *change, const struct keyring *keyring,
                          struct keyring **ret_keyring)
{
    struct slot_sources sources;

    slot_sources(change->realm, 0, &sources);
    if (change->action == SLOT_REPLACE)
        sources.passphrase = change->passphrase;
    (void)!keyring_rekey(change->realm->options.folder_fd, keyring, &sources, ret_keyring);
}

/* The open keyring's content stays. */
static int run(void *userdata, struct keyring *keyring, struct keyring **ret_keyring,
               struct failure *failure)
{
    struct slot_change *change = userdata;
    int r = 0;

    switch (change->action) {
    case SLOT_ADD:
    case SLOT_REPLACE:
        r = make(change, keyring);
        break;
    case SLOT_REMOVE:
        r = keyring_slot_remove(change->realm->options.folder_fd, keyring, change->id);
        break;
    case SLOT_TEST:
        r = test(change, keyring);
        break;
    }
    if (r == KEYRING_DONE && (change->action == SLOT_REPLACE || change->action == SLOT_REMOVE))
        draw_root_key(change, keyring, ret_keyring);
    return outcome_failure(change, r, failure);
}

int slot_change_begin(struct realm *realm, struct slot_change *change, realm_done done, void *userdata,
                      struct failure *failure)
{
    change->realm = realm;
    return realm_job(realm, run, change, done, userdata, failure);
}

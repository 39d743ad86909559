/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The slots of the realm's keyring: what opens it. Changing them touches no record. */
#ifndef DOMAIN_SLOT_H
#define DOMAIN_SLOT_H

#include "dbus-service/domain/realm.h"
#include "dbus-service/keys/keyring_slot.h"

enum slot_action { SLOT_ADD, SLOT_REPLACE, SLOT_REMOVE, SLOT_TEST };

/* Made with calloc(); the caller's, and left alone until `done`. */
struct slot_change {
    struct realm *realm; /* set by slot_change_begin() */
    enum slot_action action;
    enum slot_kind kind;        /* of the slot concerned */
    uint32_t id;                /* of the slot concerned */
    uint32_t new_id;            /* SLOT_ADD, SLOT_REPLACE: at the end that of the new one */
    struct secret *passphrase;  /* owned */
    unsigned threshold, count;  /* SLOT_SHARES: as many are made, */
    struct share_set shares;    /* and are here at the end; SLOT_TEST: those to try */
};
void slot_change_free(struct slot_change *change);

/* Kind and numbers of a slot, as of realm_slots(). 0, an error code, -errno. */
int slot_find(const struct realm *realm, uint32_t id, struct slot_info *ret_info,
              struct failure *failure) MUST_CHECK;
/* Can the service make or use a slot of that kind? 0 or an error code. */
int slot_check_kind(const struct realm *realm, enum slot_kind kind, struct failure *failure) MUST_CHECK;
/* Where the service finds key material of one kind, or with 0 of all that it finds by itself. */
void slot_sources(const struct realm *realm, unsigned kind, struct slot_sources *ret_sources);

/* A slot of shares is never replaced in place, since nobody has its shares yet: SLOT_REPLACE adds the new one,
 * and the caller removes the old one, or the new one, when they were handed out or could not be. */
int slot_change_begin(struct realm *realm, struct slot_change *change, realm_done done, void *userdata,
                      struct failure *failure) MUST_CHECK;

#endif

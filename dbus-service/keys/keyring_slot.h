/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The keyring's file changed while the keyring is open: its slots, and its content. One change at a
 * time, for the caller to see to; the open keyring stays as it is. Each is durable when it returns,
 * and each write puts a whole file in the place of a whole file, so that whatever cuts it off
 * leaves a keyring that opens. Slots that this version does not know are kept.
 *
 * The file must be the open keyring's: KEYRING_OTHER_REALM, or KEYRING_DAMAGED when its content
 * does not open under the root key; KEYRING_ABSENT, KEYRING_NEWER or -errno when it cannot be
 * read. */
#ifndef KEYS_KEYRING_SLOT_H
#define KEYS_KEYRING_SLOT_H

#include "dbus-service/keys/keyring.h"
#include "dbus-service/keys/shares.h"

#include <limits.h>

struct slot_info {
    uint32_t id;
    unsigned kind; /* enum slot_kind, or one of a newer version: slot_kind_name() gives NULL */
    bool usable;   /* not ill-formed, and of a kind that is known */
    unsigned threshold, count; /* SLOT_SHARES; else 0 */
};

/* Which slots the file has: readable without any key, in the file's order. */
struct slot_list {
    int outcome; /* of reading it; without KEYRING_DONE there is nothing else */
    uint8_t realm[REALM_ID_SIZE];
    size_t count;
    struct slot_info infos[SLOTS_MAX];
};
/* Outcome KEYRING_DONE, _ABSENT, _DAMAGED, _NEWER, -errno. */
void keyring_slot_list(int folder_fd, struct slot_list *ret_list);
/* Kinds of those that are usable, as a bit mask of 1 << enum slot_kind. */
unsigned slot_list_kinds(const struct slot_list *list);
/* Is it a share of one of them? Needs no key. KEYRING_DONE, KEYRING_OTHER_REALM,
 * KEYRING_SHARES_DIFFER, and the list's outcome. */
int slot_list_check_share(const struct slot_list *list, const struct share *share) MUST_CHECK;

struct slot_request {
    enum slot_kind kind;
    struct slot_sources sources; /* its key material; nothing for SLOT_SHARES */
    unsigned threshold, count;   /* SLOT_SHARES: that many are made */
    struct share_set *shares;    /* SLOT_SHARES: and put there; the caller wipes them */
};

/* SLOW for a passphrase. The new slot is opened once before it is written. Its id is one above the
 * highest in the file. KEYRING_DONE, KEYRING_FULL, KEYRING_NO_SLOT (its key material is not there),
 * KEYRING_BAD_SOURCE, KEYRING_PASSPHRASE_LENGTH, -EINVAL (threshold and count), and the above. */
int keyring_slot_add(int folder_fd, const struct keyring *keyring,
                     const struct slot_request *request, uint32_t *ret_id) MUST_CHECK;

/* SLOW for a passphrase. A slot of the same kind in the place of `id`: with the passphrase or
 * the credential given now, with new shares, or with a new key file in the place of the present
 * one; then all other slots for the key file go, which no longer open. At each moment the old
 * slot opens or the new one does. KEYRING_SLOT_NOT_FOUND, -EINVAL (another kind), and as
 * keyring_slot_add(). */
int keyring_slot_replace(int folder_fd, const struct keyring *keyring, uint32_t id,
                         const struct slot_request *request, uint32_t *ret_id) MUST_CHECK;

/* KEYRING_DONE, KEYRING_SLOT_NOT_FOUND, KEYRING_LAST_SLOT (no other is usable), and the above. */
int keyring_slot_remove(int folder_fd, const struct keyring *keyring, uint32_t id) MUST_CHECK;

/* SLOW for a passphrase. Does what is there now open the slot? KEYRING_DONE,
 * KEYRING_SLOT_NOT_FOUND, KEYRING_NO_SLOT (its key material is not there), KEYRING_WRONG_KEY,
 * KEYRING_BAD_SOURCE, KEYRING_SHARES_DIFFER, KEYRING_DAMAGED (the slot, or what it wraps is
 * another key), KEYRING_NEWER, and the above. */
int keyring_slot_test(int folder_fd, const struct keyring *keyring, uint32_t id,
                      const struct slot_sources *sources) MUST_CHECK;

/* The content anew, under the same root key; the slots stay. KEYRING_DONE and the above. */
int keyring_store(int folder_fd, const struct keyring *keyring) MUST_CHECK;

/* SLOW for a passphrase. A fresh root key: each slot is wrapped anew and the content sealed
 * under it, in one write. It shuts out whoever has an older copy of the file and what opened a
 * slot that is in it no longer. That takes the key material of every slot: when one does not
 * open with it, nothing is changed and the outcome is as of keyring_slot_test(). *ret_keyring: a
 * copy that has the new root key, to take the place of the open one. */
int keyring_rekey(int folder_fd, const struct keyring *keyring, const struct slot_sources *sources,
                  struct keyring **ret_keyring) MUST_CHECK;

/* For a restore. The file gets a second name, durably, which no later change of the keyring
 * touches: KEYRING_ASIDE and the time. KEYRING_DONE, KEYRING_ABSENT, -errno. */
#define KEYRING_ASIDE "keyring.aside-"
int keyring_keep_aside(int folder_fd, char ret_name[NAME_MAX + 1]) MUST_CHECK;

/* For a restore where no keyring is open. SLOW for a passphrase. A keyring that was made of a
 * backup gets a fresh root key and one slot, 1, and takes the place of the file that may be
 * there, whoever's it is. A key file that is there serves. KEYRING_DONE and as
 * keyring_slot_add(). */
int keyring_install(int folder_fd, struct keyring *keyring,
                    const struct slot_request *request) MUST_CHECK;

#endif

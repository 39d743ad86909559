/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* An open keyring is never changed, since workers read it: a change makes a copy, which
 * keyring_store() puts on the disk and the caller then swaps in. */
#ifndef KEYS_KEYRING_CHANGE_H
#define KEYS_KEYRING_CHANGE_H

#include "dbus-service/keys/keyring.h"

/* What to change, in this order; zero and NULL: nothing. */
struct keyring_change {
    bool add_generation; /* a fresh one, numbered one above the highest, not active yet */
    uint32_t activate;   /* a number above the active one's */
    uint32_t retire;     /* a number below the active one's */
    uint32_t remove;     /* a retired one: its key is gone for good */
    const char *remove_recipient;
    const struct recipient *add_recipient; /* added_usec is set here */
    const struct rotation_state *rotation;
    const struct backup_info *backup;
    bool raise_epoch;
};

/* A copy, changed, under the same root key. KEYRING_DONE, KEYRING_RECIPIENT_EXISTS,
 * KEYRING_RECIPIENT_NOT_FOUND, KEYRING_FULL; -EINVAL: it would not be a valid keyring (a generation
 * that is not there or not in the state named above, a name or public key that is none); -errno. */
int keyring_change(const struct keyring *keyring, const struct keyring_change *change,
                   struct keyring **ret_keyring) MUST_CHECK;

/* For a restore over a keyring that still opens: the generations of both, the higher of the active
 * ones active, the epoch above both; everything else, the root key too, is `present`'s. Where both
 * have a number, id and key must be the same; but one that was never activated in one of them, so
 * that nothing is sealed under it, gives way. Retired is what both, or the only one that has it,
 * retired: the others stay readable, and a rotation goes on by itself.
 * KEYRING_DONE, KEYRING_OTHER_REALM, KEYRING_KEYS_DIFFER, KEYRING_FULL, -errno. */
int keyring_merge(const struct keyring *present, const struct keyring *backup,
                  struct keyring **ret_keyring) MUST_CHECK;

#endif

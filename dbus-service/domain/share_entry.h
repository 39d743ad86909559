/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Shares of a slot, entered one by one, in any order, by different people, until there are enough to open
 * the keyring. Each is forgotten after a time; all are when the keyring opens, or one is a forgery. */
#ifndef DOMAIN_SHARE_ENTRY_H
#define DOMAIN_SHARE_ENTRY_H

#include "dbus-service/domain/realm.h"

#define SHARE_LIFETIME_MS (10 * 60 * 1000)

struct share_entry;

/* 0 or -errno. The realm is borrowed; it is closed before the entry is freed. */
int share_entry_new(struct realm *realm, uv_loop_t *loop, uint64_t lifetime_ms,
                    struct share_entry **ret_entry) MUST_CHECK;
void share_entry_free(struct share_entry *entry);

/* Takes the share (text) while sealed, if it is of one of realm_slots(). 0, an error code,
 * -errno. */
int share_entry_add(struct share_entry *entry, const struct secret *text,
                    struct failure *failure) MUST_CHECK;
/* How many are there, and how many it takes: with none there, of the first slot of shares in the keyring,
 * or 0 without such a slot. */
void share_entry_progress(const struct share_entry *entry, unsigned *ret_entered,
                          unsigned *ret_needed);
/* With as many as it takes: opens the keyring, as realm_unseal(). */
int share_entry_unseal(struct share_entry *entry, realm_done done, void *userdata,
                       struct failure *failure) MUST_CHECK;
/* Forgets all; those that are opening the keyring right now when that has ended. */
void share_entry_clear(struct share_entry *entry);

#endif

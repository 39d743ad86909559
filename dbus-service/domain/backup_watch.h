/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Warns of a backup that is due: when the keyring is opened first, and then once a day. */
#ifndef DOMAIN_BACKUP_WATCH_H
#define DOMAIN_BACKUP_WATCH_H

#include "dbus-service/domain/backup.h"

#define BACKUP_WATCH_MS (24 * 60 * 60 * 1000)

struct backup_watch;

/* 0 or -errno. The realm is borrowed; it is closed before the watch is freed. */
int backup_watch_new(struct realm *realm, uv_loop_t *loop, uint64_t interval_ms,
                     struct backup_watch **ret_watch) MUST_CHECK;
void backup_watch_free(struct backup_watch *watch);
/* 0: no age is too old. */
void backup_watch_set(struct backup_watch *watch, uint64_t max_age_usec);
/* The keyring is open. */
void backup_watch_begin(struct backup_watch *watch);
/* Why one is due, as far as is known; NULL: none is, or the keyring is not open. */
const char *backup_watch_due(const struct backup_watch *watch);

#endif

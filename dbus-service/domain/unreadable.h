/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Records that do not open: how many, and the first ones by name. */
#ifndef DOMAIN_UNREADABLE_H
#define DOMAIN_UNREADABLE_H

#include "dbus-service/domain/application.h"
#include "dbus-service/keys/record.h"

#define UNREADABLE_MAX 100
#define UNREADABLE_LINE_MAX 800

struct unreadable {
    struct record_key key;
    enum record_outcome reason;
};

struct unreadable_list {
    uint64_t count; /* all of them, also those that are not in `first` */
    struct unreadable first[UNREADABLE_MAX];
};

/* On any thread. `reason` is neither RECORD_OPENED nor RECORD_IS_TOMBSTONE. */
void unreadable_add(struct unreadable_list *list, const struct record_key *key, int reason);
/* On the loop: application and account, and why. NULL behind the last that is named. */
const char *unreadable_line(const struct unreadable_list *list, size_t index,
                            const struct application_set *applications,
                            char line[UNREADABLE_LINE_MAX]);

#endif

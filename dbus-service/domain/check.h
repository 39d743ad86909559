/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What the service finds when it examines itself: slots, backup, and the records against their
 * counters. */
#ifndef DOMAIN_CHECK_H
#define DOMAIN_CHECK_H

#include "dbus-service/domain/backup.h"
#include "dbus-service/domain/unreadable.h"

#define CHECK_FINDINGS_MAX 128

struct finding {
    const char *severity; /* "error", "warning", "note" */
    char text[UNREADABLE_LINE_MAX];
    char remedy[240]; /* the command, where there is one: "run: COMMAND" */
};

/* Made with calloc(); the caller's, and left alone until `done`. */
struct check {
    struct realm *realm;   /* set by check_begin() */
    const struct application_set *applications; /* borrowed: their names */
    bool deep;             /* every record is opened, not a sample */
    uint64_t max_age_usec; /* of a backup; 0: none is too old */
    uint64_t revision;     /* of the newest change when it began */
    size_t count;
    struct finding findings[CHECK_FINDINGS_MAX];
    /* While it goes on. */
    struct restore *found;
    struct backup_info backup;    /* the last one, and */
    enum backup_file backup_file; /* what became of it in the directory */
    realm_done done;
    void *userdata;
};
void check_free(struct check *check);

int check_begin(struct realm *realm, struct check *check, realm_done done, void *userdata,
                struct failure *failure) MUST_CHECK;

#endif

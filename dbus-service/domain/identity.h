/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Who a caller is towards the realm and its applications: kernel's uid and groups, held against the
 * name service, give the roles that access.h decides on. Everything here may answer
 * IDENTITY_PENDING (see account.h). */
#ifndef DOMAIN_IDENTITY_H
#define DOMAIN_IDENTITY_H

#include "dbus-service/domain/access.h"
#include "dbus-service/domain/account.h"
#include "dbus-service/domain/mapping.h"

struct caller {
    uid_t uid;
    pid_t pid;         /* for the audit only; 0 = unknown */
    const gid_t *gids; /* the kernel's: all groups, the primary one included */
    size_t gids_count;
};

enum identity_outcome {
    IDENTITY_DONE = 0,
    IDENTITY_PENDING,     /* waiter will be called: begin anew */
    IDENTITY_UNAVAILABLE, /* name service: refuse with NAME_SERVICE_UNAVAILABLE */
};

struct identity {
    struct account_cache *accounts;
    const struct name_list *administrators;           /* of the configuration */
    const struct name_list *affiliate_administrators; /* the same */
};

/* Roles in general and, if application is not NULL, towards it. root is an administrator and, unless
 * agents_none, an agent. A uid that the name service does not know has ROLE_ANYBODY (and root's). */
int identity_roles(const struct identity *identity, const struct caller *caller,
                   const struct application *application, const struct account_waiter *waiter,
                   unsigned *ret_roles) MUST_CHECK;
/* The caller's user name; "" for a uid without one. Borrowed until control returns to the loop. */
int identity_name(const struct identity *identity, const struct caller *caller,
                  const struct account_waiter *waiter, const char **ret_name) MUST_CHECK;

/* Which mapping serves `user` (NULL = the caller) in this application: the user's own (individual), or the
 * first entry of users he belongs to that has a mapping (group). *ret_entitled false when he is not among
 * the users. *ret_account only when a mapping exists or the application is individual. */
struct identity_target {
    bool own;      /* the user asked for is the caller */
    bool known;    /* the name service knows him */
    bool entitled; /* among the application's users */
    bool found;    /* account is set */
    struct account_name account;
    char user[NAME_MAX_BYTES + 1];
};
int identity_target(const struct identity *identity, struct realm *realm,
                    const struct caller *caller, const struct application *application,
                    const char *user, const struct account_waiter *waiter,
                    struct identity_target *ret_target) MUST_CHECK;

/* Checks that each name in a list is known. ret_unknown: index of the first unknown, or count. */
int identity_names_known(const struct identity *identity, const struct name_list *names,
                         const struct account_waiter *waiter, size_t *ret_unknown) MUST_CHECK;
/* The same for a draft's users, admins and agents ("none" is no account). ret_unknown: the first unknown
 * entry, borrowed from the draft, or NULL. */
int identity_draft_known(const struct identity *identity, const struct application_draft *draft,
                         const struct account_waiter *waiter,
                         const char **ret_unknown) MUST_CHECK;

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/identity.h"

#include <errno.h>
#include <string.h>

#define USER_PREFIX "user:"

/* Whose membership is looked at. */
struct person {
    const struct account *account; /* NULL: the name service does not know him */
    const struct caller *caller;   /* if he is the caller: the kernel must agree */
};

/* Several questions, asked all before anybody waits, so that their answers come together. */
struct inquiry {
    const struct identity *identity;
    const struct account_waiter *waiter;
    bool pending;
    bool unavailable;
};

static int inquiry_outcome(const struct inquiry *inquiry)
{
    if (inquiry->pending)
        return IDENTITY_PENDING;
    return inquiry->unavailable ? IDENTITY_UNAVAILABLE : IDENTITY_DONE;
}

/* True when found; what is open is noted. */
static bool inquiry_note(struct inquiry *inquiry, int outcome)
{
    switch ((enum account_outcome)outcome) {
    case ACCOUNT_FOUND:
        return true;
    case ACCOUNT_UNKNOWN:
        return false;
    case ACCOUNT_PENDING:
        inquiry->pending = true;
        return false;
    case ACCOUNT_UNAVAILABLE:
        break;
    }
    inquiry->unavailable = true;
    return false;
}

static bool gids_have(const gid_t *gids, size_t count, gid_t gid)
{
    for (size_t i = 0; i < count; i++)
        if (gids[i] == gid)
            return true;
    return false;
}

static bool person_is_in_group(struct inquiry *inquiry, const struct person *person,
                               const char *group)
{
    gid_t gid;
    int r = account_group(inquiry->identity->accounts, group, inquiry->waiter, &gid);

    if (!inquiry_note(inquiry, r) || !person->account)
        return false;
    if (person->caller && !gids_have(person->caller->gids, person->caller->gids_count, gid))
        return false;
    return gids_have(person->account->gids, person->account->gids_count, gid);
}

static const char *entry_user(const char *entry)
{
    size_t prefix = strlen(USER_PREFIX);

    return strncmp(entry, USER_PREFIX, prefix) == 0 ? entry + prefix : NULL;
}

static bool person_matches(struct inquiry *inquiry, const struct person *person, const char *entry)
{
    const char *user = entry_user(entry);

    if (!user)
        return person_is_in_group(inquiry, person, entry);
    return person->account && strcmp(person->account->name, user) == 0;
}

/* Goes through the whole list even when it must wait, so that every question is asked. */
static bool person_is_listed(struct inquiry *inquiry, const struct person *person,
                             const struct name_list *list)
{
    for (size_t i = 0; list && i < list->count; i++)
        if (person_matches(inquiry, person, list->names[i]))
            return true;
    return false;
}

static void inquire_caller(struct inquiry *inquiry, const struct caller *caller,
                           struct person *ret_person)
{
    const struct account *account = NULL;

    ret_person->caller = caller;
    ret_person->account = NULL;
    if (inquiry_note(inquiry, account_by_uid(inquiry->identity->accounts, caller->uid,
                                             inquiry->waiter, &account)))
        ret_person->account = account;
}

static unsigned roles_of_application(struct inquiry *inquiry, const struct person *person,
                                     const struct application *application)
{
    unsigned roles = 0;

    if (person_is_listed(inquiry, person, &application->users))
        roles |= ROLE_APPLICATION_USER;
    if (person_is_listed(inquiry, person, &application->admins))
        roles |= ROLE_APPLICATION_ADMINISTRATOR;
    if (!application->agents_none && person_is_listed(inquiry, person, &application->agents))
        roles |= ROLE_AGENT;
    return roles;
}

int identity_roles(const struct identity *identity, const struct caller *caller,
                   const struct application *application, const struct account_waiter *waiter,
                   unsigned *ret_roles)
{
    struct inquiry inquiry = {.identity = identity, .waiter = waiter};
    unsigned roles = ROLE_ANYBODY;
    struct person person;
    int r;

    if (caller->uid == 0) {
        roles |= ROLE_ADMINISTRATOR;
        if (application && !application->agents_none)
            roles |= ROLE_AGENT;
        /* Nothing more to gain, and root must get in while the name service hangs. */
        if (!application || !application->agents_none) {
            *ret_roles = roles;
            return IDENTITY_DONE;
        }
    }
    inquire_caller(&inquiry, caller, &person);
    if (person_is_listed(&inquiry, &person, identity->administrators))
        roles |= ROLE_ADMINISTRATOR;
    if (person_is_listed(&inquiry, &person, identity->affiliate_administrators))
        roles |= ROLE_AFFILIATE_ADMINISTRATOR;
    if (application)
        roles |= roles_of_application(&inquiry, &person, application);
    r = inquiry_outcome(&inquiry);
    if (r == IDENTITY_UNAVAILABLE && caller->uid == 0)
        r = IDENTITY_DONE;
    if (r == IDENTITY_DONE)
        *ret_roles = roles;
    return r;
}

int identity_name(const struct identity *identity, const struct caller *caller,
                  const struct account_waiter *waiter, const char **ret_name)
{
    struct inquiry inquiry = {.identity = identity, .waiter = waiter};
    struct person person;
    int r;

    inquire_caller(&inquiry, caller, &person);
    r = inquiry_outcome(&inquiry);
    if (r == IDENTITY_DONE)
        *ret_name = person.account && name_is_valid(person.account->name) ? person.account->name
                                                                          : "";
    return r;
}

/* ---- Targets ---- */

/* Another user counts by the name service alone: he has no process here. */
static void inquire_user(struct inquiry *inquiry, const struct caller *caller, const char *user,
                         struct person *ret_person)
{
    const struct account *account = NULL;

    *ret_person = (struct person){0};
    if (!inquiry_note(inquiry, account_by_name(inquiry->identity->accounts, user, inquiry->waiter,
                                               &account)))
        return;
    ret_person->account = account;
    if (account->uid == caller->uid)
        ret_person->caller = caller;
}

static void entry_account(const char *entry, struct account_name *ret_account)
{
    const char *user = entry_user(entry);

    ret_account->kind = user ? ACCOUNT_USER : ACCOUNT_GROUP;
    snprintf(ret_account->name, sizeof(ret_account->name), "%s", user ? user : entry);
}

/* The first entry that he belongs to and that has a mapping. 0 or -errno. */
static int target_in_group(struct inquiry *inquiry, struct realm *realm,
                           const struct application *application, const struct person *person,
                           struct identity_target *target)
{
    for (size_t i = 0; i < application->users.count; i++) {
        struct account_name account;
        int r;

        if (!person_matches(inquiry, person, application->users.names[i]))
            continue;
        target->entitled = true;
        entry_account(application->users.names[i], &account);
        r = mapping_exists(realm, application, &account);
        if (r < 0)
            return r;
        if (r > 0 && !target->found) {
            target->found = true;
            target->account = account;
        }
    }
    return 0;
}

static int target_fill(struct inquiry *inquiry, struct realm *realm,
                       const struct application *application, const struct person *person,
                       struct identity_target *target)
{
    target->own = person->caller != NULL;
    target->known = person->account && name_is_valid(person->account->name);
    if (!target->known)
        return 0;
    snprintf(target->user, sizeof(target->user), "%s", person->account->name);
    if (application->type == APPLICATION_GROUP)
        return target_in_group(inquiry, realm, application, person, target);
    target->entitled = person_is_listed(inquiry, person, &application->users);
    target->found = true;
    target->account.kind = ACCOUNT_USER;
    memcpy(target->account.name, target->user, sizeof(target->user));
    return 0;
}

int identity_target(const struct identity *identity, struct realm *realm,
                    const struct caller *caller, const struct application *application,
                    const char *user, const struct account_waiter *waiter,
                    struct identity_target *ret_target)
{
    struct inquiry inquiry = {.identity = identity, .waiter = waiter};
    struct identity_target target = {0};
    struct person person;
    int r;

    if (user && *user)
        inquire_user(&inquiry, caller, user, &person);
    else
        inquire_caller(&inquiry, caller, &person);
    r = target_fill(&inquiry, realm, application, &person, &target);
    if (r < 0)
        return r;
    r = inquiry_outcome(&inquiry);
    /* Entitled already: what is not known cannot take that away, but it could name the mapping. */
    if (r == IDENTITY_UNAVAILABLE && target.entitled && target.found &&
        application->type == APPLICATION_INDIVIDUAL)
        r = IDENTITY_DONE;
    if (r == IDENTITY_DONE)
        *ret_target = target;
    return r;
}

/* ---- Names ---- */

static bool entry_is_known(struct inquiry *inquiry, const char *entry)
{
    const char *user = entry_user(entry);
    const struct account *account;
    gid_t gid;

    if (user)
        return inquiry_note(inquiry, account_by_name(inquiry->identity->accounts, user,
                                                     inquiry->waiter, &account));
    return inquiry_note(inquiry,
                        account_group(inquiry->identity->accounts, entry, inquiry->waiter, &gid));
}

static size_t first_unknown(struct inquiry *inquiry, const struct name_list *names)
{
    size_t unknown = names->count;

    for (size_t i = 0; i < names->count; i++)
        if (!entry_is_known(inquiry, names->names[i]) && unknown == names->count)
            unknown = i;
    return unknown;
}

int identity_names_known(const struct identity *identity, const struct name_list *names,
                         const struct account_waiter *waiter, size_t *ret_unknown)
{
    struct inquiry inquiry = {.identity = identity, .waiter = waiter};
    size_t unknown = first_unknown(&inquiry, names);
    int r = inquiry_outcome(&inquiry);

    if (r == IDENTITY_DONE)
        *ret_unknown = unknown;
    return r;
}

int identity_draft_known(const struct identity *identity, const struct application_draft *draft,
                         const struct account_waiter *waiter, const char **ret_unknown)
{
    const struct name_list *lists[] = {draft->users, draft->admins, draft->agents};
    struct inquiry inquiry = {.identity = identity, .waiter = waiter};
    const char *unknown = NULL;
    int r;

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const struct name_list *list = lists[i];
        size_t index;

        if (!list ||
            (list == draft->agents && list->count == 1 && strcmp(list->names[0], "none") == 0))
            continue;
        index = first_unknown(&inquiry, list);
        if (index < list->count && !unknown)
            unknown = list->names[index];
    }
    r = inquiry_outcome(&inquiry);
    if (r == IDENTITY_DONE)
        *ret_unknown = unknown;
    return r;
}

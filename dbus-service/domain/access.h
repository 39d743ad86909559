/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The one place that decides who may do what. Pure: no call out of here can wait or fail, so the whole table
 * of role x operation is tested. An operation without a rule is refused. */
#ifndef DOMAIN_ACCESS_H
#define DOMAIN_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

/* What somebody may be, in general and towards one application. */
enum role {
    ROLE_ANYBODY = 1 << 0,
    ROLE_APPLICATION_USER = 1 << 1,          /* of this application */
    ROLE_AGENT = 1 << 2,                     /* of this application */
    ROLE_APPLICATION_ADMINISTRATOR = 1 << 3, /* of this application */
    ROLE_AFFILIATE_ADMINISTRATOR = 1 << 4,
    ROLE_ADMINISTRATOR = 1 << 5,
    ROLE_ANY_APPLICATION_ADMINISTRATOR = 1 << 6, /* of at least one: only for lists */
};

enum operation {
    OPERATION_NONE = 0, /* no rule: always refused */
    OPERATION_READ_STATE,
    OPERATION_READ_STATUS,
    OPERATION_MANAGE_SERVICE,
    OPERATION_MANAGE_SECRET,
    OPERATION_LIST_APPLICATIONS,
    OPERATION_CREATE_APPLICATION,
    OPERATION_DELETE_APPLICATION,
    OPERATION_READ_APPLICATION, /* name, type, description, fields, enabled: users and agents too */
    OPERATION_READ_DEFINITION,  /* everything else of it: contact, users, admins, agents, numbers */
    OPERATION_UPDATE_APPLICATION,        /* description, contact, users, fields, enable, disable */
    OPERATION_UPDATE_APPLICATION_ADMINS, /* admins, agents */
    OPERATION_LIST_MAPPINGS,
    OPERATION_LIST_OWN_MAPPINGS,
    OPERATION_SHOW_MAPPING,
    OPERATION_CHANGE_MAPPING, /* set, enable, disable, delete */
    OPERATION_LOOKUP,
    OPERATION_VERIFY,
    OPERATION_COUNT_,
};

struct access_request {
    enum operation operation;
    unsigned roles;        /* of the caller, bits of enum role */
    bool own;              /* the mapping concerned is the caller's own user mapping */
    bool individual;       /* the application is of type individual */
    bool mapping_disabled_by_administrator;
    bool enabling;         /* CHANGE_MAPPING: would enable it, or delete it (made anew, it is enabled) */
};

enum access_verdict { ACCESS_DENIED = 0, ACCESS_ALLOWED };

enum access_verdict access_decide(const struct access_request *request);
/* The roles that would do, as text for an error: "administrator or affiliate administrator". */
const char *access_needs(enum operation operation);
/* The polkit action that may stand in for the role, or NULL: never for LOOKUP and VERIFY. */
const char *access_polkit_action(enum operation operation);

#endif

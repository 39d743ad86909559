/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/access.h"

#define POLKIT_PREFIX "org.mastersecret1."

/* Where somebody without an administrative role gets in. */
enum own_rule {
    OWN_NEVER = 0,
    OWN_USER,       /* for himself */
    OWN_INDIVIDUAL, /* for himself, in an individual application */
};

struct rule {
    unsigned roles; /* any of these suffices */
    enum own_rule own;
    const char *needs;
    const char *polkit;
};

#define REALM_ROLES (ROLE_ADMINISTRATOR | ROLE_AFFILIATE_ADMINISTRATOR)
#define APPLICATION_ROLES (REALM_ROLES | ROLE_APPLICATION_ADMINISTRATOR)

#define NEEDS_REALM "administrator or affiliate administrator"
#define NEEDS_APPLICATION                                                                          \
    "administrator, affiliate administrator or administrator of the application"

#define NEEDS_USE "the application's user, for himself, or agent of the application"

/* LOOKUP and VERIFY name no administrator: a higher role never reads another's masked values. */
static const struct rule rules[OPERATION_COUNT_] = {
    [OPERATION_READ_STATE] = {.roles = ROLE_ANYBODY, .needs = "anybody"},
    [OPERATION_READ_STATUS] =
        {.roles = REALM_ROLES, .needs = NEEDS_REALM, .polkit = POLKIT_PREFIX "manage-service"},
    [OPERATION_MANAGE_SERVICE] = {.roles = ROLE_ADMINISTRATOR,
                                  .needs = "administrator",
                                  .polkit = POLKIT_PREFIX "manage-service"},
    [OPERATION_MANAGE_SECRET] = {.roles = ROLE_ADMINISTRATOR,
                                 .needs = "administrator",
                                 .polkit = POLKIT_PREFIX "manage-secret"},
    [OPERATION_LIST_APPLICATIONS] = {.roles = ROLE_ANYBODY, .needs = "anybody"},
    [OPERATION_CREATE_APPLICATION] = {.roles = REALM_ROLES,
                                      .needs = NEEDS_REALM,
                                      .polkit = POLKIT_PREFIX "manage-applications"},
    [OPERATION_DELETE_APPLICATION] = {.roles = REALM_ROLES,
                                      .needs = NEEDS_REALM,
                                      .polkit = POLKIT_PREFIX "manage-applications"},
    [OPERATION_READ_APPLICATION] =
        {.roles = APPLICATION_ROLES | ROLE_APPLICATION_USER | ROLE_AGENT,
         .needs = NEEDS_APPLICATION ", or one of its users or agents",
         .polkit = POLKIT_PREFIX "manage-applications"},
    [OPERATION_READ_DEFINITION] = {.roles = APPLICATION_ROLES,
                                   .needs = NEEDS_APPLICATION,
                                   .polkit = POLKIT_PREFIX "manage-applications"},
    [OPERATION_UPDATE_APPLICATION] = {.roles = APPLICATION_ROLES,
                                      .needs = NEEDS_APPLICATION,
                                      .polkit = POLKIT_PREFIX "manage-applications"},
    [OPERATION_UPDATE_APPLICATION_ADMINS] = {.roles = REALM_ROLES,
                                             .needs = NEEDS_REALM,
                                             .polkit = POLKIT_PREFIX "manage-applications"},
    [OPERATION_LIST_MAPPINGS] = {.roles = APPLICATION_ROLES,
                                 .needs = NEEDS_APPLICATION,
                                 .polkit = POLKIT_PREFIX "manage-mappings"},
    [OPERATION_LIST_OWN_MAPPINGS] = {.roles = ROLE_ANYBODY, .needs = "anybody"},
    [OPERATION_SHOW_MAPPING] = {.roles = APPLICATION_ROLES,
                                .own = OWN_INDIVIDUAL,
                                .needs = NEEDS_APPLICATION
                                ", or the mapped user in an individual application",
                                .polkit = POLKIT_PREFIX "manage-mappings"},
    [OPERATION_CHANGE_MAPPING] = {.roles = APPLICATION_ROLES,
                                  .own = OWN_INDIVIDUAL,
                                  .needs = NEEDS_APPLICATION
                                  ", or the mapped user in an individual application",
                                  .polkit = POLKIT_PREFIX "manage-mappings"},
    [OPERATION_LOOKUP] = {.roles = ROLE_AGENT,
                          .own = OWN_USER,
                          .needs = NEEDS_USE},
    [OPERATION_VERIFY] = {.roles = ROLE_AGENT,
                          .own = OWN_USER,
                          .needs = NEEDS_USE},
};

static const struct rule *rule_find(enum operation operation)
{
    if (operation <= OPERATION_NONE || operation >= OPERATION_COUNT_)
        return NULL;
    return rules[operation].roles ? &rules[operation] : NULL;
}

static enum access_verdict decide_own(const struct rule *rule, const struct access_request *request)
{
    if (rule->own == OWN_NEVER || !request->own || !(request->roles & ROLE_APPLICATION_USER))
        return ACCESS_DENIED;
    if (rule->own == OWN_INDIVIDUAL && !request->individual)
        return ACCESS_DENIED;
    if (request->enabling && request->mapping_disabled_by_administrator)
        return ACCESS_DENIED;
    return ACCESS_ALLOWED;
}

enum access_verdict access_decide(const struct access_request *request)
{
    const struct rule *rule = rule_find(request->operation);

    if (!rule)
        return ACCESS_DENIED;
    if (request->roles & rule->roles)
        return ACCESS_ALLOWED;
    return decide_own(rule, request);
}

const char *access_needs(enum operation operation)
{
    const struct rule *rule = rule_find(operation);

    return rule ? rule->needs : "nobody";
}

const char *access_polkit_action(enum operation operation)
{
    const struct rule *rule = rule_find(operation);

    return rule ? rule->polkit : NULL;
}

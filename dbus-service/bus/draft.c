/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/draft.h"

#include "dbus-service/bus/options.h"

#include <string.h>

enum list { LIST_USERS, LIST_ADMINS, LIST_AGENTS };

static int take_text(struct call *call, DBusMessageIter *value, const char **ret_text)
{
    const char *text;

    dbus_message_iter_get_basic(value, &text);
    if (strlen(text) > TEXT_MAX_BYTES)
        return failure_set(&call->failure, ERROR_TOO_LARGE,
                           "description and contact have at most %d bytes", TEXT_MAX_BYTES);
    *ret_text = text;
    return 0;
}

static int take_description(struct call *call, DBusMessageIter *value, void *into)
{
    struct draft *draft = into;

    return take_text(call, value, &draft->wanted.description);
}

static int take_contact(struct call *call, DBusMessageIter *value, void *into)
{
    struct draft *draft = into;

    return take_text(call, value, &draft->wanted.contact);
}

static int take_names(struct call *call, DBusMessageIter *value, char **names,
                      struct name_list *list)
{
    DBusMessageIter entries;

    *list = (struct name_list){ .names = names };
    dbus_message_iter_recurse(value, &entries);
    while (dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_STRING) {
        if (list->count == LIST_NAMES_MAX)
            return failure_set(&call->failure, ERROR_TOO_LARGE, "a list has at most %d names",
                               LIST_NAMES_MAX);
        dbus_message_iter_get_basic(&entries, &names[list->count]);
        if (!name_is_valid(names[list->count]))
            return failure_set(&call->failure, ERROR_INVALID_ARGUMENT, "a name in a list is not valid");
        list->count++;
        dbus_message_iter_next(&entries);
    }
    return 0;
}

static int take_users(struct call *call, DBusMessageIter *value, void *into)
{
    struct draft *draft = into;

    draft->wanted.users = &draft->users;
    return take_names(call, value, draft->names[LIST_USERS], &draft->users);
}

static int take_admins(struct call *call, DBusMessageIter *value, void *into)
{
    struct draft *draft = into;

    draft->wanted.admins = &draft->admins;
    return take_names(call, value, draft->names[LIST_ADMINS], &draft->admins);
}

static int take_agents(struct call *call, DBusMessageIter *value, void *into)
{
    struct draft *draft = into;

    draft->wanted.agents = &draft->agents;
    return take_names(call, value, draft->names[LIST_AGENTS], &draft->agents);
}

static int take_field(struct call *call, DBusMessageIter *entry, struct field *field)
{
    DBusMessageIter members;
    dbus_bool_t masked;

    dbus_message_iter_recurse(entry, &members);
    dbus_message_iter_get_basic(&members, &field->label);
    dbus_message_iter_next(&members);
    dbus_message_iter_get_basic(&members, &masked);
    field->masked = masked;
    if (!name_is_valid(field->label))
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT, "a field's label is not valid");
    return 0;
}

static int take_fields(struct call *call, DBusMessageIter *value, void *into)
{
    struct draft *draft = into;
    DBusMessageIter entries;
    int r = 0;

    draft->wanted.fields = draft->fields;
    dbus_message_iter_recurse(value, &entries);
    while (r == 0 && dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_STRUCT) {
        if (draft->wanted.fields_count == FIELDS_MAX)
            return failure_set(&call->failure, ERROR_TOO_LARGE,
                               "an application has at most %d fields", FIELDS_MAX);
        r = take_field(call, &entries, &draft->fields[draft->wanted.fields_count++]);
        dbus_message_iter_next(&entries);
    }
    return r;
}

static int take_enabled(struct call *call, DBusMessageIter *value, void *into)
{
    struct draft *draft = into;
    dbus_bool_t enabled;

    dbus_message_iter_get_basic(value, &enabled);
    draft->enabled = enabled;
    draft->wanted.enabled = &draft->enabled;
    return 0;
}

static const struct option_rule create_rules[] = {
    { "fields", "a(sb)", take_fields },
    { "enabled", "b", take_enabled },
    { "description", "s", take_description },
    { "contact", "s", take_contact },
    { "users", "as", take_users },
    { "admins", "as", take_admins },
    { "agents", "as", take_agents },
    { NULL },
};
static const struct option_rule *const update_rules = &create_rules[2];

int draft_parse(struct call *call, unsigned position, enum draft_kind kind, struct draft *ret_draft)
{
    *ret_draft = (struct draft){ .enabled = false };
    return options_take(call, position, kind == DRAFT_CREATE ? create_rules : update_rules,
                        "a definition", ret_draft);
}

int draft_check_accounts(struct call *call, const struct draft *draft)
{
    const char *unknown = NULL;
    int r = call_identity(call, identity_draft_known(&call->service->identity, &draft->wanted,
                                                     &call->waiter, &unknown));

    if (r == 0 && unknown)
        r = failure_set(&call->failure, ERROR_ACCOUNT_NOT_FOUND, "'%s' is not known to this host",
                        unknown);
    return r;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/options.h"

#include <errno.h>
#include <string.h>

static void take_basic(const struct option_rule *rule, DBusMessageIter *value, void *into)
{
    void *place = (char *)into + rule->offset;
    dbus_bool_t boolean;

    if (*rule->signature != DBUS_TYPE_BOOLEAN) {
        dbus_message_iter_get_basic(value, place);
        return;
    }
    dbus_message_iter_get_basic(value, &boolean);
    *(bool *)place = boolean;
}

static int take_entry(struct call *call, DBusMessageIter *entry, const struct option_rule *rules,
                      const char *what, void *into, unsigned *seen)
{
    const struct option_rule *rule = rules;
    DBusMessageIter pair, value;
    const char *name;
    char *signature;
    bool same;

    dbus_message_iter_recurse(entry, &pair);
    dbus_message_iter_get_basic(&pair, &name);
    while (rule->name && strcmp(rule->name, name) != 0)
        rule++;
    if (!rule->name || (*seen & 1u << (rule - rules)))
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                           "'%.100s' is not a part of %s, or is there twice", name, what);
    *seen |= 1u << (rule - rules);
    dbus_message_iter_next(&pair);
    dbus_message_iter_recurse(&pair, &value);
    signature = dbus_message_iter_get_signature(&value);
    if (!signature)
        return -ENOMEM;
    same = strcmp(signature, rule->signature) == 0;
    dbus_free(signature);
    if (!same)
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT, "'%s' has the signature %s", name,
                           rule->signature);
    if (rule->take)
        return rule->take(call, &value, into);
    take_basic(rule, &value, into);
    return 0;
}

int options_take(struct call *call, unsigned position, const struct option_rule *rules,
                 const char *what, void *into)
{
    DBusMessageIter iter = call_iter(call, position), entries;
    unsigned seen = 0;
    int r = 0;

    dbus_message_iter_recurse(&iter, &entries);
    while (r == 0 && dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_DICT_ENTRY) {
        r = take_entry(call, &entries, rules, what, into, &seen);
        dbus_message_iter_next(&entries);
    }
    return r;
}

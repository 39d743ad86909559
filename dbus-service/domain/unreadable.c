/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/unreadable.h"

#include "common/hex.h"

#include <string.h>

void unreadable_add(struct unreadable_list *list, const struct record_key *key, int reason)
{
    if (list->count < UNREADABLE_MAX)
        list->first[list->count] =
            (struct unreadable){.key = *key, .reason = (enum record_outcome)reason};
    list->count++;
}

static const char *application_name(const struct application_set *set, const struct record_key *key,
                                    char hex[HEX_TEXT_SIZE(RECORD_SCOPE_SIZE)])
{
    const uint8_t *id = key->class == RECORD_APPLICATION ? key->name : key->scope;

    for (size_t i = 0; i < application_set_count(set); i++)
        if (memcmp(application_set_at(set, i)->id, id, APPLICATION_ID_SIZE) == 0)
            return application_set_at(set, i)->name;
    hex_format(id, RECORD_SCOPE_SIZE, 0, hex);
    return hex;
}

const char *unreadable_line(const struct unreadable_list *list, size_t index,
                            const struct application_set *applications,
                            char line[UNREADABLE_LINE_MAX])
{
    static const char *const reasons[] = {
        [RECORD_NO_GENERATION] = "its generation is not in the keyring",
        [RECORD_FORGED] = "does not authenticate",
        [RECORD_NEWER] = "is of a newer version",
    };
    char hex[HEX_TEXT_SIZE(RECORD_SCOPE_SIZE)];
    const struct record_key *key;
    const char *application;

    if (index >= list->count || index >= UNREADABLE_MAX)
        return NULL;
    key = &list->first[index].key;
    application = application_name(applications, key, hex);
    if (key->class == RECORD_MAPPING && key->name_length > 0)
        (void)snprintf(line, UNREADABLE_LINE_MAX, "mapping of %s:%.*s in application '%s': %s",
                       key->name[0] == 'g' ? "group" : "user", key->name_length - 1,
                       (const char *)key->name + 1, application, reasons[list->first[index].reason]);
    else
        (void)snprintf(line, UNREADABLE_LINE_MAX, "%s of application '%s': %s",
                       realm_class_name(key->class), application,
                       reasons[list->first[index].reason]);
    return line;
}

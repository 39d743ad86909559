/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/target.h"

#include "client/cli/output.h"

#include <string.h>

int target_account(const struct arguments *arguments, char *ret_account)
{
    const char *user = arguments_option(arguments, OPTION_USER);
    const char *group = arguments_option(arguments, OPTION_GROUP);
    const char *name = user ? user : group;

    ret_account[0] = '\0';
    if (user && group)
        return output_usage("--user and --group exclude each other");
    if (!name)
        return STATUS_DONE;
    if (!name_is_valid(name))
        return output_usage("--%s: not a name of 1 to 255 bytes without control characters",
                            user ? "user" : "group");
    snprintf(ret_account, ACCOUNT_TEXT_SIZE, "%s:%s", user ? "user" : "group", name);
    return STATUS_DONE;
}

static const char *label_of(const json_t *field)
{
    const char *label = json_string_value(json_object_get(field, "label"));

    return label ? label : "";
}

size_t target_masked(const json_t *fields, const char **ret_label)
{
    size_t count = 0, index;
    json_t *field;

    *ret_label = NULL;
    json_array_foreach(fields, index, field) {
        if (!json_is_true(json_object_get(field, "masked")))
            continue;
        *ret_label = label_of(field);
        count++;
    }
    return count;
}

const json_t *target_field(const json_t *fields, const char *label)
{
    size_t index;
    json_t *field;

    json_array_foreach(fields, index, field)
        if (strcmp(label_of(field), label) == 0)
            return field;
    return NULL;
}

static void ask_to_choose(const json_t *fields)
{
    CLEANUP_FREE char *labels = NULL;
    size_t size, index;
    json_t *field;
    FILE *file = open_memstream(&labels, &size);

    if (!file)
        return;
    json_array_foreach(fields, index, field)
        if (json_is_true(json_object_get(field, "masked")))
            fprintf(file, "%s'%s'", ftell(file) > 0 ? ", " : "", label_of(field));
    fclose(file);
    output_usage("the application has several masked fields; choose with --field: %s", labels);
}

const char *target_masked_field(const struct arguments *arguments, const json_t *fields,
                                int *ret_status)
{
    const char *wanted = arguments_option(arguments, OPTION_WHICH_FIELD);
    const json_t *field = wanted ? target_field(fields, wanted) : NULL;
    const char *only;
    size_t count = target_masked(fields, &only);

    *ret_status = STATUS_USAGE;
    if (field && json_is_true(json_object_get(field, "masked")))
        return wanted;
    if (wanted) {
        output_usage(field ? "field '%s' is not masked" : "there is no field '%s'", wanted);
        if (!field)
            *ret_status = error_exit_status(ERROR_FIELD_NOT_FOUND);
        return NULL;
    }
    if (count == 1)
        return only;
    if (count == 0)
        output_usage("the application has no masked field");
    else
        ask_to_choose(fields);
    return NULL;
}

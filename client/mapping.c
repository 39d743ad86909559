/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/error.h"
#include "client/request.h"

#include <string.h>

/* ---- Setting ---- */

static enum mastersecret_error check_field(struct mastersecret *context,
                                           const struct mastersecret_field *field)
{
    enum mastersecret_error error = request_check_name(context, "a field's label", field->label);

    if (error != MASTERSECRET_OK || field->masked)
        return error;
    if (field->length > VALUE_MAX_BYTES)
        return context_refuse(context, MASTERSECRET_TOO_LARGE, "field '%s': at most %d bytes",
                              field->label, VALUE_MAX_BYTES);
    if (!text_is_utf8(field->value, field->length, VALUE_MAX_BYTES))
        return context_refuse(context, MASTERSECRET_INVALID_ARGUMENT,
                              "field '%s': a plain value is UTF-8 without NUL", field->label);
    return MASTERSECRET_OK;
}

static enum mastersecret_error check_mapping(struct mastersecret *context, const char *application,
                                             const char *account, const char *external_user)
{
    enum mastersecret_error error =
        request_check_name(context, "the application's name", application);

    if (error == MASTERSECRET_OK && account &&
        !text_is_utf8(account, strlen(account), sizeof("group:") + NAME_MAX_BYTES))
        error = context_refuse(context, MASTERSECRET_INVALID_ARGUMENT,
                               "an account is user:NAME or group:NAME, in UTF-8");
    if (error == MASTERSECRET_OK && external_user)
        error = request_check_name(context, "the external user's name", external_user);
    return error;
}

static bool append_text(DBusMessageIter *map, const struct mastersecret_field *field)
{
    CLEANUP_FREE char *text = strndup(field->value, field->length);
    DBusMessageIter entry;

    return text && dbus_message_iter_open_container(map, DBUS_TYPE_DICT_ENTRY, NULL, &entry) &&
           dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &field->label) &&
           dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &text) &&
           dbus_message_iter_close_container(map, &entry);
}

static bool append_plain(DBusMessageIter *arguments, const struct mastersecret_field *fields,
                         size_t count)
{
    DBusMessageIter map;

    if (!dbus_message_iter_open_container(arguments, DBUS_TYPE_ARRAY, "{ss}", &map))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!fields[i].masked && !append_text(&map, &fields[i]))
            return false;
    return dbus_message_iter_close_container(arguments, &map);
}

/* The values of the masked fields, each in a pipe. */
struct given {
    size_t count;
    const char *labels[MASKED_FIELDS_MAX];
    struct secret_pipe pipes[MASKED_FIELDS_MAX];
};

static void given_deinit(struct given *given)
{
    for (size_t i = 0; i < given->count; i++)
        secret_pipe_deinit(&given->pipes[i]);
}

static enum mastersecret_error give_masked(struct mastersecret *context,
                                           const struct mastersecret_field *fields, size_t count,
                                           struct given *given)
{
    enum mastersecret_error error = MASTERSECRET_OK;

    for (size_t i = 0; i < count && error == MASTERSECRET_OK; i++) {
        error = check_field(context, &fields[i]);
        if (error != MASTERSECRET_OK || !fields[i].masked)
            continue;
        if (given->count == MASKED_FIELDS_MAX)
            return context_refuse(context, MASTERSECRET_INVALID_ARGUMENT,
                                  "a mapping has at most %d masked fields", MASKED_FIELDS_MAX);
        error = value_pipe_give(context, fields[i].value, fields[i].length,
                                &given->pipes[given->count]);
        if (error == MASTERSECRET_OK)
            given->labels[given->count++] = fields[i].label;
    }
    return error;
}

static bool append_masked(DBusMessageIter *arguments, const struct given *given)
{
    int fds[MASKED_FIELDS_MAX];

    for (size_t i = 0; i < given->count; i++)
        fds[i] = given->pipes[i].read_fd;
    return request_append_fds(arguments, given->labels, fds, given->count);
}

static enum mastersecret_error set_mapping(struct mastersecret *context, DBusMessage *call,
                                           uint64_t *ret_revision)
{
    CLEANUP_MESSAGE DBusMessage *reply = NULL;
    dbus_uint64_t revision;
    DBusMessageIter iterator;
    enum mastersecret_error error = context_call(context, call, CALL_CHANGES, "t", &reply);

    if (error != MASTERSECRET_OK)
        return error;
    dbus_message_iter_init(reply, &iterator);
    dbus_message_iter_get_basic(&iterator, &revision);
    if (ret_revision)
        *ret_revision = revision;
    return MASTERSECRET_OK;
}

static enum mastersecret_error build_set_mapping(const char *application, const char *account,
                                                 const char *external_user,
                                                 const struct mastersecret_field *fields,
                                                 size_t count, const struct given *given,
                                                 DBusMessage **ret_call)
{
    CLEANUP_MESSAGE DBusMessage *call = NULL;
    DBusMessageIter arguments;
    enum mastersecret_error error =
        request_new(application, BUS_INTERFACE_APPLICATION, "SetMapping", &call);

    if (error != MASTERSECRET_OK)
        return error;
    dbus_message_iter_init_append(call, &arguments);
    if (!dbus_message_iter_append_basic(&arguments, DBUS_TYPE_STRING, &account) ||
        !dbus_message_iter_append_basic(&arguments, DBUS_TYPE_STRING, &external_user) ||
        !append_plain(&arguments, fields, count) || !append_masked(&arguments, given))
        return MASTERSECRET_OUT_OF_MEMORY;
    *ret_call = STEAL(call);
    return MASTERSECRET_OK;
}

enum mastersecret_error mastersecret_set_mapping(struct mastersecret *context,
                                                 const char *application, const char *account,
                                                 const char *external_user,
                                                 const struct mastersecret_field *fields,
                                                 size_t count, uint64_t *ret_revision)
{
    CLEANUP(given_deinit) struct given given = { 0 };
    CLEANUP_MESSAGE DBusMessage *call = NULL;
    enum mastersecret_error error = context_begin(context);

    if (error != MASTERSECRET_OK)
        return error;
    error = check_mapping(context, application, account, external_user);
    if (error == MASTERSECRET_OK)
        error = give_masked(context, fields, count, &given);
    if (error == MASTERSECRET_OK)
        error = build_set_mapping(application, account ? account : "",
                                  external_user ? external_user : "", fields, count, &given,
                                  &call);
    if (error == MASTERSECRET_OK)
        error = set_mapping(context, call, ret_revision);
    return context_end(context, error);
}

/* ---- The caller's own ---- */

struct mastersecret_mappings {
    size_t count;
    struct mastersecret_mapping *rows;
};

void mastersecret_mappings_free(struct mastersecret_mappings *mappings)
{
    if (!mappings)
        return;
    for (size_t i = 0; i < mappings->count; i++) {
        const char *const texts[] = { mappings->rows[i].application, mappings->rows[i].account,
                                      mappings->rows[i].external_user, mappings->rows[i].state };

        for (size_t j = 0; j < sizeof(texts) / sizeof(texts[0]); j++)
            free((char *)(uintptr_t)texts[j]);
    }
    free(mappings->rows);
    free(mappings);
}

CLEANUP_DEFINE(mappings, struct mastersecret_mappings, mastersecret_mappings_free)

const struct mastersecret_mapping *
mastersecret_mappings_get(const struct mastersecret_mappings *mappings, size_t *ret_count)
{
    *ret_count = mappings->count;
    return mappings->rows;
}

static const char *take_text(DBusMessageIter *row)
{
    const char *text;

    dbus_message_iter_get_basic(row, &text);
    dbus_message_iter_next(row);
    return strdup(text);
}

static enum mastersecret_error take_row(struct mastersecret_mappings *mappings,
                                        DBusMessageIter *row)
{
    struct mastersecret_mapping *rows =
        reallocarray(mappings->rows, mappings->count + 1, sizeof(*rows));
    struct mastersecret_mapping *mapping;
    dbus_bool_t enabled;
    dbus_uint64_t changed;

    if (!rows)
        return MASTERSECRET_OUT_OF_MEMORY;
    mappings->rows = rows;
    mapping = &rows[mappings->count++];
    mapping->application = take_text(row);
    mapping->account = take_text(row);
    mapping->external_user = take_text(row);
    mapping->state = take_text(row);
    dbus_message_iter_get_basic(row, &enabled);
    dbus_message_iter_next(row);
    dbus_message_iter_get_basic(row, &changed);
    mapping->application_enabled = enabled ? 1 : 0;
    mapping->changed_usec = changed;
    if (!mapping->application || !mapping->account || !mapping->external_user || !mapping->state)
        return MASTERSECRET_OUT_OF_MEMORY;
    return MASTERSECRET_OK;
}

static enum mastersecret_error list_page(struct mastersecret *context,
                                         struct mastersecret_mappings *mappings, char **cursor)
{
    CLEANUP_MESSAGE DBusMessage *call = NULL;
    CLEANUP_MESSAGE DBusMessage *reply = NULL;
    DBusMessageIter iterator, rows, row;
    const dbus_uint32_t limit = 0;
    const char *next;
    enum mastersecret_error error =
        request_new(NULL, BUS_INTERFACE_APPLICATIONS, "ListOwn", &call);

    if (error == MASTERSECRET_OK &&
        !dbus_message_append_args(call, DBUS_TYPE_STRING, cursor, DBUS_TYPE_UINT32, &limit,
                                  DBUS_TYPE_INVALID))
        error = MASTERSECRET_OUT_OF_MEMORY;
    if (error == MASTERSECRET_OK)
        error = context_call(context, call, CALL_READS, "a(ssssbt)s", &reply);
    if (error != MASTERSECRET_OK)
        return error;
    dbus_message_iter_init(reply, &iterator);
    dbus_message_iter_recurse(&iterator, &rows);
    for (; dbus_message_iter_get_arg_type(&rows) == DBUS_TYPE_STRUCT && error == MASTERSECRET_OK;
         dbus_message_iter_next(&rows)) {
        dbus_message_iter_recurse(&rows, &row);
        error = take_row(mappings, &row);
    }
    dbus_message_iter_next(&iterator);
    dbus_message_iter_get_basic(&iterator, &next);
    free(*cursor);
    *cursor = strdup(next);
    return error == MASTERSECRET_OK && !*cursor ? MASTERSECRET_OUT_OF_MEMORY : error;
}

static enum mastersecret_error list_mappings(struct mastersecret *context,
                                             struct mastersecret_mappings **ret_mappings)
{
    CLEANUP(mappings_cleanup) struct mastersecret_mappings *mappings =
        calloc(1, sizeof(*mappings));
    CLEANUP_FREE char *cursor = strdup("");
    enum mastersecret_error error;

    if (!mappings || !cursor)
        return MASTERSECRET_OUT_OF_MEMORY;
    do
        error = list_page(context, mappings, &cursor);
    while (error == MASTERSECRET_OK && cursor[0] != '\0');
    if (error == MASTERSECRET_OK)
        *ret_mappings = STEAL(mappings);
    return error;
}

enum mastersecret_error mastersecret_list_mappings(struct mastersecret *context,
                                                   struct mastersecret_mappings **ret_mappings)
{
    enum mastersecret_error error = context_begin(context);

    if (error != MASTERSECRET_OK)
        return error;
    return context_end(context, list_mappings(context, ret_mappings));
}

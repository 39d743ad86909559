/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/application.h"
#include "client/error.h"
#include "client/request.h"

#include <string.h>

enum { RESULT_FIELDS_MAX = FIELDS_MAX + MASKED_FIELDS_MAX };

struct mastersecret_credentials {
    char *external_user;
    struct mastersecret_freshness freshness;
    size_t count;
    struct mastersecret_field fields[RESULT_FIELDS_MAX];
    struct secret *values[RESULT_FIELDS_MAX]; /* what fields[i].value points into */
};

void mastersecret_credentials_free(struct mastersecret_credentials *credentials)
{
    if (!credentials)
        return;
    for (size_t i = 0; i < credentials->count; i++) {
        free((char *)(uintptr_t)credentials->fields[i].label);
        secret_free(credentials->values[i]);
    }
    free(credentials->external_user);
    free(credentials);
}

CLEANUP_DEFINE(credentials, struct mastersecret_credentials, mastersecret_credentials_free)
#define CLEANUP_CREDENTIALS CLEANUP(credentials_cleanup)

const char *
mastersecret_credentials_external_user(const struct mastersecret_credentials *credentials)
{
    return credentials->external_user;
}

const struct mastersecret_field *
mastersecret_credentials_fields(const struct mastersecret_credentials *credentials,
                                size_t *ret_count)
{
    *ret_count = credentials->count;
    return credentials->fields;
}

const struct mastersecret_field *
mastersecret_credentials_field(const struct mastersecret_credentials *credentials,
                               const char *label)
{
    const struct mastersecret_field *found = NULL;

    for (size_t i = 0; i < credentials->count; i++) {
        const struct mastersecret_field *field = &credentials->fields[i];

        if (label ? strcmp(field->label, label) != 0 : !field->masked)
            continue;
        if (found)
            return NULL;
        found = field;
    }
    return found;
}

const struct mastersecret_freshness *
mastersecret_credentials_freshness(const struct mastersecret_credentials *credentials)
{
    return &credentials->freshness;
}

/* Takes the value over, also when it fails. */
static enum mastersecret_error add_field(struct mastersecret_credentials *credentials,
                                         const char *label, int masked, struct secret *value)
{
    char *copy = strdup(label);

    if (!copy || credentials->count == RESULT_FIELDS_MAX) {
        free(copy);
        secret_free(value);
        return copy ? MASTERSECRET_UNREACHABLE : MASTERSECRET_OUT_OF_MEMORY;
    }
    credentials->values[credentials->count] = value;
    credentials->fields[credentials->count++] = (struct mastersecret_field){
        .label = copy, .value = value->bytes, .length = value->length, .masked = masked
    };
    return MASTERSECRET_OK;
}

static enum mastersecret_error add_plain(struct mastersecret_credentials *credentials,
                                         const char *label, const char *text)
{
    struct secret *value;
    size_t length = strlen(text);

    if (secret_new_copy(text, length + 1, &value) < 0)
        return MASTERSECRET_OUT_OF_MEMORY;
    value->length = length;
    return add_field(credentials, label, 0, value);
}

/* ---- Look-up ---- */

/* The masked fields asked for, each with its pipe. */
struct request_fields {
    size_t count;
    char *labels[MASKED_FIELDS_MAX];
    struct secret_pipe pipes[MASKED_FIELDS_MAX];
};

static void request_fields_deinit(struct request_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        free(fields->labels[i]);
        secret_pipe_deinit(&fields->pipes[i]);
    }
    fields->count = 0;
}

static enum mastersecret_error want_field(struct mastersecret *context,
                                          struct request_fields *fields, const char *label)
{
    enum mastersecret_error error = request_check_name(context, "a field's label", label);
    struct secret_pipe pipe = { -1, -1 };
    char *copy;

    if (error != MASTERSECRET_OK)
        return error;
    if (fields->count == MASKED_FIELDS_MAX)
        return context_refuse(context, MASTERSECRET_INVALID_ARGUMENT,
                              "at most %d masked fields can be asked for at once",
                              MASKED_FIELDS_MAX);
    error = value_pipe_open(context, &pipe);
    if (error != MASTERSECRET_OK)
        return error;
    copy = strdup(label);
    if (!copy) {
        secret_pipe_deinit(&pipe);
        return MASTERSECRET_OUT_OF_MEMORY;
    }
    fields->labels[fields->count] = copy;
    fields->pipes[fields->count++] = pipe;
    return MASTERSECRET_OK;
}

/* Asks for every masked field that the application has. */
static enum mastersecret_error want_all_masked(struct mastersecret *context,
                                               const char *application,
                                               struct request_fields *fields)
{
    CLEANUP_APPLICATION struct mastersecret_application *described = NULL;
    enum mastersecret_error error =
        application_describe(context, application, &described);

    for (size_t i = 0; error == MASTERSECRET_OK && i < described->count; i++)
        if (described->fields[i].masked)
            error = want_field(context, fields, described->fields[i].label);
    return error;
}

static enum mastersecret_error call_lookup(struct mastersecret *context, const char *application,
                                           const char *user, const struct request_fields *fields,
                                           DBusMessage **ret_reply)
{
    CLEANUP_MESSAGE DBusMessage *call = NULL;
    DBusMessageIter arguments;
    int fds[MASKED_FIELDS_MAX];
    enum mastersecret_error error = request_new(NULL, BUS_INTERFACE_CREDENTIALS, "Lookup", &call);

    if (error != MASTERSECRET_OK)
        return error;
    for (size_t i = 0; i < fields->count; i++)
        fds[i] = fields->pipes[i].write_fd;
    dbus_message_iter_init_append(call, &arguments);
    if (!dbus_message_iter_append_basic(&arguments, DBUS_TYPE_STRING, &application) ||
        !dbus_message_iter_append_basic(&arguments, DBUS_TYPE_STRING, &user) ||
        !request_append_fds(&arguments, (const char *const *)fields->labels, fds, fields->count))
        return MASTERSECRET_OUT_OF_MEMORY;
    return context_call(context, call, CALL_READS, "sa{ss}(utttt)", ret_reply);
}

static void get_freshness(DBusMessageIter *iterator, struct mastersecret_freshness *ret_freshness)
{
    DBusMessageIter members;
    dbus_uint64_t *const wide[] = {
        &(dbus_uint64_t){ 0 }, &(dbus_uint64_t){ 0 }, &(dbus_uint64_t){ 0 }, &(dbus_uint64_t){ 0 },
    };
    dbus_uint32_t generation;

    dbus_message_iter_recurse(iterator, &members);
    dbus_message_iter_get_basic(&members, &generation);
    for (size_t i = 0; i < 4; i++) {
        dbus_message_iter_next(&members);
        dbus_message_iter_get_basic(&members, wide[i]);
    }
    *ret_freshness = (struct mastersecret_freshness){
        .generation = generation, .epoch = *wide[0], .revision = *wide[1], .age_usec = *wide[2],
        .valid_until_usec = *wide[3],
    };
}

static enum mastersecret_error take_plain(DBusMessageIter *map,
                                          struct mastersecret_credentials *credentials)
{
    enum mastersecret_error error = MASTERSECRET_OK;
    DBusMessageIter entries, entry;
    const char *label, *text;

    dbus_message_iter_recurse(map, &entries);
    for (; dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_DICT_ENTRY &&
           error == MASTERSECRET_OK;
         dbus_message_iter_next(&entries)) {
        dbus_message_iter_recurse(&entries, &entry);
        dbus_message_iter_get_basic(&entry, &label);
        dbus_message_iter_next(&entry);
        dbus_message_iter_get_basic(&entry, &text);
        error = add_plain(credentials, label, text);
    }
    return error;
}

static enum mastersecret_error take_lookup(struct mastersecret *context, DBusMessage *reply,
                                           struct request_fields *fields,
                                           struct mastersecret_credentials *credentials)
{
    enum mastersecret_error error;
    DBusMessageIter iterator;
    const char *external_user;

    dbus_message_iter_init(reply, &iterator);
    dbus_message_iter_get_basic(&iterator, &external_user);
    credentials->external_user = strdup(external_user);
    if (!credentials->external_user)
        return MASTERSECRET_OUT_OF_MEMORY;
    dbus_message_iter_next(&iterator);
    error = take_plain(&iterator, credentials);
    dbus_message_iter_next(&iterator);
    get_freshness(&iterator, &credentials->freshness);
    for (size_t i = 0; i < fields->count && error == MASTERSECRET_OK; i++) {
        struct secret *value = NULL;

        error = value_pipe_take(context, &fields->pipes[i], &value);
        if (error == MASTERSECRET_OK)
            error = add_field(credentials, fields->labels[i], 1, value);
    }
    return error;
}

/* One question for the fields named, answered into `credentials`, which is empty. */
static enum mastersecret_error lookup_fields(struct mastersecret *context, const char *application,
                                             const char *user, struct request_fields *fields,
                                             struct mastersecret_credentials **ret_credentials)
{
    CLEANUP_CREDENTIALS struct mastersecret_credentials *credentials =
        calloc(1, sizeof(*credentials));
    CLEANUP_MESSAGE DBusMessage *reply = NULL;
    enum mastersecret_error error;

    if (!credentials)
        return MASTERSECRET_OUT_OF_MEMORY;
    error = call_lookup(context, application, user, fields, &reply);
    if (error == MASTERSECRET_OK)
        error = take_lookup(context, reply, fields, credentials);
    if (error == MASTERSECRET_OK)
        *ret_credentials = STEAL(credentials);
    return error;
}

/* Moves the fields of `from` to the end of `to`. */
static enum mastersecret_error merge(struct mastersecret_credentials *to,
                                     struct mastersecret_credentials *from)
{
    for (size_t i = 0; i < from->count; i++) {
        if (!from->fields[i].masked)
            continue;
        if (to->count == RESULT_FIELDS_MAX)
            return MASTERSECRET_UNREACHABLE;
        to->fields[to->count] = from->fields[i];
        to->values[to->count++] = from->values[i];
        from->fields[i].label = NULL;
        from->values[i] = NULL;
    }
    return MASTERSECRET_OK;
}

/* The service refuses a look-up that names a field without a value: so when all were asked for, and
 * one has none, they are asked for one by one. */
static enum mastersecret_error lookup_singly(struct mastersecret *context, const char *application,
                                             const char *user, const struct request_fields *all,
                                             struct mastersecret_credentials **ret_credentials)
{
    CLEANUP_CREDENTIALS struct mastersecret_credentials *credentials = NULL;
    CLEANUP(request_fields_deinit) struct request_fields none = { 0 };
    enum mastersecret_error error =
        lookup_fields(context, application, user, &none, &credentials);

    for (size_t i = 0; i < all->count && error == MASTERSECRET_OK; i++) {
        CLEANUP_CREDENTIALS struct mastersecret_credentials *one = NULL;
        CLEANUP(request_fields_deinit) struct request_fields fields = { 0 };

        error = want_field(context, &fields, all->labels[i]);
        if (error == MASTERSECRET_OK)
            error = lookup_fields(context, application, user, &fields, &one);
        if (error == MASTERSECRET_OK)
            error = merge(credentials, one);
        else if (error == MASTERSECRET_CREDENTIALS_NOT_SET)
            error = MASTERSECRET_OK;
    }
    if (error == MASTERSECRET_OK)
        *ret_credentials = STEAL(credentials);
    return error;
}

static enum mastersecret_error check_target(struct mastersecret *context, const char *application,
                                            const char *user)
{
    enum mastersecret_error error =
        request_check_name(context, "the application's name", application);

    if (error == MASTERSECRET_OK && user)
        error = request_check_name(context, "the user's name", user);
    return error;
}

static enum mastersecret_error lookup(struct mastersecret *context, const char *application,
                                      const char *user, const char *const *labels, size_t count,
                                      struct mastersecret_credentials **ret_credentials)
{
    CLEANUP(request_fields_deinit) struct request_fields fields = { 0 };
    enum mastersecret_error error = check_target(context, application, user);

    if (error == MASTERSECRET_OK && !labels)
        error = want_all_masked(context, application, &fields);
    for (size_t i = 0; labels && i < count && error == MASTERSECRET_OK; i++)
        error = want_field(context, &fields, labels[i]);
    if (error != MASTERSECRET_OK)
        return error;
    if (!user)
        user = "";
    error = lookup_fields(context, application, user, &fields, ret_credentials);
    if (error == MASTERSECRET_CREDENTIALS_NOT_SET && !labels)
        error = lookup_singly(context, application, user, &fields, ret_credentials);
    return error;
}

enum mastersecret_error
mastersecret_lookup(struct mastersecret *context, const char *application, const char *user,
                    const char *const *labels, size_t count,
                    struct mastersecret_credentials **ret_credentials)
{
    enum mastersecret_error error = context_begin(context);

    if (error != MASTERSECRET_OK)
        return error;
    return context_end(context,
                       lookup(context, application, user, labels, count, ret_credentials));
}

/* ---- Verify ---- */

static enum mastersecret_error verify(struct mastersecret *context, const char *application,
                                      const char *user, const char *field, int candidate,
                                      int *ret_matches)
{
    CLEANUP_MESSAGE DBusMessage *call = NULL;
    CLEANUP_MESSAGE DBusMessage *reply = NULL;
    DBusMessageIter iterator;
    dbus_bool_t matches;
    enum mastersecret_error error = request_new(NULL, BUS_INTERFACE_CREDENTIALS, "Verify", &call);

    if (error == MASTERSECRET_OK &&
        !dbus_message_append_args(call, DBUS_TYPE_STRING, &application, DBUS_TYPE_STRING, &user,
                                  DBUS_TYPE_STRING, &field, DBUS_TYPE_UNIX_FD, &candidate,
                                  DBUS_TYPE_INVALID))
        error = MASTERSECRET_OUT_OF_MEMORY;
    if (error == MASTERSECRET_OK)
        error = context_call(context, call, CALL_READS, "b(utttt)", &reply);
    if (error != MASTERSECRET_OK)
        return error;
    dbus_message_iter_init(reply, &iterator);
    dbus_message_iter_get_basic(&iterator, &matches);
    *ret_matches = matches ? 1 : 0;
    return MASTERSECRET_OK;
}

enum mastersecret_error mastersecret_verify(struct mastersecret *context, const char *application,
                                            const char *user, const char *field,
                                            const void *candidate, size_t length,
                                            int *ret_matches)
{
    CLEANUP(secret_pipe_deinit) struct secret_pipe pipe = { -1, -1 };
    enum mastersecret_error error = context_begin(context);

    if (error != MASTERSECRET_OK)
        return error;
    error = check_target(context, application, user);
    if (error == MASTERSECRET_OK && field)
        error = request_check_name(context, "the field's label", field);
    if (error == MASTERSECRET_OK)
        error = value_pipe_give(context, candidate, length, &pipe);
    if (error == MASTERSECRET_OK)
        error = verify(context, application, user ? user : "", field ? field : "", pipe.read_fd,
                       ret_matches);
    return context_end(context, error);
}

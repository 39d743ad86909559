/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* org.mastersecret1.Credentials: the hot path. */
#include "dbus-service/bus/answer_cache.h"
#include "dbus-service/bus/call.h"
#include "dbus-service/keys/equal.h"

#include <errno.h>
#include <string.h>

/* The mapping that serves the user, if it may be used now. */
static int load_mapping(struct call *call, struct mapping **ret_mapping)
{
    const struct identity_target *target = &call->target;
    const char *application = call->application->name;

    if (!call->application->enabled)
        return failure_set(&call->failure, ERROR_APPLICATION_DISABLED,
                           "application '%s' is disabled", application);
    if (!target->known)
        return failure_set(&call->failure, ERROR_ACCOUNT_NOT_FOUND, "no user '%s'",
                           call_string(call, 1));
    if (!target->entitled)
        return failure_set(&call->failure, ERROR_NOT_APPLICATION_USER,
                           "'%s' is not one of the users of application '%s'", target->user,
                           application);
    if (!target->found)
        return failure_set(&call->failure, ERROR_MAPPING_NOT_FOUND,
                           "no mapping for '%s' in application '%s'", target->user, application);
    return mapping_get(call->service->realm, call->application, &target->account, ret_mapping,
                       &call->failure);
}

static int check_enabled(struct call *call, const struct mapping *mapping)
{
    switch (mapping->state) {
    case MAPPING_ENABLED:
        return 0;
    case MAPPING_DISABLED:
        return failure_set(&call->failure, ERROR_MAPPING_DISABLED, NULL);
    case MAPPING_DISABLED_BY_ADMINISTRATOR:
        break;
    }
    return failure_set(&call->failure, ERROR_MAPPING_DISABLED_BY_ADMINISTRATOR, NULL);
}

static int use_mapping(struct call *call, struct mapping **ret_mapping)
{
    int r = load_mapping(call, ret_mapping);

    return r == 0 ? check_enabled(call, *ret_mapping) : r;
}

static void write_freshness(struct call *call, const struct mapping *mapping, struct writer *writer)
{
    writer_open(writer, DBUS_TYPE_STRUCT, NULL);
    writer_uint32(writer, mapping->generation);
    writer_uint64(writer, keyring_epoch(realm_keyring(call->service->realm)));
    writer_uint64(writer, mapping->revision);
    writer_uint64(writer, 0);
    writer_uint64(writer, 0);
    writer_close(writer);
}

/* A field with a value. */
static int masked_value(struct call *call, const char *label, const struct mapping *mapping,
                        const struct mapping_value **ret_value)
{
    const struct field *field;

    if (application_field(call->application, label, &field) < 0)
        return failure_set(&call->failure, ERROR_FIELD_NOT_FOUND,
                           "application '%s' has no field '%.100s'", call->application->name, label);
    if (!field->masked)
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                           "field '%s' is not masked: it is in the answer", label);
    *ret_value = mapping_value(mapping, field->id);
    if (!*ret_value)
        return failure_set(&call->failure, ERROR_CREDENTIALS_NOT_SET, "field '%s' has no value",
                           label);
    return 0;
}

static int send_masked(struct call *call, const struct mapping *mapping)
{
    const struct descriptors *set = &call->descriptors;
    const struct mapping_value *values[DESCRIPTORS_MAX];
    int r = 0;

    /* All are found before any is sent: what is missing leaves every pipe empty. */
    for (size_t i = 0; i < set->count && r == 0; i++)
        r = masked_value(call, set->items[i].name, mapping, &values[i]);
    for (size_t i = 0; i < set->count && r == 0; i++)
        r = descriptor_send(call, &set->items[i], values[i]->bytes, values[i]->length);
    return r;
}

static void write_plain(struct call *call, const struct mapping *mapping, struct writer *writer)
{
    const struct application *application = call->application;
    char text[VALUE_MAX_BYTES + 1];

    writer_open(writer, DBUS_TYPE_ARRAY, "{ss}");
    for (size_t i = 1; i < application->fields_count; i++) {
        const struct mapping_value *value = mapping_value(mapping, application->fields[i].id);

        if (application->fields[i].masked || !value || value->length > VALUE_MAX_BYTES)
            continue;
        memcpy(text, value->bytes, value->length);
        text[value->length] = '\0';
        writer_open(writer, DBUS_TYPE_DICT_ENTRY, NULL);
        writer_string(writer, application->fields[i].label);
        writer_string(writer, text);
        writer_close(writer);
    }
    writer_close(writer);
}

static DBusMessage *lookup_reply(struct call *call, const struct mapping *mapping)
{
    const struct answer_key key = { call->application, mapping,
                                    keyring_epoch(realm_keyring(call->service->realm)) };
    DBusMessage *reply = answer_cache_get(call->service->answers, &key, call->message);
    struct writer writer;

    if (reply)
        return reply;
    writer = call_writer(call);
    writer_string(&writer, mapping->external_user);
    write_plain(call, mapping, &writer);
    write_freshness(call, mapping, &writer);
    reply = writer_take(&writer);
    if (reply)
        answer_cache_put(call->service->answers, &key, reply);
    return reply;
}

static int handle_lookup(struct call *call)
{
    CLEANUP_MAPPING struct mapping *mapping = NULL;
    int r = use_mapping(call, &mapping);

    if (r == 0)
        r = descriptors_take(call, 2);
    if (r == 0)
        r = send_masked(call, mapping);
    if (r != 0)
        return r;
    call_reply(call, lookup_reply(call, mapping));
    return 0;
}

static int check_guessing(struct call *call)
{
    if (quota_verify_allowed(call->service->quota, call->peer->caller.uid, call->target.user,
                             call->application->name, uv_now(call->service->loop)))
        return 0;
    return failure_set(&call->failure, ERROR_LIMITS_EXCEEDED,
                       "too many wrong credentials for '%s'", call->target.user);
}

static int only_masked(struct call *call, const char **ret_label)
{
    const struct field *field;
    int r;

    if (**ret_label)
        return 0;
    r = application_only_masked(call->application, &field);
    if (r < 0)
        return failure_set(&call->failure,
                           r == -ENOENT ? ERROR_FIELD_NOT_FOUND : ERROR_INVALID_ARGUMENT,
                           r == -ENOENT ? "application '%s' has no masked field"
                                        : "application '%s' has several masked fields: name one",
                           call->application->name);
    *ret_label = field->label;
    return 0;
}

static int handle_verify(struct call *call)
{
    CLEANUP_MAPPING struct mapping *mapping = NULL;
    const struct mapping_value *value;
    const char *label = call_string(call, 2);
    struct writer writer;
    bool matches;
    int r = check_guessing(call);

    if (r == 0)
        r = use_mapping(call, &mapping);
    if (r == 0)
        r = only_masked(call, &label);
    if (r == 0)
        r = masked_value(call, label, mapping, &value);
    if (r == 0)
        r = descriptors_take(call, 3);
    if (r == 0)
        r = descriptors_receive(call);
    if (r != 0)
        return r;
    matches = secret_equal(call->descriptors.items[0].value, value->bytes, value->length);
    if (!matches)
        quota_verify_failed(call->service->quota, call->peer->caller.uid, call->target.user,
                            call->application->name, uv_now(call->service->loop));
    call->mismatch = !matches;
    writer = call_writer(call);
    writer_boolean(&writer, matches);
    write_freshness(call, mapping, &writer);
    call_reply(call, writer_take(&writer));
    return 0;
}

static const struct method methods[] = {
    { "Lookup", "ssa{sh}", "sa{ss}(utttt)", "application user masked",
      "external_user plain freshness", METHOD_READS, SUBJECT_USER, OPERATION_LOOKUP,
      AUDIT_LOOKUP, handle_lookup },
    { "Verify", "sssh", "b(utttt)", "application user field candidate", "matches freshness",
      METHOD_READS, SUBJECT_USER, OPERATION_VERIFY, AUDIT_VERIFY, handle_verify },
};

const struct interface interface_credentials = {
    .name = BUS_INTERFACE_CREDENTIALS,
    .objects = OBJECT_ROOT,
    TABLE_METHODS(methods),
};

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/service.h"

#include <ctype.h>
#include <string.h>

/* ---- To D-Bus ---- */

static bool append_value(DBusMessageIter *to, DBusSignatureIter *type, const json_t *value);

static bool append_basic(DBusMessageIter *to, int type, const json_t *value)
{
    const char *text = json_string_value(value);
    dbus_bool_t truth = json_is_true(value);
    dbus_uint32_t narrow = (dbus_uint32_t)json_integer_value(value);
    dbus_uint64_t wide = (dbus_uint64_t)json_integer_value(value);
    int fd = (int)json_integer_value(value);

    switch (type) {
    case DBUS_TYPE_STRING:
        return text && dbus_message_iter_append_basic(to, type, &text);
    case DBUS_TYPE_BOOLEAN:
        return dbus_message_iter_append_basic(to, type, &truth);
    case DBUS_TYPE_UINT32:
        return dbus_message_iter_append_basic(to, type, &narrow);
    case DBUS_TYPE_UINT64:
        return dbus_message_iter_append_basic(to, type, &wide);
    case DBUS_TYPE_UNIX_FD:
        return dbus_message_iter_append_basic(to, type, &fd);
    default:
        return false;
    }
}

static bool append_members(DBusMessageIter *array, DBusSignatureIter *entry_type,
                           const json_t *value)
{
    DBusSignatureIter types;
    DBusMessageIter entry;
    const char *key;
    json_t *member;

    json_object_foreach((json_t *)(uintptr_t)value, key, member) {
        dbus_signature_iter_recurse(entry_type, &types);
        dbus_signature_iter_next(&types);
        if (!dbus_message_iter_open_container(array, DBUS_TYPE_DICT_ENTRY, NULL, &entry) ||
            !dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &key) ||
            !append_value(&entry, &types, member) ||
            !dbus_message_iter_close_container(array, &entry))
            return false;
    }
    return true;
}

static bool append_array(DBusMessageIter *to, DBusSignatureIter *type, const json_t *value)
{
    DBusSignatureIter element;
    DBusMessageIter array;
    char *signature;
    size_t index;
    json_t *item;
    bool good;

    dbus_signature_iter_recurse(type, &element);
    signature = dbus_signature_iter_get_signature(&element);
    good = signature &&
           dbus_message_iter_open_container(to, DBUS_TYPE_ARRAY, signature, &array);
    dbus_free(signature);
    if (!good)
        return false;
    if (dbus_signature_iter_get_current_type(&element) == DBUS_TYPE_DICT_ENTRY)
        good = append_members(&array, &element, value);
    json_array_foreach(value, index, item)
        good = good && append_value(&array, &element, item);
    return good && dbus_message_iter_close_container(to, &array);
}

static bool append_items(DBusMessageIter *to, DBusSignatureIter *types, const json_t *value)
{
    size_t index;
    json_t *item;

    json_array_foreach(value, index, item) {
        if (!append_value(to, types, item))
            return false;
        dbus_signature_iter_next(types);
    }
    return true;
}

static bool append_struct(DBusMessageIter *to, DBusSignatureIter *type, const json_t *value)
{
    DBusSignatureIter types;
    DBusMessageIter members;

    dbus_signature_iter_recurse(type, &types);
    return dbus_message_iter_open_container(to, DBUS_TYPE_STRUCT, NULL, &members) &&
           append_items(&members, &types, value) &&
           dbus_message_iter_close_container(to, &members);
}

/* The types that the interface has within a{sv}. An object with one member names its own:
 * {"u": 5}. */
static const char *variant_signature(const json_t *value)
{
    if (json_is_object(value))
        return json_object_iter_key(json_object_iter((json_t *)(uintptr_t)value));
    if (json_is_string(value))
        return "s";
    if (json_is_boolean(value))
        return "b";
    if (json_is_integer(value))
        return "t";
    return json_is_array(json_array_get(value, 0)) ? "a(sb)" : "as";
}

static bool append_variant(DBusMessageIter *to, const json_t *value)
{
    const char *signature = variant_signature(value);
    DBusSignatureIter type;
    DBusMessageIter inner;

    if (json_is_object(value))
        value = json_object_get(value, signature);
    dbus_signature_iter_init(&type, signature);
    return dbus_message_iter_open_container(to, DBUS_TYPE_VARIANT, signature, &inner) &&
           append_value(&inner, &type, value) && dbus_message_iter_close_container(to, &inner);
}

static bool append_value(DBusMessageIter *to, DBusSignatureIter *type, const json_t *value)
{
    switch (dbus_signature_iter_get_current_type(type)) {
    case DBUS_TYPE_ARRAY:
        return append_array(to, type, value);
    case DBUS_TYPE_STRUCT:
        return append_struct(to, type, value);
    case DBUS_TYPE_VARIANT:
        return append_variant(to, value);
    default:
        return append_basic(to, dbus_signature_iter_get_current_type(type), value);
    }
}

static bool append_arguments(DBusMessage *call, const char *signature, const json_t *arguments)
{
    DBusSignatureIter types;
    DBusMessageIter to;

    if (signature[0] == '\0')
        return true;
    dbus_signature_iter_init(&types, signature);
    dbus_message_iter_init_append(call, &to);
    return append_items(&to, &types, arguments);
}

/* ---- From D-Bus ---- */

static json_t *take_value(DBusMessageIter *from);

static json_t *take_items(DBusMessageIter *from)
{
    json_t *array = json_array();

    for (; dbus_message_iter_get_arg_type(from) != DBUS_TYPE_INVALID;
         dbus_message_iter_next(from))
        json_array_append_new(array, take_value(from));
    return array;
}

static json_t *take_members(DBusMessageIter *entries)
{
    json_t *object = json_object();
    DBusMessageIter entry;
    const char *key;

    for (; dbus_message_iter_get_arg_type(entries) == DBUS_TYPE_DICT_ENTRY;
         dbus_message_iter_next(entries)) {
        dbus_message_iter_recurse(entries, &entry);
        if (dbus_message_iter_get_arg_type(&entry) != DBUS_TYPE_STRING)
            continue;
        dbus_message_iter_get_basic(&entry, &key);
        dbus_message_iter_next(&entry);
        json_object_set_new(object, key, take_value(&entry));
    }
    return object;
}

static json_t *take_container(DBusMessageIter *from)
{
    DBusMessageIter inner;
    int type = dbus_message_iter_get_arg_type(from);

    dbus_message_iter_recurse(from, &inner);
    if (type == DBUS_TYPE_VARIANT)
        return take_value(&inner);
    if (type == DBUS_TYPE_ARRAY && dbus_message_iter_get_element_type(from) == DBUS_TYPE_DICT_ENTRY)
        return take_members(&inner);
    return take_items(&inner);
}

static json_t *take_value(DBusMessageIter *from)
{
    DBusBasicValue value = { .u64 = 0 };

    switch (dbus_message_iter_get_arg_type(from)) {
    case DBUS_TYPE_STRING:
    case DBUS_TYPE_OBJECT_PATH:
        dbus_message_iter_get_basic(from, &value);
        return json_string(value.str);
    case DBUS_TYPE_BOOLEAN:
        dbus_message_iter_get_basic(from, &value);
        return json_boolean(value.bool_val);
    case DBUS_TYPE_UINT32:
        dbus_message_iter_get_basic(from, &value);
        return json_integer(value.u32);
    case DBUS_TYPE_UINT64:
        dbus_message_iter_get_basic(from, &value);
        return json_integer((json_int_t)value.u64);
    case DBUS_TYPE_VARIANT:
    case DBUS_TYPE_ARRAY:
    case DBUS_TYPE_STRUCT:
        return take_container(from);
    default:
        return json_null();
    }
}

/* ---- Calls ---- */

static enum mastersecret_error exchange(struct cli *cli, DBusMessage *call,
                                        enum call_effect effect, json_t **ret_results)
{
    CLEANUP_MESSAGE DBusMessage *reply = NULL;
    enum mastersecret_error error = context_begin(cli->service);
    DBusMessageIter from;

    if (error != MASTERSECRET_OK)
        return error;
    error = context_end(cli->service, context_call_any(cli->service, call, effect, &reply));
    if (error != MASTERSECRET_OK)
        return error;
    if (dbus_message_iter_init(reply, &from))
        *ret_results = take_items(&from);
    else
        *ret_results = json_array();
    return *ret_results ? MASTERSECRET_OK : MASTERSECRET_OUT_OF_MEMORY;
}

enum mastersecret_error service_call(struct cli *cli, const struct service_call *call,
                                     json_t **ret_results)
{
    CLEANUP_JSON json_t *arguments = call->arguments;
    CLEANUP_MESSAGE DBusMessage *message = NULL;
    enum mastersecret_error error;

    if (!arguments)
        return MASTERSECRET_OUT_OF_MEMORY;
    error = request_new(call->application, call->interface, call->method, &message);
    if (error == MASTERSECRET_OK && !append_arguments(message, call->signature, arguments))
        error = MASTERSECRET_OUT_OF_MEMORY;
    if (error == MASTERSECRET_OK)
        error = exchange(cli, message, call->effect, ret_results);
    return error;
}

/* "SlotUsed" -> "slot-used". */
static void hyphenate(const char *name, char *ret_name, size_t size)
{
    size_t length = 0;

    for (; *name && length + 2 < size; name++) {
        if (isupper((unsigned char)*name) && length > 0)
            ret_name[length++] = '-';
        ret_name[length++] = (char)tolower((unsigned char)*name);
    }
    ret_name[length] = '\0';
}

static enum mastersecret_error odd_answer(struct cli *cli, const char *method)
{
    return context_refuse(cli->service, MASTERSECRET_UNREACHABLE,
                          "the service's answer to %s is not what it should be", method);
}

enum mastersecret_error service_properties(struct cli *cli, const char *application,
                                           const char *interface, json_t **ret_properties)
{
    const struct service_call call = {
        .application = application,
        .interface = DBUS_INTERFACE_PROPERTIES,
        .method = "GetAll",
        .signature = "s",
        .arguments = json_pack("[s]", interface),
    };
    CLEANUP_JSON json_t *results = NULL;
    enum mastersecret_error error = service_call(cli, &call, &results);
    char name[64];
    const char *key;
    json_t *value;

    if (error != MASTERSECRET_OK)
        return error;
    if (!json_is_object(json_array_get(results, 0)))
        return odd_answer(cli, "GetAll");
    *ret_properties = json_object();
    json_object_foreach(json_array_get(results, 0), key, value) {
        hyphenate(key, name, sizeof(name));
        json_object_set(*ret_properties, name, value);
    }
    return *ret_properties ? MASTERSECRET_OK : MASTERSECRET_OUT_OF_MEMORY;
}

json_t *service_rows(const json_t *tuples, const char *const *keys)
{
    json_t *rows = json_array();
    size_t index;
    json_t *tuple;

    json_array_foreach(tuples, index, tuple) {
        json_t *row = json_object();

        for (size_t i = 0; keys[i]; i++)
            json_object_set(row, keys[i], json_array_get(tuple, i));
        json_array_append_new(rows, row);
    }
    return rows;
}

enum mastersecret_error service_list(struct cli *cli, const char *application,
                                     const char *interface, const char *method,
                                     const char *const *keys, json_t **ret_rows)
{
    CLEANUP_JSON json_t *cursor = json_string("");
    CLEANUP_JSON json_t *rows = json_array();

    do {
        const struct service_call call = {
            .application = application,
            .interface = interface,
            .method = method,
            .signature = "su",
            .arguments = json_pack("[Oi]", cursor, 0),
        };
        CLEANUP_JSON json_t *results = NULL;
        CLEANUP_JSON json_t *page = NULL;
        enum mastersecret_error error = service_call(cli, &call, &results);

        if (error != MASTERSECRET_OK)
            return error;
        if (!json_is_string(json_array_get(results, 1)))
            return odd_answer(cli, method);
        page = service_rows(json_array_get(results, 0), keys);
        if (json_array_extend(rows, page) < 0)
            return MASTERSECRET_OUT_OF_MEMORY;
        json_decref(cursor);
        cursor = json_incref(json_array_get(results, 1));
    } while (json_string_length(cursor) > 0);
    *ret_rows = STEAL(rows);
    return MASTERSECRET_OK;
}

/* Not GetAll, which is silent about what the caller may not read. */
enum mastersecret_error service_property(struct cli *cli, const char *application,
                                         const char *interface, const char *property,
                                         json_t **ret_value)
{
    const struct service_call call = {
        .application = application,
        .interface = DBUS_INTERFACE_PROPERTIES,
        .method = "Get",
        .signature = "ss",
        .arguments = json_pack("[ss]", interface, property),
    };
    CLEANUP_JSON json_t *results = NULL;
    enum mastersecret_error error = service_call(cli, &call, &results);

    if (error != MASTERSECRET_OK)
        return error;
    if (json_array_size(results) != 1)
        return odd_answer(cli, "Get");
    *ret_value = json_incref(json_array_get(results, 0));
    return MASTERSECRET_OK;
}

enum mastersecret_error service_property_rows(struct cli *cli, const char *application,
                                              const char *interface, const char *property,
                                              const char *const *keys, json_t **ret_rows)
{
    CLEANUP_JSON json_t *value = NULL;
    enum mastersecret_error error =
        service_property(cli, application, interface, property, &value);

    if (error != MASTERSECRET_OK)
        return error;
    if (!json_is_array(value))
        return odd_answer(cli, "Get");
    *ret_rows = service_rows(value, keys);
    return *ret_rows ? MASTERSECRET_OK : MASTERSECRET_OUT_OF_MEMORY;
}

enum mastersecret_error service_fields(struct cli *cli, const char *application,
                                       json_t **ret_fields)
{
    static const char *const keys[] = { "label", "masked", NULL };

    return service_property_rows(cli, application, BUS_INTERFACE_APPLICATION, "Fields", keys,
                                 ret_fields);
}

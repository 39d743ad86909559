/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/cursor.h"
#include "dbus-service/domain/mapping_internal.h"
#include "dbus-service/domain/realm_internal.h"

#include <errno.h>
#include <string.h>

#define FORMAT 1

static const char *const state_names[] = {
    [MAPPING_ENABLED] = "enabled",
    [MAPPING_DISABLED] = "disabled",
    [MAPPING_DISABLED_BY_ADMINISTRATOR] = "disabled-by-administrator",
};

const char *mapping_state_name(enum mapping_state state)
{
    return state_names[state];
}

int account_name_parse(const char *text, struct account_name *ret_account)
{
    const char *name;
    enum account_kind kind;

    if (strncmp(text, "user:", 5) == 0) {
        kind = ACCOUNT_USER;
        name = text + 5;
    } else if (strncmp(text, "group:", 6) == 0) {
        kind = ACCOUNT_GROUP;
        name = text + 6;
    } else {
        return -EINVAL;
    }
    if (!name_is_valid(name))
        return -EINVAL;
    ret_account->kind = kind;
    memcpy(ret_account->name, name, strlen(name) + 1);
    return 0;
}

void account_name_format(const struct account_name *account, char *ret_text)
{
    snprintf(ret_text, 6 + NAME_MAX_BYTES + 1, "%s:%s",
             account->kind == ACCOUNT_GROUP ? "group" : "user", account->name);
}

void mapping_key(struct record_key *ret_key, const uint8_t id[APPLICATION_ID_SIZE],
                 const struct account_name *account)
{
    uint8_t name[1 + NAME_MAX_BYTES];
    size_t length = strnlen(account->name, NAME_MAX_BYTES);

    name[0] = (uint8_t)account->kind;
    memcpy(name + 1, account->name, length);
    realm_key(ret_key, RECORD_MAPPING, id, name, 1 + length);
}

int mapping_account(const struct record_key *key, struct account_name *ret_account)
{
    size_t length = (size_t)key->name_length - 1;

    if (key->name_length < 2 || length > NAME_MAX_BYTES ||
        (key->name[0] != ACCOUNT_USER && key->name[0] != ACCOUNT_GROUP))
        return -EBADMSG;
    ret_account->kind = key->name[0] == ACCOUNT_GROUP ? ACCOUNT_GROUP : ACCOUNT_USER;
    memcpy(ret_account->name, key->name + 1, length);
    ret_account->name[length] = '\0';
    return 0;
}

const struct mapping_value *mapping_value(const struct mapping *mapping, uint32_t field)
{
    for (size_t i = 0; i < mapping->values_count; i++)
        if (mapping->values[i].field == field)
            return &mapping->values[i];
    return NULL;
}

void mapping_free(struct mapping *mapping)
{
    if (!mapping)
        return;
    secret_free(mapping->memory);
    free(mapping->external_user);
    free(mapping);
}

static size_t value_size(const struct mapping *mapping)
{
    size_t size = 1 + 1 + 8 + 4 + 4 + strlen(mapping->external_user) + 2;

    for (size_t i = 0; i < mapping->values_count; i++)
        size += 4 + 4 + mapping->values[i].length;
    return size;
}

int mapping_format(const struct mapping *mapping, struct secret **ret_value)
{
    CLEANUP_SECRET struct secret *value = NULL;
    struct cursor cursor;
    int r = secret_new(value_size(mapping), &value);

    if (r < 0)
        return r;
    cursor = cursor_writer(value->bytes, value->capacity);
    cursor_put_u8(&cursor, FORMAT);
    cursor_put_u8(&cursor, (uint8_t)mapping->state);
    cursor_put_u64(&cursor, mapping->changed_usec);
    cursor_put_u32(&cursor, mapping->changed_by);
    cursor_put_block(&cursor, mapping->external_user, strlen(mapping->external_user));
    cursor_put_u16(&cursor, (uint16_t)mapping->values_count);
    for (size_t i = 0; i < mapping->values_count; i++) {
        cursor_put_u32(&cursor, mapping->values[i].field);
        cursor_put_block(&cursor, mapping->values[i].bytes, mapping->values[i].length);
    }
    if (!cursor_ok(&cursor))
        return -EMSGSIZE;
    value->length = cursor.position;
    *ret_value = STEAL(value);
    return 0;
}

static void get_external(struct cursor *cursor, struct mapping *mapping)
{
    size_t length = 0;
    const uint8_t *bytes = cursor_get_block(cursor, NAME_MAX_BYTES, &length);

    if (!bytes || !text_is_utf8((const char *)bytes, length, NAME_MAX_BYTES)) {
        cursor->failed = true;
        return;
    }
    mapping->external_user = strndup((const char *)bytes, length);
    if (mapping->external_user && !name_is_valid(mapping->external_user))
        cursor->failed = true;
}

static void get_values(struct cursor *cursor, struct mapping *mapping)
{
    size_t count = cursor_get_u16(cursor);
    size_t total = 0;

    if (count > FIELDS_MAX)
        cursor->failed = true;
    while (cursor_ok(cursor) && mapping->values_count < count) {
        struct mapping_value value = {.field = cursor_get_u32(cursor)};

        value.bytes = cursor_get_block(cursor, VALUE_MAX_BYTES, &value.length);
        total += value.length;
        if (total > VALUES_MAX_BYTES || mapping_value(mapping, value.field))
            cursor->failed = true;
        if (cursor_ok(cursor))
            mapping->values[mapping->values_count++] = value;
    }
}

int mapping_parse(struct secret *value, struct mapping **ret_mapping)
{
    CLEANUP_SECRET struct secret *owned = value;
    CLEANUP_MAPPING struct mapping *mapping = NULL;
    struct cursor cursor = cursor_reader(owned->bytes, owned->length);
    uint8_t format = cursor_get_u8(&cursor);
    uint8_t state = cursor_get_u8(&cursor);

    if (!cursor_ok(&cursor) || format == 0)
        return -EBADMSG;
    if (format > FORMAT)
        return -EPROTONOSUPPORT;
    if (state > MAPPING_DISABLED_BY_ADMINISTRATOR)
        return -EBADMSG;
    mapping = calloc(1, sizeof(*mapping));
    if (!mapping)
        return -ENOMEM;
    mapping->state = (enum mapping_state)state;
    mapping->changed_usec = cursor_get_u64(&cursor);
    mapping->changed_by = cursor_get_u32(&cursor);
    get_external(&cursor, mapping);
    get_values(&cursor, mapping);
    if (!cursor_at_end(&cursor))
        return -EBADMSG;
    if (!mapping->external_user)
        return -ENOMEM;
    mapping->memory = STEAL(owned);
    *ret_mapping = STEAL(mapping);
    return 0;
}

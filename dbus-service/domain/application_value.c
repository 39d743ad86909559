/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/cursor.h"
#include "dbus-service/domain/application_internal.h"
#include "dbus-service/domain/realm_internal.h"

#include <errno.h>
#include <string.h>

#define FORMAT 1
#define TYPE_DELETED 0
#define USER_PREFIX "user:"
#define ENTRY_MAX (sizeof(USER_PREFIX) - 1 + NAME_MAX_BYTES)
/* Everything at its limit, with the lengths before it. */
#define VALUE_ROOM                                                                                 \
    (64 + 4 + NAME_MAX_BYTES + 2 * (4 + TEXT_MAX_BYTES) +                                          \
     3 * (2 + LIST_NAMES_MAX * (4 + ENTRY_MAX)) + FIELDS_MAX * (9 + NAME_MAX_BYTES))

struct shared {
    struct application application; /* first: the two share their address */
    size_t references;
};

int application_new(struct application **ret_application)
{
    struct shared *shared = calloc(1, sizeof(*shared));

    if (!shared)
        return -ENOMEM;
    shared->references = 1;
    *ret_application = &shared->application;
    return 0;
}

struct application *application_ref(const struct application *application)
{
    /* The count is no part of the definition, which nobody changes. */
    struct shared *shared = (struct shared *)(uintptr_t)application;

    shared->references++;
    return &shared->application;
}

static void name_list_deinit(struct name_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
    *list = (struct name_list){0};
}

void application_unref(struct application *application)
{
    struct shared *shared = (struct shared *)application;

    if (!shared || --shared->references > 0)
        return;
    free(application->name);
    free(application->description);
    free(application->contact);
    name_list_deinit(&application->users);
    name_list_deinit(&application->admins);
    name_list_deinit(&application->agents);
    for (size_t i = 0; i < application->fields_count; i++)
        free(application->fields[i].label);
    free(application->fields);
    free(shared);
}

void application_key(struct record_key *ret_key, const uint8_t id[APPLICATION_ID_SIZE])
{
    realm_key(ret_key, RECORD_APPLICATION, NULL, id, APPLICATION_ID_SIZE);
}

int name_list_copy(struct name_list *list, const struct name_list *from)
{
    struct name_list copy = {.names = calloc(from->count ? from->count : 1, sizeof(char *))};

    if (!copy.names)
        return -ENOMEM;
    for (; copy.count < from->count; copy.count++) {
        copy.names[copy.count] = strdup(from->names[copy.count]);
        if (!copy.names[copy.count]) {
            name_list_deinit(&copy);
            return -ENOMEM;
        }
    }
    name_list_deinit(list);
    *list = copy;
    return 0;
}

/* ---- Words ---- */

const char *application_type_name(enum application_type type)
{
    return type == APPLICATION_GROUP ? "group" : "individual";
}

int application_type_parse(const char *name, enum application_type *ret_type)
{
    if (strcmp(name, "individual") == 0)
        *ret_type = APPLICATION_INDIVIDUAL;
    else if (strcmp(name, "group") == 0)
        *ret_type = APPLICATION_GROUP;
    else
        return -EINVAL;
    return 0;
}

int application_field(const struct application *application, const char *label,
                      const struct field **ret_field)
{
    for (size_t i = 0; i < application->fields_count; i++)
        if (strcmp(application->fields[i].label, label) == 0) {
            *ret_field = &application->fields[i];
            return 0;
        }
    return -ENOENT;
}

int application_only_masked(const struct application *application, const struct field **ret_field)
{
    const struct field *found = NULL;

    for (size_t i = 0; i < application->fields_count; i++) {
        if (!application->fields[i].masked)
            continue;
        if (found)
            return -E2BIG;
        found = &application->fields[i];
    }
    if (!found)
        return -ENOENT;
    *ret_field = found;
    return 0;
}

/* ---- Checks ---- */

static bool entry_is_valid(const char *entry, bool users_only)
{
    size_t prefix = strlen(USER_PREFIX);

    if (strncmp(entry, USER_PREFIX, prefix) == 0)
        return name_is_valid(entry + prefix);
    return !users_only && name_is_valid(entry);
}

static bool list_has(const struct name_list *list, size_t before, const char *entry)
{
    for (size_t i = 0; i < before; i++)
        if (strcmp(list->names[i], entry) == 0)
            return true;
    return false;
}

static int check_list(const struct name_list *list, const char *what, bool users_only,
                      struct failure *failure)
{
    if (!list)
        return 0;
    if (list->count > LIST_NAMES_MAX)
        return failure_set(failure, ERROR_TOO_LARGE, "%s has more than %d entries", what,
                           LIST_NAMES_MAX);
    for (size_t i = 0; i < list->count; i++) {
        if (!entry_is_valid(list->names[i], users_only))
            return failure_set(failure, ERROR_INVALID_ARGUMENT, "%s: '%.300s' is not %s", what,
                               list->names[i],
                               users_only ? "\"user:NAME\"" : "a group's name or \"user:NAME\"");
        if (list_has(list, i, list->names[i]))
            return failure_set(failure, ERROR_INVALID_ARGUMENT, "%s: '%s' stands there twice", what,
                               list->names[i]);
    }
    return 0;
}

static int check_text(const char *text, const char *what, struct failure *failure)
{
    if (!text || text_is_utf8(text, strlen(text), TEXT_MAX_BYTES))
        return 0;
    if (strlen(text) > TEXT_MAX_BYTES)
        return failure_set(failure, ERROR_TOO_LARGE, "the %s has more than %d bytes", what,
                           TEXT_MAX_BYTES);
    return failure_set(failure, ERROR_INVALID_ARGUMENT, "the %s is not UTF-8", what);
}

static bool list_is_none(const struct name_list *list)
{
    return list && list->count == 1 && strcmp(list->names[0], "none") == 0;
}

int application_check_lists(const struct application_draft *draft, struct failure *failure)
{
    int r = check_text(draft->description, "description", failure);

    if (r == 0)
        r = check_text(draft->contact, "contact", failure);
    if (r == 0)
        r = check_list(draft->users, "users", false, failure);
    if (r == 0)
        r = check_list(draft->admins, "admins", false, failure);
    if (r == 0 && !list_is_none(draft->agents))
        r = check_list(draft->agents, "agents", true, failure);
    return r;
}

static int check_label(const struct field *fields, size_t index, struct failure *failure)
{
    const char *label = fields[index].label;

    if (!name_is_valid(label))
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "a field's label is 1 to %d bytes of UTF-8 without control characters",
                           NAME_MAX_BYTES);
    for (size_t i = 0; i < index; i++)
        if (strcmp(fields[i].label, label) == 0)
            return failure_set(failure, ERROR_FIELD_EXISTS, "two fields are labelled '%s'", label);
    return 0;
}

int application_check_fields(const struct field *fields, size_t count, struct failure *failure)
{
    size_t masked = 0;
    int r = 0;

    if (count == 0)
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "an application needs a field for the external user name");
    if (count > FIELDS_MAX)
        return failure_set(failure, ERROR_TOO_LARGE, "an application has at most %d fields",
                           FIELDS_MAX);
    if (fields[0].masked)
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "the first field is the external user name and cannot be masked");
    for (size_t i = 0; i < count && r == 0; i++) {
        masked += fields[i].masked;
        r = check_label(fields, i, failure);
    }
    if (r == 0 && masked > MASKED_FIELDS_MAX)
        return failure_set(failure, ERROR_TOO_LARGE, "an application has at most %d masked fields",
                           MASKED_FIELDS_MAX);
    return r;
}

/* ---- Value ---- */

static void put_text(struct cursor *cursor, const char *text)
{
    cursor_put_block(cursor, text, strlen(text));
}

static void put_list(struct cursor *cursor, const struct name_list *list)
{
    cursor_put_u16(cursor, (uint16_t)list->count);
    for (size_t i = 0; i < list->count; i++)
        put_text(cursor, list->names[i]);
}

static void put_fields(struct cursor *cursor, const struct application *application)
{
    cursor_put_u32(cursor, application->next_field);
    cursor_put_u16(cursor, (uint16_t)application->fields_count);
    for (size_t i = 0; i < application->fields_count; i++) {
        cursor_put_u32(cursor, application->fields[i].id);
        cursor_put_u8(cursor, application->fields[i].masked);
        put_text(cursor, application->fields[i].label);
    }
}

int application_format(const struct application *application, struct secret **ret_value)
{
    CLEANUP_SECRET struct secret *value = NULL;
    struct cursor cursor;
    int r = secret_new(VALUE_ROOM, &value);

    if (r < 0)
        return r;
    cursor = cursor_writer(value->bytes, value->capacity);
    cursor_put_u8(&cursor, FORMAT);
    cursor_put_u8(&cursor, (uint8_t)application->type);
    cursor_put_u8(&cursor, application->enabled);
    cursor_put_u8(&cursor, application->agents_none);
    cursor_put_u64(&cursor, application->created_usec);
    put_text(&cursor, application->name);
    put_text(&cursor, application->description);
    put_text(&cursor, application->contact);
    put_list(&cursor, &application->users);
    put_list(&cursor, &application->admins);
    put_list(&cursor, &application->agents);
    put_fields(&cursor, application);
    if (!cursor_ok(&cursor))
        return -EMSGSIZE;
    value->length = cursor.position;
    *ret_value = STEAL(value);
    return 0;
}

int application_format_deleted(struct secret **ret_value)
{
    static const uint8_t deleted[] = {FORMAT, TYPE_DELETED};

    return secret_new_copy(deleted, sizeof(deleted), ret_value);
}

struct reader {
    struct cursor cursor;
    bool no_memory; /* then what was read is no damage */
};

/* NULL after a failure of the cursor, of memory, or of what a text may hold. */
static char *get_text(struct reader *reader, size_t maximum)
{
    size_t length = 0;
    const uint8_t *bytes = cursor_get_block(&reader->cursor, maximum, &length);
    char *text;

    if (!bytes || !text_is_utf8((const char *)bytes, length, maximum)) {
        reader->cursor.failed = true;
        return NULL;
    }
    text = strndup((const char *)bytes, length);
    if (!text) {
        reader->no_memory = true;
        reader->cursor.failed = true;
    }
    return text;
}

static char *get_name(struct reader *reader)
{
    CLEANUP_FREE char *name = get_text(reader, NAME_MAX_BYTES);

    if (name && !name_is_valid(name))
        reader->cursor.failed = true;
    return STEAL(name);
}

static void get_list(struct reader *reader, bool users_only, struct name_list *list)
{
    size_t count = cursor_get_u16(&reader->cursor);

    if (count > LIST_NAMES_MAX)
        reader->cursor.failed = true;
    if (!cursor_ok(&reader->cursor))
        return;
    list->names = calloc(count ? count : 1, sizeof(char *));
    reader->no_memory |= !list->names;
    while (list->names && list->count < count) {
        char *name = get_text(reader, ENTRY_MAX);

        if (!name)
            return;
        list->names[list->count++] = name;
        if (!entry_is_valid(name, users_only))
            reader->cursor.failed = true;
    }
}

/* Has the last field the id of another? */
static bool has_twin(const struct application *application)
{
    size_t last = application->fields_count - 1;

    for (size_t i = 0; i < last; i++)
        if (application->fields[i].id == application->fields[last].id)
            return true;
    return false;
}

static void get_fields(struct reader *reader, struct application *application)
{
    size_t count;

    application->next_field = cursor_get_u32(&reader->cursor);
    count = cursor_get_u16(&reader->cursor);
    if (count == 0 || count > FIELDS_MAX)
        reader->cursor.failed = true;
    if (!cursor_ok(&reader->cursor))
        return;
    application->fields = calloc(count, sizeof(struct field));
    reader->no_memory |= !application->fields;
    while (application->fields && application->fields_count < count) {
        struct field *field = &application->fields[application->fields_count];
        uint8_t masked;

        field->id = cursor_get_u32(&reader->cursor);
        masked = cursor_get_u8(&reader->cursor);
        field->masked = masked != 0;
        field->label = get_name(reader);
        if (!field->label)
            return;
        application->fields_count++;
        if (masked > 1 || field->id >= application->next_field || has_twin(application))
            reader->cursor.failed = true;
    }
}

static void get_head(struct reader *reader, uint8_t type, struct application *application)
{
    uint8_t enabled = cursor_get_u8(&reader->cursor);
    uint8_t agents_none = cursor_get_u8(&reader->cursor);

    if ((type != APPLICATION_INDIVIDUAL && type != APPLICATION_GROUP) || enabled > 1 ||
        agents_none > 1)
        reader->cursor.failed = true;
    application->type = type == APPLICATION_GROUP ? APPLICATION_GROUP : APPLICATION_INDIVIDUAL;
    application->enabled = enabled == 1;
    application->agents_none = agents_none == 1;
    application->created_usec = cursor_get_u64(&reader->cursor);
    application->name = get_name(reader);
    application->description = get_text(reader, TEXT_MAX_BYTES);
    application->contact = get_text(reader, TEXT_MAX_BYTES);
}

int application_parse(const uint8_t id[APPLICATION_ID_SIZE], const void *value, size_t size,
                      struct application **ret_application)
{
    CLEANUP_APPLICATION struct application *application = NULL;
    struct reader reader = {.cursor = cursor_reader(value, size)};
    uint8_t format = cursor_get_u8(&reader.cursor);
    uint8_t type = cursor_get_u8(&reader.cursor);
    struct failure failure;
    int r;

    if (!cursor_ok(&reader.cursor) || format == 0)
        return -EBADMSG;
    if (format > FORMAT)
        return -EPROTONOSUPPORT;
    if (type == TYPE_DELETED)
        return cursor_at_end(&reader.cursor) ? APPLICATION_IS_DELETED : -EBADMSG;
    r = application_new(&application);
    if (r < 0)
        return r;
    memcpy(application->id, id, APPLICATION_ID_SIZE);
    get_head(&reader, type, application);
    get_list(&reader, false, &application->users);
    get_list(&reader, false, &application->admins);
    get_list(&reader, true, &application->agents);
    get_fields(&reader, application);
    if (reader.no_memory)
        return -ENOMEM;
    if (!cursor_at_end(&reader.cursor))
        return -EBADMSG;
    if (application_check_fields(application->fields, application->fields_count, &failure) != 0)
        return -EBADMSG;
    *ret_application = STEAL(application);
    return APPLICATION_PARSED;
}

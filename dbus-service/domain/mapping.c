/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/application_internal.h"
#include "dbus-service/domain/mapping_internal.h"
#include "dbus-service/domain/realm_internal.h"

#include <errno.h>
#include <string.h>

/* Each retry waits for the change it lost against, so this many writers of one mapping may meet. */
#define ATTEMPTS_MAX 32

#define ACCOUNT_TEXT_SIZE (6 + NAME_MAX_BYTES + 1)

/* ---- Reading ---- */

static int parse_failure(struct failure *failure, int r, const struct application *application,
                         const struct account_name *account)
{
    char text[ACCOUNT_TEXT_SIZE];

    account_name_format(account, text);
    if (r == -EPROTONOSUPPORT)
        return failure_set(failure, ERROR_NEWER_FORMAT, "the mapping of %s in application '%s' is "
                           "of a newer version", text, application->name);
    if (r == -EBADMSG)
        return failure_set(failure, ERROR_DAMAGED, "the mapping of %s in application '%s' is "
                           "ill-formed", text, application->name);
    return failure_from_errno(failure, r, "cannot read a mapping");
}

/* *ret_mapping NULL and the version of the newest record when there is none. */
static int find(struct realm *realm, const struct application *application,
                const struct account_name *account, struct mapping **ret_mapping,
                uint64_t *ret_version, struct failure *failure)
{
    CLEANUP(realm_record_deinit) struct realm_record record = {0};
    struct mapping *mapping = NULL;
    struct record_key key;
    int r;

    mapping_key(&key, application->id, account);
    r = realm_get(realm, &key, &record, failure);
    if (r != 0)
        return r;
    if (record.revision != 0) {
        r = mapping_parse(STEAL(record.value), &mapping);
        if (r < 0)
            return parse_failure(failure, r, application, account);
        mapping->account.kind = account->kind;
        memcpy(mapping->account.name, account->name, strlen(account->name) + 1);
        mapping->revision = record.revision;
        mapping->version = record.version;
        mapping->generation = record.generation;
    }
    *ret_mapping = mapping;
    *ret_version = record.version;
    return 0;
}

static int failure_not_found(struct failure *failure, const struct application *application,
                             const struct account_name *account)
{
    char text[ACCOUNT_TEXT_SIZE];

    account_name_format(account, text);
    return failure_set(failure, ERROR_MAPPING_NOT_FOUND, "%s has no mapping in application '%s'",
                       text, application->name);
}

int mapping_get(struct realm *realm, const struct application *application,
                const struct account_name *account, struct mapping **ret_mapping,
                struct failure *failure)
{
    struct mapping *mapping;
    uint64_t version;
    int r = find(realm, application, account, &mapping, &version, failure);

    if (r != 0)
        return r;
    if (!mapping)
        return failure_not_found(failure, application, account);
    *ret_mapping = mapping;
    return 0;
}

int mapping_exists(struct realm *realm, const struct application *application,
                   const struct account_name *account)
{
    struct record_key key;
    uint64_t revision, version;
    int r;

    mapping_key(&key, application->id, account);
    r = realm_peek(realm, &key, &revision, &version);
    return r < 0 ? r : revision != 0;
}

struct account_page {
    struct account_name accounts[PAGE_MAX];
    size_t count;
};

static int page_add(void *userdata, const struct record_key *key)
{
    struct account_page *page = userdata;
    int r = mapping_account(key, &page->accounts[page->count]);

    if (r == 0)
        page->count++;
    return r;
}

static int list_one(struct realm *realm, const struct application *application,
                    const struct account_name *account, mapping_each each, void *userdata,
                    struct failure *failure)
{
    CLEANUP_MAPPING struct mapping *mapping = NULL;
    const struct mapping unreadable = {.account = *account};
    uint64_t version;
    int r = find(realm, application, account, &mapping, &version, failure);

    if (r == ERROR_DAMAGED || r == ERROR_NEWER_FORMAT)
        return each(userdata, &unreadable);
    return r != 0 || !mapping ? r : each(userdata, mapping);
}

int mapping_list(struct realm *realm, const struct application *application, uint64_t *cursor,
                 size_t limit, mapping_each each, void *userdata, struct failure *failure)
{
    CLEANUP_FREE struct account_page *page = malloc(sizeof(*page));
    int r = realm_check_readable(realm, failure);

    if (!page)
        return -ENOMEM;
    if (r != 0)
        return r;
    page->count = 0;
    r = log_list(realm_log(realm), RECORD_MAPPING, application->id, cursor,
                 limit == 0 || limit > PAGE_MAX ? PAGE_MAX : limit, page_add, page);
    if (r < 0)
        return failure_from_errno(failure, r, "cannot list the mappings");
    r = 0;
    for (size_t i = 0; i < page->count && r == 0; i++)
        r = list_one(realm, application, &page->accounts[i], each, userdata, failure);
    return r;
}

/* ---- Writing ---- */

/* One request to change a mapping. It may be decided several times: when it lost against another
 * change that was under way, it begins anew on what that one left. */
struct edit {
    struct realm *realm;
    struct application *application; /* as the caller was judged by; another revision: CONFLICT */
    struct account_name account;
    /* What the mapping shall be, given what it is (NULL = absent); *ret_value NULL = deleted. */
    int (*decide)(struct edit *edit, const struct mapping *present, struct mapping *ret_wanted,
                  bool *ret_delete, struct failure *failure);
    enum mapping_state state;
    char *external_user;
    struct mapping_value values[FIELDS_MAX]; /* within `memory` */
    size_t values_count;
    struct secret *memory;
    uid_t changed_by;
    bool seen;                     /* decided once; the state then: */
    enum mapping_state seen_state;
    bool final;                    /* a conflict that no retry resolves */
    unsigned attempts;
    realm_write_done done;
    void *userdata;
};

static void edit_free(struct edit *edit)
{
    if (!edit)
        return;
    application_unref(edit->application);
    secret_free(edit->memory);
    free(edit->external_user);
    free(edit);
}
CLEANUP_DEFINE(edit, struct edit, edit_free)

static int edit_new(struct realm *realm, const struct application *application,
                    const struct account_name *account, realm_write_done done, void *userdata,
                    struct edit **ret_edit, struct failure *failure)
{
    struct edit *edit;
    int r = realm_check_readable(realm, failure);

    if (r != 0)
        return r;
    edit = calloc(1, sizeof(*edit));
    if (!edit)
        return -ENOMEM;
    edit->realm = realm;
    edit->application = application_ref(application);
    edit->account = *account;
    edit->done = done;
    edit->userdata = userdata;
    *ret_edit = edit;
    return 0;
}

/* The name that the mapping had. A reservation that does not open can only be its own: it goes. */
static int release(struct edit *edit, struct realm_write *write, const char *external_user,
                   struct failure *failure)
{
    CLEANUP(realm_record_deinit) struct realm_record record = {0};
    struct record_key key, holder;
    int r;

    realm_reservation_key(edit->realm, &key, "external", edit->application->id, external_user);
    r = realm_reservation_get(edit->realm, &key, &record, failure);
    if (r != 0 || record.revision == 0)
        return r;
    mapping_key(&holder, edit->application->id, &edit->account);
    if (record.value && !realm_reservation_held_by(record.value, &holder))
        return 0;
    return realm_write_put(write, &key, record.revision, record.version, NULL);
}

static int refuse_name(const struct edit *edit, const struct realm_record *reservation,
                       const char *external_user, struct failure *failure)
{
    if (!reservation->value)
        return failure_set(failure, ERROR_DAMAGED,
                           "the reservation of external user '%s' in application '%s' does not "
                           "open; set or delete the mapping that has this name, if there is one",
                           external_user, edit->application->name);
    return failure_set(failure, ERROR_EXTERNAL_USER_TAKEN,
                       "external user '%s' of application '%s' is mapped to another account",
                       external_user, edit->application->name);
}

/* `stays`: the mapping has the name. So it has the reservation, written with it; only one that does
 * not open is written again. */
static int reserve(struct edit *edit, struct realm_write *write, const char *external_user,
                   bool stays, struct failure *failure)
{
    CLEANUP(realm_record_deinit) struct realm_record record = {0};
    CLEANUP_SECRET struct secret *value = NULL;
    struct record_key key, holder;
    int r;

    realm_reservation_key(edit->realm, &key, "external", edit->application->id, external_user);
    r = realm_reservation_get(edit->realm, &key, &record, failure);
    if (r != 0 || (stays && record.value))
        return r;
    mapping_key(&holder, edit->application->id, &edit->account);
    if (record.revision != 0 && !stays)
        return record.value && realm_reservation_held_by(record.value, &holder)
                   ? realm_write_expect(write, &key, record.revision)
                   : refuse_name(edit, &record, external_user, failure);
    r = realm_reservation_value(&holder, &value);
    return r < 0 ? r : realm_write_put(write, &key, record.revision, record.version, value);
}

/* wanted NULL: the mapping goes. */
static int put_reservations(struct edit *edit, struct realm_write *write,
                            const struct mapping *present, const struct mapping *wanted,
                            struct failure *failure)
{
    bool stays =
        present && wanted && strcmp(present->external_user, wanted->external_user) == 0;
    int r = 0;

    if (edit->application->type != APPLICATION_INDIVIDUAL)
        return 0;
    if (wanted)
        r = reserve(edit, write, wanted->external_user, stays, failure);
    if (r == 0 && present && !stays)
        r = release(edit, write, present->external_user, failure);
    return r;
}

static int put_mapping(struct edit *edit, struct realm_write *write, const struct mapping *present,
                       uint64_t version, const struct mapping *wanted)
{
    CLEANUP_SECRET struct secret *value = NULL;
    struct record_key key;
    int r = 0;

    application_key(&key, edit->application->id);
    r = realm_write_expect(write, &key, edit->application->revision);
    if (r == 0 && wanted)
        r = mapping_format(wanted, &value);
    if (r < 0)
        return r;
    mapping_key(&key, edit->application->id, &edit->account);
    return realm_write_put(write, &key, present ? present->revision : 0, version, value);
}

/* What was decided on must still be: the caller was judged by the application as he saw it, and
 * by who had disabled the mapping. */
static int check_unchanged(struct edit *edit, const struct mapping *present,
                           struct failure *failure)
{
    enum mapping_state state = present ? present->state : MAPPING_ENABLED;
    struct record_key key;
    uint64_t revision, version;
    int r;

    application_key(&key, edit->application->id);
    r = realm_peek(edit->realm, &key, &revision, &version);
    if (r < 0)
        return failure_from_errno(failure, r, "cannot read the view");
    edit->final = revision != edit->application->revision;
    if (edit->final)
        return failure_set(failure, ERROR_CONFLICT,
                           "application '%s' was changed or deleted meanwhile",
                           edit->application->name);
    edit->final = edit->seen && state == MAPPING_DISABLED_BY_ADMINISTRATOR &&
                  state != edit->seen_state;
    if (edit->final)
        return failure_set(failure, ERROR_CONFLICT,
                           "the mapping was disabled by an administrator meanwhile");
    edit->seen = true;
    edit->seen_state = state;
    return 0;
}

static void on_edit(void *userdata, const struct failure *failure, uint64_t revision);

/* Decides on what there is now, and commits. */
static int edit_try(struct edit *edit, struct failure *failure)
{
    CLEANUP_REALM_WRITE struct realm_write *write = NULL;
    CLEANUP_MAPPING struct mapping *present = NULL;
    struct mapping wanted = {0};
    bool delete = false;
    uint64_t version = 0;
    int r = find(edit->realm, edit->application, &edit->account, &present, &version, failure);

    edit->attempts++;
    if (r == 0)
        r = check_unchanged(edit, present, failure);
    if (r == 0)
        r = edit->decide(edit, present, &wanted, &delete, failure);
    if (r == 0)
        r = realm_write_new(edit->realm, &write);
    if (r == 0)
        r = put_reservations(edit, write, present, delete ? NULL : &wanted, failure);
    if (r == 0)
        r = put_mapping(edit, write, present, version, delete ? NULL : &wanted);
    return r != 0 ? r : realm_write_commit(STEAL(write), on_edit, edit, failure);
}

static void edit_end(struct edit *edit, int r, struct failure *failure, uint64_t revision)
{
    if (r < 0)
        failure_from_errno(failure, r, "cannot store the mapping");
    edit->done(edit->userdata, failure, revision);
    edit_free(edit);
}

static void on_retry(void *userdata);

/* 0 when the edit lives on: it is under way, or waits for the change it lost against. */
static int edit_advance(struct edit *edit, struct failure *failure)
{
    int r = edit_try(edit, failure);

    if (r == ERROR_CONFLICT && !edit->final && edit->attempts < ATTEMPTS_MAX)
        return realm_retry_later(edit->realm, on_retry, edit);
    return r;
}

static void on_retry(void *userdata)
{
    struct edit *edit = userdata;
    struct failure failure;
    int r = edit_advance(edit, &failure);

    if (r != 0)
        edit_end(edit, r, &failure, 0);
}

static void on_edit(void *userdata, const struct failure *failure, uint64_t revision)
{
    struct edit *edit = userdata;
    struct failure result = *failure;
    int r = (int)failure->code;

    if (r == ERROR_CONFLICT && edit->attempts < ATTEMPTS_MAX &&
        realm_retry_later(edit->realm, on_retry, edit) == 0)
        return;
    edit_end(edit, r, &result, revision);
}

/* Takes the edit. */
static int edit_begin(struct edit *edit, struct failure *failure)
{
    int r = edit_advance(edit, failure);

    if (r != 0)
        edit_free(edit);
    return r;
}

/* ---- Set ---- */

static bool group_has_account(const struct application *application,
                              const struct account_name *account)
{
    char text[ACCOUNT_TEXT_SIZE];
    const char *entry = account->name;

    if (account->kind == ACCOUNT_USER) {
        account_name_format(account, text);
        entry = text;
    }
    for (size_t i = 0; i < application->users.count; i++)
        if (strcmp(application->users.names[i], entry) == 0)
            return true;
    return false;
}

static int check_account(const struct application *application, const struct account_name *account,
                         struct failure *failure)
{
    char text[ACCOUNT_TEXT_SIZE];

    account_name_format(account, text);
    if (!name_is_valid(account->name))
        return failure_set(failure, ERROR_INVALID_ARGUMENT, "the account is not a valid name");
    if (application->type == APPLICATION_INDIVIDUAL && account->kind != ACCOUNT_USER)
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "application '%s' is individual: it maps users, not %s",
                           application->name, text);
    if (application->type == APPLICATION_GROUP && !group_has_account(application, account))
        return failure_set(failure, ERROR_NOT_APPLICATION_USER,
                           "%s is not an entry of the users of application '%s'", text,
                           application->name);
    return 0;
}

static const struct field *field_by_id(const struct application *application, uint32_t id)
{
    for (size_t i = 0; i < application->fields_count; i++)
        if (application->fields[i].id == id)
            return &application->fields[i];
    return NULL;
}

static int check_value(const struct application *application, const struct mapping_value *value,
                       struct failure *failure)
{
    const struct field *field = field_by_id(application, value->field);

    if (!field)
        return failure_set(failure, ERROR_FIELD_NOT_FOUND, "application '%s' has no such field",
                           application->name);
    if (field == application->fields)
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "field '%s' is the external user name: it is set as such", field->label);
    if (value->length > VALUE_MAX_BYTES)
        return failure_set(failure, ERROR_TOO_LARGE, "the value of field '%s' has more than %d bytes",
                           field->label, VALUE_MAX_BYTES);
    if (!field->masked &&
        !text_is_utf8((const char *)value->bytes, value->length, VALUE_MAX_BYTES))
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "the value of the plain field '%s' is not UTF-8 without NUL",
                           field->label);
    return 0;
}

static int check_change(const struct application *application, const struct mapping_change *change,
                        struct failure *failure)
{
    int r = check_account(application, &change->account, failure);

    if (r != 0)
        return r;
    if (change->external_user && !name_is_valid(change->external_user))
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "an external user name is 1 to %d bytes of UTF-8 without control "
                           "characters", NAME_MAX_BYTES);
    if (change->values_count > FIELDS_MAX)
        return failure_set(failure, ERROR_TOO_LARGE, "more than %d values", FIELDS_MAX);
    for (size_t i = 0; i < change->values_count && r == 0; i++) {
        r = check_value(application, &change->values[i], failure);
        for (size_t j = 0; j < i && r == 0; j++)
            if (change->values[j].field == change->values[i].field)
                r = failure_set(failure, ERROR_INVALID_ARGUMENT, "a field is named twice");
    }
    return r;
}

static int copy_values(struct edit *edit, const struct mapping_change *change)
{
    size_t total = 0;
    int r;

    for (size_t i = 0; i < change->values_count; i++)
        total += change->values[i].length;
    r = secret_new(total, &edit->memory);
    for (size_t i = 0; i < change->values_count && r == 0; i++) {
        edit->values[i] = (struct mapping_value){
            .field = change->values[i].field,
            .bytes = edit->memory->bytes + edit->memory->length,
            .length = change->values[i].length,
        };
        r = secret_append(edit->memory, change->values[i].bytes, change->values[i].length);
        edit->values_count++;
    }
    return r;
}

static bool edit_names(const struct edit *edit, uint32_t field)
{
    for (size_t i = 0; i < edit->values_count; i++)
        if (edit->values[i].field == field)
            return true;
    return false;
}

/* The values given, and of those present the ones not named whose field still exists. */
static void merge_values(const struct edit *edit, const struct mapping *present,
                         struct mapping *wanted)
{
    memcpy(wanted->values, edit->values, sizeof(wanted->values));
    wanted->values_count = edit->values_count;
    for (size_t i = 0; present && i < present->values_count; i++) {
        const struct mapping_value *value = &present->values[i];

        if (!edit_names(edit, value->field) && field_by_id(edit->application, value->field) &&
            wanted->values_count < FIELDS_MAX)
            wanted->values[wanted->values_count++] = *value;
    }
}

static int decide_set(struct edit *edit, const struct mapping *present, struct mapping *ret_wanted,
                      bool *ret_delete, struct failure *failure)
{
    size_t total = 0;

    *ret_delete = false;
    if (!present && !edit->external_user)
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "a new mapping needs an external user name");
    merge_values(edit, present, ret_wanted);
    for (size_t i = 0; i < ret_wanted->values_count; i++)
        total += ret_wanted->values[i].length;
    if (total > VALUES_MAX_BYTES)
        return failure_set(failure, ERROR_TOO_LARGE,
                           "the values of one mapping have at most %d bytes together",
                           VALUES_MAX_BYTES);
    ret_wanted->external_user = edit->external_user ? edit->external_user : present->external_user;
    ret_wanted->state = present ? present->state : MAPPING_ENABLED;
    ret_wanted->changed_usec = realm_now_usec();
    ret_wanted->changed_by = edit->changed_by;
    return 0;
}

int mapping_set(struct realm *realm, const struct application *application,
                const struct mapping_change *change, realm_write_done done, void *userdata,
                struct failure *failure)
{
    CLEANUP(edit_cleanup) struct edit *edit = NULL;
    int r = edit_new(realm, application, &change->account, done, userdata, &edit, failure);

    if (r == 0)
        r = check_change(application, change, failure);
    if (r == 0)
        r = copy_values(edit, change);
    if (r != 0)
        return r;
    if (change->external_user) {
        edit->external_user = strdup(change->external_user);
        if (!edit->external_user)
            return -ENOMEM;
    }
    edit->decide = decide_set;
    edit->changed_by = change->changed_by;
    return edit_begin(STEAL(edit), failure);
}

/* ---- State and deletion ---- */

static int decide_state(struct edit *edit, const struct mapping *present,
                        struct mapping *ret_wanted, bool *ret_delete, struct failure *failure)
{
    *ret_delete = false;
    if (!present)
        return failure_not_found(failure, edit->application, &edit->account);
    ret_wanted->external_user = present->external_user;
    memcpy(ret_wanted->values, present->values, sizeof(ret_wanted->values));
    ret_wanted->values_count = present->values_count;
    /* A user who disables what an administrator disabled must not come to own that decision. */
    ret_wanted->state = edit->state == MAPPING_DISABLED &&
                                present->state == MAPPING_DISABLED_BY_ADMINISTRATOR
                            ? present->state
                            : edit->state;
    ret_wanted->changed_usec = realm_now_usec();
    ret_wanted->changed_by = edit->changed_by;
    return 0;
}

int mapping_set_state(struct realm *realm, const struct application *application,
                      const struct account_name *account, enum mapping_state state,
                      uid_t changed_by, realm_write_done done, void *userdata,
                      struct failure *failure)
{
    struct edit *edit;
    int r = edit_new(realm, application, account, done, userdata, &edit, failure);

    if (r != 0)
        return r;
    edit->decide = decide_state;
    edit->state = state;
    edit->changed_by = changed_by;
    return edit_begin(edit, failure);
}

static int decide_delete(struct edit *edit, const struct mapping *present,
                         struct mapping *ret_wanted, bool *ret_delete, struct failure *failure)
{
    (void)ret_wanted;
    *ret_delete = true;
    return present ? 0 : failure_not_found(failure, edit->application, &edit->account);
}

int mapping_delete(struct realm *realm, const struct application *application,
                   const struct account_name *account, realm_write_done done, void *userdata,
                   struct failure *failure)
{
    struct edit *edit;
    int r = edit_new(realm, application, account, done, userdata, &edit, failure);

    if (r != 0)
        return r;
    edit->decide = decide_delete;
    return edit_begin(edit, failure);
}

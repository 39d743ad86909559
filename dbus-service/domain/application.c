/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/application_internal.h"
#include "dbus-service/domain/realm_internal.h"
#include "dbus-service/store/log.h"

#include <errno.h>
#include <string.h>

#define LOAD_PAGE 256
#define ATTEMPTS_MAX 32

struct application_set {
    struct realm *realm;
    struct application_events events;
    struct application **applications; /* APPLICATIONS_MAX places, ordered by name */
    size_t count;
    size_t creating; /* creates under way: their places are taken */
};

/* ---- The set ---- */

/* Index of the first name not below `name`. */
static size_t set_position(const struct application_set *set, const char *name)
{
    size_t low = 0, high = set->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(set->applications[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool set_has_at(const struct application_set *set, size_t index, const char *name)
{
    return index < set->count && strcmp(set->applications[index]->name, name) == 0;
}

/* Takes the reference; true when the name is new. */
static bool set_put(struct application_set *set, struct application *application)
{
    size_t index = set_position(set, application->name);

    if (set_has_at(set, index, application->name)) {
        application_unref(set->applications[index]);
        set->applications[index] = application;
        return false;
    }
    memmove(&set->applications[index + 1], &set->applications[index],
            (set->count - index) * sizeof(struct application *));
    set->applications[index] = application;
    set->count++;
    return true;
}

static void set_remove(struct application_set *set, const struct application *application)
{
    size_t index = set_position(set, application->name);

    if (!set_has_at(set, index, application->name) ||
        memcmp(set->applications[index]->id, application->id, APPLICATION_ID_SIZE) != 0)
        return;
    application_unref(set->applications[index]);
    set->count--;
    memmove(&set->applications[index], &set->applications[index + 1],
            (set->count - index) * sizeof(struct application *));
}

int application_set_new(struct realm *realm, const struct application_events *events,
                        struct application_set **ret_set)
{
    struct application_set *set = calloc(1, sizeof(*set));

    if (!set)
        return -ENOMEM;
    set->applications = calloc(APPLICATIONS_MAX, sizeof(struct application *));
    if (!set->applications) {
        free(set);
        return -ENOMEM;
    }
    set->realm = realm;
    if (events)
        set->events = *events;
    *ret_set = set;
    return 0;
}

void application_set_clear(struct application_set *set)
{
    while (set->count > 0)
        application_unref(set->applications[--set->count]);
}

void application_set_free(struct application_set *set)
{
    if (!set)
        return;
    application_set_clear(set);
    free(set->applications);
    free(set);
}

size_t application_set_count(const struct application_set *set)
{
    return set->count;
}

const struct application *application_set_find(const struct application_set *set, const char *name)
{
    size_t index = set_position(set, name);

    return set_has_at(set, index, name) ? set->applications[index] : NULL;
}

const struct application *application_set_at(const struct application_set *set, size_t index)
{
    return index < set->count ? set->applications[index] : NULL;
}

size_t application_set_after(const struct application_set *set, const char *name)
{
    size_t index = set_position(set, name);

    return set_has_at(set, index, name) ? index + 1 : index;
}

uint64_t application_mappings(const struct application_set *set,
                              const struct application *application)
{
    struct log *log = realm_log(set->realm);

    return log ? log_count(log, RECORD_MAPPING, application->id) : 0;
}

/* ---- Loading ---- */

struct id_page {
    uint8_t ids[LOAD_PAGE][APPLICATION_ID_SIZE];
    size_t count;
};

static int page_add(void *userdata, const struct record_key *key)
{
    struct id_page *page = userdata;

    if (key->name_length != APPLICATION_ID_SIZE)
        return -EBADMSG;
    memcpy(page->ids[page->count++], key->name, APPLICATION_ID_SIZE);
    return 0;
}

static int parse_failure(struct failure *failure, int r)
{
    if (r == -EPROTONOSUPPORT)
        return failure_set(failure, ERROR_NEWER_FORMAT, "an application is of a newer version");
    return failure_from_errno(failure, r, "cannot read an application");
}

static int load_one(struct application_set *set, const uint8_t id[APPLICATION_ID_SIZE],
                    struct failure *failure)
{
    CLEANUP(realm_record_deinit) struct realm_record record = {0};
    struct application *application;
    struct record_key key;
    int r;

    application_key(&key, id);
    r = realm_get(set->realm, &key, &record, failure);
    if (r != 0 || record.revision == 0)
        return r;
    if (set->count >= APPLICATIONS_MAX)
        return failure_set(failure, ERROR_LIMITS_EXCEEDED, "there are more than %d applications",
                           APPLICATIONS_MAX);
    r = application_parse(id, record.value->bytes, record.value->length, &application);
    if (r < 0)
        return parse_failure(failure, r);
    if (r == APPLICATION_IS_DELETED)
        return realm_state(set->realm) == REALM_READY
                   ? application_purge(set->realm, id)
                   : 0;
    application->revision = record.revision;
    application->version = record.version;
    (void)set_put(set, application); /* all of them are announced at once, by the realm's state */
    return 0;
}

/* One that cannot be read is no reason to withhold the others. */
struct unread {
    size_t count;
    struct failure first;
};

static int load_page(struct application_set *set, const struct id_page *page, struct unread *unread,
                     struct failure *failure)
{
    for (size_t i = 0; i < page->count; i++) {
        int r = load_one(set, page->ids[i], failure);

        if (r != 0 && r != ERROR_DAMAGED && r != ERROR_NEWER_FORMAT)
            return r;
        if (r != 0 && unread->count++ == 0)
            unread->first = *failure;
    }
    return 0;
}

static int unread_failure(struct failure *failure, const struct unread *unread)
{
    if (unread->count == 0)
        return 0;
    return failure_set(failure, unread->first.code, "applications that cannot be read: %zu; the first: %s",
                       unread->count, unread->first.text);
}

static int load_all(struct application_set *set, struct unread *unread, struct failure *failure)
{
    static const uint8_t realm_scope[RECORD_SCOPE_SIZE];
    uint64_t cursor = 0;
    int r;

    do {
        struct id_page page = {.count = 0};

        r = log_list(realm_log(set->realm), RECORD_APPLICATION, realm_scope, &cursor, LOAD_PAGE,
                     page_add, &page);
        if (r < 0)
            return failure_from_errno(failure, r, "cannot list the applications");
        r = load_page(set, &page, unread, failure);
    } while (r == 0 && cursor != 0);
    return r;
}

int application_set_load(struct application_set *set, struct failure *failure)
{
    struct unread unread = {.count = 0};
    int r = realm_check_readable(set->realm, failure);

    if (r != 0)
        return r;
    application_set_clear(set);
    r = load_all(set, &unread, failure);
    if (r == 0)
        return unread_failure(failure, &unread);
    application_set_clear(set); /* a part would be taken for all */
    return r;
}

/* ---- Changes ---- */

enum change_kind { CHANGE_CREATE, CHANGE_UPDATE, CHANGE_DELETE };

/* One request. It may be decided several times: what the record of the definition, or of the name, is
 * replaced by may just be the same under another generation. */
struct change {
    struct application_set *set;
    enum change_kind kind;
    struct application *base;        /* what is changed or deleted; NULL to create */
    struct application *application; /* as it will be; to delete: as it was */
    bool final;                      /* a conflict that no retry resolves */
    unsigned attempts;
    realm_write_done done;
    void *userdata;
};

static void change_free(struct change *change)
{
    if (!change)
        return;
    change->set->creating -= change->kind == CHANGE_CREATE;
    application_unref(change->base);
    application_unref(change->application);
    free(change);
}
CLEANUP_DEFINE(change, struct change, change_free)

static int change_new(struct application_set *set, enum change_kind kind,
                      const struct application *base, realm_write_done done, void *userdata,
                      struct change **ret_change)
{
    struct change *change = calloc(1, sizeof(*change));

    if (!change)
        return -ENOMEM;
    set->creating += kind == CHANGE_CREATE;
    *change = (struct change){.set = set, .kind = kind, .done = done, .userdata = userdata};
    if (base)
        change->base = application_ref(base);
    *ret_change = change;
    return 0;
}

static void change_install(struct change *change, uint64_t revision)
{
    const struct application_events *events = &change->set->events;
    struct application *application = change->application;

    application->revision = revision;
    application->version++;
    if (set_put(change->set, application_ref(application))) {
        if (events->added)
            events->added(events->userdata, application);
    } else if (events->changed) {
        events->changed(events->userdata, application);
    }
}

static void change_remove(struct change *change)
{
    const struct application_events *events = &change->set->events;
    struct application *application = change->application;

    set_remove(change->set, application);
    if (events->removed)
        events->removed(events->userdata, application->name);
    /* Without memory for it the purge waits for the next start. */
    (void)!application_purge(change->set->realm, application->id);
}

/* A create loses only to another one of the same name. */
static void change_explain(const struct change *change, struct failure *failure)
{
    const char *name = change->application->name;

    if (failure->code != ERROR_CONFLICT)
        return;
    if (change->kind == CHANGE_CREATE)
        failure_set(failure, ERROR_APPLICATION_EXISTS, "an application '%s' exists", name);
    else
        failure_set(failure, ERROR_CONFLICT, "application '%s' was changed by somebody else", name);
}

static void change_end(struct change *change, int r, const struct failure *failure,
                       uint64_t revision)
{
    CLEANUP(change_cleanup) struct change *owned = change;
    struct failure result = *failure;
    struct failure unreadable;

    if (r < 0)
        failure_from_errno(&result, r, "cannot store the application");
    change_explain(owned, &result);
    /* Sealed meanwhile: the set is loaded again after the next unseal. */
    if (result.code == ERROR_NONE && realm_check_readable(owned->set->realm, &unreadable) == 0) {
        if (owned->kind == CHANGE_DELETE)
            change_remove(owned);
        else
            change_install(owned, revision);
    }
    owned->done(owned->userdata, &result, revision);
}

/* The record of the definition, as it will be, on top of the one it was made from. */
static int put_definition(struct realm_write *write, const struct application *application)
{
    CLEANUP_SECRET struct secret *value = NULL;
    struct record_key key;
    int r = application_format(application, &value);

    if (r < 0)
        return r;
    application_key(&key, application->id);
    return realm_write_put(write, &key, application->revision, application->version, value);
}

static int put_name(struct realm *realm, struct realm_write *write,
                    const struct application *application, struct failure *failure);
static int put_deleted(struct realm *realm, struct realm_write *write,
                       const struct application *application, struct failure *failure);

static int change_put(struct change *change, struct realm_write *write, struct failure *failure)
{
    struct application *application = change->application;
    int r;

    if (change->kind == CHANGE_DELETE)
        return put_deleted(change->set->realm, write, application, failure);
    if (change->base) {
        application->revision = change->base->revision;
        application->version = change->base->version;
    }
    r = put_definition(write, application);
    return r != 0 || change->kind == CHANGE_UPDATE
               ? r
               : put_name(change->set->realm, write, application, failure);
}

/* What the caller was judged by, and his change is made from, must still be the application. */
static int check_base(struct change *change, struct failure *failure)
{
    int r = realm_check_readable(change->set->realm, failure);

    if (r != 0 || !change->base ||
        application_set_find(change->set, change->base->name) == change->base)
        return r;
    change->final = true;
    return failure_set(failure, ERROR_CONFLICT, NULL);
}

static void on_change(void *userdata, const struct failure *failure, uint64_t revision);

static int change_try(struct change *change, struct failure *failure)
{
    CLEANUP_REALM_WRITE struct realm_write *write = NULL;
    int r = check_base(change, failure);

    change->attempts++;
    if (r == 0)
        r = realm_write_new(change->set->realm, &write);
    if (r == 0)
        r = change_put(change, write, failure);
    return r != 0 ? r : realm_write_commit(STEAL(write), on_change, change, failure);
}

static void on_retry(void *userdata);

/* 0 when the change lives on: it is under way, or waits for the one it lost against. */
static int change_advance(struct change *change, struct failure *failure)
{
    int r = change_try(change, failure);

    if (r == ERROR_CONFLICT && !change->final && change->attempts < ATTEMPTS_MAX)
        return realm_retry_later(change->set->realm, on_retry, change);
    return r;
}

static void on_retry(void *userdata)
{
    struct change *change = userdata;
    struct failure failure = {.code = ERROR_NONE};
    int r = change_advance(change, &failure);

    if (r != 0)
        change_end(change, r, &failure, 0);
}

static void on_change(void *userdata, const struct failure *failure, uint64_t revision)
{
    struct change *change = userdata;

    if (failure->code == ERROR_CONFLICT && change->attempts < ATTEMPTS_MAX &&
        realm_retry_later(change->set->realm, on_retry, change) == 0)
        return;
    change_end(change, (int)failure->code, failure, revision);
}

/* Takes the change. */
static int change_begin(struct change *change, struct failure *failure)
{
    CLEANUP(change_cleanup) struct change *owned = change;
    int r = change_advance(owned, failure);

    if (r == 0) {
        STEAL(owned);
    } else if (r > 0) {
        change_explain(owned, failure);
        r = (int)failure->code;
    }
    return r;
}

void application_set_rewritten(struct application_set *set, const uint8_t id[APPLICATION_ID_SIZE],
                               uint64_t revision)
{
    for (size_t i = 0; i < set->count; i++) {
        struct application *application = set->applications[i];

        if (memcmp(application->id, id, APPLICATION_ID_SIZE) != 0)
            continue;
        application->revision = revision;
        application->version++;
        return;
    }
}

/* ---- Create ---- */

/* A reservation that does not open is taken over: no application that can be read has the name. */
static int put_name(struct realm *realm, struct realm_write *write,
                    const struct application *application, struct failure *failure)
{
    CLEANUP(realm_record_deinit) struct realm_record record = {0};
    CLEANUP_SECRET struct secret *value = NULL;
    struct record_key key, holder;
    int r;

    realm_reservation_key(realm, &key, "application", NULL, application->name);
    r = realm_reservation_get(realm, &key, &record, failure);
    if (r != 0)
        return r;
    if (record.value)
        return failure_set(failure, ERROR_APPLICATION_EXISTS, "an application '%s' exists",
                           application->name);
    application_key(&holder, application->id);
    r = realm_reservation_value(&holder, &value);
    if (r < 0)
        return r;
    return realm_write_put(write, &key, record.revision, record.version, value);
}

static int copy_text(char **target, const char *text)
{
    char *copy = strdup(text ? text : "");

    if (!copy)
        return -ENOMEM;
    free(*target);
    *target = copy;
    return 0;
}

static int copy_fields(struct application *application, const struct field *fields, size_t count)
{
    /* One more, so that a field can be added in place. */
    application->fields = calloc(count + 1, sizeof(struct field));
    if (!application->fields)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct field *field = &application->fields[i];

        field->label = strdup(fields[i].label);
        if (!field->label)
            return -ENOMEM;
        field->masked = fields[i].masked;
        field->id = fields[i].id;
        application->fields_count++;
    }
    return 0;
}

static bool agents_are_none(const struct name_list *agents)
{
    return agents->count == 1 && strcmp(agents->names[0], "none") == 0;
}

static int apply_agents(struct application *application, const struct name_list *agents)
{
    static const struct name_list nobody;

    application->agents_none = agents_are_none(agents);
    return name_list_copy(&application->agents, application->agents_none ? &nobody : agents);
}

/* What the draft names, over what is there. */
static int apply_draft(struct application *application, const struct application_draft *draft)
{
    int r = 0;

    if (draft->description)
        r = copy_text(&application->description, draft->description);
    if (r == 0 && draft->contact)
        r = copy_text(&application->contact, draft->contact);
    if (r == 0 && draft->users)
        r = name_list_copy(&application->users, draft->users);
    if (r == 0 && draft->admins)
        r = name_list_copy(&application->admins, draft->admins);
    if (r == 0 && draft->agents)
        r = apply_agents(application, draft->agents);
    if (r == 0 && draft->enabled)
        application->enabled = *draft->enabled;
    return r;
}

static int build(const struct application_draft *draft, struct application **ret_application)
{
    CLEANUP_APPLICATION struct application *application = NULL;
    int r = application_new(&application);

    if (r == 0)
        r = copy_text(&application->name, draft->name);
    if (r == 0)
        r = copy_text(&application->description, "");
    if (r == 0)
        r = copy_text(&application->contact, "");
    if (r == 0)
        r = copy_fields(application, draft->fields, draft->fields_count);
    if (r == 0)
        r = apply_draft(application, draft);
    if (r < 0)
        return r;
    for (size_t i = 0; i < application->fields_count; i++)
        application->fields[i].id = application->next_field++;
    application->type = draft->type;
    application->created_usec = realm_now_usec();
    random_bytes(application->id, APPLICATION_ID_SIZE);
    *ret_application = STEAL(application);
    return 0;
}

static int check_create(const struct application_set *set, const struct application_draft *draft,
                        struct failure *failure)
{
    int r = realm_check_readable(set->realm, failure);

    if (r != 0)
        return r;
    if (!name_is_valid(draft->name))
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "an application's name is 1 to %d bytes of UTF-8 without control "
                           "characters", NAME_MAX_BYTES);
    if (draft->type != APPLICATION_INDIVIDUAL && draft->type != APPLICATION_GROUP)
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "type is \"individual\" or \"group\"");
    if (application_set_find(set, draft->name))
        return failure_set(failure, ERROR_APPLICATION_EXISTS, "an application '%s' exists",
                           draft->name);
    if (set->count + set->creating >= APPLICATIONS_MAX)
        return failure_set(failure, ERROR_LIMITS_EXCEEDED, "there are %d applications already",
                           APPLICATIONS_MAX);
    r = application_check_lists(draft, failure);
    return r != 0 ? r : application_check_fields(draft->fields, draft->fields_count, failure);
}

int application_create(struct application_set *set, const struct application_draft *draft,
                       realm_write_done done, void *userdata, struct failure *failure)
{
    CLEANUP(change_cleanup) struct change *change = NULL;
    int r = check_create(set, draft, failure);

    if (r == 0)
        r = change_new(set, CHANGE_CREATE, NULL, done, userdata, &change);
    if (r == 0)
        r = build(draft, &change->application);
    return r != 0 ? r : change_begin(STEAL(change), failure);
}

/* ---- Update ---- */

static int duplicate(const struct application *application, struct application **ret_copy)
{
    const struct application_draft draft = {
        .name = application->name,
        .type = application->type,
        .description = application->description,
        .contact = application->contact,
        .users = &application->users,
        .admins = &application->admins,
        .enabled = &application->enabled,
        .fields = application->fields,
        .fields_count = application->fields_count,
    };
    CLEANUP_APPLICATION struct application *copy = NULL;
    int r = build(&draft, &copy);

    if (r == 0)
        r = name_list_copy(&copy->agents, &application->agents);
    if (r < 0)
        return r;
    memcpy(copy->id, application->id, APPLICATION_ID_SIZE);
    for (size_t i = 0; i < copy->fields_count; i++)
        copy->fields[i].id = application->fields[i].id;
    copy->next_field = application->next_field;
    copy->agents_none = application->agents_none;
    copy->created_usec = application->created_usec;
    *ret_copy = STEAL(copy);
    return 0;
}

/* A change whose application is a copy of the present one, still to be edited. */
static int update_new(struct application_set *set, const struct application *application,
                      realm_write_done done, void *userdata, struct change **ret_change)
{
    CLEANUP(change_cleanup) struct change *change = NULL;
    int r = change_new(set, CHANGE_UPDATE, application, done, userdata, &change);

    if (r == 0)
        r = duplicate(application, &change->application);
    if (r == 0)
        *ret_change = STEAL(change);
    return r;
}

int application_update(struct application_set *set, const struct application *application,
                       const struct application_draft *draft, realm_write_done done,
                       void *userdata, struct failure *failure)
{
    CLEANUP(change_cleanup) struct change *change = NULL;
    int r = realm_check_readable(set->realm, failure);

    if (r == 0)
        r = application_check_lists(draft, failure);
    if (r == 0)
        r = update_new(set, application, done, userdata, &change);
    if (r == 0)
        r = apply_draft(change->application, draft);
    return r != 0 ? r : change_begin(STEAL(change), failure);
}

/* FIELD_EXISTS when another field has the label. */
static int check_new_label(const struct application *application, const char *label,
                           struct failure *failure)
{
    const struct field *field;

    if (!name_is_valid(label))
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "a field's label is 1 to %d bytes of UTF-8 without control characters",
                           NAME_MAX_BYTES);
    if (application_field(application, label, &field) == 0)
        return failure_set(failure, ERROR_FIELD_EXISTS, "application '%s' has a field '%s'",
                           application->name, label);
    return 0;
}

static int add_field(struct application *application, const char *label, bool masked)
{
    struct field *field = &application->fields[application->fields_count];

    field->label = strdup(label);
    if (!field->label)
        return -ENOMEM;
    field->id = application->next_field++;
    field->masked = masked;
    application->fields_count++;
    return 0;
}

int application_add_field(struct application_set *set, const struct application *application,
                          const char *label, bool masked, realm_write_done done, void *userdata,
                          struct failure *failure)
{
    CLEANUP(change_cleanup) struct change *change = NULL;
    int r = realm_check_readable(set->realm, failure);

    if (r == 0)
        r = check_new_label(application, label, failure);
    if (r == 0)
        r = update_new(set, application, done, userdata, &change);
    if (r == 0)
        r = add_field(change->application, label, masked);
    if (r == 0)
        r = application_check_fields(change->application->fields,
                                     change->application->fields_count, failure);
    return r != 0 ? r : change_begin(STEAL(change), failure);
}

int application_relabel_field(struct application_set *set, const struct application *application,
                              const char *label, const char *new_label, realm_write_done done,
                              void *userdata, struct failure *failure)
{
    CLEANUP(change_cleanup) struct change *change = NULL;
    const struct field *field;
    int r = realm_check_readable(set->realm, failure);

    if (r != 0)
        return r;
    if (application_field(application, label, &field) < 0)
        return failure_set(failure, ERROR_FIELD_NOT_FOUND, "application '%s' has no field '%s'",
                           application->name, label);
    r = check_new_label(application, new_label, failure);
    if (r == 0)
        r = update_new(set, application, done, userdata, &change);
    if (r == 0)
        r = copy_text(&change->application->fields[field - application->fields].label, new_label);
    return r != 0 ? r : change_begin(STEAL(change), failure);
}

/* ---- Delete ---- */

static int put_deleted(struct realm *realm, struct realm_write *write,
                       const struct application *application, struct failure *failure)
{
    CLEANUP(realm_record_deinit) struct realm_record record = {0};
    CLEANUP_SECRET struct secret *value = NULL;
    struct record_key key, name;
    int r;

    realm_reservation_key(realm, &name, "application", NULL, application->name);
    r = realm_reservation_get(realm, &name, &record, failure);
    if (r != 0)
        return r;
    r = application_format_deleted(&value);
    if (r < 0)
        return r;
    application_key(&key, application->id);
    r = realm_write_put(write, &key, application->revision, application->version, value);
    if (r == 0 && record.revision != 0)
        r = realm_write_put(write, &name, record.revision, record.version, NULL);
    return r;
}

int application_delete(struct application_set *set, const struct application *application,
                       realm_write_done done, void *userdata, struct failure *failure)
{
    CLEANUP(change_cleanup) struct change *change = NULL;
    int r = change_new(set, CHANGE_DELETE, application, done, userdata, &change);

    if (r < 0)
        return r;
    change->application = application_ref(application);
    return change_begin(STEAL(change), failure);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* org.mastersecret1.Application: one application, its fields and its mappings. */
#include "dbus-service/bus/draft.h"
#include "dbus-service/bus/page.h"
#include "dbus-service/bus/signals.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Object */

static void get_name(const struct property_source *source, struct writer *writer)
{
    writer_string(writer, source->application->name);
}

static void get_type(const struct property_source *source, struct writer *writer)
{
    writer_string(writer, application_type_name(source->application->type));
}

static void get_description(const struct property_source *source, struct writer *writer)
{
    writer_string(writer, source->application->description);
}

static void get_contact(const struct property_source *source, struct writer *writer)
{
    writer_string(writer, source->application->contact);
}

static void get_users(const struct property_source *source, struct writer *writer)
{
    writer_strings(writer, source->application->users.names, source->application->users.count);
}

static void get_admins(const struct property_source *source, struct writer *writer)
{
    writer_strings(writer, source->application->admins.names, source->application->admins.count);
}

static void get_agents(const struct property_source *source, struct writer *writer)
{
    char word[] = "none";
    char *const none[] = { word };

    if (source->application->agents_none)
        writer_strings(writer, none, 1);
    else
        writer_strings(writer, source->application->agents.names,
                       source->application->agents.count);
}

static void get_fields(const struct property_source *source, struct writer *writer)
{
    writer_open(writer, DBUS_TYPE_ARRAY, "(sb)");
    for (size_t i = 0; i < source->application->fields_count; i++) {
        writer_open(writer, DBUS_TYPE_STRUCT, NULL);
        writer_string(writer, source->application->fields[i].label);
        writer_boolean(writer, source->application->fields[i].masked);
        writer_close(writer);
    }
    writer_close(writer);
}

static void get_enabled(const struct property_source *source, struct writer *writer)
{
    writer_boolean(writer, source->application->enabled);
}

static void get_created(const struct property_source *source, struct writer *writer)
{
    writer_uint64(writer, source->application->created_usec);
}

static void get_revision(const struct property_source *source, struct writer *writer)
{
    writer_uint64(writer, source->application->revision);
}

static void get_mappings(const struct property_source *source, struct writer *writer)
{
    writer_uint64(writer,
                  application_mappings(source->service->applications, source->application));
}

/* Definition */

/* Who may name admins and agents is more than who may update the rest; see access.h. */
static int authorise_admins(struct call *call, const struct draft *draft)
{
    bool may;
    int r;

    if (!draft->wanted.admins && !draft->wanted.agents)
        return 0;
    r = call_may(call, OPERATION_UPDATE_APPLICATION_ADMINS, call->application, &may);
    if (r == 0 && !may)
        r = call_ask_polkit(call, OPERATION_UPDATE_APPLICATION_ADMINS);
    if (r == ERROR_ACCESS_DENIED)
        r = failure_set(&call->failure, ERROR_ACCESS_DENIED,
                        "changing admins or agents needs the role of %s",
                        access_needs(OPERATION_UPDATE_APPLICATION_ADMINS));
    return r;
}

static int handle_update(struct call *call)
{
    struct draft draft;
    int r = draft_parse(call, 0, DRAFT_UPDATE, &draft);

    if (r == 0)
        r = authorise_admins(call, &draft);
    if (r == 0)
        r = draft_check_accounts(call, &draft);
    if (r != 0)
        return r;
    call->acting = true;
    return application_update(call->service->applications, call->application, &draft.wanted,
                              call_on_written, call, &call->failure);
}

static int set_enabled(struct call *call, bool enabled)
{
    struct application_draft draft = { .enabled = &enabled };

    call->acting = true;
    return application_update(call->service->applications, call->application, &draft,
                              call_on_written, call, &call->failure);
}

static int handle_enable(struct call *call)
{
    return set_enabled(call, true);
}

static int handle_disable(struct call *call)
{
    return set_enabled(call, false);
}

static int handle_delete(struct call *call)
{
    call->acting = true;
    return application_delete(call->service->applications, call->application, call_on_written, call,
                              &call->failure);
}

static int check_label(struct call *call, const char *label)
{
    if (name_is_valid(label))
        return 0;
    return failure_set(&call->failure, ERROR_INVALID_ARGUMENT, "a field's label is not valid");
}

static int handle_add_field(struct call *call)
{
    const char *label = call_string(call, 0);
    int r = check_label(call, label);

    if (r != 0)
        return r;
    call->acting = true;
    return application_add_field(call->service->applications, call->application, label,
                                 call_boolean(call, 1), call_on_written, call, &call->failure);
}

static int handle_relabel_field(struct call *call)
{
    const char *label = call_string(call, 0), *new_label = call_string(call, 1);
    int r = check_label(call, label);

    if (r == 0)
        r = check_label(call, new_label);
    if (r != 0)
        return r;
    call->acting = true;
    return application_relabel_field(call->service->applications, call->application, label,
                                     new_label, call_on_written, call, &call->failure);
}

/* Mappings */

static void on_mapping_changed(struct call *call, const struct failure *failure, uint64_t revision,
                               const char *change, bool tell_revision)
{
    struct service *service = call->service;
    struct account_name account = call->account;
    CLEANUP_FREE char *application = NULL;
    struct writer writer;

    if (!call_succeeded(call, failure))
        return;
    application = STEAL(call->object_name);
    writer = call_writer(call);
    if (tell_revision)
        writer_uint64(&writer, revision);
    /* The caller, who waits, before the others; the call is gone after this. */
    call_reply(call, writer_take(&writer));
    signal_mapping_changed(service, application, &account, change);
}

static void on_set(void *userdata, const struct failure *failure, uint64_t revision)
{
    on_mapping_changed(userdata, failure, revision, "set", true);
}

static void on_enabled(void *userdata, const struct failure *failure, uint64_t revision)
{
    on_mapping_changed(userdata, failure, revision, "enabled", false);
}

static void on_disabled(void *userdata, const struct failure *failure, uint64_t revision)
{
    on_mapping_changed(userdata, failure, revision, "disabled", false);
}

static void on_deleted(void *userdata, const struct failure *failure, uint64_t revision)
{
    on_mapping_changed(userdata, failure, revision, "deleted", false);
}

struct values {
    struct mapping_value items[FIELDS_MAX];
    size_t count;
    size_t bytes;
};

static int add_value(struct call *call, const char *label, bool masked, const void *bytes,
                     size_t length, struct values *values)
{
    const struct field *field;

    if (application_field(call->application, label, &field) < 0)
        return failure_set(&call->failure, ERROR_FIELD_NOT_FOUND,
                           "application '%s' has no field '%.100s'", call->application->name, label);
    if (field == &call->application->fields[0])
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                           "field '%s' is the external user: it has an argument of its own", label);
    if (field->masked != masked)
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                           field->masked ? "field '%s' is masked: give it through a descriptor"
                                         : "field '%s' is plain: give it as text",
                           label);
    for (size_t i = 0; i < values->count; i++)
        if (values->items[i].field == field->id)
            return failure_set(&call->failure, ERROR_INVALID_ARGUMENT, "field '%s' is there twice",
                               label);
    values->bytes += length;
    if (values->count == FIELDS_MAX || length > VALUE_MAX_BYTES || values->bytes > VALUES_MAX_BYTES)
        return failure_set(&call->failure, ERROR_TOO_LARGE,
                           "a value has at most %d bytes, all together %d", VALUE_MAX_BYTES,
                           VALUES_MAX_BYTES);
    values->items[values->count++] = (struct mapping_value){ field->id, bytes, length };
    return 0;
}

static int add_plain_values(struct call *call, unsigned position, struct values *values)
{
    DBusMessageIter iter = call_iter(call, position), entries, pair;
    const char *label, *value;
    int r = 0;

    dbus_message_iter_recurse(&iter, &entries);
    while (r == 0 && dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_DICT_ENTRY) {
        dbus_message_iter_recurse(&entries, &pair);
        dbus_message_iter_get_basic(&pair, &label);
        dbus_message_iter_next(&pair);
        dbus_message_iter_get_basic(&pair, &value);
        r = add_value(call, label, false, value, strlen(value), values);
        dbus_message_iter_next(&entries);
    }
    return r;
}

static int add_masked_values(struct call *call, struct values *values)
{
    const struct descriptors *set = &call->descriptors;
    int r = 0;

    for (size_t i = 0; i < set->count && r == 0; i++)
        r = add_value(call, set->items[i].name, true, set->items[i].value->bytes,
                      set->items[i].value->length, values);
    return r;
}

static int failure_unknown_account(struct call *call)
{
    return failure_set(&call->failure, ERROR_ACCOUNT_NOT_FOUND, "'%s' is not known to this host",
                       call->account.name);
}

/* An individual application maps its users only, under the names that the name service gives them. */
static int check_user(struct call *call)
{
    struct identity_target target;
    int r = identity_target(&call->service->identity, call->service->realm, &call->peer->caller,
                            call->application, call->account.name, &call->waiter, &target);

    if (r != IDENTITY_DONE)
        return call_identity(call, r);
    if (!target.known)
        return failure_unknown_account(call);
    if (!target.entitled)
        return failure_set(&call->failure, ERROR_NOT_APPLICATION_USER,
                           "'%s' is not one of the users of application '%s'", target.user,
                           call->application->name);
    call->account = target.account;
    return 0;
}

/* A mapping of an account that does not exist could be inherited by whoever gets the name later. */
static int check_account(struct call *call)
{
    char text[6 + NAME_MAX_BYTES + 1];
    char *name = call->account.kind == ACCOUNT_GROUP ? call->account.name : text;
    struct name_list list = { &name, 1 };
    size_t unknown = 0;
    int r;

    if (call->account.kind == ACCOUNT_USER && call->application->type == APPLICATION_INDIVIDUAL)
        return check_user(call);
    account_name_format(&call->account, text);
    r = identity_names_known(&call->service->identity, &list, &call->waiter, &unknown);
    if (r != IDENTITY_DONE)
        return call_identity(call, r);
    return unknown == 0 ? failure_unknown_account(call) : 0;
}

static int handle_set_mapping(struct call *call)
{
    const char *external_user = call_string(call, 1);
    struct values values = { .count = 0 };
    struct mapping_change change = { .account = call->account,
                                     .external_user = *external_user ? external_user : NULL,
                                     .values = values.items,
                                     .changed_by = call->peer->caller.uid };
    int r;

    if (*external_user && !name_is_valid(external_user))
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT, "the external user is not valid");
    r = check_account(call);
    if (r == 0)
        r = descriptors_take(call, 3);
    if (r == 0)
        r = descriptors_receive(call);
    if (r == 0)
        r = add_plain_values(call, 2, &values);
    if (r == 0)
        r = add_masked_values(call, &values);
    if (r != 0)
        return r;
    change.values_count = values.count;
    call->acting = true;
    return mapping_set(call->service->realm, call->application, &change, on_set, call,
                       &call->failure);
}

static void write_plain(const struct application *application, const struct mapping *mapping,
                        struct writer *writer)
{
    writer_open(writer, DBUS_TYPE_ARRAY, "{ss}");
    for (size_t i = 1; i < application->fields_count; i++) {
        const struct mapping_value *value = mapping_value(mapping, application->fields[i].id);
        char *text;

        if (application->fields[i].masked || !value)
            continue;
        text = strndup((const char *)value->bytes, value->length);
        writer_open(writer, DBUS_TYPE_DICT_ENTRY, NULL);
        writer_string(writer, application->fields[i].label);
        writer_string(writer, text);
        writer_close(writer);
        free(text);
    }
    writer_close(writer);
}

static void write_masked_labels(const struct application *application, const struct mapping *mapping,
                                struct writer *writer)
{
    writer_open(writer, DBUS_TYPE_ARRAY, "s");
    for (size_t i = 1; i < application->fields_count; i++)
        if (application->fields[i].masked && mapping_value(mapping, application->fields[i].id))
            writer_string(writer, application->fields[i].label);
    writer_close(writer);
}

static void write_mapping(const struct application *application, const struct mapping *mapping,
                          struct writer *writer)
{
    char account[6 + NAME_MAX_BYTES + 1];

    account_name_format(&mapping->account, account);
    writer_open(writer, DBUS_TYPE_ARRAY, "{sv}");
    writer_string_entry(writer, "account", account);
    writer_string_entry(writer, "external-user", mapping->external_user);
    writer_string_entry(writer, "state", mapping_state_name(mapping->state));
    writer_uint64_entry(writer, "changed", mapping->changed_usec);
    writer_uint32_entry(writer, "changed-by", mapping->changed_by);
    writer_open_entry(writer, "plain", "a{ss}");
    write_plain(application, mapping, writer);
    writer_close_entry(writer);
    writer_open_entry(writer, "masked", "as");
    write_masked_labels(application, mapping, writer);
    writer_close_entry(writer);
    writer_uint64_entry(writer, "revision", mapping->revision);
    writer_close(writer);
}

static int handle_show_mapping(struct call *call)
{
    CLEANUP_MAPPING struct mapping *mapping = NULL;
    struct writer writer;
    int r = mapping_get(call->service->realm, call->application, &call->account, &mapping,
                        &call->failure);

    if (r != 0)
        return r;
    writer = call_writer(call);
    write_mapping(call->application, mapping, &writer);
    call_reply(call, writer_take(&writer));
    return 0;
}

static int write_listed(void *userdata, const struct mapping *mapping)
{
    struct page *page = userdata;

    writer_open(&page->writer, DBUS_TYPE_STRUCT, NULL);
    page_write_mapping(page, mapping);
    writer_uint64(&page->writer, mapping->changed_usec);
    writer_close(&page->writer);
    return page->writer.failed ? -ENOMEM : 0;
}

static int parse_cursor(struct call *call, const char *text, uint64_t *ret_cursor)
{
    char *end;

    *ret_cursor = 0;
    if (*text == '\0')
        return 0;
    errno = 0;
    *ret_cursor = strtoull(text, &end, 16);
    if (errno || *end || *ret_cursor == 0)
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                           "the cursor is not one that a page ended with");
    return 0;
}

static int handle_list_mappings(struct call *call)
{
    char next[20] = "";
    struct page page;
    uint64_t cursor;
    int r = page_begin(call, "(ssst)", &page);

    if (r != 0)
        return r;
    r = parse_cursor(call, page.cursor, &cursor);
    if (r == 0)
        r = mapping_list(call->service->realm, call->application, &cursor, page.limit, write_listed,
                         &page, &call->failure);
    if (r != 0) {
        page_abandon(&page);
        return r;
    }
    if (cursor)
        (void)snprintf(next, sizeof(next), "%" PRIx64, cursor);
    page_end(call, &page, next);
    return 0;
}

static int handle_enable_mapping(struct call *call)
{
    call->acting = true;
    return mapping_set_state(call->service->realm, call->application, &call->account,
                             MAPPING_ENABLED, call->peer->caller.uid, on_enabled, call,
                             &call->failure);
}

/* One who is both user and administrator and disables his own mapping may enable it again himself. */
static int handle_disable_mapping(struct call *call)
{
    const unsigned administrators = ROLE_ADMINISTRATOR | ROLE_AFFILIATE_ADMINISTRATOR |
                                    ROLE_APPLICATION_ADMINISTRATOR;
    bool administrator = !call->own || (call->roles & administrators);

    call->acting = true;
    return mapping_set_state(call->service->realm, call->application, &call->account,
                             administrator ? MAPPING_DISABLED_BY_ADMINISTRATOR : MAPPING_DISABLED,
                             call->peer->caller.uid, on_disabled, call, &call->failure);
}

static int handle_delete_mapping(struct call *call)
{
    call->acting = true;
    return mapping_delete(call->service->realm, call->application, &call->account, on_deleted, call,
                          &call->failure);
}

/* DeleteMapping counts as enabling: deleting and setting anew would undo an administrator's disabling. */
static const struct method methods[] = {
    { "Update", "a{sv}", "", "changes", "", METHOD_READS, SUBJECT_APPLICATION, OPERATION_UPDATE_APPLICATION,
      AUDIT_APPLICATION_UPDATE, handle_update },
    { "Enable", "", "", "", "", METHOD_READS, SUBJECT_APPLICATION, OPERATION_UPDATE_APPLICATION,
      AUDIT_APPLICATION_ENABLE, handle_enable },
    { "Disable", "", "", "", "", METHOD_READS, SUBJECT_APPLICATION, OPERATION_UPDATE_APPLICATION,
      AUDIT_APPLICATION_DISABLE, handle_disable },
    { "Delete", "", "", "", "", METHOD_READS, SUBJECT_APPLICATION, OPERATION_DELETE_APPLICATION,
      AUDIT_APPLICATION_DELETE, handle_delete },
    { "AddField", "sb", "", "label masked", "", METHOD_READS, SUBJECT_APPLICATION,
      OPERATION_UPDATE_APPLICATION, AUDIT_APPLICATION_ADD_FIELD, handle_add_field },
    { "RelabelField", "ss", "", "label new_label", "", METHOD_READS, SUBJECT_APPLICATION,
      OPERATION_UPDATE_APPLICATION, AUDIT_APPLICATION_RELABEL_FIELD, handle_relabel_field },
    { "SetMapping", "ssa{ss}a{sh}", "t", "account external_user plain masked", "revision", METHOD_READS,
      SUBJECT_MAPPING, OPERATION_CHANGE_MAPPING, AUDIT_MAPPING_SET, handle_set_mapping },
    { "ShowMapping", "s", "a{sv}", "account", "mapping", METHOD_READS, SUBJECT_MAPPING,
      OPERATION_SHOW_MAPPING, AUDIT_READ, handle_show_mapping },
    { "ListMappings", "su", "a(ssst)s", "cursor limit", "mappings next", METHOD_READS, SUBJECT_APPLICATION,
      OPERATION_LIST_MAPPINGS, AUDIT_READ, handle_list_mappings },
    { "EnableMapping", "s", "", "account", "", METHOD_READS | METHOD_ENABLES, SUBJECT_MAPPING,
      OPERATION_CHANGE_MAPPING, AUDIT_MAPPING_ENABLE, handle_enable_mapping },
    { "DisableMapping", "s", "", "account", "", METHOD_READS, SUBJECT_MAPPING, OPERATION_CHANGE_MAPPING,
      AUDIT_MAPPING_DISABLE, handle_disable_mapping },
    { "DeleteMapping", "s", "", "account", "", METHOD_READS | METHOD_ENABLES, SUBJECT_MAPPING,
      OPERATION_CHANGE_MAPPING, AUDIT_MAPPING_DELETE, handle_delete_mapping },
};

static const struct property properties[] = {
    { "Name", "s", OPERATION_READ_APPLICATION, "const", get_name },
    { "Type", "s", OPERATION_READ_APPLICATION, "const", get_type },
    { "Description", "s", OPERATION_READ_APPLICATION, "invalidates", get_description },
    { "Contact", "s", OPERATION_READ_DEFINITION, "invalidates", get_contact },
    { "Users", "as", OPERATION_READ_DEFINITION, "invalidates", get_users },
    { "Admins", "as", OPERATION_READ_DEFINITION, "invalidates", get_admins },
    { "Agents", "as", OPERATION_READ_DEFINITION, "invalidates", get_agents },
    { "Fields", "a(sb)", OPERATION_READ_APPLICATION, "invalidates", get_fields },
    { "Enabled", "b", OPERATION_READ_APPLICATION, "invalidates", get_enabled },
    { "Created", "t", OPERATION_READ_DEFINITION, "const", get_created },
    { "Revision", "t", OPERATION_READ_DEFINITION, "invalidates", get_revision },
    { "Mappings", "t", OPERATION_READ_DEFINITION, "false", get_mappings },
};

static const struct signal signals[] = {
    { "MappingChanged", "ss", "account change" },
    { "Changed", "", "" },
};

const struct interface interface_application = {
    .name = BUS_INTERFACE_APPLICATION,
    .objects = OBJECT_APPLICATION,
    TABLE_METHODS(methods),
    TABLE_PROPERTIES(properties),
    TABLE_SIGNALS(signals),
};

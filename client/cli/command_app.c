/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/output.h"
#include "client/cli/service.h"

#include <string.h>

/* ---- What the options say ---- */

/* "A,B" and repeated options: one array. An empty argument gives an empty list. */
static json_t *name_list(const struct arguments *arguments, enum option_id id)
{
    json_t *list = json_array();

    for (size_t i = 0; i < arguments->options[id].count; i++) {
        const char *text = arguments->options[id].values[i];

        while (*text) {
            size_t length = strcspn(text, ",");

            if (length > 0)
                json_array_append_new(list, json_stringn(text, length));
            text += length + (text[length] == ',' ? 1 : 0);
        }
    }
    return list;
}

/* What create and update have in common, as a{sv}. */
static json_t *definition(const struct arguments *arguments)
{
    static const struct {
        enum option_id id;
        const char *key;
        bool list;
    } members[] = {
        { OPTION_DESCRIPTION, "description", false }, { OPTION_CONTACT, "contact", false },
        { OPTION_USERS, "users", true },              { OPTION_ADMINS, "admins", true },
        { OPTION_AGENTS, "agents", true },
    };
    json_t *object = json_object();

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const char *text = arguments_option(arguments, members[i].id);

        if (text)
            json_object_set_new(object, members[i].key,
                                members[i].list ? name_list(arguments, members[i].id)
                                                : json_string(text));
    }
    return object;
}

/* "LABEL" or "LABEL:masked" -> [label, masked]; NULL after a message. The label itself is judged by
 * the service. */
static json_t *field_definition(const char *text)
{
    static const char suffix[] = ":masked";
    size_t length = strlen(text);
    const char *colon = strrchr(text, ':');

    if (colon && strcmp(colon, suffix) == 0)
        length -= sizeof(suffix) - 1;
    else if (colon) {
        output_usage("a field is LABEL or LABEL:masked, not '%s'", text);
        return NULL;
    }
    return json_pack("[s%b]", text, length, length != strlen(text));
}

static json_t *field_definitions(const struct arguments *arguments)
{
    static const char *const usual[] = { "user", "password:masked" };
    size_t count = arguments->options[OPTION_DEFINE_FIELD].count;
    const char *const *texts = arguments->options[OPTION_DEFINE_FIELD].values;
    CLEANUP_JSON json_t *fields = json_array();

    if (count == 0) {
        texts = usual;
        count = 2;
    }
    for (size_t i = 0; i < count; i++) {
        json_t *field = field_definition(texts[i]);

        if (!field || json_array_append_new(fields, field) < 0)
            return NULL;
    }
    return STEAL(fields);
}

/* ---- Create, update ---- */

static int finish(struct cli *cli, const struct service_call *call)
{
    CLEANUP_JSON json_t *results = NULL;
    enum mastersecret_error error = service_call(cli, call, &results);

    return error == MASTERSECRET_OK ? STATUS_DONE : output_failure(cli, error);
}

int command_app_create(struct cli *cli)
{
    const struct arguments *arguments = &cli->arguments;
    const char *type = arguments_option(arguments, OPTION_TYPE);
    CLEANUP_JSON json_t *object = definition(arguments);
    json_t *fields = field_definitions(arguments);

    if (!fields)
        return STATUS_USAGE;
    json_object_set_new(object, "fields", fields);
    json_object_set_new(object, "enabled",
                        json_boolean(arguments_option(arguments, OPTION_ENABLE) != NULL));
    return finish(cli, &(struct service_call){
                           .interface = BUS_INTERFACE_APPLICATIONS,
                           .method = "Create",
                           .signature = "ssa{sv}",
                           .arguments = json_pack("[ssO]", arguments->words[0],
                                                  type ? type : "individual", object),
                           .effect = CALL_CHANGES,
                       });
}

static int add_field(struct cli *cli, const char *text)
{
    json_t *field = field_definition(text);

    if (!field)
        return STATUS_USAGE;
    return finish(cli, &(struct service_call){
                           .application = cli->arguments.words[0],
                           .interface = BUS_INTERFACE_APPLICATION,
                           .method = "AddField",
                           .signature = "sb",
                           .arguments = field,
                           .effect = CALL_CHANGES,
                       });
}

static int relabel_field(struct cli *cli, const char *text)
{
    const char *equals = strchr(text, '=');

    if (!equals)
        return output_usage("--relabel wants OLD=NEW, not '%s'", text);
    return finish(cli, &(struct service_call){
                           .application = cli->arguments.words[0],
                           .interface = BUS_INTERFACE_APPLICATION,
                           .method = "RelabelField",
                           .signature = "ss",
                           .arguments = json_pack("[s%s]", text, (size_t)(equals - text),
                                                  equals + 1),
                           .effect = CALL_CHANGES,
                       });
}

static int for_each(struct cli *cli, enum option_id id, int (*apply)(struct cli *, const char *))
{
    int status = STATUS_DONE;

    for (size_t i = 0; i < cli->arguments.options[id].count && status == STATUS_DONE; i++)
        status = apply(cli, cli->arguments.options[id].values[i]);
    return status;
}

int command_app_update(struct cli *cli)
{
    const struct arguments *arguments = &cli->arguments;
    CLEANUP_JSON json_t *changes = definition(arguments);
    int status = STATUS_DONE;

    if (json_object_size(changes) == 0 && !arguments_option(arguments, OPTION_ADD_FIELD) &&
        !arguments_option(arguments, OPTION_RELABEL))
        return output_usage("nothing to change; see mastersecret app update --help");
    if (json_object_size(changes) > 0)
        status = finish(cli, &(struct service_call){
                                 .application = arguments->words[0],
                                 .interface = BUS_INTERFACE_APPLICATION,
                                 .method = "Update",
                                 .signature = "a{sv}",
                                 .arguments = json_pack("[O]", changes),
                                 .effect = CALL_CHANGES,
                             });
    if (status == STATUS_DONE)
        status = for_each(cli, OPTION_RELABEL, relabel_field);
    if (status == STATUS_DONE)
        status = for_each(cli, OPTION_ADD_FIELD, add_field);
    return status;
}

/* enable, disable, delete */
int command_app_simple(struct cli *cli)
{
    return finish(cli, &(struct service_call){
                           .application = cli->arguments.words[0],
                           .interface = BUS_INTERFACE_APPLICATION,
                           .method = cli->command->method,
                           .signature = "",
                           .arguments = json_array(),
                           .effect = CALL_CHANGES,
                       });
}

/* ---- List, show ---- */

int command_app_list(struct cli *cli)
{
    static const char *const keys[] = { "name",        "type",     "enabled",
                                        "description", "mappings", NULL };
    static const struct column columns[] = {
        { "NAME", "name" },         { "TYPE", "type" },
        { "ENABLED", "enabled" },   { "MAPPINGS", "mappings" },
        { "DESCRIPTION", "description" }, { NULL, NULL },
    };
    CLEANUP_JSON json_t *rows = NULL;
    enum mastersecret_error error =
        service_list(cli, NULL, BUS_INTERFACE_APPLICATIONS, "List", keys, &rows);

    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    return output_rows(cli, rows, columns);
}

int command_app_show(struct cli *cli)
{
    static const struct column lines[] = {
        { "name", "name" },           { "type", "type" },       { "enabled", "enabled" },
        { "description", "description" }, { "contact", "contact" }, { "users", "users" },
        { "admins", "admins" },       { "agents", "agents" },   { "fields", "fields" },
        { "created", "created" },     { "mappings", "mappings" }, { "revision", "revision" },
        { NULL, NULL },
    };
    const char *application = cli->arguments.words[0];
    CLEANUP_JSON json_t *properties = NULL;
    CLEANUP_JSON json_t *fields = NULL;
    enum mastersecret_error error =
        service_fields(cli, application, &fields);

    if (error == MASTERSECRET_OK)
        error = service_properties(cli, application, BUS_INTERFACE_APPLICATION, &properties);
    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    json_object_set(properties, "fields", fields);
    return output_object(cli, properties, lines);
}

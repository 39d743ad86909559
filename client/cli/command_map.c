/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/output.h"
#include "client/cli/prompt.h"
#include "client/cli/target.h"

#include <errno.h>
#include <string.h>

/* ---- Set ---- */

/* The values to be set; the masked ones are owned. */
struct setting {
    size_t count;
    struct mastersecret_field fields[FIELDS_MAX + MASKED_FIELDS_MAX];
    struct secret *secrets[FIELDS_MAX + MASKED_FIELDS_MAX];
    char *labels[FIELDS_MAX + MASKED_FIELDS_MAX];
};

static void setting_deinit(struct setting *setting)
{
    for (size_t i = 0; i < setting->count; i++) {
        secret_free(setting->secrets[i]);
        free(setting->labels[i]);
    }
}

static int add_plain(struct setting *setting, const json_t *fields, const char *text)
{
    const char *equals = strchr(text, '=');
    const json_t *field;
    char *label;

    if (!equals || equals == text)
        return output_usage("--field wants LABEL=VALUE");
    if (setting->count == FIELDS_MAX)
        return output_usage("more than %d fields", FIELDS_MAX);
    label = strndup(text, (size_t)(equals - text));
    if (!label)
        return output_local("out of memory");
    field = target_field(fields, label);
    if (field && json_is_true(json_object_get(field, "masked"))) {
        output_usage("'%s' is masked: its value is never taken from the command line; it is "
                     "asked for, or read by --stdin or --fd %s=N",
                     label, label);
        free(label);
        return STATUS_USAGE;
    }
    setting->labels[setting->count] = label;
    setting->fields[setting->count++] = (struct mastersecret_field){
        .label = label, .value = equals + 1, .length = strlen(equals + 1), .masked = 0
    };
    return STATUS_DONE;
}

/* Takes the secret over. */
static void add_masked(struct setting *setting, const char *label, struct secret *secret)
{
    setting->secrets[setting->count] = secret;
    setting->fields[setting->count++] = (struct mastersecret_field){
        .label = label, .value = secret->bytes, .length = secret->length, .masked = 1
    };
}

static int read_stdin(const json_t *fields, struct setting *setting)
{
    struct secret *secret = NULL;
    const char *label;
    size_t count = target_masked(fields, &label);
    int r;

    if (count != 1)
        return output_usage("--stdin is for applications with one masked field, this one has "
                            "%zu; use --fd LABEL=N",
                            count);
    r = prompt_read_fd(STDIN_FILENO, "standard input", &secret);
    if (r == STATUS_DONE)
        add_masked(setting, label, secret);
    return r;
}

static int read_fds(const struct arguments *arguments, const json_t *fields,
                    struct setting *setting)
{
    size_t index;
    json_t *field;

    json_array_foreach(fields, index, field) {
        const char *label = json_string_value(json_object_get(field, "label"));
        struct secret *secret = NULL;
        int r;

        if (!json_is_true(json_object_get(field, "masked")))
            continue;
        r = prompt_from_option(arguments, label, &secret);
        if (r != STATUS_DONE)
            return r;
        if (secret)
            add_masked(setting, label, secret);
    }
    return STATUS_DONE;
}

static int ask_fields(const char *application, const json_t *fields, struct setting *setting)
{
    size_t index;
    json_t *field;

    json_array_foreach(fields, index, field) {
        const char *label = json_string_value(json_object_get(field, "label"));
        CLEANUP_SECRET struct secret *secret = NULL;
        CLEANUP_FREE char *question = NULL;
        int r;

        if (!json_is_true(json_object_get(field, "masked")))
            continue;
        if (asprintf(&question, "%s of '%s' (empty: leave it): ", label, application) < 0)
            return output_local("out of memory");
        r = prompt_secret(question, NULL, &secret);
        if (r == -ENXIO) {
            fprintf(stderr, "mastersecret: no terminal to ask for '%s' on: left as it is\n", label);
            continue;
        }
        if (r != STATUS_DONE)
            return r;
        if (secret->length > 0)
            add_masked(setting, label, STEAL(secret));
    }
    return STATUS_DONE;
}

static int check_fd_labels(const struct arguments *arguments, const json_t *fields)
{
    const char *labels[FIELDS_MAX + 1] = { NULL };
    size_t count = 0, index;
    json_t *field;

    json_array_foreach(fields, index, field)
        if (json_is_true(json_object_get(field, "masked")) && count < FIELDS_MAX)
            labels[count++] = json_string_value(json_object_get(field, "label"));
    return prompt_check_labels(arguments, labels);
}

static int collect(const struct arguments *arguments, const json_t *fields,
                   struct setting *setting)
{
    int r = check_fd_labels(arguments, fields);

    for (size_t i = 0; i < arguments->options[OPTION_SET_FIELD].count && r == STATUS_DONE; i++)
        r = add_plain(setting, fields, arguments->options[OPTION_SET_FIELD].values[i]);
    if (r != STATUS_DONE)
        return r;
    if (arguments_option(arguments, OPTION_STDIN))
        return read_stdin(fields, setting);
    if (arguments_option(arguments, OPTION_FD))
        return read_fds(arguments, fields, setting);
    return ask_fields(arguments->words[0], fields, setting);
}

int command_map_set(struct cli *cli)
{
    const struct arguments *arguments = &cli->arguments;
    CLEANUP(setting_deinit) struct setting setting = { 0 };
    CLEANUP_JSON json_t *fields = NULL;
    char account[ACCOUNT_TEXT_SIZE];
    enum mastersecret_error error;
    int r = target_account(arguments, account);

    if (r != STATUS_DONE)
        return r;
    error = service_fields(cli, arguments->words[0], &fields);
    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    r = collect(arguments, fields, &setting);
    if (r != STATUS_DONE)
        return r;
    error = mastersecret_set_mapping(cli->service, arguments->words[0],
                                     account[0] ? account : NULL,
                                     arguments_option(arguments, OPTION_EXTERNAL), setting.fields,
                                     setting.count, NULL);
    return error == MASTERSECRET_OK ? STATUS_DONE : output_failure(cli, error);
}

/* ---- Enable, disable, delete ---- */

static int call_on_account(struct cli *cli, const char *method, enum call_effect effect,
                           json_t **ret_results)
{
    char account[ACCOUNT_TEXT_SIZE];
    int r = target_account(&cli->arguments, account);
    const struct service_call call = {
        .application = cli->arguments.words[0],
        .interface = BUS_INTERFACE_APPLICATION,
        .method = method,
        .signature = "s",
        .arguments = r == STATUS_DONE ? json_pack("[s]", account) : NULL,
        .effect = effect,
    };
    enum mastersecret_error error;

    if (r != STATUS_DONE)
        return r;
    error = service_call(cli, &call, ret_results);
    return error == MASTERSECRET_OK ? STATUS_DONE : output_failure(cli, error);
}

int command_map_simple(struct cli *cli)
{
    CLEANUP_JSON json_t *results = NULL;

    return call_on_account(cli, cli->command->method, CALL_CHANGES, &results);
}

/* ---- Show, list ---- */

int command_map_show(struct cli *cli)
{
    static const struct column lines[] = {
        { "account", "account" },       { "external user", "external-user" },
        { "state", "state" },           { "plain", "plain" },
        { "masked, set", "masked" },    { "changed", "changed" },
        { "changed by uid", "changed-by" }, { "revision", "revision" },
        { NULL, NULL },
    };
    CLEANUP_JSON json_t *results = NULL;
    int r = call_on_account(cli, "ShowMapping", CALL_READS, &results);

    return r == STATUS_DONE ? output_object(cli, json_array_get(results, 0), lines) : r;
}

static enum mastersecret_error list_of_application(struct cli *cli, json_t **ret_rows)
{
    static const char *const keys[] = { "account", "external-user", "state", "changed", NULL };

    return service_list(cli, cli->arguments.words[0], BUS_INTERFACE_APPLICATION, "ListMappings",
                        keys, ret_rows);
}

static enum mastersecret_error list_own(struct cli *cli, json_t **ret_rows)
{
    static const char *const keys[] = { "application",         "account", "external-user", "state",
                                        "application-enabled", "changed", NULL };

    return service_list(cli, NULL, BUS_INTERFACE_APPLICATIONS, "ListOwn", keys, ret_rows);
}

int command_map_list(struct cli *cli)
{
    static const struct column of_application[] = {
        { "ACCOUNT", "account" }, { "EXTERNAL USER", "external-user" },
        { "STATE", "state" },     { "CHANGED", "changed" },
        { NULL, NULL },
    };
    static const struct column own[] = {
        { "APPLICATION", "application" }, { "ENABLED", "application-enabled" },
        { "ACCOUNT", "account" },         { "EXTERNAL USER", "external-user" },
        { "STATE", "state" },             { "CHANGED", "changed" },
        { NULL, NULL },
    };
    bool is_own = cli->arguments.count == 0;
    CLEANUP_JSON json_t *rows = NULL;
    enum mastersecret_error error =
        is_own ? list_own(cli, &rows) : list_of_application(cli, &rows);

    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    return output_rows(cli, rows, is_own ? own : of_application);
}

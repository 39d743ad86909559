/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/base64.h"
#include "client/cli/output.h"
#include "client/cli/prompt.h"
#include "client/cli/target.h"

#include <errno.h>
#include <string.h>

static void credentials_cleanup(struct mastersecret_credentials **credentials)
{
    mastersecret_credentials_free(*credentials);
}

/* ---- get ---- */

static bool may_show(const struct arguments *arguments)
{
    if (!isatty(STDOUT_FILENO) || arguments_option(arguments, OPTION_REVEAL))
        return true;
    output_usage("standard output is a terminal; a masked value is shown there only with --reveal");
    return false;
}

/* Not through stdio, whose buffer is not wiped. */
static int write_bytes(const void *bytes, size_t length)
{
    const char *next = bytes;

    while (length > 0) {
        ssize_t count = write(STDOUT_FILENO, next, length);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return output_local("cannot write to standard output: %s", strerrordesc_np(errno));
        next += count;
        length -= (size_t)count;
    }
    return STATUS_DONE;
}

static json_t *json_of_field(const struct mastersecret_field *field)
{
    json_t *text = json_stringn(field->value, field->length);
    CLEANUP_SECRET struct secret *encoded = NULL;

    if (text)
        return json_pack("{s:b, s:o}", "masked", field->masked, "value", text);
    if (base64_encode(field->value, field->length, &encoded) < 0)
        return NULL;
    return json_pack("{s:b, s:s%}", "masked", field->masked, "base64", encoded->bytes,
                     encoded->length);
}

static int get_json(struct cli *cli)
{
    CLEANUP(credentials_cleanup) struct mastersecret_credentials *credentials = NULL;
    const char *user = arguments_option(&cli->arguments, OPTION_USER);
    const struct mastersecret_freshness *freshness;
    const struct mastersecret_field *fields;
    json_t *values;
    size_t count;
    enum mastersecret_error error;

    if (!may_show(&cli->arguments))
        return STATUS_USAGE;
    error = mastersecret_lookup(cli->service, cli->arguments.words[0], user, NULL, 0, &credentials);
    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    values = json_object();
    fields = mastersecret_credentials_fields(credentials, &count);
    for (size_t i = 0; i < count; i++)
        json_object_set_new(values, fields[i].label, json_of_field(&fields[i]));
    freshness = mastersecret_credentials_freshness(credentials);
    return output_json(json_pack(
        "{s:s, s:s, s:o, s:{s:I, s:I, s:I, s:I, s:I}}", "application", cli->arguments.words[0],
        "external-user", mastersecret_credentials_external_user(credentials), "fields", values,
        "freshness", "generation", (json_int_t)freshness->generation, "epoch",
        (json_int_t)freshness->epoch, "revision", (json_int_t)freshness->revision, "age-usec",
        (json_int_t)freshness->age_usec, "valid-until-usec",
        (json_int_t)freshness->valid_until_usec));
}

/* `label` NULL asks for the plain fields alone. */
static int get_value(struct cli *cli, const char *masked, const char *plain)
{
    CLEANUP(credentials_cleanup) struct mastersecret_credentials *credentials = NULL;
    const char *const labels[] = { masked };
    const struct mastersecret_field *field;
    enum mastersecret_error error;

    if (masked && !may_show(&cli->arguments))
        return STATUS_USAGE;
    error = mastersecret_lookup(cli->service, cli->arguments.words[0],
                                arguments_option(&cli->arguments, OPTION_USER), labels,
                                masked ? 1 : 0, &credentials);
    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    if (!masked && !plain) {
        plain = mastersecret_credentials_external_user(credentials);
        return write_bytes(plain, strlen(plain));
    }
    field = mastersecret_credentials_field(credentials, masked ? masked : plain);
    if (!field)
        return output_failure(cli, MASTERSECRET_CREDENTIALS_NOT_SET);
    return write_bytes(field->value, field->length);
}

static int get_one(struct cli *cli, const json_t *fields)
{
    const char *wanted = arguments_option(&cli->arguments, OPTION_WHICH_FIELD);
    const json_t *field = wanted ? target_field(fields, wanted) : NULL;
    const char *masked;
    int status;

    if (field && field == json_array_get(fields, 0))
        return get_value(cli, NULL, NULL);
    if (field && !json_is_true(json_object_get(field, "masked")))
        return get_value(cli, NULL, wanted);
    masked = target_masked_field(&cli->arguments, fields, &status);
    return masked ? get_value(cli, masked, NULL) : status;
}

int command_get(struct cli *cli)
{
    CLEANUP_JSON json_t *fields = NULL;
    enum mastersecret_error error;
    int status;

    if (arguments_option(&cli->arguments, OPTION_JSON)) {
        if (arguments_option(&cli->arguments, OPTION_WHICH_FIELD))
            return output_usage("--json writes all fields; --field does not go with it");
        return get_json(cli);
    }
    error = service_fields(cli, cli->arguments.words[0], &fields);
    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    status = get_one(cli, fields);
    if (status == STATUS_DONE && isatty(STDOUT_FILENO))
        return write_bytes("\n", 1);
    return status;
}

/* ---- verify ---- */

static int ask_candidate(struct cli *cli, const char *field, struct secret **ret_candidate)
{
    const struct arguments *arguments = &cli->arguments;
    const char *const labels[] = { field, NULL };
    CLEANUP_FREE char *question = NULL;
    int r = prompt_check_labels(arguments, labels);

    if (r != STATUS_DONE)
        return r;
    if (arguments_option(arguments, OPTION_STDIN))
        return prompt_read_fd(STDIN_FILENO, "standard input", ret_candidate);
    r = prompt_from_option(arguments, field, ret_candidate);
    if (r != STATUS_DONE || *ret_candidate)
        return r;
    if (asprintf(&question, "%s of '%s': ", field, arguments->words[0]) < 0)
        return output_local("out of memory");
    r = prompt_secret(question, NULL, ret_candidate);
    if (r == -ENXIO)
        return output_usage("there is no terminal to ask on; use --stdin or --fd %s=N", field);
    return r;
}

int command_verify(struct cli *cli)
{
    CLEANUP_JSON json_t *fields = NULL;
    CLEANUP_SECRET struct secret *candidate = NULL;
    enum mastersecret_error error = service_fields(cli, cli->arguments.words[0], &fields);
    const char *field;
    int matches, r;

    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    field = target_masked_field(&cli->arguments, fields, &r);
    if (!field)
        return r;
    r = ask_candidate(cli, field, &candidate);
    if (r != STATUS_DONE)
        return r;
    error = mastersecret_verify(cli->service, cli->arguments.words[0],
                                arguments_option(&cli->arguments, OPTION_USER), field,
                                candidate->bytes, candidate->length, &matches);
    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    r = STATUS_DONE;
    if (arguments_option(&cli->arguments, OPTION_JSON))
        r = output_json(json_pack("{s:b}", "matches", matches));
    else
        printf(matches ? "matches\n" : "does not match\n");
    return r != STATUS_DONE || matches ? r : STATUS_MISMATCH;
}

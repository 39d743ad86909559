/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* secret census: what is sealed under each generation. */
#include "client/cli/output.h"
#include "client/cli/secret_call.h"

/* "mapping=12, application=3" is made by the table; the total is ours. */
static json_t *add_total(json_t *row)
{
    json_int_t total = 0;
    const char *class;
    json_t *count;

    json_object_foreach(json_object_get(row, "records"), class, count)
        total += json_integer_value(count);
    json_object_set_new(row, "total", json_integer(total));
    return row;
}

static json_t *name_rows(const json_t *census)
{
    static const char *const keys[] = { "number",  "id",    "fingerprint",
                                        "created", "state", "records" };
    json_t *rows = json_array();
    size_t index;
    json_t *entry;

    json_array_foreach(census, index, entry) {
        json_t *row = json_object();

        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
            json_object_set(row, keys[i], json_array_get(entry, i));
        json_array_append_new(rows, add_total(row));
    }
    return rows;
}

int command_census(struct cli *cli)
{
    static const struct column columns[] = {
        { "GENERATION", "number" }, { "STATE", "state" },   { "RECORDS", "total" },
        { "BY CLASS", "records" },  { "CREATED", "created" }, { "FINGERPRINT", "fingerprint" },
        { NULL, NULL },
    };
    CLEANUP_JSON json_t *results = NULL;
    CLEANUP_JSON json_t *rows = NULL;
    int r = secret_call(cli, "Census", "", json_array(), CALL_READS, &results);

    if (r != STATUS_DONE)
        return r;
    rows = name_rows(json_array_get(results, 0));
    if (arguments_option(&cli->arguments, OPTION_JSON))
        return output_json(json_incref(rows));
    output_table(rows, columns);
    return STATUS_DONE;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* secret census: what is sealed under each generation. */
#include "client/cli/output.h"
#include "client/cli/secret_call.h"

/* "mapping=12, application=3" is made by the table; the total is ours. */
static void add_total(json_t *row)
{
    json_int_t total = 0;
    const char *class;
    json_t *count;

    json_object_foreach(json_object_get(row, "records"), class, count)
        total += json_integer_value(count);
    json_object_set_new(row, "total", json_integer(total));
}

int command_census(struct cli *cli)
{
    static const char *const keys[] = { "number",  "id",    "fingerprint", "created",
                                        "state",   "records", NULL };
    static const struct column columns[] = {
        { "GENERATION", "number" }, { "STATE", "state" },   { "RECORDS", "total" },
        { "BY CLASS", "records" },  { "CREATED", "created" }, { "FINGERPRINT", "fingerprint" },
        { NULL, NULL },
    };
    CLEANUP_JSON json_t *results = NULL;
    CLEANUP_JSON json_t *rows = NULL;
    size_t index;
    json_t *row;
    int r = secret_call(cli, "Census", "", json_array(), CALL_READS, &results);

    if (r != STATUS_DONE)
        return r;
    rows = service_rows(json_array_get(results, 0), keys);
    json_array_foreach(rows, index, row)
        add_total(row);
    return output_rows(cli, rows, columns);
}

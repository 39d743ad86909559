/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/backup_report.h"

#include "client/cli/output.h"

int backup_report(struct cli *cli, json_t *report)
{
    static const char *const keys[] = { "generation", "fingerprint", "state",     "records",
                                        "sampled",    "unreadable",  NULL };
    static const struct column columns[] = {
        { "GENERATION", "generation" }, { "STATE", "state" },
        { "RECORDS", "records" },       { "SAMPLED", "sampled" },
        { "UNREADABLE", "unreadable" }, { "FINGERPRINT", "fingerprint" },
        { NULL, NULL },
    };
    CLEANUP_JSON json_t *rows = service_rows(json_object_get(report, "generations"), keys);
    int r;

    json_object_del(report, "generations");
    if (arguments_option(&cli->arguments, OPTION_JSON)) {
        json_object_set(report, "generations", rows);
        return output_report(cli, report);
    }
    r = output_report(cli, report);
    if (r == STATUS_DONE && json_array_size(rows) > 0) {
        putchar('\n');
        output_table(rows, columns);
    }
    return r;
}

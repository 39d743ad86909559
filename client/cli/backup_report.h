/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What the service says of a backup when it verifies, tries or restores one. */
#ifndef CLI_BACKUP_REPORT_H
#define CLI_BACKUP_REPORT_H

#include "client/cli/service.h"

/* As JSON, or as lines and a table of the generations. Changes the report. STATUS_DONE or
 * STATUS_LOCAL. */
int backup_report(struct cli *cli, json_t *report);

#endif

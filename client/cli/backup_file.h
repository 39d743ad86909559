/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A backup's file as the command line reads it. */
#ifndef CLI_BACKUP_FILE_H
#define CLI_BACKUP_FILE_H

#include "client/cli/backup_head.h"
#include "client/cli/command.h"

/* Reads, parses, and checks that it is as whoever signed it left it. STATUS_DONE; else it has said
 * why, by the error table's exit statuses. The caller frees the head. */
int backup_file_read(struct cli *cli, const char *path, struct backup_head **ret_head) MUST_CHECK;

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A backup's file as the command line reads it: without the service, on a machine that has none, or
 * whose own is lost. */
#ifndef CLI_BACKUP_FILE_H
#define CLI_BACKUP_FILE_H

#include "client/cli/command.h"
#include "common/backup_head.h"

struct backup_file {
    struct backup_head head;
    uint8_t bytes[BACKUP_FILE_MAX + 1]; /* where the head points */
};

/* Reads, parses, and checks that it is as whoever signed it left it. STATUS_DONE; else it has said
 * why, by the error table's exit statuses. The caller frees it. */
int backup_file_read(struct cli *cli, const char *path, struct backup_file **ret_file) MUST_CHECK;

#endif

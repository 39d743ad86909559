/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A backup's file as the command line reads it: its head, its hash, and both as text. */
#ifndef CLI_BACKUP_FILE_H
#define CLI_BACKUP_FILE_H

#include "client/cli/backup_head.h"
#include "client/cli/command.h"

enum { BACKUP_FILE_TEXT_SIZE = 2 * 32 + 1 };

/* Reads, parses, and checks that it is as whoever signed it left it. STATUS_DONE; else it has said why, by the error table's exit statuses. The
 * caller frees the head. */
int backup_file_read(struct cli *cli, const char *path, struct backup_head **ret_head) MUST_CHECK;

/* At most 32 bytes in hex; a fingerprint, of 16, is in groups of four digits. */
void backup_file_hex(const uint8_t *bytes, size_t size, char ret_text[BACKUP_FILE_TEXT_SIZE]);
void backup_file_fingerprint(const uint8_t bytes[16], char ret_text[BACKUP_FILE_TEXT_SIZE]);

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A file that a call fills, such as a backup: made anew, never over another one, 0600; gone again
 * when the call fails. */
#ifndef CLI_NEW_FILE_H
#define CLI_NEW_FILE_H

#include "client/cli/command.h"
#include "common/secret.h"

struct new_file {
    const char *what; /* "backup", for messages */
    const char *path; /* as the user named it */
    char *location;   /* absolute, UTF-8: bytes that are not become '?' */
    int fd;
};

static inline struct new_file new_file_named(const char *what, const char *path)
{
    return (struct new_file){ .what = what, .path = path, .fd = -1 };
}
void new_file_deinit(struct new_file *file);
#define CLEANUP_NEW_FILE CLEANUP(new_file_deinit)

/* Each is STATUS_DONE, or STATUS_LOCAL after a message. */

int new_file_create(struct new_file *file) MUST_CHECK;
/* Syncs its folder, after the call that filled it. */
int new_file_keep(const struct new_file *file) MUST_CHECK;
/* Writes the text and syncs file and folder; what was written is removed when that fails. */
int new_file_write(struct new_file *file, const struct secret *text) MUST_CHECK;

/* The call failed. An empty file is of no use and is removed; one whose call has an unknown outcome
 * may be the only backup there is, and is kept. */
void new_file_give_up(const struct new_file *file, enum mastersecret_error error);

#endif

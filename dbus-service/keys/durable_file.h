/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A small file that is there whole, and on the disk, or as it was before. Each is written under the
 * name ".NAME.new" beside it, synced, read again and renamed, and the folder synced. */
#ifndef KEYS_DURABLE_FILE_H
#define KEYS_DURABLE_FILE_H

#include "common/secret.h"

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

/* Creates `name` in the folder (opened for reading). Never replaces a file: -EEXIST. Any other
 * failure: -errno, and nothing is left. */
int durable_file_create(int folder_fd, const char *name, mode_t mode, const void *bytes,
                        size_t size) MUST_CHECK;

/* Puts it in the place of what is there. -errno: it is as before, or, where the last sync
 * failed, as it should be but perhaps not for long; never anything between. */
int durable_file_replace(int folder_fd, const char *name, mode_t mode, const void *bytes,
                         size_t size) MUST_CHECK;

/* The same in two steps: until the second, the new one lies beside the old one. 0 or -errno. */
int durable_file_prepare(int folder_fd, const char *name, mode_t mode, const void *bytes,
                         size_t size) MUST_CHECK;
int durable_file_commit(int folder_fd, const char *name) MUST_CHECK;
/* Instead of, or after a failed commit. 0: the new one was still beside, and is gone. */
int durable_file_cancel(int folder_fd, const char *name);
/* What it is called there. 0 or -ENAMETOOLONG. */
int durable_file_temporary(const char *name, char ret_name[NAME_MAX + 1]) MUST_CHECK;

/* Reads up to `size` bytes from the start of the file. 0 or -errno. */
int durable_file_read(int fd, size_t size, struct secret **ret_bytes) MUST_CHECK;

/* Writes all of them at the start of the file and syncs it. 0 or -errno. */
int durable_file_write(int fd, const void *bytes, size_t size) MUST_CHECK;

#endif

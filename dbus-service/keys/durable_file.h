/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A small file that is either there whole, and on the disk, or not there. */
#ifndef KEYS_DURABLE_FILE_H
#define KEYS_DURABLE_FILE_H

#include "common/secret.h"

#include <stddef.h>
#include <sys/types.h>

/* Creates `name` in the folder (opened for reading): temporary file ".NAME.new", sync, rename, sync
 * of the folder. Never replaces a file: -EEXIST. Any other failure: -errno, and nothing is left. */
int durable_file_create(int folder_fd, const char *name, mode_t mode, const void *bytes,
                        size_t size) MUST_CHECK;

/* Reads up to `size` bytes from the start of the file. 0 or -errno. */
int durable_file_read(int fd, size_t size, struct secret **ret_bytes) MUST_CHECK;

/* Writes all of them at the start of the file and syncs it. 0 or -errno. */
int durable_file_write(int fd, const void *bytes, size_t size) MUST_CHECK;

#endif

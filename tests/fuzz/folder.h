/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A folder for targets that read files: on a tmpfs where there is one, removed at the end. */
#ifndef TESTS_FUZZ_FOLDER_H
#define TESTS_FUZZ_FOLDER_H

#include <stddef.h>
#include <stdint.h>

/* Made at the first call. */
const char *folder_path(void);
/* Writes a file in it; its path, valid until the next call. */
const char *folder_put(const char *name, const uint8_t *bytes, size_t size);

#endif

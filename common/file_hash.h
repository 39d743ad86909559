/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hash of a file: BLAKE2b-256, as doc/FORMAT has it, and as b2sum(1) -l 256 prints it. In
 * librecipient.la, since it needs libsodium. */
#ifndef COMMON_FILE_HASH_H
#define COMMON_FILE_HASH_H

#include "common/cleanup.h"

#include <stdint.h>

#define FILE_HASH_SIZE 32

/* From where the descriptor stands to the end. 0 or -errno. */
int file_hash(int fd, uint8_t ret_hash[FILE_HASH_SIZE]) MUST_CHECK;

#endif

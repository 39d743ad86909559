/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Constant-time comparison of secrets. */
#ifndef KEYS_EQUAL_H
#define KEYS_EQUAL_H

#include "common/secret.h"

#include <stdbool.h>

/* Equal in length and bytes. The time depends on the two lengths only, not on where they differ. */
bool secret_equal(const struct secret *a, const void *b, size_t b_length);

#endif

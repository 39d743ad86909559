/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Base32 (RFC 4648, lower case, no padding): for keys that people copy by hand. The letters are
 * computed, neither looked up nor branched on, so that the time taken says nothing of the bytes. */
#ifndef COMMON_BASE32_H
#define COMMON_BASE32_H

#include "common/cleanup.h"

#include <stddef.h>
#include <stdint.h>

/* Letters that `size` bytes make. */
#define BASE32_LENGTH(size) (((size)*8 + 4) / 5)

/* Writes BASE32_LENGTH(size) letters; no terminator. */
void base32_format(const uint8_t *bytes, size_t size, char *ret_text);

/* Exactly `size` bytes out of `length` characters; case does not matter, and blanks (space, tab,
 * line ends) and "-" are skipped. -EINVAL: another character, more or fewer letters than `size`
 * bytes make, or bits left over that are not zero; what is at ret_bytes is then of no use. */
int base32_parse(const char *text, size_t length, uint8_t *ret_bytes, size_t size) MUST_CHECK;

#endif

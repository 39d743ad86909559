/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as people read them: hex digits. Not for secrets, since which digit it is shows in time. */
#ifndef COMMON_HEX_H
#define COMMON_HEX_H

#include <stddef.h>
#include <stdint.h>

#define HEX_TEXT_SIZE(length) (2 * (length) + 1)
/* With a blank between groups of `group` digits. */
#define HEX_GROUPED_SIZE(length, group) (2 * (length) + (2 * (length) - 1) / (group) + 1)

/* Lower case, with a blank after every `group` digits (0: none). `ret_text` has one of the sizes
 * above. */
void hex_format(const uint8_t *bytes, size_t length, unsigned group, char *ret_text);

#endif

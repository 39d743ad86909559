/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/hex.h"

void hex_format(const uint8_t *bytes, size_t length, unsigned group, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < 2 * length; i++) {
        if (group && i && i % group == 0)
            *ret_text++ = ' ';
        *ret_text++ = digits[i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4];
    }
    *ret_text = '\0';
}

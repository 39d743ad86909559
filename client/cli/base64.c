/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/base64.h"

int base64_encode(const void *bytes, size_t length, struct secret **ret_text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = bytes;
    struct secret *text;
    int r = secret_new((length + 2) / 3 * 4, &text);

    if (r < 0)
        return r;
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t group = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                         (left > 2 ? in[i + 2] : 0);
        uint8_t *out = text->bytes + text->length;

        out[0] = (uint8_t)digits[group >> 18];
        out[1] = (uint8_t)digits[group >> 12 & 63];
        out[2] = (uint8_t)(left > 1 ? digits[group >> 6 & 63] : '=');
        out[3] = (uint8_t)(left > 2 ? digits[group & 63] : '=');
        text->length += 4;
    }
    *ret_text = text;
    return 0;
}

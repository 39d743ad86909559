/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base32.h"

#include <errno.h>
#include <stdbool.h>

/* -1 when low <= value <= high, else 0; for small numbers. */
static int within(int value, int low, int high)
{
    unsigned outside = ((unsigned)(value - low) | (unsigned)(high - value)) >> 31;

    return (int)outside - 1;
}

/* 0..25 are letters, 26..31 the digits 2..7. */
static char letter_of(unsigned bits)
{
    int value = (int)bits;

    return (char)(value + 'a' + (within(value, 26, 31) & ('2' - 26 - 'a')));
}

/* -1: not one of the alphabet. */
static int bits_of(char letter)
{
    int c = (unsigned char)letter, value = -1;

    value += within(c, 'a', 'z') & (c - 'a' + 1);
    value += within(c, 'A', 'Z') & (c - 'A' + 1);
    value += within(c, '2', '7') & (c - '2' + 26 + 1);
    return value;
}

static bool is_separator(char c)
{
    return c == '-' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void base32_format(const uint8_t *bytes, size_t size, char *ret_text)
{
    unsigned held = 0, count = 0;

    for (size_t i = 0; i < size; i++) {
        held = (held << 8 | bytes[i]) & 0xfff;
        for (count += 8; count >= 5; count -= 5)
            *ret_text++ = letter_of(held >> (count - 5) & 31);
    }
    if (count > 0)
        *ret_text = letter_of(held << (5 - count) & 31);
}

int base32_parse(const char *text, size_t length, uint8_t *ret_bytes, size_t size)
{
    unsigned held = 0, count = 0;
    size_t letters = 0, done = 0;
    int wrong = 0;

    for (size_t i = 0; i < length; i++) {
        int bits;

        if (is_separator(text[i]))
            continue;
        if (++letters > BASE32_LENGTH(size))
            return -EINVAL;
        bits = bits_of(text[i]);
        wrong |= bits;
        held = (held << 5 | ((unsigned)bits & 31)) & 0xfff;
        count += 5;
        if (count >= 8) {
            count -= 8;
            ret_bytes[done++] = (uint8_t)(held >> count);
        }
    }
    if (wrong < 0 || letters != BASE32_LENGTH(size) || (held & ((1U << count) - 1)) != 0)
        return -EINVAL;
    return 0;
}

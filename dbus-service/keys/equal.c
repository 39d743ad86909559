/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/equal.h"

/* libsodium compares equal lengths only. Here every byte of the longer one is visited, and past the
 * end of the shorter the comparison goes against zero; the lengths are folded in at the end. */
static uint8_t byte_at(const uint8_t *bytes, size_t length, size_t index)
{
    /* All ones when index < length: the subtraction borrows into the top bit. */
    size_t inside = (size_t)0 - ((index - length) >> (sizeof(index) * 8 - 1));
    size_t safe = index & inside;

    return length ? (uint8_t)(bytes[safe] & (uint8_t)inside) : 0;
}

bool secret_equal(const struct secret *a, const void *b, size_t b_length)
{
    size_t longer = a->length > b_length ? a->length : b_length;
    size_t difference = a->length ^ b_length;

    for (size_t i = 0; i < longer; i++)
        difference |= (size_t)(byte_at(a->bytes, a->length, i) ^ byte_at(b, b_length, i));
    /* The compiler must not turn the loop into an early exit. */
    __asm__ volatile("" : "+r"(difference));
    return difference == 0;
}

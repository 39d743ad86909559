/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/gf256.h"

/* x^8, reduced */
#define REDUCED 0x1bU

uint8_t gf256_multiply(uint8_t a, uint8_t b)
{
    uint32_t shifted = a, product = 0;

    for (unsigned i = 0; i < 8; i++) {
        product ^= shifted & (0U - ((uint32_t)b >> i & 1U));
        shifted = shifted << 1 ^ (REDUCED & (0U - (shifted >> 7 & 1U)));
        shifted &= 0xffU;
    }
    return (uint8_t)product;
}

/* a^254, as a^255 = 1: the product of a^2, a^4, … a^128. */
uint8_t gf256_invert(uint8_t a)
{
    uint8_t power = a, product = 1;

    for (unsigned i = 0; i < 7; i++) {
        power = gf256_multiply(power, power);
        product = gf256_multiply(product, power);
    }
    return product;
}

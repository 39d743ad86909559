/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* GF(2^8) with the polynomial x^8 + x^4 + x^3 + x + 1 (FIPS 197, section 4): adding is XOR. No
 * table and no branch: the time does not depend on the values. */
#ifndef KEYS_GF256_H
#define KEYS_GF256_H

#include <stdint.h>

uint8_t gf256_multiply(uint8_t a, uint8_t b);
/* 0 has no inverse and gives 0. */
uint8_t gf256_invert(uint8_t a);

#endif

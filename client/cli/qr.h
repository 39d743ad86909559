/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A QR code in text: half blocks of UTF-8, two modules in a character. */
#ifndef CLI_QR_H
#define CLI_QR_H

#include "common/cleanup.h"

/* Writes it with its quiet zone. On a terminal it is black on white whatever the colours there are;
 * elsewhere the paper is taken to be white. 0, or -errno. */
int qr_write(FILE *file, const char *text) MUST_CHECK;

#endif

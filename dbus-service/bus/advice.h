/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What an administrator should do next, and how keys are shown. */
#ifndef BUS_ADVICE_H
#define BUS_ADVICE_H

#include "dbus-service/bus/service.h"
#include "dbus-service/bus/writer.h"

/* One string for each thing that should be done. */
void advice_write(struct service *service, struct writer *writer);

/* Hex digits, lower case, with a blank after every `group` digits (0 = none). */
void hex_format(const uint8_t *bytes, size_t length, unsigned group, char *ret_text);
/* Of the active generation: 32 hex digits in groups of four; "" for NULL. */
#define FINGERPRINT_TEXT_SIZE (2 * FINGERPRINT_SIZE + FINGERPRINT_SIZE / 2)
void fingerprint_format(const struct keyring *keyring, char ret_text[FINGERPRINT_TEXT_SIZE]);

#endif

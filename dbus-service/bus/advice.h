/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What an administrator should do next, and how keys are shown. */
#ifndef BUS_ADVICE_H
#define BUS_ADVICE_H

#include "common/hex.h"
#include "dbus-service/bus/service.h"
#include "dbus-service/bus/writer.h"

/* One string for each thing that should be done. */
void advice_write(struct service *service, struct writer *writer);

/* Of the active generation: 32 hex digits in groups of four; "" for NULL. */
#define FINGERPRINT_TEXT_SIZE HEX_GROUPED_SIZE(FINGERPRINT_SIZE, 4)
void fingerprint_format(const struct keyring *keyring, char ret_text[FINGERPRINT_TEXT_SIZE]);

#endif

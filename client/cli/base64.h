/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Base64 of RFC 4648, section 4. */
#ifndef CLI_BASE64_H
#define CLI_BASE64_H

#include "common/secret.h"

/* With padding, without line breaks. 0, or -ENOMEM. */
int base64_encode(const void *bytes, size_t length, struct secret **ret_text) MUST_CHECK;

#endif

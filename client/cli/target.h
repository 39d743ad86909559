/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What map set, get, verify and run find out before they act: whose mapping, and which fields. */
#ifndef CLI_TARGET_H
#define CLI_TARGET_H

#include "client/cli/service.h"

enum { ACCOUNT_TEXT_SIZE = sizeof("group:") + NAME_MAX_BYTES };

/* --user U -> "user:U", --group G -> "group:G", neither -> "". STATUS_DONE, or STATUS_USAGE after a
 * message. */
int target_account(const struct arguments *arguments, char *ret_account) MUST_CHECK;

/* How many masked fields there are, and the label of the last one. */
size_t target_masked(const json_t *fields, const char **ret_label);

/* The field of that label, or NULL. */
const json_t *target_field(const json_t *fields, const char *label);

/* The masked field that --field names or, without it, the only one; NULL after a message, with
 * *ret_status. */
const char *target_masked_field(const struct arguments *arguments, const json_t *fields,
                                int *ret_status);

#endif

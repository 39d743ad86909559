/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Mappings as values (doc/FORMAT, 3.2). */
#ifndef DOMAIN_MAPPING_INTERNAL_H
#define DOMAIN_MAPPING_INTERNAL_H

#include "dbus-service/domain/mapping.h"

void mapping_key(struct record_key *ret_key, const uint8_t id[APPLICATION_ID_SIZE],
                 const struct account_name *account);
/* The account in the name of a mapping's key; 0 or -EBADMSG. */
int mapping_account(const struct record_key *key, struct account_name *ret_account) MUST_CHECK;

/* Account, revision, version and generation are not in the value. 0, -EMSGSIZE, -ENOMEM. */
int mapping_format(const struct mapping *mapping, struct secret **ret_value) MUST_CHECK;
/* Takes the value over in any case. 0, -EBADMSG, -EPROTONOSUPPORT (newer), -ENOMEM. */
int mapping_parse(struct secret *value, struct mapping **ret_mapping) MUST_CHECK;

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Mappings: (application, local user or group) -> external user and values of fields. */
#ifndef DOMAIN_MAPPING_H
#define DOMAIN_MAPPING_H

#include "dbus-service/domain/application.h"

enum account_kind { ACCOUNT_USER = 'u', ACCOUNT_GROUP = 'g' };

struct account_name {
    enum account_kind kind;
    char name[NAME_MAX_BYTES + 1];
};
/* "user:NAME" or "group:NAME"; 0 or -EINVAL. */
int account_name_parse(const char *text, struct account_name *ret_account) MUST_CHECK;
/* Needs 6 + NAME_MAX_BYTES + 1 bytes. */
void account_name_format(const struct account_name *account, char *ret_text);

enum mapping_state { MAPPING_ENABLED = 0, MAPPING_DISABLED = 1, MAPPING_DISABLED_BY_ADMINISTRATOR = 2 };
/* "enabled", "disabled", "disabled-by-administrator". */
const char *mapping_state_name(enum mapping_state state);
#define MAPPING_UNREADABLE_NAME "damaged" /* stands in lists for one that cannot be read */

struct mapping_value {
    uint32_t field;
    const uint8_t *bytes; /* within the mapping's own memory */
    size_t length;
};

struct mapping {
    struct account_name account;
    enum mapping_state state;
    uint64_t changed_usec;
    uid_t changed_by;
    char *external_user;
    struct mapping_value values[FIELDS_MAX];
    size_t values_count;
    uint64_t revision;
    uint64_t version;
    uint32_t generation;
    struct secret *memory; /* what values point into; wiped with the mapping */
};

/* 0, MAPPING_NOT_FOUND, DAMAGED, ..., or -errno. */
int mapping_get(struct realm *realm, const struct application *application,
                const struct account_name *account, struct mapping **ret_mapping,
                struct failure *failure) MUST_CHECK;
/* Is there one? 1, 0, or -errno; nothing is opened. */
int mapping_exists(struct realm *realm, const struct application *application,
                   const struct account_name *account) MUST_CHECK;
void mapping_free(struct mapping *mapping);
CLEANUP_DEFINE(mapping, struct mapping, mapping_free)
#define CLEANUP_MAPPING CLEANUP(mapping_cleanup)
/* NULL when the field has no value. */
const struct mapping_value *mapping_value(const struct mapping *mapping, uint32_t field);

struct mapping_change {
    struct account_name account;
    const char *external_user;          /* NULL = as it is (a new mapping needs one) */
    const struct mapping_value *values; /* fields named replace, others stay; borrowed */
    size_t values_count;
    uid_t changed_by;
};
/* Makes or changes. Refuses by name: EXTERNAL_USER_TAKEN (individual applications), TOO_LARGE, ...;
 * also when two callers race. Wrong kind for the application's type: INVALID_ARGUMENT. */
int mapping_set(struct realm *realm, const struct application *application,
                const struct mapping_change *change, realm_write_done done, void *userdata,
                struct failure *failure) MUST_CHECK;
int mapping_set_state(struct realm *realm, const struct application *application,
                      const struct account_name *account, enum mapping_state state,
                      uid_t changed_by, realm_write_done done, void *userdata,
                      struct failure *failure) MUST_CHECK;
int mapping_delete(struct realm *realm, const struct application *application,
                   const struct account_name *account, realm_write_done done, void *userdata,
                   struct failure *failure) MUST_CHECK;

/* One page of an application's mappings, newest first; cursor 0 begins and ends. `each` borrows. One that cannot
 * be read has an account and no external user (NULL), and does not end the page. */
typedef int (*mapping_each)(void *userdata, const struct mapping *mapping);
int mapping_list(struct realm *realm, const struct application *application, uint64_t *cursor,
                 size_t limit, mapping_each each, void *userdata,
                 struct failure *failure) MUST_CHECK;

#endif

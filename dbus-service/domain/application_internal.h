/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Definitions as values (doc/FORMAT, 3.1) and as shared objects. */
#ifndef DOMAIN_APPLICATION_INTERNAL_H
#define DOMAIN_APPLICATION_INTERNAL_H

#include "dbus-service/domain/application.h"

/* A definition lives as long as somebody refers to it; application_new() refers first. */
int application_new(struct application **ret_application) MUST_CHECK;
struct application *application_ref(const struct application *application);
void application_unref(struct application *application);
CLEANUP_DEFINE(application, struct application, application_unref)
#define CLEANUP_APPLICATION CLEANUP(application_cleanup)

void application_key(struct record_key *ret_key, const uint8_t id[APPLICATION_ID_SIZE]);

int name_list_copy(struct name_list *list, const struct name_list *from) MUST_CHECK;

/* Revision and version are not in the value. 0 or -ENOMEM. */
int application_format(const struct application *application, struct secret **ret_value) MUST_CHECK;
/* The value that stands for a deleted application until its mappings are purged. */
int application_format_deleted(struct secret **ret_value) MUST_CHECK;
enum application_parse_outcome { APPLICATION_PARSED = 0, APPLICATION_IS_DELETED };
/* APPLICATION_*, -EBADMSG, -EPROTONOSUPPORT (newer), -ENOMEM. */
int application_parse(const uint8_t id[APPLICATION_ID_SIZE], const void *value, size_t size,
                      struct application **ret_application) MUST_CHECK;

/* What a draft may hold. 0 or a code. */
int application_check_lists(const struct application_draft *draft,
                            struct failure *failure) MUST_CHECK;
int application_check_fields(const struct field *fields, size_t count,
                             struct failure *failure) MUST_CHECK;

/* Removes the mappings of a deleted application in the background, then its record. When it cannot go
 * on it ends; the next start takes it up again. */
int application_purge(struct realm *realm, const uint8_t id[APPLICATION_ID_SIZE]) MUST_CHECK;

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an application's users and agents may know of it, for the library's own use. */
#ifndef CLIENT_APPLICATION_H
#define CLIENT_APPLICATION_H

#include "client/context.h"
#include "common/names.h"

struct mastersecret_application {
    int is_group;
    size_t count;
    struct mastersecret_field fields[FIELDS_MAX]; /* labels are ours; no values */
};

/* mastersecret_describe(), between begin and end; the name is checked already. */
enum mastersecret_error
application_describe(struct mastersecret *context, const char *name,
                     struct mastersecret_application **ret_application) MUST_CHECK;

CLEANUP_DEFINE(application, struct mastersecret_application, mastersecret_application_free)
#define CLEANUP_APPLICATION CLEANUP(application_cleanup)

#endif

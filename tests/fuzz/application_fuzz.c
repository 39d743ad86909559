/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The value of an application's record: what parses is within the limits, and is written again as
 * the same bytes. */
#include "dbus-service/domain/application_internal.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A string where a char * is asked for. */
#define TEXT(text) ((char[]){text})

static const uint8_t id[APPLICATION_ID_SIZE] = "an application";

static void check(const struct application *application, const uint8_t *bytes, size_t size)
{
    CLEANUP_SECRET struct secret *again = NULL;
    struct failure failure;

    if (!name_is_valid(application->name) || application->users.count > LIST_NAMES_MAX ||
        application_check_fields(application->fields, application->fields_count, &failure) != 0)
        abort();
    if (application_format(application, &again) < 0 || again->length != size ||
        memcmp(again->bytes, bytes, size) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    CLEANUP_APPLICATION struct application *application = NULL;
    int r = application_parse(id, bytes, size, &application);

    if ((r == APPLICATION_PARSED) != (application != NULL))
        abort();
    if (r == APPLICATION_PARSED)
        check(application, bytes, size);
    else if (r != APPLICATION_IS_DELETED && r != -EBADMSG && r != -EPROTONOSUPPORT)
        abort();
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    char *users[] = {TEXT("clerks"), TEXT("user:dora")}, *agents[] = {TEXT("user:postgres")};
    struct field fields[] = {{.id = 0, .label = TEXT("user")},
                             {.id = 1, .label = TEXT("password"), .masked = true},
                             {.id = 4, .label = TEXT("Mandant \xc3\xbc")}};
    const struct application application = {
        .name = TEXT("erp"), .type = APPLICATION_GROUP, .enabled = true, .created_usec = 1,
        .description = TEXT("a description"), .contact = TEXT(""), .users = {users, 2},
        .agents = {agents, 1}, .next_field = 5, .fields = fields, .fields_count = 3,
    };
    CLEANUP_SECRET struct secret *value = NULL;

    if (application_format(&application, &value) < 0 || value->length > room)
        abort();
    memcpy(ret_bytes, value->bytes, value->length);
    return value->length;
}

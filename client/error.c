/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/error.h"

#include <assert.h>
#include <dbus/dbus.h>
#include <errno.h>
#include <string.h>

/* The numbers of the public enum are ABI; the table of names.h may grow, but only at its end. */
#define X(id, name, status, text, remedy)                                                          \
    static_assert((int)MASTERSECRET_##id == (int)ERROR_##id, "not the number of the error table");
ERROR_TABLE(X)
#undef X
static_assert((int)MASTERSECRET_NO_BACKUP_DIRECTORY + 1 == (int)ERROR_COUNT_, "an error is missing");

const char *mastersecret_strerror(enum mastersecret_error error)
{
    return error_text((enum error_code)error);
}

const char *mastersecret_remedy(enum mastersecret_error error)
{
    return error_remedy((enum error_code)error);
}

enum error_code client_error_code(enum mastersecret_error error)
{
    return (enum error_code)error;
}

enum mastersecret_error client_error_from_name(const char *name)
{
    static const struct {
        const char *name;
        enum mastersecret_error error;
    } foreign[] = {
        { DBUS_ERROR_ACCESS_DENIED, MASTERSECRET_ACCESS_DENIED },
        { DBUS_ERROR_AUTH_FAILED, MASTERSECRET_ACCESS_DENIED },
        { DBUS_ERROR_INVALID_ARGS, MASTERSECRET_INVALID_ARGUMENT },
        { DBUS_ERROR_INVALID_SIGNATURE, MASTERSECRET_INVALID_ARGUMENT },
        { DBUS_ERROR_PROPERTY_READ_ONLY, MASTERSECRET_INVALID_ARGUMENT },
        { DBUS_ERROR_UNKNOWN_INTERFACE, MASTERSECRET_INVALID_ARGUMENT },
        { DBUS_ERROR_UNKNOWN_METHOD, MASTERSECRET_INVALID_ARGUMENT },
        { DBUS_ERROR_UNKNOWN_PROPERTY, MASTERSECRET_INVALID_ARGUMENT },
        { DBUS_ERROR_UNKNOWN_OBJECT, MASTERSECRET_APPLICATION_NOT_FOUND },
        { DBUS_ERROR_LIMITS_EXCEEDED, MASTERSECRET_LIMITS_EXCEEDED },
        { DBUS_ERROR_NO_MEMORY, MASTERSECRET_OUT_OF_MEMORY },
        { DBUS_ERROR_TIMEOUT, MASTERSECRET_TIMED_OUT },
        /* The bus's own word: it has waited for the service to start, in vain. */
        { DBUS_ERROR_TIMED_OUT, MASTERSECRET_UNREACHABLE },
    };
    enum error_code own = error_from_name(name);

    if (own != ERROR_NONE)
        return (enum mastersecret_error)own;
    for (size_t i = 0; name && i < sizeof(foreign) / sizeof(foreign[0]); i++)
        if (strcmp(name, foreign[i].name) == 0)
            return foreign[i].error;
    return MASTERSECRET_UNREACHABLE;
}

enum mastersecret_error client_error_from_errno(int error)
{
    static const struct {
        int number;
        enum mastersecret_error error;
    } rows[] = {
        { ENOMEM, MASTERSECRET_OUT_OF_MEMORY },
        { ENOBUFS, MASTERSECRET_OUT_OF_MEMORY },
        { EMFILE, MASTERSECRET_LIMITS_EXCEEDED },
        { ENFILE, MASTERSECRET_LIMITS_EXCEEDED },
        { EPERM, MASTERSECRET_LIMITS_EXCEEDED }, /* pipe-user-pages-soft */
        { EACCES, MASTERSECRET_ACCESS_DENIED },
        { ETIMEDOUT, MASTERSECRET_TIMED_OUT },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].number == error)
            return rows[i].error;
    return MASTERSECRET_UNREACHABLE;
}

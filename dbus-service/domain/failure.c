/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/failure.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* Cuts an incomplete character off the end. */
static void text_trim(char *text)
{
    size_t length = strlen(text);
    size_t start = length;
    unsigned char lead;
    size_t size;

    while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return;
    lead = (unsigned char)text[start - 1];
    size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (start - 1 + size > length)
        text[start - 1] = '\0';
}

/* The text quotes what callers sent: it goes into replies and logs as one clean line. */
static void text_clean(char *text)
{
    bool utf8 = text_is_utf8(text, strlen(text), sizeof(((struct failure *)0)->text));

    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c == 0x7f || (!utf8 && *c >= 0x80))
            *c = '?';
}

int failure_set(struct failure *failure, enum error_code code, const char *format, ...)
{
    va_list arguments;
    int length;

    failure->code = code;
    if (!format) {
        snprintf(failure->text, sizeof(failure->text), "%s", error_text(code));
        return (int)code;
    }
    va_start(arguments, format);
    length = vsnprintf(failure->text, sizeof(failure->text), format, arguments);
    va_end(arguments);
    if (length < 0)
        failure->text[0] = '\0';
    if (length >= (int)sizeof(failure->text))
        text_trim(failure->text);
    text_clean(failure->text);
    return (int)code;
}

bool failure_advises(const struct failure *failure)
{
    return strstr(failure->text, "; ") != NULL;
}

int failure_from_errno(struct failure *failure, int error, const char *what)
{
    if (error == -ENOMEM)
        return failure_set(failure, ERROR_OUT_OF_MEMORY, NULL);
    if (error == -EBADMSG)
        return failure_set(failure, ERROR_DAMAGED, "%s: stored data is damaged", what);
    return failure_set(failure, ERROR_STORAGE_FAILED, "%s: %s", what, strerrordesc_np(-error));
}

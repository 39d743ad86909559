/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pam_module/call.h"

#include "common/descriptor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>

/* What a line may hold: a user name may be any bytes, and so may what it was wrapped in. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

static void send_line(const char *line)
{
    const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
    CLEANUP_CLOSE int fd = socket_above_standard(SOCK_DGRAM | SOCK_NONBLOCK);

    if (fd >= 0 && connect(fd, &address, sizeof(address)) == 0)
        (void)!send(fd, line, strlen(line), MSG_NOSIGNAL);
}

static const char *service_name(const struct call *call)
{
    const void *service = NULL;

    if (pam_get_item(call->pamh, PAM_SERVICE, &service) != PAM_SUCCESS || !service)
        return "?";
    return service;
}

static void write_line(const struct call *call, int priority, const char *format, va_list arguments)
    __attribute__((__format__(__printf__, 3, 0)));

static void write_line(const struct call *call, int priority, const char *format, va_list arguments)
{
    char line[1024];
    int prefix = snprintf(line, sizeof(line), "<%d>%.32s[%d]: pam_mastersecret(%.64s:%s): ",
                          LOG_AUTHPRIV | priority, program_invocation_short_name, (int)getpid(),
                          service_name(call), entry_point_name(call->entry));

    if (prefix < 0 || (size_t)prefix >= sizeof(line))
        return;
    (void)vsnprintf(line + prefix, sizeof(line) - (size_t)prefix, format, arguments);
    make_printable(line);
    send_line(line);
}

void call_log(const struct call *call, int priority, const char *format, ...)
{
    int saved_errno = errno;
    va_list arguments;

    va_start(arguments, format);
    write_line(call, priority, format, arguments);
    va_end(arguments);
    errno = saved_errno;
}

void call_debug(const struct call *call, const char *format, ...)
{
    int saved_errno = errno;
    va_list arguments;

    if (!call->options.debug)
        return;
    va_start(arguments, format);
    write_line(call, LOG_DEBUG, format, arguments);
    va_end(arguments);
    errno = saved_errno;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* user=external: who PAM_USER becomes is who the program lets in. So the name must come from an
 * administrator, be one that modules can build paths and lines from, and never be that of uid 0. */
#include "pam_module/call.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <syslog.h>

/* A name goes into paths (tallies, mailboxes), into /etc/passwd-like lines and into arguments. */
static bool is_login_name(const char *name)
{
    return name_is_valid(name) && name[0] != '-' && name[0] != '.' && !strpbrk(name, "/:");
}

/* Also when the name service cannot tell. */
static bool may_be_uid_0(const char *name)
{
    CLEANUP_FREE char *buffer = NULL;
    struct passwd entry, *found = NULL;
    int r = ERANGE;

    for (size_t size = 4096; r == ERANGE && size <= 1024 * 1024; size *= 4) {
        free(buffer);
        buffer = malloc(size);
        if (!buffer)
            return true;
        r = getpwnam_r(name, &entry, buffer, size, &found);
    }
    return strcmp(name, "root") == 0 || r != 0 || (found && found->pw_uid == 0);
}

static int refuse(const struct call *call, const char *user, const char *reason)
{
    call_log(call, LOG_WARNING, "'%.64s' does not become the external user of application "
             "'%.64s': %s", user, call->options.application, reason);
    return PAM_PERM_DENIED;
}

int external_user_get(struct call *call, const char *user,
                      const struct mastersecret_credentials *credentials, const char **ret_name)
{
    const char *name = mastersecret_credentials_external_user(credentials);
    CLEANUP_APPLICATION struct mastersecret_application *application = NULL;
    enum mastersecret_error error = call_service(call);

    if (error == MASTERSECRET_OK)
        error = mastersecret_describe(call->service, call->options.application, &application);
    if (error != MASTERSECRET_OK)
        return call_fail(call, user, error);
    if (!mastersecret_application_is_group(application))
        return refuse(call, user, "its users set external names themselves");
    if (!is_login_name(name))
        return refuse(call, user, "that is no login name");
    if (may_be_uid_0(name))
        return refuse(call, user, "that is, or may be, uid 0");
    *ret_name = name;
    return PAM_SUCCESS;
}

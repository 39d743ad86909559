/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* env: the external user name and the plain fields go into the environment of the session. It
 * happens in open_session, which every program calls that gives its children an environment of PAM's
 * (publickey logins and cron never authenticate; login sets credentials only after the session is
 * open), and when the user is who the session is for (sudo changes PAM_USER before). */
#include "pam_module/call.h"

#include <string.h>
#include <syslog.h>

/* All fields of an application then need 150 KB: a program can be started with 2 MB. */
enum { ENV_VALUE_MAX_BYTES = 4096 };

/* Nothing masked was asked for; that none is put there is checked all the same. */
static int put(struct call *call, const char *user, const struct mastersecret_field *field)
{
    char variable[VARIABLE_SIZE];
    char setting[VARIABLE_SIZE + 1 + ENV_VALUE_MAX_BYTES];

    if (field->masked || !field->value)
        return PAM_SUCCESS;
    if (field->length > ENV_VALUE_MAX_BYTES) {
        call_log(call, LOG_WARNING, "field '%.64s' of '%.64s' is left out of the environment: it "
                 "has more than %d bytes", field->label, user, ENV_VALUE_MAX_BYTES);
        return PAM_SUCCESS;
    }
    name_to_variable(field->label, variable);
    (void)snprintf(setting, sizeof(setting), "%s=%.*s", variable, (int)field->length,
                   (const char *)field->value);
    return pam_putenv(call->pamh, setting);
}

/* From the last field to the first: of two that come to the same variable, the first one's value
 * is there in the end, and the external user name, which comes first, can be hidden by none. */
static int put_all(struct call *call, const char *user,
                   const struct mastersecret_credentials *credentials,
                   const struct mastersecret_application *application)
{
    const struct mastersecret_field *described, *fields;
    struct mastersecret_field external = { .length = 0 };
    size_t described_count, count;
    int code = PAM_SUCCESS;

    fields = mastersecret_credentials_fields(credentials, &count);
    while (code == PAM_SUCCESS && count-- > 0)
        code = put(call, user, &fields[count]);
    described = mastersecret_application_fields(application, &described_count);
    if (code != PAM_SUCCESS || described_count == 0)
        return code;
    external.label = described[0].label;
    external.value = mastersecret_credentials_external_user(credentials);
    external.length = strlen(external.value);
    return put(call, user, &external);
}

int env_open_session(struct call *call)
{
    CLEANUP_CREDENTIALS struct mastersecret_credentials *credentials = NULL;
    CLEANUP_APPLICATION struct mastersecret_application *application = NULL;
    const char *user = NULL;
    enum mastersecret_error error;
    int code = call_user(call, &user);

    if (code == PAM_SUCCESS)
        code = call_lookup(call, user, false, &credentials);
    if (code != PAM_SUCCESS)
        return code;
    error = call_service(call);
    if (error == MASTERSECRET_OK)
        error = mastersecret_describe(call->service, call->options.application, &application);
    if (error != MASTERSECRET_OK)
        return call_fail(call, user, error);
    code = put_all(call, user, credentials, application);
    /* PAM_SUCCESS would let a "sufficient" line skip the modules that limit a session. */
    return code == PAM_SUCCESS ? PAM_IGNORE : code;
}

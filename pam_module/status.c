/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pam_module/status.h"

#include <security/pam_modules.h>

static const struct entry_row {
    const char *name;
    int unavailable;
} entry_rows[ENTRY_COUNT_] = {
    [ENTRY_AUTHENTICATE] = { "authenticate", PAM_AUTHINFO_UNAVAIL },
    [ENTRY_SETCRED] = { "setcred", PAM_CRED_UNAVAIL },
    /* acct_mgmt has no code of its own for "cannot tell"; any other one would be a verdict on the
     * account that programs act on (a new password, an expiry message). */
    [ENTRY_ACCT_MGMT] = { "acct_mgmt", PAM_PERM_DENIED },
    [ENTRY_OPEN_SESSION] = { "open_session", PAM_SESSION_ERR },
    [ENTRY_CLOSE_SESSION] = { "close_session", PAM_SESSION_ERR },
    /* libpam then changes no password in any module of the stack. */
    [ENTRY_PRELIMINARY] = { "chauthtok", PAM_TRY_AGAIN },
    /* PAM_TRY_AGAIN would be a lie: the modules in front have changed theirs. */
    [ENTRY_UPDATE] = { "chauthtok", PAM_AUTHTOK_ERR },
};

const char *entry_point_name(enum entry_point entry)
{
    return entry_rows[entry].name;
}

int status_unavailable(enum entry_point entry)
{
    return entry_rows[entry].unavailable;
}

/* A case for each error and no default, however long: the compiler names an error that has none. */
int status_of_error(enum mastersecret_error error, enum entry_point entry,
                    enum unavailable unavailable)
{
    switch (error) {
    case MASTERSECRET_OK:
        return PAM_SUCCESS;

    case MASTERSECRET_UNREACHABLE:
    case MASTERSECRET_TIMED_OUT:
    case MASTERSECRET_OUTCOME_UNKNOWN:
        return unavailable == UNAVAILABLE_IGNORE ? PAM_IGNORE : status_unavailable(entry);

    /* The service answered, but cannot decide now. Not "unavailable": unavailable=ignore would make
     * sealing the service a way around a required line. */
    case MASTERSECRET_UNCONFIGURED:
    case MASTERSECRET_SEALED:
    case MASTERSECRET_REBUILDING:
    case MASTERSECRET_READ_ONLY:
    case MASTERSECRET_NO_SLOT_OPENS:
    case MASTERSECRET_STORAGE_FAILED:
    case MASTERSECRET_DAMAGED:
    case MASTERSECRET_ROLLED_BACK:
    case MASTERSECRET_NEWER_FORMAT:
    case MASTERSECRET_NAME_SERVICE_UNAVAILABLE:
        return status_unavailable(entry);

    /* There is nothing about this user: with user_unknown=ignore a stack goes on to its next
     * module, which a refusal must not allow. */
    case MASTERSECRET_ACCOUNT_NOT_FOUND:
    case MASTERSECRET_NOT_APPLICATION_USER:
    case MASTERSECRET_MAPPING_NOT_FOUND:
    case MASTERSECRET_CREDENTIALS_NOT_SET:
        return PAM_USER_UNKNOWN;

    /* Somebody switched it off: PAM_ACCT_EXPIRED would make programs ask for a new password. */
    case MASTERSECRET_APPLICATION_DISABLED:
    case MASTERSECRET_MAPPING_DISABLED:
    case MASTERSECRET_MAPPING_DISABLED_BY_ADMINISTRATOR:
        return PAM_PERM_DENIED;

    /* The program's account is no agent of the application. */
    case MASTERSECRET_ACCESS_DENIED:
        return PAM_CRED_INSUFFICIENT;

    case MASTERSECRET_LIMITS_EXCEEDED:
        return PAM_MAXTRIES;

    case MASTERSECRET_OUT_OF_MEMORY:
        return PAM_BUF_ERR;

    /* The PAM line asks for something that does not exist. */
    case MASTERSECRET_APPLICATION_NOT_FOUND:
    case MASTERSECRET_FIELD_NOT_FOUND:
    case MASTERSECRET_INVALID_ARGUMENT:
        return PAM_SERVICE_ERR;

    /* No answer to what is asked here. */
    case MASTERSECRET_BAD_DESCRIPTOR:
    case MASTERSECRET_TOO_LARGE:
    case MASTERSECRET_ALREADY_CONFIGURED:
    case MASTERSECRET_ALREADY_UNSEALED:
    case MASTERSECRET_SLOT_NOT_FOUND:
    case MASTERSECRET_LAST_SLOT:
    case MASTERSECRET_BAD_SHARE:
    case MASTERSECRET_RECIPIENT_EXISTS:
    case MASTERSECRET_RECIPIENT_NOT_FOUND:
    case MASTERSECRET_NO_RECIPIENTS:
    case MASTERSECRET_OTHER_REALM:
    case MASTERSECRET_RECORDS_UNREADABLE:
    case MASTERSECRET_ROTATION_RUNNING:
    case MASTERSECRET_NOT_EMPTY:
    case MASTERSECRET_BACKUP_DUE:
    case MASTERSECRET_NO_BACKUP_DIRECTORY:
    case MASTERSECRET_APPLICATION_EXISTS:
    case MASTERSECRET_FIELD_EXISTS:
    case MASTERSECRET_MAPPING_EXISTS:
    case MASTERSECRET_EXTERNAL_USER_TAKEN:
    case MASTERSECRET_CONFLICT:
    case MASTERSECRET_WRONG_PASSPHRASE:
    case MASTERSECRET_BACKUP_FAILED:
        return PAM_SYSTEM_ERR;
    }
    /* A newer library than the one this was built with. */
    return PAM_SYSTEM_ERR;
}

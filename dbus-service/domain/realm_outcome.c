/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/realm_internal.h"

#include <errno.h>

static int failure_of(struct failure *failure, enum error_code code, const char *text)
{
    return text && *text ? failure_set(failure, code, "%s", text)
                         : failure_set(failure, code, NULL);
}

int realm_failure_log(struct failure *failure, enum log_outcome outcome, const char *text)
{
    switch (outcome) {
    case LOG_DONE:
        return failure_of(failure, ERROR_NONE, "done");
    case LOG_CONFLICT:
        return failure_of(failure, ERROR_CONFLICT, text);
    case LOG_TOO_LARGE:
        return failure_of(failure, ERROR_TOO_LARGE, text);
    case LOG_READ_ONLY:
        return failure_of(failure, ERROR_READ_ONLY, text);
    case LOG_FAILED:
        return failure_of(failure, ERROR_STORAGE_FAILED, text);
    case LOG_UNKNOWN:
        return failure_of(failure, ERROR_OUTCOME_UNKNOWN, text);
    case LOG_DAMAGED:
        return failure_of(failure, ERROR_DAMAGED, text);
    case LOG_ROLLED_BACK:
        return failure_of(failure, ERROR_ROLLED_BACK, text);
    case LOG_NEWER:
        return failure_of(failure, ERROR_NEWER_FORMAT, text);
    case LOG_CANCELED:
        return failure_of(failure, ERROR_CONFLICT, text);
    }
    return failure_of(failure, ERROR_STORAGE_FAILED, text);
}

/* Names each slot of the keyring and what would open it. */
static int failure_no_slot(struct failure *failure, const struct realm *realm, const char *reason)
{
    const struct realm_options *options = &realm->options;
    const char *credential = options->credential_path, *keyfile = options->keyfile_path;
    bool has_credential, has_keyfile, has_passphrase;
    unsigned mask = 0;

    if (keyring_slots(options->folder_fd, &mask) != KEYRING_DONE)
        mask = 0;
    has_credential = mask & (1u << SLOT_CREDENTIAL);
    has_keyfile = mask & (1u << SLOT_KEYFILE);
    has_passphrase = mask & (1u << SLOT_PASSPHRASE);
    if (!credential)
        credential = "(none was passed to the service)";
    if (!keyfile)
        keyfile = "(none is configured)";
    return failure_set(failure, ERROR_NO_SLOT_OPENS, "%s;%s%s%s%s%s%s", reason,
                       has_credential ? " slot credential needs the credential " : "",
                       has_credential ? credential : "",
                       has_keyfile ? " slot keyfile needs the key file " : "",
                       has_keyfile ? keyfile : "",
                       has_passphrase ? " slot passphrase needs: mastersecret secret unseal" : "",
                       mask ? "" : " the keyring's slots cannot be read");
}

static int failure_wrong_key(struct failure *failure, const struct realm *realm, bool by_passphrase)
{
    if (by_passphrase)
        return failure_set(failure, ERROR_WRONG_PASSPHRASE, NULL);
    return failure_no_slot(failure, realm,
                           "keyring: its slot is damaged, or the key file or credential found is not "
                           "this keyring's");
}

int realm_failure_keyring(struct failure *failure, const struct realm *realm,
                          enum keyring_outcome outcome, bool by_passphrase)
{
    switch (outcome) {
    case KEYRING_DONE:
        return failure_of(failure, ERROR_NONE, "done");
    case KEYRING_ABSENT:
        return failure_of(failure, ERROR_UNCONFIGURED, NULL);
    case KEYRING_EXISTS:
        return failure_of(failure, ERROR_ALREADY_CONFIGURED, NULL);
    case KEYRING_NO_SLOT:
        return failure_no_slot(failure, realm,
                               by_passphrase ? "the keyring has no slot for a passphrase"
                                             : "no key material for any slot was found");
    case KEYRING_WRONG_KEY:
        return failure_wrong_key(failure, realm, by_passphrase);
    case KEYRING_DAMAGED:
        return failure_of(failure, ERROR_DAMAGED, "keyring: damaged; put a good copy of this file back into the state "
                          "folder");
    case KEYRING_NEWER:
        return failure_of(failure, ERROR_NEWER_FORMAT, "the keyring is of a newer version");
    case KEYRING_BACKUP_FAILED:
        return failure_of(failure, ERROR_BACKUP_FAILED, NULL);
    case KEYRING_BAD_FILE:
        return failure_of(failure, ERROR_BAD_DESCRIPTOR,
                          "\"backup\" must be an empty regular file of your own, mode 0600, opened "
                          "for reading and writing");
    case KEYRING_PASSPHRASE_LENGTH:
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "a passphrase has %d to %d bytes", PASSPHRASE_MIN_BYTES,
                           PASSPHRASE_MAX_BYTES);
    case KEYRING_BAD_SOURCE:
        return failure_no_slot(failure, realm,
                               "the key file or credential can be read or changed by others, or is "
                               "shorter than 32 bytes");
    case KEYRING_NOT_A_BACKUP:
        return failure_of(failure, ERROR_BAD_DESCRIPTOR, "the file is no backup of a master secret");
    case KEYRING_OTHER_REALM:
        return failure_of(failure, ERROR_OTHER_REALM, NULL);
    case KEYRING_KEYS_DIFFER:
        return failure_of(failure, ERROR_CONFLICT,
                          "the backup is one of this realm, but its keys are not this keyring's");
    case KEYRING_RECIPIENT_EXISTS:
        return failure_of(failure, ERROR_RECIPIENT_EXISTS, NULL);
    case KEYRING_RECIPIENT_NOT_FOUND:
        return failure_of(failure, ERROR_RECIPIENT_NOT_FOUND, NULL);
    case KEYRING_NO_RECIPIENTS:
        return failure_of(failure, ERROR_NO_RECIPIENTS, NULL);
    case KEYRING_FULL:
        return failure_set(failure, ERROR_TOO_LARGE,
                           "a keyring has at most %d generations, %d recipients and %d slots",
                           GENERATIONS_MAX, RECIPIENTS_MAX, SLOTS_MAX);
    case KEYRING_LAST_SLOT:
        return failure_of(failure, ERROR_LAST_SLOT, NULL);
    case KEYRING_SLOT_NOT_FOUND:
        return failure_of(failure, ERROR_SLOT_NOT_FOUND, NULL);
    case KEYRING_BAD_SHARE:
        return failure_of(failure, ERROR_BAD_SHARE, "the share is mistyped, cut off, or none");
    case KEYRING_SHARES_DIFFER:
        return failure_of(failure, ERROR_BAD_SHARE,
                          "the share is not of this slot, or was not made with the others");
    }
    return failure_of(failure, ERROR_STORAGE_FAILED, NULL);
}

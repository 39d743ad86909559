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
    static const enum error_code codes[] = {
        [LOG_DONE] = ERROR_NONE,
        [LOG_CONFLICT] = ERROR_CONFLICT,
        [LOG_TOO_LARGE] = ERROR_TOO_LARGE,
        [LOG_READ_ONLY] = ERROR_READ_ONLY,
        [LOG_FAILED] = ERROR_STORAGE_FAILED,
        [LOG_UNKNOWN] = ERROR_OUTCOME_UNKNOWN,
        [LOG_DAMAGED] = ERROR_DAMAGED,
        [LOG_ROLLED_BACK] = ERROR_ROLLED_BACK,
        [LOG_NEWER] = ERROR_NEWER_FORMAT,
        [LOG_BAD_FILE] = ERROR_BAD_DESCRIPTOR,
        [LOG_CANCELED] = ERROR_CONFLICT,
    };

    return failure_of(failure, codes[outcome], outcome == LOG_DONE ? "done" : text);
}

/* Names each slot of the keyring and what would open it. */
static int failure_no_slot(struct failure *failure, const struct realm *realm, const char *reason)
{
    const struct realm_options *options = &realm->options;
    const char *credential = options->credential_path, *keyfile = options->keyfile_path;
    bool has_credential, has_keyfile, has_passphrase, has_shares;
    unsigned mask = slot_list_kinds(&realm->slots);

    has_credential = mask & (1u << SLOT_CREDENTIAL);
    has_keyfile = mask & (1u << SLOT_KEYFILE);
    has_passphrase = mask & (1u << SLOT_PASSPHRASE);
    has_shares = mask & (1u << SLOT_SHARES);
    if (!credential)
        credential = "(none was passed to the service)";
    if (!keyfile)
        keyfile = "(none is configured)";
    return failure_set(failure, ERROR_NO_SLOT_OPENS, "%s;%s%s%s%s%s%s%s", reason,
                       has_credential ? " slot credential needs the credential " : "",
                       has_credential ? credential : "",
                       has_keyfile ? " slot keyfile needs the key file " : "",
                       has_keyfile ? keyfile : "",
                       has_passphrase ? " slot passphrase needs: mastersecret secret unseal" : "",
                       has_shares ? " slot shares needs: mastersecret secret unseal --share" : "",
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

/* NULL: the code's own text. Those without a code have more to say than one. */
static const struct {
    enum error_code code;
    const char *text;
} keyring_rows[] = {
    [KEYRING_DONE] = {ERROR_NONE, "done"},
    [KEYRING_ABSENT] = {ERROR_UNCONFIGURED, NULL},
    [KEYRING_EXISTS] = {ERROR_ALREADY_CONFIGURED, NULL},
    [KEYRING_DAMAGED] = {ERROR_DAMAGED,
                         "keyring: damaged; put a good copy of this file back into the state folder, "
                         "or run: mastersecret secret restore FILE"},
    [KEYRING_NEWER] = {ERROR_NEWER_FORMAT, "the keyring is of a newer version"},
    [KEYRING_BACKUP_FAILED] = {ERROR_BACKUP_FAILED, NULL},
    [KEYRING_BAD_FILE] = {ERROR_BAD_DESCRIPTOR,
                          "\"backup\" must be an empty regular file of your own, mode 0600, opened "
                          "for reading and writing"},
    [KEYRING_NOT_A_BACKUP] = {ERROR_BAD_DESCRIPTOR,
                              "the file is no backup of a master secret; give one that secret "
                              "generate, rotate or backup create made"},
    [KEYRING_OTHER_REALM] = {ERROR_OTHER_REALM, NULL},
    [KEYRING_KEYS_DIFFER] = {ERROR_CONFLICT,
                             "the backup is one of this realm, but its keys are not this keyring's; use "
                             "another one"},
    [KEYRING_RECIPIENT_EXISTS] = {ERROR_RECIPIENT_EXISTS, NULL},
    [KEYRING_RECIPIENT_NOT_FOUND] = {ERROR_RECIPIENT_NOT_FOUND, NULL},
    [KEYRING_NO_RECIPIENTS] = {ERROR_NO_RECIPIENTS, NULL},
    [KEYRING_LAST_SLOT] = {ERROR_LAST_SLOT, NULL},
    [KEYRING_SLOT_NOT_FOUND] = {ERROR_SLOT_NOT_FOUND, NULL},
    [KEYRING_BAD_SHARE] = {ERROR_BAD_SHARE, "the share is mistyped, cut off, or none"},
    [KEYRING_SHARES_DIFFER] = {ERROR_BAD_SHARE,
                               "the share is not of this slot, or was not made with the others; enter one that "
                               "was"},
};

int realm_failure_keyring(struct failure *failure, const struct realm *realm,
                          enum keyring_outcome outcome, bool by_passphrase)
{
    if (outcome == KEYRING_NO_SLOT)
        return failure_no_slot(failure, realm,
                               by_passphrase ? "the keyring has no slot for a passphrase"
                                             : "no key material for any slot was found");
    if (outcome == KEYRING_WRONG_KEY)
        return failure_wrong_key(failure, realm, by_passphrase);
    if (outcome == KEYRING_BAD_SOURCE)
        return failure_no_slot(failure, realm,
                               "the key file or credential can be read or changed by others, or is "
                               "shorter than 32 bytes");
    if (outcome == KEYRING_PASSPHRASE_LENGTH)
        return failure_set(failure, ERROR_INVALID_ARGUMENT, "a passphrase has %d to %d bytes",
                           PASSPHRASE_MIN_BYTES, PASSPHRASE_MAX_BYTES);
    if (outcome == KEYRING_FULL)
        return failure_set(failure, ERROR_TOO_LARGE,
                           "a keyring has at most %d generations, %d recipients and %d slots; remove what is "
                           "not needed",
                           GENERATIONS_MAX, RECIPIENTS_MAX, SLOTS_MAX);
    return failure_of(failure, keyring_rows[outcome].code, keyring_rows[outcome].text);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every name that crosses a border, once: bus name, paths, interfaces, the error table, and the
 * checks a string must pass before libdbus (which aborts on a bad one) may see it. */
#ifndef COMMON_NAMES_H
#define COMMON_NAMES_H

#include "common/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

#define BUS_NAME "org.mastersecret1"
#define BUS_PATH "/org/mastersecret1"
#define BUS_PATH_APPLICATION BUS_PATH "/application"
#define BUS_INTERFACE_MANAGER BUS_NAME ".Manager"
#define BUS_INTERFACE_SECRET BUS_NAME ".Secret"
#define BUS_INTERFACE_APPLICATIONS BUS_NAME ".Applications"
#define BUS_INTERFACE_APPLICATION BUS_NAME ".Application"
#define BUS_INTERFACE_CREDENTIALS BUS_NAME ".Credentials"
#define BUS_ERROR_PREFIX BUS_NAME ".Error."
#define DIRECT_SOCKET_PATH "/run/mastersecret/direct"
#define DIRECT_SOCKET_ADDRESS "unix:path=" DIRECT_SOCKET_PATH

/* Sizes that both sides check; all in bytes unless a unit is named. */
enum {
    NAME_MAX_BYTES = 255,             /* application, field, user, group, external user */
    TEXT_MAX_BYTES = 1024,            /* description, contact */
    VALUE_MAX_BYTES = 64 * 1024,      /* one field value */
    VALUES_MAX_BYTES = 256 * 1024,    /* all values of one mapping */
    FIELDS_MAX = 32,                  /* fields of an application, the external user included */
    MASKED_FIELDS_MAX = 16,           /* as many fds as one message may carry */
    LIST_NAMES_MAX = 64,              /* entries of a users, admins or agents list */
    PAGE_MAX = 256,                   /* entries of one page of a list */
    PASSPHRASE_MIN_BYTES = 8,
    PASSPHRASE_MAX_BYTES = 1024,
    HINT_MAX_BYTES = 512,
    REALM_ID_SIZE = 16,
    FINGERPRINT_SIZE = 16,            /* of a generation; shown as 32 hex digits in groups of four */
    GENERATIONS_MAX = 1024,
    RECIPIENTS_MAX = 64,
};

/* The error table: enumerator, D-Bus name below BUS_ERROR_PREFIX, exit status of the command line,
 * what it means, what to do. Exit statuses group the errors by class:
 * 2 usage, 3 refused, 4 not found, 5 exists or conflicts, 6 the service's state, 7 not reachable,
 * 8 damaged or failed storage, 9 limits, 10 wrong passphrase or credentials. */
#define ERROR_TABLE(X)                                                                             \
    X(ACCESS_DENIED, "AccessDenied", 3, "not allowed",                                             \
      "ask an administrator for the role that the message names")                                  \
    X(INVALID_ARGUMENT, "InvalidArgument", 2, "an argument is not valid",                          \
      "correct the argument that the message names")                                               \
    X(BAD_DESCRIPTOR, "BadDescriptor", 2, "a file descriptor is not of the kind needed",           \
      "pass a pipe of your own (read end to give, write end to receive), or the file asked for")   \
    X(TOO_LARGE, "TooLarge", 2, "larger than allowed", "shorten the value")                        \
    X(UNCONFIGURED, "Unconfigured", 6, "there is no master secret yet",                            \
      "run: mastersecret secret generate --backup FILE, "                                          \
      "or with a backup: mastersecret secret restore FILE")                                        \
    X(ALREADY_CONFIGURED, "AlreadyConfigured", 5, "there is a master secret already",              \
      "see: mastersecret status")                                                                  \
    X(SEALED, "Sealed", 6, "the service is sealed", "run: mastersecret secret unseal")             \
    X(REBUILDING, "Rebuilding", 6, "the view is being rebuilt",                                    \
      "wait; see the progress with: mastersecret status")                                          \
    X(READ_ONLY, "ReadOnly", 6, "the service only reads because its storage failed",               \
      "check the disk, then restart mastersecretd")                                                \
    X(APPLICATION_NOT_FOUND, "ApplicationNotFound", 4, "no such application",                      \
      "see: mastersecret app list")                                                                \
    X(APPLICATION_EXISTS, "ApplicationExists", 5, "an application of that name exists",            \
      "choose another name, or update it")                                                         \
    X(APPLICATION_DISABLED, "ApplicationDisabled", 6, "the application is disabled",               \
      "run: mastersecret app enable APP")                                                          \
    X(FIELD_NOT_FOUND, "FieldNotFound", 4, "the application has no such field",                    \
      "see: mastersecret app show APP")                                                            \
    X(FIELD_EXISTS, "FieldExists", 5, "the application has a field of that label",                 \
      "choose another label")                                                                      \
    X(ACCOUNT_NOT_FOUND, "AccountNotFound", 4, "no such local user or group",                      \
      "check the name with: getent passwd NAME; getent group NAME")                                \
    X(NOT_APPLICATION_USER, "NotApplicationUser", 3, "not one of the application's users",         \
      "add the user or one of its groups to the application's users")                              \
    X(MAPPING_NOT_FOUND, "MappingNotFound", 4, "no mapping for this account",                      \
      "run: mastersecret map set APP")                                                             \
    X(MAPPING_EXISTS, "MappingExists", 5, "the account is mapped already",                         \
      "show it with: mastersecret map show APP")                                                   \
    X(MAPPING_DISABLED, "MappingDisabled", 6, "the mapping is disabled",                           \
      "run: mastersecret map enable APP")                                                          \
    X(MAPPING_DISABLED_BY_ADMINISTRATOR, "MappingDisabledByAdministrator", 6,                      \
      "the mapping was disabled by an administrator", "ask an administrator to enable it")         \
    X(EXTERNAL_USER_TAKEN, "ExternalUserTaken", 5,                                                 \
      "another account is mapped to that external user",                                           \
      "choose another external user, or delete the other mapping")                                 \
    X(CREDENTIALS_NOT_SET, "CredentialsNotSet", 4, "the field has no value",                       \
      "set it with: mastersecret map set APP")                                                     \
    X(CONFLICT, "Conflict", 5, "changed by somebody else meanwhile", "read it again and retry")    \
    X(WRONG_PASSPHRASE, "WrongPassphrase", 10, "the passphrase is wrong",                          \
      "try again; the hint may help")                                                              \
    X(NO_SLOT_OPENS, "NoSlotOpens", 6, "no slot of the keyring can be opened",                     \
      "provide the key file, credential or passphrase that the message names")                     \
    X(BACKUP_FAILED, "BackupFailed", 8, "the backup could not be written and proven",              \
      "check the file and its disk; nothing was changed")                                          \
    X(LIMITS_EXCEEDED, "LimitsExceeded", 9, "too many requests or resources in use",               \
      "wait a moment and retry")                                                                   \
    X(STORAGE_FAILED, "StorageFailed", 8,                                                          \
      "the change could not be stored, and nothing was changed",                                   \
      "check free space and the disk of the state folder")                                         \
    X(DAMAGED, "Damaged", 8, "stored data is damaged",                                             \
      "see the service's log for file and place")                                                  \
    X(ROLLED_BACK, "RolledBack", 8, "the state folder is older than its anchor",                   \
      "put the newest state back, or run: mastersecret secret restore FILE --accept-rollback")     \
    X(NEWER_FORMAT, "NewerFormat", 8, "written by a newer version",                                \
      "install at least the version that wrote it")                                                \
    X(OUTCOME_UNKNOWN, "OutcomeUnknown", 7, "it is not known whether the change was made",         \
      "read it back before you repeat it")                                                         \
    X(NAME_SERVICE_UNAVAILABLE, "NameServiceUnavailable", 7, "the name service does not answer",   \
      "check the host's name service, then retry")                                                 \
    X(OUT_OF_MEMORY, "OutOfMemory", 9, "out of memory", "free memory, then retry")                 \
    X(UNREACHABLE, "Unreachable", 7, "the service cannot be reached",                              \
      "run: systemctl status mastersecretd")                                                       \
    X(TIMED_OUT, "TimedOut", 7, "the service did not answer in time",                              \
      "retry, or raise the time-out; if it stays so, run: systemctl status mastersecretd")         \
    X(ALREADY_UNSEALED, "AlreadyUnsealed", 6, "the service is not sealed",                         \
      "see: mastersecret status")                                                                  \
    X(SLOT_NOT_FOUND, "SlotNotFound", 4, "the keyring has no such slot",                           \
      "see: mastersecret secret slot list")                                                        \
    X(LAST_SLOT, "LastSlot", 5, "no other slot could open the keyring",                            \
      "add another first: mastersecret secret slot add KIND")                                      \
    X(BAD_SHARE, "BadShare", 10, "a share is mistyped, or none of this keyring",                   \
      "enter it again as it was printed")                                                          \
    X(RECIPIENT_EXISTS, "RecipientExists", 5, "a recipient of that name or public key exists",     \
      "see: mastersecret secret recipient list")                                                   \
    X(RECIPIENT_NOT_FOUND, "RecipientNotFound", 4, "no such recipient",                            \
      "see: mastersecret secret recipient list")                                                   \
    X(NO_RECIPIENTS, "NoRecipients", 6, "there is nobody to whom a backup could be sealed",        \
      "run: mastersecret secret recipient add NAME PUBLIC-KEY; "                                   \
      "or name a file, with a passphrase")                                                         \
    X(OTHER_REALM, "OtherRealm", 5, "it belongs to another realm",                                 \
      "give the file of this realm; see: mastersecret secret backup inspect FILE")                 \
    X(RECORDS_UNREADABLE, "RecordsUnreadable", 5, "records would be unreadable afterwards",        \
      "use a newer backup, or accept the loss of as many: --accept-loss N")                        \
    X(ROTATION_RUNNING, "RotationRunning", 6, "a rotation is under way",                           \
      "wait for its end; see: mastersecret status")                                                \
    X(NOT_EMPTY, "NotEmpty", 5, "the service holds records already",                               \
      "import into an empty state folder")                                                         \
    X(BACKUP_DUE, "BackupDue", 6, "a backup of the master secret is due",                          \
      "run: mastersecret secret backup create FILE")                                               \
    X(NO_BACKUP_DIRECTORY, "NoBackupDirectory", 6, "no backup directory is configured",            \
      "set backup-directory in mastersecretd.conf(5) and reload, or name a file instead")

enum error_code {
    ERROR_NONE = 0,
#define X(id, name, status, text, remedy) ERROR_##id,
    ERROR_TABLE(X)
#undef X
    ERROR_COUNT_
};

/* The D-Bus name (full), text and remedy of an error; never NULL for a valid code. */
const char *error_name(enum error_code code);
const char *error_text(enum error_code code);
const char *error_remedy(enum error_code code);
int error_exit_status(enum error_code code);
/* ERROR_NONE for a name that is not ours. */
enum error_code error_from_name(const char *name);

/* Valid UTF-8 without NUL, at most `maximum` bytes; `length` excludes any terminator. */
bool text_is_utf8(const char *text, size_t length, size_t maximum);
/* As one line for people: '?' for each control character, and for the whole of what is not UTF-8.
 * Writes at most length + 1 bytes, or 2, with the terminator. */
void text_to_line(const char *text, size_t length, char *ret_line);
/* A name of an application, field, user or group: 1 to NAME_MAX_BYTES bytes of UTF-8 and no
 * control character (below 0x20, 0x7f, U+0080..U+009F). */
bool name_is_valid(const char *name);

/* Object path of an application: each byte outside [A-Za-z0-9] becomes _xx (lower-case hex), an
 * empty name "_". Writes at most `size` bytes, terminator included; -ENOBUFS when too small. */
int name_to_path(const char *name, char *ret_path, size_t size) MUST_CHECK;
/* The inverse, for the last element of a path; -EINVAL when it is not an escaped valid name. */
int name_from_path(const char *element, char *ret_name, size_t size) MUST_CHECK;

#define VARIABLE_PREFIX "MASTERSECRET_"
enum { VARIABLE_SIZE = sizeof(VARIABLE_PREFIX) + NAME_MAX_BYTES }; /* terminator included */
/* The environment variable of a field: the prefix and the valid label, in which letters become
 * upper case and each byte outside [A-Za-z0-9] '_'. Two labels may come to the same variable. */
void name_to_variable(const char *label, char ret_variable[VARIABLE_SIZE]);

#endif

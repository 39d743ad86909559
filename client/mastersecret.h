/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* libmastersecret: credentials for applications, from the mastersecret service of this host. See
 * libmastersecret(3).
 *
 * Strings are UTF-8 and end with NUL; names are 1 to 255 bytes without control characters. Values
 * are any bytes, at most 64 KiB. Each call returns MASTERSECRET_OK or why it failed, and sets what
 * its ret_ parameters point to only on success.
 *
 * Time: a call, connecting included, takes at most the context's time-out, whatever the service or
 * the bus does. Threads: contexts are independent; calls on one context wait for one another,
 * within their time-out. Fork: a context made before fork() may be used in the child, which
 * connects anew; fork() waits for other threads that are inside a call and not waiting there. Where
 * that is impossible, in a signal handler or by _Fork(), calls of the child that could hang in
 * libdbus fail with MASTERSECRET_UNREACHABLE.
 * The library changes no signal disposition, mask or environment variable, raises no SIGPIPE, opens
 * no descriptor below 3, and keeps no state outside the context but libdbus's. */
#ifndef MASTERSECRET_H
#define MASTERSECRET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MASTERSECRET_PUBLIC __attribute__((__visibility__("default")))
#define MASTERSECRET_CHECK __attribute__((__visibility__("default"), __warn_unused_result__))

/* One for each error of the service, and those of reaching it. New ones are added at the end. */
enum mastersecret_error {
    MASTERSECRET_OK = 0,
    MASTERSECRET_ACCESS_DENIED = 1,
    MASTERSECRET_INVALID_ARGUMENT = 2,
    MASTERSECRET_BAD_DESCRIPTOR = 3,
    MASTERSECRET_TOO_LARGE = 4,
    MASTERSECRET_UNCONFIGURED = 5,
    MASTERSECRET_ALREADY_CONFIGURED = 6,
    MASTERSECRET_SEALED = 7,
    MASTERSECRET_REBUILDING = 8,
    MASTERSECRET_READ_ONLY = 9,
    MASTERSECRET_APPLICATION_NOT_FOUND = 10,
    MASTERSECRET_APPLICATION_EXISTS = 11,
    MASTERSECRET_APPLICATION_DISABLED = 12,
    MASTERSECRET_FIELD_NOT_FOUND = 13,
    MASTERSECRET_FIELD_EXISTS = 14,
    MASTERSECRET_ACCOUNT_NOT_FOUND = 15,
    MASTERSECRET_NOT_APPLICATION_USER = 16,
    MASTERSECRET_MAPPING_NOT_FOUND = 17,
    MASTERSECRET_MAPPING_EXISTS = 18,
    MASTERSECRET_MAPPING_DISABLED = 19,
    MASTERSECRET_MAPPING_DISABLED_BY_ADMINISTRATOR = 20,
    MASTERSECRET_EXTERNAL_USER_TAKEN = 21,
    MASTERSECRET_CREDENTIALS_NOT_SET = 22,
    MASTERSECRET_CONFLICT = 23,
    MASTERSECRET_WRONG_PASSPHRASE = 24,
    MASTERSECRET_NO_SLOT_OPENS = 25,
    MASTERSECRET_BACKUP_FAILED = 26,
    MASTERSECRET_LIMITS_EXCEEDED = 27,
    MASTERSECRET_STORAGE_FAILED = 28,
    MASTERSECRET_DAMAGED = 29,
    MASTERSECRET_ROLLED_BACK = 30,
    MASTERSECRET_NEWER_FORMAT = 31,
    MASTERSECRET_OUTCOME_UNKNOWN = 32, /* a change was sent, and no answer came */
    MASTERSECRET_NAME_SERVICE_UNAVAILABLE = 33,
    MASTERSECRET_OUT_OF_MEMORY = 34,
    MASTERSECRET_UNREACHABLE = 35,
    MASTERSECRET_TIMED_OUT = 36,
    MASTERSECRET_ALREADY_UNSEALED = 37,
    MASTERSECRET_SLOT_NOT_FOUND = 38,
    MASTERSECRET_LAST_SLOT = 39,
    MASTERSECRET_BAD_SHARE = 40,
    MASTERSECRET_RECIPIENT_EXISTS = 41,
    MASTERSECRET_RECIPIENT_NOT_FOUND = 42,
    MASTERSECRET_NO_RECIPIENTS = 43,
    MASTERSECRET_OTHER_REALM = 44,
    MASTERSECRET_RECORDS_UNREADABLE = 45,
    MASTERSECRET_ROTATION_RUNNING = 46,
    MASTERSECRET_NOT_EMPTY = 47,
    MASTERSECRET_BACKUP_DUE = 48,
    MASTERSECRET_NO_BACKUP_DIRECTORY = 49,
};

/* What an error means, and what to do about it; never NULL. */
MASTERSECRET_PUBLIC const char *mastersecret_strerror(enum mastersecret_error error);
MASTERSECRET_PUBLIC const char *mastersecret_remedy(enum mastersecret_error error);

/* ---- Context ---- */

struct mastersecret;

/* Nothing is connected yet; the first call does that. */
MASTERSECRET_CHECK enum mastersecret_error mastersecret_new(struct mastersecret **ret_context);
MASTERSECRET_PUBLIC void mastersecret_free(struct mastersecret *context);

/* Milliseconds that each later call may take; 5000 at first. */
MASTERSECRET_PUBLIC void mastersecret_set_timeout(struct mastersecret *context,
                                                  unsigned milliseconds);

/* The D-Bus address of a message bus to use ("unix:path=..." or "unix:abstract=..."; the deadline
 * can be kept on no other kind), or NULL for the default: the direct socket, else the system bus. */
MASTERSECRET_CHECK enum mastersecret_error
mastersecret_set_address(struct mastersecret *context, const char *address);

/* Connects now, if not connected. */
MASTERSECRET_CHECK enum mastersecret_error mastersecret_connect(struct mastersecret *context);

/* The service's own words about the last failed call on this context, naming the object: copied to
 * `text`, cut to fit, always ended by NUL. Returns their full length; 0 when there are none. */
MASTERSECRET_PUBLIC size_t mastersecret_message(struct mastersecret *context, char *text,
                                                size_t size);

/* ---- Credentials ---- */

struct mastersecret_field {
    const char *label;
    const void *value; /* `length` bytes; in results a NUL follows that does not count */
    size_t length;
    int masked;
};

/* How fresh an answer is. */
struct mastersecret_freshness {
    uint32_t generation;
    uint64_t epoch;
    uint64_t revision;
    uint64_t age_usec;
    uint64_t valid_until_usec; /* CLOCK_REALTIME; 0 = no limit */
};

/* The result of a lookup; its memory is wiped when it is freed. */
struct mastersecret_credentials;

/* The credentials of `user` (NULL = the caller; another user only for the application's agents).
 * Plain fields come all; of the masked ones those named in `labels` (`count` of them, at most 16),
 * or with labels NULL every one that has a value. */
MASTERSECRET_CHECK enum mastersecret_error
mastersecret_lookup(struct mastersecret *context, const char *application, const char *user,
                    const char *const *labels, size_t count,
                    struct mastersecret_credentials **ret_credentials);
MASTERSECRET_PUBLIC void
mastersecret_credentials_free(struct mastersecret_credentials *credentials);

MASTERSECRET_PUBLIC const char *
mastersecret_credentials_external_user(const struct mastersecret_credentials *credentials);
/* All fields but the external user. */
MASTERSECRET_PUBLIC const struct mastersecret_field *
mastersecret_credentials_fields(const struct mastersecret_credentials *credentials,
                                size_t *ret_count);
/* The field of that label, or with label NULL the only masked one; NULL when there is none such. */
MASTERSECRET_PUBLIC const struct mastersecret_field *
mastersecret_credentials_field(const struct mastersecret_credentials *credentials,
                               const char *label);
MASTERSECRET_PUBLIC const struct mastersecret_freshness *
mastersecret_credentials_freshness(const struct mastersecret_credentials *credentials);

/* Compares, in the service and in constant time, a masked field (NULL = the only one) with
 * `length` bytes at `candidate`. A mismatch is MASTERSECRET_OK with *ret_matches 0. */
MASTERSECRET_CHECK enum mastersecret_error
mastersecret_verify(struct mastersecret *context, const char *application, const char *user,
                    const char *field, const void *candidate, size_t length, int *ret_matches);

/* ---- Applications ---- */

struct mastersecret_application;

/* What the application's users, agents and administrators may know of it. */
MASTERSECRET_CHECK enum mastersecret_error
mastersecret_describe(struct mastersecret *context, const char *application,
                      struct mastersecret_application **ret_application);
MASTERSECRET_PUBLIC void
mastersecret_application_free(struct mastersecret_application *application);
/* Of the type group: its users share mappings that only administrators set. In an individual one
 * each user may set his own, external user name included. */
MASTERSECRET_PUBLIC int
mastersecret_application_is_group(const struct mastersecret_application *application);
/* Labels, and which are masked; no values. The first is the external user name. */
MASTERSECRET_PUBLIC const struct mastersecret_field *
mastersecret_application_fields(const struct mastersecret_application *application,
                                size_t *ret_count);

/* ---- Mappings ---- */

/* Makes a mapping (enabled) or changes it. `account` is "user:NAME", "group:NAME" or NULL for the
 * caller; external_user NULL keeps the present one; fields that are not named keep their value.
 * ret_revision may be NULL. */
MASTERSECRET_CHECK enum mastersecret_error
mastersecret_set_mapping(struct mastersecret *context, const char *application,
                         const char *account, const char *external_user,
                         const struct mastersecret_field *fields, size_t count,
                         uint64_t *ret_revision);

struct mastersecret_mapping {
    const char *application;
    const char *account; /* "user:NAME" or "group:NAME" */
    const char *external_user;
    const char *state;   /* "enabled", "disabled", "disabled-by-administrator"; in lists also "damaged" */
    int application_enabled;
    uint64_t changed_usec; /* CLOCK_REALTIME */
};

struct mastersecret_mappings;

/* The caller's own mappings, ordered by application. */
MASTERSECRET_CHECK enum mastersecret_error
mastersecret_list_mappings(struct mastersecret *context,
                           struct mastersecret_mappings **ret_mappings);
MASTERSECRET_PUBLIC void mastersecret_mappings_free(struct mastersecret_mappings *mappings);
MASTERSECRET_PUBLIC const struct mastersecret_mapping *
mastersecret_mappings_get(const struct mastersecret_mappings *mappings, size_t *ret_count);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* How much of the service one user may hold: direct connections, calls in progress, the bytes of
 * these and of what his connections leave lying, requests per second, lines of the audit that say
 * what he was refused, and wrong guesses. Counted per uid; root counts like everybody else, but
 * the last sixteenth of all connections is his: a few uids must not keep every log-in from this
 * door. Times are milliseconds of any monotonic clock, given by the caller, so nothing here asks
 * the kernel. */
#ifndef BUS_QUOTA_H
#define BUS_QUOTA_H

#include "common/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct quota_limits {
    unsigned connections;          /* direct connections in all */
    unsigned connections_per_user;
    unsigned calls_per_user;       /* in progress at once */
    size_t bytes_per_user;         /* of the messages of these calls, and held by connections; all
                                    * users together eight times as much, root not counted in */
    unsigned requests_per_second;  /* per user; as many may come at once */
    unsigned verify_burst;         /* wrong guesses at once per (caller, user, application) ... */
    unsigned verify_per_minute;    /* ... and how fast they are forgiven */
};

struct quota;

int quota_new(const struct quota_limits *limits, struct quota **ret_quota) MUST_CHECK;
void quota_free(struct quota *quota);
void quota_set_limits(struct quota *quota, const struct quota_limits *limits);

/* 0; -EDQUOT when the limit is reached; -ENOMEM. Each success is given back by its end. */
int quota_connection_begin(struct quota *quota, uid_t uid) MUST_CHECK;
void quota_connection_end(struct quota *quota, uid_t uid);
int quota_call_begin(struct quota *quota, uid_t uid, size_t bytes, uint64_t now_ms) MUST_CHECK;
void quota_call_end(struct quota *quota, uid_t uid, size_t bytes);
/* What a connection that was begun holds has changed. It counts in any case; -EDQUOT when that is too much. */
int quota_bytes_change(struct quota *quota, uid_t uid, size_t before, size_t now) MUST_CHECK;
/* How many users are remembered: those who hold something or called less than a second ago, and others until
 * the next 256 calls. */
size_t quota_users(const struct quota *quota);

/* Is this event told? Of one user 100 refusals at once and then 10 per second are, and 1000 uses of another's
 * credentials and then 100 per second; of all together eight times as many, for the log daemon drops what is
 * too much, whoever it is about. The others are counted until quota_left_out() tells their number: of 16 users
 * each, and of the rest together, as QUOTA_NOBODY's. */
enum quota_event { QUOTA_REFUSAL, QUOTA_AGENT_USE, QUOTA_EVENTS };
#define QUOTA_NOBODY ((uid_t)-1)
bool quota_event_told(struct quota *quota, uid_t uid, enum quota_event event, uint64_t now_ms);
void quota_left_out(struct quota *quota, void (*tell)(uid_t uid, size_t count));

/* Turns of the loop, so that whoever asks for much waits for himself: a user who has used his share of the
 * processor's time in this turn, or has calls waiting for the next one, has to wait; of those that wait the first
 * ones run in the next turn, up to the share. It is larger for a user who has been alone for long, so that turns
 * do not cost him more than his calls. */
void quota_turn(struct quota *quota);
void quota_spend(struct quota *quota, uid_t uid, uint64_t nsec);
bool quota_has_share(struct quota *quota, uid_t uid);
bool quota_has_waiting(struct quota *quota, uid_t uid);
void quota_wait_begin(struct quota *quota, uid_t uid);
void quota_wait_end(struct quota *quota, uid_t uid);

/* May this caller guess once more? A right guess costs nothing, a wrong one is noted. At most 4096
 * triples are remembered; beyond them the one forgiven soonest makes room, never one of another
 * caller that is still refused. */
bool quota_verify_allowed(struct quota *quota, uid_t caller, const char *user,
                          const char *application, uint64_t now_ms);
void quota_verify_failed(struct quota *quota, uid_t caller, const char *user,
                         const char *application, uint64_t now_ms);

#endif

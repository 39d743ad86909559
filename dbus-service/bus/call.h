/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* One method call in progress. It goes through the steps that call.c declares; a step that must wait (for
 * the bus to say who calls, for the name service, a pipe, polkit or the opening of the keyring) returns
 * CALL_WAIT, and call_resume() begins anew from the state on. It is answered exactly once, then freed; the
 * caller may be gone by then.
 *
 * Everything that is asked of the domain is asked again on each run, so nothing borrowed outlives a
 * return to the loop. What must survive is in the call. */
#ifndef BUS_CALL_H
#define BUS_CALL_H

#include "dbus-service/bus/caller.h"
#include "dbus-service/bus/descriptors.h"
#include "dbus-service/bus/service.h"
#include "dbus-service/bus/table.h"
#include "dbus-service/bus/writer.h"

#define CALL_WAIT (-EINPROGRESS)

#define CALL_ARGUMENTS_MAX 4

enum polkit_answer { POLKIT_UNASKED = 0, POLKIT_ASKED, POLKIT_YES, POLKIT_NO };

struct call {
    struct service *service;
    struct connection *connection;
    DBusMessage *message;
    struct peer *peer; /* who calls; NULL until known */
    const struct method *method;
    enum object_kind object;
    char *object_name; /* application's name, for OBJECT_APPLICATION */

    DBusMessageIter arguments[CALL_ARGUMENTS_MAX]; /* each stands on one argument */
    int resolved;      /* 0, or what is wrong with object, method or arguments */
    size_t bytes;      /* held in the quota */
    bool in_quota;
    bool has_turn;
    bool acting;       /* a change or a long operation is under way: not to be resumed */
    bool mismatch;     /* Verify: answered, and the answer is no; a failure for the audit */
    bool waited;       /* for the opening of the keyring, long enough */
    uv_timer_t *timer; /* of that wait */
    enum polkit_answer polkit;
    DBusPendingCall *polkit_pending;
    struct descriptors descriptors;
    void *extra;       /* the handler's, freed with the call by extra_free */
    void (*extra_free)(void *extra);
    struct failure failure;
    const char *error_name; /* instead of the failure's own */

    /* For this run only. */
    const struct application *application;
    unsigned roles;
    struct identity_target target; /* SUBJECT_USER */
    struct account_name account;   /* SUBJECT_MAPPING */
    bool own;                      /* the mapping concerned is the caller's own */
    struct account_waiter waiter;

    /* For the audit; owned. */
    char *audit_application;
    char *audit_user;
    char *audit_detail;

    struct call *next;
    struct call *previous;
    struct call *turn_next; /* of those that wait for a turn */
    struct call **turn_link; /* what points to this one; NULL = it does not wait */
};

/* Takes a method call from a connection and begins to work on it. */
void call_begin(struct service *service, struct connection *connection, struct peer *peer,
                DBusMessage *message);
/* How many events were left out of the audit since this was told last: at the end of the service. */
void calls_tell_left_out(struct service *service);
/* At the end of each turn of the loop: the next one begins, with those that wait for it. */
void calls_turn(struct service *service);
/* What the call waited for has come, or failed. */
void call_resume(struct call *call);
/* As call_resume() for those that wait for the keyring to be opened. */
void calls_resume_opened(struct service *service);
/* Nobody waits any more: at the end of the service, with the given error. */
void calls_refuse_waiting(struct service *service, enum error_code code);
/* All calls of a peer that went away are dropped, except those that are acting. */
void calls_drop_peer(struct service *service, const struct peer *peer);

/* A writer on an empty reply. */
struct writer call_writer(const struct call *call);
/* Answers, audits and frees. `reply` is taken over; NULL = out of memory. */
void call_reply(struct call *call, DBusMessage *reply);
/* What the audit is to say beside the method; never a secret. A line without it for want of memory. */
void call_detail(struct call *call, const char *format, ...)
    __attribute__((__format__(__printf__, 2, 3)));
/* An empty reply. */
void call_reply_done(struct call *call);
/* The error of the failure, or of a negative errno. */
void call_fail(struct call *call, int error);
/* Fills in a failure that has a name of the D-Bus specification; returns a positive code. */
int call_standard_error(struct call *call, const char *name, const char *text);
/* For callbacks of the domain: fails and returns false when the failure is one. */
bool call_succeeded(struct call *call, const struct failure *failure);
/* A realm_done and a realm_write_done that answer without a value. */
void call_on_done(void *userdata, const struct failure *failure);
void call_on_written(void *userdata, const struct failure *failure, uint64_t revision);

/* Role and access of an application other than the object's own, for lists. *ret_allowed only on 0. */
int call_may(struct call *call, enum operation operation, const struct application *application,
             bool *ret_allowed) MUST_CHECK;

/* May polkit stand in for the role that the operation needs? 0, CALL_WAIT, or ERROR_ACCESS_DENIED without a text. */
int call_ask_polkit(struct call *call, enum operation operation) MUST_CHECK;

/* What an outcome of identity.h means for the call: 0, CALL_WAIT, an error code, -errno. */
int call_identity(struct call *call, int outcome) MUST_CHECK;
/* For a loop over many applications: does the result of one of them end it? Those that must wait do not,
 * up to a number, so that their questions are asked together; one by one, with the loop begun anew each
 * time, all of them could take longer than the first answer is kept. Then the result of the loop. */
bool call_loop_ends(int result, unsigned *waiting) MUST_CHECK;
int call_loop_result(struct call *call, int result, unsigned waiting) MUST_CHECK;

/* Arguments: the position-th (from 0) of the message; the signature has been checked. */
const char *call_string(const struct call *call, unsigned position);
uint32_t call_uint32(const struct call *call, unsigned position);
bool call_boolean(const struct call *call, unsigned position);
/* An iterator that stands on the argument. */
DBusMessageIter call_iter(const struct call *call, unsigned position);

#endif

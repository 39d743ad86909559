/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The whole service in this process, and around it what it talks to: a bus of our own (so every
 * caller and every answer of the bus and of polkit is ours to choose), direct connections, name
 * service, log daemon. Time runs `speed` times faster, and Argon2id is stood in for. Links with
 * --wrap for what stand.c defines. */
#ifndef TESTS_FUZZ_STAND_H
#define TESTS_FUZZ_STAND_H

#include "dbus-service/bus/service.h"

/* Begins each masked value in the store: it may be in a pipe, never in a message or a log line. */
#define STAND_CANARY "CANARY-"
#define STAND_PASSPHRASE "correct horse battery"

enum person {
    PERSON_ROOT, PERSON_ADMINISTRATOR, PERSON_AFFILIATE, PERSON_APPLICATION_ADMINISTRATOR,
    PERSON_ALICE, PERSON_BOB, PERSON_AGENT, PERSON_STRANGER, PERSON_NAMELESS,
    PERSONS,
};

enum stand_begin {
    BEGIN_UNCONFIGURED,
    BEGIN_SEALED,          /* a passphrase opens it */
    BEGIN_SEALED_BY_HAND,  /* a key file opens it */
    BEGIN_READY,           /* applications erp (individual) and mail (group) */
    BEGIN_READ_ONLY,
    BEGIN_REBUILDING,      /* until stand_let_rebuild() */
    BEGIN_OPENING,         /* calls may come before the keyring is open */
    BEGINS,
};

/* How the bus and polkit answer. */
enum answers { ANSWER_NO, ANSWER_YES, ANSWER_ERROR, ANSWER_ODDLY, ANSWER_NEVER, ANSWERS };

struct stand {
    struct service service;
    uv_loop_t loop;
    /* Five seconds are ten milliseconds; 1 where an answer is expected however slow the machine. */
    unsigned speed;
    enum answers polkit;
    enum answers bus;
    DBusMessage *odd; /* what ANSWER_ODDLY answers with; borrowed */
    /* Each message that the service sends to somebody. */
    void (*sent)(enum person person, bool direct, DBusMessage *message);
};

/* The service at its beginning; one that nothing has changed since is used again. */
struct stand *stand_begin(enum stand_begin begin);
/* It is to be made anew next time. */
void stand_spoil(struct stand *stand);
/* Gives a serial, sends, unreferences. False when the person is not connected any more. */
bool stand_send(struct stand *stand, enum person person, bool direct, DBusMessage *message,
                uint32_t *ret_serial);
/* Runs until nothing moves: every call answered but those that wait for `stand_let_rebuild()`.
 * Aborts when that takes longer than is possible. */
void stand_settle(struct stand *stand);
void stand_let_rebuild(struct stand *stand);
/* From now on the next sync fails. */
void stand_fail_sync(struct stand *stand);
/* The person's connection goes. */
void stand_disconnect(struct stand *stand, enum person person, bool direct);
uint64_t stand_revision(const struct stand *stand);

#endif

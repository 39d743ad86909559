/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service for tests of the library: a process of its own behind a libdbus server socket, which
 * answers like the real one or fails in a chosen way. */
#ifndef TESTS_FAKE_SERVICE_H
#define TESTS_FAKE_SERVICE_H

#include <sys/types.h>

enum fake_mode {
    FAKE_ANSWERS,
    FAKE_SILENT,           /* connects and authenticates, then never answers */
    FAKE_HANGS_MID_REPLY,  /* sends the first half of each answer but Hello's */
    FAKE_CLOSES_MID_REPLY, /* the same, then closes */
    FAKE_DRIPS,            /* one byte of the answer each 20 ms */
    FAKE_BACKLOG_FULL,     /* accepts nobody, and has no place for one more to wait */
    FAKE_WRONG_SIGNATURE,  /* answers everything with a string */
    FAKE_FAILS,            /* answers org.mastersecret1.Error.MappingNotFound, "nothing for alice" */
};

struct fake_service {
    pid_t pid;
    char folder[64];
    char address[128];
};

/* What FAKE_ANSWERS says: external user ALICE01; plain client=100; masked password and pin, of which
 * pin has no value; Verify compares with FAKE_PASSWORD. */
#define FAKE_PASSWORD "s3cret\0\xff\n"
#define FAKE_PASSWORD_LENGTH 9

void fake_service_start(struct fake_service *service, enum fake_mode mode);
/* Ends the process, and starts one in the mode at the same address. */
void fake_service_restart(struct fake_service *service, enum fake_mode mode);
void fake_service_kill(struct fake_service *service);
void fake_service_stop(struct fake_service *service);
/* Calls that any of them took, Hello aside; and until one more than `before` was. */
unsigned fake_service_calls(void);
void fake_service_await_call(unsigned before);

/* For what must succeed, on any machine: less than the 25 s that libdbus would wait. */
enum { FAKE_PATIENCE_MS = 20000 };

/* Such a service, and a patient client that asks it: what a test is set up with and torn down by. */
struct fixture {
    struct fake_service service;
    struct mastersecret *context;
};

int fixture_start(void **state, enum fake_mode mode);
int fixture_end(void **state);

#endif

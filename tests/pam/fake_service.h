/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A stand-in for the service behind the direct socket, in a process of its own. It knows:
 *   applications "erp" (individual), "crew" (group), "former" (individual, where everybody has another
 *   value), "readonly" (like "former", but nobody may set there),
 *   with fields user, password (masked), client, and users with these passwords:
 *     alice FAKE_PASSWORD, nul "half\0other", empty "", long FAKE_LONG_BYTES times 'x', unset none;
 *     to-NAME FAKE_PASSWORD, and external names that nobody may become (fake_service.c)
 *   application "error:NAME": every call is answered with org.mastersecret1.Error.NAME. */
#ifndef TESTS_PAM_FAKE_SERVICE_H
#define TESTS_PAM_FAKE_SERVICE_H

#include <sys/types.h>

#define FAKE_PASSWORD "a canary named Zebra-4711"
#define FAKE_LONG_BYTES 60000
/* The plain field "large". */
#define FAKE_LARGE_BYTES 5000
enum { FAKE_SLOW_MS = 700 };
/* "user:NAME EXTERNAL LABEL VALUE" for each masked value that was set; EXTERNAL "-": kept. */
#define FAKE_STORED "/run/test/stored"

enum fake_behaviour {
    FAKE_ANSWERS,
    FAKE_ANSWERS_ONCE, /* then it is silent */
    FAKE_SLOW,         /* answers each call after FAKE_SLOW_MS */
    FAKE_HALF_REPLY, /* sends the first half of the reply, then nothing more */
    FAKE_SILENT,     /* takes the call, never answers */
    FAKE_HANGS_UP,   /* closes the connection instead of answering */
};

/* Returns the pid once the socket listens; exits the test when that fails. */
pid_t fake_start(enum fake_behaviour behaviour);
/* Stops it as SIGSTOP does, and returns once it stands still. */
void fake_pause(pid_t pid);
/* Kills it, whatever state it is in, and removes the socket. */
void fake_stop(pid_t pid);

#endif

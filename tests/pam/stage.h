/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the built module meets the real libpam: a mount namespace of the test's own with empty
 * /run, /etc/pam.d and /dev, so that neither the machine's PAM files, its bus nor its log are
 * touched. All functions end the test when the stage itself fails. */
#ifndef TESTS_PAM_STAGE_H
#define TESTS_PAM_STAGE_H

#include <security/pam_appl.h>
#include <stddef.h>
#include <stdint.h>

#define MODULE "/run/test/pam_mastersecret.so"
#define WITNESS "/run/test/pam_witness.so"
#define WITNESS_FILE "/run/test/authtok"

/* In front of MODULE: each code it returns is the result of the stack, and this for PAM_IGNORE. */
#define IGNORED PAM_CRED_EXPIRED
#define REVEAL " [success=done ignore=1 default=die] "

/* To be called first in main(); exits with 77 (skipped) where namespaces are not permitted. */
void stage_open(void);
/* Is the machine's root this test's too? Not in the user namespace of an ordinary user. */
int stage_is_root(void);
/* Writes /etc/pam.d/NAME. */
void stage_service(const char *name, const char *format, ...)
    __attribute__((__format__(__printf__, 2, 3)));
/* Adds a line to what is /etc/passwd here. */
void stage_account(const char *line);
/* A service whose authentication gives away what the module, with `arguments`, returned: IGNORED
 * for PAM_IGNORE, else the code itself. Before it the witness asks for the password if `ask`;
 * after PAM_IGNORE it records PAM_AUTHTOK. */
void stage_reveal(const char *name, int ask, const char *arguments);
/* The same in all four stacks, asking for the password (and the new one). The result of
 * pam_chauthtok() is that of the preliminary check, unless it was PAM_IGNORE. */
void stage_reveal_all(const char *name, const char *arguments);

/* pam_start with the conversation below; the program ends it. */
pam_handle_t *stage_start(const char *service, const char *user, const char *password);

/* pam_start, pam_authenticate, pam_end. A prompt is answered with `password`; NULL: with an error. */
int stage_authenticate(const char *service, const char *user, const char *password);
/* The conversation of stage_authenticate; its data is the password. */
int stage_converse(int count, const struct pam_message **messages, struct pam_response **ret_answers,
                   void *password);

/* What FAKE_STORED holds, and no more after; "" when there is none. */
const char *stage_stored(void);

/* What the witness recorded, with a NUL after it; the length, or -1 when there was no PAM_AUTHTOK. */
int stage_authtok(char *ret_text, size_t size);

/* All that came to /dev/log since the last call, one line each. */
const char *stage_log(void);

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t stage_now(void);

#endif

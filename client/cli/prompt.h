/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the command line takes secrets from: the terminal, standard input, a file descriptor or a
 * file; never argv or the environment. */
#ifndef CLI_PROMPT_H
#define CLI_PROMPT_H

#include "client/cli/command.h"
#include "common/secret.h"

/* STATUS_DONE, or STATUS_LOCAL / STATUS_USAGE after a message. */

/* Asks on /dev/tty, without echo; with `again` twice, until both are the same (3 times at most).
 * The newline is dropped. -ENXIO when there is no terminal (without a message). */
int prompt_secret(const char *question, const char *again, struct secret **ret_secret) MUST_CHECK;

/* From now on no signal ends or stops the process, but prompt_enter() tells: what is begun can be taken
 * back. */
void prompt_hold_signals(void);
/* Waits for Enter on standard input; prompt_hold_signals() was called. False at its end, or when a signal
 * came that would have ended the process. */
bool prompt_enter(void) MUST_CHECK;

/* Every byte to the end of the file; more than VALUE_MAX_BYTES is refused. `what` names it in
 * messages. */
int prompt_read_fd(int fd, const char *what, struct secret **ret_secret) MUST_CHECK;

/* The same of a file. */
int prompt_read_file(const char *path, struct secret **ret_secret) MUST_CHECK;

/* The value of --fd LABEL=N for this label (or any label with NULL); *ret_secret stays NULL when
 * there is none. */
int prompt_from_option(const struct arguments *arguments, const char *label,
                       struct secret **ret_secret) MUST_CHECK;

/* By --fd LABEL=N, --passphrase-file, --stdin, or the terminal. With `again` NULL it is not asked
 * for twice. */
int prompt_line(const struct arguments *arguments, const char *label, const char *question,
                const char *again, struct secret **ret_secret) MUST_CHECK;

/* The same for a passphrase: one newline at the end is dropped, and the length checked. With
 * `question` NULL only --fd counts, and *ret_passphrase may stay NULL. */
int prompt_passphrase(const struct arguments *arguments, const char *label, const char *question,
                      const char *again, struct secret **ret_passphrase) MUST_CHECK;

/* Checks that each --fd is LABEL=N with one of the labels (NULL-terminated). */
int prompt_check_labels(const struct arguments *arguments, const char *const *labels) MUST_CHECK;

#endif

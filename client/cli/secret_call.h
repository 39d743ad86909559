/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls to org.mastersecret1.Secret, and the secrets and files that go with them as descriptors: a
 * secret travels in a pipe of its own, which is gone with the handover. */
#ifndef CLI_SECRET_CALL_H
#define CLI_SECRET_CALL_H

#include "client/cli/service.h"
#include "common/secret.h"

enum { HANDOVER_MAX = 16 }; /* as many descriptors as one message may carry */

struct handover {
    json_t *descriptors; /* label -> descriptor */
    size_t count;
    struct secret_pipe pipes[HANDOVER_MAX];
};

static inline struct handover handover_new(void)
{
    return (struct handover){ .descriptors = json_object() };
}
void handover_deinit(struct handover *handover);
#define CLEANUP_HANDOVER CLEANUP(handover_deinit)

/* Each of these is STATUS_DONE, or another status after a message. */

/* The service reads this; NULL adds nothing. */
int handover_give(struct cli *cli, struct handover *handover, const char *label,
                  const struct secret *value) MUST_CHECK;
/* The service will write; handover_take() reads it after the call. Pipes are numbered from 0 in the
 * order in which they were added. */
int handover_await(struct cli *cli, struct handover *handover, const char *label) MUST_CHECK;
int handover_take(struct cli *cli, struct handover *handover, size_t pipe,
                  struct secret **ret_value) MUST_CHECK;
/* A file, which stays the caller's. */
void handover_file(struct handover *handover, const char *label, int fd);

/* Calls the method and says why it failed. `arguments` is taken over; ret_results may be NULL. */
int secret_call(struct cli *cli, const char *method, const char *signature, json_t *arguments,
                enum call_effect effect, json_t **ret_results) MUST_CHECK;

/* Is it a kind of slot? A new keyring begins with one that a single person or none opens. */
int secret_check_slot(const char *kind, bool shares_too) MUST_CHECK;

/* A passphrase by option or terminal, or the private key in the file of --private-key: what opens a
 * backup, as "passphrase" or "private-key". */
int handover_backup_key(struct cli *cli, struct handover *handover) MUST_CHECK;

/* Whether an option says where the passphrase comes from. */
bool passphrase_is_given(const struct arguments *arguments);

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/secret_call.h"

#include "client/cli/output.h"
#include "client/cli/prompt.h"

#include <string.h>

void handover_deinit(struct handover *handover)
{
    for (size_t i = 0; i < handover->count; i++)
        secret_pipe_deinit(&handover->pipes[i]);
    json_decref(handover->descriptors);
}

int handover_give(struct cli *cli, struct handover *handover, const char *label,
                  const struct secret *value)
{
    struct secret_pipe *pipe = &handover->pipes[handover->count];
    enum mastersecret_error error;

    if (!value)
        return STATUS_DONE;
    if (handover->count == HANDOVER_MAX)
        return output_usage("more than %d descriptors in a call", HANDOVER_MAX);
    error = value_pipe_give(cli->service, value->bytes, value->length, pipe);
    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    handover->count++;
    handover_file(handover, label, pipe->read_fd);
    return STATUS_DONE;
}

int handover_await(struct cli *cli, struct handover *handover, const char *label)
{
    struct secret_pipe *pipe = &handover->pipes[handover->count];
    enum mastersecret_error error;

    if (handover->count == HANDOVER_MAX)
        return output_usage("more than %d descriptors in a call", HANDOVER_MAX);
    error = value_pipe_open(cli->service, pipe);
    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    handover->count++;
    handover_file(handover, label, pipe->write_fd);
    return STATUS_DONE;
}

int handover_take(struct cli *cli, struct handover *handover, size_t pipe,
                  struct secret **ret_value)
{
    enum mastersecret_error error =
        value_pipe_take(cli->service, &handover->pipes[pipe], ret_value);

    return error == MASTERSECRET_OK ? STATUS_DONE : output_failure(cli, error);
}

void handover_file(struct handover *handover, const char *label, int fd)
{
    json_object_set_new(handover->descriptors, label, json_integer(fd));
}

int secret_call(struct cli *cli, const char *method, const char *signature, json_t *arguments,
                enum call_effect effect, json_t **ret_results)
{
    const struct service_call call = {
        .interface = BUS_INTERFACE_SECRET,
        .method = method,
        .signature = signature,
        .arguments = arguments,
        .effect = effect,
    };
    CLEANUP_JSON json_t *results = NULL;
    enum mastersecret_error error = service_call(cli, &call, &results);

    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    if (ret_results)
        *ret_results = STEAL(results);
    return STATUS_DONE;
}

int secret_check_slot(const char *kind, bool shares_too)
{
    static const char *const kinds[] = { "keyfile", "credential", "passphrase", "shares" };

    for (size_t i = 0; i < (shares_too ? 4 : 3); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return STATUS_DONE;
    return output_usage("a slot is keyfile, credential%s, not '%s'",
                        shares_too ? ", passphrase or shares" : " or passphrase", kind);
}

bool passphrase_is_given(const struct arguments *arguments)
{
    return arguments_option(arguments, OPTION_FD) || arguments_option(arguments, OPTION_STDIN) ||
           arguments_option(arguments, OPTION_PASSPHRASE_FILE);
}

int handover_backup_key(struct cli *cli, struct handover *handover)
{
    const char *path = arguments_option(&cli->arguments, OPTION_PRIVATE_KEY);
    CLEANUP_SECRET struct secret *private_key = NULL;
    CLEANUP_SECRET struct secret *passphrase = NULL;
    int r = prompt_from_option(&cli->arguments, "private-key", &private_key);

    if (r == STATUS_DONE && !private_key && path)
        r = prompt_read_file(path, &private_key);
    if (r != STATUS_DONE || private_key)
        return r == STATUS_DONE ? handover_give(cli, handover, "private-key", private_key) : r;
    r = prompt_passphrase(&cli->arguments, "passphrase", "Passphrase of the backup: ", NULL,
                          &passphrase);
    return r == STATUS_DONE ? handover_give(cli, handover, "passphrase", passphrase) : r;
}

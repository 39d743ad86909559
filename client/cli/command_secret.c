/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/new_file.h"
#include "client/cli/output.h"
#include "client/cli/prompt.h"
#include "client/cli/secret_call.h"

#include <string.h>

/* ---- Generate ---- */

static int give_passphrases(struct cli *cli, const char *slot, struct handover *handover)
{
    static const char *const labels[] = { "passphrase", "slot-passphrase", NULL };
    CLEANUP_SECRET struct secret *passphrase = NULL;
    CLEANUP_SECRET struct secret *slot_passphrase = NULL;
    int r = prompt_check_labels(&cli->arguments, labels);

    if (r == STATUS_DONE)
        r = prompt_passphrase(&cli->arguments, "passphrase", "Passphrase for the backup: ",
                              "The same again: ", &passphrase);
    if (r == STATUS_DONE && strcmp(slot, "passphrase") == 0)
        r = prompt_passphrase(&cli->arguments, "slot-passphrase", NULL, NULL, &slot_passphrase);
    if (r == STATUS_DONE)
        r = handover_give(cli, handover, "passphrase", passphrase);
    if (r == STATUS_DONE)
        r = handover_give(cli, handover, "slot-passphrase", slot_passphrase);
    return r;
}

static int report(struct cli *cli, const struct new_file *backup, const json_t *results)
{
    json_int_t number = json_integer_value(json_array_get(results, 0));
    const char *fingerprint = json_string_value(json_array_get(results, 1));
    const char *realm = json_string_value(json_array_get(results, 2));

    if (arguments_option(&cli->arguments, OPTION_JSON))
        return output_json(json_pack("{s:I, s:s, s:s, s:s}", "generation", number, "fingerprint",
                                     fingerprint ? fingerprint : "", "realm", realm ? realm : "",
                                     "backup", backup->location));
    printf("generation   %lld\nfingerprint  %s\nrealm        %s\nbackup       %s, proven\n",
           (long long)number, fingerprint ? fingerprint : "?", realm ? realm : "?",
           backup->location);
    return STATUS_DONE;
}

static int call_generate(struct cli *cli, const char *slot, const struct new_file *backup,
                         struct handover *handover)
{
    const char *hint = arguments_option(&cli->arguments, OPTION_HINT);
    CLEANUP_JSON json_t *results = NULL;
    struct service_call call = {
        .interface = BUS_INTERFACE_SECRET,
        .method = "Generate",
        .signature = "sssa{sh}",
        .effect = CALL_CHANGES,
    };
    enum mastersecret_error error;
    int r;

    handover_file(handover, "backup", backup->fd);
    call.arguments = json_pack("[sssO]", slot, hint ? hint : "", backup->location,
                               handover->descriptors);
    error = service_call(cli, &call, &results);
    if (error != MASTERSECRET_OK) {
        r = output_failure(cli, error);
        new_file_give_up(backup, error);
        return r;
    }
    r = new_file_keep(backup);
    return r == STATUS_DONE ? report(cli, backup, results) : r;
}

int command_secret_generate(struct cli *cli)
{
    const char *slot = arguments_option(&cli->arguments, OPTION_SLOT);
    CLEANUP_NEW_FILE struct new_file backup =
        new_file_named("backup", arguments_option(&cli->arguments, OPTION_BACKUP));
    CLEANUP_HANDOVER struct handover handover = handover_new();
    int r;

    slot = slot ? slot : "keyfile";
    if (!backup.path)
        return output_usage("--backup FILE is needed: a secret without a backup can be lost");
    r = secret_check_slot(slot, false);
    if (r == STATUS_DONE)
        r = give_passphrases(cli, slot, &handover);
    if (r == STATUS_DONE)
        r = new_file_create(&backup);
    return r == STATUS_DONE ? call_generate(cli, slot, &backup, &handover) : r;
}

/* ---- Seal and unseal ---- */

int command_secret_seal(struct cli *cli)
{
    return secret_call(cli, "Seal", "", json_array(), CALL_CHANGES, NULL);
}

static int unseal_by_passphrase(struct cli *cli)
{
    CLEANUP_HANDOVER struct handover handover = handover_new();
    CLEANUP_SECRET struct secret *passphrase = NULL;
    int r = prompt_passphrase(&cli->arguments, "passphrase", "Passphrase of the slot: ", NULL,
                              &passphrase);

    if (r == STATUS_DONE)
        r = handover_give(cli, &handover, "passphrase", passphrase);
    return r == STATUS_DONE
               ? secret_call(cli, "Unseal", "a{sh}", json_pack("[O]", handover.descriptors),
                             CALL_CHANGES, NULL)
               : r;
}

static int unseal_by_share(struct cli *cli)
{
    CLEANUP_HANDOVER struct handover handover = handover_new();
    CLEANUP_SECRET struct secret *share = NULL;
    CLEANUP_JSON json_t *results = NULL;
    json_int_t entered, needed;
    bool open;
    int r = prompt_line(&cli->arguments, "share", "Share: ", NULL, &share);

    if (r == STATUS_DONE)
        r = handover_give(cli, &handover, "share", share);
    if (r == STATUS_DONE)
        r = secret_call(cli, "EnterShare", "a{sh}", json_pack("[O]", handover.descriptors),
                        CALL_CHANGES, &results);
    if (r != STATUS_DONE)
        return r;
    entered = json_integer_value(json_array_get(results, 0));
    needed = json_integer_value(json_array_get(results, 1));
    open = entered >= needed;
    if (arguments_option(&cli->arguments, OPTION_JSON))
        return output_json(json_pack("{s:b, s:I, s:I}", "unsealed", open, "entered", entered,
                                     "needed", needed));
    if (open)
        printf("the service is unsealed\n");
    else
        printf("share %lld of the %lld needed is entered; it is forgotten after 10 minutes\n",
               (long long)entered, (long long)needed);
    return STATUS_DONE;
}

static int unseal_unattended(struct cli *cli)
{
    const struct service_call call = {
        .interface = BUS_INTERFACE_SECRET,
        .method = "Unseal",
        .signature = "a{sh}",
        .arguments = json_pack("[{}]"),
        .effect = CALL_CHANGES,
    };
    CLEANUP_JSON json_t *results = NULL;
    enum mastersecret_error error = service_call(cli, &call, &results);

    if (error == MASTERSECRET_OK)
        return STATUS_DONE;
    if (error != MASTERSECRET_NO_SLOT_OPENS || access("/dev/tty", R_OK | W_OK) < 0 ||
        !isatty(STDIN_FILENO))
        return output_failure(cli, error);
    return unseal_by_passphrase(cli);
}

int command_secret_unseal(struct cli *cli)
{
    static const char *const passphrase[] = { "passphrase", NULL };
    static const char *const share[] = { "share", NULL };
    const struct arguments *arguments = &cli->arguments;
    bool by_share = arguments_option(arguments, OPTION_SHARE) != NULL;
    int r = prompt_check_labels(arguments, by_share ? share : passphrase);

    if (r != STATUS_DONE)
        return r;
    if (by_share && arguments_option(arguments, OPTION_CANCEL))
        return output_usage("--share and --cancel exclude each other");
    if (arguments_option(arguments, OPTION_CANCEL))
        return secret_call(cli, "CancelShares", "", json_array(), CALL_CHANGES, NULL);
    if (by_share)
        return unseal_by_share(cli);
    r = passphrase_is_given(arguments) ? unseal_by_passphrase(cli) : unseal_unattended(cli);
    return r == STATUS_DONE && arguments_option(arguments, OPTION_JSON)
               ? output_json(json_pack("{s:b}", "unsealed", true))
               : r;
}

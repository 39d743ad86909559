/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* secret backup: make one, look at one, prove one. */
#include "client/cli/backup_file.h"
#include "client/cli/backup_report.h"
#include "client/cli/new_file.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/prompt.h"
#include "client/cli/secret_call.h"
#include "common/backup_signature.h"
#include "common/hex.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* ---- Create ---- */

static int to_directory(struct cli *cli, const char *hint)
{
    CLEANUP_JSON json_t *results = NULL;
    const char *path;
    int r = secret_call(cli, "BackupToDirectory", "s", json_pack("[s]", hint), CALL_CHANGES,
                        &results);

    if (r != STATUS_DONE)
        return r;
    path = json_string_value(json_array_get(results, 0));
    if (arguments_option(&cli->arguments, OPTION_JSON))
        return output_json(json_pack("{s:s}", "backup", path ? path : ""));
    printf("backup  %s, proven\n", path ? path : "?");
    return STATUS_DONE;
}

static int report_created(struct cli *cli, const struct new_file *file, const json_t *results)
{
    const char *fingerprint = json_string_value(json_array_get(results, 0));
    json_int_t created = json_integer_value(json_array_get(results, 1));
    char when[40];

    if (arguments_option(&cli->arguments, OPTION_JSON))
        return output_json(json_pack("{s:s, s:s, s:I}", "backup", file->location, "fingerprint",
                                     fingerprint ? fingerprint : "", "created", created));
    output_time((uint64_t)created, when, sizeof(when));
    printf("backup       %s, proven %s\nfingerprint  %s\n", file->location, when,
           fingerprint ? fingerprint : "?");
    return STATUS_DONE;
}

static int into_file(struct cli *cli, const char *hint, struct new_file *file,
                     struct handover *handover)
{
    struct service_call call = {
        .interface = BUS_INTERFACE_SECRET,
        .method = "Backup",
        .signature = "ssa{sh}",
        .effect = CALL_CHANGES,
    };
    CLEANUP_JSON json_t *results = NULL;
    enum mastersecret_error error;
    int r = new_file_create(file);

    if (r != STATUS_DONE)
        return r;
    handover_file(handover, "backup", file->fd);
    call.arguments = json_pack("[ssO]", hint, file->location, handover->descriptors);
    error = service_call(cli, &call, &results);
    if (error != MASTERSECRET_OK) {
        r = output_failure(cli, error);
        new_file_give_up(file, error);
        return r;
    }
    r = new_file_keep(file);
    return r == STATUS_DONE ? report_created(cli, file, results) : r;
}

int command_backup_create(struct cli *cli)
{
    static const char *const labels[] = { "passphrase", NULL };
    const struct arguments *arguments = &cli->arguments;
    const char *hint = arguments_option(arguments, OPTION_HINT);
    bool directory = arguments_option(arguments, OPTION_TO_DIRECTORY) != NULL;
    CLEANUP_NEW_FILE struct new_file file =
        new_file_named("backup", arguments->count > 0 ? arguments->words[0] : NULL);
    CLEANUP_HANDOVER struct handover handover = handover_new();
    CLEANUP_SECRET struct secret *passphrase = NULL;
    int r;

    if (directory == (file.path != NULL))
        return output_usage("either FILE or --to-directory says where the backup goes");
    if (directory)
        return to_directory(cli, hint ? hint : "");
    r = prompt_check_labels(arguments, labels);
    if (r == STATUS_DONE && !arguments_option(arguments, OPTION_TO_RECIPIENTS))
        r = prompt_passphrase(arguments, "passphrase", "Passphrase for the backup: ",
                              "The same again: ", &passphrase);
    if (r == STATUS_DONE)
        r = handover_give(cli, &handover, "passphrase", passphrase);
    return r == STATUS_DONE ? into_file(cli, hint ? hint : "", &file, &handover) : r;
}

/* ---- Inspect ---- */

static json_t *generations_of(const struct backup_head *head)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < head->generation_count; i++) {
        char text[HEX_GROUPED_SIZE(FINGERPRINT_SIZE, 4)];
        const uint8_t *fingerprint;
        uint32_t number = backup_head_generation(head, i, &fingerprint);

        hex_format(fingerprint, FINGERPRINT_SIZE, 4, text);
        json_array_append_new(rows, json_pack("{s:I, s:s}", "generation", (json_int_t)number,
                                              "fingerprint", text));
    }
    return rows;
}

static json_t *keys_of(const struct backup_head *head)
{
    json_t *names = json_array();

    for (size_t i = 0; i < head->lock_count; i++)
        if (head->locks[i].kind == BACKUP_LOCK_RECIPIENT)
            json_array_append_new(names, json_string(head->locks[i].name));
    return names;
}

static json_t *describe(const struct backup_head *head)
{
    json_t *recipients = keys_of(head);
    bool has_passphrase = json_array_size(recipients) < head->lock_count;
    char realm[HEX_TEXT_SIZE(REALM_ID_SIZE)];
    char signer[HEX_TEXT_SIZE(BACKUP_SIGNER_SIZE)] = "";

    hex_format(head->realm, REALM_ID_SIZE, 0, realm);
    if (head->signer)
        hex_format(head->signer, BACKUP_SIGNER_SIZE, 0, signer);
    return json_pack("{s:I, s:s, s:s, s:I, s:s, s:s, s:b, s:o, s:o}", "format",
                     (json_int_t)head->format, "realm", realm, "signer", signer, "created",
                     (json_int_t)head->created_usec, "host", head->host, "hint", head->hint,
                     "passphrase", has_passphrase, "recipients", recipients,
                     "generations", generations_of(head));
}

int command_backup_inspect(struct cli *cli)
{
    static const struct column lines[] = {
        { "format", "format" },     { "realm", "realm" },
        { "signer", "signer" },     { "created", "created" },
        { "host", "host" },
        { "hint", "hint" },         { "passphrase opens it", "passphrase" },
        { "recipients", "recipients" }, { NULL, NULL },
    };
    static const struct column columns[] = { { "GENERATION", "generation" },
                                             { "FINGERPRINT", "fingerprint" },
                                             { NULL, NULL } };
    CLEANUP_FREE struct backup_file *file = NULL;
    CLEANUP_JSON json_t *facts = NULL;
    int r = backup_file_read(cli, cli->arguments.words[0], &file);

    if (r != STATUS_DONE)
        return r;
    facts = describe(&file->head);
    if (arguments_option(&cli->arguments, OPTION_JSON))
        return output_json(json_incref(facts));
    output_members(facts, lines);
    putchar('\n');
    output_table(json_object_get(facts, "generations"), columns);
    return STATUS_DONE;
}

/* ---- Verify ---- */

int command_backup_verify(struct cli *cli)
{
    static const char *const labels[] = { "passphrase", "private-key", NULL };
    const char *path = cli->arguments.words[0];
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    CLEANUP_HANDOVER struct handover handover = handover_new();
    CLEANUP_JSON json_t *results = NULL;
    struct progress_watch watch;
    int r;

    if (fd < 0)
        return output_local("cannot open '%s': %s", path, strerrordesc_np(errno));
    handover_file(&handover, "backup", fd);
    r = prompt_check_labels(&cli->arguments, labels);
    if (r == STATUS_DONE)
        r = handover_backup_key(cli, &handover);
    if (r != STATUS_DONE)
        return r;
    progress_watch_start(cli, "reading", -1, &watch);
    r = secret_call(cli, "VerifyBackup", "a{sh}", json_pack("[O]", handover.descriptors), CALL_READS,
                    &results);
    progress_watch_stop(&watch);
    return r == STATUS_DONE ? backup_report(cli, json_array_get(results, 0)) : r;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* secret restore, and the records themselves: export, import. */
#include "client/cli/backup_report.h"
#include "client/cli/new_file.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/prompt.h"
#include "client/cli/secret_call.h"
#include "client/context.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static int open_file(const char *path, int *ret_fd)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return output_local("cannot open '%s': %s", path, strerrordesc_np(errno));
    *ret_fd = fd;
    return STATUS_DONE;
}

/* ---- Restore ---- */

static int parse_loss(const char *text, json_int_t *ret_count)
{
    char *end;
    unsigned long long count;

    errno = 0;
    count = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || count > INT64_MAX)
        return output_usage("--accept-loss wants the number of records, not '%s'", text);
    *ret_count = (json_int_t)count;
    return STATUS_DONE;
}

static int take_options(const struct arguments *arguments, json_t *options)
{
    const char *slot = arguments_option(arguments, OPTION_NEW_SLOT);
    const char *loss = arguments_option(arguments, OPTION_ACCEPT_LOSS);
    json_int_t count = 0;
    int r = loss ? parse_loss(loss, &count) : STATUS_DONE;

    if (r == STATUS_DONE && slot)
        r = secret_check_slot(slot, false);
    if (r != STATUS_DONE)
        return r;
    if (loss)
        json_object_set_new(options, "accept-loss", json_integer(count));
    if (slot)
        json_object_set_new(options, "slot", json_string(slot));
    if (arguments_option(arguments, OPTION_ACCEPT_ROLLBACK))
        json_object_set_new(options, "accept-rollback", json_true());
    return STATUS_DONE;
}

/* The new slot's passphrase; without one of its own the backup's serves, as in generate. */
static int give_slot_passphrase(struct cli *cli, struct handover *handover)
{
    CLEANUP_SECRET struct secret *passphrase = NULL;
    int r = prompt_passphrase(&cli->arguments, "slot-passphrase", NULL, NULL, &passphrase);

    return r == STATUS_DONE ? handover_give(cli, handover, "slot-passphrase", passphrase) : r;
}

static int call_restore(struct cli *cli, json_t *options, struct handover *handover)
{
    bool dry_run = arguments_option(&cli->arguments, OPTION_DRY_RUN) != NULL;
    CLEANUP_JSON json_t *results = NULL;
    struct progress_watch watch;
    int r;

    progress_watch_start(cli, dry_run ? "reading" : "restoring", -1, &watch);
    r = secret_call(cli, "Restore", "ba{sv}a{sh}",
                    json_pack("[bOO]", dry_run, options, handover->descriptors),
                    dry_run ? CALL_READS : CALL_CHANGES, &results);
    progress_watch_stop(&watch);
    return r == STATUS_DONE ? backup_report(cli, json_array_get(results, 0)) : r;
}

int command_restore(struct cli *cli)
{
    static const char *const labels[] = { "passphrase", "private-key", "slot-passphrase", NULL };
    CLEANUP_HANDOVER struct handover handover = handover_new();
    CLEANUP_JSON json_t *options = json_object();
    CLEANUP_CLOSE int fd = -1;
    int r = take_options(&cli->arguments, options);

    if (r == STATUS_DONE)
        r = prompt_check_labels(&cli->arguments, labels);
    if (r == STATUS_DONE)
        r = open_file(cli->arguments.words[0], &fd);
    if (r == STATUS_DONE)
        r = handover_backup_key(cli, &handover);
    if (r == STATUS_DONE)
        r = give_slot_passphrase(cli, &handover);
    if (r != STATUS_DONE)
        return r;
    handover_file(&handover, "backup", fd);
    return call_restore(cli, options, &handover);
}

/* ---- Export and import ---- */

static enum mastersecret_error move_records(struct cli *cli, const char *method, const char *what,
                                            int fd, enum call_effect effect,
                                            json_t **ret_results)
{
    struct service_call call = {
        .interface = BUS_INTERFACE_MANAGER,
        .method = method,
        .signature = "a{sh}",
        .arguments = json_pack("[{s:i}]", "file", fd),
        .effect = effect,
    };
    struct progress_watch watch;
    enum mastersecret_error error;

    context_administer(cli->service);
    progress_watch_start(cli, what, fd, &watch);
    error = service_call(cli, &call, ret_results);
    progress_watch_stop(&watch);
    return error;
}

int command_export(struct cli *cli)
{
    CLEANUP_NEW_FILE struct new_file file =
        new_file_named("export", cli->arguments.words[0]);
    CLEANUP_JSON json_t *results = NULL;
    enum mastersecret_error error;
    int r = new_file_create(&file);

    if (r != STATUS_DONE)
        return r;
    error = move_records(cli, "Export", "exporting", file.fd, CALL_READS, &results);
    if (error != MASTERSECRET_OK) {
        unlink(file.path); /* it is incomplete, and the records are where they were */
        return output_failure(cli, error);
    }
    r = new_file_keep(&file);
    if (r != STATUS_DONE)
        return r;
    if (arguments_option(&cli->arguments, OPTION_JSON))
        return output_json(json_pack("{s:s, s:O, s:O}", "export", file.location, "revision",
                                     json_array_get(results, 0), "records",
                                     json_array_get(results, 1)));
    printf("export    %s\nrevision  %lld\nrecords   %lld\n", file.location,
           (long long)json_integer_value(json_array_get(results, 0)),
           (long long)json_integer_value(json_array_get(results, 1)));
    return STATUS_DONE;
}

int command_import(struct cli *cli)
{
    CLEANUP_JSON json_t *results = NULL;
    CLEANUP_CLOSE int fd = -1;
    enum mastersecret_error error;
    int r = open_file(cli->arguments.words[0], &fd);

    if (r != STATUS_DONE)
        return r;
    error = move_records(cli, "Import", "importing", fd, CALL_CHANGES, &results);
    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    if (arguments_option(&cli->arguments, OPTION_JSON))
        return output_json(json_pack("{s:O}", "records", json_array_get(results, 0)));
    printf("%lld records are taken\n",
           (long long)json_integer_value(json_array_get(results, 0)));
    return STATUS_DONE;
}

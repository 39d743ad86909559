/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/output.h"
#include "client/cli/prompt.h"
#include "client/cli/service.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Generate ---- */

/* What Generate is given; closed and wiped whatever becomes of the call. */
struct generation {
    const char *path;
    char *location; /* the backup's absolute path */
    int backup;
    struct secret *passphrase;
    struct secret *slot_passphrase; /* or NULL */
    struct secret_pipe pipes[2];
};

static void generation_deinit(struct generation *generation)
{
    cleanup_close_fd(&generation->backup);
    free(generation->location);
    secret_free(generation->passphrase);
    secret_free(generation->slot_passphrase);
    for (size_t i = 0; i < 2; i++)
        secret_pipe_deinit(&generation->pipes[i]);
}

static int check_slot(const char *slot)
{
    static const char *const kinds[] = { "keyfile", "credential", "passphrase" };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(slot, kinds[i]) == 0)
            return STATUS_DONE;
    return output_usage("--slot is keyfile, credential or passphrase, not '%s'", slot);
}

static int ask_passphrases(const struct arguments *arguments, const char *slot,
                           struct generation *generation)
{
    static const char *const labels[] = { "passphrase", "slot-passphrase", NULL };
    int r = prompt_check_labels(arguments, labels);

    if (r == STATUS_DONE)
        r = prompt_passphrase(arguments, "passphrase", "Passphrase for the backup: ",
                              "The same again: ", &generation->passphrase);
    if (r == STATUS_DONE && strcmp(slot, "passphrase") == 0)
        r = prompt_passphrase(arguments, "slot-passphrase", NULL, NULL,
                              &generation->slot_passphrase);
    return r;
}

/* Never over an existing file; the service reads it back through the same descriptor. */
static int create_backup(struct generation *generation)
{
    generation->backup = open(generation->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                              S_IRUSR | S_IWUSR);
    if (generation->backup < 0)
        return output_local("cannot create the backup '%s': %s", generation->path,
                            strerrordesc_np(errno));
    generation->location = realpath(generation->path, NULL);
    if (!generation->location)
        return output_local("cannot find the way to '%s': %s", generation->path,
                            strerrordesc_np(errno));
    return STATUS_DONE;
}

static int sync_folder(const char *location)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(location, '/');
    CLEANUP_CLOSE int fd = -1;

    snprintf(folder, sizeof(folder), "%.*s", slash == location ? 1 : (int)(slash - location),
             location);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return output_local("the master secret is made, but the folder of the backup '%s' "
                            "cannot be synced: %s",
                            location, strerrordesc_np(errno));
    return STATUS_DONE;
}

static enum mastersecret_error call_generate(struct cli *cli, struct generation *generation,
                                             const char *slot, json_t **ret_results)
{
    const char *hint = arguments_option(&cli->arguments, OPTION_HINT);
    CLEANUP_JSON json_t *descriptors = json_object();
    struct service_call call = {
        .interface = BUS_INTERFACE_SECRET,
        .method = "Generate",
        .signature = "sssa{sh}",
        .effect = CALL_CHANGES,
    };
    const struct secret *const secrets[] = { generation->passphrase, generation->slot_passphrase };
    static const char *const labels[] = { "passphrase", "slot-passphrase" };

    for (size_t i = 0; i < 2; i++) {
        enum mastersecret_error error = MASTERSECRET_OK;

        if (!secrets[i])
            continue;
        error = value_pipe_give(cli->service, secrets[i]->bytes, secrets[i]->length,
                                &generation->pipes[i]);
        if (error != MASTERSECRET_OK)
            return error;
        json_object_set_new(descriptors, labels[i], json_integer(generation->pipes[i].read_fd));
    }
    json_object_set_new(descriptors, "backup", json_integer(generation->backup));
    call.arguments = json_pack("[sssO]", slot, hint ? hint : "", generation->location, descriptors);
    return service_call(cli, &call, ret_results);
}

static bool is_empty(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && status.st_size == 0;
}

/* A call that failed has left its file empty, and that is of no use. One whose outcome is unknown may
 * have made, or may still make, the only backup there is. */
static int give_up(struct cli *cli, const struct generation *generation,
                   enum mastersecret_error error)
{
    int status = output_failure(cli, error);

    if (error == MASTERSECRET_OUTCOME_UNKNOWN || !is_empty(generation->backup))
        fprintf(stderr, "the backup '%s' is kept, until mastersecret status tells\n",
                generation->path);
    else
        unlink(generation->path);
    return status;
}

static int report(struct cli *cli, const struct generation *generation, const json_t *results)
{
    json_int_t number = json_integer_value(json_array_get(results, 0));
    const char *fingerprint = json_string_value(json_array_get(results, 1));
    const char *realm = json_string_value(json_array_get(results, 2));

    if (arguments_option(&cli->arguments, OPTION_JSON))
        return output_json(json_pack("{s:I, s:s, s:s, s:s}", "generation", number, "fingerprint",
                                     fingerprint ? fingerprint : "", "realm", realm ? realm : "",
                                     "backup", generation->location));
    printf("generation   %lld\nfingerprint  %s\nrealm        %s\nbackup       %s, proven\n",
           (long long)number, fingerprint ? fingerprint : "?", realm ? realm : "?",
           generation->location);
    return STATUS_DONE;
}

int command_secret_generate(struct cli *cli)
{
    const char *slot = arguments_option(&cli->arguments, OPTION_SLOT);
    CLEANUP(generation_deinit) struct generation generation = {
        .path = arguments_option(&cli->arguments, OPTION_BACKUP),
        .backup = -1,
        .pipes = { { -1, -1 }, { -1, -1 } },
    };
    CLEANUP_JSON json_t *results = NULL;
    enum mastersecret_error error;
    int r;

    slot = slot ? slot : "keyfile";
    if (!generation.path)
        return output_usage("--backup FILE is needed: a secret without a backup can be lost");
    r = check_slot(slot);
    if (r == STATUS_DONE)
        r = ask_passphrases(&cli->arguments, slot, &generation);
    if (r == STATUS_DONE)
        r = create_backup(&generation);
    if (r != STATUS_DONE)
        return r;
    error = call_generate(cli, &generation, slot, &results);
    if (error != MASTERSECRET_OK)
        return give_up(cli, &generation, error);
    r = sync_folder(generation.location);
    return r == STATUS_DONE ? report(cli, &generation, results) : r;
}

/* ---- Seal and unseal ---- */

int command_secret_seal(struct cli *cli)
{
    const struct service_call call = {
        .interface = BUS_INTERFACE_SECRET,
        .method = "Seal",
        .signature = "",
        .arguments = json_array(),
        .effect = CALL_CHANGES,
    };
    CLEANUP_JSON json_t *results = NULL;
    enum mastersecret_error error = service_call(cli, &call, &results);

    return error == MASTERSECRET_OK ? STATUS_DONE : output_failure(cli, error);
}

static enum mastersecret_error call_unseal(struct cli *cli, const struct secret *passphrase)
{
    CLEANUP(secret_pipe_deinit) struct secret_pipe pipe = { -1, -1 };
    CLEANUP_JSON json_t *results = NULL;
    struct service_call call = {
        .interface = BUS_INTERFACE_SECRET,
        .method = "Unseal",
        .signature = "a{sh}",
        .effect = CALL_CHANGES,
    };
    enum mastersecret_error error;

    if (passphrase) {
        error = value_pipe_give(cli->service, passphrase->bytes, passphrase->length, &pipe);
        if (error != MASTERSECRET_OK)
            return error;
        call.arguments = json_pack("[{s:i}]", "passphrase", pipe.read_fd);
    } else {
        call.arguments = json_pack("[{}]");
    }
    return service_call(cli, &call, &results);
}

static bool passphrase_is_given(const struct arguments *arguments)
{
    return arguments_option(arguments, OPTION_FD) || arguments_option(arguments, OPTION_STDIN) ||
           arguments_option(arguments, OPTION_PASSPHRASE_FILE);
}

int command_secret_unseal(struct cli *cli)
{
    static const char *const labels[] = { "passphrase", NULL };
    CLEANUP_SECRET struct secret *passphrase = NULL;
    enum mastersecret_error error = MASTERSECRET_NO_SLOT_OPENS;
    int r = prompt_check_labels(&cli->arguments, labels);

    if (r != STATUS_DONE)
        return r;
    if (!passphrase_is_given(&cli->arguments)) {
        error = call_unseal(cli, NULL);
        if (error == MASTERSECRET_OK)
            return STATUS_DONE;
        if (error != MASTERSECRET_NO_SLOT_OPENS || access("/dev/tty", R_OK | W_OK) < 0 ||
            !isatty(STDIN_FILENO))
            return output_failure(cli, error);
    }
    r = prompt_passphrase(&cli->arguments, "passphrase", "Passphrase of the slot: ", NULL,
                          &passphrase);
    if (r != STATUS_DONE)
        return r;
    error = call_unseal(cli, passphrase);
    return error == MASTERSECRET_OK ? STATUS_DONE : output_failure(cli, error);
}

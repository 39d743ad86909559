/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/output.h"
#include "client/cli/parse.h"
#include "client/context.h"

#include <fcntl.h>
#include <jansson.h>
#include <malloc.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum { TIMEOUT_DEFAULT_S = 60, TIMEOUT_MAX_S = 86400 };

/* JSON may hold credentials. */
static void wipe_and_free(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

/* What is typed here is looked into by nobody else of the same user, and leaves no core file. */
static void keep_memory_to_itself(void)
{
    const struct rlimit none = { 0, 0 };

    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* A descriptor 0, 1 or 2 that is closed would be taken by the next file opened, a secret's too. Nothing
 * can be read from what stands in for it, and nothing written: what is lost that way is noticed. */
static void open_standard_files(void)
{
    int fd;

    do
        fd = open("/dev/null", O_PATH | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static int set_timeout(struct mastersecret *service, const char *text)
{
    char *end;
    unsigned long seconds = text ? strtoul(text, &end, 10) : TIMEOUT_DEFAULT_S;

    if (text && (*end || *text < '0' || *text > '9' || seconds == 0 || seconds > TIMEOUT_MAX_S))
        return output_usage("--timeout wants 1 to %d seconds, not '%s'", TIMEOUT_MAX_S, text);
    mastersecret_set_timeout(service, (unsigned)seconds * 1000);
    return STATUS_DONE;
}

static int set_up(struct cli *cli)
{
    const char *address = arguments_option(&cli->arguments, OPTION_ADDRESS);
    enum mastersecret_error error = mastersecret_new(&cli->service);
    int status;

    if (error != MASTERSECRET_OK)
        return output_local("%s", mastersecret_strerror(error));
    status = set_timeout(cli->service, arguments_option(&cli->arguments, OPTION_TIMEOUT));
    if (status != STATUS_DONE)
        return status;
    /* What uses credentials goes the short way; what administers, where polkit is asked. */
    if (cli->command->noun)
        context_administer(cli->service);
    error = mastersecret_set_address(cli->service, address);
    return error == MASTERSECRET_OK ? STATUS_DONE : output_failure(cli, error);
}

int main(int argc, char **argv)
{
    static char written[BUFSIZ]; /* by stdio: shares and private keys go to people that way */
    struct cli cli = { NULL };
    int status;

    setvbuf(stdout, written, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, sizeof(written));
    open_standard_files();
    keep_memory_to_itself();
    json_set_alloc_funcs(malloc, wipe_and_free);
    status = parse(argc, argv, &cli.command, &cli.arguments);
    if (status == STATUS_DONE && cli.command)
        status = set_up(&cli);
    if (status == STATUS_DONE && cli.command)
        status = cli.command->run(&cli);
    mastersecret_free(cli.service);
    if (fflush(stdout) != 0 && status == STATUS_DONE)
        status = output_local("cannot write to standard output");
    explicit_bzero(written, sizeof(written));
    return status;
}

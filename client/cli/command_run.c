/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/output.h"
#include "client/cli/target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

static void credentials_cleanup(struct mastersecret_credentials **credentials)
{
    mastersecret_credentials_free(*credentials);
}

static char *variable_name(const char *label, const char *suffix)
{
    char variable[VARIABLE_SIZE];
    char *name = NULL;

    name_to_variable(label, variable);
    return asprintf(&name, "%s%s", variable, suffix) < 0 ? NULL : name;
}

static int set_variable(const char *label, const char *suffix, const char *value)
{
    CLEANUP_FREE char *name = variable_name(label, suffix);

    if (!name)
        return output_local("out of memory");
    /* Whatever had the name before is the command's own affair, but two fields must not collide;
     * forget_inherited() has seen to the first. */
    if (getenv(name))
        return output_usage("two fields would both be %s", name);
    if (setenv(name, value, 1) < 0)
        return output_local("cannot set %s: %s", name, strerrordesc_np(errno));
    return STATUS_DONE;
}

static int give_variable(const struct mastersecret_field *field)
{
    if (memchr(field->value, '\0', field->length))
        return output_usage("field '%s' holds a NUL byte, which no environment variable can; use "
                            "--files",
                            field->label);
    return set_variable(field->label, "", field->value);
}

/* A sealed file in memory, which the command inherits. It is never closed here: it is the
 * command's from now on. */
static int give_file(const struct mastersecret_field *field)
{
    char path[40];
    int fd = memfd_create("mastersecret", MFD_ALLOW_SEALING);

    if (fd < 0)
        return output_local("cannot make a file in memory: %s", strerrordesc_np(errno));
    if (write(fd, field->value, field->length) != (ssize_t)field->length ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0 ||
        lseek(fd, 0, SEEK_SET) < 0) {
        close(fd);
        return output_local("cannot fill a file in memory: %s", strerrordesc_np(errno));
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return set_variable(field->label, "_FILE", path);
}

static void forget_inherited(const char *label)
{
    static const char *const suffixes[] = { "", "_FILE" };

    for (size_t i = 0; i < 2; i++) {
        CLEANUP_FREE char *name = variable_name(label, suffixes[i]);

        if (name)
            unsetenv(name);
    }
}

static int give_all(const struct mastersecret_field *fields, size_t count,
                    int (*give)(const struct mastersecret_field *field))
{
    int status = STATUS_DONE;

    for (size_t i = 0; i < count; i++)
        forget_inherited(fields[i].label);
    for (size_t i = 0; i < count && status == STATUS_DONE; i++)
        status = give(&fields[i]);
    return status;
}

/* The fields with the external user, which has the label of the application's first field. */
static int give_credentials(struct cli *cli, const struct mastersecret_credentials *credentials,
                            const json_t *labels)
{
    const char *external_user = mastersecret_credentials_external_user(credentials);
    struct mastersecret_field all[FIELDS_MAX + MASKED_FIELDS_MAX + 1];
    const struct mastersecret_field *fields;
    size_t count;

    fields = mastersecret_credentials_fields(credentials, &count);
    all[0] = (struct mastersecret_field){
        .label = json_string_value(json_object_get(json_array_get(labels, 0), "label")),
        .value = external_user,
        .length = strlen(external_user),
    };
    if (!all[0].label)
        return output_failure(cli, MASTERSECRET_FIELD_NOT_FOUND);
    memcpy(all + 1, fields, count * sizeof(*fields));
    return give_all(all, count + 1,
                    arguments_option(&cli->arguments, OPTION_FILES) ? give_file : give_variable);
}

int command_run(struct cli *cli)
{
    CLEANUP(credentials_cleanup) struct mastersecret_credentials *credentials = NULL;
    CLEANUP_JSON json_t *labels = NULL;
    char **command = cli->arguments.words + 1;
    enum mastersecret_error error = service_fields(cli, cli->arguments.words[0], &labels);
    int status;

    if (error == MASTERSECRET_OK)
        error = mastersecret_lookup(cli->service, cli->arguments.words[0],
                                    arguments_option(&cli->arguments, OPTION_USER), NULL, 0,
                                    &credentials);
    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    status = give_credentials(cli, credentials, labels);
    if (status != STATUS_DONE)
        return status;
    execvp(command[0], command);
    status = errno == ENOENT ? 127 : 126;
    output_local("cannot run '%s': %s", command[0], strerrordesc_np(errno));
    return status;
}

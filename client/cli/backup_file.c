/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/backup_file.h"

#include "client/cli/output.h"
#include "client/context.h"
#include "common/backup_signature.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* The whole of a regular file of at most BACKUP_FILE_MAX bytes; of a longer one, one more. */
static int read_whole(const char *path, uint8_t bytes[BACKUP_FILE_MAX + 1], size_t *ret_size)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;
    size_t size = 0;
    ssize_t count = 1;

    if (fd < 0 || fstat(fd, &status) < 0)
        return output_local("cannot open '%s': %s", path, strerrordesc_np(errno));
    if (!S_ISREG(status.st_mode))
        return output_local("'%s' is not a regular file", path);
    while (count > 0 && size < BACKUP_FILE_MAX + 1) {
        count = read(fd, bytes + size, BACKUP_FILE_MAX + 1 - size);
        if (count < 0)
            return output_local("cannot read '%s': %s", path, strerrordesc_np(errno));
        size += (size_t)count;
    }
    *ret_size = size;
    return STATUS_DONE;
}

static int refuse(struct cli *cli, enum mastersecret_error error, const char *reason)
{
    return output_failure(cli, context_refuse(cli->service, error, "%s", reason));
}

int backup_file_read(struct cli *cli, const char *path, struct backup_file **ret_file)
{
    CLEANUP_FREE struct backup_file *file = calloc(1, sizeof(*file));
    size_t size = 0;
    int r, outcome;

    if (!file)
        return output_local("out of memory");
    r = read_whole(path, file->bytes, &size);
    if (r != STATUS_DONE)
        return r;
    outcome = backup_head_parse(file->bytes, size, &file->head);
    switch ((enum backup_head_outcome)outcome) {
    case BACKUP_HEAD_DONE:
        if (file->head.signer && backup_signature_check(file->bytes, size, file->head.signer) < 0)
            return refuse(cli, MASTERSECRET_DAMAGED,
                          "the backup was altered since it was made; take another copy of it");
        *ret_file = STEAL(file);
        return STATUS_DONE;
    case BACKUP_HEAD_NOT_ONE:
        return refuse(cli, MASTERSECRET_INVALID_ARGUMENT,
                      "it is not a backup; give a file that secret generate, rotate or backup "
                      "create made");
    case BACKUP_HEAD_NEWER:
        return refuse(cli, MASTERSECRET_NEWER_FORMAT, "the backup is of a newer format");
    case BACKUP_HEAD_DAMAGED:
        break;
    }
    return refuse(cli, MASTERSECRET_DAMAGED,
                  "the backup is damaged, or cut off; take another copy of it");
}

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

/* The whole of a regular file of at most BACKUP_HEAD_FILE_MAX bytes. */
static int read_whole(const char *path, uint8_t *bytes, size_t *ret_size)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;
    size_t size = 0;
    ssize_t count = 1;

    if (fd < 0 || fstat(fd, &status) < 0)
        return output_local("cannot open '%s': %s", path, strerrordesc_np(errno));
    if (!S_ISREG(status.st_mode))
        return output_local("'%s' is not a regular file", path);
    while (count > 0 && size < BACKUP_HEAD_FILE_MAX + 1) {
        count = read(fd, bytes + size, BACKUP_HEAD_FILE_MAX + 1 - size);
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

int backup_file_read(struct cli *cli, const char *path, struct backup_head **ret_head)
{
    CLEANUP_FREE uint8_t *bytes = malloc(BACKUP_HEAD_FILE_MAX + 1);
    CLEANUP_FREE struct backup_head *head = malloc(sizeof(*head));
    size_t size = 0;
    int r, outcome;

    if (!bytes || !head)
        return output_local("out of memory");
    r = read_whole(path, bytes, &size);
    if (r != STATUS_DONE)
        return r;
    outcome = backup_head_parse(bytes, size, head);
    switch ((enum backup_head_outcome)outcome) {
    case BACKUP_HEAD_DONE:
        if (head->is_signed && backup_signature_check(bytes, size, head->signer) < 0)
            return refuse(cli, MASTERSECRET_DAMAGED, "the backup was altered since it was made");
        *ret_head = STEAL(head);
        return STATUS_DONE;
    case BACKUP_HEAD_NOT_ONE:
        return refuse(cli, MASTERSECRET_INVALID_ARGUMENT, "it is not a backup");
    case BACKUP_HEAD_NEWER:
        return refuse(cli, MASTERSECRET_NEWER_FORMAT, "the backup is of a newer format");
    case BACKUP_HEAD_DAMAGED:
        break;
    }
    return refuse(cli, MASTERSECRET_DAMAGED, "the backup is damaged, or cut off");
}

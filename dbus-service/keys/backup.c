/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/backup.h"

#include "common/cursor.h"
#include "common/names.h"
#include "dbus-service/keys/backup_file.h"
#include "dbus-service/keys/durable_file.h"
#include "dbus-service/keys/equal.h"
#include "dbus-service/keys/keyring_content.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int backup_check(int fd)
{
    struct stat status;
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fstat(fd, &status) < 0)
        return -errno;
    if ((flags & O_ACCMODE) != O_RDWR || !S_ISREG(status.st_mode) || status.st_size != 0 ||
        (status.st_mode & 07777) != 0600)
        return KEYRING_BAD_FILE;
    return KEYRING_DONE;
}

void backup_discard(int fd)
{
    if (ftruncate(fd, 0) == 0)
        (void)!fsync(fd);
}

int backup_read(int fd, const struct secret *passphrase, struct keyring **ret_keyring)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct backup_file file;
    int r = durable_file_read(fd, BACKUP_FILE_MAX + 1, &bytes);

    if (r < 0)
        return r;
    r = backup_file_parse(bytes->bytes, bytes->length, &file);
    if (r != KEYRING_DONE)
        return r;
    return backup_file_unseal(&file, passphrase, ret_keyring);
}

/* Opens what the disk gives back, as a restore would, and compares it with what was meant. */
static int prove(int fd, const struct secret *passphrase, const struct keyring *keyring)
{
    CLEANUP_KEYRING struct keyring *found = NULL;
    CLEANUP_SECRET struct secret *found_content = NULL;
    CLEANUP_SECRET struct secret *content = NULL;
    int r;

    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* from the disk if it can be had */
    r = backup_read(fd, passphrase, &found);
    if (r != KEYRING_DONE)
        return r;
    r = keyring_format(found, &found_content);
    if (r < 0)
        return r;
    r = keyring_format(keyring, &content);
    if (r < 0)
        return r;
    return secret_equal(content, found_content->bytes, found_content->length)
               ? KEYRING_DONE
               : KEYRING_DAMAGED;
}

static int write_and_prove(int fd, const struct keyring *keyring, const struct secret *passphrase,
                           const char *hint)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    int r = backup_file_seal(keyring, passphrase, hint, &bytes);

    if (r < 0)
        return r;
    if (durable_file_write(fd, bytes->bytes, bytes->length) < 0)
        return KEYRING_BACKUP_FAILED;
    r = prove(fd, passphrase, keyring);
    if (r == -ENOMEM || r == KEYRING_DONE)
        return r;
    return KEYRING_BACKUP_FAILED;
}

int backup_write(int fd, const struct keyring *keyring, const struct secret *passphrase,
                 const char *hint)
{
    int r = backup_check(fd);

    if (r != KEYRING_DONE)
        return r;
    if (!passphrase_is_valid(passphrase))
        return KEYRING_PASSPHRASE_LENGTH;
    if (!text_is_utf8(hint, strlen(hint), HINT_MAX_BYTES))
        return -EINVAL;
    r = write_and_prove(fd, keyring, passphrase, hint);
    if (r != KEYRING_DONE)
        backup_discard(fd);
    return r;
}

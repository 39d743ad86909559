/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Backups of the master secret: making them, and knowing when one is due. */
#ifndef DOMAIN_BACKUP_H
#define DOMAIN_BACKUP_H

#include "dbus-service/domain/realm.h"
#include "dbus-service/keys/backup.h"

/* Made with calloc(); the caller's, and left alone until the end. Strings are owned. */
struct backup_create {
    struct secret *passphrase; /* NULL: to the recipients */
    int fd; /* borrowed: an empty regular file, O_RDWR, 0600; with a directory it is not looked at
             */
    char *directory; /* not NULL: into a new file there */
    char *hint;
    char *location; /* as the caller names the file, for display; not with a directory */
    struct backup_manifest manifest;
    struct backup_info info; /* at the end: of the backup that was proven, location and all */
};
void backup_create_free(struct backup_create *create);

/* On the loop, before any of the following: checks the texts and counts the records. 0, an error
 * code. */
int backup_prepare(struct realm *realm, struct backup_create *create,
                   struct failure *failure) MUST_CHECK;
/* SLOW, on a worker. Writes and proves a backup of the keyring given (which may be one that is
 * about to be stored) and fills in `info`; nothing else is changed. 0, an error code, -errno: then
 * no backup is left. */
int backup_write_file(const struct realm *realm, struct backup_create *create,
                      const struct keyring *keyring, struct failure *failure) MUST_CHECK;
/* SLOW, on a worker. Could a file be made in the directory, if there is one? 0, an error code. */
int backup_try_directory(const struct backup_create *create, struct failure *failure) MUST_CHECK;
/* SLOW, on a worker. The changed keyring that notes the backup could not be stored: puts the one from
 * before in its place again, and then takes the backup back. While that fails too it stays: what
 * lies there may be the changed keyring, whose newest generation no other backup holds. */
void backup_take_back(const struct realm *realm, struct backup_create *create,
                      const struct keyring *before);

/* All of it, of the open keyring, and the keyring notes it. */
int backup_create_begin(struct realm *realm, struct backup_create *create, realm_done done,
                        void *userdata, struct failure *failure) MUST_CHECK;

/* Is a backup due? NULL, or a sentence that says why and what to do. `file` is what became of the
 * one in the configured directory, when somebody looked last. */
enum backup_file { BACKUP_FILE_FINE, BACKUP_FILE_GONE, BACKUP_FILE_CHANGED };
const char *backup_due(const struct keyring *keyring, uint64_t max_age_usec, enum backup_file file);
/* SLOW, on a worker: looks at the file in the directory, if that backup is there. */
enum backup_file backup_look(const struct backup_info *info);

/* Changes of the recipients. `name`, `public_key` (text) or NULL to remove. */
int recipient_add(struct realm *realm, const char *name, const char *public_key, realm_done done,
                  void *userdata, struct failure *failure) MUST_CHECK;
int recipient_remove(struct realm *realm, const char *name, realm_done done, void *userdata,
                     struct failure *failure) MUST_CHECK;

#endif

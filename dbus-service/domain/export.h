/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The records as a file, sealed as they are: the keys travel in a backup of the master secret. */
#ifndef DOMAIN_EXPORT_H
#define DOMAIN_EXPORT_H

#include "dbus-service/domain/realm.h"

/* Made with calloc(); the caller's, and left alone until `done`. */
struct record_move {
    struct realm *realm; /* set by the call */
    int fd;              /* borrowed */
    uint64_t revision;   /* of the export */
    uint64_t records;    /* tombstones included */
    realm_done done;
    void *userdata;
};

/* Writes all records, as of one revision, to an empty regular file (O_RDWR, 0600), while serving.
 */
int realm_export(struct realm *realm, struct record_move *move, realm_done done, void *userdata,
                 struct failure *failure) MUST_CHECK;
/* Takes the records of an export of this realm, while there are none: NOT_EMPTY. Each must be one
 * that the keyring opens: RECORDS_UNREADABLE. Nobody is served meanwhile. */
int realm_import(struct realm *realm, struct record_move *move, realm_done done, void *userdata,
                 struct failure *failure) MUST_CHECK;

#endif

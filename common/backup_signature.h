/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The signature at the end of a backup (doc/FORMAT, "Backup"): Ed25519, by the realm, over all that
 * stands before it. It says without any key whether the file is as its signer left it. Of
 * librecipient.la. */
#ifndef COMMON_BACKUP_SIGNATURE_H
#define COMMON_BACKUP_SIGNATURE_H

#include "common/cleanup.h"

#include <stddef.h>
#include <stdint.h>

#define BACKUP_SIGNATURE_SIZE 64
#define BACKUP_SIGNER_SIZE 32

/* The file with its signature as the last bytes. 0; -EBADMSG: it is not as that signer left it;
 * -ENOMEM. */
int backup_signature_check(const uint8_t *bytes, size_t size,
                           const uint8_t signer[BACKUP_SIGNER_SIZE]) MUST_CHECK;

/* Over the bytes of the file so far. 0 or -ENOMEM. */
int backup_signature_make(const uint8_t *bytes, size_t size, const uint8_t *secret_key,
                          uint8_t ret_signature[BACKUP_SIGNATURE_SIZE]) MUST_CHECK;

#endif

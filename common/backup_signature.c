/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/backup_signature.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define LABEL "mastersecret backup"
#define LABEL_SIZE (sizeof(LABEL) - 1)

/* Ed25519 takes its message in one piece. */
static uint8_t *labelled(const uint8_t *bytes, size_t size)
{
    uint8_t *message = malloc(LABEL_SIZE + size);

    if (!message)
        return NULL;
    memcpy(message, LABEL, LABEL_SIZE);
    memcpy(message + LABEL_SIZE, bytes, size);
    return message;
}

int backup_signature_check(const uint8_t *bytes, size_t size,
                           const uint8_t signer[BACKUP_SIGNER_SIZE])
{
    CLEANUP_FREE uint8_t *message = NULL;
    size_t signed_size = size - BACKUP_SIGNATURE_SIZE;

    if (size < BACKUP_SIGNATURE_SIZE)
        return -EBADMSG;
    message = labelled(bytes, signed_size);
    if (!message)
        return -ENOMEM;
    return crypto_sign_verify_detached(bytes + signed_size, message, LABEL_SIZE + signed_size,
                                       signer) == 0
               ? 0
               : -EBADMSG;
}

int backup_signature_make(const uint8_t *bytes, size_t size, const uint8_t *secret_key,
                          uint8_t ret_signature[BACKUP_SIGNATURE_SIZE])
{
    CLEANUP_FREE uint8_t *message = labelled(bytes, size);

    if (!message)
        return -ENOMEM;
    (void)!crypto_sign_detached(ret_signature, NULL, message, LABEL_SIZE + size, secret_key);
    return 0;
}

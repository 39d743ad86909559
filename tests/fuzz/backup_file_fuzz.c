/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A backup's bytes, before any key is tried; what comes after is behind its seal. */
#include "client/cli/backup_head.h"
#include "common/recipient_key.h"
#include "dbus-service/keys/backup_file.h"
#include "dbus-service/keys/keyring_content.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

/* Everything that the parser borrows must lie within the bytes. */
static void check_within(const struct backup_file *file, const uint8_t *part, size_t length)
{
    if (length > 0 && (part < file->bytes || length > file->size ||
                       part > file->bytes + (file->size - length)))
        abort();
}

static void check_lock(const struct backup_file *file, const struct backup_lock *lock)
{
    if (lock->kind == BACKUP_LOCK_RECIPIENT) {
        check_within(file, lock->sealed, BACKUP_SEALED_KEY_SIZE);
        if (strnlen(lock->recipient.name, sizeof(lock->recipient.name)) > NAME_MAX_BYTES)
            abort();
    } else if (file->format >= BACKUP_FORMAT_LOCKS) {
        check_within(file, lock->bytes, lock->head_size);
        check_within(file, lock->nonce, SEALED_NONCE_SIZE);
        check_within(file, lock->wrapped, KEY_SIZE + SEALED_TAG_SIZE);
    }
}

static void want(bool truth)
{
    if (!truth)
        abort();
}

/* The command line has a parser of its own: what the service takes for a backup, it must, too, and
 * read the same. */
static void compare(const struct backup_head *head, const struct backup_file *file)
{
    size_t recipients = 0;

    for (size_t i = 0; i < file->lock_count; i++)
        recipients += file->locks[i].kind == BACKUP_LOCK_RECIPIENT;
    want(head->format == file->format && head->created_usec == file->created_usec);
    want(memcmp(head->realm, file->realm, sizeof(head->realm)) == 0);
    want(head->generation_count == file->generation_count);
    want(head->is_signed == (file->signer != NULL));
    want(!head->is_signed || memcmp(head->signer, file->signer, sizeof(head->signer)) == 0);
    want(head->recipient_count == recipients);
    want(head->has_passphrase == (recipients < file->lock_count));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct backup_head head;
    struct backup_file file;
    int r = backup_head_parse(bytes, size, &head);

    if (backup_file_parse(bytes, size, &file) != KEYRING_DONE)
        return 0;
    want(r == BACKUP_HEAD_DONE);
    compare(&head, &file);
    check_within(&file, file.hint, file.hint_length);
    check_within(&file, file.host, file.host_length);
    check_within(&file, file.sealed.bytes, file.sealed.size);
    check_within(&file, file.generations, file.generation_count * BACKUP_GENERATION_SIZE);
    for (size_t i = 0; i < file.lock_count; i++)
        check_lock(&file, &file.locks[i]);
    if (file.format >= BACKUP_FORMAT_LOCKS) {
        check_within(&file, file.signer, KEY_SIZE);
        check_within(&file, file.signature, BACKUP_SIGNATURE_SIZE);
    }
    (void)!backup_file_check(&file);
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    CLEANUP_SECRET struct secret *passphrase = NULL;
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct backup_request request = { .to_recipients = true, .hint = "a hint" };
    uint8_t private_key[RECIPIENT_KEY_SIZE];
    struct key content;

    if (keys_init() < 0 || keyring_new(&keyring) < 0 ||
        secret_new_copy("passphrase", 10, &passphrase) < 0 ||
        recipient_key_new(private_key, keyring->recipients[0].public_key) < 0)
        abort();
    strcpy(keyring->recipients[0].name, "offline");
    keyring->recipient_count = 1;
    request.passphrase = passphrase;
    if (backup_file_seal(keyring, &request, &bytes, &content) != KEYRING_DONE ||
        bytes->length > room)
        abort();
    memcpy(ret_bytes, bytes->bytes, bytes->length);
    return bytes->length;
}

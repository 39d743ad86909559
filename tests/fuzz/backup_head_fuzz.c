/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A backup's bytes, before any key is tried; what comes after is behind its seal. */
#include "common/backup_signature.h"
#include "common/recipient_key.h"
#include "dbus-service/keys/backup_file.h"
#include "dbus-service/keys/keyring_content.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t *all;
static size_t all_size;

static void want(bool truth)
{
    if (!truth)
        abort();
}

/* Everything that the parser borrows must lie within the bytes. */
static void check_within(const uint8_t *part, size_t length)
{
    want(part >= all && length <= all_size && part <= all + (all_size - length));
}

static void check_lock(const struct backup_head *head, const struct backup_lock *lock)
{
    if (lock->kind == BACKUP_LOCK_RECIPIENT) {
        check_within(lock->public_key, KEY_SIZE);
        check_within(lock->sealed, BACKUP_SEALED_KEY_SIZE);
        want(name_is_valid(lock->name));
        return;
    }
    want(lock->kind == BACKUP_LOCK_PASSPHRASE);
    check_within(lock->salt, BACKUP_SALT_SIZE);
    check_within(lock->commitment, BACKUP_COMMITMENT_SIZE);
    if (head->format < BACKUP_FORMAT_LOCKS)
        return;
    check_within(lock->bytes, BACKUP_LOCK_HEAD_SIZE);
    check_within(lock->nonce, BACKUP_NONCE_SIZE);
    check_within(lock->wrapped, BACKUP_WRAPPED_SIZE);
}

/* Safe to show, and to send over the bus. */
static void check_line(const char *line, size_t size)
{
    size_t length = strnlen(line, size);

    want(length < size && text_is_utf8(line, length, size));
    for (size_t i = 0; i < length; i++)
        want((uint8_t)line[i] >= 0x20 && line[i] != 0x7f);
}

static void check_content(const struct backup_head *head)
{
    want(head->bytes == all);
    check_within(head->bytes, head->size);
    check_within(head->nonce, BACKUP_NONCE_SIZE);
    want(head->nonce == all + head->size && head->sealed_size >= BACKUP_TAG_SIZE);
    check_within(head->sealed, head->sealed_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct backup_head head;
    const uint8_t *fingerprint;

    all = bytes;
    all_size = size;
    if (backup_head_parse(bytes, size, &head) != BACKUP_HEAD_DONE)
        return 0;
    check_line(head.hint, sizeof(head.hint));
    check_line(head.host, sizeof(head.host));
    for (size_t i = 0; i < head.generation_count; i++) {
        backup_head_generation(&head, i, &fingerprint);
        check_within(fingerprint, FINGERPRINT_SIZE);
    }
    want(head.lock_count >= 1);
    for (size_t i = 0; i < head.lock_count; i++)
        check_lock(&head, &head.locks[i]);
    check_content(&head);
    want((head.format < BACKUP_FORMAT_LOCKS) == (head.signer == NULL));
    if (head.signer)
        (void)!backup_signature_check(bytes, size, head.signer);
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

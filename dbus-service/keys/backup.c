/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/backup.h"

#include "common/backup_signature.h"
#include "common/names.h"
#include "common/safe_open.h"
#include "dbus-service/keys/backup_file.h"
#include "dbus-service/keys/durable_file.h"
#include "dbus-service/keys/equal.h"
#include "dbus-service/keys/keyring_content.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>

int backup_check(int fd)
{
    int r = safe_is_empty_file(fd);

    return r < 0 ? r : r == 0 ? KEYRING_BAD_FILE : KEYRING_DONE;
}

void backup_discard(int fd)
{
    if (ftruncate(fd, 0) == 0)
        (void)!fsync(fd);
}

/* Reading */

/* The head borrows from the bytes, which are as their signer left them. Format 1 has none: what was
 * changed in it is found when it is opened. */
static int load(int fd, struct secret **ret_bytes, struct backup_head *ret_head)
{
    static const int outcomes[] = {
        [BACKUP_HEAD_DONE] = KEYRING_DONE,
        [BACKUP_HEAD_NOT_ONE] = KEYRING_NOT_A_BACKUP,
        [BACKUP_HEAD_DAMAGED] = KEYRING_DAMAGED,
        [BACKUP_HEAD_NEWER] = KEYRING_NEWER,
    };
    int r = durable_file_read(fd, BACKUP_FILE_MAX + 1, ret_bytes);

    if (r < 0)
        return r;
    r = outcomes[backup_head_parse((*ret_bytes)->bytes, (*ret_bytes)->length, ret_head)];
    if (r == KEYRING_DONE && ret_head->signer)
        r = backup_signature_check((*ret_bytes)->bytes, (*ret_bytes)->length, ret_head->signer);
    return r == -EBADMSG ? KEYRING_DAMAGED : r;
}

static void hash_of(const struct secret *bytes, uint8_t ret_hash[BACKUP_HASH_SIZE])
{
    uint8_t hash[crypto_generichash_BYTES];

    crypto_generichash(hash, sizeof(hash), bytes->bytes, bytes->length, NULL, 0);
    memcpy(ret_hash, hash, BACKUP_HASH_SIZE);
}

static void fill_facts(struct backup_facts *facts, const struct backup_head *head)
{
    const uint8_t *fingerprint;

    facts->format = head->format;
    memcpy(facts->realm, head->realm, sizeof(facts->realm));
    facts->created_usec = head->created_usec;
    facts->is_signed = head->signer != NULL;
    if (head->signer)
        memcpy(facts->signer, head->signer, sizeof(facts->signer));
    memcpy(facts->hint, head->hint, sizeof(facts->hint));
    memcpy(facts->host, head->host, sizeof(facts->host));
    facts->generation = backup_head_generation(head, head->generation_count - 1, &fingerprint);
}

int backup_inspect(int fd, struct backup_facts **ret_facts)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct backup_facts *facts;
    struct backup_head head;
    int r = load(fd, &bytes, &head);

    if (r != KEYRING_DONE)
        return r;
    facts = calloc(1, sizeof(*facts));
    if (!facts)
        return -ENOMEM;
    fill_facts(facts, &head);
    hash_of(bytes, facts->hash);
    *ret_facts = facts;
    return KEYRING_DONE;
}

int backup_open(int fd, const struct backup_key *key, struct keyring **ret_keyring,
                struct backup_manifest *ret_manifest)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    CLEANUP_KEY struct key content;
    struct backup_head head;
    int r = load(fd, &bytes, &head);

    if (r != KEYRING_DONE)
        return r;
    r = backup_file_unlock(&head, key, &content);
    if (r != KEYRING_DONE)
        return r;
    return backup_file_unseal(&head, &content, ret_keyring, ret_manifest);
}

/* Writing and proving */

/* The key of the content, as whoever restores gets it: by the passphrase. Who has the recipients'
 * public keys only, has no more than the key that was sealed to them. */
static int prove_key(const struct backup_head *head, const struct backup_request *request,
                     struct key *content)
{
    struct backup_key key = { .passphrase = request->passphrase };

    return request->passphrase ? backup_file_unlock(head, &key, content) : KEYRING_DONE;
}

static int prove_content(const struct backup_head *head, const struct key *content,
                         const struct keyring *keyring)
{
    CLEANUP_KEYRING struct keyring *found = NULL;
    CLEANUP_SECRET struct secret *found_content = NULL;
    CLEANUP_SECRET struct secret *expected = NULL;
    struct backup_manifest manifest;
    int r = backup_file_unseal(head, content, &found, &manifest);

    if (r != KEYRING_DONE)
        return r;
    r = keyring_format(found, &found_content);
    if (r < 0)
        return r;
    r = keyring_format(keyring, &expected);
    if (r < 0)
        return r;
    return secret_equal(expected, found_content->bytes, found_content->length) ? KEYRING_DONE
                                                                              : KEYRING_DAMAGED;
}

/* Opens what the disk gives back, and compares it with what was meant. */
static int prove(int fd, const struct secret *bytes, const struct backup_request *request,
                 struct key *content, const struct keyring *keyring)
{
    CLEANUP_SECRET struct secret *found = NULL;
    struct backup_head head;
    int r;

    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* from the disk if it can be had */
    r = load(fd, &found, &head);
    if (r != KEYRING_DONE)
        return r;
    if (found->length != bytes->length || memcmp(found->bytes, bytes->bytes, bytes->length) != 0)
        return KEYRING_DAMAGED;
    r = prove_key(&head, request, content);
    return r == KEYRING_DONE ? prove_content(&head, content, keyring) : r;
}

static int write_and_prove(int fd, const struct keyring *keyring,
                           const struct backup_request *request, struct backup_info *ret_info)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    CLEANUP_KEY struct key content;
    int r = backup_file_seal(keyring, request, &bytes, &content);

    if (r != KEYRING_DONE)
        return r;
    if (durable_file_write(fd, bytes->bytes, bytes->length) < 0)
        return KEYRING_BACKUP_FAILED;
    r = prove(fd, bytes, request, &content, keyring);
    if (r != KEYRING_DONE)
        return r == -ENOMEM ? r : KEYRING_BACKUP_FAILED;
    ret_info->time_usec = keyring_now_usec();
    ret_info->generation = keyring->generations[keyring->count - 1].info.number;
    hash_of(bytes, ret_info->hash);
    return KEYRING_DONE;
}

static int check_request(const struct keyring *keyring, const struct backup_request *request)
{
    if (!request->passphrase && !request->to_recipients)
        return -EINVAL;
    if (request->passphrase && !passphrase_is_valid(request->passphrase))
        return KEYRING_PASSPHRASE_LENGTH;
    if (request->to_recipients && keyring->recipient_count == 0)
        return KEYRING_NO_RECIPIENTS;
    return text_is_utf8(request->hint, strlen(request->hint), HINT_MAX_BYTES) ? KEYRING_DONE
                                                                            : -EINVAL;
}

int backup_write(int fd, const struct keyring *keyring, const struct backup_request *request,
                 struct backup_info *ret_info)
{
    int r = backup_check(fd);

    if (r != KEYRING_DONE)
        return r;
    r = check_request(keyring, request);
    if (r != KEYRING_DONE)
        return r;
    r = write_and_prove(fd, keyring, request, ret_info);
    if (r != KEYRING_DONE)
        backup_discard(fd);
    return r;
}

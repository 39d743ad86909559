/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/backup_head.h"

#include "common/backup_signature.h"
#include "common/cursor.h"

#include <string.h>

static void parse_line(struct cursor *cursor, size_t maximum, char *ret_line)
{
    size_t length;
    const uint8_t *text = cursor_get_block(cursor, maximum, &length);

    if (text)
        text_to_line((const char *)text, length, ret_line);
}

static void parse_names(struct cursor *cursor, struct backup_head *head)
{
    head->realm = cursor_get_view(cursor, REALM_ID_SIZE);
    head->created_usec = cursor_get_u64(cursor);
    parse_line(cursor, HINT_MAX_BYTES, head->hint);
    parse_line(cursor, NAME_MAX_BYTES, head->host);
    head->generation_count = cursor_get_u16(cursor);
    head->generations =
        cursor_get_view(cursor, head->generation_count * (size_t)BACKUP_GENERATION_SIZE);
}

static void parse_passphrase(struct cursor *cursor, struct backup_lock *lock)
{
    lock->kind = BACKUP_LOCK_PASSPHRASE;
    lock->opslimit = cursor_get_u64(cursor);
    lock->memlimit = cursor_get_u64(cursor);
    lock->salt = cursor_get_view(cursor, BACKUP_SALT_SIZE);
    lock->commitment = cursor_get_view(cursor, BACKUP_COMMITMENT_SIZE);
}

static int parse_recipient(struct cursor *cursor, struct backup_lock *lock)
{
    const uint8_t *name;
    size_t length;

    lock->public_key = cursor_get_view(cursor, BACKUP_PUBLIC_KEY_SIZE);
    name = cursor_get_block(cursor, NAME_MAX_BYTES, &length);
    if (name && !memchr(name, '\0', length))
        memcpy(lock->name, name, length);
    lock->sealed = cursor_get_view(cursor, BACKUP_SEALED_KEY_SIZE);
    return name_is_valid(lock->name) ? BACKUP_HEAD_DONE : BACKUP_HEAD_DAMAGED;
}

static int parse_lock(struct cursor *cursor, struct backup_lock *lock)
{
    unsigned kind = cursor_get_u8(cursor);
    int r = BACKUP_HEAD_DONE;

    lock->bytes = cursor->bytes;
    lock->kind = (enum backup_lock_kind)kind;
    switch (lock->kind) {
    case BACKUP_LOCK_PASSPHRASE:
        parse_passphrase(cursor, lock);
        lock->nonce = cursor_get_view(cursor, BACKUP_NONCE_SIZE);
        lock->wrapped = cursor_get_view(cursor, BACKUP_WRAPPED_SIZE);
        break;
    case BACKUP_LOCK_RECIPIENT:
        r = parse_recipient(cursor, lock);
        break;
    default:
        r = BACKUP_HEAD_DAMAGED;
    }
    return cursor_at_end(cursor) ? r : BACKUP_HEAD_DAMAGED;
}

/* One passphrase at most: each costs whoever tries it a second. */
static int parse_locks(struct cursor *cursor, struct backup_head *head)
{
    size_t count, passphrases = 0;

    head->signer = cursor_get_view(cursor, BACKUP_SIGNER_SIZE);
    count = cursor_get_u16(cursor);
    if (count < 1 || count > BACKUP_LOCKS_MAX)
        return BACKUP_HEAD_DAMAGED;
    while (head->lock_count < count) {
        size_t length;
        const uint8_t *block = cursor_get_block(cursor, BACKUP_LOCK_MAX_SIZE, &length);
        struct cursor inner = cursor_reader(block, block ? length : 0);
        struct backup_lock *lock = &head->locks[head->lock_count++];

        if (parse_lock(&inner, lock) != BACKUP_HEAD_DONE)
            return BACKUP_HEAD_DAMAGED;
        passphrases += lock->kind == BACKUP_LOCK_PASSPHRASE;
    }
    head->commitment = cursor_get_view(cursor, BACKUP_COMMITMENT_SIZE);
    return passphrases <= 1 ? BACKUP_HEAD_DONE : BACKUP_HEAD_DAMAGED;
}

static int parse_keys(struct cursor *cursor, struct backup_head *head)
{
    if (head->format >= BACKUP_FORMAT_LOCKS)
        return parse_locks(cursor, head);
    parse_passphrase(cursor, &head->locks[head->lock_count++]);
    return BACKUP_HEAD_DONE;
}

static int parse_body(struct cursor *cursor, struct backup_head *head)
{
    int r;

    parse_names(cursor, head);
    if (head->generation_count < 1 || head->generation_count > GENERATIONS_MAX)
        return BACKUP_HEAD_DAMAGED;
    r = parse_keys(cursor, head);
    if (r != BACKUP_HEAD_DONE)
        return r;
    head->size = cursor->position;
    head->nonce = cursor_get_view(cursor, BACKUP_NONCE_SIZE);
    head->sealed = cursor_get_block(cursor, BACKUP_FILE_MAX, &head->sealed_size);
    if (head->format >= BACKUP_FORMAT_LOCKS)
        cursor_get_view(cursor, BACKUP_SIGNATURE_SIZE);
    return cursor_at_end(cursor) && head->sealed_size >= BACKUP_TAG_SIZE ? BACKUP_HEAD_DONE
                                                                         : BACKUP_HEAD_DAMAGED;
}

int backup_head_parse(const void *bytes, size_t size, struct backup_head *ret_head)
{
    struct cursor cursor = cursor_reader(bytes, size);
    const uint8_t *magic = cursor_get_view(&cursor, BACKUP_MAGIC_SIZE);
    uint32_t format = cursor_get_u32(&cursor);

    if (!magic || memcmp(magic, BACKUP_MAGIC, BACKUP_MAGIC_SIZE) != 0)
        return BACKUP_HEAD_NOT_ONE;
    if (format > BACKUP_FORMAT_LOCKS)
        return BACKUP_HEAD_NEWER;
    if (format < BACKUP_FORMAT_PASSPHRASE || size > BACKUP_FILE_MAX)
        return BACKUP_HEAD_DAMAGED;
    *ret_head = (struct backup_head){ .bytes = bytes, .format = format };
    return parse_body(&cursor, ret_head);
}

uint32_t backup_head_generation(const struct backup_head *head, size_t index,
                                const uint8_t **ret_fingerprint)
{
    struct cursor cursor = cursor_reader(head->generations + index * BACKUP_GENERATION_SIZE,
                                         BACKUP_GENERATION_SIZE);
    uint32_t number = cursor_get_u32(&cursor);

    *ret_fingerprint = cursor_get_view(&cursor, FINGERPRINT_SIZE);
    return number;
}

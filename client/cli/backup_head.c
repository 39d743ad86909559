/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/backup_head.h"

#include "common/backup_signature.h"
#include "common/cursor.h"

#include <string.h>

#define MAGIC "MSBACKU1"
#define MAGIC_SIZE 8
#define PASSPHRASE_SIZE (8 + 8 + 16 + 32) /* opslimit, memlimit, salt, commitment */
#define NONCE_SIZE 24
#define TAG_SIZE 16
#define KEY_SIZE 32
#define COMMITMENT_SIZE 32
#define SEALED_KEY_SIZE 80
#define LOCK_MAX 512

enum { FORMAT_PASSPHRASE = 1, FORMAT_LOCKS = 2 };
enum { LOCK_PASSPHRASE = 1, LOCK_RECIPIENT = 2 };

/* A block as text for people. */
static void get_text(struct cursor *cursor, size_t maximum, char *ret_text)
{
    size_t length;
    const uint8_t *block = cursor_get_block(cursor, maximum, &length);

    if (!block || !text_is_utf8((const char *)block, length, maximum)) {
        ret_text[0] = block ? '?' : '\0';
        ret_text[1] = '\0';
        return;
    }
    memcpy(ret_text, block, length);
    ret_text[length] = '\0';
    for (char *c = ret_text; *c; c++)
        if ((uint8_t)*c < 0x20 || *c == 0x7f)
            *c = '?';
}

static void parse_names(struct cursor *cursor, struct backup_head *head)
{
    cursor_get_bytes(cursor, head->realm, sizeof(head->realm));
    head->created_usec = cursor_get_u64(cursor);
    get_text(cursor, HINT_MAX_BYTES, head->hint);
    get_text(cursor, NAME_MAX_BYTES, head->host);
}

static int parse_generations(struct cursor *cursor, struct backup_head *head)
{
    size_t count = cursor_get_u16(cursor);

    if (count < 1 || count > BACKUP_HEAD_GENERATIONS_MAX)
        return BACKUP_HEAD_DAMAGED;
    for (size_t i = 0; i < count; i++) {
        head->generations[i].number = cursor_get_u32(cursor);
        cursor_get_bytes(cursor, head->generations[i].fingerprint, BACKUP_HEAD_FINGERPRINT_SIZE);
    }
    head->generation_count = count;
    return cursor_ok(cursor) ? BACKUP_HEAD_DONE : BACKUP_HEAD_DAMAGED;
}

static int parse_lock(struct cursor *cursor, struct backup_head *head)
{
    switch (cursor_get_u8(cursor)) {
    case LOCK_PASSPHRASE:
        cursor_get_view(cursor, PASSPHRASE_SIZE + NONCE_SIZE + KEY_SIZE + TAG_SIZE);
        head->has_passphrase = true;
        break;
    case LOCK_RECIPIENT:
        if (head->recipient_count == BACKUP_HEAD_RECIPIENTS_MAX)
            return BACKUP_HEAD_DAMAGED;
        cursor_get_view(cursor, KEY_SIZE);
        get_text(cursor, NAME_MAX_BYTES, head->recipients[head->recipient_count++]);
        cursor_get_view(cursor, SEALED_KEY_SIZE);
        break;
    default:
        return BACKUP_HEAD_DAMAGED;
    }
    return cursor_at_end(cursor) ? BACKUP_HEAD_DONE : BACKUP_HEAD_DAMAGED;
}

/* Format 2: who signed it, and the locks, any one of which opens it. */
static int parse_locks(struct cursor *cursor, struct backup_head *head)
{
    size_t count;
    int r = BACKUP_HEAD_DONE;

    head->is_signed = true;
    cursor_get_bytes(cursor, head->signer, sizeof(head->signer));
    count = cursor_get_u16(cursor);
    if (count < 1 || count > BACKUP_HEAD_RECIPIENTS_MAX + 1)
        return BACKUP_HEAD_DAMAGED;
    for (size_t i = 0; i < count && r == BACKUP_HEAD_DONE; i++) {
        size_t length;
        const uint8_t *block = cursor_get_block(cursor, LOCK_MAX, &length);
        struct cursor inner = cursor_reader(block, block ? length : 0);

        r = parse_lock(&inner, head);
    }
    cursor_get_view(cursor, COMMITMENT_SIZE);
    return r;
}

static int parse_body(struct cursor *cursor, struct backup_head *head)
{
    size_t length;
    int r;

    parse_names(cursor, head);
    r = parse_generations(cursor, head);
    if (r == BACKUP_HEAD_DONE && head->format == FORMAT_LOCKS) {
        r = parse_locks(cursor, head);
    } else {
        cursor_get_view(cursor, PASSPHRASE_SIZE);
        head->has_passphrase = true;
    }
    if (r != BACKUP_HEAD_DONE)
        return r;
    cursor_get_view(cursor, NONCE_SIZE);
    cursor_get_block(cursor, BACKUP_HEAD_FILE_MAX, &length);
    if (head->format == FORMAT_LOCKS)
        cursor_get_view(cursor, BACKUP_SIGNATURE_SIZE);
    return cursor_at_end(cursor) ? BACKUP_HEAD_DONE : BACKUP_HEAD_DAMAGED;
}

int backup_head_parse(const void *bytes, size_t size, struct backup_head *ret_head)
{
    struct cursor cursor = cursor_reader(bytes, size);
    const uint8_t *magic = cursor_get_view(&cursor, MAGIC_SIZE);

    if (!magic || memcmp(magic, MAGIC, MAGIC_SIZE) != 0)
        return BACKUP_HEAD_NOT_ONE;
    *ret_head = (struct backup_head){ .format = cursor_get_u32(&cursor) };
    if (!cursor_ok(&cursor) || ret_head->format < FORMAT_PASSPHRASE)
        return BACKUP_HEAD_DAMAGED;
    if (ret_head->format > FORMAT_LOCKS)
        return BACKUP_HEAD_NEWER;
    return parse_body(&cursor, ret_head);
}

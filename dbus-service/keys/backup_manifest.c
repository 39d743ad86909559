/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/backup_manifest.h"

#include "dbus-service/keys/keyring.h"

#define MANIFEST_FORMAT 1

int backup_manifest_parse(struct cursor *cursor, struct backup_manifest *ret_manifest)
{
    unsigned format = cursor_get_u8(cursor);

    if (format > MANIFEST_FORMAT)
        return KEYRING_NEWER;
    *ret_manifest = (struct backup_manifest){ .revision = 0 };
    cursor_get_bytes(cursor, ret_manifest->log_id, sizeof(ret_manifest->log_id));
    ret_manifest->revision = cursor_get_u64(cursor);
    ret_manifest->count = cursor_get_u8(cursor);
    for (size_t i = 0; i < ret_manifest->count; i++) {
        ret_manifest->counts[i].class = cursor_get_u8(cursor);
        ret_manifest->counts[i].generation = cursor_get_u32(cursor);
        ret_manifest->counts[i].records = cursor_get_u64(cursor);
    }
    return cursor_at_end(cursor) && format == MANIFEST_FORMAT ? KEYRING_DONE : KEYRING_DAMAGED;
}

void backup_manifest_put(struct cursor *cursor, const struct backup_manifest *manifest)
{
    cursor_put_u8(cursor, MANIFEST_FORMAT);
    cursor_put_bytes(cursor, manifest->log_id, sizeof(manifest->log_id));
    cursor_put_u64(cursor, manifest->revision);
    cursor_put_u8(cursor, (uint8_t)manifest->count);
    for (size_t i = 0; i < manifest->count; i++) {
        cursor_put_u8(cursor, manifest->counts[i].class);
        cursor_put_u32(cursor, manifest->counts[i].generation);
        cursor_put_u64(cursor, manifest->counts[i].records);
    }
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A backup's manifest, behind its seal: what parses is written back as the same bytes. */
#include "dbus-service/keys/backup_manifest.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct cursor cursor = cursor_reader(bytes, size);
    struct backup_manifest manifest;
    uint8_t written[BACKUP_MANIFEST_MAX_SIZE];

    if (backup_manifest_parse(&cursor, &manifest) != 0)
        return 0;
    cursor = cursor_writer(written, sizeof(written));
    backup_manifest_put(&cursor, &manifest);
    if (!cursor_ok(&cursor) || cursor.position != size || memcmp(written, bytes, size) != 0)
        abort();
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    struct backup_manifest manifest = { .log_id = "a log of its id", .revision = 7, .count = 2 };
    struct cursor cursor = cursor_writer(ret_bytes, room);

    manifest.counts[0] = (struct backup_count){ 1, 1, 10 };
    manifest.counts[1] = (struct backup_count){ 2, 1, 1000 };
    backup_manifest_put(&cursor, &manifest);
    return cursor.position;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The anchor's file. The first byte says whether its check value is made to fit, as by somebody who
 * has the key: without that nothing but the check would ever be reached. */
#include "dbus-service/store/anchor.h"
#include "tests/fuzz/folder.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/store_fixture.h"

#include <stdlib.h>
#include <string.h>

enum { CHECKED = 112, SIZE = 144 };

static const struct log_hash hash = { .hash = store_hash };

size_t fuzz_places = 1024;

static void make_fit(uint8_t *bytes)
{
    const struct iovec parts[] = { { (void *)(uintptr_t)"mastersecret anchor", 19 },
                                   { bytes, CHECKED } };

    store_hash(NULL, parts, 2, bytes + CHECKED);
}

/* What was read is written so that it reads the same. */
static void check_again(const char *path, const struct anchor *anchor)
{
    struct anchor again;

    if (anchor_put(path, &hash, anchor) < 0 || anchor_get(path, &hash, &again) != ANCHOR_DONE ||
        memcmp(again.realm, anchor->realm, sizeof(again.realm)) != 0 ||
        memcmp(again.head.id, anchor->head.id, sizeof(again.head.id)) != 0 ||
        memcmp(again.head.chain, anchor->head.chain, sizeof(again.head.chain)) != 0 ||
        again.head.revision != anchor->head.revision)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t file[4 * SIZE];
    struct anchor anchor;
    const char *path;
    int r;

    if (size == 0 || size - 1 > sizeof(file))
        return 0;
    memcpy(file, bytes + 1, size - 1);
    if ((bytes[0] & 1) && size - 1 >= SIZE)
        make_fit(file);
    path = folder_put("anchor", file, size - 1);
    r = anchor_get(path, &hash, &anchor);
    if (r < 0 || r == ANCHOR_ABSENT)
        abort();
    if (r == ANCHOR_DONE)
        check_again(path, &anchor);
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    static const uint8_t head[] = "\1MSANCHR1\1\0\0\0";

    if (room < 1 + SIZE)
        abort();
    memset(ret_bytes, 0, 1 + SIZE);
    memcpy(ret_bytes, head, sizeof(head));
    memset(ret_bytes + 1 + 16, 7, CHECKED - 32);
    return 1 + SIZE;
}

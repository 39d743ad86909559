/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A sealed record: nothing but the one that was sealed opens. */
#include "dbus-service/keys/keyring_content.h"
#include "dbus-service/keys/record.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static const struct record_key key = {
    .class = RECORD_MAPPING,
    .name_length = 6,
    .name = "ualice",
};
static struct keyring *keyring;
static uint8_t *sealed;
static size_t sealed_size;

/* libFuzzer does not ask for the seed, so whoever comes first makes it. */
static void make_record(void)
{
    if (keyring)
        return;
    if (keys_init() < 0 || keyring_new(&keyring) < 0 ||
        record_seal(keyring, &key, 1, RECORD_LIVE, "a value", 7, &sealed, &sealed_size) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    CLEANUP_SECRET struct secret *value = NULL;
    bool same;
    int r;

    make_record();
    same = size == sealed_size && memcmp(bytes, sealed, size) == 0;
    r = record_open(keyring, &key, bytes, size, NULL, &value);
    if ((r == RECORD_OPENED) != same || (value != NULL) != same || r == RECORD_IS_TOMBSTONE)
        abort();
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    make_record();
    if (sealed_size > room)
        abort();
    memcpy(ret_bytes, sealed, sealed_size);
    return sealed_size;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A recipient's key as somebody typed it: what is read is read again from how we write it. The check
 * in the text keeps a fuzzer from getting far by itself: half of the input is a key, written out and then
 * changed by the other half. */
#include "common/recipient_key.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void check_public(const char *text, size_t length)
{
    uint8_t key[RECIPIENT_KEY_SIZE], again[RECIPIENT_KEY_SIZE];
    char written[RECIPIENT_PUBLIC_TEXT_SIZE];

    if (recipient_public_parse(text, length, key) != RECIPIENT_KEY_DONE)
        return;
    recipient_public_format(key, written);
    if (recipient_public_parse(written, strlen(written), again) != RECIPIENT_KEY_DONE ||
        memcmp(key, again, sizeof(key)) != 0)
        abort();
}

static void check_private(const char *text, size_t length)
{
    uint8_t key[RECIPIENT_KEY_SIZE], again[RECIPIENT_KEY_SIZE];
    char written[RECIPIENT_PRIVATE_TEXT_SIZE];

    if (recipient_private_parse(text, length, key) != RECIPIENT_KEY_DONE)
        return;
    recipient_private_format(key, written);
    if (recipient_private_parse(written, strlen(written), again) != RECIPIENT_KEY_DONE ||
        memcmp(key, again, sizeof(key)) != 0)
        abort();
}

/* What a slip of the pen changes is not the same key any more, except case and separators. */
static void check_slips(const uint8_t *bytes, size_t size)
{
    char text[RECIPIENT_PRIVATE_TEXT_SIZE];
    uint8_t key[RECIPIENT_KEY_SIZE];

    recipient_private_format(bytes, text);
    for (size_t i = RECIPIENT_KEY_SIZE; i + 1 < size; i += 2)
        text[bytes[i] % (sizeof(text) - 1)] = (char)bytes[i + 1];
    if (recipient_private_parse(text, sizeof(text) - 1, key) == RECIPIENT_KEY_DONE &&
        memcmp(key, bytes, sizeof(key)) != 0)
        abort(); /* one in 2^32 */
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    check_public((const char *)bytes, size);
    check_private((const char *)bytes, size);
    if (size >= RECIPIENT_KEY_SIZE)
        check_slips(bytes, size);
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    uint8_t private_key[RECIPIENT_KEY_SIZE], public_key[RECIPIENT_KEY_SIZE];

    if (room < RECIPIENT_PUBLIC_TEXT_SIZE || recipient_key_new(private_key, public_key) < 0)
        abort();
    recipient_public_format(public_key, (char *)ret_bytes);
    return RECIPIENT_PUBLIC_TEXT_SIZE - 1;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/recipient_key.h"

#include "common/base32.h"
#include "common/secret.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>

#define KEY_FORMAT 1
#define CHECK_SIZE 4
#define BODY_SIZE (1 + RECIPIENT_KEY_SIZE + CHECK_SIZE)

_Static_assert(BASE32_LENGTH(BODY_SIZE) == RECIPIENT_KEY_LETTERS, "letters of a key");
_Static_assert(RECIPIENT_KEY_SIZE == crypto_box_PUBLICKEYBYTES, "X25519");
_Static_assert(RECIPIENT_KEY_SIZE == crypto_box_SECRETKEYBYTES, "X25519");

struct body {
    uint8_t bytes[BODY_SIZE];
};

static void body_cleanup(struct body *body)
{
    memory_wipe(body, sizeof(*body));
}
#define CLEANUP_BODY CLEANUP(body_cleanup)

int recipient_key_new(uint8_t ret_private[RECIPIENT_KEY_SIZE],
                      uint8_t ret_public[RECIPIENT_KEY_SIZE])
{
    if (sodium_init() < 0)
        return -EIO;
    crypto_box_keypair(ret_public, ret_private);
    return 0;
}

void recipient_key_public(const uint8_t private_key[RECIPIENT_KEY_SIZE],
                          uint8_t ret_public[RECIPIENT_KEY_SIZE])
{
    (void)!crypto_scalarmult_base(ret_public, private_key); /* cannot fail for the base point */
}

bool recipient_key_is_usable(const uint8_t public_key[RECIPIENT_KEY_SIZE])
{
    static const uint8_t any[RECIPIENT_KEY_SIZE] = { 1 };
    uint8_t shared[RECIPIENT_KEY_SIZE];

    return crypto_scalarmult(shared, any, public_key) == 0;
}

/* The prefix is hashed too, so that one half is not taken for the other. */
static void check_of(const char *prefix, const struct body *body, uint8_t ret_check[CHECK_SIZE])
{
    uint8_t hash[crypto_generichash_BYTES];
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, sizeof(hash));
    crypto_generichash_update(&state, (const uint8_t *)prefix, strlen(prefix));
    crypto_generichash_update(&state, body->bytes, BODY_SIZE - CHECK_SIZE);
    crypto_generichash_final(&state, hash, sizeof(hash));
    memory_wipe(&state, sizeof(state));
    memcpy(ret_check, hash, CHECK_SIZE);
}

static void format(const char *prefix, const uint8_t key[RECIPIENT_KEY_SIZE], char *ret_text)
{
    CLEANUP_BODY struct body body = { { KEY_FORMAT } };
    size_t length = strlen(prefix);

    memcpy(body.bytes + 1, key, RECIPIENT_KEY_SIZE);
    check_of(prefix, &body, body.bytes + BODY_SIZE - CHECK_SIZE);
    memcpy(ret_text, prefix, length);
    base32_format(body.bytes, BODY_SIZE, ret_text + length);
    ret_text[length + RECIPIENT_KEY_LETTERS] = '\0';
}

void recipient_public_format(const uint8_t public_key[RECIPIENT_KEY_SIZE],
                             char ret_text[RECIPIENT_PUBLIC_TEXT_SIZE])
{
    format(RECIPIENT_PUBLIC_PREFIX, public_key, ret_text);
}

void recipient_private_format(const uint8_t private_key[RECIPIENT_KEY_SIZE],
                              char ret_text[RECIPIENT_PRIVATE_TEXT_SIZE])
{
    format(RECIPIENT_PRIVATE_PREFIX, private_key, ret_text);
}

static bool begins_with(const char *text, size_t length, const char *prefix)
{
    return length >= strlen(prefix) && strncasecmp(text, prefix, strlen(prefix)) == 0;
}

static int parse(const char *prefix, const char *other, const char *text, size_t length,
                 uint8_t ret_key[RECIPIENT_KEY_SIZE])
{
    CLEANUP_BODY struct body body;
    uint8_t check[CHECK_SIZE];

    for (; length > 0 && isspace((unsigned char)*text); length--)
        text++;
    if (begins_with(text, length, other))
        return RECIPIENT_KEY_OTHER_HALF;
    if (!begins_with(text, length, prefix))
        return RECIPIENT_KEY_NOT_ONE;
    if (base32_parse(text + strlen(prefix), length - strlen(prefix), body.bytes, BODY_SIZE) < 0)
        return RECIPIENT_KEY_MISTYPED;
    check_of(prefix, &body, check);
    if (sodium_memcmp(check, body.bytes + BODY_SIZE - CHECK_SIZE, CHECK_SIZE) != 0)
        return RECIPIENT_KEY_MISTYPED;
    if (body.bytes[0] != KEY_FORMAT)
        return body.bytes[0] > KEY_FORMAT ? RECIPIENT_KEY_NEWER : RECIPIENT_KEY_NOT_ONE;
    memcpy(ret_key, body.bytes + 1, RECIPIENT_KEY_SIZE);
    return RECIPIENT_KEY_DONE;
}

int recipient_public_parse(const char *text, size_t length, uint8_t ret_public[RECIPIENT_KEY_SIZE])
{
    uint8_t key[RECIPIENT_KEY_SIZE];
    int r = parse(RECIPIENT_PUBLIC_PREFIX, RECIPIENT_PRIVATE_PREFIX, text, length, key);

    if (r == RECIPIENT_KEY_DONE && !recipient_key_is_usable(key))
        return RECIPIENT_KEY_NOT_ONE;
    if (r == RECIPIENT_KEY_DONE)
        memcpy(ret_public, key, sizeof(key));
    return r;
}

int recipient_private_parse(const char *text, size_t length,
                            uint8_t ret_private[RECIPIENT_KEY_SIZE])
{
    return parse(RECIPIENT_PRIVATE_PREFIX, RECIPIENT_PUBLIC_PREFIX, text, length, ret_private);
}

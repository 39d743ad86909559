/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/shares.h"

#include "common/base32.h"
#include "common/cursor.h"
#include "dbus-service/keys/gf256.h"

#include <sodium.h>
#include <string.h>

#define SHARE_PREFIX "ms1-"
#define SHARE_GROUP 5 /* letters */
#define SHARE_FORMAT 1
#define SHARE_SIZE (1 + REALM_ID_SIZE + 4 + 1 + 1 + 1 + KEY_SIZE)
#define CHECK_SIZE 4
#define SHARE_LETTERS BASE32_LENGTH(SHARE_SIZE + CHECK_SIZE)
#define SHARE_TEXT_SIZE (sizeof(SHARE_PREFIX) + SHARE_LETTERS + SHARE_LETTERS / SHARE_GROUP)

bool shares_are_valid(unsigned threshold, unsigned count)
{
    return threshold >= SHARES_MIN && threshold <= count && count <= SHARES_MAX;
}

/* Text */

/* A share as bytes, with its check, and as letters. */
struct printed {
    uint8_t bytes[SHARE_SIZE + CHECK_SIZE];
    char letters[SHARE_LETTERS];
};

static void printed_wipe(struct printed *printed)
{
    memory_wipe(printed, sizeof(*printed));
}
#define CLEANUP_PRINTED CLEANUP(printed_wipe)

static void check_of(const struct printed *printed, uint8_t ret_check[CHECK_SIZE])
{
    static const uint8_t label[] = "mastersecret share";
    uint8_t hash[crypto_generichash_BYTES];
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, sizeof(hash));
    crypto_generichash_update(&state, label, sizeof(label) - 1);
    crypto_generichash_update(&state, printed->bytes, SHARE_SIZE);
    crypto_generichash_final(&state, hash, sizeof(hash));
    memory_wipe(&state, sizeof(state));
    memcpy(ret_check, hash, CHECK_SIZE);
}

static void format_bytes(const struct share *share, struct printed *ret_printed)
{
    struct cursor cursor = cursor_writer(ret_printed->bytes, SHARE_SIZE);

    cursor_put_u8(&cursor, SHARE_FORMAT);
    cursor_put_bytes(&cursor, share->realm, sizeof(share->realm));
    cursor_put_u32(&cursor, share->slot);
    cursor_put_u8(&cursor, (uint8_t)share->threshold);
    cursor_put_u8(&cursor, (uint8_t)share->count);
    cursor_put_u8(&cursor, (uint8_t)share->index);
    cursor_put_bytes(&cursor, share->bytes, sizeof(share->bytes));
    check_of(ret_printed, ret_printed->bytes + SHARE_SIZE);
}

int share_format(const struct share *share, struct secret **ret_text)
{
    CLEANUP_PRINTED struct printed printed;
    struct secret *text;
    int r = secret_new(SHARE_TEXT_SIZE, &text);

    if (r < 0)
        return r;
    format_bytes(share, &printed);
    base32_format(printed.bytes, sizeof(printed.bytes), printed.letters);
    memcpy(text->bytes, SHARE_PREFIX, strlen(SHARE_PREFIX));
    text->length = strlen(SHARE_PREFIX);
    for (size_t i = 0; i < SHARE_LETTERS; i++) {
        if (i > 0 && i % SHARE_GROUP == 0)
            text->bytes[text->length++] = '-';
        text->bytes[text->length++] = (uint8_t)printed.letters[i];
    }
    *ret_text = text;
    return 0;
}

/* The first of the share's letters, or NULL: it does not begin as a share does. */
static const char *skip_prefix(const struct secret *text)
{
    const char *at = (const char *)text->bytes, *end = at + text->length;

    for (const char *prefix = SHARE_PREFIX; *prefix && *prefix != '-'; prefix++) {
        while (at < end && *at && strchr("- \t\r\n", *at))
            at++;
        if (at == end || (*at++ | 0x20) != (*prefix | 0x20))
            return NULL;
    }
    return at;
}

static int parse_bytes(const struct printed *printed, struct share *ret_share)
{
    struct cursor cursor = cursor_reader(printed->bytes, SHARE_SIZE);
    unsigned format = cursor_get_u8(&cursor);

    cursor_get_bytes(&cursor, ret_share->realm, sizeof(ret_share->realm));
    ret_share->slot = cursor_get_u32(&cursor);
    ret_share->threshold = cursor_get_u8(&cursor);
    ret_share->count = cursor_get_u8(&cursor);
    ret_share->index = cursor_get_u8(&cursor);
    cursor_get_bytes(&cursor, ret_share->bytes, sizeof(ret_share->bytes));
    if (format > SHARE_FORMAT)
        return KEYRING_NEWER;
    if (format < SHARE_FORMAT || !shares_are_valid(ret_share->threshold, ret_share->count) ||
        ret_share->index < 1 || ret_share->index > ret_share->count)
        return KEYRING_BAD_SHARE;
    return KEYRING_DONE;
}

int share_parse(const struct secret *text, struct share *ret_share)
{
    CLEANUP_PRINTED struct printed printed;
    CLEANUP_SHARE struct share share;
    uint8_t check[CHECK_SIZE];
    const char *at = skip_prefix(text);
    size_t skipped = at ? (size_t)(at - (const char *)text->bytes) : 0;
    int r;

    if (!at || base32_parse(at, text->length - skipped, printed.bytes, sizeof(printed.bytes)) < 0)
        return KEYRING_BAD_SHARE;
    check_of(&printed, check);
    if (sodium_memcmp(check, printed.bytes + SHARE_SIZE, CHECK_SIZE) != 0)
        return KEYRING_BAD_SHARE;
    r = parse_bytes(&printed, &share);
    if (r == KEYRING_DONE)
        *ret_share = share;
    return r;
}

/* Sets */

static bool belong_together(const struct share *a, const struct share *b)
{
    return memcmp(a->realm, b->realm, sizeof(a->realm)) == 0 && a->slot == b->slot &&
           a->threshold == b->threshold && a->count == b->count;
}

int share_set_add(struct share_set *set, const struct share *share)
{
    if (set->count > 0 && !belong_together(&set->shares[0], share))
        return KEYRING_SHARES_DIFFER;
    for (size_t i = 0; i < set->count; i++) {
        if (set->shares[i].index != share->index)
            continue;
        return sodium_memcmp(set->shares[i].bytes, share->bytes, sizeof(share->bytes)) == 0
                   ? KEYRING_DONE
                   : KEYRING_SHARES_DIFFER;
    }
    set->shares[set->count++] = *share; /* as many as there are indices, at most */
    return KEYRING_DONE;
}

/* The polynomials */

/* coefficients[0] is the secret; Horner's rule at x. */
static void evaluate(const struct key *coefficients, unsigned count, uint8_t x,
                     uint8_t ret_bytes[KEY_SIZE])
{
    memcpy(ret_bytes, coefficients[count - 1].bytes, KEY_SIZE);
    for (unsigned i = count - 1; i > 0; i--)
        for (size_t byte = 0; byte < KEY_SIZE; byte++)
            ret_bytes[byte] =
                gf256_multiply(ret_bytes[byte], x) ^ coefficients[i - 1].bytes[byte];
}

void shares_split(const struct key *secret, const uint8_t realm[REALM_ID_SIZE], uint32_t slot,
                  unsigned threshold, unsigned count, struct share_set *ret_set)
{
    struct key coefficients[SHARES_MAX];

    random_bytes(coefficients, sizeof(coefficients));
    coefficients[0] = *secret;
    *ret_set = (struct share_set){ .count = count };
    for (unsigned i = 0; i < count; i++) {
        struct share *share = &ret_set->shares[i];

        *share = (struct share){
            .slot = slot, .threshold = threshold, .count = count, .index = i + 1
        };
        memcpy(share->realm, realm, sizeof(share->realm));
        evaluate(coefficients, threshold, (uint8_t)share->index, share->bytes);
    }
    memory_wipe(coefficients, sizeof(coefficients));
}

/* Lagrange: by how much the share at `which` counts at x = 0, from the indices alone. */
static uint8_t weight(const struct share_set *set, unsigned threshold, unsigned which)
{
    uint8_t x = (uint8_t)set->shares[which].index, weight = 1;

    for (unsigned i = 0; i < threshold; i++) {
        uint8_t other = (uint8_t)set->shares[i].index;

        if (i != which)
            weight = gf256_multiply(weight, gf256_multiply(other, gf256_invert(other ^ x)));
    }
    return weight;
}

int shares_join(const struct share_set *set, struct key *ret_secret)
{
    unsigned threshold = set->shares[0].threshold;

    if (set->count == 0 || set->count < threshold)
        return KEYRING_NO_SLOT;
    *ret_secret = (struct key){ { 0 } };
    for (unsigned i = 0; i < threshold; i++) {
        uint8_t factor = weight(set, threshold, i);

        for (size_t byte = 0; byte < KEY_SIZE; byte++)
            ret_secret->bytes[byte] ^= gf256_multiply(set->shares[i].bytes[byte], factor);
    }
    return KEYRING_DONE;
}

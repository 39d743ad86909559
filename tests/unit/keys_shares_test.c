/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Shares: the field, the sharing and the text. */
#include "tests/unit/keys_support.h"

#include "dbus-service/keys/gf256.h"
#include "dbus-service/keys/shares.h"

#include <ctype.h>

/* FIPS 197, sections 4.2 and 4.2.1. */
static void test_field_of_fips_197(void **state)
{
    static const struct {
        uint8_t a, b, product;
    } examples[] = {
        { 0x57, 0x83, 0xc1 }, { 0x57, 0x13, 0xfe }, { 0x57, 0x01, 0x57 }, { 0x57, 0x02, 0xae },
        { 0x57, 0x04, 0x47 }, { 0x57, 0x08, 0x8e }, { 0x57, 0x10, 0x07 },
    };

    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        assert_int_equal(gf256_multiply(examples[i].a, examples[i].b), examples[i].product);
        assert_int_equal(gf256_multiply(examples[i].b, examples[i].a), examples[i].product);
    }
}

/* Every product and every inverse, against logarithms to the base 3. */
static void test_field_against_logarithms(void **state)
{
    uint8_t power[255], logarithm[256] = { 0 };
    unsigned value = 1;

    for (unsigned i = 0; i < 255; i++) {
        power[i] = (uint8_t)value;
        logarithm[value] = (uint8_t)i;
        value ^= value << 1;
        if (value & 0x100)
            value ^= 0x11b;
    }
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            unsigned expected = a && b ? power[(logarithm[a] + logarithm[b]) % 255] : 0;

            assert_int_equal(gf256_multiply((uint8_t)a, (uint8_t)b), expected);
        }
        assert_int_equal(gf256_multiply((uint8_t)a, gf256_invert((uint8_t)a)), a != 0);
    }
    assert_int_equal(gf256_invert(0), 0);
}

/* Shares that others made: their bytes in hexadecimal, in the order of their indices. */
struct published {
    unsigned threshold, count;
    const char *secret;
    const char *shares[5];
};

static const struct published published[] = {
    /* draft-mcgrew-tss-03 "Threshold Secret Sharing", section 9 */
    { 2, 2, "7465737400", { "b9fa07e185", "f5409b4511" } },
    /* Botan, src/tests/data/tss/recovery.vec, second of [Valid], without its 21 bytes of header */
    { 3,
      5,
      "476a6636f9b0caa39a7053add55b04822ed0bd456309187b",
      { "0773d64642dc18a85158f91d69546202854bc9ed910e9173",
        "74ac6503a0a6f54dfe9bd135cc759a06b214625d8da2f5ec",
        "34b5d5731bca274635b37b85707afc86198f16f57fa57ce4",
        "db009b259b8982a9db67552714c770db64cac422e0e66464",
        "9b192b5520e550a2104fff97a8c8165bcf51b08a12e1ed6c" } },
};

static void from_hex(const char *text, uint8_t bytes[KEY_SIZE])
{
    memset(bytes, 0, KEY_SIZE);
    assert_int_equal(sodium_hex2bin(bytes, KEY_SIZE, text, strlen(text), NULL, NULL, NULL), 0);
}

/* Those of the set whose bits are in the mask, the last of them first. */
static struct share_set subset_of(const struct share_set *all, unsigned mask)
{
    struct share_set some = { .count = 0 };

    for (size_t i = all->count; i > 0; i--)
        if (mask & 1U << (i - 1))
            assert_int_equal(share_set_add(&some, &all->shares[i - 1]), KEYRING_DONE);
    return some;
}

/* Every subset: enough of them give the secret, fewer are refused. */
static void assert_joins(const struct share_set *all, const struct key *secret)
{
    for (unsigned mask = 0; mask < 1U << all->count; mask++) {
        struct share_set some = subset_of(all, mask);
        struct key found;

        if (some.count < all->shares[0].threshold) {
            assert_int_equal(shares_join(&some, &found), KEYRING_NO_SLOT);
            continue;
        }
        assert_int_equal(shares_join(&some, &found), KEYRING_DONE);
        assert_memory_equal(found.bytes, secret->bytes, KEY_SIZE);
    }
}

static void test_shares_of_others_join(void **state)
{
    for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
        const struct published *row = &published[i];
        struct share_set all = { .count = row->count };
        struct key secret;

        from_hex(row->secret, secret.bytes);
        for (unsigned j = 0; j < row->count; j++) {
            all.shares[j] = (struct share){
                .threshold = row->threshold, .count = row->count, .index = j + 1
            };
            from_hex(row->shares[j], all.shares[j].bytes);
        }
        assert_joins(&all, &secret);
    }
}

static const uint8_t realm[REALM_ID_SIZE] = { 0, 1, 2,  3,  4,  5,  6,  7,
                                              8, 9, 10, 11, 12, 13, 14, 15 };

static void test_split_and_join(void **state)
{
    struct share_set all;
    struct key secret, found;

    random_bytes(secret.bytes, sizeof(secret.bytes));
    for (unsigned count = SHARES_MIN; count <= 7; count++) {
        for (unsigned threshold = SHARES_MIN; threshold <= count; threshold++) {
            shares_split(&secret, realm, 9, threshold, count, &all);
            assert_int_equal(all.count, count);
            assert_joins(&all, &secret);
        }
    }
    for (unsigned threshold = SHARES_MIN; threshold <= SHARES_MAX; threshold++) {
        shares_split(&secret, realm, 9, threshold, SHARES_MAX, &all);
        assert_int_equal(shares_join(&all, &found), KEYRING_DONE);
        assert_memory_equal(found.bytes, secret.bytes, KEY_SIZE);
    }
}

/* What one share too few leaves open: everything. A share of a known secret takes every value, so
 * the coefficients are drawn anew each time and none is kept from being zero. */
static void test_too_few_tell_nothing(void **state)
{
    bool seen[SHARES_MAX][256] = { { false } };
    struct key secret = { { 0 } }, found;
    struct share_set all;

    for (unsigned i = 0; i < 400; i++) {
        shares_split(&secret, realm, 1, 2, SHARES_MAX, &all);
        for (unsigned j = 0; j < SHARES_MAX; j++)
            for (unsigned byte = 0; byte < KEY_SIZE; byte++)
                seen[j][all.shares[j].bytes[byte]] = true;
    }
    for (unsigned j = 0; j < SHARES_MAX; j++)
        for (unsigned value = 0; value < 256; value++)
            assert_true(seen[j][value]);
    shares_split(&secret, realm, 1, 3, 3, &all);
    for (unsigned j = 0; j < 3; j++)
        all.shares[j].threshold = 2; /* a share that was tampered with */
    assert_int_equal(shares_join(&all, &found), KEYRING_DONE);
    assert_memory_not_equal(found.bytes, secret.bytes, KEY_SIZE);
}

static void test_sets(void **state)
{
    struct key secret = { { 1 } };
    struct share_set all, other, set = { .count = 0 };
    struct share share;

    assert_true(shares_are_valid(2, 2) && shares_are_valid(16, 16) && shares_are_valid(2, 16));
    assert_false(shares_are_valid(1, 2) || shares_are_valid(3, 2) || shares_are_valid(2, 17) ||
                 shares_are_valid(0, 0));
    shares_split(&secret, realm, 4, 2, 3, &all);
    shares_split(&secret, realm, 4, 2, 3, &other);
    assert_int_equal(share_set_add(&set, &all.shares[2]), KEYRING_DONE);
    assert_int_equal(share_set_add(&set, &all.shares[2]), KEYRING_DONE);
    assert_int_equal(set.count, 1);
    assert_int_equal(share_set_add(&set, &other.shares[2]), KEYRING_SHARES_DIFFER);
    share = all.shares[0];
    share.slot++;
    assert_int_equal(share_set_add(&set, &share), KEYRING_SHARES_DIFFER);
    share = all.shares[0];
    share.realm[15] ^= 1;
    assert_int_equal(share_set_add(&set, &share), KEYRING_SHARES_DIFFER);
    share = all.shares[0];
    share.threshold++;
    assert_int_equal(share_set_add(&set, &share), KEYRING_SHARES_DIFFER);
    share = all.shares[0];
    share.count++;
    assert_int_equal(share_set_add(&set, &share), KEYRING_SHARES_DIFFER);
    assert_int_equal(set.count, 1);
    assert_int_equal(share_set_add(&set, &all.shares[0]), KEYRING_DONE);
    assert_int_equal(set.count, 2);
}

/* Made with Python's hashlib and base64 from doc/FORMAT, section 8.3. */
#define TEXT                                                                                       \
    "ms1-aeaac-aqdaq-cqmby-ibefa-wdanb-yhqoa-aaaab-qkava-ugrkh-jffu2-t2rkn-kvowk-3lvpw-cy3fm-"     \
    "5uww3-lpofz-xk53z-pn6x4-xjrda-2"
/* The same with a first byte of 2. */
#define TEXT_OF_FORMAT_2                                                                           \
    "ms1aiaacaqdaqcqmbyibefawdanbyhqoaaaaabqkavaugrkhjffu2t2rknkvowk3lvpwcy3fm5uww3lpofzxk53zpn6x" \
    "4rvjeki"

static struct share the_share(void)
{
    struct share share = { .slot = 7, .threshold = 3, .count = 5, .index = 2 };

    memcpy(share.realm, realm, sizeof(realm));
    for (unsigned i = 0; i < KEY_SIZE; i++)
        share.bytes[i] = (uint8_t)(0xa0 + i);
    return share;
}

static int parse(const char *text, size_t length, struct share *ret_share)
{
    CLEANUP_SECRET struct secret *secret = NULL;

    assert_int_equal(secret_new_copy(text, length, &secret), 0);
    return share_parse(secret, ret_share);
}

static void assert_the_share(const char *text)
{
    struct share expected = the_share(), found = { .slot = 0 };

    if (parse(text, strlen(text), &found) != KEYRING_DONE)
        fail_msg("%s", text);
    assert_memory_equal(&expected, &found, sizeof(found));
}

static void assert_mistyped(const char *text, size_t length)
{
    struct share found = { .slot = 99 };

    if (parse(text, length, &found) != KEYRING_BAD_SHARE)
        fail_msg("%.*s", (int)length, text);
    assert_int_equal(found.slot, 99);
}

static void test_text(void **state)
{
    CLEANUP_SECRET struct secret *text = NULL;
    struct share share = the_share(), found;
    char other[2 * sizeof(TEXT)];
    size_t length = 0;

    assert_int_equal(share_format(&share, &text), 0);
    assert_int_equal(text->length, strlen(TEXT));
    assert_memory_equal(text->bytes, TEXT, text->length);
    assert_the_share(TEXT);
    for (size_t i = 0; i <= strlen(TEXT); i++)
        other[i] = (char)toupper(TEXT[i]);
    assert_the_share(other);
    for (const char *c = TEXT; *c; c++)
        if (*c != '-')
            other[length++] = *c;
    other[length] = '\0';
    assert_the_share(other);
    length = 0;
    for (const char *c = TEXT; *c; c++) {
        other[length++] = " -\t\n\r"[(size_t)(c - TEXT) % 5];
        other[length++] = *c;
    }
    other[length] = '\0';
    assert_the_share(other);
    assert_int_equal(parse(TEXT_OF_FORMAT_2, strlen(TEXT_OF_FORMAT_2), &found), KEYRING_NEWER);
}

/* Any one slip of the pen, and any cut. */
static void test_slips(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567018!\xff";
    char text[sizeof(TEXT) + 1];
    size_t size = strlen(TEXT);

    for (size_t i = 0; i < size; i++) {
        if (TEXT[i] == '-')
            continue;
        for (const char *letter = letters; *letter; letter++) {
            memcpy(text, TEXT, size);
            text[i] = *letter;
            if (*letter != TEXT[i])
                assert_mistyped(text, size);
            memmove(text + i + 1, TEXT + i, size - i); /* one too many */
            assert_mistyped(text, size + 1);
        }
        memcpy(text, TEXT, size);
        memmove(text + i, TEXT + i + 1, size - i - 1); /* one left out */
        assert_mistyped(text, size - 1);
        text[i] = '\0';
        assert_mistyped(text, size);
        memcpy(text, TEXT, size);
        text[i] = TEXT[i + 1];
        text[i + 1] = TEXT[i];
        if (i + 1 < size && TEXT[i + 1] != '-' && TEXT[i] != TEXT[i + 1])
            assert_mistyped(text, size);
        assert_mistyped(TEXT, i);
    }
    assert_mistyped("", 0);
    assert_mistyped(TEXT + 4, size - 4);
}

/* Numbers that no share has, under a check that holds. */
static void test_numbers(void **state)
{
    static const unsigned rows[][3] = { { 1, 5, 2 },  { 0, 5, 2 }, { 6, 5, 2 }, { 3, 17, 2 },
                                        { 3, 0, 2 },  { 3, 5, 0 }, { 3, 5, 6 }, { 255, 255, 255 } };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP_SECRET struct secret *text = NULL;
        struct share share = the_share(), found;

        share.threshold = rows[i][0];
        share.count = rows[i][1];
        share.index = rows[i][2];
        assert_int_equal(share_format(&share, &text), 0);
        assert_int_equal(share_parse(text, &found), KEYRING_BAD_SHARE);
    }
}

/* Whatever a call needs of them, not on its own stack. */
struct kept {
    struct key secret;
    struct share_set set;
    struct share share;
    struct secret *text;
    uint8_t letters[40]; /* its last, but for the "-" */
};

static void *split(void *userdata)
{
    struct kept *kept = userdata;

    shares_split(&kept->secret, realm, 1, 2, 3, &kept->set);
    return NULL;
}

static void *join(void *userdata)
{
    struct kept *kept = userdata;

    assert_int_equal(shares_join(&kept->set, &kept->secret), KEYRING_DONE);
    return NULL;
}

static void *format(void *userdata)
{
    struct kept *kept = userdata;

    assert_int_equal(share_format(&kept->set.shares[0], &kept->text), 0);
    for (size_t i = kept->text->length, j = sizeof(kept->letters); j > 0; i--)
        if (kept->text->bytes[i - 1] != '-')
            kept->letters[--j] = kept->text->bytes[i - 1];
    return NULL;
}

static void *read_text(void *userdata)
{
    struct kept *kept = userdata;

    assert_int_equal(share_parse(kept->text, &kept->share), KEYRING_DONE);
    return NULL;
}

static void test_nothing_is_left_behind(void **state)
{
    static const struct {
        const char *name;
        void *(*function)(void *);
    } calls[] = { { "split", split }, { "join", join }, { "format", format },
                  { "parse", read_text } };
    static struct kept kept;

    if (!STACK_TELLS)
        skip();
    random_bytes(kept.secret.bytes, sizeof(kept.secret.bytes));
    random_bytes(kept.letters, sizeof(kept.letters)); /* until there are some */
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        uint8_t *stack = stack_run(calls[i].function, &kept);

        assert_not_left(stack, kept.secret.bytes, KEY_SIZE, calls[i].name);
        for (unsigned j = 0; j < 3; j++)
            assert_not_left(stack, kept.set.shares[j].bytes, KEY_SIZE, calls[i].name);
        assert_not_left(stack, kept.letters, sizeof(kept.letters), calls[i].name);
        stack_free(stack);
    }
    secret_free(kept.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_field_of_fips_197),
        cmocka_unit_test(test_field_against_logarithms),
        cmocka_unit_test(test_shares_of_others_join),
        cmocka_unit_test(test_split_and_join),
        cmocka_unit_test(test_too_few_tell_nothing),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_slips),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_nothing_is_left_behind),
    };

    return cmocka_run_group_tests(tests, init_keys, NULL);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A record opens where it was sealed, as it was sealed, and nowhere else. */
#include "tests/unit/keys_support.h"

#include <errno.h>

struct sealed {
    uint8_t *bytes;
    size_t size;
};

static struct keyring *keyring;

static int make_keyring(void **state)
{
    return keys_init() < 0 || keyring_new(&keyring) < 0;
}

static int drop_keyring(void **state)
{
    keyring_free(keyring);
    return 0;
}

static struct record_key mapping_key(const char *user)
{
    struct record_key key = { .class = RECORD_MAPPING, .scope = { 1, 2, 3 } };

    key.name_length = (uint16_t)(strlen(user) + 1);
    key.name[0] = 'u';
    memcpy(key.name + 1, user, strlen(user));
    return key;
}

static struct sealed seal(const struct keyring *with, const struct record_key *key,
                          uint64_t version, const char *value)
{
    struct sealed sealed = { NULL, 0 };

    assert_int_equal(record_seal(with, key, version, RECORD_LIVE, value, strlen(value),
                                 &sealed.bytes, &sealed.size),
                     0);
    assert_int_equal(sealed.size, strlen(value) + RECORD_OVERHEAD);
    return sealed;
}

/* The outcome; nothing may come out unless it is RECORD_OPENED. */
static int try(const struct keyring *with, const struct record_key *key, const uint8_t *bytes,
               size_t size)
{
    CLEANUP_SECRET struct secret *value = NULL;
    int r = record_open(with, key, bytes, size, NULL, &value);

    assert_true((r == RECORD_OPENED) == (value != NULL));
    return r;
}

static void test_round_trip(void **state)
{
    struct record_key key = mapping_key("alice");
    struct sealed sealed = seal(keyring, &key, 7, "a value");
    CLEANUP_SECRET struct secret *value = NULL;
    struct record_header header;

    assert_int_equal(record_open(keyring, &key, sealed.bytes, sealed.size, &header, &value),
                     RECORD_OPENED);
    assert_int_equal(value->length, 7);
    assert_memory_equal(value->bytes, "a value", 7);
    assert_int_equal(header.version, 7);
    assert_int_equal(header.generation, 1);
    assert_int_equal(header.kind, RECORD_LIVE);
    free(sealed.bytes);
}

static void test_tombstone(void **state)
{
    struct record_key key = mapping_key("alice");
    struct record_header header;
    struct secret *value = NULL;
    uint8_t *bytes;
    size_t size;

    assert_int_equal(record_seal(keyring, &key, 2, RECORD_TOMBSTONE, NULL, 0, &bytes, &size), 0);
    assert_int_equal(record_open(keyring, &key, bytes, size, &header, &value),
                     RECORD_IS_TOMBSTONE);
    assert_null(value);
    assert_int_equal(header.version, 2);
    bytes[1] = RECORD_LIVE; /* risen from the dead */
    assert_int_equal(try(keyring, &key, bytes, size), RECORD_FORGED);
    free(bytes);
    assert_int_equal(record_seal(keyring, &key, 2, RECORD_TOMBSTONE, "x", 1, &bytes, &size),
                     -EINVAL);
}

static void test_limits(void **state)
{
    struct record_key key = mapping_key("alice");
    CLEANUP_FREE uint8_t *large = calloc(1, RECORD_VALUE_MAX + 1);
    uint8_t *bytes;
    size_t size;

    assert_int_equal(record_seal(keyring, &key, 1, RECORD_LIVE, large, RECORD_VALUE_MAX + 1, &bytes,
                                 &size),
                     -EMSGSIZE);
    assert_int_equal(record_seal(keyring, &key, 0, RECORD_LIVE, "x", 1, &bytes, &size), -EINVAL);
    assert_int_equal(
        record_seal(keyring, &key, 1, RECORD_LIVE, large, RECORD_VALUE_MAX, &bytes, &size), 0);
    assert_int_equal(size, RECORD_SIZE_MAX);
    assert_int_equal(try(keyring, &key, bytes, size), RECORD_OPENED);
    free(bytes);
    key.class = RECORD_CLASS_MAX + 1;
    assert_int_equal(record_seal(keyring, &key, 1, RECORD_LIVE, "x", 1, &bytes, &size), -EINVAL);
}

/* What a flip in this byte makes of the record. */
static bool outcome_fits(size_t byte, uint8_t bit, int outcome)
{
    if (byte == 0) /* format */
        return outcome == (bit == 1 ? RECORD_FORGED : RECORD_NEWER);
    if (byte >= 2 && byte < 6) /* generation */
        return outcome == RECORD_NO_GENERATION;
    return outcome == RECORD_FORGED;
}

static void test_kviklet_575_every_bit_and_length(void **state)
{
    struct record_key key = mapping_key("alice");
    struct sealed sealed = seal(keyring, &key, 3, "a value worth guarding");

    for (size_t i = 0; i < sealed.size * 8; i++) {
        uint8_t bit = (uint8_t)(1U << (i % 8));
        int r;

        sealed.bytes[i / 8] ^= bit;
        r = try(keyring, &key, sealed.bytes, sealed.size);
        if (!outcome_fits(i / 8, bit, r))
            fail_msg("bit %zu: outcome %d", i, r);
        sealed.bytes[i / 8] ^= bit;
    }
    for (size_t size = 0; size < sealed.size; size++) {
        CLEANUP_FREE uint8_t *exact = malloc(size + 1); /* for a sanitizer to see the end */

        memcpy(exact, sealed.bytes, size);
        assert_int_equal(try(keyring, &key, exact, size), RECORD_FORGED);
    }
    sealed.bytes = realloc(sealed.bytes, sealed.size + 1);
    sealed.bytes[sealed.size] = 0;
    assert_int_equal(try(keyring, &key, sealed.bytes, sealed.size + 1), RECORD_FORGED);
    assert_int_equal(try(keyring, &key, sealed.bytes, sealed.size), RECORD_OPENED);
    free(sealed.bytes);
}

static void test_swapped(void **state)
{
    struct record_key alice = mapping_key("alice"), bob = mapping_key("bob"), other = alice;
    struct sealed of_alice = seal(keyring, &alice, 1, "alice's");
    struct sealed of_bob = seal(keyring, &bob, 1, "bob's");

    assert_int_equal(try(keyring, &alice, of_bob.bytes, of_bob.size), RECORD_FORGED);
    assert_int_equal(try(keyring, &bob, of_alice.bytes, of_alice.size), RECORD_FORGED);
    other.scope[15] = 1; /* another application */
    assert_int_equal(try(keyring, &other, of_alice.bytes, of_alice.size), RECORD_FORGED);
    other = alice;
    other.class = RECORD_APPLICATION;
    assert_int_equal(try(keyring, &other, of_alice.bytes, of_alice.size), RECORD_FORGED);
    other = alice;
    other.name_length--;
    assert_int_equal(try(keyring, &other, of_alice.bytes, of_alice.size), RECORD_FORGED);
    free(of_alice.bytes);
    free(of_bob.bytes);
}

/* An older record dressed as a newer one, and the other way round. */
static void test_relabelled_version(void **state)
{
    struct record_key key = mapping_key("alice");
    struct sealed old = seal(keyring, &key, 1, "old"), new = seal(keyring, &key, 2, "new");

    memcpy(old.bytes, new.bytes, RECORD_HEADER_SIZE);
    assert_int_equal(try(keyring, &key, old.bytes, old.size), RECORD_FORGED);
    new.bytes[6] = 1;
    assert_int_equal(try(keyring, &key, new.bytes, new.size), RECORD_FORGED);
    free(old.bytes);
    free(new.bytes);
}

static struct keyring *copy_of(const struct keyring *original)
{
    CLEANUP_SECRET struct secret *content = NULL;
    struct keyring *copy = NULL;

    assert_int_equal(keyring_format(original, &content), 0);
    assert_int_equal(keyring_parse(content, &copy), KEYRING_DONE);
    return copy;
}

static void test_other_realm(void **state)
{
    struct record_key key = mapping_key("alice");
    struct sealed sealed = seal(keyring, &key, 1, "value");
    struct keyring *stranger, *same_keys = copy_of(keyring);

    assert_int_equal(keyring_new(&stranger), 0);
    assert_int_equal(try(stranger, &key, sealed.bytes, sealed.size), RECORD_FORGED);
    assert_int_equal(try(same_keys, &key, sealed.bytes, sealed.size), RECORD_OPENED);
    same_keys->realm[0] ^= 1;
    assert_int_equal(try(same_keys, &key, sealed.bytes, sealed.size), RECORD_FORGED);
    keyring_free(stranger);
    keyring_free(same_keys);
    free(sealed.bytes);
}

/* The content of `keyring` with a second generation of that number, made active. */
static int with_second_generation(uint8_t number, struct keyring **ret_two)
{
    CLEANUP_SECRET struct secret *old = NULL;
    CLEANUP_SECRET struct secret *new = NULL;
    const size_t active = 1 + REALM_ID_SIZE + 8, count = active + 4, size = 4 + 16 + 3 * 8 + KEY_SIZE;
    const size_t end = count + 2 + size;
    uint8_t generation[4 + 16 + 3 * 8 + KEY_SIZE] = { number };

    assert_int_equal(keyring_format(keyring, &old), 0);
    assert_int_equal(secret_new(old->length + size, &new), 0);
    random_bytes(generation + 4, sizeof(generation) - 4);
    memset(generation + 4 + 16 + 2 * 8, 0, 8); /* not retired */
    assert_int_equal(secret_append(new, old->bytes, end), 0);
    assert_int_equal(secret_append(new, generation, sizeof(generation)), 0);
    assert_int_equal(secret_append(new, old->bytes + end, old->length - end), 0);
    new->bytes[active] = number;
    new->bytes[count] = 2;
    return keyring_parse(new, ret_two);
}

/* Authentic under the right key, and yet against the rules: a tombstone with a value. */
static void test_tombstone_with_value(void **state)
{
    struct record_key key = mapping_key("alice");
    struct record_header header = { RECORD_FORMAT, RECORD_TOMBSTONE, 1, 2 };
    uint8_t record[RECORD_OVERHEAD + 5], associated[19 + 16 + 14 + 4 + RECORD_KEY_MAX];
    uint8_t *nonce = record + RECORD_HEADER_SIZE;
    size_t length = 19 + REALM_ID_SIZE + RECORD_HEADER_SIZE;

    record_header_format(&header, record);
    random_bytes(nonce, RECORD_NONCE_SIZE);
    memcpy(associated, "mastersecret record", 19);
    memcpy(associated + 19, keyring->realm, REALM_ID_SIZE);
    memcpy(associated + 19 + REALM_ID_SIZE, record, RECORD_HEADER_SIZE);
    memset(associated + length, 0, 4);
    associated[length] = (uint8_t)record_key_format(&key, associated + length + 4);
    length += 4 + associated[length];
    for (size_t value = 0; value <= 5; value += 5) {
        crypto_aead_xchacha20poly1305_ietf_encrypt(
            nonce + RECORD_NONCE_SIZE, NULL, (const uint8_t *)"value", value, associated, length,
            NULL, nonce, keyring->generations[0].keys->by_class[RECORD_MAPPING - 1]);
        assert_int_equal(try(keyring, &key, record, RECORD_OVERHEAD + value),
                         value == 0 ? RECORD_IS_TOMBSTONE : RECORD_FORGED);
    }
}

static void test_generations(void **state)
{
    struct record_key key = mapping_key("alice");
    struct keyring *two = NULL;
    struct sealed first, second;
    struct generation_info info[2];

    assert_int_equal(with_second_generation(1, &two), KEYRING_DAMAGED); /* twice the same */
    assert_int_equal(with_second_generation(2, &two), KEYRING_DONE);
    first = seal(keyring, &key, 1, "one");
    second = seal(two, &key, 2, "two");
    assert_int_equal(keyring_generations(two), 2);
    assert_int_equal(keyring_active_generation(two), 2);
    keyring_generation(two, 0, &info[0]);
    keyring_generation(two, 1, &info[1]);
    assert_memory_not_equal(info[0].fingerprint, info[1].fingerprint, FINGERPRINT_SIZE);
    assert_int_equal(second.bytes[2], 2);
    assert_int_equal(try(two, &key, first.bytes, first.size), RECORD_OPENED);
    assert_int_equal(try(two, &key, second.bytes, second.size), RECORD_OPENED);
    assert_int_equal(try(keyring, &key, second.bytes, second.size), RECORD_NO_GENERATION);
    second.bytes[2] = 1; /* relabelled */
    assert_int_equal(try(two, &key, second.bytes, second.size), RECORD_FORGED);
    keyring_free(two);
    free(first.bytes);
    free(second.bytes);
}

/* A random generator that always says the same, as after a restored machine image. */
static const char *stuck_name(void)
{
    return "stuck";
}

static uint32_t stuck_random(void)
{
    return 4;
}

static void stuck_buf(void *const buffer, const size_t size)
{
    memset(buffer, 4, size);
}

static randombytes_implementation stuck = {
    .implementation_name = stuck_name,
    .random = stuck_random,
    .buf = stuck_buf,
};

static void test_kms_v2_nonce_with_a_stuck_generator(void **state)
{
    struct record_key alice = mapping_key("alice"), bob = mapping_key("bob");
    struct sealed sealed[6];

    randombytes_set_implementation(&stuck);
    sealed[0] = seal(keyring, &alice, 1, "value");
    sealed[1] = seal(keyring, &bob, 1, "value");
    sealed[2] = seal(keyring, &alice, 2, "value");
    sealed[3] = seal(keyring, &alice, 1, "other");
    sealed[4] = seal(keyring, &alice, 1, "value");
    randombytes_set_implementation(&randombytes_sysrandom_implementation);
    sealed[5] = seal(keyring, &alice, 1, "value");
    for (size_t i = 0; i < 6; i++) {
        for (size_t j = 0; j < i; j++) {
            int differ = memcmp(sealed[i].bytes + RECORD_HEADER_SIZE,
                                sealed[j].bytes + RECORD_HEADER_SIZE, RECORD_NONCE_SIZE);

            assert_int_equal(differ == 0, i == 4 && j == 0);
        }
    }
    for (size_t i = 0; i < 6; i++)
        free(sealed[i].bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_tombstone),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_kviklet_575_every_bit_and_length),
        cmocka_unit_test(test_swapped),
        cmocka_unit_test(test_relabelled_version),
        cmocka_unit_test(test_other_realm),
        cmocka_unit_test(test_tombstone_with_value),
        cmocka_unit_test(test_generations),
        cmocka_unit_test(test_kms_v2_nonce_with_a_stuck_generator),
    };

    return cmocka_run_group_tests(tests, make_keyring, drop_keyring);
}

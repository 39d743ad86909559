/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What one record costs: sealed and opened, against the AEAD alone on the same bytes. */
#include "dbus-service/keys/keyring_content.h"
#include "dbus-service/keys/record.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#define VALUE_SIZE ((size_t)300)
#define ROUNDS 200000
#define REPEATS 5

struct bench {
    struct keyring *keyring;
    struct record_key key;
    uint8_t value[VALUE_SIZE];
    uint8_t raw[VALUE_SIZE + crypto_aead_xchacha20poly1305_ietf_ABYTES];
    uint8_t associated[76]; /* as long as a record's for "ualice" */
    uint8_t *record;
    size_t record_size;
};

static void seal_raw(struct bench *bench)
{
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        bench->raw, NULL, bench->value, VALUE_SIZE, bench->associated, sizeof(bench->associated),
        NULL, bench->value, bench->keyring->generations[0].keys->by_class[0]);
}

static void open_raw(struct bench *bench)
{
    uint8_t value[VALUE_SIZE];

    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            value, NULL, NULL, bench->raw, sizeof(bench->raw), bench->associated,
            sizeof(bench->associated), bench->value,
            bench->keyring->generations[0].keys->by_class[0]) < 0)
        abort();
}

static void seal_record(struct bench *bench)
{
    uint8_t *record;
    size_t size;

    if (record_seal(bench->keyring, &bench->key, 1, RECORD_LIVE, bench->value, VALUE_SIZE, &record,
                    &size) < 0)
        abort();
    free(record);
}

static void open_record(struct bench *bench)
{
    CLEANUP_SECRET struct secret *value = NULL;

    if (record_open(bench->keyring, &bench->key, bench->record, bench->record_size, NULL,
                    &value) != RECORD_OPENED)
        abort();
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Microseconds for one call, the best of a few runs. */
static double measure(struct bench *bench, void (*call)(struct bench *bench))
{
    double best = 1e9;

    for (int repeat = 0; repeat < REPEATS; repeat++) {
        double start = seconds(), spent;

        for (int round = 0; round < ROUNDS; round++)
            call(bench);
        spent = (seconds() - start) / ROUNDS * 1e6;
        best = spent < best ? spent : best;
    }
    return best;
}

int main(void)
{
    struct bench bench = {
        .key = { .class = RECORD_MAPPING, .name_length = 6, .name = "ualice" },
    };

    if (keys_init() < 0 || keyring_new(&bench.keyring) < 0 ||
        record_seal(bench.keyring, &bench.key, 1, RECORD_LIVE, bench.value, VALUE_SIZE,
                    &bench.record, &bench.record_size) < 0)
        return EXIT_FAILURE;
    printf("value of %zu bytes, keys in %s\n", VALUE_SIZE, keyring_memory_kind(bench.keyring));
    printf("seal: AEAD alone %.2f us", measure(&bench, seal_raw));
    printf(", record %.2f us\n", measure(&bench, seal_record));
    printf("open: AEAD alone %.2f us", measure(&bench, open_raw));
    printf(", record %.2f us\n", measure(&bench, open_record));
    free(bench.record);
    keyring_free(bench.keyring);
    return EXIT_SUCCESS;
}

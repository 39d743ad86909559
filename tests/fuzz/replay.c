/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Drives a fuzz target without libFuzzer: inputs that repeat, as a TAP test. Inputs are given in
 * blocks of exactly their size, so that a sanitizer sees one byte too many. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <err.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX ((size_t)64 * 1024)

__attribute__((__weak__)) size_t fuzz_places = 4096;

static void replay(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);

    if (!exact)
        err(1, "out of memory");
    memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void replay_truncations(const uint8_t *seed, size_t size)
{
    size_t step = size / fuzz_places + 1;

    for (size_t kept = 0; kept < size; kept += step)
        replay(seed, kept);
}

static void replay_flips(uint8_t *seed, size_t size)
{
    size_t bits = size * 8;
    size_t step = bits / fuzz_places + 1;

    for (size_t bit = 0; bit < bits; bit += step) {
        seed[bit / 8] ^= (uint8_t)(1U << bit % 8);
        replay(seed, size);
        seed[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

static void replay_file(const char *folder, const char *name)
{
    static uint8_t bytes[INPUT_MAX];
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "re");
    if (!file)
        err(1, "cannot open '%s'", path);
    replay(bytes, fread(bytes, 1, sizeof(bytes), file));
    fclose(file);
}

/* Returns how many files there were; a target need not have any. */
static unsigned replay_folder(const char *folder)
{
    unsigned count = 0;
    DIR *stream = opendir(folder);

    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        if (entry->d_name[0] == '.')
            continue;
        replay_file(folder, entry->d_name);
        count++;
    }
    if (stream)
        closedir(stream);
    return count;
}

int main(int argc, char **argv)
{
    static uint8_t seed[INPUT_MAX];
    const char *source = getenv("srcdir");
    size_t size = fuzz_seed(seed, sizeof(seed));
    char folder[2048];

    if (argc > 2)
        errx(2, "usage: %s [FOLDER]", argv[0]);
    replay(seed, size);
    puts("ok 1 - seed");
    replay_truncations(seed, size);
    puts("ok 2 - truncations");
    replay_flips(seed, size);
    puts("ok 3 - bit flips");
    snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s", source ? source : ".",
             basename(argv[0]));
    printf("ok 4 - corpus of %u files\n", replay_folder(argc == 2 ? argv[1] : folder));
    puts("1..4");
    return 0;
}

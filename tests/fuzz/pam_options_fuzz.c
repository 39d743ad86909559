/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The options of the PAM module: the input as the text of a file, and its lines as the words of a
 * PAM line. Whatever is accepted is in its bounds; whatever is not is explained in plain ASCII. */
#include "pam_module/options.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 64 };

static void check_options(const struct options *options)
{
    if ((options->application[0] && !name_is_valid(options->application)) ||
        (options->field[0] && !name_is_valid(options->field)) ||
        (options->config[0] && options->config[0] != '/') ||
        strnlen(options->config, sizeof(options->config)) == sizeof(options->config) ||
        options->timeout_ms < 1 || options->timeout_ms > OPTIONS_TIMEOUT_MAX_MS ||
        (unsigned)options->mode >= MODE_COUNT_)
        abort();
}

static void check_fault(const struct options_fault *fault)
{
    if (!fault->reason || strnlen(fault->option, sizeof(fault->option)) == sizeof(fault->option))
        abort();
    for (const char *byte = fault->option; *byte; byte++)
        if (*byte < ' ' || *byte > '~')
            abort();
}

static void try_text(const uint8_t *bytes, size_t size)
{
    struct options_fault fault;
    struct options options;

    options_init(&options);
    if (options_parse_text(&options, bytes, size, &fault) == OPTIONS_DONE) {
        check_options(&options);
        if (options.config[0])
            abort();
    } else {
        check_fault(&fault);
        if (fault.line == 0)
            abort();
    }
}

static void try_words(const uint8_t *bytes, size_t size)
{
    char *text = malloc(size + 1);
    const char *words[WORDS_MAX];
    struct options_fault fault;
    struct options options;
    int count = 0;

    if (!text)
        abort();
    memcpy(text, bytes, size);
    text[size] = '\0';
    for (char *word = text; word && count < WORDS_MAX;)
        words[count++] = strsep(&word, "\n");
    options_init(&options);
    if (options_parse_words(&options, count, words, &fault) == OPTIONS_DONE)
        check_options(&options);
    else
        check_fault(&fault);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    try_text(bytes, size);
    try_words(bytes, size);
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    static const char seed[] = "mode=verify\napplication=erp\nfield=passwort\ntimeout=1000\n"
                               "unavailable=ignore\nwithout_password=no\ndebug\n";

    if (room < sizeof(seed))
        abort();
    memcpy(ret_bytes, seed, sizeof(seed) - 1);
    return sizeof(seed) - 1;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The command line: words that end with NUL. What is taken fits the tables of command.h. */
#include "client/cli/parse.h"
#include "common/names.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 200 };

static void check_option(const struct command *command, const struct arguments *arguments,
                         unsigned id)
{
    uint64_t allowed = command->options | OPTIONS_GLOBAL;
    size_t count = arguments->options[id].count;

    if (count == 0)
        return;
    if (!(allowed & (UINT64_C(1) << id)) || count > REPEATED_MAX)
        abort();
    for (size_t i = 0; i < count && option_rows[id].argument; i++) {
        const char *value = arguments->options[id].values[i];

        if (!value || !text_is_utf8(value, strlen(value), SIZE_MAX))
            abort();
    }
}

static void check(const struct command *command, const struct arguments *arguments,
                  char *const *words)
{
    if (arguments->count < command->words_min ||
        (command->words_max >= 0 && arguments->count > command->words_max))
        abort();
    for (unsigned id = 0; id < OPTION_COUNT_; id++)
        check_option(command, arguments, id);
    /* Each word is one of those given. */
    for (int i = 0; i < arguments->count; i++) {
        size_t at = 0;

        while (words[at] && words[at] != arguments->words[i])
            at++;
        if (!words[at])
            abort();
    }
}

/* Messages and help go nowhere; the sanitizers write to the descriptor. */
static void be_silent(void)
{
    static FILE *nowhere;

    if (nowhere)
        return;
    nowhere = fopen("/dev/null", "we");
    if (!nowhere)
        abort();
    stderr = nowhere;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    CLEANUP_FREE char *text = malloc(size + 1);
    static char program[] = "mastersecret";
    char *words[WORDS_MAX + 2] = { program };
    const struct command *command;
    struct arguments arguments;
    FILE *output = stdout;
    int count = 1, status;

    be_silent();
    if (!text)
        abort();
    memcpy(text, bytes, size);
    text[size] = '\0';
    for (size_t at = 0; at < size && count <= WORDS_MAX; at += strlen(text + at) + 1)
        words[count++] = text + at;
    stdout = stderr;
    status = parse(count, words, &command, &arguments);
    stdout = output;
    if (status != STATUS_DONE && (status != STATUS_USAGE || command))
        abort();
    if (command)
        check(command, &arguments, words);
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    static const char words[] = "map\0set\0erp\0--external=ALICE01\0--field\0client=100\0--fd\0"
                                "password=3\0--timeout\0" "5\0--user\0alice";

    if (sizeof(words) > room)
        abort();
    memcpy(ret_bytes, words, sizeof(words));
    return sizeof(words);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/base64.h"
#include "client/cli/output.h"
#include "client/cli/parse.h"
#include "client/cli/progress.h"
#include "client/cli/prompt.h"
#include "client/cli/qr.h"
#include "client/cli/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <string.h>

/* ---- Tables ---- */

static void test_tables_are_sound(void **state)
{
    for (const struct command *command = commands; command->verb; command++) {
        assert_non_null(command->run);
        assert_true(strlen(command->summary) > 0 && strlen(command->cannot) > 0);
        /* Two options of one name in a command could not be told apart. */
        for (unsigned a = 0; a < OPTION_COUNT_; a++)
            for (unsigned b = 0; b < a; b++)
                if ((command->options >> a & 1) && (command->options >> b & 1))
                    assert_string_not_equal(option_rows[a].name, option_rows[b].name);
        for (const struct command *other = commands; other != command; other++)
            assert_false(strcmp(other->verb, command->verb) == 0 &&
                         strcmp(other->noun ? other->noun : "",
                                command->noun ? command->noun : "") == 0);
    }
}

static void test_help_of_every_command(void **state)
{
    for (const struct command *command = commands; command->verb; command++) {
        CLEANUP_FREE char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        help_write(file, command);
        fclose(file);
        assert_non_null(strstr(text, command->summary));
        for (unsigned id = 0; id < OPTION_COUNT_; id++)
            if (command->options >> id & 1)
                assert_non_null(strstr(text, option_rows[id].name));
    }
}

/* ---- Parsing ---- */

static int run_parse(const char *line, const struct command **ret_command,
                     struct arguments *ret_arguments)
{
    static char copy[400];
    static char *argv[40];
    int argc = 0;

    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    return parse(argc, argv, ret_command, ret_arguments);
}

static void test_good_lines(void **state)
{
    static const struct {
        const char *line;
        const char *cannot;
        int words;
    } cases[] = {
        { "m status", "tell the status", 0 },
        { "m status --json --timeout 3", "tell the status", 0 },
        { "m --timeout 3 status --json", "tell the status", 0 },
        { "m app create erp --users a,b --users c --enable --field user --field pin:masked",
          "create application", 1 },
        { "m app create --enable erp", "create application", 1 },
        { "m map list", "list mappings of application", 0 },
        { "m map list erp", "list mappings of application", 1 },
        { "m secret slot add erp", "add a slot of the kind", 1 },
        { "m secret backup create", "make the backup", 0 },
        { "m secret backup inspect erp --json", "inspect the backup", 1 },
        { "m --timeout 3 secret rotate --wait", "rotate the master secret", 0 },
        { "m export erp", "export to", 1 },
        { "m get -- erp", "get the credentials of application", 1 },
        { "m run erp -- ls -l --json", "run a command with the credentials of application", 4 },
        { "m run --files erp ls -l", "run a command with the credentials of application", 3 },
        { "m run erp --files --user x -- ls", "run a command with the credentials of application",
          2 },
        { "m run -- erp ls", "run a command with the credentials of application", 2 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct command *command;
        struct arguments arguments;

        assert_int_equal(run_parse(cases[i].line, &command, &arguments), STATUS_DONE);
        assert_string_equal(command->cannot, cases[i].cannot);
        assert_int_equal(arguments.count, cases[i].words);
        if (cases[i].words > 0)
            assert_string_equal(arguments.words[0], "erp");
        if (command->words_max < 0)
            assert_string_equal(arguments.words[1], "ls");
    }
}

static void test_bad_lines(void **state)
{
    static const char *const lines[] = {
        "m", "m nothing", "m app", "m app nothing", "m app create", "m app create a b",
        "m app create erp --nothing", "m app create erp --type", "m status --reveal",
        "m get erp --user a --user b", "m get erp --field \xff", "m get \xff", "m run erp",
        "m run", "m status extra", "m secret", "m secret slot", "m secret slot nothing",
        "m secret slot add", "m secret recipient add erp", "m slot list", "m secret secret slot",
        "m secret backup create a b", "m --json status", "m secret generate now",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const struct command *command;
        struct arguments arguments;

        assert_int_equal(run_parse(lines[i], &command, &arguments), STATUS_USAGE);
        assert_null(command);
    }
}

static void test_repeated_options_are_kept(void **state)
{
    const struct command *command;
    struct arguments arguments;

    assert_int_equal(run_parse("m map set erp --field a=1 --field b=2", &command, &arguments), 0);
    assert_int_equal(arguments.options[OPTION_SET_FIELD].count, 2);
    assert_string_equal(arguments.options[OPTION_SET_FIELD].values[1], "b=2");
    assert_null(arguments_option(&arguments, OPTION_EXTERNAL));
}

/* ---- Pieces ---- */

static void test_accounts(void **state)
{
    const struct command *command;
    struct arguments arguments;
    char account[ACCOUNT_TEXT_SIZE];

    assert_int_equal(run_parse("m map show erp", &command, &arguments), 0);
    assert_int_equal(target_account(&arguments, account), 0);
    assert_string_equal(account, "");
    assert_int_equal(run_parse("m map show erp --user alice", &command, &arguments), 0);
    assert_int_equal(target_account(&arguments, account), 0);
    assert_string_equal(account, "user:alice");
    assert_int_equal(run_parse("m map show erp --group clerks", &command, &arguments), 0);
    assert_int_equal(target_account(&arguments, account), 0);
    assert_string_equal(account, "group:clerks");
    assert_int_equal(run_parse("m map show erp --group g --user u", &command, &arguments), 0);
    assert_int_equal(target_account(&arguments, account), STATUS_USAGE);
}

static void test_secrets_from_descriptors(void **state)
{
    const struct command *command;
    struct arguments arguments;
    CLEANUP_SECRET struct secret *secret = NULL;
    struct secret *none = NULL;
    static const char *const labels[] = { "a=b", "pin", NULL };
    char line[100];
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x\0y\n", 4), 4);
    close(ends[1]);
    snprintf(line, sizeof(line), "m map set erp --fd a=b=%d", ends[0]);
    assert_int_equal(run_parse(line, &command, &arguments), 0);
    assert_int_equal(prompt_check_labels(&arguments, labels), STATUS_DONE);
    assert_int_equal(prompt_check_labels(&arguments, labels + 1), STATUS_USAGE);
    assert_int_equal(prompt_from_option(&arguments, "pin", &none), STATUS_DONE);
    assert_null(none);
    assert_int_equal(prompt_from_option(&arguments, "a=b", &secret), STATUS_DONE);
    assert_int_equal(secret->length, 4);
    assert_memory_equal(secret->bytes, "x\0y\n", 4);
    close(ends[0]);
}

static void test_bad_descriptors(void **state)
{
    static const char *const lines[] = { "m map set erp --fd pin", "m map set erp --fd pin=",
                                         "m map set erp --fd =3", "m map set erp --fd pin=3x",
                                         "m map set erp --fd pin=-1",
                                         "m map set erp --fd pin=99999999999999999999" };
    static const char *const labels[] = { "pin", NULL };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const struct command *command;
        struct arguments arguments;

        assert_int_equal(run_parse(lines[i], &command, &arguments), 0);
        assert_int_equal(prompt_check_labels(&arguments, labels), STATUS_USAGE);
    }
}

static void test_base64(void **state)
{
    static const char *const pairs[][2] = { { "", "" },           { "f", "Zg==" },
                                            { "fo", "Zm8=" },     { "foo", "Zm9v" },
                                            { "foob", "Zm9vYg==" }, { "\xff\xfe\xfd", "//79" } };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        CLEANUP_SECRET struct secret *text = NULL;

        assert_int_equal(base64_encode(pairs[i][0], strlen(pairs[i][0]), &text), 0);
        assert_int_equal(text->length, strlen(pairs[i][1]));
        assert_memory_equal(text->bytes, pairs[i][1], text->length);
    }
}

static void test_texts(void **state)
{
    char text[64];

    output_time(0, text, sizeof(text));
    assert_string_equal(text, "never");
    output_time(UINT64_C(1795228824000000), text, sizeof(text));
    assert_string_equal(text, "2026-11-21 02:40:24 UTC");
    output_duration(UINT64_C(5) * 1000000, text, sizeof(text));
    assert_string_equal(text, "5 s");
    output_duration(UINT64_C(125) * 1000000, text, sizeof(text));
    assert_string_equal(text, "2 min 5 s");
    output_duration(UINT64_C(3600) * 1000000, text, sizeof(text));
    assert_string_equal(text, "1 h");
    output_duration(UINT64_C(90061) * 1000000, text, sizeof(text));
    assert_string_equal(text, "1 d 1 h");
}

static void test_values_as_text(void **state)
{
    json_t *value = json_pack("[s, {s:s, s:b}, {s:s}, b]", "esc\x1b[2J", "label", "pin", "masked",
                              1, "client", "100", 1);
    CLEANUP_FREE char *text = output_text("", value);

    assert_string_equal(text, "esc?[2J, pin:masked, client=100, yes");
    json_decref(value);
}

/* ---- Progress, QR ---- */

static void test_progress(void **state)
{
    const struct progress_point half = { .what = "walk", .done = 500, .total = 1000, .rate = 250,
                                         .left_usec = 2000000 };
    const struct progress_point bytes = { .what = "exporting", .done = 3 << 20, .bytes = true,
                                          .rate = 1536 };
    const struct progress_point beyond = { .what = "walk", .done = 7, .total = 5 };
    char text[200];

    progress_format(&half, text, sizeof(text));
    assert_string_equal(text, "walk  [############------------]  50 %  250/s  2 s left");
    progress_format(&bytes, text, sizeof(text));
    assert_string_equal(text, "exporting  3.0 MiB  1.5 KiB/s");
    progress_format(&beyond, text, sizeof(text));
    assert_string_equal(text, "walk  [########################] 100 %");
}

/* Which phase, and how far that one is: all that is sealed anew has yet to be proven. */
static void test_progress_of_a_rotation(void **state)
{
    static const struct {
        const char *state;
        unsigned done;
        const char *text;
    } rows[] = {
        { "backup", 8, "backing up  " },
        { "walk", 6, "re-encrypting  [##################------]  75 %  2/s  5 s left" },
        { "proof", 2, "proving  [######------------------]  25 %  2/s  5 s left" },
        { "compact", 8, "compacting  " },
        { "paused", 6, "paused  [##################------]  75 %  2/s  5 s left" },
        { "of a newer version", 6, "of a newer version  " },
    };
    struct progress_point point;
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *rotation = json_pack("{s:s, s:i, s:i, s:i, s:i}", "state", rows[i].state, "done",
                                     (int)rows[i].done, "total", 8, "rate", 2, "left", 5000000);

        progress_of_rotation(rotation, &point);
        progress_format(&point, text, sizeof(text));
        assert_string_equal(text, rows[i].text);
        json_decref(rotation);
    }
}

/* The module at row and column of what was written, the quiet zone included. */
static bool module_at(char *const *lines, int row, int column)
{
    const char *c = lines[row / 2];

    for (; column > 0; column--)
        for (c++; ((unsigned char)*c & 0xc0) == 0x80; c++)
            ;
    return strncmp(c, "█", 3) == 0 || strncmp(c, row % 2 ? "▄" : "▀", 3) == 0;
}

/* The three finder patterns stand where they must, with the quiet zone around them. */
static void test_qr(void **state)
{
    FILE *file = tmpfile();
    char text[16384] = "", *lines[40], *rest;
    int count = 0;

    assert_non_null(file);
    assert_int_equal(qr_write(file, "ms1-recipient-example"), 0);
    rewind(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        lines[count++] = line;
    assert_int_equal(count, (25 + 8 + 1) / 2); /* version 2 has 25 modules */
    for (int corner = 0; corner < 3; corner++) {
        int row = corner == 2 ? 25 + 4 - 7 : 4, column = corner == 1 ? 25 + 4 - 7 : 4;

        for (int i = 0; i < 7; i++)
            for (int j = 0; j < 7; j++) {
                bool ring = i == 0 || j == 0 || i == 6 || j == 6;
                bool eye = i > 1 && i < 5 && j > 1 && j < 5;

                assert_int_equal(module_at(lines, row + i, column + j), ring || eye);
            }
    }
    for (int i = 0; i < 33; i++)
        for (int j = 0; j < 4; j++)
            assert_false(module_at(lines, i, j) || module_at(lines, j, i));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_progress_of_a_rotation),
        cmocka_unit_test(test_qr),
        cmocka_unit_test(test_tables_are_sound),
        cmocka_unit_test(test_help_of_every_command),
        cmocka_unit_test(test_good_lines),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_repeated_options_are_kept),
        cmocka_unit_test(test_accounts),
        cmocka_unit_test(test_secrets_from_descriptors),
        cmocka_unit_test(test_bad_descriptors),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_values_as_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

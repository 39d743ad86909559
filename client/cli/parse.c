/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/parse.h"

#include "client/cli/output.h"
#include "common/names.h"
#include "config.h"

#include <getopt.h>
#include <string.h>

const char *arguments_option(const struct arguments *arguments, enum option_id id)
{
    return arguments->options[id].count > 0 ? arguments->options[id].values[0] : NULL;
}

/* ---- Help ---- */

static void write_name(FILE *file, const struct command *command)
{
    fprintf(file, "mastersecret %s%s%s", command->noun ? command->noun : "",
            command->noun ? " " : "", command->verb);
}

static void write_option(FILE *file, const struct option_row *row)
{
    char name[80];

    snprintf(name, sizeof(name), "--%s%s%s", row->name, row->argument ? " " : "",
             row->argument ? row->argument : "");
    if (strlen(name) > 24)
        fprintf(file, "  %s\n  %-24s %s\n", name, "", row->text);
    else
        fprintf(file, "  %-24s %s\n", name, row->text);
}

static void write_options(FILE *file, uint64_t mask)
{
    for (unsigned id = 0; id < OPTION_COUNT_; id++)
        if (mask & (UINT64_C(1) << id))
            write_option(file, &option_rows[id]);
}

static void write_one(FILE *file, const struct command *command)
{
    fputs("Usage: ", file);
    write_name(file, command);
    fprintf(file, "%s%s%s\n\n%s: %s.\n", command->options ? " [OPTION...]" : "",
            command->words[0] ? " " : "", command->words, command->verb, command->summary);
    if (command->detail)
        fprintf(file, "%s\n", command->detail);
    if (command->options) {
        fputs("\nOptions:\n", file);
        write_options(file, command->options);
    }
    fputs("\nOptions of every command:\n", file);
    write_options(file, OPTIONS_GLOBAL);
}

/* "secret" has the commands of "secret slot", too; "" has all. */
static bool is_below(const struct command *command, const char *noun)
{
    size_t length = strlen(noun);

    return length == 0 || (command->noun && strncmp(command->noun, noun, length) == 0 &&
                           (command->noun[length] == '\0' || command->noun[length] == ' '));
}

static void write_all(FILE *file, const char *noun)
{
    fprintf(file, "Usage: mastersecret %s%sCOMMAND [OPTION...]\n\nCommands:\n", noun,
            noun[0] ? " " : "");
    for (const struct command *command = commands; command->verb; command++) {
        char name[40];

        if (!is_below(command, noun))
            continue;
        snprintf(name, sizeof(name), "%s%s%s", command->noun ? command->noun : "",
                 command->noun ? " " : "", command->verb);
        fprintf(file, "  %-24s %s\n", name, command->summary);
    }
    fputs("\nOptions of every command:\n", file);
    write_options(file, OPTIONS_GLOBAL);
    fputs("\nmastersecret COMMAND --help tells more; so does mastersecret(1).\n", file);
}

void help_write(FILE *file, const struct command *command)
{
    if (command)
        write_one(file, command);
    else
        write_all(file, "");
}

/* ---- Parsing ---- */

static const struct command *find_command(const char *noun, const char *verb)
{
    for (const struct command *command = commands; command->verb; command++) {
        bool same_noun = noun ? command->noun && strcmp(command->noun, noun) == 0 : !command->noun;

        if (same_noun && verb && strcmp(command->verb, verb) == 0)
            return command;
    }
    return NULL;
}

static bool is_noun(const char *word)
{
    for (const struct command *command = commands; command->verb; command++)
        if (command->noun && strcmp(command->noun, word) == 0)
            return true;
    return false;
}

/* The name "field" means another option in each command, so that the table for getopt_long() is
 * made for one command. Without a command all names are known, to find the verb behind them. */
static void make_table(uint64_t mask, struct option *table)
{
    size_t count = 0;

    for (unsigned id = 0; id < OPTION_COUNT_; id++) {
        if (!(mask & (UINT64_C(1) << id)))
            continue;
        table[count++] = (struct option){
            .name = option_rows[id].name,
            .has_arg = option_rows[id].argument ? required_argument : no_argument,
            .val = (int)id,
        };
    }
    table[count] = (struct option){ 0 };
}

static int take_option(struct arguments *arguments, unsigned id, const char *value)
{
    const struct option_row *row = &option_rows[id];
    size_t count = arguments->options[id].count;

    if (value && !text_is_utf8(value, strlen(value), SIZE_MAX))
        return output_usage("the argument of --%s is not UTF-8", row->name);
    if (count > 0 && !row->repeated && row->argument)
        return output_usage("--%s is given twice", row->name);
    if (count == REPEATED_MAX)
        return output_usage("--%s is given more than %d times", row->name, REPEATED_MAX);
    arguments->options[id].values[count] = value ? value : "";
    arguments->options[id].count++;
    return STATUS_DONE;
}

/* `shorts` "+" stops at the first word. Returns the index of the first word, or -1. */
static int parse_options(int argc, char **argv, uint64_t mask, const char *shorts,
                         struct arguments *arguments)
{
    struct option table[OPTION_COUNT_ + 1];
    int id;

    make_table(mask, table);
    optind = 0;
    opterr = 0;
    while ((id = getopt_long(argc, argv, shorts, table, NULL)) != -1) {
        if (id == '?' || id == ':') {
            output_usage("%s: %s", argv[optind - 1],
                         id == ':' ? "an argument is missing" : "no such option here");
            return -1;
        }
        if (take_option(arguments, (unsigned)id, optarg) != STATUS_DONE)
            return -1;
    }
    return optind;
}

static int check_words(const struct command *command, struct arguments *arguments)
{
    if (arguments->count < command->words_min)
        return output_usage("%s is missing", command->words);
    if (command->words_max >= 0 && arguments->count > command->words_max)
        return output_usage("'%s' is one word too many", arguments->words[command->words_max]);
    if (arguments->count > 0 && strstr(command->words, "APP") &&
        !name_is_valid(arguments->words[0]))
        return output_usage("the application's name is not 1 to 255 bytes of UTF-8 without "
                            "control characters");
    return STATUS_DONE;
}

/* argv[0] is the verb here. */
static int parse_command(int argc, char **argv, const struct command *command,
                         struct arguments *arguments)
{
    bool takes_command = command->words_max < 0;
    int first = parse_options(argc, argv, command->options | OPTIONS_GLOBAL,
                              takes_command ? "+:" : ":", arguments);

    if (first < 0)
        return STATUS_USAGE;
    /* run APP [OPTION...] -- COMMAND: the options may stand behind the application too. */
    if (takes_command && first < argc && argv[first][0] != '-') {
        char *application = argv[first];
        int next = parse_options(argc - first, argv + first, command->options | OPTIONS_GLOBAL,
                                 "+:", arguments);

        if (next < 0)
            return STATUS_USAGE;
        first += next - 1;
        argv[first] = application;
    }
    arguments->count = argc - first;
    arguments->words = argv + first;
    if (arguments_option(arguments, OPTION_HELP) || arguments_option(arguments, OPTION_VERSION))
        return STATUS_DONE;
    return check_words(command, arguments);
}

/* The longest noun that the words begin with; returns how many words it has. */
static int find_noun(int argc, char **argv, char *ret_noun, size_t size)
{
    int count = 0;

    ret_noun[0] = '\0';
    while (count < argc) {
        char longer[64];
        int length = snprintf(longer, sizeof(longer), "%s%s%s", ret_noun, count > 0 ? " " : "",
                              argv[count]);

        if (length < 0 || (size_t)length >= sizeof(longer) || !is_noun(longer))
            break;
        snprintf(ret_noun, size, "%s", longer);
        count++;
    }
    return count;
}

static int find_verb(int argc, char **argv, int first, const struct command **ret_command,
                     int *ret_verb)
{
    char noun[64];
    int words = find_noun(argc - first, argv + first, noun, sizeof(noun));
    const char *verb = first + words < argc ? argv[first + words] : NULL;

    if (first == argc)
        return output_usage("a command is missing; see mastersecret --help");
    *ret_command = find_command(words > 0 ? noun : NULL, verb);
    if (!*ret_command && words > 0 && verb && strcmp(verb, "--help") == 0) {
        write_all(stdout, noun);
        *ret_verb = -1;
        return STATUS_DONE;
    }
    if (!*ret_command && words > 0 && !verb)
        return output_usage("a command is missing after '%s'; see mastersecret %s --help", noun,
                            noun);
    if (!*ret_command)
        return output_usage("no command '%s%s%s'; see mastersecret --help", noun,
                            words > 0 ? " " : "", verb ? verb : "");
    *ret_verb = first + words;
    return STATUS_DONE;
}

/* --help and --version. */
static bool explain(const struct arguments *arguments, const struct command *command)
{
    if (arguments_option(arguments, OPTION_HELP))
        help_write(stdout, command);
    else if (arguments_option(arguments, OPTION_VERSION))
        printf("mastersecret %s\n", PACKAGE_VERSION);
    else
        return false;
    return true;
}

int parse(int argc, char **argv, const struct command **ret_command,
          struct arguments *ret_arguments)
{
    const struct command *command = NULL;
    int verb = -1;
    int first;
    int status;

    *ret_command = NULL;
    *ret_arguments = (struct arguments){ 0 };
    /* Options before the verb can only be those of every command. */
    first = parse_options(argc, argv, OPTIONS_GLOBAL, "+:", ret_arguments);
    if (first < 0)
        return STATUS_USAGE;
    if (explain(ret_arguments, NULL))
        return STATUS_DONE;
    status = find_verb(argc, argv, first, &command, &verb);
    if (status != STATUS_DONE || !command)
        return status;
    status = parse_command(argc - verb, argv + verb, command, ret_arguments);
    if (status != STATUS_DONE) {
        fputs("see: ", stderr);
        write_name(stderr, command);
        fputs(" --help\n", stderr);
    }
    if (status == STATUS_DONE && !explain(ret_arguments, command))
        *ret_command = command;
    return status;
}

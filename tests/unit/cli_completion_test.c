/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The completion files and the manual page are what the tables of the command line say. After a
 * change of the tables, write the files anew:
 *   WRITE_COMPLETION=1 srcdir=../. tests/unit/cli_completion_test */
#include "client/cli/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static void write_name(FILE *file, const struct command *command)
{
    fprintf(file, "%s%s%s", command->noun ? command->noun : "", command->noun ? " " : "",
            command->verb);
}

/* The whole command, "secret slot add". */
static void name_of(const struct command *command, char ret_name[100])
{
    snprintf(ret_name, 100, "%s%s%s", command->noun ? command->noun : "",
             command->noun ? " " : "", command->verb);
}

/* The word that follows `prefix` (words, or "") in the command's name; its length, or 0. */
static size_t next_word(const struct command *command, const char *prefix, char ret_word[100])
{
    size_t length = strlen(prefix);
    char name[100];

    name_of(command, name);
    if (length > 0 && (strncmp(name, prefix, length) != 0 || name[length] != ' '))
        return 0;
    strcpy(ret_word, name + length + (length > 0 ? 1 : 0));
    ret_word[strcspn(ret_word, " ")] = '\0';
    return strlen(ret_word);
}

/* What may follow `prefix`, each word once. */
static void write_words(FILE *file, const char *prefix)
{
    const char *separator = "";

    for (const struct command *command = commands; command->verb; command++) {
        char word[100], earlier[100];
        bool again = next_word(command, prefix, word) == 0;

        for (const struct command *other = commands; other != command && !again; other++)
            again = next_word(other, prefix, earlier) > 0 && strcmp(earlier, word) == 0;
        if (!again)
            fprintf(file, "%s%s", separator, word);
        separator = again ? separator : " ";
    }
}

/* Calls `write` for "" and each noun. */
static void for_each_noun(FILE *file, void (*write)(FILE *file, const char *noun))
{
    write(file, "");
    for (const struct command *command = commands; command->verb; command++) {
        bool again = !command->noun;

        for (const struct command *other = commands; other != command && !again; other++)
            again = other->noun && strcmp(other->noun, command->noun) == 0;
        if (!again)
            write(file, command->noun);
    }
}

/* What the first word of a command is, by its placeholder. */
static bool takes(const struct command *command, const char *placeholder)
{
    return strncmp(command->words + (command->words[0] == '['), placeholder,
                   strlen(placeholder)) == 0;
}

static bool takes_application(const struct command *command)
{
    return takes(command, "APP") && !(command->noun && strcmp(command->verb, "create") == 0);
}

/* ---- What an option's argument is, by its placeholder ---- */

enum argument_kind { ARGUMENT_NONE, ARGUMENT_FILE, ARGUMENT_USER, ARGUMENT_GROUP, ARGUMENT_CHOICE,
                     ARGUMENT_TEXT };

static enum argument_kind kind_of(const struct option_row *row)
{
    if (!row->argument)
        return ARGUMENT_NONE;
    if (strcmp(row->argument, "FILE") == 0 || strcmp(row->argument, "PREFIX") == 0)
        return ARGUMENT_FILE;
    if (strcmp(row->argument, "USER") == 0)
        return ARGUMENT_USER;
    if (strcmp(row->argument, "GROUP") == 0)
        return ARGUMENT_GROUP;
    return strchr(row->argument, '|') ? ARGUMENT_CHOICE : ARGUMENT_TEXT;
}

static void write_choices(FILE *file, const struct option_row *row)
{
    for (const char *c = row->argument; *c; c++)
        fputc(*c == '|' ? ' ' : *c, file);
}

/* ---- bash ---- */

static void write_bash_arguments(FILE *file)
{
    static const char *const actions[] = {
        [ARGUMENT_FILE] = "_filedir",
        [ARGUMENT_USER] = "COMPREPLY=($(compgen -u -- \"$cur\"))",
        [ARGUMENT_GROUP] = "COMPREPLY=($(compgen -g -- \"$cur\"))",
        [ARGUMENT_TEXT] = ":",
    };

    for (unsigned id = 0; id < OPTION_COUNT_; id++) {
        const struct option_row *row = &option_rows[id];
        enum argument_kind kind = kind_of(row);
        bool again = false;

        for (unsigned other = 0; other < id; other++)
            again = again || strcmp(option_rows[other].name, row->name) == 0;
        if (kind == ARGUMENT_NONE || again)
            continue;
        fprintf(file, "        --%s) ", row->name);
        if (kind == ARGUMENT_CHOICE) {
            fputs("COMPREPLY=($(compgen -W '", file);
            write_choices(file, row);
            fputs("' -- \"$cur\"))", file);
        } else {
            fputs(actions[kind], file);
        }
        fputs("; return ;;\n", file);
    }
}

static void write_bash_noun(FILE *file, const char *noun)
{
    fprintf(file, "        ['_%s']='", noun);
    write_words(file, noun);
    fputs("'\n", file);
}

static void write_bash_case(FILE *file, bool (*is_of)(const struct command *command))
{
    const char *separator = "            ";

    for (const struct command *command = commands; command->verb; command++) {
        if (!is_of(command))
            continue;
        fprintf(file, "%s'", separator);
        write_name(file, command);
        fputc('\'', file);
        separator = " | ";
    }
    fputs(")\n", file);
}

static bool takes_file(const struct command *command)
{
    return takes(command, "FILE");
}

static bool takes_kind(const struct command *command)
{
    return takes(command, "KIND");
}

static void write_bash(FILE *file)
{
    fputs("# SPDX-FileCopyrightText: 2026 The mastersecret authors\n"
          "# SPDX-License-Identifier: GPL-3.0-or-later\n"
          "# bash completion for mastersecret(1); written by tests/unit/cli_completion_test.\n\n"
          "_mastersecret()\n{\n"
          "    local cur prev words cword name= i=1\n"
          "    local -A next=(\n",
          file);
    for_each_noun(file, write_bash_noun);
    fputs("    )\n"
          "    local -A options=(\n",
          file);
    for (const struct command *command = commands; command->verb; command++) {
        fputs("        ['", file);
        write_name(file, command);
        fputs("']='", file);
        for (unsigned id = 0; id < OPTION_COUNT_; id++)
            if ((command->options | OPTIONS_GLOBAL) & (UINT64_C(1) << id))
                fprintf(file, "--%s ", option_rows[id].name);
        fputs("'\n", file);
    }
    fputs("    )\n"
          "    _init_completion -n = || return\n"
          "    while ((i < cword)) && [[ -n ${next[_$name]} ]]; do\n"
          "        name=${name:+$name }${words[i++]}\n"
          "    done\n"
          "    if [[ $name == run ]]; then\n"
          "        for ((i = 2; i < cword; i++)); do\n"
          "            [[ ${words[i]} == -- ]] && { _command_offset $((i + 1)); return; }\n"
          "        done\n"
          "    fi\n"
          "    case $prev in\n",
          file);
    write_bash_arguments(file);
    fputs("    esac\n"
          "    if [[ -n ${next[_$name]} ]]; then\n"
          "        COMPREPLY=($(compgen -W \"${next[_$name]} --help --version\" -- \"$cur\"))\n"
          "    elif [[ $cur == -* ]]; then\n"
          "        COMPREPLY=($(compgen -W \"${options[$name]}\" -- \"$cur\"))\n"
          "    else\n"
          "        case $name in\n",
          file);
    write_bash_case(file, takes_application);
    fputs("                COMPREPLY=($(compgen -W "
          "\"$(mastersecret --timeout 1 app list 2>/dev/null |\n"
          "                    awk 'NR > 1 { print $1 }')\" -- \"$cur\")) ;;\n",
          file);
    write_bash_case(file, takes_file);
    fputs("                _filedir ;;\n", file);
    write_bash_case(file, takes_kind);
    fputs("                COMPREPLY=($(compgen -W 'keyfile credential passphrase shares' -- "
          "\"$cur\")) ;;\n"
          "        esac\n"
          "    fi\n"
          "}\n"
          "complete -F _mastersecret mastersecret\n",
          file);
}

/* ---- zsh ---- */

/* Within [...] and between colons of _arguments, in single quotes. */
static void write_zsh_text(FILE *file, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", file);
        else if (strchr("[]:\\", *text))
            fprintf(file, "\\%c", *text);
        else
            fputc(*text, file);
    }
}

static void write_zsh_option(FILE *file, const struct option_row *row)
{
    static const char *const actions[] = {
        [ARGUMENT_FILE] = "_files", [ARGUMENT_USER] = "_users", [ARGUMENT_GROUP] = "_groups",
        [ARGUMENT_TEXT] = "",
    };
    enum argument_kind kind = kind_of(row);

    fprintf(file, "            '%s--%s%s[", row->repeated ? "*" : "", row->name,
            row->argument ? "=" : "");
    write_zsh_text(file, row->text);
    fputc(']', file);
    if (kind != ARGUMENT_NONE) {
        fputc(':', file);
        write_zsh_text(file, kind == ARGUMENT_CHOICE ? row->name : row->argument);
        fputc(':', file);
        if (kind == ARGUMENT_CHOICE) {
            fputc('(', file);
            write_choices(file, row);
            fputc(')', file);
        } else {
            fputs(actions[kind], file);
        }
    }
    fputs("' \\\n", file);
}

static void write_zsh_command(FILE *file, const struct command *command)
{
    fputs("        '", file);
    write_name(file, command);
    fputs("') _arguments \\\n", file);
    for (unsigned id = 0; id < OPTION_COUNT_; id++)
        if ((command->options | OPTIONS_GLOBAL) & (UINT64_C(1) << id))
            write_zsh_option(file, &option_rows[id]);
    fputs(command->words_max == 0 ? "            ;;\n"
          : takes_file(command)   ? "            '1:file:_files' ;;\n"
          : takes_kind(command)
              ? "            '1:kind:(keyfile credential passphrase shares)' ;;\n"
          : !takes_application(command) ? "            '*:name:' ;;\n"
          : command->words_max < 0
              ? "            '1:application:_mastersecret_applications' '*::command:_normal' ;;\n"
              : "            '1:application:_mastersecret_applications' ;;\n",
          file);
}

static void write_zsh_noun(FILE *file, const char *noun)
{
    fprintf(file, "        '_%s' '", noun);
    write_words(file, noun);
    fputs("'\n", file);
}

static void write_zsh(FILE *file)
{
    fputs("#compdef mastersecret\n"
          "# SPDX-FileCopyrightText: 2026 The mastersecret authors\n"
          "# SPDX-License-Identifier: GPL-3.0-or-later\n"
          "# zsh completion for mastersecret(1); written by tests/unit/cli_completion_test.\n\n"
          "_mastersecret_applications()\n{\n"
          "    local -a names\n"
          "    names=(${(f)\"$(mastersecret --timeout 1 app list 2>/dev/null | "
          "awk 'NR > 1 { print $1 }')\"})\n"
          "    compadd -a names\n"
          "}\n\n"
          "_mastersecret()\n{\n"
          "    local name=\n"
          "    local -A next=(\n",
          file);
    for_each_noun(file, write_zsh_noun);
    fputs("    )\n"
          "    while [[ -n $next[_$name] ]]; do\n"
          "        ((CURRENT == 2)) && { compadd ${=next[_$name]}; return }\n"
          "        name=${name:+$name }$words[2]\n"
          "        shift words\n"
          "        ((CURRENT--))\n"
          "    done\n"
          "    case $name in\n",
          file);
    for (const struct command *command = commands; command->verb; command++)
        write_zsh_command(file, command);
    fputs("    esac\n}\n\n_mastersecret \"$@\"\n", file);
}

/* ---- Tests ---- */

static char *read_whole(const char *name)
{
    const char *folder = getenv("srcdir");
    CLEANUP_FREE char *path = NULL;
    CLEANUP_FCLOSE FILE *file = NULL;
    char *text = calloc(1, 1 << 20);

    assert_true(asprintf(&path, "%s/%s", folder ? folder : ".", name) > 0);
    file = fopen(path, "re");
    if (!file)
        fail_msg("%s cannot be read (is srcdir set?)", path);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    return text;
}

static void assert_file(const char *name, void (*write)(FILE *file))
{
    CLEANUP_FREE char *expected = NULL;
    CLEANUP_FREE char *found = NULL;
    size_t size;
    FILE *file = open_memstream(&expected, &size);

    write(file);
    fclose(file);
    if (getenv("WRITE_COMPLETION")) {
        CLEANUP_FREE char *path = NULL;

        assert_true(asprintf(&path, "%s/%s", getenv("srcdir"), name) > 0);
        file = fopen(path, "we");
        assert_non_null(file);
        fputs(expected, file);
        fclose(file);
    }
    found = read_whole(name);
    assert_string_equal(found, expected);
}

static void test_bash(void **state)
{
    assert_file("client/cli/completion/mastersecret", write_bash);
}

static void test_zsh(void **state)
{
    assert_file("client/cli/completion/_mastersecret", write_zsh);
}

/* In the page '-' is written '\-'. */
static char *for_page(const char *text)
{
    char *page = calloc(2, strlen(text) + 1), *out = page;

    for (; *text; text++) {
        if (*text == '-')
            *out++ = '\\';
        *out++ = *text;
    }
    return page;
}

static void test_manual(void **state)
{
    CLEANUP_FREE char *page = read_whole("doc/man/mastersecret.1");

    for (const struct command *command = commands; command->verb; command++) {
        char heading[200];
        const char *section, *end;

        snprintf(heading, sizeof(heading), ".SS mastersecret %s%s%s",
                 command->noun ? command->noun : "", command->noun ? " " : "", command->verb);
        section = strstr(page, heading);
        if (!section)
            fail_msg("the manual lacks '%s'", heading);
        end = strstr(section + 1, "\n.S");
        for (unsigned id = 0; id < OPTION_COUNT_; id++) {
            CLEANUP_FREE char *name = for_page(option_rows[id].name);
            char option[100];
            const char *found;

            if (!(command->options & (UINT64_C(1) << id)))
                continue;
            snprintf(option, sizeof(option), ".BR \\-\\-%s", name);
            found = strstr(section, option);
            if (!found || found > end)
                fail_msg("'%s' lacks --%s in the manual", heading, option_rows[id].name);
        }
    }
}

static const struct command *command_of(const char *heading)
{
    for (const struct command *command = commands; command->verb; command++) {
        char name[100];

        name_of(command, name);
        /* Placeholders of words follow the name. */
        if (strncmp(heading, name, strlen(name)) == 0 &&
            (heading[strlen(name)] == '\0' || heading[strlen(name)] == ' '))
            return command;
    }
    return NULL;
}

static bool has_option(const struct command *command, const char *line)
{
    for (unsigned id = 0; id < OPTION_COUNT_; id++) {
        CLEANUP_FREE char *name = for_page(option_rows[id].name);

        if ((command->options >> id & 1) && strncmp(line, name, strlen(name)) == 0 &&
            (line[strlen(name)] == '\0' || line[strlen(name)] == ' '))
            return true;
    }
    return false;
}

/* The other way round: the page has no command and no option that is none. */
static void test_manual_has_nothing_else(void **state)
{
    static const char title[] = ".SS mastersecret ", option[] = ".BR \\-\\-";
    CLEANUP_FREE char *page = read_whole("doc/man/mastersecret.1");
    char *end = strstr(page, "\n.SH OPTIONS OF EVERY COMMAND"), *rest = NULL;
    const struct command *command = NULL;
    int headings = 0, options = 0;

    assert_non_null(end);
    *end = '\0';
    for (char *line = strtok_r(page, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, title, strlen(title)) == 0) {
            command = command_of(line + strlen(title));
            headings++;
            if (!command)
                fail_msg("the manual has '%s', which is no command", line);
        } else if (command && strncmp(line, option, strlen(option)) == 0) {
            options++;
            if (!has_option(command, line + strlen(option)))
                fail_msg("the manual has '%s' for '%s', which has no such option", line,
                         command->verb);
        }
    }
    assert_true(headings > 30 && options > 100);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bash),
        cmocka_unit_test(test_zsh),
        cmocka_unit_test(test_manual),
        cmocka_unit_test(test_manual_has_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

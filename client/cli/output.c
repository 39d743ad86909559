/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/output.h"

#include "client/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- Messages ---- */

__attribute__((__format__(__printf__, 2, 0))) static int
complain(int status, const char *format, va_list arguments)
{
    fputs("mastersecret: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    return status;
}

int output_usage(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    complain(STATUS_USAGE, format, arguments);
    va_end(arguments);
    return STATUS_USAGE;
}

int output_local(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    complain(STATUS_LOCAL, format, arguments);
    va_end(arguments);
    return STATUS_LOCAL;
}

static void replace_control(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c == 0x7f)
            *c = '?';
}

/* The remedies say APP where the application's name belongs. */
static void write_remedy(const char *remedy, const char *application)
{
    const char *place = application ? strstr(remedy, "APP") : NULL;

    if (place)
        fprintf(stderr, "%.*s%s%s\n", (int)(place - remedy), remedy, application, place + 3);
    else
        fprintf(stderr, "%s\n", remedy);
}

int output_failure(struct cli *cli, enum mastersecret_error error)
{
    const char *name = cli->arguments.count > 0 ? cli->arguments.words[0] : NULL;
    const char *remedy = mastersecret_remedy(error);
    char message[1024];

    if (mastersecret_message(cli->service, message, sizeof(message)) == 0)
        snprintf(message, sizeof(message), "%s", mastersecret_strerror(error));
    replace_control(message);
    fprintf(stderr, "mastersecret: cannot %s", cli->command->cannot);
    if (name)
        fprintf(stderr, " '%s'", name);
    fprintf(stderr, ": %s\n", message);
    /* The message may know better what to do. */
    if (remedy[0] && !strstr(message, "; "))
        write_remedy(remedy, name);
    return error_exit_status(client_error_code(error));
}

/* ---- Values ---- */

int output_json(json_t *value)
{
    int r = value ? json_dumpfd(value, STDOUT_FILENO, JSON_INDENT(2)) : -1;

    json_decref(value);
    if (r < 0 || write(STDOUT_FILENO, "\n", 1) != 1)
        return output_local("cannot write to standard output");
    return STATUS_DONE;
}

void output_time(uint64_t usec, char *ret_text, size_t size)
{
    time_t seconds = (time_t)(usec / 1000000);
    struct tm parts;

    if (usec == 0 || !gmtime_r(&seconds, &parts) ||
        strftime(ret_text, size, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
        snprintf(ret_text, size, "never");
}

void output_duration(uint64_t usec, char *ret_text, size_t size)
{
    static const struct {
        uint64_t seconds;
        const char *unit;
    } units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
    uint64_t seconds = usec / 1000000;
    size_t i = 0;

    while (i < 3 && seconds < units[i].seconds)
        i++;
    if (i == 3 || seconds % units[i].seconds / units[i + 1].seconds == 0)
        snprintf(ret_text, size, "%llu %s", (unsigned long long)(seconds / units[i].seconds),
                 units[i].unit);
    else
        snprintf(ret_text, size, "%llu %s %llu %s",
                 (unsigned long long)(seconds / units[i].seconds), units[i].unit,
                 (unsigned long long)(seconds % units[i].seconds / units[i + 1].seconds),
                 units[i + 1].unit);
}

static bool is_time(const char *key)
{
    static const char *const ends[] = { "changed", "created", "added", "activated", "retired",
                                        "begun", "ended", "due", "time" };
    const char *hyphen = strrchr(key, '-');

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (strcmp(hyphen ? hyphen + 1 : key, ends[i]) == 0)
            return true;
    return false;
}

static char *text_of_number(const char *key, const json_t *value)
{
    char text[64];

    if (is_time(key))
        output_time((uint64_t)json_integer_value(value), text, sizeof(text));
    else
        snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
    return strdup(text);
}

/* Items or "name=value" members, joined with commas. */
static char *text_of_container(const json_t *value)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    const char *separator = "", *key;
    json_t *item;
    size_t index;

    if (!file)
        return NULL;
    json_array_foreach(value, index, item) {
        CLEANUP_FREE char *one = output_text("", item);

        fprintf(file, "%s%s", separator, one ? one : "?");
        separator = ", ";
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, item) {
        CLEANUP_FREE char *one = output_text("", item);

        fprintf(file, "%s%s=%s", separator, key, one ? one : "?");
        separator = ", ";
    }
    fclose(file);
    return text;
}

char *output_text(const char *key, const json_t *value)
{
    char *text;

    switch (json_typeof(value)) {
    case JSON_STRING:
        text = strdup(json_string_value(value));
        break;
    case JSON_INTEGER:
        text = text_of_number(key, value);
        break;
    case JSON_TRUE:
        return strdup("yes");
    case JSON_FALSE:
        return strdup("no");
    case JSON_OBJECT:
        /* A field of an application. */
        if (json_object_get(value, "label")) {
            if (asprintf(&text, "%s%s", json_string_value(json_object_get(value, "label")),
                         json_is_true(json_object_get(value, "masked")) ? ":masked" : "") < 0)
                return NULL;
            break;
        }
        text = text_of_container(value);
        break;
    case JSON_ARRAY:
        text = text_of_container(value);
        break;
    case JSON_REAL:
    case JSON_NULL:
    default:
        return strdup("");
    }
    if (text)
        replace_control(text);
    return text;
}

/* ---- Tables ---- */

/* Columns on the screen: bytes that do not continue a character. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        if (((unsigned char)*text & 0xc0) != 0x80)
            width++;
    return width;
}

static void write_padded(const char *text, size_t width, bool last)
{
    fputs(text, stdout);
    for (size_t i = width_of(text); !last && i < width + 2; i++)
        putchar(' ');
}

static char *cell(const json_t *row, const struct column *column)
{
    const json_t *value = json_object_get(row, column->key);

    return value ? output_text(column->key, value) : strdup("");
}

enum { COLUMNS_MAX = 8, REPORT_LINES_MAX = 32 };

static void write_row(const json_t *row, const struct column *columns, const size_t *widths)
{
    for (size_t i = 0; columns[i].title; i++) {
        CLEANUP_FREE char *text = row ? cell(row, &columns[i]) : strdup(columns[i].title);

        write_padded(text ? text : "?", widths[i], !columns[i + 1].title);
    }
    putchar('\n');
}

void output_table(const json_t *rows, const struct column *columns)
{
    size_t widths[COLUMNS_MAX] = { 0 };
    size_t index;
    json_t *row;

    for (size_t i = 0; i < COLUMNS_MAX && columns[i].title; i++) {
        widths[i] = width_of(columns[i].title);
        json_array_foreach(rows, index, row) {
            CLEANUP_FREE char *text = cell(row, &columns[i]);
            size_t width = text ? width_of(text) : 0;

            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    write_row(NULL, columns, widths);
    json_array_foreach(rows, index, row)
        write_row(row, columns, widths);
}

void output_members(const json_t *object, const struct column *columns)
{
    size_t width = 0;

    for (size_t i = 0; columns[i].title; i++)
        width = strlen(columns[i].title) > width ? strlen(columns[i].title) : width;
    for (size_t i = 0; columns[i].title; i++) {
        CLEANUP_FREE char *text = cell(object, &columns[i]);

        if (!json_object_get(object, columns[i].key))
            continue;
        write_padded(columns[i].title, width, false);
        printf("%s\n", text ? text : "?");
    }
}

static bool wants_json(const struct cli *cli)
{
    return arguments_option(&cli->arguments, OPTION_JSON) != NULL;
}

static int output_borrowed(const json_t *value)
{
    return output_json(json_incref((json_t *)(uintptr_t)value));
}

int output_rows(struct cli *cli, const json_t *rows, const struct column *columns)
{
    if (wants_json(cli))
        return output_borrowed(rows);
    output_table(rows, columns);
    return STATUS_DONE;
}

int output_object(struct cli *cli, const json_t *object, const struct column *columns)
{
    if (wants_json(cli))
        return output_borrowed(object);
    output_members(object, columns);
    return STATUS_DONE;
}

int output_report(struct cli *cli, const json_t *report)
{
    struct column lines[REPORT_LINES_MAX + 1] = { { NULL, NULL } };
    char titles[REPORT_LINES_MAX][40];
    size_t count = 0;
    const char *key;
    json_t *value;

    if (wants_json(cli))
        return output_borrowed(report);
    json_object_foreach((json_t *)(uintptr_t)report, key, value) {
        if (count == REPORT_LINES_MAX)
            break;
        snprintf(titles[count], sizeof(titles[count]), "%s", key);
        for (char *c = titles[count]; *c; c++)
            if (*c == '-')
                *c = ' ';
        lines[count] = (struct column){ titles[count], key };
        count++;
    }
    output_members(report, lines);
    return STATUS_DONE;
}

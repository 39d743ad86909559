/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pam_module/options.h"

#include "common/safe_open.h"
#include "common/secret.h"

#include <errno.h>
#include <string.h>

/* The value, or NULL for an option given without "=". Returns NULL, or what is wrong with it. */
typedef const char *option_parser(const char *value, void *target);

static const char *parse_name(const char *value, void *target)
{
    if (!value)
        return "needs a value";
    if (!name_is_valid(value))
        return "must be 1 to 255 bytes of UTF-8 without control characters";
    memcpy(target, value, strlen(value) + 1);
    return NULL;
}

static const char *parse_path(const char *value, void *target)
{
    if (!value)
        return "needs a value";
    if (value[0] != '/' || strlen(value) >= OPTIONS_PATH_SIZE)
        return "must be an absolute path";
    memcpy(target, value, strlen(value) + 1);
    return NULL;
}

static const char *parse_flag(const char *value, void *target)
{
    bool *flag = target;

    if (value && strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return "must be yes or no";
    *flag = !value || strcmp(value, "yes") == 0;
    return NULL;
}

/* Digits only: strtoul() would take " +1", "-1" and "0x". */
static const char *parse_milliseconds(const char *value, void *target)
{
    static const char reason[] = "must be a number of milliseconds from 1 to 60000";
    unsigned number = 0;

    if (!value || !value[0])
        return reason;
    for (const char *digit = value; *digit; digit++) {
        if (*digit < '0' || *digit > '9')
            return reason;
        number = number * 10 + (unsigned)(*digit - '0');
        if (number > OPTIONS_TIMEOUT_MAX_MS)
            return reason;
    }
    if (number == 0)
        return reason;
    *(unsigned *)target = number;
    return NULL;
}

/* The words of an enumeration; its enumerators are small positive numbers. */
struct word {
    const char *text;
    unsigned char value;
};

static bool find_word(const struct word *words, size_t count, const char *text, unsigned *ret_value)
{
    for (size_t i = 0; text && i < count; i++)
        if (strcmp(words[i].text, text) == 0) {
            *ret_value = words[i].value;
            return true;
        }
    return false;
}

#define WORD_PARSER(name, type, reason, ...)                                                       \
    static const char *name(const char *value, void *target)                                       \
    {                                                                                              \
        static const struct word words[] = { __VA_ARGS__ };                                        \
        unsigned found;                                                                            \
                                                                                                   \
        if (!find_word(words, sizeof(words) / sizeof(words[0]), value, &found))                    \
            return reason;                                                                         \
        *(type *)target = (type)found;                                                             \
        return NULL;                                                                               \
    }

WORD_PARSER(parse_mode, enum mode, "must be verify, authtok, capture or env",
            { "verify", MODE_VERIFY }, { "authtok", MODE_AUTHTOK }, { "capture", MODE_CAPTURE },
            { "env", MODE_ENV })
WORD_PARSER(parse_unavailable, enum unavailable, "must be fail or ignore",
            { "fail", UNAVAILABLE_FAIL }, { "ignore", UNAVAILABLE_IGNORE })
WORD_PARSER(parse_user, enum login_user, "must be local or external",
            { "local", LOGIN_USER_LOCAL }, { "external", LOGIN_USER_EXTERNAL })

static const struct option_row {
    const char *name;
    option_parser *parse;
    size_t offset;
    bool line_only;
} option_rows[] = {
    { "application", parse_name, offsetof(struct options, application), false },
    { "config", parse_path, offsetof(struct options, config), true },
    { "debug", parse_flag, offsetof(struct options, debug), false },
    { "field", parse_name, offsetof(struct options, field), false },
    { "mode", parse_mode, offsetof(struct options, mode), false },
    { "timeout", parse_milliseconds, offsetof(struct options, timeout_ms), false },
    { "unavailable", parse_unavailable, offsetof(struct options, unavailable), false },
    { "user", parse_user, offsetof(struct options, user), false },
    { "without_password", parse_flag, offsetof(struct options, without_password), false },
};

static const struct option_row *find_row(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof(option_rows) / sizeof(option_rows[0]); i++)
        if (strlen(option_rows[i].name) == length && !memcmp(option_rows[i].name, name, length))
            return &option_rows[i];
    return NULL;
}

/* The name goes into a log line: bounded, and printable ASCII only. */
static int fault(struct options_fault *ret_fault, const char *name, size_t length,
                 const char *reason)
{
    if (length > sizeof(ret_fault->option) - 1)
        length = sizeof(ret_fault->option) - 1;
    for (size_t i = 0; i < length; i++)
        ret_fault->option[i] = (char)(name[i] >= ' ' && name[i] <= '~' ? name[i] : '?');
    ret_fault->option[length] = '\0';
    ret_fault->reason = reason;
    ret_fault->line = 0;
    return OPTIONS_FAULT;
}

static int apply(struct options *options, const char *name, size_t length, const char *value,
                 struct options_fault *ret_fault)
{
    const struct option_row *row = find_row(name, length);
    const char *reason;

    if (!row)
        return fault(ret_fault, name, length, "is not an option");
    reason = row->parse(value, (char *)options + row->offset);
    return reason ? fault(ret_fault, name, length, reason) : OPTIONS_DONE;
}

void options_init(struct options *options)
{
    *options = (struct options){ .timeout_ms = OPTIONS_TIMEOUT_DEFAULT_MS };
}

int options_parse_words(struct options *options, int argc, const char **argv,
                        struct options_fault *ret_fault)
{
    for (int i = 0; i < argc; i++) {
        size_t length = strcspn(argv[i], "=");
        const char *value = argv[i][length] ? argv[i] + length + 1 : NULL;

        if (apply(options, argv[i], length, value, ret_fault) != OPTIONS_DONE)
            return OPTIONS_FAULT;
    }
    return OPTIONS_DONE;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* Without the blanks at both ends; text[*length] need not be a terminator. */
static char *trim(char *text, size_t *length)
{
    while (*length > 0 && is_blank(text[0])) {
        text++;
        --*length;
    }
    while (*length > 0 && is_blank(text[*length - 1]))
        --*length;
    return text;
}

static int parse_file_line(struct options *options, char *line, size_t length,
                           struct options_fault *ret_fault)
{
    const struct option_row *row;
    size_t name_length;
    char *value;

    line = trim(line, &length);
    line[length] = '\0';
    if (length == 0 || line[0] == '#')
        return OPTIONS_DONE;
    value = memchr(line, '=', length);
    name_length = value ? (size_t)(value - line) : length;
    if (value) {
        size_t value_length = length - name_length - 1;

        value = trim(value + 1, &value_length);
    }
    (void)trim(line, &name_length);
    row = find_row(line, name_length);
    if (row && row->line_only)
        return fault(ret_fault, line, name_length, "can only be given on the PAM line");
    return apply(options, line, name_length, value, ret_fault);
}

int options_parse_text(struct options *options, const void *bytes, size_t length,
                       struct options_fault *ret_fault)
{
    const char *text = bytes;
    const char *end = text + length;
    char line[512];

    for (unsigned number = 1; text < end; number++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t line_length = (size_t)((newline ? newline : end) - text);
        int outcome;

        if (line_length >= sizeof(line) || memchr(text, '\0', line_length)) {
            outcome = fault(ret_fault, "", 0, "a line is too long or holds a NUL byte");
        } else {
            memcpy(line, text, line_length);
            outcome = parse_file_line(options, line, line_length, ret_fault);
        }
        if (outcome != OPTIONS_DONE) {
            ret_fault->line = number;
            return outcome;
        }
        text += line_length + (newline != NULL);
    }
    return OPTIONS_DONE;
}

static int load_file(struct options *options, struct options_fault *ret_fault)
{
    /* Of root only: the caller of a set-uid program must not choose how it authenticates. */
    const struct safe_open_rule rule = {
        .owner = 0,
        .forbidden = 0022,
        .maximum = OPTIONS_FILE_MAX_BYTES,
    };
    CLEANUP_SECRET struct secret *content = NULL;
    int outcome = safe_read(options->config, &rule, &content);

    if (outcome < 0)
        return fault(ret_fault, "config", strlen("config"), strerrordesc_np(-outcome));
    if (outcome != SAFE_OPEN_DONE)
        return fault(ret_fault, "config", strlen("config"), safe_open_text(outcome));
    return options_parse_text(options, content->bytes, content->length, ret_fault);
}

static int complete(struct options *options, struct options_fault *ret_fault)
{
    if (options->mode == MODE_NONE)
        return fault(ret_fault, "mode", strlen("mode"), "must be given");
    if (!options->application[0])
        return fault(ret_fault, "application", strlen("application"), "must be given");
    if (options->user == LOGIN_USER_EXTERNAL && options->mode != MODE_VERIFY &&
        options->mode != MODE_AUTHTOK)
        return fault(ret_fault, "user", strlen("user"),
                     "can be external with mode=verify and mode=authtok only");
    if (options->unavailable == UNAVAILABLE_BY_MODE)
        options->unavailable =
            options->mode == MODE_VERIFY ? UNAVAILABLE_FAIL : UNAVAILABLE_IGNORE;
    return OPTIONS_DONE;
}

int options_load(struct options *ret_options, int argc, const char **argv,
                 struct options_fault *ret_fault)
{
    options_init(ret_options);
    if (options_parse_words(ret_options, argc, argv, ret_fault) != OPTIONS_DONE)
        return OPTIONS_FAULT;
    if (ret_options->config[0]) {
        if (load_file(ret_options, ret_fault) != OPTIONS_DONE)
            return OPTIONS_FAULT;
        /* Once more, so that the line has the last word. */
        if (options_parse_words(ret_options, argc, argv, ret_fault) != OPTIONS_DONE)
            return OPTIONS_FAULT;
    }
    return complete(ret_options, ret_fault);
}

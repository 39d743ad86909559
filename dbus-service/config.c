/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/config.h"

#include "common/names.h"
#include "common/safe_open.h"

#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FILE_MAX (256 * 1024)
#define BLANKS " \t"

struct key;

/* Sets the value; an explanation on failure, or NULL. */
typedef const char *(*key_parse)(const struct key *key, void *place, const char *value);

struct key {
    struct config_key key;
    key_parse parse;
    size_t offset;
    unsigned minimum;
    unsigned maximum;
};

static const char *parse_names(const struct key *key, void *place, const char *value);
static const char *parse_path(const struct key *key, void *place, const char *value);
static const char *parse_number(const struct key *key, void *place, const char *value);
static const char *parse_duration(const struct key *key, void *place, const char *value);
static const char *parse_audit(const struct key *key, void *place, const char *value);

#define DAY (24u * 60 * 60)

#define AT(member) offsetof(struct config, member)

static const struct key keys[] = {
    { { "service", "administrators", "mastersecret-admins" }, parse_names, AT(administrators), 0, 0 },
    { { "service", "affiliate-administrators", "mastersecret-affiliate-admins" }, parse_names,
      AT(affiliate_administrators), 0, 0 },
    { { "service", "anchor", "" }, parse_path, AT(anchor), 0, 0 },
    { { "service", "keyfile", "" }, parse_path, AT(keyfile), 0, 0 },
    { { "service", "name-cache", "60" }, parse_number, AT(name_cache), 1, 3600 },
    { { "secret", "backup-directory", "" }, parse_path, AT(backup_directory), 0, 0 },
    { { "secret", "backup-max-age", "40d" }, parse_duration, AT(backup_max_age), 1, 36500u * DAY },
    { { "secret", "rotate-after", "" }, parse_duration, AT(rotate_after), 1, 36500u * DAY },
    { { "secret", "keep-retired", "0d" }, parse_duration, AT(keep_retired), 0, 36500u * DAY },
    { { "secret", "rotation-rate", "20000" }, parse_number, AT(rotation_rate), 0, 10000000 },
    { { "audit", "success", "administration" }, parse_audit, AT(audit_success), 0, 0 },
    { { "audit", "failure", "all" }, parse_audit, AT(audit_failure), 0, 0 },
    { { "limits", "connections", "4096" }, parse_number, AT(connections), 16, 60000 },
    { { "limits", "connections-per-user", "1024" }, parse_number, AT(connections_per_user), 1, 60000 },
    { { "limits", "calls-per-user", "1024" }, parse_number, AT(calls_per_user), 1, 60000 },
    { { "limits", "kilobytes-per-user", "32768" }, parse_number, AT(kilobytes_per_user), 1024,
      1048576 },
    { { "limits", "requests-per-second", "100000" }, parse_number, AT(requests_per_second), 1,
      10000000 },
    { { "limits", "verify-failures", "10" }, parse_number, AT(verify_burst), 1, 10000 },
    { { "limits", "verify-per-minute", "60" }, parse_number, AT(verify_per_minute), 1, 100000 },
};

#define KEYS_COUNT (sizeof(keys) / sizeof(keys[0]))

const struct config_key *config_key_at(size_t index)
{
    return index < KEYS_COUNT ? &keys[index].key : NULL;
}

static void list_clear(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
    *list = (struct config_list){ .count = 0 };
}

static int list_add(struct config_list *list, const char *name)
{
    char **larger = realloc(list->names, (list->count + 1) * sizeof(*larger));

    if (!larger)
        return -ENOMEM;
    list->names = larger;
    larger[list->count] = strdup(name);
    if (!larger[list->count])
        return -ENOMEM;
    list->count++;
    return 0;
}

/* Names separated by commas. */
static const char *parse_names(const struct key *key, void *place, const char *value)
{
    CLEANUP_FREE char *copy = strdup(value);
    struct config_list *list = place;
    char *rest = copy, *name;

    if (!copy)
        return "out of memory";
    list_clear(list);
    while ((name = strsep(&rest, ",")) != NULL) {
        const char *bare;

        name += strspn(name, BLANKS);
        for (size_t end = strlen(name); end > 0 && strchr(BLANKS, name[end - 1]); end--)
            name[end - 1] = '\0';
        if (*name == '\0')
            continue;
        bare = strncmp(name, "user:", 5) == 0 ? name + 5 : name;
        if (!name_is_valid(bare) || strchr(bare, ':'))
            return "names are groups, or user:NAME, separated by commas";
        if (list->count == LIST_NAMES_MAX)
            return "too many names";
        if (list_add(list, name) < 0)
            return "out of memory";
    }
    return NULL;
}

static const char *parse_path(const struct key *key, void *place, const char *value)
{
    char **path = place, *copy;

    if (*value && *value != '/')
        return "a path must be absolute";
    if (strlen(value) >= PATH_MAX)
        return "the path is too long";
    copy = strdup(value);
    if (!copy)
        return "out of memory";
    free(*path);
    *path = copy;
    return NULL;
}

static const char *parse_number(const struct key *key, void *place, const char *value)
{
    unsigned long number;
    char *end;

    if (*value < '0' || *value > '9')
        return "a number is needed";
    errno = 0;
    number = strtoul(value, &end, 10);
    if (errno || *end)
        return "a number is needed";
    if (number < key->minimum || number > key->maximum)
        return "the number is out of range";
    *(unsigned *)place = (unsigned)number;
    return NULL;
}

/* A number with a unit; nothing = zero, which stands for never. */
static const char *parse_duration(const struct key *key, void *place, const char *value)
{
    static const struct {
        char letter;
        unsigned seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 60 * 60 }, { 'd', DAY } };
    static const char problem[] = "a duration is a number and s, m, h or d, as in 90d";
    size_t digits = strspn(value, "0123456789");
    unsigned long number;

    if (*value == '\0') {
        *(unsigned *)place = 0;
        return NULL;
    }
    if (digits == 0 || digits > 10 || strlen(value) != digits + 1)
        return problem;
    number = strtoul(value, NULL, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].letter != value[digits])
            continue;
        if (number > key->maximum / units[i].seconds || number * units[i].seconds < key->minimum)
            return "the duration is out of range";
        *(unsigned *)place = (unsigned)number * units[i].seconds;
        return NULL;
    }
    return problem;
}

static const char *parse_audit(const struct key *key, void *place, const char *value)
{
    static const char *const words[] = { "none", "administration", "all" };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i], value) == 0) {
            *(unsigned *)place = i;
            return NULL;
        }
    return "it is none, administration or all";
}

struct reading {
    struct config *config;
    const char *path;
    char *error;
    bool seen[KEYS_COUNT];
    char *text; /* what inih has not had yet */
    int line;
};

static int complain(struct reading *reading, const char *format, ...)
    __attribute__((__format__(__printf__, 2, 3)));

/* The first complaint stands. */
static int complain(struct reading *reading, const char *format, ...)
{
    va_list arguments;
    int length;

    if (*reading->error)
        return 0;
    length = snprintf(reading->error, CONFIG_ERROR_MAX, "%s:%d: ", reading->path, reading->line);
    if (length < 0 || length >= CONFIG_ERROR_MAX)
        return 0;
    va_start(arguments, format);
    (void)vsnprintf(reading->error + length, CONFIG_ERROR_MAX - (size_t)length, format, arguments);
    va_end(arguments);
    return 0;
}

static const struct key *find(const char *section, const char *name)
{
    for (size_t i = 0; i < KEYS_COUNT; i++)
        if (strcmp(keys[i].key.section, section) == 0 && strcmp(keys[i].key.name, name) == 0)
            return &keys[i];
    return NULL;
}

/* For inih: 0 = error. */
static int on_key(void *userdata, const char *section, const char *name, const char *value)
{
    struct reading *reading = userdata;
    const struct key *key = find(section, name);
    const char *problem;

    if (*section == '\0')
        return complain(reading, "'%.100s' stands before the first [section]", name);
    if (!key)
        return complain(reading, "there is no key '%.100s' in section [%.100s]", name, section);
    if (reading->seen[key - keys])
        return complain(reading, "'%s' is set twice", name);
    reading->seen[key - keys] = true;
    problem = key->parse(key, (char *)reading->config + key->offset, value ? value : "");
    return problem ? complain(reading, "%s: %s", name, problem) : 1;
}

/* inih takes lines through this; a line too long for its buffer would come in pieces and be misread. */
static char *next_line(char *buffer, int size, void *userdata)
{
    struct reading *reading = userdata;
    size_t length = strcspn(reading->text, "\n");

    if (*reading->text == '\0' || *reading->error)
        return NULL;
    reading->line++;
    if (length + 2 > (size_t)size) {
        (void)complain(reading, "the line is longer than %d bytes", size - 2);
        return NULL;
    }
    memcpy(buffer, reading->text, length);
    buffer[length] = '\0';
    reading->text += length + (reading->text[length] == '\n');
    return buffer;
}

static int set_defaults(struct config *config)
{
    for (size_t i = 0; i < KEYS_COUNT; i++)
        if (keys[i].parse(&keys[i], (char *)config + keys[i].offset, keys[i].key.value))
            return -ENOMEM;
    return 0;
}

static int parse(struct config *config, const char *path, char *text, char *error)
{
    struct reading reading = { .config = config, .path = path, .error = error, .text = text };
    int bad = ini_parse_stream(next_line, &reading, on_key, &reading);

    if (bad > 0) {
        reading.line = bad;
        (void)complain(&reading, "not a section, a key = value or a comment");
    }
    return *error ? -EINVAL : bad < 0 ? -ENOMEM : 0;
}

/* The file's text; *ret_text stays NULL when there is no file. */
static int read_file(const char *path, char **ret_text, char *error)
{
    struct safe_open_rule rule = { .owner = geteuid(), .forbidden = 0022, .maximum = FILE_MAX };
    CLEANUP_SECRET struct secret *content = NULL;
    int r = safe_read(path, &rule, &content);

    if (r == -ENOENT)
        return 0;
    if (r < 0) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "%s: %s", path, strerrordesc_np(-r));
        return r;
    }
    if (r > 0) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "%s: %s", path, safe_open_text(r));
        return -EINVAL;
    }
    if (!text_is_utf8((const char *)content->bytes, content->length, FILE_MAX)) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "%s: is not UTF-8 text", path);
        return -EINVAL;
    }
    *ret_text = strndup((const char *)content->bytes, content->length);
    return *ret_text ? 0 : -ENOMEM;
}

CLEANUP_DEFINE(config, struct config, config_free)

int config_load(const char *path, struct config **ret_config, char ret_error[CONFIG_ERROR_MAX])
{
    CLEANUP(config_cleanup) struct config *config = calloc(1, sizeof(*config));
    CLEANUP_FREE char *text = NULL;
    int r;

    *ret_error = '\0';
    if (!config)
        return -ENOMEM;
    r = set_defaults(config);
    if (r == 0)
        r = read_file(path, &text, ret_error);
    if (r == 0 && text)
        r = parse(config, path, text, ret_error);
    if (r < 0) {
        if (!*ret_error)
            (void)snprintf(ret_error, CONFIG_ERROR_MAX, "%s: %s", path, strerrordesc_np(-r));
        return r;
    }
    *ret_config = STEAL(config);
    return 0;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    list_clear(&config->administrators);
    list_clear(&config->affiliate_administrators);
    free(config->anchor);
    free(config->keyfile);
    free(config->backup_directory);
    free(config);
}

/* The index-th entry of a colon list in the environment, or `otherwise`, with "/NAME" behind it. */
static char *folder_path(const char *variable, unsigned index, const char *otherwise,
                         const char *name)
{
    const char *entry = getenv(variable);
    size_t length;
    char *path;

    while (entry && index-- > 0) {
        entry = strchr(entry, ':');
        entry = entry ? entry + 1 : NULL;
    }
    if (!entry || !*entry)
        entry = otherwise;
    length = strcspn(entry, ":");
    if (asprintf(&path, "%.*s%s%s", (int)length, entry, name ? "/" : "", name ? name : "") < 0)
        return NULL;
    return path;
}

int config_paths_init(struct config_paths *paths, const char *config_file)
{
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");

    *paths = (struct config_paths){
        .config_file = config_file ? strdup(config_file)
                                   : folder_path("CONFIGURATION_DIRECTORY", 0, MS_CONFIG_DIR,
                                                 CONFIG_FILE_NAME),
        .state_folder = folder_path("STATE_DIRECTORY", 0, MS_STATE_DIR, NULL),
        .anchor = folder_path("STATE_DIRECTORY", 1, MS_ANCHOR_DIR, "anchor"),
        .keyfile = folder_path("STATE_DIRECTORY", 0, MS_STATE_DIR, "keyfile"),
        .run_folder = folder_path("RUNTIME_DIRECTORY", 0, MS_RUN_DIR, NULL),
    };
    if (credentials && *credentials == '/')
        paths->credential = folder_path("CREDENTIALS_DIRECTORY", 0, "", "mastersecret.slot");
    if (!paths->config_file || !paths->state_folder || !paths->anchor || !paths->keyfile ||
        !paths->run_folder)
        return -ENOMEM;
    if (*paths->config_file != '/' || *paths->state_folder != '/' || *paths->anchor != '/' ||
        *paths->run_folder != '/')
        return -EINVAL;
    return 0;
}

void config_paths_deinit(struct config_paths *paths)
{
    free(paths->config_file);
    free(paths->state_folder);
    free(paths->anchor);
    free(paths->keyfile);
    free(paths->credential);
    free(paths->run_folder);
    *paths = (struct config_paths){ .config_file = NULL };
}

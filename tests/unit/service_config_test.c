/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char path[] = "/tmp/service_config_test.XXXXXX";

CLEANUP_DEFINE(config, struct config, config_free)

static int setup(void **state)
{
    int fd = mkstemp(path);

    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static int teardown(void **state)
{
    return unlink(path);
}

static void write_file(const char *text)
{
    CLEANUP_FCLOSE FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
}

/* As root the file must belong to root, as anybody else it cannot: there only the refusal is seen. */
static bool is_root(void)
{
    return geteuid() == 0;
}

static void test_defaults(void **state)
{
    CLEANUP(config_cleanup) struct config *config = NULL;
    char error[CONFIG_ERROR_MAX];

    assert_int_equal(config_load("/nonexistent/mastersecretd.conf", &config, error), 0);
    assert_int_equal(config->administrators.count, 1);
    assert_string_equal(config->administrators.names[0], "mastersecret-admins");
    assert_string_equal(config->anchor, "");
    assert_int_equal(config->name_cache, 60);
    assert_int_equal(config->audit_success, CONFIG_AUDIT_ADMINISTRATION);
    assert_int_equal(config->audit_failure, CONFIG_AUDIT_ALL);
    assert_int_equal(config->verify_burst, 10);
    assert_int_equal(config->rotate_after, 0);
    assert_int_equal(config->keep_retired, 0);
    assert_int_equal(config->rotation_rate, 20000);
}

static void test_all_keys(void **state)
{
    CLEANUP(config_cleanup) struct config *config = NULL;
    char error[CONFIG_ERROR_MAX];

    if (!is_root())
        skip();
    write_file("[service]\nadministrators = secops , user:alice\nanchor=/srv/a\nname-cache = 5\n"
               "[audit]\nsuccess = all\nfailure = none\n[limits]\nverify-failures = 3\n"
               "[secret]\nrotate-after = 90d\nkeep-retired = 36h\nrotation-rate = 0\n");
    assert_int_equal(config_load(path, &config, error), 0);
    assert_int_equal(config->administrators.count, 2);
    assert_string_equal(config->administrators.names[0], "secops");
    assert_string_equal(config->administrators.names[1], "user:alice");
    assert_string_equal(config->anchor, "/srv/a");
    assert_int_equal(config->name_cache, 5);
    assert_int_equal(config->audit_success, CONFIG_AUDIT_ALL);
    assert_int_equal(config->audit_failure, CONFIG_AUDIT_NONE);
    assert_int_equal(config->verify_burst, 3);
    assert_int_equal(config->rotate_after, 90 * 24 * 60 * 60);
    assert_int_equal(config->keep_retired, 36 * 60 * 60);
    assert_int_equal(config->rotation_rate, 0);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *text;
        int line;
        const char *word;
    } cases[] = {
        { "[service]\nadministrator = a\n", 2, "administrator" },
        { "[services]\nadministrators = a\n", 2, "services" },
        { "administrators = a\n", 1, "section" },
        { "[service]\n\nname-cache = many\n", 3, "number" },
        { "[service]\nname-cache = -1\n", 2, "number" },
        { "[service]\nname-cache = 1e3\n", 2, "number" },
        { "[service]\nname-cache = 99999999999999999999\n", 2, "number" },
        { "[service]\nname-cache = 0\n", 2, "range" },
        { "[secret]\nrotate-after = 90\n", 2, "duration" },
        { "[secret]\nrotate-after = d\n", 2, "duration" },
        { "[secret]\nrotate-after = 9 d\n", 2, "duration" },
        { "[secret]\nrotate-after = 90w\n", 2, "duration" },
        { "[secret]\nrotate-after = 90dd\n", 2, "duration" },
        { "[secret]\nrotate-after = -1d\n", 2, "duration" },
        { "[secret]\nrotate-after = 0d\n", 2, "range" },
        { "[secret]\nrotate-after = 36501d\n", 2, "range" },
        { "[secret]\nkeep-retired = 99999999999d\n", 2, "duration" },
        { "[service]\nanchor = relative\n", 2, "absolute" },
        { "[service]\nadministrators = a\nadministrators = b\n", 3, "twice" },
        { "[service]\nadministrators = group:a\n", 2, "groups" },
        { "[audit]\nsuccess = some\n", 2, "none" },
        { "[audit]\nsuccess\n", 2, "key" },
        { "[audit\nsuccess = all\n", 2, "section" },
    };

    if (!is_root())
        skip();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char error[CONFIG_ERROR_MAX], place[64];
        struct config *config = NULL;

        write_file(cases[i].text);
        assert_int_equal(config_load(path, &config, error), -EINVAL);
        assert_null(config);
        (void)snprintf(place, sizeof(place), "%s:%d: ", path, cases[i].line);
        if (strncmp(error, place, strlen(place)) != 0 || !strstr(error, cases[i].word))
            fail_msg("case %zu: '%s' (wanted '%s%s')", i, error, place, cases[i].word);
    }
}

static void test_long_line(void **state)
{
    char text[8192] = "[service]\nadministrators = ", error[CONFIG_ERROR_MAX];
    struct config *config = NULL;

    if (!is_root())
        skip();
    memset(text + strlen(text), 'a', sizeof(text) - 1 - strlen(text));
    text[sizeof(text) - 1] = '\0';
    write_file(text);
    assert_int_equal(config_load(path, &config, error), -EINVAL);
    assert_non_null(strstr(error, ":2: "));
}

static void test_unsafe_file(void **state)
{
    char error[CONFIG_ERROR_MAX];
    struct config *config = NULL;

    write_file("[service]\n");
    assert_int_equal(chmod(path, 0666), 0);
    assert_true(config_load(path, &config, error) < 0);
    assert_non_null(strstr(error, path));
    assert_int_equal(chmod(path, 0600), 0);
}

static void test_paths(void **state)
{
    struct config_paths paths;

    setenv("STATE_DIRECTORY", "/a/state:/b/anchor", 1);
    setenv("CREDENTIALS_DIRECTORY", "/c", 1);
    assert_int_equal(config_paths_init(&paths, NULL), 0);
    assert_string_equal(paths.state_folder, "/a/state");
    assert_string_equal(paths.anchor, "/b/anchor/anchor");
    assert_string_equal(paths.keyfile, "/a/state/keyfile");
    assert_string_equal(paths.credential, "/c/mastersecret.slot");
    config_paths_deinit(&paths);
    unsetenv("STATE_DIRECTORY");
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(config_paths_init(&paths, NULL), 0);
    assert_string_equal(paths.state_folder, MS_STATE_DIR);
    assert_string_equal(paths.anchor, MS_ANCHOR_DIR "/anchor");
    assert_null(paths.credential);
    config_paths_deinit(&paths);
    setenv("STATE_DIRECTORY", "relative", 1);
    assert_int_equal(config_paths_init(&paths, NULL), -EINVAL);
    config_paths_deinit(&paths);
    unsetenv("STATE_DIRECTORY");
}

/* The whole text of a file of the source tree. */
static void read_source(const char *name, char *ret_text, size_t size)
{
    const char *folder = getenv("srcdir");
    char file_name[512];
    CLEANUP_FCLOSE FILE *file = NULL;
    size_t length;

    (void)snprintf(file_name, sizeof(file_name), "%s/%s", folder ? folder : ".", name);
    file = fopen(file_name, "r");
    assert_non_null(file);
    length = fread(ret_text, 1, size - 1, file);
    ret_text[length] = '\0';
}

/* Each key stands in the sample file, with its default and in its section, and in the manual. */
static void test_sample_and_manual(void **state)
{
    static char sample[65536], manual[65536];
    const struct config_key *key;
    size_t lines = 0;

    read_source("policy/mastersecretd.conf", sample, sizeof(sample));
    read_source("doc/man/mastersecretd.conf.5", manual, sizeof(manual));
    for (size_t i = 0; (key = config_key_at(i)) != NULL; i++) {
        char line[200], section[64];

        (void)snprintf(line, sizeof(line), "\n#%s =%s%s\n", key->name, *key->value ? " " : "",
                       key->value);
        (void)snprintf(section, sizeof(section), "\n[%s]\n", key->section);
        if (!strstr(sample, line) || !strstr(sample, section) ||
            strstr(sample, section) > strstr(sample, line))
            fail_msg("%s is not in the sample as it should be", key->name);
        (void)snprintf(line, sizeof(line), ".BR %s \" (default: %s", key->name,
                       *key->value ? key->value : "empty");
        if (!strstr(manual, line))
            fail_msg("%s is not in the manual as it should be", key->name);
        lines++;
    }
    for (const char *at = sample; (at = strstr(at, "\n#")) != NULL; at += 2)
        if (at[2] >= 'a' && at[2] <= 'z')
            lines--;
    assert_int_equal(lines, 0); /* nothing in the sample that is not in the table */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_all_keys),
        cmocka_unit_test(test_mistakes), cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_unsafe_file), cmocka_unit_test(test_paths),
        cmocka_unit_test(test_sample_and_manual),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

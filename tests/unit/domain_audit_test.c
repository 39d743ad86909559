/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dbus-service/domain/audit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* /dev/log is wherever the test says. */
static char log_path[64];
static int log_fd = -1;

int __real_connect(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length);

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_un here = {.sun_family = AF_UNIX};
    const void *name = &here;

    (void)length;
    assert_string_equal(address->sa_data, "/dev/log");
    memcpy(here.sun_path, log_path, sizeof(log_path));
    return __real_connect(fd, name, sizeof(here));
}

static void log_begin(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const void *name = &address;

    memcpy(address.sun_path, log_path, sizeof(log_path));
    unlink(log_path);
    log_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(log_fd, name, sizeof(address)), 0);
}

static void log_end(void)
{
    close(log_fd);
    unlink(log_path);
}

static const struct audit_settings keep_all = {AUDIT_KEEP_ALL, AUDIT_KEEP_ALL};
static const struct audit_settings keep_default = {AUDIT_KEEP_ADMINISTRATION, AUDIT_KEEP_ALL};

static int setup(void **state)
{
    (void)state;
    snprintf(log_path, sizeof(log_path), "/tmp/mastersecret-audit.%d", getpid());
    log_begin();
    audit_open(&keep_all);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    audit_close();
    log_end();
    return 0;
}

/* NULL when nothing came. */
static const char *line_get(void)
{
    static char line[8192];
    ssize_t n = recv(log_fd, line, sizeof(line) - 1, 0);

    if (n < 0)
        return NULL;
    line[n] = '\0';
    return line;
}

static void test_line(void **state)
{
    const struct audit_event event = {.id = AUDIT_LOOKUP,
                                      .has_caller = true,
                                      .uid = 1000,
                                      .pid = 4242,
                                      .door = "bus",
                                      .application = "erp",
                                      .user = "alice"};
    char expected[128];
    const char *line;

    (void)state;
    audit_write(&event);
    line = line_get();
    assert_non_null(line);
    assert_int_equal(strncmp(line, "<38>", 4), 0); /* auth.info */
    snprintf(expected, sizeof(expected),
             " mastersecretd[%d]: MS0201 lookup ok uid=1000 pid=4242 door=bus application=\"erp\" "
             "user=\"alice\"", getpid());
    assert_string_equal(line + 4 + strlen("Nov 21 02:00:00"), expected);
}

static void test_failure_line(void **state)
{
    struct failure failure;
    const struct audit_event event = {
        .id = AUDIT_MAPPING_SET, .failure = &failure, .application = "erp"};
    const char *line;

    (void)state;
    failure_set(&failure, ERROR_EXTERNAL_USER_TAKEN, "external user '%s' is taken", "X");
    audit_write(&event);
    line = line_get();
    assert_int_equal(strncmp(line, "<36>", 4), 0); /* auth.warning */
    assert_non_null(strstr(line, "MS0130 mapping-set failed error=ExternalUserTaken "
                                 "application=\"erp\" reason=\"external user 'X' is taken\""));
    assert_null(strstr(line, "uid="));
}

static void test_levels(void **state)
{
    static const struct {
        enum audit_threshold success, failure;
        const char *kept; /* success of use, of administration, failure of use, of administration */
    } rows[] = {
        {AUDIT_KEEP_NONE, AUDIT_KEEP_NONE, "----"},
        {AUDIT_KEEP_ADMINISTRATION, AUDIT_KEEP_ALL, "-YYY"},
        {AUDIT_KEEP_ALL, AUDIT_KEEP_ADMINISTRATION, "YY-Y"},
        {AUDIT_KEEP_ALL, AUDIT_KEEP_ALL, "YYYY"},
    };
    struct failure failure = {.code = ERROR_ACCESS_DENIED};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct audit_settings settings = {rows[i].success, rows[i].failure};

        audit_set(&settings);
        for (int column = 0; column < 4; column++) {
            const struct audit_event event = {
                .id = column & 1 ? AUDIT_SEAL : AUDIT_VERIFY,
                .failure = column & 2 ? &failure : NULL,
            };

            audit_write(&event);
            assert_int_equal(line_get() != NULL, rows[i].kept[column] == 'Y');
        }
    }
    audit_set(&keep_default);
}

/* Whatever is in a name, it stays within its quotes, on one line, valid UTF-8. */
static void test_no_line_is_forged(void **state)
{
    static const char *const names[] = {
        "a\nNov 21 02:00:00 mastersecretd[1]: MS0201 lookup ok uid=0",
        "a\" user=\"root",
        "a\\\" user=\"root",
        "\x01\x1b[2J\x7f\r",
        "\xff\xfe\x80",
        "\xc2\x85\xc2\x9b",
        "\xe2\x80\xa8\xe2\x80\xa9",
        "\xe2\x80",
    };
    char long_name[4000];

    (void)state;
    memset(long_name, '\n', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    for (size_t i = 0; i <= sizeof(names) / sizeof(names[0]); i++) {
        const char *name = i < sizeof(names) / sizeof(names[0]) ? names[i] : long_name;
        const struct audit_event event = {.id = AUDIT_APPLICATION_CREATE,
                                          .application = name, .user = name, .detail = name};
        unsigned quotes = 0;
        const char *line;

        audit_write(&event);
        line = line_get();
        assert_non_null(line);
        assert_true(strlen(line) < 2048);
        assert_true(text_is_utf8(line, strlen(line), 4096));
        for (const unsigned char *c = (const unsigned char *)line; *c; c++) {
            assert_true(*c >= 0x20 && *c != 0x7f);
            quotes += *c == '"';
        }
        assert_int_equal(quotes, 6);
        assert_null(strstr(line, "\xc2\x85"));
        assert_null(strstr(line, "\xe2\x80\xa8"));
        assert_null(line_get());
    }
    audit_write(&(struct audit_event){.id = AUDIT_START, .detail = "M\xc3\xbcller \\ \n"});
    assert_non_null(strstr(line_get(), "detail=\"M\xc3\xbcller \\x5c \\x0a\""));
}

static void test_lost_lines_are_counted(void **state)
{
    const struct audit_event event = {.id = AUDIT_START};
    int written = 0;

    (void)state;
    log_end();
    for (int i = 0; i < 3; i++)
        audit_write(&event);
    log_begin(); /* syslog is back */
    audit_write(&event);
    assert_non_null(strstr(line_get(), " lost=3"));
    audit_write(&event);
    assert_null(strstr(line_get(), "lost="));
    /* Nobody reads: the socket fills, and nothing waits. */
    for (int i = 0; i < 2000; i++)
        audit_write(&event);
    while (line_get())
        written++;
    assert_in_range(written, 1, 1999);
    audit_write(&event);
    {
        char expected[32];

        snprintf(expected, sizeof(expected), " lost=%d", 2000 - written);
        assert_non_null(strstr(line_get(), expected));
    }
}

static void test_syslog_restarts(void **state)
{
    const struct audit_event event = {.id = AUDIT_START};

    (void)state;
    log_end();
    log_begin();
    audit_write(&event);
    assert_null(strstr(line_get(), "lost="));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_line_is_forged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_lines_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_syslog_restarts, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

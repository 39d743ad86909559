/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dbus-service/domain/audit.h"
#include "dbus-service/loop.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* /dev/log is wherever the test says. */
static char log_path[64];
static int log_fd = -1;
static uv_loop_t loop;
static uv_timer_t turn; /* keeps the loop turning while a test waits */

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

int __real_stat(const char *path, struct stat *ret_status);
int __wrap_stat(const char *path, struct stat *ret_status);

int __wrap_stat(const char *path, struct stat *ret_status)
{
    assert_string_equal(path, "/dev/log");
    return __real_stat(log_path, ret_status);
}

/* The second in which the file was looked at is over whenever the test says so. */
static time_t seconds;
time_t __wrap_time(time_t *ret_now);

time_t __wrap_time(time_t *ret_now)
{
    (void)ret_now;
    return 1700000000 + seconds;
}

/* While the service waits for room in the log somebody reads it, and no time is over; where nothing comes
 * that is all the time there was. */
static bool reading;
static unsigned polls, seen;
static uint64_t waited_ns;
int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);
uint64_t __real_uv_hrtime(void);
uint64_t __wrap_uv_hrtime(void);
static int number_get(unsigned *ret_lost);

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    unsigned lost, before = seen;

    polls++;
    if (!reading)
        return __real_poll(fds, count, timeout);
    while (number_get(&lost) == (int)seen)
        seen++;
    waited_ns += seen == before ? (uint64_t)timeout * 1000000 : 0;
    return 1;
}

uint64_t __wrap_uv_hrtime(void)
{
    return reading ? waited_ns : __real_uv_hrtime();
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
    assert_int_equal(uv_loop_init(&loop), 0);
    uv_timer_init(&loop, &turn);
    audit_open(&keep_all, &loop);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)audit_close();
    uv_close(loop_handle(&turn), NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
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
    assert_int_equal(strncmp(line, "<86>", 4), 0); /* authpriv.info */
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
    assert_int_equal(strncmp(line, "<84>", 4), 0); /* authpriv.warning */
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
        "\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\xaa\xe2\x80\xae\xe2\x81\xa6\xe2\x81\xa9\xd8\x9c",
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
        assert_true(strlen(line) < AUDIT_LINE_MAX);
        assert_true(text_is_utf8(line, strlen(line), 4096));
        for (const unsigned char *c = (const unsigned char *)line; *c; c++) {
            assert_true(*c >= 0x20 && *c != 0x7f);
            quotes += *c == '"';
        }
        assert_int_equal(quotes, 6);
        assert_null(strstr(line, "\xc2\x85"));
        assert_null(strstr(line, "\xe2\x80"));
        assert_null(strstr(line, "\xe2\x81"));
        assert_null(strstr(line, "\xd8\x9c"));
        assert_null(line_get());
    }
    audit_write(&(struct audit_event){.id = AUDIT_START, .detail = "M\xc3\xbcller\xe2\x80\x93 \\ \n"});
    assert_non_null(strstr(line_get(), "detail=\"M\xc3\xbcller\xe2\x80\x93 \\x5c \\x0a\""));
}

/* Two names of the longest that differ in their last byte, each byte of them escaped. */
static void test_names_are_whole(void **state)
{
    char names[2][NAME_MAX_BYTES + 1];
    char wanted[64];

    (void)state;
    for (int i = 0; i < 2; i++) {
        memset(names[i], '"', NAME_MAX_BYTES);
        names[i][NAME_MAX_BYTES - 1] = i ? '\\' : '"';
        names[i][NAME_MAX_BYTES] = '\0';
    }
    for (int i = 0; i < 2; i++) {
        const char *line;

        audit_write(&(struct audit_event){.id = AUDIT_LOOKUP, .application = names[i],
                                          .user = names[!i], .detail = names[0]});
        line = line_get();
        snprintf(wanted, sizeof(wanted), "\\x22\\x%s\" user=", i ? "5c" : "22");
        assert_non_null(strstr(line, wanted));
        snprintf(wanted, sizeof(wanted), "\\x22\\x%s\" detail=", i ? "22" : "5c");
        assert_non_null(strstr(line, wanted));
        assert_int_equal(line[strlen(line) - 1], '"');
    }
}

/* ---- The backlog ---- */

static void write_numbered(unsigned number)
{
    char text[16];

    snprintf(text, sizeof(text), "n%u.", number);
    audit_write(&(struct audit_event){.id = AUDIT_START, .detail = text});
}

/* The number in the next line, or -1; *ret_lost: of the lines said to be lost before it. */
static int number_get(unsigned *ret_lost)
{
    const char *line = line_get(), *lost;
    int number = -1;

    if (!line)
        return -1;
    lost = strstr(line, " lost=");
    *ret_lost = lost ? (unsigned)strtoul(lost + strlen(" lost="), NULL, 10) : 0;
    assert_int_equal(sscanf(strstr(line, "detail="), "detail=\"n%d.\"", &number), 1);
    return number;
}

static void on_turn(uv_timer_t *timer)
{
    (void)timer;
}

/* The loop, while the log is read: until line `last` has come, 30 s at most. Lines come in order, each
 * once, and those that do not come are said to be lost by the next. Returns how many are. */
static unsigned read_until(unsigned *next, unsigned last)
{
    uint64_t end = uv_hrtime() + 30ULL * 1000 * 1000 * 1000;
    unsigned lost, all = 0;

    uv_timer_start(&turn, on_turn, 1, 1);
    while (*next <= last && uv_hrtime() < end) {
        int number = number_get(&lost);

        if (number < 0) {
            uv_run(&loop, UV_RUN_ONCE);
            continue;
        }
        assert_int_equal(number, *next + lost);
        *next = (unsigned)number + 1;
        all += lost;
    }
    assert_int_equal(*next, last + 1);
    uv_timer_stop(&turn);
    return all;
}

/* Nobody reads, then somebody does: nothing is lost that has room, and the order stays. */
static void test_backlog(void **state)
{
    unsigned next = 0, written = 0;

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 3000; i++)
            write_numbered(written++);
        /* Some stay behind, so that the backlog moves. */
        assert_int_equal(read_until(&next, written - (round == 2 ? 1 : 1000)), 0);
    }
}

/* What is beyond the backlog is counted, at its place. */
static void test_lost_lines_are_counted(void **state)
{
    unsigned next = 0, written = 0, lost;

    (void)state;
    while (written < 20000)
        write_numbered(written++);
    while (number_get(&lost) == (int)next) {
        assert_int_equal(lost, 0);
        next++;
    }
    assert_int_equal(read_until(&next, next + 1000), 0); /* there is room now */
    write_numbered(written++);
    lost = read_until(&next, written - 1);
    assert_in_range(lost, 1, 19000);
    write_numbered(written++);
    assert_int_equal(read_until(&next, written - 1), 0);
}

/* ---- The socket ---- */

static void test_syslog_restarts(void **state)
{
    unsigned next = 0;

    (void)state;
    log_end();
    log_begin();
    write_numbered(0);
    assert_int_equal(read_until(&next, 0), 0);
}

static void test_syslog_is_absent_for_a_while(void **state)
{
    unsigned next = 0;

    (void)state;
    log_end();
    for (unsigned i = 0; i < 1000; i++)
        write_numbered(i);
    log_begin();
    assert_int_equal(read_until(&next, 999), 0);
}

/* Vault#31718: the log is replaced, its old reader lives on, and the service goes on writing to it. */
static void test_vault_31718_replaced_log_is_noticed(void **state)
{
    int old_fd = log_fd;
    unsigned next = 0;

    (void)state;
    write_numbered(0);
    assert_int_equal(read_until(&next, 0), 0);
    unlink(log_path);
    write_numbered(1); /* removed only: who reads there still gets it */
    seconds++;
    write_numbered(2);
    assert_int_equal(read_until(&next, 2), 0);
    log_begin();
    seconds++;
    write_numbered(3);
    assert_int_equal(read_until(&next, 3), 0);
    assert_int_equal(recv(old_fd, &next, sizeof(next), MSG_DONTWAIT), -1);
    close(old_fd);
}

/* ---- The end ---- */

static void test_close_sends_what_is_kept(void **state)
{
    unsigned lost;
    size_t gone;

    (void)state;
    for (unsigned i = 0; i < 2000; i++)
        write_numbered(i);
    seen = 0;
    reading = true;
    gone = audit_close();
    reading = false;
    assert_int_equal(gone, 0);
    while (number_get(&lost) == (int)seen)
        seen++;
    assert_int_equal(seen, 2000);
}

/* Vault#5361: a log that nobody reads must not hold up anything, not even the end. */
static void test_vault_5361_nobody_reads_the_log(void **state)
{
    uint64_t begin = uv_hrtime();
    unsigned sent = 0, lost;
    size_t gone;

    (void)state;
    for (unsigned i = 0; i < 20000; i++)
        write_numbered(i);
    assert_true(uv_hrtime() - begin < 30ULL * 1000 * 1000 * 1000); /* a blocking write would never return */
    gone = audit_close();
    assert_true(uv_hrtime() - begin < 60ULL * 1000 * 1000 * 1000);
    while (number_get(&lost) >= 0)
        sent++;
    assert_int_equal(gone + sent, 20000);
    assert_true(gone > 0 && sent > 0);
}

/* Without a reader there is nothing to wait for. */
static void test_close_without_a_log(void **state)
{
    unsigned before = polls;

    (void)state;
    log_end();
    for (unsigned i = 0; i < 3; i++)
        write_numbered(i);
    assert_int_equal(audit_close(), 3);
    assert_int_equal(polls, before);
    log_begin();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_line_is_forged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_are_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backlog, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_lines_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_syslog_restarts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_syslog_is_absent_for_a_while, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vault_31718_replaced_log_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_sends_what_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vault_5361_nobody_reads_the_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_without_a_log, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

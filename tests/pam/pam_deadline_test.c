/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Whatever state the service is in, an entry point takes at most its deadline. The allowance above
 * it is for a busy machine: what is measured is hanging, not speed, and libdbus alone would wait 25 s. */
#include "tests/pam/fake_service.h"
#include "tests/pam/stage.h"

#include "common/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUS_SOCKET "/run/dbus/system_bus_socket"

enum { DEADLINE_MS = 500, ALLOWANCE_MS = 20000 };

/* Authenticates in each mode with unavailable=fail and =ignore. Each is over within the deadline,
 * and took all of it if `late`. */
static void check_unavailable(int late)
{
    static const struct {
        const char *service;
        const char *arguments;
        int code;
    } cases[] = {
        { "v", "mode=verify application=erp timeout=500", PAM_AUTHINFO_UNAVAIL },
        { "vi", "mode=verify application=erp timeout=500 unavailable=ignore", IGNORED },
        { "a", "mode=authtok application=erp timeout=500", IGNORED },
        { "af", "mode=authtok application=erp timeout=500 unavailable=fail",
          PAM_AUTHINFO_UNAVAIL },
    };
    char text[64];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t start, taken;

        stage_reveal(cases[i].service, 1, cases[i].arguments);
        start = stage_now();
        assert_int_equal(stage_authenticate(cases[i].service, "alice", FAKE_PASSWORD),
                         cases[i].code);
        taken = stage_now() - start;
        if (taken >= DEADLINE_MS + ALLOWANCE_MS)
            print_error("%s took %d ms\n", cases[i].arguments, (int)taken);
        assert_true(taken < DEADLINE_MS + ALLOWANCE_MS);
        if (late)
            assert_true(taken >= DEADLINE_MS - 1);
        /* Ignored: the password is the typed one still. */
        if (cases[i].code == IGNORED) {
            assert_int_equal(stage_authtok(text, sizeof(text)), strlen(FAKE_PASSWORD));
            assert_string_equal(text, FAKE_PASSWORD);
        }
        assert_non_null(strstr(stage_log(), "cannot ask about 'alice' in application 'erp'"));
    }
}

static void check_works(void)
{
    stage_reveal("works", 0, "mode=verify application=erp timeout=20000");
    assert_int_equal(stage_authenticate("works", "alice", FAKE_PASSWORD), PAM_SUCCESS);
}

/* A listener at `path` that never accepts; its backlog is `backlog`. */
static int listen_at(const char *path, int backlog)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    unlink(path);
    assert_int_equal(bind(fd, &address, sizeof(address)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

/* Up to `count` connections to the direct socket; returns how many there was room for. */
static int connect_many(int *fds, int count)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = DIRECT_SOCKET_PATH };
    int connected = 0;

    for (int i = 0; i < count; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(fds[i] >= 0);
        if (connect(fds[i], &address, sizeof(address)) == 0)
            connected++;
        else
            assert_int_equal(errno, EAGAIN);
    }
    return connected;
}

static void close_many(const int *fds, int count)
{
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

static void test_absent(void **state)
{
    check_unavailable(0);
}

static void test_socket_without_a_service(void **state)
{
    close(listen_at(DIRECT_SOCKET_PATH, 1));
    check_unavailable(0);
    unlink(DIRECT_SOCKET_PATH);
}

static void test_stopped(void **state)
{
    pid_t service = fake_start(FAKE_ANSWERS);

    fake_pause(service);
    check_unavailable(1);
    kill(service, SIGCONT);
    check_works();
    fake_stop(service);
}

/* The functions at which the other modes ask, each for a service that stands still. */
static void test_stopped_at_other_functions(void **state)
{
    static const struct {
        const char *arguments;
        int (*function)(pam_handle_t *, int);
        int code;
    } cases[] = {
        { "mode=capture application=erp timeout=500", pam_acct_mgmt, IGNORED },
        { "mode=capture application=erp timeout=500 unavailable=fail", pam_acct_mgmt,
          PAM_PERM_DENIED },
        { "mode=capture application=erp timeout=500 unavailable=fail", pam_chauthtok,
          PAM_TRY_AGAIN },
        { "mode=env application=erp timeout=500", pam_open_session, IGNORED },
        { "mode=env application=erp timeout=500 unavailable=fail", pam_open_session,
          PAM_SESSION_ERR },
    };
    pid_t service = fake_start(FAKE_ANSWERS);

    fake_pause(service);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pam_handle_t *pamh;
        int64_t start;

        stage_reveal_all("o", cases[i].arguments);
        pamh = stage_start("o", "alice", "typed");
        if (cases[i].function == pam_acct_mgmt)
            assert_int_equal(pam_authenticate(pamh, 0), IGNORED);
        start = stage_now();
        assert_int_equal(cases[i].function(pamh, 0), cases[i].code);
        assert_in_range(stage_now() - start, DEADLINE_MS - 1, DEADLINE_MS + ALLOWANCE_MS);
        pam_end(pamh, cases[i].code);
    }
    fake_stop(service);
    (void)stage_log();
}

static void test_stopped_with_100_connections_waiting(void **state)
{
    pid_t service = fake_start(FAKE_ANSWERS);
    int fds[100];

    fake_pause(service);
    connect_many(fds, 100);
    check_unavailable(1);
    close_many(fds, 100);
    fake_stop(service);
}

/* connect(2) would block here. */
static void test_no_room_for_100_connections(void **state)
{
    int listener = listen_at(DIRECT_SOCKET_PATH, 30);
    int fds[100];

    assert_true(connect_many(fds, 100) < 100);
    check_unavailable(1);
    close_many(fds, 100);
    close(listener);
    unlink(DIRECT_SOCKET_PATH);
}

static void test_never_accepts(void **state)
{
    int fd = listen_at(DIRECT_SOCKET_PATH, 1);

    check_unavailable(1);
    close(fd);
    unlink(DIRECT_SOCKET_PATH);
}

static void test_hung_in_the_middle_of_a_reply(void **state)
{
    pid_t service = fake_start(FAKE_HALF_REPLY);

    check_unavailable(1);
    fake_stop(service);
}

static void test_never_answers(void **state)
{
    pid_t service = fake_start(FAKE_SILENT);

    check_unavailable(1);
    fake_stop(service);
}

static void test_hangs_up(void **state)
{
    pid_t service = fake_start(FAKE_HANGS_UP);

    check_unavailable(0);
    fake_stop(service);
}

/* The direct socket is gone, and the bus is there but stopped. */
static void test_bus_stopped(void **state)
{
    int fd = listen_at(BUS_SOCKET, 1);
    int fds[2];

    check_unavailable(1);
    /* With a full backlog too. */
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = BUS_SOCKET };
    for (int i = 0; i < 2; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fds[i], &address, sizeof(address));
    }
    check_unavailable(1);
    close_many(fds, 2);
    close(fd);
    unlink(BUS_SOCKET);
}

static void test_bus_gone(void **state)
{
    close(listen_at(BUS_SOCKET, 1));
    check_unavailable(0);
    unlink(BUS_SOCKET);
}

/* Starts and kills the service all the time, until a byte can be read. */
static pid_t restart_all_the_time(int told)
{
    struct pollfd end = { .fd = told, .events = POLLIN };
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; poll(&end, 1, 0) == 0; i++) {
        pid_t service = fake_start(FAKE_ANSWERS);

        usleep((useconds_t)(i * 7919 % 20000));
        fake_stop(service);
    }
    _exit(0);
}

/* Each answer is either right or "unavailable", and in time. */
static void test_restarting(void **state)
{
    pid_t restarter;
    int64_t start;
    int told[2], code;

    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    restarter = restart_all_the_time(told[0]);
    stage_reveal("r", 0, "mode=verify application=erp timeout=500");
    for (int i = 0; i < 100; i++) {
        const char *password = i % 2 ? FAKE_PASSWORD : "wrong";

        start = stage_now();
        code = stage_authenticate("r", "alice", password);
        assert_true(stage_now() - start < DEADLINE_MS + ALLOWANCE_MS);
        if (code != PAM_AUTHINFO_UNAVAIL)
            assert_int_equal(code, i % 2 ? PAM_SUCCESS : PAM_AUTH_ERR);
    }
    assert_int_equal(write(told[1], "", 1), 1);
    assert_int_equal(waitpid(restarter, &code, 0), restarter);
    assert_int_equal(code, 0);
    close(told[0]);
    close(told[1]);
    (void)stage_log();
}

/* What must not count takes longer than the deadline in each of these. A machine that stands still takes
 * what is the service's: then the next, which is longer, decides. */
static const useconds_t deadlines_ms[] = { 1000, 4000, 16000 };
enum { DEADLINES = sizeof(deadlines_ms) / sizeof(deadlines_ms[0]) };

/* The deadline is the service's, not that of whoever types. */
static useconds_t typing_takes_ms;

static int converse_slowly(int count, const struct pam_message **messages,
                           struct pam_response **ret_answers, void *password)
{
    usleep(typing_takes_ms * 1000);
    return stage_converse(count, messages, ret_answers, password);
}

static void test_typing_is_not_counted(void **state)
{
    static char password[] = FAKE_PASSWORD;
    struct pam_conv conversation = { converse_slowly, password };
    pid_t service = fake_start(FAKE_ANSWERS);
    int code = PAM_AUTHINFO_UNAVAIL;

    for (int i = 0; i < DEADLINES && code == PAM_AUTHINFO_UNAVAIL; i++) {
        pam_handle_t *pamh = NULL;
        char arguments[64];

        snprintf(arguments, sizeof(arguments), "mode=verify application=erp timeout=%u",
                 deadlines_ms[i]);
        stage_reveal("t", 0, arguments);
        typing_takes_ms = deadlines_ms[i] + 200;
        assert_int_equal(pam_start("t", "alice", &conversation, &pamh), PAM_SUCCESS);
        code = pam_authenticate(pamh, 0);
        pam_end(pamh, code);
    }
    assert_int_equal(code, PAM_SUCCESS);
    fake_stop(service);
    (void)stage_log();
}

/* In the place of the C library's, for the module too: a name service that hangs. */
static useconds_t name_service_takes_ms;
static unsigned name_service_asked;

__attribute__((__visibility__("default")))
int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size,
               struct passwd **ret_found)
{
    int (*real)(const char *, struct passwd *, char *, size_t, struct passwd **);
    void *symbol = dlsym(RTLD_NEXT, "getpwnam_r");

    memcpy(&real, &symbol, sizeof(real));
    usleep(name_service_takes_ms * 1000);
    name_service_asked += name_service_takes_ms > 0;
    return real(name, entry, buffer, size, ret_found);
}

/* Nor is the name service's time, which nothing here can bound: user=external waits for it, as the
 * program itself does, and then goes on. The other lines do not ask it. */
static void test_the_name_service_is_not_counted(void **state)
{
    static const struct {
        const char *arguments;
        int code;
        bool asks;
    } cases[] = {
        { "mode=verify application=crew user=external", PAM_SUCCESS, true },
        { "mode=authtok application=crew user=external unavailable=fail", IGNORED, true },
        { "mode=verify application=crew", PAM_SUCCESS, false },
    };
    pid_t service = fake_start(FAKE_ANSWERS);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int code = PAM_AUTHINFO_UNAVAIL;

        name_service_asked = 0;
        for (int j = 0; j < DEADLINES && code == PAM_AUTHINFO_UNAVAIL; j++) {
            char arguments[128];

            snprintf(arguments, sizeof(arguments), "%s timeout=%u", cases[i].arguments,
                     deadlines_ms[j]);
            stage_reveal("n", 1, arguments);
            name_service_takes_ms = deadlines_ms[j] + 200;
            code = stage_authenticate("n", "alice", FAKE_PASSWORD);
            name_service_takes_ms = 0;
        }
        assert_int_equal(code, cases[i].code);
        assert_int_equal(name_service_asked > 0, cases[i].asks);
    }
    fake_stop(service);
    (void)stage_log();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_socket_without_a_service),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_stopped_at_other_functions),
        cmocka_unit_test(test_stopped_with_100_connections_waiting),
        cmocka_unit_test(test_no_room_for_100_connections),
        cmocka_unit_test(test_never_accepts),
        cmocka_unit_test(test_hung_in_the_middle_of_a_reply),
        cmocka_unit_test(test_never_answers),
        cmocka_unit_test(test_hangs_up),
        cmocka_unit_test(test_bus_stopped),
        cmocka_unit_test(test_bus_gone),
        cmocka_unit_test(test_the_name_service_is_not_counted),
        cmocka_unit_test(test_restarting),
        cmocka_unit_test(test_typing_is_not_counted),
    };

    stage_open();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever the service does, a call ends by its deadline and leaves the host process as it was. */
#include "client/mastersecret.h"

#include "client/deadline.h"
#include "tests/unit/fake_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TIMEOUT_MS = 400,
    SLACK_MS = 20000, /* a loaded machine; libdbus alone would wait 25 s, or for ever */
};

static enum mastersecret_error lookup(struct mastersecret *context)
{
    static const char *const labels[] = { "password" };
    struct mastersecret_credentials *credentials = NULL;
    enum mastersecret_error error =
        mastersecret_lookup(context, "erp", NULL, labels, 1, &credentials);

    mastersecret_credentials_free(credentials);
    return error;
}

static enum mastersecret_error set(struct mastersecret *context)
{
    static const struct mastersecret_field field = { "password", "x", 1, 1 };

    return mastersecret_set_mapping(context, "erp", NULL, "ALICE01", &field, 1, NULL);
}

/* The call takes the whole time-out, and not more. Where the machine stood still for so long that it
 * was not even sent, it is made again with more time. */
static void assert_late(struct fixture *fixture,
                        enum mastersecret_error (*call)(struct mastersecret *context),
                        enum mastersecret_error expected)
{
    enum mastersecret_error error = MASTERSECRET_TIMED_OUT;

    for (unsigned timeout_ms = TIMEOUT_MS; timeout_ms < SLACK_MS; timeout_ms *= 2) {
        int64_t begin = deadline_now();

        mastersecret_set_timeout(fixture->context, timeout_ms);
        error = call(fixture->context);
        assert_in_range((deadline_now() - begin) / 1000, timeout_ms - 5, timeout_ms + SLACK_MS);
        if (error == expected || error != MASTERSECRET_TIMED_OUT)
            break;
    }
    assert_int_equal(error, expected);
    mastersecret_set_timeout(fixture->context, FAKE_PATIENCE_MS);
}

/* Long before its time is over. */
static void assert_soon(struct fixture *fixture, enum mastersecret_error expected)
{
    int64_t begin = deadline_now();

    assert_int_equal(lookup(fixture->context), expected);
    assert_in_range((deadline_now() - begin) / 1000, 0, FAKE_PATIENCE_MS - 10);
}

static int start_answering(void **state)
{
    return fixture_start(state, FAKE_ANSWERS);
}

static void test_absent(void **state)
{
    struct fixture *fixture = *state;

    fake_service_stop(&fixture->service);
    assert_soon(fixture, MASTERSECRET_UNREACHABLE);
}

static void test_nobody_listens(void **state)
{
    struct fixture *fixture = *state;

    fake_service_kill(&fixture->service);
    assert_soon(fixture, MASTERSECRET_UNREACHABLE);
}

static void test_stopped_before_connecting(void **state)
{
    struct fixture *fixture = *state;

    kill(fixture->service.pid, SIGSTOP);
    assert_late(fixture, lookup, MASTERSECRET_TIMED_OUT);
    assert_late(fixture, set, MASTERSECRET_TIMED_OUT);
}

static void test_stopped_when_connected(void **state)
{
    struct fixture *fixture = *state;

    assert_soon(fixture, MASTERSECRET_OK);
    kill(fixture->service.pid, SIGSTOP);
    assert_late(fixture, lookup, MASTERSECRET_TIMED_OUT);
    kill(fixture->service.pid, SIGCONT);
    assert_soon(fixture, MASTERSECRET_OK);
}

static void on_alarm(int number)
{
}

/* Signals that keep interrupting the waits must not lengthen them. */
static void test_stopped_under_a_timer(void **state)
{
    struct fixture *fixture = *state;
    struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
    struct itimerval timer = { { 0, 7000 }, { 0, 7000 } };

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    assert_soon(fixture, MASTERSECRET_OK);
    kill(fixture->service.pid, SIGSTOP);
    assert_late(fixture, lookup, MASTERSECRET_TIMED_OUT);
    timer = (struct itimerval){ { 0, 0 }, { 0, 0 } };
    /* The handler stays: the last signal may be on its way still. */
    setitimer(ITIMER_REAL, &timer, NULL);
}

static int start_full(void **state)
{
    return fixture_start(state, FAKE_BACKLOG_FULL);
}

static void test_backlog_full(void **state)
{
    assert_late(*state, lookup, MASTERSECRET_TIMED_OUT);
}

static int start_silent(void **state)
{
    return fixture_start(state, FAKE_SILENT);
}

static void test_silent(void **state)
{
    assert_late(*state, lookup, MASTERSECRET_TIMED_OUT);
    assert_late(*state, set, MASTERSECRET_OUTCOME_UNKNOWN);
}

static int start_hanging(void **state)
{
    return fixture_start(state, FAKE_HANGS_MID_REPLY);
}

static void test_hangs_mid_reply(void **state)
{
    assert_late(*state, lookup, MASTERSECRET_TIMED_OUT);
    assert_late(*state, set, MASTERSECRET_OUTCOME_UNKNOWN);
}

static int start_dripping(void **state)
{
    return fixture_start(state, FAKE_DRIPS);
}

static void test_drips(void **state)
{
    assert_late(*state, lookup, MASTERSECRET_TIMED_OUT);
}

static int start_closing(void **state)
{
    return fixture_start(state, FAKE_CLOSES_MID_REPLY);
}

static void test_closes_mid_reply(void **state)
{
    struct fixture *fixture = *state;

    assert_soon(fixture, MASTERSECRET_UNREACHABLE);
    assert_int_equal(set(fixture->context), MASTERSECRET_OUTCOME_UNKNOWN);
}

static int start_wrong(void **state)
{
    return fixture_start(state, FAKE_WRONG_SIGNATURE);
}

static void test_wrong_signature(void **state)
{
    struct fixture *fixture = *state;
    char text[200];

    assert_soon(fixture, MASTERSECRET_UNREACHABLE);
    assert_true(mastersecret_message(fixture->context, text, sizeof(text)) > 0);
    assert_non_null(strstr(text, "sa{ss}(utttt)"));
    assert_int_equal(set(fixture->context), MASTERSECRET_OUTCOME_UNKNOWN);
}

static void test_restart_between_calls(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 3; i++) {
        assert_soon(fixture, MASTERSECRET_OK);
        fake_service_restart(&fixture->service, FAKE_ANSWERS);
    }
    assert_soon(fixture, MASTERSECRET_OK);
}

/* SIGPIPE has its default here, so that one would end the test. */
static void test_sigpipe_is_left_alone(void **state)
{
    struct fixture *fixture = *state;
    struct sigaction action;
    sigset_t mask;

    assert_soon(fixture, MASTERSECRET_OK);
    fake_service_kill(&fixture->service);
    assert_int_not_equal(set(fixture->context), MASTERSECRET_OK);
    sigaction(SIGPIPE, NULL, &action);
    assert_true(action.sa_handler == SIG_DFL);
    sigprocmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGPIPE));
}

static void test_fork(void **state)
{
    struct fixture *fixture = *state;
    int status;
    pid_t pid;

    assert_soon(fixture, MASTERSECRET_OK);
    pid = fork();
    if (pid == 0) {
        enum mastersecret_error error = lookup(fixture->context);

        mastersecret_free(fixture->context);
        _exit((int)error);
    }
    assert_soon(fixture, MASTERSECRET_OK);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_soon(fixture, MASTERSECRET_OK);
}

static void *look_up_often(void *data)
{
    struct mastersecret *context = data;

    for (int i = 0; i < 40; i++)
        if (lookup(context) != MASTERSECRET_OK)
            return data;
    return NULL;
}

static void test_threads_on_one_context(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[4];
    void *result;

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look_up_often, fixture->context), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], &result);
        assert_null(result);
    }
}

static size_t open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;

    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void test_no_fd_is_left(void **state)
{
    struct fixture *fixture = *state;
    size_t before = open_files();

    for (int i = 0; i < 20; i++) {
        assert_soon(fixture, MASTERSECRET_OK);
        assert_int_equal(set(fixture->context), MASTERSECRET_OK);
        fake_service_restart(&fixture->service, FAKE_ANSWERS);
    }
    assert_in_range(open_files(), before, before + 1);
    fake_service_restart(&fixture->service, FAKE_CLOSES_MID_REPLY);
    for (int i = 0; i < 20; i++)
        assert_soon(fixture, MASTERSECRET_UNREACHABLE);
    assert_int_equal(open_files(), before);
}

static void test_bad_addresses(void **state)
{
    static const char *const addresses[] = {
        "", "nonsense", "tcp:host=localhost,port=1", "unixexec:path=/bin/true", "unix:",
        "unix:path=/a,abstract=b", "unix:path=\xff", "autolaunch:", "unix:path=",
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        assert_int_equal(mastersecret_set_address(fixture->context, addresses[i]),
                         MASTERSECRET_OK);
        assert_soon(fixture, MASTERSECRET_INVALID_ARGUMENT);
    }
}

static void test_address_list(void **state)
{
    struct fixture *fixture = *state;
    char address[300];

    snprintf(address, sizeof(address), "unix:path=/nowhere/at/all;%s", fixture->service.address);
    assert_int_equal(mastersecret_set_address(fixture->context, address), MASTERSECRET_OK);
    assert_soon(fixture, MASTERSECRET_OK);
}

#define TEST(name, start) cmocka_unit_test_setup_teardown(name, start, fixture_end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_absent, start_answering),
        TEST(test_nobody_listens, start_answering),
        TEST(test_stopped_before_connecting, start_answering),
        TEST(test_stopped_when_connected, start_answering),
        TEST(test_stopped_under_a_timer, start_answering),
        TEST(test_backlog_full, start_full),
        TEST(test_silent, start_silent),
        TEST(test_hangs_mid_reply, start_hanging),
        TEST(test_drips, start_dripping),
        TEST(test_closes_mid_reply, start_closing),
        TEST(test_wrong_signature, start_wrong),
        TEST(test_restart_between_calls, start_answering),
        TEST(test_sigpipe_is_left_alone, start_answering),
        TEST(test_fork, start_answering),
        TEST(test_threads_on_one_context, start_answering),
        TEST(test_no_fd_is_left, start_answering),
        TEST(test_bad_addresses, start_answering),
        TEST(test_address_list, start_answering),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

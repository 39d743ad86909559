/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* What mastersecret.h promises to programs with threads, and to those that fork. */
#include "client/mastersecret.h"

#include "client/deadline.h"
#include "client/libdbus.h"
#include "client/lock.h"
#include "client/process.h"
#include "tests/unit/fake_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 20000, /* for what must succeed, on any machine */
    LONG_MS = 60000,
    THREADS = 4,
    ROUNDS = 30,
    FORKS = 200,
};

static struct fake_service service;

static int start(void **state)
{
    fake_service_start(&service, FAKE_ANSWERS);
    return 0;
}

static int stop(void **state)
{
    fake_service_stop(&service);
    return 0;
}

static struct mastersecret *new_context(unsigned timeout_ms)
{
    struct mastersecret *context;

    if (mastersecret_new(&context) != MASTERSECRET_OK ||
        mastersecret_set_address(context, service.address) != MASTERSECRET_OK)
        abort();
    mastersecret_set_timeout(context, timeout_ms);
    return context;
}

static enum mastersecret_error lookup(struct mastersecret *context)
{
    static const char *const labels[] = { "password" };
    struct mastersecret_credentials *credentials = NULL;
    enum mastersecret_error error =
        mastersecret_lookup(context, "erp", NULL, labels, 1, &credentials);

    if (error == MASTERSECRET_OK &&
        memcmp(mastersecret_credentials_field(credentials, NULL)->value, FAKE_PASSWORD,
               FAKE_PASSWORD_LENGTH) != 0)
        abort();
    mastersecret_credentials_free(credentials);
    return error;
}

/* Each function is that of a thread on a context, and returns NULL when all was as it should be. */
typedef void *body(void *context);
#define WRONG(text) ({ static char wrong_text[] = text; wrong_text; })

static void run(body *const *bodies, struct mastersecret *const *contexts, size_t count)
{
    pthread_t threads[THREADS];
    void *wrong;

    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, bodies[i], contexts[i]), 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

static void *call_everything(void *context)
{
    static const struct mastersecret_field field = { "password", "x", 1, 1 };
    struct mastersecret_mappings *mappings;
    size_t count;
    int matches;

    for (int i = 0; i < ROUNDS; i++) {
        if (lookup(context) != MASTERSECRET_OK)
            return WRONG("lookup");
        if (mastersecret_verify(context, "erp", NULL, NULL, i % 2 ? "wrong" : FAKE_PASSWORD,
                                i % 2 ? 5 : FAKE_PASSWORD_LENGTH, &matches) != MASTERSECRET_OK ||
            matches == i % 2)
            return WRONG("verify");
        if (mastersecret_set_mapping(context, "erp", NULL, "ALICE01", &field, 1, NULL) !=
            MASTERSECRET_OK)
            return WRONG("set_mapping");
        if (mastersecret_list_mappings(context, &mappings) != MASTERSECRET_OK)
            return WRONG("list_mappings");
        (void)mastersecret_mappings_get(mappings, &count);
        mastersecret_mappings_free(mappings);
        if (count != 2)
            return WRONG("mappings");
    }
    return NULL;
}

/* What may be done beside calls on the same context. */
static void *adjust(void *context)
{
    char text[100];

    for (int i = 0; i < ROUNDS; i++) {
        mastersecret_set_timeout(context, PATIENCE_MS + (unsigned)i);
        if (mastersecret_lookup(context, "erp\n", NULL, NULL, 0,
                                &(struct mastersecret_credentials *){ NULL }) !=
            MASTERSECRET_INVALID_ARGUMENT)
            return WRONG("an ill-formed name");
        (void)mastersecret_message(context, text, sizeof(text));
        if (mastersecret_set_address(context, service.address) != MASTERSECRET_OK ||
            mastersecret_connect(context) != MASTERSECRET_OK)
            return WRONG("set_address");
    }
    return NULL;
}

static void test_own_contexts(void **state)
{
    struct mastersecret *contexts[THREADS];
    body *const bodies[THREADS] = { call_everything, call_everything, adjust, call_everything };

    for (size_t i = 0; i < THREADS; i++)
        contexts[i] = new_context(PATIENCE_MS);
    run(bodies, contexts, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        mastersecret_free(contexts[i]);
}

static void test_one_context(void **state)
{
    struct mastersecret *context = new_context(PATIENCE_MS);
    struct mastersecret *const contexts[THREADS] = { context, context, context, context };
    body *const bodies[THREADS] = { call_everything, adjust, call_everything, call_everything };

    run(bodies, contexts, THREADS);
    mastersecret_free(context);
}

/* ---- Waiting for one another ---- */

enum { SHORT_MS = 300 };

static void *call_once(void *context)
{
    enum mastersecret_error error = lookup(context);

    return (void *)(intptr_t)error;
}

static void *time_out(void *context)
{
    int64_t begin = deadline_now();
    enum mastersecret_error error = lookup(context);
    int64_t elapsed_ms = (deadline_now() - begin) / 1000;

    if (error != MASTERSECRET_TIMED_OUT)
        return WRONG("did not time out");
    return elapsed_ms < SHORT_MS - 1 ? WRONG("too early") : NULL;
}

/* A thread that is inside a call which only the service's end ends, long before its own time. */
static pthread_t begin_slow_call(struct mastersecret *context)
{
    unsigned before = fake_service_calls();
    pthread_t thread;

    fake_service_restart(&service, FAKE_SILENT);
    assert_int_equal(pthread_create(&thread, NULL, call_once, context), 0);
    fake_service_await_call(before);
    return thread;
}

/* Whoever waited for it would have come too late. */
static void end_slow_call(pthread_t thread)
{
    void *result;

    assert_int_equal(pthread_tryjoin_np(thread, &result), EBUSY);
    fake_service_kill(&service);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, (void *)(intptr_t)MASTERSECRET_UNREACHABLE);
}

/* The wait for the context counts: calls of 300 ms are over while another's goes on. */
static void test_the_wait_counts(void **state)
{
    struct mastersecret *context = new_context(LONG_MS);
    struct mastersecret *const contexts[THREADS] = { context, context, context, context };
    body *const bodies[THREADS] = { time_out, time_out, time_out, time_out };
    pthread_t thread = begin_slow_call(context);

    mastersecret_set_timeout(context, SHORT_MS);
    run(bodies, contexts, THREADS);
    end_slow_call(thread);
    mastersecret_free(context);
}

static void test_a_slow_context_is_only_its_own(void **state)
{
    struct mastersecret *slow = new_context(LONG_MS), *quick = new_context(SHORT_MS);
    pthread_t thread = begin_slow_call(slow);

    assert_null(time_out(quick));
    end_slow_call(thread);
    mastersecret_free(slow);
    mastersecret_free(quick);
}

struct counter {
    struct lock lock;
    unsigned count; /* not atomic: the lock is what keeps it right */
};

static void *count_up(void *data)
{
    struct counter *counter = data;

    for (int i = 0; i < 5000; i++) {
        if (!lock_take(&counter->lock, deadline_in(PATIENCE_MS)))
            return data;
        counter->count++;
        lock_give(&counter->lock);
    }
    return NULL;
}

static void test_lock(void **state)
{
    struct counter counter = { .count = 0 };
    pthread_t threads[THREADS];
    void *wrong;

    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &counter), 0);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    assert_int_equal(counter.count, THREADS * 5000);
    assert_true(lock_take(&counter.lock, deadline_now()));
    assert_false(lock_take(&counter.lock, deadline_in(50)));
    counter.lock.holder = UINT32_MAX; /* a process that is not this one */
    assert_true(lock_take(&counter.lock, deadline_now()));
    assert_false(lock_take(&counter.lock, deadline_now()));
}

/* ---- Fork ---- */

static int exit_status_of(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* In the child: two threads find the context as a thread of the parent's left it. */
static int use_in_child(struct mastersecret *context)
{
    pthread_t threads[2];
    void *wrong;
    int status = 0;

    alarm(60); /* a hang ends the child by a signal */
    mastersecret_set_timeout(context, PATIENCE_MS);
    for (size_t i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, call_once, context) != 0)
            return 100;
    for (size_t i = 0; i < 2; i++)
        status += pthread_join(threads[i], &wrong) != 0 || wrong;
    mastersecret_free(context);
    return status;
}

/* The parent's thread is inside a call at that moment, and stays there. */
static void test_fork_in_the_middle_of_a_call(void **state)
{
    struct mastersecret *context;
    pthread_t thread;
    void *result;
    int told[2];
    char byte;
    pid_t pid;

#ifdef __SANITIZE_THREAD__
    skip(); /* its runtime ends a child that makes threads beside those of its parent */
#endif
    context = new_context(LONG_MS);
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    thread = begin_slow_call(context);
    pid = fork();
    if (pid == 0)
        _exit(read(told[0], &byte, 1) == 1 ? use_in_child(context) : 101);
    fake_service_restart(&service, FAKE_ANSWERS);
    assert_int_equal(write(told[1], "", 1), 1);
    assert_int_equal(exit_status_of(pid), 0);
    close(told[0]);
    close(told[1]);
    pthread_join(thread, &result);
    assert_ptr_equal(result, (void *)(intptr_t)MASTERSECRET_UNREACHABLE);
    assert_int_equal(lookup(context), MASTERSECRET_OK);
    mastersecret_free(context);
}

/* As from a signal handler that interrupts a call of its own thread. The child knows, and refuses
 * where it would hang; what is not libdbus's it frees. */
static void test_fork_from_inside(void **state)
{
    struct mastersecret *context = new_context(PATIENCE_MS), *own;
    char text[100];
    pid_t pid;

    assert_int_equal(lookup(context), MASTERSECRET_OK);
    assert_true(libdbus_enter());
    pid = fork();
    if (pid == 0) {
        int wrong = lookup(context) != MASTERSECRET_UNREACHABLE;

        wrong += !mastersecret_message(context, text, sizeof(text)) || !strstr(text, "was forked");
        wrong += mastersecret_new(&own) != MASTERSECRET_UNREACHABLE;
        mastersecret_free(context);
        _exit(wrong);
    }
    libdbus_leave();
    assert_int_equal(exit_status_of(pid), 0);
    assert_int_equal(lookup(context), MASTERSECRET_OK);
    mastersecret_free(context);
}

enum { NO_NAMESPACE = 99, NO_FORK = 98 };

/* A child that is process 1 of a new pid namespace, and in which fork handlers ran, or not. */
static pid_t fork_process_1(void)
{
    return unshare(CLONE_NEWPID) < 0 ? -1 : fork();
}

static pid_t clone_process_1(void)
{
    return (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
}

/* Its exit status. */
static int run_process_1(pid_t (*make)(void), int (*use)(struct mastersecret *context),
                         struct mastersecret *context)
{
    pid_t pid = make();
    int status;

    if (pid == 0) {
        alarm(60);
        _exit(getpid() == 1 ? use(context) : NO_FORK);
    }
    if (pid < 0)
        return errno == EPERM || errno == ENOSPC ? NO_NAMESPACE : NO_FORK;
    if (waitpid(pid, &status, 0) != pid)
        return NO_FORK;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static struct lock held;
static uint32_t generation;

static int use_as_grandchild(struct mastersecret *context)
{
    if (process_generation() == generation)
        return 1;
    if (!lock_take(&held, deadline_now() + 100000))
        return 2;
    return lookup(context) == MASTERSECRET_UNREACHABLE ? 0 : 3;
}

static int use_as_child(struct mastersecret *context)
{
    int status;

    generation = process_generation();
    if (lookup(context) != MASTERSECRET_OK || !lock_take(&held, deadline_now()) ||
        !libdbus_enter())
        return 10;
    status = run_process_1(clone_process_1, use_as_grandchild, context);
    if (status == 0)
        status = run_process_1(fork_process_1, use_as_grandchild, context);
    libdbus_leave();
    return status;
}

/* A pid says nothing: parent and child are both process 1 here, each in its own namespace. What the
 * parent was in the middle of, the child takes over or refuses, by whatever call it was made. */
static void test_a_child_with_its_parents_pid(void **state)
{
    struct mastersecret *context = new_context(PATIENCE_MS);
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(run_process_1(fork_process_1, use_as_child, context));
    status = exit_status_of(pid);
    mastersecret_free(context);
    if (status == NO_NAMESPACE)
        skip();
    assert_int_equal(status, 0);
}

struct inside {
    _Atomic bool is, was;
};

static void *be_inside(void *data)
{
    struct inside *inside = data;

    if (!libdbus_enter())
        return data;
    inside->is = true;
    poll(NULL, 0, 20);
    inside->was = true;
    libdbus_leave();
    return NULL;
}

/* fork() waits for whoever is inside, and the child has libdbus. Not for ever: on a machine that stands
 * still it may have to be tried again, but not as often as here. */
static void test_fork_waits_for_who_is_inside(void **state)
{
    struct mastersecret *context = new_context(PATIENCE_MS);
    bool waited = false;

    for (int i = 0; i < 100 && !waited; i++) {
        struct inside inside = { false, false };
        bool amidst;
        pthread_t thread;
        void *wrong;
        pid_t pid;

        assert_int_equal(pthread_create(&thread, NULL, be_inside, &inside), 0);
        while (!inside.is)
            poll(NULL, 0, 1);
        amidst = !inside.was;
        pid = fork();
        if (pid == 0) {
            alarm(60);
            _exit(inside.was ? (int)lookup(context) : 100);
        }
        waited = exit_status_of(pid) == MASTERSECRET_OK && amidst;
        assert_int_equal(pthread_join(thread, &wrong), 0);
        assert_null(wrong);
    }
    assert_true(waited);
    mastersecret_free(context);
}

/* Other threads are inside libdbus most of the time here. Without fork() waiting for them one child
 * in some thousands hangs. */
static void *call_until_told(void *data)
{
    _Atomic bool *told = data;
    struct mastersecret *context = new_context(PATIENCE_MS);
    void *wrong = NULL;

    while (!*told && !wrong) {
        wrong = lookup(context) == MASTERSECRET_OK ? NULL : data;
        mastersecret_free(context);
        context = new_context(PATIENCE_MS);
    }
    mastersecret_free(context);
    return wrong;
}

static int call_in_child(struct mastersecret *context)
{
    struct mastersecret *own = NULL;
    enum mastersecret_error first, second;

    alarm(60);
    first = lookup(context);
    second = mastersecret_new(&own);
    if (second == MASTERSECRET_OK)
        second = mastersecret_set_address(own, service.address);
    if (second == MASTERSECRET_OK)
        second = lookup(own);
    mastersecret_free(own);
    mastersecret_free(context);
    if (first != second)
        return 100;
    return (int)first;
}

static void test_forks_beside_calls(void **state)
{
    static _Atomic bool told;
    struct mastersecret *context = new_context(PATIENCE_MS);
    pthread_t threads[THREADS];
    void *wrong;
    int answers = 0;

    assert_int_equal(lookup(context), MASTERSECRET_OK);
    told = false;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_until_told, &told), 0);
    for (int i = 0; i < FORKS; i++) {
        pid_t pid = fork();
        int status;

        if (pid == 0)
            _exit(call_in_child(context));
        status = exit_status_of(pid);
        if (status != MASTERSECRET_OK)
            assert_int_equal(status, MASTERSECRET_UNREACHABLE);
        answers += status == MASTERSECRET_OK;
    }
    /* Not all: on a stalled machine a thread may stay inside for longer than fork() waits. */
    assert_true(answers > 0);
    told = true;
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    mastersecret_free(context);
}

#define WITH_SERVICE(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lock),
        WITH_SERVICE(test_own_contexts),
        WITH_SERVICE(test_one_context),
        WITH_SERVICE(test_the_wait_counts),
        WITH_SERVICE(test_a_slow_context_is_only_its_own),
        WITH_SERVICE(test_fork_in_the_middle_of_a_call),
        WITH_SERVICE(test_fork_from_inside),
        WITH_SERVICE(test_a_child_with_its_parents_pid),
        WITH_SERVICE(test_fork_waits_for_who_is_inside),
        WITH_SERVICE(test_forks_beside_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

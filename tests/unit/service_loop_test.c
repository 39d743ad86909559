/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dbus-service/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#define WAITING_MAX 256

struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool closed;
    unsigned running;
    unsigned most;
    unsigned runs;
    unsigned dones; /* loop's thread only */
};

static void on_run(void *userdata)
{
    struct gate *gate = userdata;

    pthread_mutex_lock(&gate->mutex);
    gate->runs++;
    gate->running++;
    if (gate->running > gate->most)
        gate->most = gate->running;
    while (gate->closed)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    gate->running--;
    pthread_mutex_unlock(&gate->mutex);
}

static void on_done(void *userdata)
{
    ((struct gate *)userdata)->dones++;
}

static void gate_set(struct gate *gate, bool closed)
{
    pthread_mutex_lock(&gate->mutex);
    gate->closed = closed;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

#define GATE {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}

static void test_classes_do_not_wait_for_each_other(void **state)
{
    struct gate names = GATE, kdf = GATE, file = GATE;
    struct work_queue *queue;
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(work_queue_new(&loop, &queue), 0);
    gate_set(&names, true);
    for (int i = 0; i < 10; i++)
        assert_int_equal(work_submit(queue, WORK_NAMES, on_run, on_done, &names), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(work_submit(queue, WORK_KDF, on_run, on_done, &kdf), 0);
        assert_int_equal(work_submit(queue, WORK_FILE, on_run, on_done, &file), 0);
    }
    while (kdf.dones < 3 || file.dones < 3)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(names.dones, 0);
    assert_int_equal(kdf.most, 1);
    assert_int_equal(file.most, 1);
    gate_set(&names, false);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(names.dones, 10);
    assert_int_equal(names.most, 2);
    work_queue_free(queue);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_full(void **state)
{
    struct gate gate = GATE;
    struct work_queue *queue;
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(work_queue_new(&loop, &queue), 0);
    gate_set(&gate, true);
    for (int i = 0; i < 1 + WAITING_MAX; i++)
        assert_int_equal(work_submit(queue, WORK_KDF, on_run, on_done, &gate), 0);
    assert_int_equal(work_submit(queue, WORK_KDF, on_run, on_done, &gate), -EBUSY);
    gate_set(&gate, false);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(gate.dones, 1 + WAITING_MAX);
    assert_int_equal(work_submit(queue, WORK_KDF, on_run, on_done, &gate), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    work_queue_free(queue);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* What runs is ended and told; what waits is dropped. */
static void test_freed_while_running(void **state)
{
    struct gate gate = GATE;
    struct work_queue *queue;
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(work_queue_new(&loop, &queue), 0);
    gate_set(&gate, true);
    for (int i = 0; i < 10; i++)
        assert_int_equal(work_submit(queue, WORK_NAMES, on_run, on_done, &gate), 0);
    work_queue_free(queue);
    gate_set(&gate, false);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(gate.runs, 2);
    assert_int_equal(gate.dones, 2);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes_do_not_wait_for_each_other),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_freed_while_running),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

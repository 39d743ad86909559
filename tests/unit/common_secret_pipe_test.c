/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/secret_pipe.h"

#include "common/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>

struct fixture {
    struct secret_pipe private;
    int ends[2]; /* the peer's pipe */
    struct secret *into;
};

static uint8_t value[VALUE_MAX_BYTES + 1];

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (uint8_t)(i * 31 + i / 256);
    assert_int_equal(secret_pipe_init(&fixture->private), 0);
    assert_int_equal(pipe2(fixture->ends, O_CLOEXEC), 0);
    assert_int_equal(secret_new(VALUE_MAX_BYTES + 1, &fixture->into), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    secret_pipe_deinit(&fixture->private);
    cleanup_close_fd(&fixture->ends[0]);
    cleanup_close_fd(&fixture->ends[1]);
    secret_free(fixture->into);
    free(fixture);
    return 0;
}

static void close_end(struct fixture *fixture, int end)
{
    close(steal_fd(&fixture->ends[end]));
}

static int receive(struct fixture *fixture)
{
    return secret_pipe_receive(&fixture->private, fixture->ends[0], fixture->into);
}

static int send(struct fixture *fixture, size_t length)
{
    return secret_pipe_send(&fixture->private, fixture->ends[1], value, length);
}

static void assert_private_empty(struct fixture *fixture)
{
    int queued = -1;

    assert_int_equal(ioctl(fixture->private.read_fd, FIONREAD, &queued), 0);
    assert_int_equal(queued, 0);
}

static void test_check(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_CLOSE int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CLEANUP_CLOSE int dir = open("/", O_RDONLY | O_CLOEXEC);
    CLEANUP_CLOSE int both = open("/dev/fd/0", O_PATH | O_CLOEXEC);

    assert_int_equal(secret_pipe_check(fixture->ends[0], PIPE_READ_END), PIPE_DONE);
    assert_int_equal(secret_pipe_check(fixture->ends[1], PIPE_WRITE_END), PIPE_DONE);
    assert_int_equal(secret_pipe_check(fixture->ends[0], PIPE_WRITE_END), PIPE_NOT_PIPE);
    assert_int_equal(secret_pipe_check(fixture->ends[1], PIPE_READ_END), PIPE_NOT_PIPE);
    assert_int_equal(secret_pipe_check(null, PIPE_READ_END), PIPE_NOT_PIPE);
    assert_int_equal(secret_pipe_check(dir, PIPE_READ_END), PIPE_NOT_PIPE);
    assert_int_equal(secret_pipe_check(both, PIPE_READ_END), PIPE_NOT_PIPE);
    assert_int_equal(secret_pipe_check(-1, PIPE_READ_END), -EBADF);
}

static void test_receive_to_the_end(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(receive(fixture), PIPE_AGAIN);
    assert_int_equal(write(fixture->ends[1], "pass", 4), 4);
    assert_int_equal(receive(fixture), PIPE_AGAIN);
    assert_int_equal(write(fixture->ends[1], "word", 4), 4);
    close_end(fixture, 1);
    assert_int_equal(receive(fixture), PIPE_DONE);
    assert_int_equal(fixture->into->length, 8);
    assert_memory_equal(fixture->into->bytes, "password", 8);
    assert_private_empty(fixture);
}

static void test_receive_the_largest(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(write(fixture->ends[1], value, VALUE_MAX_BYTES), VALUE_MAX_BYTES);
    assert_int_equal(receive(fixture), PIPE_AGAIN);
    close_end(fixture, 1);
    assert_int_equal(receive(fixture), PIPE_DONE);
    assert_memory_equal(fixture->into->bytes, value, VALUE_MAX_BYTES);
}

static void test_receive_too_much(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(fcntl(fixture->ends[1], F_SETPIPE_SZ, 2 * VALUE_MAX_BYTES),
                     2 * VALUE_MAX_BYTES);
    assert_int_equal(write(fixture->ends[1], value, sizeof(value)), sizeof(value));
    assert_int_equal(receive(fixture), PIPE_TOO_LARGE);
    assert_private_empty(fixture);
}

static void test_receive_many_tiny_writes(void **state)
{
    struct fixture *fixture = *state;

    /* Packet mode: one slot for each byte. */
    assert_int_equal(fcntl(fixture->ends[1], F_SETFL, O_DIRECT), 0);
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(write(fixture->ends[1], value + i, 1), 1);
    close_end(fixture, 1);
    assert_int_equal(receive(fixture), PIPE_DONE);
    assert_int_equal(fixture->into->length, 16);
    assert_memory_equal(fixture->into->bytes, value, 16);
}

static void test_send_round_trip(void **state)
{
    struct fixture *fixture = *state;
    static const size_t lengths[] = { 0, 1, 4096, 4097, VALUE_MAX_BYTES };
    uint8_t back[VALUE_MAX_BYTES];

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        assert_int_equal(send(fixture, lengths[i]), PIPE_DONE);
        if (lengths[i] > 0)
            assert_int_equal(read(fixture->ends[0], back, sizeof(back)), lengths[i]);
        assert_memory_equal(back, value, lengths[i]);
        assert_private_empty(fixture);
    }
    assert_int_equal(send(fixture, VALUE_MAX_BYTES + 1), PIPE_TOO_LARGE);
}

static void test_send_whole_or_nothing(void **state)
{
    struct fixture *fixture = *state;
    int queued;

    assert_int_equal(fcntl(fixture->ends[1], F_SETPIPE_SZ, 4096), 4096);
    assert_int_equal(send(fixture, 4097), PIPE_NO_ROOM);
    assert_int_equal(ioctl(fixture->ends[0], FIONREAD, &queued), 0);
    assert_int_equal(queued, 0);
    assert_int_equal(send(fixture, 4096), PIPE_DONE);
    assert_int_equal(send(fixture, 1), PIPE_NO_ROOM);
    assert_private_empty(fixture);
}

static void test_send_to_nobody(void **state)
{
    struct fixture *fixture = *state;

    close_end(fixture, 0);
    assert_int_equal(send(fixture, 100), PIPE_CLOSED);
    assert_int_equal(send(fixture, 0), PIPE_CLOSED);
    assert_private_empty(fixture);
}

static void test_wrong_ends(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(secret_pipe_receive(&fixture->private, fixture->ends[1], fixture->into),
                     PIPE_NOT_PIPE);
    assert_int_equal(secret_pipe_send(&fixture->private, fixture->ends[0], value, 1),
                     PIPE_NOT_PIPE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_check),
        TEST(test_receive_to_the_end),
        TEST(test_receive_the_largest),
        TEST(test_receive_too_much),
        TEST(test_receive_many_tiny_writes),
        TEST(test_send_round_trip),
        TEST(test_send_whole_or_nothing),
        TEST(test_send_to_nobody),
        TEST(test_wrong_ends),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/safe_open.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Every test works below a folder of its own, /tmp/mastersecret-XXXXXX. */
static char folder[64];

static const char *path_of(const char *name)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, mode_t mode, const char *content)
{
    CLEANUP_FCLOSE FILE *file = fopen(path_of(name), "we");

    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fchmod(fileno(file), mode), 0);
}

static struct safe_open_rule rule(mode_t forbidden)
{
    return (struct safe_open_rule){ .owner = getuid(), .forbidden = forbidden, .maximum = 10 };
}

static int open_outcome(const char *name, mode_t forbidden)
{
    struct safe_open_rule asked = rule(forbidden);
    CLEANUP_CLOSE int fd = -1;
    int r = safe_open(path_of(name), &asked, &fd);

    assert_int_equal(r == SAFE_OPEN_DONE, fd >= 0);
    return r;
}

static int set_up(void **state)
{
    strcpy(folder, "/tmp/mastersecret-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

static void test_reads_a_good_file(void **state)
{
    struct safe_open_rule asked = rule(0077);
    CLEANUP_SECRET struct secret *content = NULL;

    write_file("good", 0600, "ten bytes!");
    assert_int_equal(safe_read(path_of("good"), &asked, &content), SAFE_OPEN_DONE);
    assert_int_equal(content->length, 10);
    assert_memory_equal(content->bytes, "ten bytes!", 10);
}

static void test_refuses_by_file(void **state)
{
    write_file("long", 0600, "eleven bytes");
    write_file("open", 0640, "x");
    assert_int_equal(symlink("open", path_of("link")), 0);
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    assert_int_equal(mkdir(path_of("dir"), 0700), 0);
    assert_int_equal(open_outcome("long", 0077), SAFE_OPEN_TOO_LARGE);
    assert_int_equal(open_outcome("open", 0077), SAFE_OPEN_MODE);
    assert_int_equal(open_outcome("open", 0022), SAFE_OPEN_DONE);
    assert_int_equal(open_outcome("link", 0022), SAFE_OPEN_NOT_REGULAR);
    assert_int_equal(open_outcome("fifo", 0022), SAFE_OPEN_NOT_REGULAR);
    assert_int_equal(open_outcome("dir", 0022), SAFE_OPEN_NOT_REGULAR);
    assert_int_equal(open_outcome("dir/", 0022), SAFE_OPEN_NOT_REGULAR);
    assert_int_equal(open_outcome("absent", 0022), -ENOENT);
    assert_int_equal(open_outcome("absent/x", 0022), -ENOENT);
    assert_int_equal(open_outcome("open/x", 0022), -ENOTDIR);
}

static void test_refuses_relative(void **state)
{
    struct safe_open_rule asked = rule(0);
    int fd = -1;

    assert_int_equal(safe_open("etc/passwd", &asked, &fd), SAFE_OPEN_NOT_ABSOLUTE);
    assert_int_equal(safe_open("", &asked, &fd), SAFE_OPEN_NOT_ABSOLUTE);
    assert_int_equal(fd, -1);
}

static void test_ancestors(void **state)
{
    assert_int_equal(mkdir(path_of("loose"), 0700), 0);
    write_file("loose/file", 0600, "x");
    assert_int_equal(open_outcome("loose/file", 0077), SAFE_OPEN_DONE);
    assert_int_equal(chmod(path_of("loose"), 0777), 0);
    assert_int_equal(open_outcome("loose/file", 0077), SAFE_OPEN_ANCESTOR);
    assert_int_equal(chmod(path_of("loose"), 01777), 0);
    assert_int_equal(open_outcome("loose/file", 0077), SAFE_OPEN_DONE);
}

static void test_links_above_are_walked(void **state)
{
    char target[128];

    assert_int_equal(mkdir(path_of("real"), 0700), 0);
    write_file("real/file", 0600, "x");
    assert_int_equal(symlink("real", path_of("relative")), 0);
    snprintf(target, sizeof(target), "%s/real", folder);
    assert_int_equal(symlink(target, path_of("absolute")), 0);
    assert_int_equal(symlink("loop", path_of("loop")), 0);
    assert_int_equal(open_outcome("relative/file", 0077), SAFE_OPEN_DONE);
    assert_int_equal(open_outcome("absolute//file", 0077), SAFE_OPEN_DONE);
    assert_int_equal(open_outcome("real/../relative/file", 0077), SAFE_OPEN_DONE);
    assert_int_equal(open_outcome("loop/file", 0077), -ELOOP);
    /* The folder behind the link counts, not only the path as written. */
    assert_int_equal(chmod(path_of("real"), 0777), 0);
    assert_int_equal(open_outcome("absolute/file", 0077), SAFE_OPEN_ANCESTOR);
}

static void test_owner(void **state)
{
    if (getuid() != 0)
        skip();
    write_file("theirs", 0600, "x");
    assert_int_equal(chown(path_of("theirs"), 12345, 0), 0);
    assert_int_equal(open_outcome("theirs", 0077), SAFE_OPEN_OWNER);
    assert_int_equal(mkdir(path_of("folder"), 0700), 0);
    write_file("folder/file", 0600, "x");
    assert_int_equal(chown(path_of("folder"), 12345, 0), 0);
    assert_int_equal(open_outcome("folder/file", 0077), SAFE_OPEN_ANCESTOR);
    assert_int_equal(symlink(".", path_of("link")), 0);
    assert_int_equal(lchown(path_of("link"), 12345, 0), 0);
    write_file("mine", 0600, "x");
    assert_int_equal(open_outcome("link/mine", 0077), SAFE_OPEN_ANCESTOR);
}

static void test_a_file_without_a_size(void **state)
{
    struct safe_open_rule asked = { .owner = 0, .forbidden = 0022, .maximum = 10 };
    CLEANUP_SECRET struct secret *content = NULL;

    /* Claims size 0 and holds more than ten bytes. */
    assert_int_equal(safe_read("/proc/version", &asked, &content), SAFE_OPEN_TOO_LARGE);
    assert_null(content);
}

static int empty_outcome(const char *name, int flags, mode_t mode, const char *content)
{
    CLEANUP_CLOSE int fd = -1;

    write_file(name, mode, content);
    fd = open(path_of(name), flags | O_CLOEXEC);
    assert_true(fd >= 0);
    return safe_is_empty_file(fd);
}

static void test_a_file_to_be_written(void **state)
{
    int ends[2];

    assert_int_equal(empty_outcome("good", O_RDWR, 0600, ""), 1);
    assert_int_equal(empty_outcome("full", O_RDWR, 0600, "x"), 0);
    assert_int_equal(empty_outcome("shared", O_RDWR, 0640, ""), 0);
    assert_int_equal(empty_outcome("setuid", O_RDWR, 04600, ""), 0);
    assert_int_equal(empty_outcome("reading", O_RDONLY, 0600, ""), 0);
    assert_int_equal(empty_outcome("writing", O_WRONLY, 0600, ""), 0);
    assert_int_equal(empty_outcome("appending", O_RDWR | O_APPEND, 0600, ""), 0);
    assert_int_equal(empty_outcome("path", O_PATH, 0600, ""), 0);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(safe_is_empty_file(ends[0]), 0);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(safe_is_empty_file(ends[0]), -EBADF);
}

static void test_texts(void **state)
{
    for (int outcome = SAFE_OPEN_DONE; outcome <= SAFE_OPEN_TOO_LARGE; outcome++)
        assert_string_not_equal(safe_open_text(outcome), "is not safe");
    assert_string_equal(safe_open_text(-ENOENT), "No such file or directory");
    assert_string_equal(safe_open_text(99), "is not safe");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_reads_a_good_file),
        TEST(test_refuses_by_file),
        TEST(test_refuses_relative),
        TEST(test_ancestors),
        TEST(test_links_above_are_walked),
        TEST(test_owner),
        TEST(test_a_file_without_a_size),
        TEST(test_a_file_to_be_written),
        TEST(test_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Pool, comparison and subkeys. */
#include "tests/unit/keys_support.h"

#include "dbus-service/keys/equal.h"
#include "dbus-service/keys/key.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static bool no_memfd;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
    va_list arguments;
    long first;

    va_start(arguments, number);
    first = va_arg(arguments, long);
    va_end(arguments);
    if (no_memfd) {
        errno = ENOSYS;
        return -1;
    }
    return __real_syscall(number, first);
}

static void assert_places(struct key_pool *pool)
{
    static const uint8_t zero[64];
    uint8_t *first, *second, *third;

    assert_int_equal(key_pool_get(pool, KEY_SIZE, &first), 0);
    assert_int_equal(key_pool_get(pool, 17, &second), 0);
    assert_int_equal((uintptr_t)first % 16, 0);
    assert_int_equal((uintptr_t)second % 16, 0);
    assert_memory_equal(first, zero, KEY_SIZE);
    assert_memory_equal(second, zero, 32);
    assert_true(second >= first + KEY_SIZE);
    memset(first, 0x5a, KEY_SIZE);
    assert_int_equal(key_pool_get(pool, KEY_SIZE, &third), -ENOSPC);
    assert_int_equal(key_pool_get(pool, SIZE_MAX, &third), -ENOSPC);
    assert_int_equal(key_pool_get(pool, 16, &third), 0);
    assert_int_equal(key_pool_get(pool, 1, &third), -ENOSPC);
}

static void test_places(void **state)
{
    struct key_pool *pool;

    assert_int_equal(key_pool_new(80, &pool), 0);
    assert_places(pool);
    key_pool_free(pool);
    key_pool_free(NULL);
}

static void test_without_memfd_secret(void **state)
{
    struct key_pool *pool;

    no_memfd = true;
    assert_int_equal(key_pool_new(80, &pool), 0);
    no_memfd = false;
    assert_string_not_equal(key_pool_kind(pool), "memfd_secret");
    assert_places(pool);
    key_pool_free(pool);
}

static bool readable_through_proc(const void *address)
{
    CLEANUP_CLOSE int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    uint8_t byte;

    assert_true(fd >= 0);
    return pread(fd, &byte, 1, (off_t)(uintptr_t)address) == 1;
}

static bool has_memfd_secret(void)
{
#ifdef SYS_memfd_secret
    CLEANUP_CLOSE int fd = (int)__real_syscall(SYS_memfd_secret, (long)O_CLOEXEC);
    void *page;

    if (fd < 0 || ftruncate(fd, KEY_SIZE) < 0)
        return false;
    page = mmap(NULL, KEY_SIZE, PROT_READ, MAP_SHARED, fd, 0); /* refused without memlock */
    return page != MAP_FAILED && munmap(page, KEY_SIZE) == 0;
#else
    return false;
#endif
}

static void test_hidden_from_proc(void **state)
{
    uint8_t stack = 1;
    struct key_pool *pool;
    uint8_t *place;

    if (!has_memfd_secret())
        skip();
    assert_int_equal(key_pool_new(KEY_SIZE, &pool), 0);
    assert_string_equal(key_pool_kind(pool), "memfd_secret");
    assert_int_equal(key_pool_get(pool, KEY_SIZE, &place), 0);
    memset(place, 0x5a, KEY_SIZE);
    assert_true(readable_through_proc(&stack));
    assert_false(readable_through_proc(place));
    key_pool_free(pool);
}

/* python3: hashlib.blake2b(b'', digest_size=32, key=bytes(range(32)),
 *     salt=(200).to_bytes(16, 'little'), person=b'msrecord' + bytes(8)).hexdigest() */
static void test_subkey(void **state)
{
    static const uint8_t expected[KEY_SIZE] = {
        0x94, 0xab, 0x72, 0x25, 0x04, 0x46, 0x52, 0x87,
        0xb0, 0x00, 0x67, 0xbe, 0x07, 0x1b, 0x12, 0xd7,
        0x04, 0xc6, 0x43, 0xee, 0x5c, 0x11, 0x01, 0x5e,
        0xbf, 0x4e, 0x61, 0x5c, 0xca, 0x41, 0xe7, 0x72,
    };
    uint8_t key[KEY_SIZE], subkey[KEY_SIZE];

    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)i;
    key_derive(key, 200, "msrecord", subkey);
    assert_memory_equal(subkey, expected, sizeof(subkey));
}

static void test_equal(void **state)
{
    static const char text[] = "zero\0inside";
    CLEANUP_SECRET struct secret *secret = NULL;
    CLEANUP_SECRET struct secret *nothing = NULL;

    assert_int_equal(secret_new_copy(text, 11, &secret), 0);
    assert_int_equal(secret_new(0, &nothing), 0);
    assert_true(secret_equal(secret, text, 11));
    for (size_t i = 0; i < 11; i++) {
        char other[12];

        memcpy(other, text, sizeof(other));
        other[i] ^= 1;
        assert_false(secret_equal(secret, other, 11));
        assert_false(secret_equal(secret, text, i));
    }
    assert_false(secret_equal(secret, text, 12)); /* one more, and that a zero */
    assert_false(secret_equal(secret, NULL, 0));
    assert_false(secret_equal(nothing, "", 1));
    assert_true(secret_equal(nothing, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),      cmocka_unit_test(test_without_memfd_secret),
        cmocka_unit_test(test_hidden_from_proc), cmocka_unit_test(test_subkey),
        cmocka_unit_test(test_equal),
    };

    return cmocka_run_group_tests(tests, init_keys, NULL);
}

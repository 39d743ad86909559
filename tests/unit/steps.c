/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

struct steps *steps;

static void die(void)
{
    for (;;)
        syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

/* What is to become of this call; 0: nothing special. */
static int step(enum step_kind kind, const char *name)
{
    int left;

    if (!steps || !(atomic_load(&steps->kinds) & (int)kind))
        return 0;
    atomic_fetch_add(&steps->taken, 1);
    left = atomic_load(&steps->countdown);
    if (left < 0)
        return 0;
    if (left > 0 && atomic_fetch_sub(&steps->countdown, 1) > 0)
        return 0;
    if (!atomic_load(&steps->sticky))
        atomic_store(&steps->countdown, -1);
    if (atomic_fetch_add(&steps->hits, 1) == 0) {
        size_t i = 0;

        for (; name[i] && i < sizeof(steps->name) - 1; i++)
            steps->name[i] = name[i];
        steps->name[i] = '\0';
    }
    if (atomic_load(&steps->action) == STEP_KILL)
        die();
    if (atomic_load(&steps->action) == STEP_FAIL)
        errno = atomic_load(&steps->error);
    return atomic_load(&steps->action);
}

static long after(int action, long result)
{
    if (action == STEP_KILL_HALF)
        die();
    return result;
}

static mode_t type_of(int fd)
{
    struct stat status;
    int before = errno;
    mode_t type = syscall(SYS_fstat, fd, &status) < 0 ? 0 : status.st_mode & S_IFMT;

    errno = before;
    return type;
}

#define CALL(type, name, kind, parameters, call)                                                   \
    type name parameters                                                                           \
    {                                                                                              \
        int action = step(kind, #name);                                                            \
        return action == STEP_FAIL ? (type)-1 : (type)after(action, call);                         \
    }

CALL(int, fsync, STEP_SYNC, (int fd), syscall(SYS_fsync, fd))
CALL(int, fdatasync, STEP_SYNC, (int fd), syscall(SYS_fdatasync, fd))
CALL(int, msync, STEP_SYNC, (void *at, size_t size, int flags), syscall(SYS_msync, at, size, flags))
CALL(int, ftruncate, STEP_SIZE, (int fd, off_t size), syscall(SYS_ftruncate, fd, size))
CALL(int, ftruncate64, STEP_SIZE, (int fd, off_t size), syscall(SYS_ftruncate, fd, size))
CALL(int, unlinkat, STEP_UNLINK, (int at, const char *name, int flags),
     syscall(SYS_unlinkat, at, name, flags))
CALL(int, unlink, STEP_UNLINK, (const char *name), syscall(SYS_unlink, name))
CALL(int, linkat, STEP_RENAME,
     (int at, const char *from, int to_at, const char *to, int flags),
     syscall(SYS_linkat, at, from, to_at, to, flags))
CALL(int, rename, STEP_RENAME, (const char *from, const char *to), syscall(SYS_rename, from, to))
CALL(int, renameat, STEP_RENAME, (int at, const char *from, int to_at, const char *to),
     syscall(SYS_renameat, at, from, to_at, to))
CALL(int, renameat2, STEP_RENAME,
     (int at, const char *from, int to_at, const char *to, unsigned flags),
     syscall(SYS_renameat2, at, from, to_at, to, flags))
CALL(ssize_t, sendmsg, STEP_SEND, (int fd, const struct msghdr *message, int flags),
     syscall(SYS_sendmsg, fd, message, flags))
CALL(ssize_t, send, STEP_SEND, (int fd, const void *bytes, size_t size, int flags),
     syscall(SYS_sendto, fd, bytes, size, flags, NULL, 0))

#define OPEN(name, parameters, at)                                                                 \
    int name parameters                                                                            \
    {                                                                                              \
        int action = step(flags & (O_CREAT | O_TRUNC) ? STEP_CREATE : STEP_OPEN, #name);           \
        va_list list;                                                                              \
        mode_t mode;                                                                               \
                                                                                                   \
        va_start(list, flags);                                                                     \
        mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, mode_t) : 0;                         \
        va_end(list);                                                                              \
        if (action == STEP_FAIL)                                                                   \
            return -1;                                                                             \
        return (int)after(action, syscall(SYS_openat, at, path, flags, mode));                     \
    }

OPEN(open, (const char *path, int flags, ...), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD)
OPEN(openat, (int at, const char *path, int flags, ...), at)
OPEN(openat64, (int at, const char *path, int flags, ...), at)

/* Transfers, which may come to half of what was asked for. */
#define TRANSFER(name, kind, parameters, ...)                                                      \
    ssize_t name parameters                                                                        \
    {                                                                                              \
        int action = steps && type_of(fd) == S_IFREG ? step(kind, #name) : 0;              \
                                                                                                   \
        if (action == STEP_FAIL)                                                                   \
            return -1;                                                                             \
        if (action && size > 1)                                                                    \
            size /= 2;                                                                             \
        return after(action, syscall(__VA_ARGS__));                                                \
    }

TRANSFER(read, STEP_READ, (int fd, void *bytes, size_t size), SYS_read, fd, bytes, size)
TRANSFER(pread, STEP_READ, (int fd, void *bytes, size_t size, off_t offset), SYS_pread64, fd,
         bytes, size, offset)
TRANSFER(pread64, STEP_READ, (int fd, void *bytes, size_t size, off_t offset), SYS_pread64,
         fd, bytes, size, offset)
TRANSFER(write, STEP_WRITE, (int fd, const void *bytes, size_t size), SYS_write, fd, bytes,
         size)
TRANSFER(pwrite, STEP_WRITE, (int fd, const void *bytes, size_t size, off_t offset),
         SYS_pwrite64, fd, bytes, size, offset)
TRANSFER(pwrite64, STEP_WRITE, (int fd, const void *bytes, size_t size, off_t offset),
         SYS_pwrite64, fd, bytes, size, offset)

#ifdef STEPS_PRELOAD
/* Before main(): the file that whoever plans has mapped as well. */
__attribute__((__constructor__)) static void steps_map(void)
{
    const char *path = getenv("MS_STEPS");
    long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
    void *at = MAP_FAILED;

    if (fd >= 0)
        at = mmap(NULL, sizeof(*steps), PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
    if (at == MAP_FAILED) {
        fprintf(stderr, "steps: no file in MS_STEPS\n");
        _exit(99);
    }
    steps = at;
    syscall(SYS_close, fd);
}
#elif !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
    return step(STEP_MEMORY, "malloc") ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return step(STEP_MEMORY, "calloc") ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return step(STEP_MEMORY, "realloc") ? NULL : __libc_realloc(memory, size);
}
#endif

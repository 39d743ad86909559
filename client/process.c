/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic uint32_t last; /* that any process of this line had */
static _Atomic uint32_t kept;
/* 0 in a child that did not ask yet. It lies in a page that the kernel wipes at every kind of fork,
 * _Fork() and a bare clone() included; where there is none, only the C library's fork() is seen. */
static _Atomic uint32_t *current = &kept;

uint32_t process_generation(void)
{
    uint32_t found = atomic_load(current);
    uint32_t next;

    if (found)
        return found;
    next = atomic_fetch_add(&last, 1) + 1;
    return atomic_compare_exchange_strong(current, &found, next) ? next : found;
}

static void forget(void)
{
    atomic_store(current, 0);
}

/* The C library forgets the handler when it unloads this library. */
__attribute__((__constructor__)) static void process_begin(void)
{
    const size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)pthread_atfork(NULL, NULL, forget);
    if (page == MAP_FAILED)
        return;
    if (madvise(page, size, MADV_WIPEONFORK) == 0)
        current = page;
    else
        (void)munmap(page, size);
}

__attribute__((__destructor__)) static void process_end(void)
{
    void *page = current;

    if (current == &kept)
        return;
    current = &kept;
    (void)munmap(page, (size_t)sysconf(_SC_PAGESIZE));
}

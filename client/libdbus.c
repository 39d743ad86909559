/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/libdbus.h"

#include "client/process.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* Whoever is inside is out again after some microseconds. But a signal handler may fork while its
 * own thread is inside, and a program may fork all the time: then waiting helps nobody, and it is
 * the child that finds out. */
enum { PATIENCE_MS = 100 };

/* The generation of a process, how many of its threads are forking and how many are inside: one
 * word, so that all who look at the same time agree, the first threads of a child included. */
static _Atomic uint64_t gate;
#define INSIDE ((uint64_t)1)
#define FORKING ((uint64_t)1 << 16)
#define PROCESS ((uint64_t)1 << 32)

static bool is_forking(uint64_t word, uint64_t self)
{
    return word / PROCESS == self && word % PROCESS >= FORKING;
}

static bool is_anybody_inside(uint64_t word)
{
    return word % FORKING > 0;
}

/* Counts this thread as `role`, while no other one forks or when the patience is over; false when
 * the parent left somebody inside. */
static bool add(uint64_t role, uint64_t self, int patience_ms)
{
    uint64_t word = atomic_load(&gate);
    uint64_t wanted;

    do {
        for (; patience_ms > 0 && is_forking(word, self); patience_ms--) {
            poll(NULL, 0, 1);
            word = atomic_load(&gate);
        }
        if (word / PROCESS != self && is_anybody_inside(word))
            return false;
        wanted = word / PROCESS == self ? word + role : self * PROCESS + role;
    } while (!atomic_compare_exchange_weak(&gate, &word, wanted));
    return true;
}

bool libdbus_enter(void)
{
    return add(INSIDE, process_generation(), PATIENCE_MS);
}

void libdbus_leave(void)
{
    atomic_fetch_sub(&gate, INSIDE);
}

static void before_fork(void)
{
    if (!add(FORKING, process_generation(), 0))
        return;
    for (int i = 0; i < PATIENCE_MS && is_anybody_inside(atomic_load(&gate)); i++)
        poll(NULL, 0, 1);
}

static void after_fork(void)
{
    if (is_forking(atomic_load(&gate), process_generation()))
        atomic_fetch_sub(&gate, FORKING);
}

/* The C library forgets the handlers when it unloads this one. */
__attribute__((__constructor__)) static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork, NULL);
}

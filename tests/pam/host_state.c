/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/pam/host_state.h"

#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void read_fds(struct host_state *state)
{
    for (int fd = 0; fd < HOST_FDS; fd++) {
        struct host_fd *entry = &state->fds[fd];
        struct stat status;

        entry->flags = fcntl(fd, F_GETFD);
        if (entry->flags < 0 || fstat(fd, &status) < 0)
            continue;
        entry->status = fcntl(fd, F_GETFL);
        entry->device = status.st_dev;
        entry->inode = status.st_ino;
    }
}

/* The C library leaves the unused rest of a sigset_t as it was. */
static void list_signals(const sigset_t *set, char *ret_members)
{
    for (int number = 1; number < NSIG; number++)
        ret_members[number] = (char)sigismember(set, number);
}

static void read_signals(struct host_state *state)
{
    struct sigaction action;
    stack_t stack;
    sigset_t set;

    for (int number = 1; number < NSIG; number++)
        if (sigaction(number, NULL, &action) == 0) {
            state->actions[number].handler = action.sa_handler;
            state->actions[number].flags = action.sa_flags;
            list_signals(&action.sa_mask, state->actions[number].masked);
        }
    sigprocmask(SIG_BLOCK, NULL, &set);
    list_signals(&set, state->blocked);
    sigemptyset(&set);
    sigpending(&set);
    list_signals(&set, state->pending);
    sigaltstack(NULL, &stack);
    state->signal_stack.base = stack.ss_sp;
    state->signal_stack.size = stack.ss_size;
    state->signal_stack.flags = stack.ss_flags;
}

static void read_timers(struct host_state *state)
{
    static const int timers[] = { ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF };

    for (size_t i = 0; i < 3; i++) {
        struct itimerval timer;

        getitimer(timers[i], &timer);
        state->timers[i].interval = timer.it_interval;
        /* One that repeats is not armed for a moment each time. */
        state->timers[i].is_armed = timer.it_interval.tv_usec == 0 &&
                                    timer.it_interval.tv_sec == 0 &&
                                    (timer.it_value.tv_sec || timer.it_value.tv_usec);
    }
}

static void read_environment(struct host_state *state)
{
    size_t used = 0;

    state->environment.list = environ;
    for (char **entry = environ; entry && *entry && used < HOST_ENVIRONMENT_BYTES; entry++)
        used += (size_t)snprintf(state->environment.text + used, HOST_ENVIRONMENT_BYTES - used,
                                 "%s\n", *entry);
    snprintf(state->locale.process, sizeof(state->locale.process), "%s", setlocale(LC_ALL, NULL));
    state->locale.thread = uselocale((locale_t)0);
    state->locale.rounding = fegetround();
}

static void read_files(struct host_state *state)
{
    static const char *const names[] = { ".", "/" };
    struct stat status;

    for (size_t i = 0; i < 2; i++)
        if (stat(names[i], &status) == 0) {
            state->folders[i].device = status.st_dev;
            state->folders[i].inode = status.st_ino;
        }
    state->mask = umask(0);
    umask(state->mask);
    if (stat("/proc/self/task", &status) == 0)
        state->threads = status.st_nlink;
}

static void read_process(struct host_state *state)
{
    getresuid(&state->ids.users[0], &state->ids.users[1], &state->ids.users[2]);
    getresgid(&state->ids.groups[0], &state->ids.groups[1], &state->ids.groups[2]);
    state->ids.other_count = getgroups(64, state->ids.others);
    for (unsigned i = 0; i < RLIMIT_NLIMITS; i++)
        getrlimit((__rlimit_resource_t)i, &state->limits[i]);
    state->process.group = getpgrp();
    state->process.session = getsid(0);
    state->process.dumpable = prctl(PR_GET_DUMPABLE);
    prctl(PR_GET_PDEATHSIG, &state->process.death_signal);
    state->process.no_new_privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    state->process.nice = getpriority(PRIO_PROCESS, 0);
    state->process.scheduler = sched_getscheduler(0);
    prctl(PR_GET_NAME, state->process.name);
    state->has_children = waitid(P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void host_state_read(struct host_state *ret_state)
{
    memset(ret_state, 0, sizeof(*ret_state));
    read_fds(ret_state);
    read_signals(ret_state);
    read_timers(ret_state);
    read_environment(ret_state);
    read_files(ret_state);
    read_process(ret_state);
}

#define PART(name) { #name, offsetof(struct host_state, name), sizeof(((struct host_state *)0)->name) }

static const struct {
    const char *name;
    size_t offset;
    size_t size;
} parts[] = {
    PART(fds),     PART(actions),     PART(blocked), PART(pending), PART(signal_stack),
    PART(timers),  PART(environment), PART(locale),  PART(folders), PART(mask),
    PART(ids),     PART(limits),      PART(process), PART(threads), PART(has_children),
};

const char *host_state_difference(const struct host_state *before, const struct host_state *after,
                                  size_t *ret_detail)
{
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const char *old = (const char *)before + parts[i].offset;
        const char *new = (const char *)after + parts[i].offset;

        for (size_t byte = 0; byte < parts[i].size; byte++)
            if (old[byte] != new[byte]) {
                *ret_detail = byte;
                return parts[i].name;
            }
    }
    return NULL;
}

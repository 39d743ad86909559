/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What belongs to the process that a module or a library works in, and must be afterwards as it was
 * before. Works without /proc, without a free descriptor and without memory. */
#ifndef TESTS_PAM_HOST_STATE_H
#define TESTS_PAM_HOST_STATE_H

#include <fenv.h>
#include <locale.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>

enum { HOST_FDS = 256, HOST_ENVIRONMENT_BYTES = 16384 };

/* Wiped before it is filled, so that its parts can be compared byte by byte. */
struct host_state {
    struct host_fd {
        int flags;  /* -1: closed */
        int status;
        dev_t device;
        ino_t inode;
    } fds[HOST_FDS];
    struct host_action {
        void (*handler)(int);
        int flags;
        char masked[NSIG];
    } actions[NSIG];
    char blocked[NSIG];
    char pending[NSIG];
    struct {
        void *base;
        size_t size;
        int flags;
    } signal_stack;
    struct {
        struct timeval interval;
        int is_armed;
    } timers[3];
    struct {
        char **list;
        char text[HOST_ENVIRONMENT_BYTES];
    } environment;
    struct {
        char process[256];
        locale_t thread;
        int rounding;
    } locale;
    struct {
        dev_t device;
        ino_t inode;
    } folders[2]; /* the current and the root */
    mode_t mask;
    struct {
        uid_t users[3];
        gid_t groups[3];
        gid_t others[64];
        int other_count;
    } ids;
    struct rlimit limits[RLIMIT_NLIMITS];
    struct {
        pid_t group, session;
        int dumpable, death_signal, no_new_privileges, nice, scheduler;
        char name[16];
    } process;
    nlink_t threads; /* two more than there are; 0 without /proc */
    int has_children;
};

void host_state_read(struct host_state *ret_state);
/* Names the first part that differs, or NULL. `detail` says where in it. */
const char *host_state_difference(const struct host_state *before, const struct host_state *after,
                                  size_t *ret_detail);

#endif

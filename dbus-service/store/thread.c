/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/store/thread.h"

#include <signal.h>
#include <sys/resource.h>

int thread_start(pthread_t *ret_thread, const char *name, void *(*main)(void *), void *userdata)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    error = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (error)
        return -error;
    error = pthread_create(ret_thread, NULL, main, userdata);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return -error;
    pthread_setname_np(*ret_thread, name);
    return 0;
}

void thread_lower_priority(void)
{
    /* On Linux this is the calling thread only. Not being allowed to is no reason to stop. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), 10);
}

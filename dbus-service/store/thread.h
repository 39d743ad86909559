/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Threads of the store: they block all signals, so that those reach the loop. */
#ifndef STORE_THREAD_H
#define STORE_THREAD_H

#include "common/cleanup.h"

#include <pthread.h>

/* Starts main(userdata); `name` of at most 15 characters is shown by ps -L. 0 or -errno. */
int thread_start(pthread_t *ret_thread, const char *name, void *(*main)(void *),
                 void *userdata) MUST_CHECK;
/* Makes the calling thread give way to all others. */
void thread_lower_priority(void);

#endif

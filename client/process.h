/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which process this is, to tell a forked child from what it inherited. Not the pid: in a new pid
 * namespace a child can have the number of its parent. */
#ifndef CLIENT_PROCESS_H
#define CLIENT_PROCESS_H

#include <stdint.h>

/* Never 0, and another number than that of any ancestor; siblings may have the same. */
uint32_t process_generation(void);

#endif

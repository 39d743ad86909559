/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* sd_notify(3) without libsystemd: one datagram to $NOTIFY_SOCKET; nothing when it is not set. */
#ifndef SERVICE_NOTIFY_H
#define SERVICE_NOTIFY_H

#include <stdint.h>

/* "READY=1", "STATUS=...", "STOPPING=1", ...; several separated by newlines. Never blocks. */
void notify_send(const char *text);
/* Half of what systemd allows between two WATCHDOG=1, in milliseconds; 0 = no watchdog. */
uint64_t notify_watchdog_interval(void);

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The direct socket: peer-to-peer D-Bus for local callers, without a broker. Only EXTERNAL is offered,
 * who calls is read from the socket, and connections are bounded in all and per user. */
#ifndef BUS_DIRECT_H
#define BUS_DIRECT_H

#include "dbus-service/bus/service.h"

/* Where libdbus finds a socket handed over by a "systemd:" address; kept free by harden.c. */
#define DIRECT_LISTEN_FD 3
#define DIRECT_SOCKET_NAME "direct"

/* Listens on FOLDER/direct, replacing what a predecessor left. 0 or -errno. */
int direct_new(struct service *service, const char *folder, struct direct **ret_direct) MUST_CHECK;
/* No new connections; those that are there stay. The socket's file is removed. */
void direct_stop(struct direct *direct);
void direct_free(struct direct *direct);
bool direct_has_unsent(const struct direct *direct);

#endif

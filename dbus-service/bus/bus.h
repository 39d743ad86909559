/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The service on the system bus: connected without ever blocking the loop, the name taken, and both again,
 * with growing pauses, whenever the bus went away. */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include "dbus-service/bus/service.h"

/* Begins to connect; service_bus_changed() tells when the name is there. 0 or -errno. */
int bus_new(struct service *service, struct bus **ret_bus) MUST_CHECK;
void bus_free(struct bus *bus);
/* Lost when there is no bus at the moment. NULL bus is legal. */
void bus_send(struct bus *bus, DBusMessage *message);
/* Gives the name back, so that calls are answered by nobody or by a successor. */
void bus_release_name(struct bus *bus);
bool bus_has_name(const struct bus *bus);
bool bus_has_unsent(const struct bus *bus);

#endif

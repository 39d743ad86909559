/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading the properties of an object, for Properties.GetAll, ObjectManager and signals alike. */
#ifndef BUS_PROPERTIES_H
#define BUS_PROPERTIES_H

#include "dbus-service/bus/table.h"
#include "dbus-service/bus/writer.h"

/* a{sv} of those that the roles may read. */
void properties_write(const struct interface *interface, const struct property_source *source,
                      unsigned roles, struct writer *writer);
bool property_may_read(const struct property *property, const struct property_source *source,
                       unsigned roles);

#endif

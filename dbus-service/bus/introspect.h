/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The description of an object, made from the tables. */
#ifndef BUS_INTROSPECT_H
#define BUS_INTROSPECT_H

#include "dbus-service/bus/table.h"

#include <stdio.h>

/* Everything from the DOCTYPE to the last interface; the child nodes and the closing tag are the
 * caller's. */
void introspect_interfaces(FILE *stream, unsigned object);
void introspect_child(FILE *stream, const char *name);
void introspect_end(FILE *stream);

#endif

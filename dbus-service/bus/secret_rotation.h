/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What org.mastersecret1.Secret offers of the rotation and the census; its tables are in
 * interface_secret.c. */
#ifndef BUS_SECRET_ROTATION_H
#define BUS_SECRET_ROTATION_H

#include "dbus-service/bus/table.h"
#include "dbus-service/domain/rotation.h"

int handle_rotate(struct call *call);
int handle_pause_rotation(struct call *call);
int handle_resume_rotation(struct call *call);
int handle_set_rotation_rate(struct call *call);
int handle_census(struct call *call);

void get_rotation(const struct property_source *source, struct writer *writer);
void get_unreadable(const struct property_source *source, struct writer *writer);

#endif

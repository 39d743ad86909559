/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What is told without being asked, on the system bus. A signal that cannot be sent is lost: it only
 * ever repeats what can be read. Values of an application's properties are never in a signal, since
 * everybody on the bus hears it: names only. */
#ifndef BUS_SIGNALS_H
#define BUS_SIGNALS_H

#include "dbus-service/bus/service.h"
#include "dbus-service/bus/writer.h"
#include "dbus-service/domain/rotation.h"

void signal_state_changed(struct service *service, enum realm_state old_state,
                          enum realm_state new_state);
void signal_application_added(struct service *service, const struct application *application);
void signal_application_changed(struct service *service, const struct application *application);
void signal_application_removed(struct service *service, const char *name);
/* change: "set", "enabled", "disabled", "deleted". */
void signal_mapping_changed(struct service *service, const char *application,
                            const struct account_name *account, const char *change);
/* The progress of a rotation is another one; and its end. */
void signal_rotation_changed(struct service *service);
void signal_rotation_ended(struct service *service, const struct rotation_result *result);

/* May the roles read anything of it? */
bool object_is_seen(struct service *service, const struct application *application, unsigned roles);
/* An entry {oa{sa{sv}}} with what the roles may read; nothing, and false, when that is nothing. */
bool object_write(struct service *service, const struct application *application, unsigned roles,
                  struct writer *writer);
/* Path of an application's object; at most this long. */
#define OBJECT_PATH_MAX (sizeof(BUS_PATH_APPLICATION) + 1 + 3 * NAME_MAX_BYTES + 1)
int object_path(const char *name, char ret_path[OBJECT_PATH_MAX]) MUST_CHECK;

#endif

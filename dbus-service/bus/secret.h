/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Handlers of org.mastersecret1.Secret, which stand in its table in interface_secret.c. */
#ifndef BUS_SECRET_H
#define BUS_SECRET_H

#include "dbus-service/bus/call.h"

/* secret_slot.c */
int handle_add_slot(struct call *call);
int handle_replace_slot(struct call *call);
int handle_remove_slot(struct call *call);
int handle_test_slot(struct call *call);
int handle_enter_share(struct call *call);
int handle_cancel_shares(struct call *call);
void get_secret_slots(const struct property_source *source, struct writer *writer);
void get_unseal_progress(const struct property_source *source, struct writer *writer);

/* secret_backup.c */
int handle_backup(struct call *call);
int handle_backup_to_directory(struct call *call);
int handle_add_recipient(struct call *call);
int handle_remove_recipient(struct call *call);
void get_recipients(const struct property_source *source, struct writer *writer);

/* secret_rotation.c */
int handle_rotate(struct call *call);
int handle_pause_rotation(struct call *call);
int handle_resume_rotation(struct call *call);
int handle_set_rotation_rate(struct call *call);
int handle_census(struct call *call);
void get_rotation(const struct property_source *source, struct writer *writer);
void get_unreadable(const struct property_source *source, struct writer *writer);

/* secret_restore.c */
int handle_check(struct call *call);
int handle_verify_backup(struct call *call);
int handle_restore(struct call *call);

#endif

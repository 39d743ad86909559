# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later

dbus_service_libservice_la_SOURCES += \
    %D%/access.c \
    %D%/access.h \
    %D%/account.c \
    %D%/account.h \
    %D%/application.c \
    %D%/application.h \
    %D%/application_internal.h \
    %D%/application_purge.c \
    %D%/application_value.c \
    %D%/audit.c \
    %D%/audit.h \
    %D%/audit_sink.c \
    %D%/audit_sink.h \
    %D%/backup.c \
    %D%/backup.h \
    %D%/backup_watch.c \
    %D%/backup_watch.h \
    %D%/check.c \
    %D%/check.h \
    %D%/export.c \
    %D%/export.h \
    %D%/failure.c \
    %D%/failure.h \
    %D%/identity.c \
    %D%/identity.h \
    %D%/mapping.c \
    %D%/mapping.h \
    %D%/mapping_internal.h \
    %D%/mapping_value.c \
    %D%/realm.c \
    %D%/realm.h \
    %D%/realm_internal.h \
    %D%/realm_job.c \
    %D%/realm_outcome.c \
    %D%/realm_record.c \
    %D%/restore.c \
    %D%/restore.h \
    %D%/rotation.c \
    %D%/rotation.h \
    %D%/rotation_internal.h \
    %D%/rotation_keyring.c \
    %D%/rotation_keyring.h \
    %D%/rotation_pass.c \
    %D%/rotation_pass.h \
    %D%/rotation_status.c \
    %D%/rotation_step.c \
    %D%/share_entry.c \
    %D%/share_entry.h \
    %D%/slot.c \
    %D%/slot.h \
    %D%/unreadable.c \
    %D%/unreadable.h

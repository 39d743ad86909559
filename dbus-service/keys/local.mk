# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later

dbus_service_libservice_la_SOURCES += \
    %D%/backup.c \
    %D%/backup.h \
    %D%/backup_file.c \
    %D%/backup_file.h \
    %D%/backup_lock.c \
    %D%/backup_lock.h \
    %D%/backup_manifest.c \
    %D%/backup_manifest.h \
    %D%/durable_file.c \
    %D%/durable_file.h \
    %D%/equal.c \
    %D%/equal.h \
    %D%/gf256.c \
    %D%/gf256.h \
    %D%/key.c \
    %D%/key.h \
    %D%/keyring.c \
    %D%/keyring.h \
    %D%/keyring_change.c \
    %D%/keyring_change.h \
    %D%/keyring_content.c \
    %D%/keyring_content.h \
    %D%/keyring_file.c \
    %D%/keyring_file.h \
    %D%/keyring_slot.c \
    %D%/keyring_slot.h \
    %D%/passphrase.c \
    %D%/passphrase.h \
    %D%/record.c \
    %D%/record.h \
    %D%/sealed_file.c \
    %D%/sealed_file.h \
    %D%/shares.c \
    %D%/shares.h \
    %D%/slot.c \
    %D%/slot.h

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later

dbus_service_libservice_la_SOURCES += \
    %D%/advice.c \
    %D%/advice.h \
    %D%/answer_cache.c \
    %D%/answer_cache.h \
    %D%/bus.c \
    %D%/bus.h \
    %D%/call.c \
    %D%/call.h \
    %D%/caller.c \
    %D%/caller.h \
    %D%/connection.c \
    %D%/connection.h \
    %D%/descriptors.c \
    %D%/descriptors.h \
    %D%/direct.c \
    %D%/direct.h \
    %D%/draft.c \
    %D%/draft.h \
    %D%/interface_application.c \
    %D%/interface_applications.c \
    %D%/interface_credentials.c \
    %D%/interface_manager.c \
    %D%/interface_properties.c \
    %D%/interface_secret.c \
    %D%/interface_standard.c \
    %D%/introspect.c \
    %D%/introspect.h \
    %D%/options.c \
    %D%/options.h \
    %D%/page.c \
    %D%/page.h \
    %D%/polkit.c \
    %D%/polkit.h \
    %D%/properties.h \
    %D%/quota.c \
    %D%/quota.h \
    %D%/secret.h \
    %D%/secret_backup.c \
    %D%/secret_restore.c \
    %D%/secret_rotation.c \
    %D%/secret_slot.c \
    %D%/service.c \
    %D%/service.h \
    %D%/signals.c \
    %D%/signals.h \
    %D%/table.c \
    %D%/table.h \
    %D%/watch.c \
    %D%/watch.h \
    %D%/writer.c \
    %D%/writer.h

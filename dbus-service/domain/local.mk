# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later

dbus_service_libservice_la_SOURCES += \
    %D%/access.c \
    %D%/access.h \
    %D%/account.h \
    %D%/application.h \
    %D%/audit.h \
    %D%/failure.c \
    %D%/failure.h \
    %D%/identity.h \
    %D%/mapping.h \
    %D%/realm.h

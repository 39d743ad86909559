# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later

dbus_service_libservice_la_SOURCES += \
    %D%/anchor.c \
    %D%/anchor.h \
    %D%/journal.c \
    %D%/journal.h \
    %D%/journal_background.c \
    %D%/journal_background.h \
    %D%/journal_check.c \
    %D%/journal_compact.c \
    %D%/journal_export.c \
    %D%/journal_export.h \
    %D%/journal_frame.c \
    %D%/journal_frame.h \
    %D%/journal_internal.h \
    %D%/journal_pending.c \
    %D%/journal_pending.h \
    %D%/journal_question.c \
    %D%/journal_question.h \
    %D%/journal_scan.c \
    %D%/journal_scan.h \
    %D%/journal_start.c \
    %D%/journal_start.h \
    %D%/journal_work.c \
    %D%/journal_writer.c \
    %D%/journal_writer.h \
    %D%/log.h \
    %D%/thread.c \
    %D%/thread.h \
    %D%/view.c \
    %D%/view.h

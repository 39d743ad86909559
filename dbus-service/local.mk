# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later

noinst_LTLIBRARIES += %D%/libservice.la
%C%_libservice_la_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS) $(SODIUM_CFLAGS) $(UV_CFLAGS) $(INIH_CFLAGS)
%C%_libservice_la_LIBADD = common/librecipient.la common/libcommon.la $(DBUS_LIBS) $(SODIUM_LIBS) \
    $(UV_LIBS) $(INIH_LIBS) $(GDBM_LIBS)
%C%_libservice_la_SOURCES = \
    %D%/config.c \
    %D%/config.h \
    %D%/harden.c \
    %D%/harden.h \
    %D%/loop.c \
    %D%/loop.h \
    %D%/notify.c \
    %D%/notify.h

include %D%/bus/local.mk
include %D%/domain/local.mk
include %D%/keys/local.mk
include %D%/store/local.mk

libexec_PROGRAMS += %D%/mastersecretd
%C%_mastersecretd_SOURCES = %D%/main.c
%C%_mastersecretd_CPPFLAGS = $(dbus_service_libservice_la_CPPFLAGS)
%C%_mastersecretd_LDADD = %D%/libservice.la
%C%_mastersecretd_LDFLAGS = $(AM_LDFLAGS) $(PROGRAM_LDFLAGS)

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: LGPL-2.1-or-later

# libclient is what the library is made of, for tests; libmastersecret is what gets installed.
noinst_LTLIBRARIES += %D%/libclient.la
%C%_libclient_la_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS)
%C%_libclient_la_LIBADD = common/libcommon.la $(DBUS_LIBS)
%C%_libclient_la_SOURCES = \
    %D%/application.c \
    %D%/application.h \
    %D%/connection.c \
    %D%/connection.h \
    %D%/context.c \
    %D%/context.h \
    %D%/credentials.c \
    %D%/deadline.h \
    %D%/error.c \
    %D%/error.h \
    %D%/libdbus.c \
    %D%/libdbus.h \
    %D%/lock.c \
    %D%/lock.h \
    %D%/mapping.c \
    %D%/process.c \
    %D%/process.h \
    %D%/request.c \
    %D%/request.h \
    %D%/socket.c \
    %D%/socket.h

lib_LTLIBRARIES += %D%/libmastersecret.la
%C%_libmastersecret_la_SOURCES =
%C%_libmastersecret_la_LIBADD = %D%/libclient.la
%C%_libmastersecret_la_LDFLAGS = $(AM_LDFLAGS) $(STRICT_SYMBOLS_LDFLAGS) -no-undefined \
    -version-info 0:0:0 -Wl,--version-script=$(srcdir)/%D%/libmastersecret.map
%C%_libmastersecret_la_DEPENDENCIES = %D%/libclient.la %D%/libmastersecret.map
EXTRA_DIST += %D%/libmastersecret.map

pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = %D%/mastersecret.pc
SUBSTITUTED += %D%/mastersecret.pc
%D%/mastersecret.pc: %D%/mastersecret.pc.in
EXTRA_DIST += %D%/mastersecret.pc.in

# The one public header.
include_HEADERS += %D%/mastersecret.h

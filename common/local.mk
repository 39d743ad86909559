# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: LGPL-2.1-or-later

noinst_LTLIBRARIES += %D%/libcommon.la
%C%_libcommon_la_CPPFLAGS = $(AM_CPPFLAGS) $(SODIUM_CFLAGS)
%C%_libcommon_la_LIBADD = $(SODIUM_LIBS)
%C%_libcommon_la_SOURCES = \
    %D%/cleanup.h \
    %D%/cursor.h \
    %D%/names.h \
    %D%/record_header.h \
    %D%/safe_open.h \
    %D%/secret.h \
    %D%/secret_pipe.h

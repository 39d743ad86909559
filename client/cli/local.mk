# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later

noinst_LTLIBRARIES += %D%/libcli.la
%C%_libcli_la_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS) $(JANSSON_CFLAGS)
%C%_libcli_la_LIBADD = client/libclient.la $(JANSSON_LIBS)
%C%_libcli_la_SOURCES = \
    %D%/base64.c \
    %D%/base64.h \
    %D%/command.h \
    %D%/command_app.c \
    %D%/command_get.c \
    %D%/command_map.c \
    %D%/command_run.c \
    %D%/command_secret.c \
    %D%/command_status.c \
    %D%/commands.c \
    %D%/output.c \
    %D%/output.h \
    %D%/parse.c \
    %D%/parse.h \
    %D%/prompt.c \
    %D%/prompt.h \
    %D%/service.c \
    %D%/service.h \
    %D%/target.c \
    %D%/target.h

bin_PROGRAMS += %D%/mastersecret
%C%_mastersecret_SOURCES = %D%/main.c
%C%_mastersecret_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS) $(JANSSON_CFLAGS)
%C%_mastersecret_LDADD = %D%/libcli.la client/libclient.la common/libcommon.la $(JANSSON_LIBS)
%C%_mastersecret_LDFLAGS = $(AM_LDFLAGS) $(PROGRAM_LDFLAGS)

zshcompletion_DATA = %D%/completion/_mastersecret
bashcompletion_DATA = %D%/completion/mastersecret
EXTRA_DIST += %D%/completion/mastersecret %D%/completion/_mastersecret

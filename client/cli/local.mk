# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later

noinst_LTLIBRARIES += %D%/libcli.la
%C%_libcli_la_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
%C%_libcli_la_LIBADD = client/libclient.la $(JANSSON_LIBS)
%C%_libcli_la_SOURCES =

if HAVE_CLI_MAIN
bin_PROGRAMS += %D%/mastersecret
%C%_mastersecret_SOURCES = %D%/main.c
%C%_mastersecret_LDADD = %D%/libcli.la client/libclient.la common/libcommon.la
%C%_mastersecret_LDFLAGS = $(AM_LDFLAGS) $(PROGRAM_LDFLAGS)
endif

# Completion: completion/mastersecret.bash and completion/_mastersecret, installed by these names.
if HAVE_CLI_COMPLETION
zshcompletion_DATA = %D%/completion/_mastersecret
bashcompletion_DATA = %D%/completion/mastersecret
EXTRA_DIST += %D%/completion/mastersecret %D%/completion/_mastersecret
endif

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: LGPL-2.1-or-later

noinst_LTLIBRARIES += %D%/libmodule.la
%C%_libmodule_la_CPPFLAGS = $(AM_CPPFLAGS) $(SODIUM_CFLAGS)
%C%_libmodule_la_LIBADD = common/libcommon.la $(PAM_LIBS)
%C%_libmodule_la_SOURCES = \
    %D%/authenticate.c \
    %D%/call.c \
    %D%/call.h \
    %D%/capture.c \
    %D%/environment.c \
    %D%/external_user.c \
    %D%/log.c \
    %D%/options.c \
    %D%/options.h \
    %D%/status.c \
    %D%/status.h

pam_LTLIBRARIES = %D%/pam_mastersecret.la
%C%_pam_mastersecret_la_SOURCES = %D%/entry.c
%C%_pam_mastersecret_la_LIBADD = %D%/libmodule.la client/libmastersecret.la
%C%_pam_mastersecret_la_LDFLAGS = $(AM_LDFLAGS) $(STRICT_SYMBOLS_LDFLAGS) -module -avoid-version \
    -shared -no-undefined -Wl,-z,nodelete -Wl,-Bsymbolic \
    -Wl,--version-script=$(srcdir)/%D%/pam_mastersecret.map
%C%_pam_mastersecret_la_DEPENDENCIES = %D%/libmodule.la client/libmastersecret.la \
    %D%/pam_mastersecret.map
EXTRA_DIST += %D%/pam_mastersecret.map

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: LGPL-2.1-or-later

noinst_LTLIBRARIES += %D%/libcommon.la
%C%_libcommon_la_SOURCES = \
    %D%/backup_head.c \
    %D%/backup_head.h \
    %D%/base32.c \
    %D%/base32.h \
    %D%/cleanup.h \
    %D%/cursor.c \
    %D%/cursor.h \
    %D%/descriptor.h \
    %D%/hex.c \
    %D%/hex.h \
    %D%/names.c \
    %D%/names.h \
    %D%/record_header.c \
    %D%/record_header.h \
    %D%/safe_open.c \
    %D%/safe_open.h \
    %D%/secret.c \
    %D%/secret.h \
    %D%/secret_pipe.c \
    %D%/secret_pipe.h

# Links libsodium: for the service and the command line only.
noinst_LTLIBRARIES += %D%/librecipient.la
%C%_librecipient_la_CPPFLAGS = $(AM_CPPFLAGS) $(SODIUM_CFLAGS)
%C%_librecipient_la_LIBADD = $(SODIUM_LIBS)
%C%_librecipient_la_SOURCES = \
    %D%/backup_signature.c \
    %D%/backup_signature.h \
    %D%/file_hash.c \
    %D%/file_hash.h \
    %D%/recipient_key.c \
    %D%/recipient_key.h

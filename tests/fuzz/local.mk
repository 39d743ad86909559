# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
# A fuzz target is NAME_fuzz.c, one line here and one for its sources.

fuzz_targets = \
    %D%/application_fuzz \
    %D%/backup_file_fuzz \
    %D%/keyring_content_fuzz \
    %D%/keyring_file_fuzz \
    %D%/mapping_fuzz \
    %D%/names_fuzz \
    %D%/pam_options_fuzz \
    %D%/record_fuzz \
    %D%/record_header_fuzz \
    %D%/record_key_fuzz

if FUZZING
fuzz_driver =
else
fuzz_driver = %D%/replay.c
TESTS += $(fuzz_targets)
endif
check_PROGRAMS += $(fuzz_targets)
EXTRA_DIST += %D%/replay.c

%C%_backup_file_fuzz_SOURCES = %D%/backup_file_fuzz.c %D%/fuzz.h $(fuzz_driver)
%C%_backup_file_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_keyring_content_fuzz_SOURCES = %D%/keyring_content_fuzz.c %D%/fuzz.h $(fuzz_driver)
%C%_keyring_content_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_keyring_file_fuzz_SOURCES = %D%/keyring_file_fuzz.c %D%/fuzz.h $(fuzz_driver)
%C%_keyring_file_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_names_fuzz_SOURCES = %D%/names_fuzz.c %D%/fuzz.h $(fuzz_driver)
%C%_names_fuzz_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS)
%C%_names_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_names_fuzz_LDADD = common/libcommon.la $(DBUS_LIBS)
%C%_pam_options_fuzz_SOURCES = %D%/pam_options_fuzz.c %D%/fuzz.h $(fuzz_driver)
%C%_pam_options_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_pam_options_fuzz_LDADD = pam_module/libmodule.la common/libcommon.la
%C%_record_fuzz_SOURCES = %D%/record_fuzz.c %D%/fuzz.h $(fuzz_driver)
%C%_record_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_record_header_fuzz_SOURCES = %D%/record_header_fuzz.c %D%/fuzz.h $(fuzz_driver)
%C%_record_header_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_record_key_fuzz_SOURCES = %D%/record_key_fuzz.c %D%/fuzz.h $(fuzz_driver)
%C%_record_key_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_application_fuzz_SOURCES = %D%/application_fuzz.c %D%/fuzz.h $(fuzz_driver)
%C%_application_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_mapping_fuzz_SOURCES = %D%/mapping_fuzz.c %D%/fuzz.h $(fuzz_driver)
%C%_mapping_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)

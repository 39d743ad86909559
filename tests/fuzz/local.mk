# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
# A fuzz target is NAME_fuzz.c, one line here and a few for what it is made of.

fuzz_targets = \
    %D%/anchor_fuzz \
    %D%/application_fuzz \
    %D%/backup_head_fuzz \
    %D%/backup_manifest_fuzz \
    %D%/calls_fuzz \
    %D%/config_fuzz \
    %D%/export_fuzz \
    %D%/journal_fuzz \
    %D%/keyring_content_fuzz \
    %D%/keyring_file_fuzz \
    %D%/mapping_fuzz \
    %D%/names_fuzz \
    %D%/pam_options_fuzz \
    %D%/parse_fuzz \
    %D%/recipient_key_fuzz \
    %D%/record_fuzz \
    %D%/record_header_fuzz \
    %D%/record_key_fuzz \
    %D%/replies_fuzz \
    %D%/share_fuzz \
    %D%/view_fuzz

if FUZZING
fuzz_driver = %D%/fuzz.h
else
fuzz_driver = %D%/fuzz.h %D%/replay.c
TESTS += $(fuzz_targets)
endif
check_PROGRAMS += $(fuzz_targets)
EXTRA_DIST += %D%/replay.c
fuzz_ldflags = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)

fuzz_folder = %D%/folder.c %D%/folder.h
fuzz_fit = %D%/journal_fit.c %D%/journal_fit.h
fuzz_message = %D%/message.c %D%/message.h

%C%_anchor_fuzz_SOURCES = %D%/anchor_fuzz.c $(fuzz_folder) $(store_fixture) $(fuzz_driver)
%C%_anchor_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_application_fuzz_SOURCES = %D%/application_fuzz.c $(fuzz_driver)
%C%_application_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_backup_head_fuzz_SOURCES = %D%/backup_head_fuzz.c $(fuzz_driver)
%C%_backup_head_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_backup_manifest_fuzz_SOURCES = %D%/backup_manifest_fuzz.c $(fuzz_driver)
%C%_backup_manifest_fuzz_LDFLAGS = $(fuzz_ldflags)
stand = %D%/stand.c %D%/stand.h $(fuzz_folder) $(fuzz_message) $(fake_nss)
stand_wrap = $(nss_wrap) -Wl,--wrap=connect,--wrap=crypto_pwhash,--wrap=fdatasync,--wrap=getsockopt \
    -Wl,--wrap=journal_start_run,--wrap=stat,--wrap=uv_signal_start,--wrap=uv_timer_start
%C%_calls_fuzz_SOURCES = %D%/calls_fuzz.c $(stand) $(fuzz_driver)
%C%_calls_fuzz_CPPFLAGS = $(dbus_service_libservice_la_CPPFLAGS)
%C%_calls_fuzz_LDFLAGS = $(fuzz_ldflags) $(stand_wrap)
%C%_calls_fuzz_LDADD = $(LDADD) $(DBUS_LIBS) $(UV_LIBS)
%C%_config_fuzz_SOURCES = %D%/config_fuzz.c $(fuzz_folder) $(fuzz_driver)
%C%_config_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_export_fuzz_SOURCES = %D%/export_fuzz.c $(fuzz_fit) $(store_fixture) $(fuzz_driver)
%C%_export_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_journal_fuzz_SOURCES = %D%/journal_fuzz.c $(fuzz_fit) $(store_fixture) $(fuzz_driver)
%C%_journal_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_keyring_content_fuzz_SOURCES = %D%/keyring_content_fuzz.c $(fuzz_driver)
%C%_keyring_content_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_keyring_file_fuzz_SOURCES = %D%/keyring_file_fuzz.c $(fuzz_driver)
%C%_keyring_file_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_mapping_fuzz_SOURCES = %D%/mapping_fuzz.c $(fuzz_driver)
%C%_mapping_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_names_fuzz_SOURCES = %D%/names_fuzz.c $(fuzz_driver)
%C%_names_fuzz_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS)
%C%_names_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_names_fuzz_LDADD = common/libcommon.la $(DBUS_LIBS)
%C%_pam_options_fuzz_SOURCES = %D%/pam_options_fuzz.c $(fuzz_driver)
%C%_pam_options_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_pam_options_fuzz_LDADD = pam_module/libmodule.la common/libcommon.la
%C%_parse_fuzz_SOURCES = %D%/parse_fuzz.c $(fuzz_driver)
%C%_parse_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_parse_fuzz_LDADD = $(LDADD) $(DBUS_LIBS) $(JANSSON_LIBS)
%C%_recipient_key_fuzz_SOURCES = %D%/recipient_key_fuzz.c $(fuzz_driver)
%C%_recipient_key_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_recipient_key_fuzz_LDADD = common/librecipient.la common/libcommon.la
%C%_record_fuzz_SOURCES = %D%/record_fuzz.c $(fuzz_driver)
%C%_record_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_record_header_fuzz_SOURCES = %D%/record_header_fuzz.c $(fuzz_driver)
%C%_record_header_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_record_key_fuzz_SOURCES = %D%/record_key_fuzz.c $(fuzz_driver)
%C%_record_key_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_replies_fuzz_SOURCES = %D%/replies_fuzz.c $(fuzz_message) $(fuzz_driver)
%C%_replies_fuzz_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS) $(JANSSON_CFLAGS)
%C%_replies_fuzz_LDFLAGS = $(fuzz_ldflags) \
    -Wl,--wrap=connection_call,--wrap=connection_close,--wrap=connection_is_alive \
    -Wl,--wrap=connection_open
%C%_replies_fuzz_LDADD = $(LDADD) $(DBUS_LIBS) $(JANSSON_LIBS)
%C%_share_fuzz_SOURCES = %D%/share_fuzz.c $(fuzz_driver)
%C%_share_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_view_fuzz_SOURCES = %D%/view_fuzz.c $(fuzz_folder) $(fuzz_driver)
%C%_view_fuzz_LDFLAGS = $(fuzz_ldflags)

# An hour over all targets, two at a time; with FUZZ_TARGETS=tests/fuzz/calls_fuzz FUZZ_SECONDS=3600 over
# that one. Built apart, by clang.
FUZZ_TARGETS = $(fuzz_targets)
FUZZ_SECONDS =
fuzz_folder_make = @test '$(srcdir)' != . || { echo 'make $@: build outside the source tree' >&2; exit 1; }; \
    for tool in clang llvm-cov llvm-profdata; do command -v $$tool >/dev/null || { \
        echo 'make $@ needs: apt-get install clang llvm libclang-rt-14-dev' >&2; exit 1; }; done
fuzz:
	$(fuzz_folder_make)
	$(MKDIR_P) fuzz-build
	cd fuzz-build && { test -f Makefile || $(SHELL) $(abs_top_srcdir)/configure -q --enable-fuzzing \
	    CC=clang; }
	cd fuzz-build && $(MAKE) $(AM_MAKEFLAGS) $(fuzz_targets)
	$(srcdir)/%D%/run $(abs_builddir)/fuzz-build '$(FUZZ_SECONDS)' $(abs_srcdir)/%D% \
	    $(FUZZ_TARGETS)

# The table of lines in doc/TESTING: what the inputs in the tree reach.
coverage_flags = -fprofile-instr-generate -fcoverage-mapping
fuzz-coverage:
	$(fuzz_folder_make)
	$(MKDIR_P) coverage-build
	cd coverage-build && { test -f Makefile || $(SHELL) $(abs_top_srcdir)/configure -q CC=clang \
	    CFLAGS='-O1 -g $(coverage_flags)' LDFLAGS='$(coverage_flags)'; }
	cd coverage-build && $(MAKE) $(AM_MAKEFLAGS) $(fuzz_targets)
	$(srcdir)/%D%/coverage $(abs_builddir)/coverage-build $(srcdir)/doc/TESTING $(FUZZ_TARGETS)
.PHONY: fuzz fuzz-coverage

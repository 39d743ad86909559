# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
# A unit test is tests/unit/NAME_test.c and one line here; it links every layer it needs out of
# the convenience libraries below (objects nobody refers to are left out).

LDADD = dbus-service/libservice.la client/cli/libcli.la client/libclient.la common/libcommon.la \
    $(CMOCKA_LIBS)

unit_tests =

# common
unit_tests += %D%/unit/common_backup_head_test \
    %D%/unit/common_base32_test \
    %D%/unit/common_cursor_test \
    %D%/unit/common_hex_test \
    %D%/unit/common_names_test \
    %D%/unit/common_recipient_key_test \
    %D%/unit/common_record_header_test \
    %D%/unit/common_safe_open_test \
    %D%/unit/common_secret_test \
    %D%/unit/common_secret_pipe_test
%C%_unit_common_names_test_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS)
%C%_unit_common_backup_head_test_LDADD = common/librecipient.la common/libcommon.la $(CMOCKA_LIBS)
%C%_unit_common_recipient_key_test_CPPFLAGS = $(AM_CPPFLAGS) $(SODIUM_CFLAGS)
%C%_unit_common_recipient_key_test_LDADD = common/librecipient.la common/libcommon.la $(CMOCKA_LIBS)
%C%_unit_common_names_test_LDADD = $(LDADD) $(DBUS_LIBS)

# client
unit_tests += %D%/unit/client_calls_test %D%/unit/client_deadline_test \
    %D%/unit/client_threads_test
%C%_unit_client_calls_test_SOURCES = %D%/unit/client_calls_test.c %D%/unit/fake_service.c \
    %D%/unit/fake_service.h
%C%_unit_client_calls_test_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS)
%C%_unit_client_calls_test_LDADD = $(LDADD) $(DBUS_LIBS)
%C%_unit_client_deadline_test_SOURCES = %D%/unit/client_deadline_test.c %D%/unit/fake_service.c \
    %D%/unit/fake_service.h
%C%_unit_client_deadline_test_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS)
%C%_unit_client_deadline_test_LDADD = $(LDADD) $(DBUS_LIBS)
%C%_unit_client_threads_test_SOURCES = %D%/unit/client_threads_test.c %D%/unit/fake_service.c \
    %D%/unit/fake_service.h
%C%_unit_client_threads_test_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS)
%C%_unit_client_threads_test_LDADD = $(LDADD) $(DBUS_LIBS)

# client/cli
unit_tests += %D%/unit/cli_command_test %D%/unit/cli_completion_test
%C%_unit_cli_command_test_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS) $(JANSSON_CFLAGS)
%C%_unit_cli_command_test_LDADD = $(LDADD) $(DBUS_LIBS) $(JANSSON_LIBS)
%C%_unit_cli_completion_test_LDADD = $(LDADD) $(DBUS_LIBS) $(JANSSON_LIBS)

# dbus-service
unit_tests += %D%/unit/service_config_test %D%/unit/service_loop_test

# dbus-service/bus
unit_tests += %D%/unit/bus_answer_cache_test %D%/unit/bus_quota_test %D%/unit/bus_roles_test \
    %D%/unit/bus_table_test
%C%_unit_bus_answer_cache_test_CPPFLAGS = $(dbus_service_libservice_la_CPPFLAGS)
%C%_unit_bus_answer_cache_test_LDADD = $(LDADD) $(DBUS_LIBS)
%C%_unit_bus_roles_test_SOURCES = %D%/unit/bus_roles_test.c $(stand)
%C%_unit_bus_roles_test_CPPFLAGS = $(dbus_service_libservice_la_CPPFLAGS)
%C%_unit_bus_roles_test_LDFLAGS = $(AM_LDFLAGS) $(stand_wrap)
%C%_unit_bus_roles_test_LDADD = $(LDADD) $(DBUS_LIBS) $(UV_LIBS)
%C%_unit_bus_table_test_CPPFLAGS = $(dbus_service_libservice_la_CPPFLAGS)
%C%_unit_bus_table_test_LDADD = $(LDADD) $(DBUS_LIBS)

# dbus-service/domain
unit_tests += %D%/unit/domain_access_test \
    %D%/unit/domain_account_test \
    %D%/unit/domain_application_test \
    %D%/unit/domain_audit_test \
    %D%/unit/domain_backup_watch_test \
    %D%/unit/domain_failure_test \
    %D%/unit/domain_identity_test \
    %D%/unit/domain_mapping_test \
    %D%/unit/domain_memory_test \
    %D%/unit/domain_realm_test \
    %D%/unit/domain_share_entry_test \
    %D%/unit/domain_check_test \
    %D%/unit/domain_restore_test \
    %D%/unit/domain_rotation_test \
    %D%/unit/domain_value_test
domain_fixture = %D%/unit/domain_fixture.c %D%/unit/domain_fixture.h
domain_wrap = $(AM_LDFLAGS) -Wl,--wrap=crypto_pwhash
fake_nss = %D%/unit/fake_nss.c %D%/unit/fake_nss.h
nss_wrap = -Wl,--wrap=getpwnam_r,--wrap=getpwuid_r,--wrap=getgrnam_r,--wrap=getgrouplist
%C%_unit_domain_account_test_SOURCES = %D%/unit/domain_account_test.c $(fake_nss)
%C%_unit_domain_account_test_LDFLAGS = $(AM_LDFLAGS) $(nss_wrap) -Wl,--wrap=uv_now
%C%_unit_domain_application_test_SOURCES = %D%/unit/domain_application_test.c $(domain_fixture)
%C%_unit_domain_application_test_LDFLAGS = $(domain_wrap)
%C%_unit_domain_audit_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=connect,--wrap=poll,--wrap=stat \
    -Wl,--wrap=time,--wrap=uv_hrtime
%C%_unit_domain_backup_watch_test_SOURCES = %D%/unit/domain_backup_watch_test.c $(domain_fixture)
%C%_unit_domain_backup_watch_test_LDFLAGS = $(domain_wrap) -Wl,--wrap=audit_write,--wrap=backup_look
%C%_unit_domain_identity_test_SOURCES = %D%/unit/domain_identity_test.c $(domain_fixture) \
    $(fake_nss)
%C%_unit_domain_identity_test_LDFLAGS = $(domain_wrap) $(nss_wrap) -Wl,--wrap=uv_now
%C%_unit_domain_mapping_test_SOURCES = %D%/unit/domain_mapping_test.c $(domain_fixture)
%C%_unit_domain_mapping_test_LDFLAGS = $(domain_wrap)
%C%_unit_domain_memory_test_SOURCES = %D%/unit/domain_memory_test.c $(domain_fixture)
%C%_unit_domain_memory_test_LDFLAGS = $(domain_wrap) \
    -Wl,--wrap=calloc,--wrap=malloc,--wrap=reallocarray,--wrap=strdup,--wrap=strndup
%C%_unit_domain_share_entry_test_SOURCES = %D%/unit/domain_share_entry_test.c $(domain_fixture)
%C%_unit_domain_share_entry_test_LDFLAGS = $(domain_wrap) -Wl,--wrap=uv_now
%C%_unit_domain_realm_test_SOURCES = %D%/unit/domain_realm_test.c $(domain_fixture)
%C%_unit_domain_realm_test_LDFLAGS = $(domain_wrap) -Wl,--wrap=fdatasync
%C%_unit_domain_check_test_SOURCES = %D%/unit/domain_check_test.c $(domain_fixture)
%C%_unit_domain_check_test_LDFLAGS = $(domain_wrap) -Wl,--wrap=backup_look,--wrap=log_census
%C%_unit_domain_restore_test_SOURCES = %D%/unit/domain_restore_test.c $(domain_fixture)
%C%_unit_domain_restore_test_LDFLAGS = $(domain_wrap)
%C%_unit_domain_rotation_test_SOURCES = %D%/unit/domain_rotation_test.c $(domain_fixture)
%C%_unit_domain_rotation_test_LDFLAGS = $(domain_wrap) \
    -Wl,--wrap=fdatasync,--wrap=fsync,--wrap=log_census,--wrap=log_walk \
    -Wl,--wrap=realm_append_sealed

# Killed, or failing, at each step of a process.
steps = %D%/unit/steps.c %D%/unit/steps.h

# dbus-service/keys
unit_tests += %D%/unit/keys_backup_test \
    %D%/unit/keys_content_test \
    %D%/unit/keys_fixture_test \
    %D%/unit/keys_generate_test \
    %D%/unit/keys_keyring_test \
    %D%/unit/keys_pool_test \
    %D%/unit/keys_record_test \
    %D%/unit/keys_shares_test \
    %D%/unit/keys_slot_step_test \
    %D%/unit/keys_slot_test
%C%_unit_keys_backup_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=crypto_pwhash,--wrap=pread
%C%_unit_keys_generate_test_LDFLAGS = $(AM_LDFLAGS) \
    -Wl,--wrap=calloc,--wrap=crypto_pwhash,--wrap=fchmod,--wrap=fsync,--wrap=malloc \
    -Wl,--wrap=pread,--wrap=pwrite,--wrap=renameat2
%C%_unit_keys_keyring_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=crypto_pwhash
%C%_unit_keys_slot_step_test_SOURCES = %D%/unit/keys_slot_step_test.c $(steps)
%C%_unit_keys_slot_step_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=crypto_pwhash
%C%_unit_keys_slot_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=crypto_pwhash
%C%_unit_keys_pool_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=syscall
noinst_HEADERS += %D%/unit/keys_support.h

# dbus-service/store
unit_tests += %D%/unit/store_log_test \
    %D%/unit/store_bytes_test \
    %D%/unit/store_crash_test \
    %D%/unit/store_damage_test \
    %D%/unit/store_fault_test \
    %D%/unit/store_step_test \
    %D%/unit/store_view_test \
    %D%/unit/store_work_test
store_fixture = %D%/unit/store_fixture.c %D%/unit/store_fixture.h
%C%_unit_store_log_test_SOURCES = %D%/unit/store_log_test.c $(store_fixture)
store_wraps = -Wl,--wrap=fdatasync,--wrap=fsync,--wrap=pwrite,--wrap=renameat
%C%_unit_store_crash_test_SOURCES = %D%/unit/store_crash_test.c $(store_fixture)
%C%_unit_store_crash_test_LDFLAGS = $(AM_LDFLAGS) $(store_wraps)
%C%_unit_store_fault_test_SOURCES = %D%/unit/store_fault_test.c $(store_fixture)
%C%_unit_store_fault_test_LDFLAGS = $(AM_LDFLAGS) $(store_wraps) -Wl,--wrap=uv_timer_start
%C%_unit_store_bytes_test_SOURCES = %D%/unit/store_bytes_test.c $(store_fixture)
%C%_unit_store_step_test_SOURCES = %D%/unit/store_step_test.c $(store_fixture) $(steps)
%C%_unit_store_view_test_SOURCES = %D%/unit/store_view_test.c $(store_fixture)
%C%_unit_store_work_test_SOURCES = %D%/unit/store_work_test.c $(store_fixture)
%C%_unit_store_damage_test_SOURCES = %D%/unit/store_damage_test.c $(store_fixture)
%C%_unit_store_log_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fdatasync

# pam_module
unit_tests += %D%/unit/pam_options_test \
    %D%/unit/pam_status_test
%C%_unit_pam_options_test_LDADD = pam_module/libmodule.la $(LDADD)
%C%_unit_pam_status_test_LDADD = pam_module/libmodule.la $(LDADD)

include %D%/fuzz/local.mk
include %D%/pam/local.mk

# The world, and the system tests that pytest runs in worlds; only root can make one.
EXTRA_DIST += %D%/count.awk %D%/valgrind.supp
dist-hook:
	for folder in analyze fuzz system tree world; do \
	    mkdir -p $(distdir)/%D%/$$folder && cp -R $(srcdir)/%D%/$$folder $(distdir)/%D%/ || exit 1; \
	done
	rm -rf $(distdir)/%D%/*/__pycache__
	cp $(srcdir)/%D%/unit/*.h $(distdir)/%D%/unit

SYSTEM_TESTS = $(srcdir)/%D%/system
PYTEST = /usr/bin/python3 -B -m pytest -p no:cacheprovider
check-system: stage
	MS_BUILD=$(abs_builddir) $(PYTEST) -q --junitxml=$(abs_builddir)/system.xml $(SYSTEM_TESTS)
CLEANFILES += system.xml

# More kills than check-system has time for; `make check-kill MS_KILLS=2000`, MS_KILL_SEED=N repeats.
MS_KILLS = 600
check-kill: stage
	MS_BUILD=$(abs_builddir) MS_KILLS=$(MS_KILLS) $(PYTEST) -q -s $(SYSTEM_TESTS)/test_kill.py \
	    $(SYSTEM_TESTS)/test_rotation.py::test_killed_at_every_step \
	    $(SYSTEM_TESTS)/test_steps.py $(SYSTEM_TESTS)/test_power.py

# Every byte of what a clean stop leaves, but for the view's zeros and lengths one of MS_BYTES, others each
# time; `make check-bytes MS_BYTES=1` leaves nothing out, MS_BYTES_SEED=N repeats.
MS_BYTES = 16
MS_BYTES_SEED = `date +%s`
check-bytes: %D%/unit/store_bytes_test
	@seed=$(MS_BYTES_SEED); echo "MS_BYTES_SEED=$$seed"; \
	    MS_BYTES=$(MS_BYTES) MS_BYTES_SEED=$$seed %D%/unit/store_bytes_test

# The figures of a flood, in which the 99th percentile counts; on a quiet machine.
MS_FLOOD_ROUNDS = 5
check-flood: stage
	MS_BUILD=$(abs_builddir) MS_FLOOD_ROUNDS=$(MS_FLOOD_ROUNDS) $(PYTEST) -q -s \
	    $(SYSTEM_TESTS)/test_flood.py

# The product's sources before three analysers: what they find is mended, or has a reason in tests/analyze.
EXTRA_DIST += .clang-tidy
analyze:
	cd $(srcdir) && %D%/analyze/run `find common client pam_module dbus-service -name '*.c' | sort` \
	    -- '$(CC)' -std=gnu11 $(DEFS) -I. -I$(abs_builddir) -D_GNU_SOURCE $(PATH_CPPFLAGS) \
	    $(DBUS_CFLAGS) $(SODIUM_CFLAGS) $(UV_CFLAGS) $(INIH_CFLAGS) $(JANSSON_CFLAGS)


# Both commands of ./bootstrap on a new minimal Debian: a machine that already has a package
# hides its absence.
check-fresh:
	$(srcdir)/%D%/world/fresh $(srcdir) $(abs_builddir)/fresh
# Data races, in tsan-build/: the library and the module, where threads of other programs meet, the
# store, the name service and the whole service in one process; then the service itself in worlds. The
# children of tests that fork beside threads go on, where the sanitizer would end them, and do not
# wait for threads that are their parent's. Left out are pam_host_test, whose hosts close descriptors
# that the sanitizer writes to, and pam_modes_test, which looks through all its memory: terabytes here.
tsan_tests = %D%/unit/client_calls_test %D%/unit/client_deadline_test %D%/unit/client_threads_test \
    %D%/unit/domain_account_test %D%/unit/service_loop_test %D%/unit/store_log_test \
    %D%/unit/store_fault_test %D%/unit/store_view_test %D%/fuzz/calls_fuzz \
    %D%/pam/pam_module_test
TSAN_SYSTEM_TESTS = $(SYSTEM_TESTS)/test_threads.py $(SYSTEM_TESTS)/test_lifecycle.py \
    $(SYSTEM_TESTS)/test_kill.py::test_stopped_under_load
check-tsan: stage
	@test '$(srcdir)' != . || { echo 'make $@: build outside the source tree' >&2; exit 1; }
	$(MKDIR_P) tsan-build
	cd tsan-build && { test -f Makefile || $(SHELL) $(abs_top_srcdir)/configure -q --enable-tsan; }
	cd tsan-build && $(MAKE) $(AM_MAKEFLAGS) all
	cd tsan-build && $(MAKE) $(AM_MAKEFLAGS) $(tsan_tests) %D%/pam/pam_witness.la
	cd tsan-build && TSAN_OPTIONS='die_after_fork=0 report_thread_leaks=0' \
	    $(MAKE) $(AM_MAKEFLAGS) check-TESTS check_PROGRAMS= TESTS='$(tsan_tests)'
	$(slow_worlds) MS_DAEMON=$(abs_builddir)/tsan-build/dbus-service/mastersecretd \
	    $(PYTEST) -q $(TSAN_SYSTEM_TESTS)

# What a service reports that is ten times slower than it should be, in worlds of the plain build.
slow_worlds = MS_BUILD=$(abs_builddir) MS_SANITIZED=yes MS_THREADS_SECONDS=600

# Memory errors that the sanitizers cannot see, uninitialized bytes above all: the unit tests, then the
# service in a world. Only what valgrind finds counts here: it slows a test down so much that those of
# deadlines fail by themselves. A forked child has the stacks of threads, but not the threads, which
# is why only what is certainly lost counts as a leak.
# Left out are sweeps of thousands of processes or faults, whose single steps the other tests take, and
# forks beside threads, whose children cannot free what is libdbus's and would end with that error.
VALGRIND_TESTS = $(unit_tests)
valgrind_left_out = %D%/unit/client_threads_test %D%/unit/domain_memory_test \
    %D%/unit/keys_slot_step_test %D%/unit/store_bytes_test %D%/unit/store_crash_test \
    %D%/unit/store_damage_test %D%/unit/store_fault_test %D%/unit/store_step_test
VALGRIND_SECONDS = 1800
VALGRIND_SYSTEM_TESTS = $(SYSTEM_TESTS)/test_upgrade.py::test_files_of_an_earlier_build
VALGRIND = valgrind -q --vgdb=no --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
    --errors-for-leak-kinds=definite --suppressions=$(abs_top_srcdir)/%D%/valgrind.supp
check-valgrind: check-programs stage
	@command -v valgrind >/dev/null || { echo 'make $@ needs: apt-get install valgrind' >&2; exit 1; }
	@failed=; for test in $(VALGRIND_TESTS); do \
	    case ' $(valgrind_left_out) ' in *" $$test "*) continue;; esac; \
	    echo "valgrind $$test"; \
	    srcdir=$(srcdir) timeout $(VALGRIND_SECONDS) $(VALGRIND) \
	        --child-silent-after-fork=yes $$test >valgrind.log 2>&1; \
	    case $$? in 99 | 12[5-9] | 1[3-9]?) grep '^==' valgrind.log; failed="$$failed $$test";; \
	    124) echo "$$test: not done after $(VALGRIND_SECONDS) seconds" >&2; failed="$$failed $$test";; \
	    esac; done; test -z "$$failed" || { echo "valgrind found errors in$$failed" >&2; exit 1; }
	$(MKDIR_P) valgrind-service
	echo '#!/bin/sh' >valgrind-service/mastersecretd
	echo 'exec $(VALGRIND) --log-file=/var/log/sanitizer/report.%p /usr/libexec/mastersecretd.plain "$$@"' \
	    >>valgrind-service/mastersecretd
	$(slow_worlds) MS_DAEMON=$(abs_builddir)/valgrind-service/mastersecretd \
	    $(PYTEST) -q $(VALGRIND_SYSTEM_TESTS)
CLEANFILES += valgrind.log
.PHONY: analyze check-system check-fresh check-kill check-bytes check-flood check-tsan check-valgrind

if HAVE_CMOCKA
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
else
check-local:
	@echo 'make check: cmocka or libpamtest is missing' >&2; exit 1
endif

# The tree itself: layers, homes of foreign libraries, comparisons of secrets, tests that the documents name.
dist_check_SCRIPTS = tests/tree/layers_test.py tests/tree/constant_time_test.py tests/tree/threat_model_test.py
TESTS += $(dist_check_SCRIPTS)

# The frozen files of each format version, what wrote them, and a second reader of them.
if HAVE_CMOCKA
check_PROGRAMS += %D%/fixtures/keys_fixture
endif
dist_check_SCRIPTS += %D%/format/reader_test.py
TESTS += %D%/format/reader_test.py
EXTRA_DIST += %D%/format/reader.py \
    %D%/fixtures/v1/backup \
    %D%/fixtures/v1/content \
    %D%/fixtures/v1/credential \
    %D%/fixtures/v1/export \
    %D%/fixtures/v1/keyfile \
    %D%/fixtures/v1/keyring \
    %D%/fixtures/v1/record \
    %D%/fixtures/v1/record-key \
    %D%/fixtures/v1/state/anchor \
    %D%/fixtures/v1/state/journal \
    %D%/fixtures/v1/state/keyfile \
    %D%/fixtures/v1/state/keyring \
    %D%/fixtures/v1/tombstone \
    %D%/fixtures/v2/backup \
    %D%/fixtures/v2/content \
    %D%/fixtures/v2/credential \
    %D%/fixtures/v2/keyfile \
    %D%/fixtures/v2/keyring \
    %D%/fixtures/v2/recipient \
    %D%/fixtures/v2/record \
    %D%/fixtures/v2/record-key \
    %D%/fixtures/v2/shares \
    %D%/fixtures/v2/state/anchor \
    %D%/fixtures/v2/state/journal \
    %D%/fixtures/v2/state/keyfile \
    %D%/fixtures/v2/state/keyring \
    %D%/fixtures/v2/tombstone

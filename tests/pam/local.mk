# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
# The built module under the real libpam, against a stand-in for the service (stage.h, fake_service.h).

if HAVE_CMOCKA
pam_tests = \
    %D%/pam_codes_test \
    %D%/pam_deadline_test \
    %D%/pam_host_test \
    %D%/pam_modes_test \
    %D%/pam_module_test
check_PROGRAMS += $(pam_tests)
TESTS += $(pam_tests)

# libtool makes a shared object of it only when it has somewhere to be installed.
check_LTLIBRARIES += %D%/pam_witness.la
%C%_pam_witness_la_SOURCES = %D%/pam_witness.c
%C%_pam_witness_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
%C%_pam_witness_la_LIBADD = $(PAM_LIBS)
endif

pam_test_stage = %D%/fake_service.c %D%/fake_service.h %D%/stage.c %D%/stage.h
pam_test_cppflags = $(AM_CPPFLAGS) $(DBUS_CFLAGS) $(PAMTEST_CFLAGS) \
    -DMODULE_BUILT='"$(abs_top_builddir)/pam_module/.libs/pam_mastersecret.so"' \
    -DWITNESS_BUILT='"$(abs_top_builddir)/%D%/.libs/pam_witness.so"' \
    -DMANUAL='"$(abs_top_srcdir)/doc/man/pam_mastersecret.8"'
pam_test_libs = common/libcommon.la $(CMOCKA_LIBS) $(DBUS_LIBS) $(PAM_LIBS)

%C%_pam_codes_test_SOURCES = %D%/pam_codes_test.c $(pam_test_stage)
%C%_pam_codes_test_CPPFLAGS = $(pam_test_cppflags)
%C%_pam_codes_test_LDADD = $(pam_test_libs) $(PAMTEST_LIBS)
%C%_pam_deadline_test_SOURCES = %D%/pam_deadline_test.c $(pam_test_stage)
%C%_pam_deadline_test_CPPFLAGS = $(pam_test_cppflags)
%C%_pam_deadline_test_LDADD = $(pam_test_libs) -ldl
%C%_pam_deadline_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--export-dynamic-symbol=getpwnam_r
%C%_pam_host_test_SOURCES = %D%/pam_host_test.c %D%/host_state.c %D%/host_state.h $(pam_test_stage)
%C%_pam_host_test_CPPFLAGS = $(pam_test_cppflags)
%C%_pam_host_test_LDADD = $(pam_test_libs) -ldl -lm
%C%_pam_module_test_SOURCES = %D%/pam_module_test.c $(pam_test_stage)
%C%_pam_module_test_CPPFLAGS = $(pam_test_cppflags)
%C%_pam_module_test_LDADD = $(pam_test_libs) -ldl
%C%_pam_modes_test_SOURCES = %D%/pam_modes_test.c $(pam_test_stage)
%C%_pam_modes_test_CPPFLAGS = $(pam_test_cppflags)
%C%_pam_modes_test_LDADD = $(pam_test_libs)

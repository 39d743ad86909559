# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later

# What one record costs; built by `make check` so that it keeps up with the code, run by hand.
check_PROGRAMS += %D%/record_bench
%C%_record_bench_CPPFLAGS = $(dbus_service_libservice_la_CPPFLAGS)
%C%_record_bench_LDADD = dbus-service/libservice.la $(SODIUM_LIBS)

# The store against its floors: appends, rebuild, start, memory, a rewrite of every record; the same. store_bench [MAPPINGS [FOLDER]]
check_PROGRAMS += %D%/store_bench
%C%_store_bench_CPPFLAGS = $(dbus_service_libservice_la_CPPFLAGS)
%C%_store_bench_LDADD = dbus-service/libservice.la $(SODIUM_LIBS) $(UV_LIBS) $(GDBM_LIBS)

# `make bench` measures; the programs are built for it alone. BENCHFLAGS: see bench/run --help.

EXTRA_PROGRAMS = %D%/fill %D%/login %D%/measure %D%/rotate
CLEANFILES += $(EXTRA_PROGRAMS)
EXTRA_DIST += %D%/peers.py %D%/run %D%/stand.py

%C%_measure_SOURCES = %D%/client.c %D%/clock.h %D%/echo.c %D%/echo.h %D%/floor.c %D%/floor.h \
    %D%/measure.c %D%/people.h %D%/stream.h
%C%_measure_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS)
%C%_measure_LDFLAGS = $(AM_LDFLAGS) $(PROGRAM_LDFLAGS)
%C%_measure_LDADD = common/libcommon.la $(DBUS_LIBS) $(GDBM_LIBS)

%C%_fill_SOURCES = %D%/fill.c %D%/people.h
%C%_fill_CPPFLAGS = $(dbus_service_libservice_la_CPPFLAGS)
%C%_fill_LDFLAGS = $(AM_LDFLAGS) $(PROGRAM_LDFLAGS)
%C%_fill_LDADD = dbus-service/libservice.la

%C%_rotate_SOURCES = %D%/rotate.c
%C%_rotate_CPPFLAGS = $(dbus_service_libservice_la_CPPFLAGS)
%C%_rotate_LDFLAGS = $(AM_LDFLAGS) $(PROGRAM_LDFLAGS)
%C%_rotate_LDADD = dbus-service/libservice.la

%C%_login_SOURCES = %D%/clock.h %D%/login.c
%C%_login_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS)
%C%_login_LDFLAGS = $(AM_LDFLAGS) $(PROGRAM_LDFLAGS)
%C%_login_LDADD = $(PAM_LIBS)

# One after the other: `all` is a make of its own, and two must not build the same library at once.
bench: all
	$(MAKE) $(AM_MAKEFLAGS) $(EXTRA_PROGRAMS)
	$(srcdir)/%D%/run --build $(abs_top_builddir) $(BENCHFLAGS)

.PHONY: bench

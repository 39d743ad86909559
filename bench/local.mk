# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later

# What one record costs; built by `make check` so that it keeps up with the code, run by hand.
check_PROGRAMS += %D%/record_bench
%C%_record_bench_CPPFLAGS = $(dbus_service_libservice_la_CPPFLAGS)
%C%_record_bench_LDADD = dbus-service/libservice.la $(SODIUM_LIBS)

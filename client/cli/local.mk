# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later

noinst_LTLIBRARIES += %D%/libcli.la
%C%_libcli_la_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS) $(JANSSON_CFLAGS) $(QRENCODE_CFLAGS)
%C%_libcli_la_LIBADD = client/libclient.la common/librecipient.la $(JANSSON_LIBS) $(QRENCODE_LIBS)
%C%_libcli_la_SOURCES = \
    %D%/backup_file.c \
    %D%/backup_file.h \
    %D%/backup_report.c \
    %D%/backup_report.h \
    %D%/base64.c \
    %D%/base64.h \
    %D%/command.h \
    %D%/command_app.c \
    %D%/command_backup.c \
    %D%/command_census.c \
    %D%/command_doctor.c \
    %D%/command_get.c \
    %D%/command_map.c \
    %D%/command_recipient.c \
    %D%/command_restore.c \
    %D%/command_rotate.c \
    %D%/command_run.c \
    %D%/command_secret.c \
    %D%/command_slot.c \
    %D%/command_status.c \
    %D%/commands.c \
    %D%/doctor.h \
    %D%/doctor_backup.c \
    %D%/doctor_files.c \
    %D%/new_file.c \
    %D%/new_file.h \
    %D%/output.c \
    %D%/output.h \
    %D%/parse.c \
    %D%/parse.h \
    %D%/progress.c \
    %D%/progress.h \
    %D%/prompt.c \
    %D%/prompt.h \
    %D%/qr.c \
    %D%/qr.h \
    %D%/secret_call.c \
    %D%/secret_call.h \
    %D%/service.c \
    %D%/service.h \
    %D%/target.c \
    %D%/target.h

nodist_%C%_libcli_la_SOURCES = %D%/policy_files.h

# What doctor compares the installed files with.
policy_installed = \
    $(dbuspolicydir)/org.mastersecret1.conf=policy/org.mastersecret1.conf \
    $(dbusservicedir)/org.mastersecret1.service=policy/org.mastersecret1.service \
    $(polkitdir)/org.mastersecret1.policy=policy/org.mastersecret1.policy \
    $(systemunitdir)/mastersecretd.service=policy/mastersecretd.service \
    $(systemunitdir)/mastersecret-backup.service=policy/mastersecret-backup.service \
    $(systemunitdir)/mastersecret-backup.timer=policy/mastersecret-backup.timer \
    $(systemunitdir)/mastersecret-rotate.service=policy/mastersecret-rotate.service \
    $(systemunitdir)/mastersecret-rotate.timer=policy/mastersecret-rotate.timer \
    $(sysusersdir)/mastersecret.conf=policy/sysusers.conf \
    $(tmpfilesdir)/mastersecret.conf=policy/tmpfiles.conf
$(%C%_libcli_la_OBJECTS): %D%/policy_files.h
%D%/policy_files.h: Makefile policy/org.mastersecret1.conf policy/org.mastersecret1.service \
    policy/org.mastersecret1.policy policy/mastersecretd.service \
    policy/mastersecret-backup.service policy/mastersecret-backup.timer \
    policy/mastersecret-rotate.service policy/mastersecret-rotate.timer \
    policy/sysusers.conf policy/tmpfiles.conf
	$(AM_V_GEN)$(MKDIR_P) $(@D) && { echo '#define POLICY_FILES(X) \'; \
	    for pair in $(policy_installed); do \
	        file=$${pair#*=}; test -f $$file || file=$(srcdir)/$$file; \
	        hash=$$(b2sum -l 256 <$$file) && \
	        echo "    X(\"$${pair%%=*}\", \"$${hash%% *}\") \\" || exit 1; \
	    done; echo; } >$@.tmp && mv $@.tmp $@
CLEANFILES += %D%/policy_files.h

bin_PROGRAMS += %D%/mastersecret
%C%_mastersecret_SOURCES = %D%/main.c
%C%_mastersecret_CPPFLAGS = $(AM_CPPFLAGS) $(DBUS_CFLAGS) $(JANSSON_CFLAGS)
%C%_mastersecret_LDADD = %D%/libcli.la client/libclient.la common/libcommon.la $(JANSSON_LIBS)
%C%_mastersecret_LDFLAGS = $(AM_LDFLAGS) $(PROGRAM_LDFLAGS)

zshcompletion_DATA = %D%/completion/_mastersecret
bashcompletion_DATA = %D%/completion/mastersecret
EXTRA_DIST += %D%/completion/mastersecret %D%/completion/_mastersecret

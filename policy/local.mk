# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later

dbuspolicy_DATA = %D%/org.mastersecret1.conf
dbusservice_DATA = %D%/org.mastersecret1.service
systemunit_DATA = \
    %D%/mastersecretd.service \
    %D%/mastersecret-backup.service \
    %D%/mastersecret-backup.timer \
    %D%/mastersecret-rotate.service \
    %D%/mastersecret-rotate.timer
polkit_DATA = %D%/org.mastersecret1.policy
EXTRA_DIST += $(dbuspolicy_DATA) $(polkit_DATA) %D%/mastersecretd.conf

# Both come under the name of the package, as sysusers.d(5) and tmpfiles.d(5) ask.
policy_conf = %D%/sysusers.conf %D%/tmpfiles.conf

policy_substituted = $(dbusservice_DATA) $(policy_conf) %D%/mastersecretd.service \
    %D%/mastersecret-backup.service %D%/mastersecret-rotate.service
SUBSTITUTED += $(policy_substituted)
%D%/org.mastersecret1.service: %D%/org.mastersecret1.service.in
%D%/mastersecretd.service: %D%/mastersecretd.service.in
%D%/mastersecret-backup.service: %D%/mastersecret-backup.service.in
%D%/mastersecret-rotate.service: %D%/mastersecret-rotate.service.in
%D%/sysusers.conf: %D%/sysusers.conf.in
%D%/tmpfiles.conf: %D%/tmpfiles.conf.in
EXTRA_DIST += \
    %D%/org.mastersecret1.service.in \
    %D%/mastersecretd.service.in \
    %D%/mastersecret-backup.service.in \
    %D%/mastersecret-backup.timer \
    %D%/mastersecret-rotate.service.in \
    %D%/mastersecret-rotate.timer \
    %D%/sysusers.conf.in \
    %D%/tmpfiles.conf.in

all-local: $(policy_conf)

# The configuration is the administrator's once it is there: never overwritten, and removed only
# when nobody changed it.
install-data-local: $(policy_conf)
	$(MKDIR_P) $(DESTDIR)$(sysusersdir) $(DESTDIR)$(tmpfilesdir)
	$(INSTALL_DATA) %D%/sysusers.conf $(DESTDIR)$(sysusersdir)/mastersecret.conf
	$(INSTALL_DATA) %D%/tmpfiles.conf $(DESTDIR)$(tmpfilesdir)/mastersecret.conf
	$(MKDIR_P) $(DESTDIR)$(configdir)
	test -e $(DESTDIR)$(configdir)/mastersecretd.conf || \
	    $(INSTALL_DATA) $(srcdir)/%D%/mastersecretd.conf $(DESTDIR)$(configdir)

uninstall-hook:
	cmp -s $(srcdir)/%D%/mastersecretd.conf $(DESTDIR)$(configdir)/mastersecretd.conf && \
	    rm -f $(DESTDIR)$(configdir)/mastersecretd.conf || :

# What systemd says about the unit, 0 (sealed) to 10 (bare); the test wants 1.0 at most.
security-score: %D%/mastersecretd.service
	systemd-analyze security --offline=true --threshold=10 --no-pager %D%/mastersecretd.service

.PHONY: security-score

# Sample PAM stacks, one file per program, for the administrator to read and copy.
pamsampledir = $(docdir)/pam
pamsample_DATA = \
    %D%/pam/README \
    %D%/pam/login-capture \
    %D%/pam/login-external \
    %D%/pam/login-fallback \
    %D%/pam/login-verify \
    %D%/pam/pam.conf \
    %D%/pam/passwd-capture \
    %D%/pam/postgresql-verify \
    %D%/pam/sshd-capture \
    %D%/pam/sshd-verify \
    %D%/pam/su-authtok \
    %D%/pam/su-capture \
    %D%/pam/su-verify \
    %D%/pam/sudo-verify
EXTRA_DIST += $(pamsample_DATA)

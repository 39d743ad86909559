# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later

dist_doc_DATA = README.md NEWS doc/DESIGN doc/FORMAT doc/PROTOCOL doc/THREAT-MODEL
examplesdir = $(docdir)/examples
dist_examples_DATA = doc/examples/lookup.c
dist_examples_SCRIPTS = doc/examples/lookup.py doc/examples/set.py

# Manual pages: add each to man_MANS (dist_ so that the source goes into the tarball).
dist_man_MANS = \
    doc/man/libmastersecret.3 \
    doc/man/mastersecret-interfaces.5 \
    doc/man/mastersecret.1 \
    doc/man/mastersecret.7 \
    doc/man/mastersecret-secret.7 \
    doc/man/mastersecretd.8 \
    doc/man/mastersecretd.conf.5 \
    doc/man/org.mastersecret1.Application.5 \
    doc/man/org.mastersecret1.Applications.5 \
    doc/man/org.mastersecret1.Credentials.5 \
    doc/man/org.mastersecret1.Manager.5 \
    doc/man/org.mastersecret1.Secret.5 \
    doc/man/pam_mastersecret.8
EXTRA_DIST += doc/TESTING

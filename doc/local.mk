# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later

# Manual pages: add each to man_MANS (dist_ so that the source goes into the tarball).
dist_man_MANS =
EXTRA_DIST +=

dnl SPDX-FileCopyrightText: 2026 The mastersecret authors
dnl SPDX-License-Identifier: GPL-3.0-or-later

dnl MS_PARTS: programs whose main file is not written yet are left out of the build.
AC_DEFUN([MS_PARTS], [
    AM_CONDITIONAL([HAVE_CLI_COMPLETION], [test -f "$srcdir/client/cli/completion/_mastersecret"])
])

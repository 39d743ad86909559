dnl SPDX-FileCopyrightText: 2026 The mastersecret authors
dnl SPDX-License-Identifier: GPL-3.0-or-later

dnl MS_SANITIZERS: --enable-sanitizers (address and undefined behaviour) or --enable-tsan.
AC_DEFUN([MS_SANITIZERS], [
    AC_ARG_ENABLE([sanitizers], [AS_HELP_STRING([--enable-sanitizers],
        [find memory errors and undefined behaviour at run time])], [], [enable_sanitizers=no])
    AC_ARG_ENABLE([tsan], [AS_HELP_STRING([--enable-tsan],
        [find data races at run time])], [], [enable_tsan=no])
    AS_IF([test "$enable_sanitizers$enable_tsan" = yesyes],
        [AC_MSG_ERROR([--enable-sanitizers and --enable-tsan exclude each other])])

    SANITIZER_FLAGS=
    AS_IF([test "$enable_sanitizers" = yes], [SANITIZER_FLAGS="-fsanitize=address,undefined dnl
-fno-sanitize-recover=all -fno-omit-frame-pointer"])
    AS_IF([test "$enable_tsan" = yes], [SANITIZER_FLAGS="-fsanitize=thread -fno-omit-frame-pointer"])
    AC_SUBST([SANITIZER_FLAGS])
    AM_CONDITIONAL([SANITIZED], [test -n "$SANITIZER_FLAGS"])
    AM_CONDITIONAL([SANITIZED_ADDRESS], [test "$enable_sanitizers" = yes])
])

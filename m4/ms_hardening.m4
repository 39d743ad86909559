dnl SPDX-FileCopyrightText: 2026 The mastersecret authors
dnl SPDX-License-Identifier: GPL-3.0-or-later

dnl MS_HARDENING: what the compiler and the linker can do against errors that got through.
AC_DEFUN([MS_HARDENING], [
    HARDENING_CFLAGS=
    HARDENING_CPPFLAGS=
    HARDENING_LDFLAGS=
    PROGRAM_LDFLAGS=
    STRICT_SYMBOLS_LDFLAGS=

    MS_TRY_CFLAGS([HARDENING_CFLAGS], [-fvisibility=hidden -fPIE -fstack-protector-strong dnl
-fstack-clash-protection -fcf-protection -fzero-call-used-regs=used-gpr dnl
-fno-delete-null-pointer-checks -fno-strict-overflow])

    dnl FORTIFY needs optimisation, and the sanitizers' own checks want the plain functions.
    AS_IF([test -z "$SANITIZER_FLAGS"], [
        MS_TRY_FORTIFY([3])
        AS_IF([test -z "$HARDENING_CPPFLAGS"], [MS_TRY_FORTIFY([2])])])

    MS_TRY_LDFLAGS([HARDENING_LDFLAGS],
        [-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed])
    MS_TRY_LDFLAGS([PROGRAM_LDFLAGS], [-pie])
    dnl A shared object of a sanitized build finds the sanitizer in the program that loads it.
    AS_IF([test -z "$SANITIZER_FLAGS"], [MS_TRY_LDFLAGS([STRICT_SYMBOLS_LDFLAGS], [-Wl,-z,defs])])

    AC_SUBST([HARDENING_CFLAGS])
    AC_SUBST([HARDENING_CPPFLAGS])
    AC_SUBST([HARDENING_LDFLAGS])
    AC_SUBST([PROGRAM_LDFLAGS])
    AC_SUBST([STRICT_SYMBOLS_LDFLAGS])
])

dnl MS_TRY_FORTIFY(LEVEL): the level counts only if the C library knows it, else it warns.
AC_DEFUN([MS_TRY_FORTIFY], [
    AC_CACHE_CHECK([whether _FORTIFY_SOURCE=$1 works], [ms_cv_fortify_$1], [
        ms_saved_cflags=$CFLAGS
        CFLAGS="$CFLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$1 -Werror"
        AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <string.h>
            #if __GNUC__ < 12 && !defined __clang__ && $1 > 2
            #error "gcc below 12 takes level 3 silently as 2"
            #endif]], [[]])],
            [ms_cv_fortify_$1=yes], [ms_cv_fortify_$1=no])
        CFLAGS=$ms_saved_cflags])
    AS_IF([test "$ms_cv_fortify_$1" = yes],
        [HARDENING_CPPFLAGS="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$1"])
])

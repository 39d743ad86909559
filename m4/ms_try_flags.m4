dnl SPDX-FileCopyrightText: 2026 The mastersecret authors
dnl SPDX-License-Identifier: GPL-3.0-or-later

dnl MS_TRY_CFLAGS(VARIABLE, FLAGS): appends each flag that the compiler takes without a word.
dnl Each is tried together with those already in VARIABLE, as some need others.
AC_DEFUN([MS_TRY_CFLAGS], [
    for ms_flag in $2; do
        AS_VAR_PUSHDEF([ms_cache], [ms_cv_cflag_$ms_flag])
        AC_CACHE_CHECK([whether $CC takes $ms_flag], [ms_cache], [
            ms_saved_cflags=$CFLAGS
            CFLAGS="$CFLAGS $$1 $ms_flag -Werror"
            AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <string.h>]], [[]])],
                [AS_VAR_SET([ms_cache], [yes])], [AS_VAR_SET([ms_cache], [no])])
            CFLAGS=$ms_saved_cflags])
        AS_VAR_IF([ms_cache], [yes], [AS_VAR_APPEND([$1], [" $ms_flag"])])
        AS_VAR_POPDEF([ms_cache])
    done
])

dnl MS_TRY_LDFLAGS(VARIABLE, FLAGS): the same for the linker.
AC_DEFUN([MS_TRY_LDFLAGS], [
    for ms_flag in $2; do
        AS_VAR_PUSHDEF([ms_cache], [ms_cv_ldflag_$ms_flag])
        AC_CACHE_CHECK([whether the linker takes $ms_flag], [ms_cache], [
            ms_saved_ldflags=$LDFLAGS
            LDFLAGS="$LDFLAGS $$1 $ms_flag -Werror"
            AC_LINK_IFELSE([AC_LANG_PROGRAM([[]], [[]])],
                [AS_VAR_SET([ms_cache], [yes])], [AS_VAR_SET([ms_cache], [no])])
            LDFLAGS=$ms_saved_ldflags])
        AS_VAR_IF([ms_cache], [yes], [AS_VAR_APPEND([$1], [" $ms_flag"])])
        AS_VAR_POPDEF([ms_cache])
    done
])

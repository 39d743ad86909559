dnl SPDX-FileCopyrightText: 2026 The mastersecret authors
dnl SPDX-License-Identifier: GPL-3.0-or-later

dnl MS_FUZZING: --enable-fuzzing links the fuzz targets with libFuzzer (clang); without it
dnl they are built with a plain main() that replays their corpus in `make check`.
AC_DEFUN([MS_FUZZING], [
    AC_ARG_ENABLE([fuzzing], [AS_HELP_STRING([--enable-fuzzing],
        [build the fuzz targets for libFuzzer (needs CC=clang)])], [], [enable_fuzzing=no])
    FUZZER_LDFLAGS=
    AS_IF([test "$enable_fuzzing" = yes], [
        FUZZER_LDFLAGS=-fsanitize=fuzzer
        AS_IF([test -n "$SANITIZER_FLAGS"], [],
            [SANITIZER_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all"])
        ms_saved_cflags=$CFLAGS
        CFLAGS="$CFLAGS -fsanitize=fuzzer-no-link"
        AC_MSG_CHECKING([for libFuzzer])
        AC_LINK_IFELSE([AC_LANG_PROGRAM([[]], [[]])], [AC_MSG_RESULT([yes])],
            [AC_MSG_RESULT([no])
             AC_MSG_ERROR([--enable-fuzzing needs a compiler with libFuzzer: CC=clang])])
        CFLAGS=$ms_saved_cflags
        SANITIZER_FLAGS="$SANITIZER_FLAGS -fsanitize=fuzzer-no-link"
    ])
    AC_SUBST([FUZZER_LDFLAGS])
    AM_CONDITIONAL([FUZZING], [test "$enable_fuzzing" = yes])
    AM_CONDITIONAL([SANITIZED_OR_FUZZING], [test -n "$SANITIZER_FLAGS"])
])

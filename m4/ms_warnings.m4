dnl SPDX-FileCopyrightText: 2026 The mastersecret authors
dnl SPDX-License-Identifier: GPL-3.0-or-later

dnl MS_WARNINGS: a plain build warns as -Wall -Wextra does; `make warnings` uses all and -Werror.
AC_DEFUN([MS_WARNINGS], [
    WARNING_CFLAGS=
    STRICT_WARNING_CFLAGS=
    MS_TRY_CFLAGS([WARNING_CFLAGS], [-Wall -Wextra -Wno-unused-parameter dnl
-Wno-missing-field-initializers -Werror=implicit-function-declaration dnl
-Werror=incompatible-pointer-types -Werror=int-conversion -Werror=return-type])
    MS_TRY_CFLAGS([STRICT_WARNING_CFLAGS], [-Wall -Wextra -Wbad-function-cast -Wcast-align dnl
-Wcast-qual -Wdate-time -Wdouble-promotion -Wduplicated-branches -Wduplicated-cond dnl
-Wfloat-equal -Wformat=2 -Wformat-overflow=2 -Wformat-signedness -Wformat-truncation dnl
-Wimplicit-fallthrough -Winit-self -Wlogical-op -Wmissing-declarations -Wmissing-include-dirs dnl
-Wmissing-prototypes -Wnested-externs -Wnull-dereference -Wold-style-definition dnl
-Wpointer-arith -Wredundant-decls -Wreturn-type -Wshadow -Wstrict-aliasing=2 dnl
-Wstrict-overflow=2 -Wstrict-prototypes -Wswitch-enum -Wtrampolines -Wundef dnl
-Wunused-macros -Wvla -Wwrite-strings -Wno-unused-parameter -Wno-missing-field-initializers])
    AC_SUBST([WARNING_CFLAGS])
    AC_SUBST([STRICT_WARNING_CFLAGS])
])

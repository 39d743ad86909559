dnl SPDX-FileCopyrightText: 2026 The mastersecret authors
dnl SPDX-License-Identifier: GPL-3.0-or-later

dnl MS_REQUIRE_LIB(VARIABLE, HEADER, LIBRARY, FUNCTION): for libraries without a pkg-config file.
AC_DEFUN([MS_REQUIRE_LIB], [
    AC_CHECK_HEADER([$2], [], [AC_MSG_ERROR([$2 is missing])])
    ms_saved_libs=$LIBS
    AC_CHECK_LIB([$3], [$4], [], [AC_MSG_ERROR([lib$3 is missing])])
    LIBS=$ms_saved_libs
    AC_SUBST([$1], [-l$3])
])

dnl MS_DEPENDENCIES: every library, each with flags of its own, so that only what needs one links it.
AC_DEFUN([MS_DEPENDENCIES], [
    PKG_CHECK_MODULES([DBUS], [dbus-1 >= 1.14])
    PKG_CHECK_MODULES([SODIUM], [libsodium >= 1.0.18])
    PKG_CHECK_MODULES([UV], [libuv >= 1.44])
    PKG_CHECK_MODULES([INIH], [inih >= 53])
    PKG_CHECK_MODULES([JANSSON], [jansson >= 2.13])
    PKG_CHECK_MODULES([QRENCODE], [libqrencode >= 4.1])
    PKG_CHECK_MODULES([CMOCKA], [cmocka >= 1.1.5], [ms_have_cmocka=yes], [ms_have_cmocka=no])
    PKG_CHECK_MODULES([PAMTEST], [libpamtest], [], [ms_have_cmocka=no])
    AM_CONDITIONAL([HAVE_CMOCKA], [test "$ms_have_cmocka" = yes])
    MS_REQUIRE_LIB([GDBM_LIBS], [gdbm.h], [gdbm], [gdbm_open])
    MS_REQUIRE_LIB([PAM_LIBS], [security/pam_modules.h], [pam], [pam_get_item])
    AC_SUBST([PTHREAD_FLAGS], [-pthread])
])

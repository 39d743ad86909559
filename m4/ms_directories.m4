dnl SPDX-FileCopyrightText: 2026 The mastersecret authors
dnl SPDX-License-Identifier: GPL-3.0-or-later

dnl MS_DEFAULT_PREFIX: a system service without a prefix belongs to the system.
AC_DEFUN([MS_DEFAULT_PREFIX], [
    AC_PREFIX_DEFAULT([/usr])
    AS_IF([test "$prefix" = NONE -o "$prefix" = /usr], [
        AS_IF([test "$sysconfdir" = '${prefix}/etc'], [sysconfdir=/etc])
        AS_IF([test "$localstatedir" = '${prefix}/var'], [localstatedir=/var])
        ms_multiarch=`${CC-cc} -print-multiarch 2>/dev/null`
        AS_IF([test -n "$ms_multiarch" -a "$libdir" = '${exec_prefix}/lib'],
            [libdir='${exec_prefix}'/lib/$ms_multiarch])])
    AS_IF([test "$runstatedir" = '${localstatedir}/run'], [runstatedir=/run])
])

dnl MS_DIR(VARIABLE, OPTION, DEFAULT, WHAT): a folder that another project prescribes.
AC_DEFUN([MS_DIR], [
    AC_ARG_WITH([$2], [AS_HELP_STRING([--with-$2=DIR], [$4 @<:@$3@:>@])], [$1=$withval], [$1='$3'])
    AC_SUBST([$1])
])

dnl MS_DIRECTORIES: where the files go that other programs look for.
AC_DEFUN([MS_DIRECTORIES], [
    MS_DIR([pamdir], [pamdir], [${libdir}/security], [PAM modules])
    MS_DIR([dbuspolicydir], [dbuspolicydir], [${datadir}/dbus-1/system.d], [system bus policy])
    MS_DIR([dbusservicedir], [dbusservicedir], [${datadir}/dbus-1/system-services],
        [system bus activation])
    MS_DIR([systemunitdir], [systemunitdir], [${prefix}/lib/systemd/system], [systemd units])
    MS_DIR([sysusersdir], [sysusersdir], [${prefix}/lib/sysusers.d], [system users])
    MS_DIR([tmpfilesdir], [tmpfilesdir], [${prefix}/lib/tmpfiles.d], [folders made at boot])
    MS_DIR([polkitdir], [polkitdir], [${datadir}/polkit-1/actions], [polkit actions])
    MS_DIR([bashcompletiondir], [bashcompletiondir], [${datadir}/bash-completion/completions],
        [bash completion])
    MS_DIR([zshcompletiondir], [zshcompletiondir], [${datadir}/zsh/vendor-completions],
        [zsh completion])
    AC_SUBST([configdir], ['${sysconfdir}/mastersecret'])
    AC_SUBST([statedir], ['${localstatedir}/lib/mastersecret'])
    AC_SUBST([anchordir], ['${localstatedir}/lib/mastersecret-anchor'])
    AC_SUBST([rundir], ['${runstatedir}/mastersecret'])
])

dnl MS_SUMMARY: what configure decided.
AC_DEFUN([MS_SUMMARY], [
    AC_MSG_NOTICE([$PACKAGE_NAME $PACKAGE_VERSION: prefix $prefix, hardening:$HARDENING_CFLAGS $HARDENING_CPPFLAGS])
    AC_MSG_NOTICE([sanitizers: ${SANITIZER_FLAGS:-none}; unit tests: $ms_have_cmocka])
])

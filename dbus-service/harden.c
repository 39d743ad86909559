/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/harden.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Standard descriptors, and one more that bus/direct.c replaces by its socket. */
#define FDS_RESERVED 4

static int not_root(void)
{
    return geteuid() == 0 || getuid() == 0 ? -EPERM : 0;
}

static int reserve_fds(void)
{
    int fd;

    if (close_range(FDS_RESERVED - 1, ~0u, 0) < 0 && errno != ENOSYS)
        return -errno;
    do {
        fd = open("/dev/null", O_RDWR | O_NOCTTY);
        if (fd < 0)
            return -errno;
    } while (fd < FDS_RESERVED - 1);
    if (fd > FDS_RESERVED - 1)
        close(fd);
    return 0;
}

static int not_dumpable(void)
{
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

static int no_core(void)
{
    struct rlimit none = { 0, 0 };

    return setrlimit(RLIMIT_CORE, &none) < 0 ? -errno : 0;
}

static int no_new_privileges(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static int raise_fds(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

static int private_files(void)
{
    umask(077);
    return 0;
}

static int no_sigpipe(void)
{
    return signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -errno : 0;
}

int harden(const char **ret_what)
{
    static const struct {
        int (*step)(void);
        const char *what;
    } steps[] = {
        { not_root, "run as root: it needs no privilege; the unit and the bus start it as user "
                    "mastersecret" },
        { reserve_fds, "open the standard descriptors" },
        { not_dumpable, "make the process not dumpable" },
        { no_core, "switch core files off" },
        { no_new_privileges, "give up new privileges" },
        { raise_fds, "raise the limit of descriptors" },
        { private_files, "set the umask" },
        { no_sigpipe, "ignore SIGPIPE" },
    };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        int r = steps[i].step();

        if (r < 0) {
            *ret_what = steps[i].what;
            return r;
        }
    }
    return 0;
}

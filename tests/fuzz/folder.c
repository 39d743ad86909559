/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/fuzz/folder.h"

#include <err.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];
static pid_t owner;

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static void remove_all(void)
{
    if (getpid() == owner)
        (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *folder_path(void)
{
    if (*folder)
        return folder;
    snprintf(folder, sizeof(folder), "%s/mastersecret-fuzz.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder))
        err(1, "cannot make '%s'", folder);
    owner = getpid();
    if (atexit(remove_all) != 0)
        err(1, "cannot register the removal of '%s'", folder);
    return folder;
}

const char *folder_put(const char *name, const uint8_t *bytes, size_t size)
{
    static char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", folder_path(), name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        err(1, "cannot write '%s'", path);
    close(fd);
    return path;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/fake_nss.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    const struct fake_user *users;
    const struct fake_group *groups;
    bool hang;
    int error;
    unsigned calls;
    unsigned running;
    unsigned most;
} nss = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

void fake_nss_set(const struct fake_user *users, const struct fake_group *groups)
{
    pthread_mutex_lock(&nss.mutex);
    nss.users = users;
    nss.groups = groups;
    pthread_mutex_unlock(&nss.mutex);
}

void fake_nss_hang(bool hang)
{
    pthread_mutex_lock(&nss.mutex);
    nss.hang = hang;
    pthread_cond_broadcast(&nss.changed);
    pthread_mutex_unlock(&nss.mutex);
}

void fake_nss_fail(int error)
{
    pthread_mutex_lock(&nss.mutex);
    nss.error = error;
    pthread_mutex_unlock(&nss.mutex);
}

unsigned fake_nss_calls(void)
{
    unsigned calls;

    pthread_mutex_lock(&nss.mutex);
    calls = nss.calls;
    pthread_mutex_unlock(&nss.mutex);
    return calls;
}

unsigned fake_nss_most(void)
{
    unsigned most;

    pthread_mutex_lock(&nss.mutex);
    most = nss.most;
    pthread_mutex_unlock(&nss.mutex);
    return most;
}

void fake_nss_reset(void)
{
    fake_nss_hang(false);
    pthread_mutex_lock(&nss.mutex);
    nss.error = 0;
    nss.calls = 0;
    nss.most = 0;
    pthread_mutex_unlock(&nss.mutex);
}

static int enter(void)
{
    int error;

    pthread_mutex_lock(&nss.mutex);
    nss.calls++;
    nss.running++;
    if (nss.running > nss.most)
        nss.most = nss.running;
    while (nss.hang)
        pthread_cond_wait(&nss.changed, &nss.mutex);
    error = nss.error;
    nss.running--;
    pthread_mutex_unlock(&nss.mutex);
    return error;
}

static int answer(const struct fake_user *user, struct passwd *passwd, char *buffer, size_t size,
                  struct passwd **result)
{
    *result = NULL;
    if (!user->name)
        return 0;
    if (size < 8192) /* so that growing the buffer is tested by every question */
        return ERANGE;
    snprintf(buffer, size, "%s", user->name);
    *passwd = (struct passwd){.pw_name = buffer, .pw_uid = user->uid, .pw_gid = user->gids[0]};
    *result = passwd;
    return 0;
}

int __wrap_getpwnam_r(const char *name, struct passwd *passwd, char *buffer, size_t size,
                      struct passwd **result);
int __wrap_getpwuid_r(uid_t uid, struct passwd *passwd, char *buffer, size_t size,
                      struct passwd **result);
int __wrap_getgrnam_r(const char *name, struct group *group, char *buffer, size_t size,
                      struct group **result);
int __wrap_getgrouplist(const char *name, gid_t gid, gid_t *gids, int *count);

int __wrap_getpwnam_r(const char *name, struct passwd *passwd, char *buffer, size_t size,
                      struct passwd **result)
{
    int error = size < 8192 ? 0 : enter();
    const struct fake_user *user = nss.users;

    *result = NULL;
    if (size < 8192)
        return ERANGE;
    while (user->name && strcmp(user->name, name) != 0)
        user++;
    return error ? error : answer(user, passwd, buffer, size, result);
}

int __wrap_getpwuid_r(uid_t uid, struct passwd *passwd, char *buffer, size_t size,
                      struct passwd **result)
{
    int error = size < 8192 ? 0 : enter();
    const struct fake_user *user = nss.users;

    *result = NULL;
    if (size < 8192)
        return ERANGE;
    while (user->name && user->uid != uid)
        user++;
    return error ? error : answer(user, passwd, buffer, size, result);
}

int __wrap_getgrnam_r(const char *name, struct group *group, char *buffer, size_t size,
                      struct group **result)
{
    int error = enter();
    const struct fake_group *found = nss.groups;

    (void)buffer;
    (void)size;
    *result = NULL;
    while (found->name && strcmp(found->name, name) != 0)
        found++;
    if (error || !found->name)
        return error;
    *group = (struct group){.gr_gid = found->gid};
    *result = group;
    return 0;
}

int __wrap_getgrouplist(const char *name, gid_t gid, gid_t *gids, int *count)
{
    const struct fake_user *user = nss.users;
    int room = *count;
    int n = 0;

    while (user->name && strcmp(user->name, name) != 0)
        user++;
    if (room > 0)
        gids[n] = gid;
    n++;
    for (int i = 1; user->name && i < 8 && user->gids[i]; i++, n++)
        if (n < room)
            gids[n] = user->gids[i];
    *count = n;
    return n <= room ? n : -1;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/safe_open.h"

#include "common/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

/* Symbolic links above the file are followed by hand, so that every folder passed on the way is
 * seen, opened and checked once, and none can be exchanged after its check. */
enum { LINKS_MAX = 16 };

struct walk {
    const struct safe_open_rule *rule;
    int folder;
    unsigned links;
    char rest[PATH_MAX]; /* what is still to be walked, the file's name included */
};

static bool is_trusted(const struct walk *walk, uid_t uid)
{
    return uid == 0 || uid == walk->rule->owner;
}

static int check_folder(const struct walk *walk, const struct stat *status)
{
    if (!is_trusted(walk, status->st_uid))
        return SAFE_OPEN_ANCESTOR;
    if ((status->st_mode & 0022) && !(status->st_mode & S_ISVTX))
        return SAFE_OPEN_ANCESTOR;
    return SAFE_OPEN_DONE;
}

static int enter(struct walk *walk, int *fd)
{
    struct stat status;

    if (fstat(*fd, &status) < 0)
        return -errno;
    if (!S_ISDIR(status.st_mode))
        return -ENOTDIR;
    if (walk->folder >= 0)
        close(walk->folder);
    walk->folder = steal_fd(fd);
    return check_folder(walk, &status);
}

static int enter_root(struct walk *walk)
{
    CLEANUP_CLOSE int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : enter(walk, &fd);
}

/* Puts the target of the link before what is left of the path. */
static int follow(struct walk *walk, int link)
{
    char path[PATH_MAX];
    size_t rest = strlen(walk->rest) + 1;
    ssize_t length = readlinkat(link, "", path, sizeof(path));

    if (length < 0)
        return -errno;
    if (++walk->links > LINKS_MAX)
        return -ELOOP;
    if ((size_t)length + 1 + rest > sizeof(path))
        return -ENAMETOOLONG;
    path[length] = '/';
    memcpy(path + length + 1, walk->rest, rest);
    memcpy(walk->rest, path, (size_t)length + 1 + rest);
    return path[0] == '/' ? enter_root(walk) : SAFE_OPEN_DONE;
}

static int step(struct walk *walk, const char *component)
{
    CLEANUP_CLOSE int fd = openat(walk->folder, component, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISLNK(status.st_mode))
        return enter(walk, &fd);
    /* In a sticky folder anybody may have made the link. */
    return is_trusted(walk, status.st_uid) ? follow(walk, fd) : SAFE_OPEN_ANCESTOR;
}

/* Walks to the folder that holds the file; its name is left in walk->rest. */
static int walk_to_folder(struct walk *walk)
{
    char component[NAME_MAX + 1];
    char *slash;
    int r = enter_root(walk);

    while (r == SAFE_OPEN_DONE) {
        size_t skip = strspn(walk->rest, "/");

        memmove(walk->rest, walk->rest + skip, strlen(walk->rest + skip) + 1);
        slash = strchr(walk->rest, '/');
        if (!slash)
            return SAFE_OPEN_DONE;
        if ((size_t)(slash - walk->rest) >= sizeof(component))
            return -ENAMETOOLONG;
        *(char *)mempcpy(component, walk->rest, (size_t)(slash - walk->rest)) = '\0';
        memmove(walk->rest, slash + 1, strlen(slash + 1) + 1);
        r = step(walk, component);
    }
    return r;
}

static int check_file(const struct walk *walk, const struct stat *status)
{
    if (!S_ISREG(status->st_mode))
        return SAFE_OPEN_NOT_REGULAR;
    if (!is_trusted(walk, status->st_uid))
        return SAFE_OPEN_OWNER;
    if (status->st_mode & walk->rule->forbidden)
        return SAFE_OPEN_MODE;
    if (status->st_size < 0 || (uintmax_t)status->st_size > walk->rule->maximum)
        return SAFE_OPEN_TOO_LARGE;
    return SAFE_OPEN_DONE;
}

static int open_file(const struct walk *walk, int *ret_fd)
{
    CLEANUP_CLOSE int fd = -1;
    struct stat status;
    int r;

    /* Before the open too: opening a device or a FIFO has effects of its own. */
    if (fstatat(walk->folder, walk->rest, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return SAFE_OPEN_NOT_REGULAR;
    fd = descriptor_above_standard(openat(
        walk->folder, walk->rest, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    r = check_file(walk, &status);
    if (r == SAFE_OPEN_DONE)
        *ret_fd = steal_fd(&fd);
    return r;
}

int safe_open(const char *path, const struct safe_open_rule *rule, int *ret_fd)
{
    struct walk walk = { .rule = rule, .folder = -1 };
    size_t size = strlen(path) + 1;
    int r;

    if (path[0] != '/')
        return SAFE_OPEN_NOT_ABSOLUTE;
    if (size > sizeof(walk.rest))
        return -ENAMETOOLONG;
    memcpy(walk.rest, path, size);
    r = walk_to_folder(&walk);
    if (r == SAFE_OPEN_DONE)
        r = walk.rest[0] ? open_file(&walk, ret_fd) : SAFE_OPEN_NOT_REGULAR;
    if (walk.folder >= 0)
        close(walk.folder);
    return r;
}

int safe_read(const char *path, const struct safe_open_rule *rule, struct secret **ret_content)
{
    CLEANUP_SECRET struct secret *content = NULL;
    CLEANUP_CLOSE int fd = -1;
    int r = safe_open(path, rule, &fd);

    if (r != SAFE_OPEN_DONE)
        return r;
    /* One byte more than allowed, to see a file that grows while it is read. */
    r = secret_new(rule->maximum + 1, &content);
    if (r == 0)
        r = secret_read(content, fd);
    if (r < 0)
        return r;
    if (content->length > rule->maximum)
        return SAFE_OPEN_TOO_LARGE;
    *ret_content = STEAL(content);
    return SAFE_OPEN_DONE;
}

int safe_is_empty_file(int fd)
{
    struct stat status;
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fstat(fd, &status) < 0)
        return -errno;
    return (flags & (O_ACCMODE | O_APPEND)) == O_RDWR && S_ISREG(status.st_mode) &&
           status.st_size == 0 && (status.st_mode & 07777) == 0600;
}

const char *safe_open_text(int outcome)
{
    switch ((enum safe_open_outcome)outcome) {
    case SAFE_OPEN_DONE:
        return "is safe";
    case SAFE_OPEN_NOT_ABSOLUTE:
        return "is not an absolute path";
    case SAFE_OPEN_NOT_REGULAR:
        return "is not a regular file";
    case SAFE_OPEN_OWNER:
        return "belongs to another user";
    case SAFE_OPEN_MODE:
        return "is open to other users (see its mode)";
    case SAFE_OPEN_ANCESTOR:
        return "lies in a folder that another user can change";
    case SAFE_OPEN_TOO_LARGE:
        return "is too large";
    }
    return outcome < 0 ? strerrordesc_np(-outcome) : "is not safe";
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/new_file.h"

#include "client/cli/output.h"
#include "common/names.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

void new_file_deinit(struct new_file *file)
{
    cleanup_close_fd(&file->fd);
    free(file->location);
}

/* Only for display, and libdbus takes nothing but UTF-8. */
static void make_utf8(char *text)
{
    if (text_is_utf8(text, strlen(text), SIZE_MAX))
        return;
    for (char *c = text; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
}

int new_file_create(struct new_file *file)
{
    file->fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    S_IRUSR | S_IWUSR);
    if (file->fd < 0)
        return output_local("cannot create the %s '%s': %s%s", file->what, file->path,
                            strerrordesc_np(errno),
                            errno == EEXIST ? "; choose another name" : "");
    file->location = realpath(file->path, NULL);
    if (!file->location)
        return output_local("cannot find the way to '%s': %s", file->path,
                            strerrordesc_np(errno));
    make_utf8(file->location);
    return STATUS_DONE;
}

int new_file_keep(const struct new_file *file)
{
    CLEANUP_FREE char *folder = strdup(file->path);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    CLEANUP_CLOSE int fd = -1;

    if (slash)
        slash[slash == folder ? 1 : 0] = '\0';
    fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return output_local("the %s is made, but its folder cannot be synced: %s", file->what,
                            strerrordesc_np(errno));
    return STATUS_DONE;
}

int new_file_write(struct new_file *file, const struct secret *text)
{
    int r = new_file_create(file);

    if (r != STATUS_DONE)
        return r;
    if (write(file->fd, text->bytes, text->length) != (ssize_t)text->length ||
        fsync(file->fd) < 0) {
        r = output_local("cannot write the %s '%s': %s", file->what, file->path,
                         strerrordesc_np(errno));
        unlink(file->path);
        return r;
    }
    return new_file_keep(file);
}

static bool is_empty(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && status.st_size == 0;
}

void new_file_give_up(const struct new_file *file, enum mastersecret_error error)
{
    if (error == MASTERSECRET_OUTCOME_UNKNOWN || !is_empty(file->fd))
        fprintf(stderr, "the %s '%s' is kept, until mastersecret status tells\n", file->what,
                file->path);
    else
        unlink(file->path);
}

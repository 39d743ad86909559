/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/request.h"

#include "client/error.h"
#include "common/secret_pipe.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

enum mastersecret_error request_check_name(struct mastersecret *context, const char *what,
                                           const char *name)
{
    if (name && name_is_valid(name))
        return MASTERSECRET_OK;
    return context_refuse(context, MASTERSECRET_INVALID_ARGUMENT,
                          "%s is not a name of 1 to %d bytes of UTF-8 without control characters",
                          what, NAME_MAX_BYTES);
}

enum mastersecret_error request_new(const char *application, const char *interface,
                                    const char *method, DBusMessage **ret_call)
{
    char path[sizeof(BUS_PATH_APPLICATION) + 3 * NAME_MAX_BYTES + 2];

    if (application && name_to_path(application, path, sizeof(path)) < 0)
        return MASTERSECRET_INVALID_ARGUMENT;
    *ret_call =
        dbus_message_new_method_call(NULL, application ? path : BUS_PATH, interface, method);
    return *ret_call ? MASTERSECRET_OK : MASTERSECRET_OUT_OF_MEMORY;
}

enum mastersecret_error value_pipe_open(struct mastersecret *context, struct secret_pipe *ret_pipe)
{
    struct secret_pipe pipe;
    int r = secret_pipe_init(&pipe);

    if (r < 0)
        return context_refuse(context, client_error_from_errno(-r), "cannot make a pipe: %s",
                              strerrordesc_np(-r));
    /* One without room for the largest value (PIPE_NO_ROOM) is used: whether the value fits is known only
     * when it comes, and whoever writes it, the service or value_pipe_give(), refuses to cut it. */
    *ret_pipe = pipe;
    return MASTERSECRET_OK;
}

enum mastersecret_error value_pipe_give(struct mastersecret *context, const void *value,
                                        size_t length, struct secret_pipe *ret_pipe)
{
    struct secret_pipe pipe;
    enum mastersecret_error error;

    if (length > VALUE_MAX_BYTES)
        return context_refuse(context, MASTERSECRET_TOO_LARGE,
                              "a value has at most %d bytes, this one %zu", VALUE_MAX_BYTES,
                              length);
    error = value_pipe_open(context, &pipe);
    if (error != MASTERSECRET_OK)
        return error;
    /* Empty, so that one write does if there is room for all of it. */
    if (length > 0 && write(pipe.write_fd, value, length) != (ssize_t)length) {
        secret_pipe_deinit(&pipe);
        return context_refuse(context, MASTERSECRET_LIMITS_EXCEEDED,
                              "no room in a pipe for a value of %zu bytes: this user has too many pipes "
                              "open (close some, or raise fs.pipe-user-pages-soft)", length);
    }
    close(steal_fd(&pipe.write_fd));
    *ret_pipe = pipe;
    return MASTERSECRET_OK;
}

enum mastersecret_error value_pipe_take(struct mastersecret *context, struct secret_pipe *pipe,
                                        struct secret **ret_value)
{
    CLEANUP_SECRET struct secret *value = NULL;
    int size = 0;

    close(steal_fd(&pipe->write_fd));
    /* The whole value is there once the reply is, so its size can be asked for. */
    if (ioctl(pipe->read_fd, FIONREAD, &size) < 0 || size > VALUE_MAX_BYTES)
        return context_refuse(context, MASTERSECRET_BAD_DESCRIPTOR, "cannot read a pipe");
    if (secret_new((size_t)size + 1, &value) < 0)
        return MASTERSECRET_OUT_OF_MEMORY;
    while (value->length < (size_t)size) {
        ssize_t count = read(pipe->read_fd, value->bytes + value->length,
                             (size_t)size - value->length);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return context_refuse(context, MASTERSECRET_BAD_DESCRIPTOR, "a value was cut short");
        value->length += (size_t)count;
    }
    *ret_value = STEAL(value);
    return MASTERSECRET_OK;
}

static bool append_fd(DBusMessageIter *map, const char *label, int fd)
{
    DBusMessageIter entry;

    return dbus_message_iter_open_container(map, DBUS_TYPE_DICT_ENTRY, NULL, &entry) &&
           dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &label) &&
           dbus_message_iter_append_basic(&entry, DBUS_TYPE_UNIX_FD, &fd) &&
           dbus_message_iter_close_container(map, &entry);
}

bool request_append_fds(DBusMessageIter *arguments, const char *const *labels, const int *fds,
                        size_t count)
{
    DBusMessageIter map;

    if (!dbus_message_iter_open_container(arguments, DBUS_TYPE_ARRAY, "{sh}", &map))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!append_fd(&map, labels[i], fds[i]))
            return false;
    return dbus_message_iter_close_container(arguments, &map);
}

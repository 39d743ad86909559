/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/socket.h"

#include "client/deadline.h"
#include "client/libdbus.h"
#include "common/descriptor.h"
#include "common/names.h"

#include <dbus/dbus.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    ADDRESS_MAX_BYTES = 4096,
    RETRY_MS = 20, /* a full backlog cannot be polled for */
};

struct unix_address {
    struct sockaddr_un name;
    socklen_t size;
};

/* `lead` is 1 for the NUL byte before an abstract name, else 0. */
static int set_name(struct unix_address *address, const char *text, size_t lead)
{
    size_t length = strlen(text);

    if (length == 0 || lead + length >= sizeof(address->name.sun_path))
        return -EINVAL;
    *address = (struct unix_address){ .name.sun_family = AF_UNIX };
    memcpy(address->name.sun_path + lead, text, length);
    address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + lead + length);
    /* A path has its NUL counted; in an abstract name it would be part of the name. */
    if (lead == 0)
        address->size++;
    return 0;
}

static int parse_entry(DBusAddressEntry *entry, struct unix_address *ret_address)
{
    const char *path = dbus_address_entry_get_value(entry, "path");
    const char *abstract = dbus_address_entry_get_value(entry, "abstract");

    if (strcmp(dbus_address_entry_get_method(entry), "unix") != 0 || !path == !abstract)
        return -EINVAL;
    return path ? set_name(ret_address, path, 0) : set_name(ret_address, abstract, 1);
}

/* A non-blocking connect to a listener whose backlog is full says EAGAIN: ask again until there is
 * room. A blocking one would wait for a stopped process without limit. */
static int connect_one(const struct unix_address *address, int64_t deadline, int *ret_fd)
{
    CLEANUP_CLOSE int fd = socket_above_standard(SOCK_STREAM | SOCK_NONBLOCK);
    int left;

    if (fd < 0)
        return -errno;
    while (connect(fd, &address->name, address->size) < 0) {
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        left = deadline_left(deadline);
        if (left == 0)
            return -ETIMEDOUT;
        libdbus_leave();
        poll(NULL, 0, left < RETRY_MS ? left : RETRY_MS);
        if (!libdbus_enter())
            return -ECONNABORTED;
    }
    *ret_fd = steal_fd(&fd);
    return 0;
}

static int connect_any(DBusAddressEntry **entries, int count, int64_t deadline, int *ret_fd)
{
    struct unix_address address;
    int r = -EINVAL;

    for (int i = 0; i < count; i++) {
        r = parse_entry(entries[i], &address);
        if (r == 0)
            r = connect_one(&address, deadline, ret_fd);
        if (r == 0 || r == -ETIMEDOUT)
            break;
    }
    return r;
}

int socket_connect(const char *address, int64_t deadline, int *ret_fd)
{
    DBusAddressEntry **entries;
    int count;
    int r;

    if (!text_is_utf8(address, strlen(address), ADDRESS_MAX_BYTES))
        return -EINVAL;
    if (!dbus_parse_address(address, &entries, &count, NULL))
        return -EINVAL;
    r = connect_any(entries, count, deadline, ret_fd);
    dbus_address_entries_free(entries);
    return r;
}

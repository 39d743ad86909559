/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/audit_sink.h"

#include "dbus-service/loop.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>

/* The kernel queues 10 datagrams where nobody raised net.unix.max_dgram_qlen, so a reader that does read is
 * asked again after 1 ms; one that does not, or is not there, more and more seldom. */
#define PAUSE_FIRST_MS 1
#define PAUSE_LAST_MS 1000
/* In one turn of the loop. */
#define LINES_PER_TURN 256

static struct {
    uv_loop_t *loop;
    uv_timer_t timer;
    uint64_t pause_ms;
    int fd;
    struct stat file; /* the socket's, when it was connected to */
    time_t looked;    /* at the file, the last time */
    /* The lines kept, each behind its length. */
    size_t begin;
    size_t end;
    char lines[AUDIT_BACKLOG_BYTES];
} sink = { .fd = -1 };

/* ---- The socket ---- */

static void socket_close(void)
{
    if (sink.fd >= 0)
        close(sink.fd);
    sink.fd = -1;
}

/* The reader may live on while /dev/log is another's by now. One that is merely gone stays in use. */
static bool file_is_another(void)
{
    struct stat now;

    return stat(_PATH_LOG, &now) == 0 &&
           (now.st_ino != sink.file.st_ino || now.st_dev != sink.file.st_dev ||
            now.st_ctim.tv_sec != sink.file.st_ctim.tv_sec ||
            now.st_ctim.tv_nsec != sink.file.st_ctim.tv_nsec);
}

static bool socket_open(void)
{
    const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = _PATH_LOG };
    const void *name = &address;
    time_t now = time(NULL);

    if (sink.fd >= 0 && now != sink.looked && file_is_another())
        socket_close();
    sink.looked = now;
    if (sink.fd >= 0)
        return true;
    sink.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sink.fd < 0)
        return false;
    /* Before it is connected to: if it is replaced in between, that is seen the next time. */
    if (stat(_PATH_LOG, &sink.file) == 0 && connect(sink.fd, name, sizeof(address)) == 0)
        return true;
    socket_close();
    return false;
}

static bool send_once(const char *line, size_t length)
{
    if (!socket_open())
        return false;
    if (send(sink.fd, line, length, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return true;
    if (errno != EAGAIN && errno != ENOBUFS)
        socket_close();
    return false;
}

/* Twice: a syslog that was restarted has left the old socket dead. */
static bool send_line(const char *line, size_t length)
{
    return send_once(line, length) || (sink.fd < 0 && send_once(line, length));
}

/* ---- The backlog ---- */

static size_t line_length(size_t offset)
{
    uint16_t length;

    memcpy(&length, sink.lines + offset, sizeof(length));
    return length;
}

/* Sends what goes, `lines_max` at most; true when nothing is left. */
static bool flush(size_t lines_max)
{
    while (sink.begin < sink.end) {
        size_t length = line_length(sink.begin);

        if (lines_max-- == 0 || !send_line(sink.lines + sink.begin + sizeof(uint16_t), length))
            return false;
        sink.begin += sizeof(uint16_t) + length;
    }
    sink.begin = sink.end = 0;
    return true;
}

static void on_timer(uv_timer_t *timer)
{
    size_t begin = sink.begin;

    if (flush(LINES_PER_TURN))
        return;
    if (sink.begin != begin)
        sink.pause_ms = PAUSE_FIRST_MS;
    else if (sink.pause_ms < PAUSE_LAST_MS)
        sink.pause_ms *= 2;
    uv_timer_start(timer, on_timer, sink.pause_ms, 0);
}

static void flush_later(void)
{
    if (!sink.loop || uv_is_active(loop_handle(&sink.timer)))
        return;
    sink.pause_ms = PAUSE_FIRST_MS;
    uv_timer_start(&sink.timer, on_timer, sink.pause_ms, 0);
}

static bool keep(const char *line, size_t length)
{
    uint16_t number = (uint16_t)length;

    if (sizeof(number) + length > sizeof(sink.lines) - sink.end) {
        memmove(sink.lines, sink.lines + sink.begin, sink.end - sink.begin);
        sink.end -= sink.begin;
        sink.begin = 0;
    }
    if (sizeof(number) + length > sizeof(sink.lines) - sink.end)
        return false;
    memcpy(sink.lines + sink.end, &number, sizeof(number));
    memcpy(sink.lines + sink.end + sizeof(number), line, length);
    sink.end += sizeof(number) + length;
    flush_later();
    return true;
}

/* ---- The sink ---- */

void audit_sink_open(uv_loop_t *loop)
{
    sink.loop = loop;
    uv_timer_init(loop, &sink.timer);
    uv_unref(loop_handle(&sink.timer)); /* the loop ends without it */
    (void)socket_open();
}

bool audit_sink_put(const char *line, size_t length)
{
    if (sink.begin == sink.end && send_line(line, length))
        return true;
    return keep(line, length);
}

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

size_t audit_sink_close(void)
{
    uint64_t begin = now_ms(), waited = 0;
    size_t gone = 0;

    while (!flush(SIZE_MAX) && sink.fd >= 0 && waited < AUDIT_STOP_WAIT_MS) {
        struct pollfd ready = { .fd = sink.fd, .events = POLLOUT };

        (void)poll(&ready, 1, (int)(AUDIT_STOP_WAIT_MS - waited));
        waited = now_ms() - begin;
    }
    for (; sink.begin < sink.end; gone++)
        sink.begin += sizeof(uint16_t) + line_length(sink.begin);
    sink.begin = sink.end = 0;
    socket_close();
    if (sink.loop)
        uv_close(loop_handle(&sink.timer), NULL);
    sink.loop = NULL;
    return gone;
}

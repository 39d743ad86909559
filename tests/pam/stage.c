/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/pam/stage.h"

#include "tests/pam/fake_service.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int log_fd = -1;
static int is_root;

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        err(1, "%s", path);
}

static void mount_empty(const char *path)
{
    if (mount("none", path, "tmpfs", MS_NOSUID, "mode=755") < 0)
        err(1, "tmpfs at %s", path);
}

/* An ordinary user is root in a user namespace of its own. */
static void unshare_mounts(void)
{
    uid_t uid = getuid();
    gid_t gid = getgid();
    char map[64];

    if (geteuid() == 0) {
        if (unshare(CLONE_NEWNS) == 0)
            return;
    } else if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) {
        snprintf(map, sizeof(map), "0 %u 1", (unsigned)uid);
        write_file("/proc/self/uid_map", map);
        write_file("/proc/self/setgroups", "deny");
        snprintf(map, sizeof(map), "0 %u 1", (unsigned)gid);
        write_file("/proc/self/gid_map", map);
        return;
    }
    warn("no mount namespace: skipped");
    exit(77);
}

/* Devices cannot be made in a user namespace, but the machine's can be shown again. */
static void make_dev(void)
{
    static const char *const names[] = { "null", "zero", "urandom", "random", "tty" };
    char from[32], to[32];

    if (mkdir("/run/dev", 0755) < 0)
        err(1, "/run/dev");
    mount_empty("/run/dev");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(from, sizeof(from), "/dev/%s", names[i]);
        snprintf(to, sizeof(to), "/run/dev/%s", names[i]);
        write_file(to, "");
        if (mount(from, to, NULL, MS_BIND, NULL) < 0)
            err(1, "%s", to);
    }
    if (mount("/run/dev", "/dev", NULL, MS_BIND | MS_REC, NULL) < 0)
        err(1, "/dev");
}

static void listen_for_log(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
    int size = 1 << 20;

    log_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (log_fd < 0 || bind(log_fd, &address, sizeof(address)) < 0)
        err(1, "/dev/log");
    (void)setsockopt(log_fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    chmod("/dev/log", 0666);
}

/* Symbolic links, because a line of a PAM file ends an argument at a blank. */
static void show_modules(void)
{
    if (mkdir("/run/test", 0777) < 0 || mkdir("/run/mastersecret", 0755) < 0 ||
        mkdir("/run/dbus", 0755) < 0)
        err(1, "/run");
    chmod("/run/test", 0777);
    if (symlink(MODULE_BUILT, MODULE) < 0 || symlink(WITNESS_BUILT, WITNESS) < 0)
        err(1, "modules");
}

int stage_is_root(void)
{
    return is_root;
}

void stage_open(void)
{
    is_root = geteuid() == 0;
    unshare_mounts();
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        err(1, "private mounts");
    mount_empty("/run");
    mount_empty("/etc/pam.d");
    make_dev();
    listen_for_log();
    show_modules();
    stage_service("other", "auth required pam_deny.so\naccount required pam_deny.so\n");
}

void stage_service(const char *name, const char *format, ...)
{
    char path[128], text[4096];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    snprintf(path, sizeof(path), "/etc/pam.d/%s", name);
    write_file(path, text);
}

void stage_account(const char *line)
{
    char text[65536];
    FILE *file = fopen("/etc/passwd", "r");
    size_t length = file ? fread(text, 1, sizeof(text) - 256, file) : 0;

    if (!file)
        err(1, "/etc/passwd");
    fclose(file);
    snprintf(text + length, sizeof(text) - length, "%s\n", line);
    write_file("/run/test/passwd", text);
    if (mount("/run/test/passwd", "/etc/passwd", NULL, MS_BIND, NULL) < 0)
        err(1, "/etc/passwd");
}

void stage_reveal(const char *name, int ask, const char *arguments)
{
    stage_service(name,
                  "%sauth" REVEAL MODULE " %s\n"
                  "auth requisite pam_deny.so\n"
                  "auth required " WITNESS " authtok=" WITNESS_FILE " return=%d\n",
                  ask ? "auth required " WITNESS " ask\n" : "", arguments, IGNORED);
}

void stage_reveal_all(const char *name, const char *arguments)
{
    static const struct {
        const char *type;
        const char *before;
        const char *after;
    } types[] = { { "auth", "auth required " WITNESS " ask\n", "" },
                  { "account", "", "" },
                  { "session", "", "" },
                  { "password", "password required " WITNESS " ask\n", " preliminary=0" } };
    char text[4096];
    size_t used = 0;

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used,
                                 "%s%s" REVEAL MODULE " %s\n%s requisite pam_deny.so\n"
                                 "%s required " WITNESS " return=%d%s\n",
                                 types[i].before, types[i].type, arguments, types[i].type,
                                 types[i].type, IGNORED, types[i].after);
    stage_service(name, "%s", text);
}

int stage_converse(int count, const struct pam_message **messages, struct pam_response **ret_answers,
                   void *password)
{
    struct pam_response *answers;

    if (!password)
        return PAM_CONV_ERR;
    answers = calloc((size_t)count, sizeof(*answers));
    if (!answers)
        return PAM_BUF_ERR;
    for (int i = 0; i < count; i++)
        if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
            answers[i].resp = strdup(password);
    *ret_answers = answers;
    return PAM_SUCCESS;
}

pam_handle_t *stage_start(const char *service, const char *user, const char *password)
{
    union {
        const char *constant;
        void *data;
    } answer = { .constant = password };
    struct pam_conv conversation = { stage_converse, answer.data };
    pam_handle_t *pamh = NULL;
    int code = pam_start(service, user, &conversation, &pamh);

    if (code != PAM_SUCCESS)
        errx(1, "pam_start: %d", code);
    return pamh;
}

int stage_authenticate(const char *service, const char *user, const char *password)
{
    pam_handle_t *pamh = stage_start(service, user, password);
    int code = pam_authenticate(pamh, 0);

    pam_end(pamh, code);
    return code;
}

int stage_authtok(char *ret_text, size_t size)
{
    FILE *file = fopen(WITNESS_FILE, "r");
    size_t length;

    ret_text[0] = '\0';
    if (!file)
        return -1;
    length = fread(ret_text, 1, size - 1, file);
    fclose(file);
    ret_text[length] = '\0';
    unlink(WITNESS_FILE);
    return (int)length;
}

const char *stage_stored(void)
{
    static char text[4096];
    FILE *file = fopen(FAKE_STORED, "r");
    size_t length = 0;

    if (file) {
        length = fread(text, 1, sizeof(text) - 1, file);
        fclose(file);
        unlink(FAKE_STORED);
    }
    text[length] = '\0';
    return text;
}

const char *stage_log(void)
{
    static char text[65536];
    size_t used = 0;
    ssize_t length;

    while (used + 4096 < sizeof(text)) {
        length = recv(log_fd, text + used, 4096, 0);
        if (length <= 0)
            break;
        used += (size_t)length;
        text[used++] = '\n';
    }
    text[used] = '\0';
    return text;
}

int64_t stage_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

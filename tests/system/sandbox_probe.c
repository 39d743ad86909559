/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Tries what the unit's sandbox is there to refuse. One line each on standard output: the attempt's
 * name, and "ok" or the name of the error. Run by test_unit.py, in the unit and outside. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int opened(const char *path, int flags)
{
    return open(path, flags | O_CLOEXEC, 0600);
}

/* What an ordinary user may do where nothing forbids it. */
static int inet(void) { return socket(AF_INET, SOCK_STREAM, 0); }
static int inet6(void) { return socket(AF_INET6, SOCK_DGRAM, 0); }
static int netlink(void) { return socket(AF_NETLINK, SOCK_RAW, 0); }
static int change_personality(void) { return personality(ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC); }
static int trace_me(void) { return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL); }
static int user_namespace(void) { return unshare(CLONE_NEWUSER); }
static int raise_niceness(void) { return setpriority(PRIO_PROCESS, 0, 5); }
static int own_uid(void) { return (int)syscall(SYS_setuid, getuid()); }
static int session_keyring(void) { return (int)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL); }
static int home(void) { return opened("/home/shared/file", O_RDONLY); }
static int device(void) { return opened("/dev/probe", O_RDONLY); }
static int other_process(void) { return opened("/proc/1/status", O_RDONLY); }
static int kernel_figures(void) { return opened("/proc/meminfo", O_RDONLY); }
static int fault_handler(void) { return (int)syscall(SYS_userfaultfd, O_CLOEXEC | 1); }
static int open_folder(void) { return opened("/srv/open/probe", O_CREAT | O_WRONLY); }

static int write_and_execute(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                   MAP_FAILED
               ? -1
               : 0;
}

static int execute_what_was_written(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? -1 : mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static int own_memory(void)
{
    char from = 'x', to;
    struct iovec local = { &to, 1 }, remote = { &from, 1 };

    return (int)process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
}

static int own_file(void)
{
    const char *path = getenv("PROBE_FOLDER");
    char file[4096];
    int fd;

    (void)snprintf(file, sizeof(file), "%s/own", path ? path : "");
    fd = opened(file, O_CREAT | O_WRONLY);
    if (fd < 0)
        abort();
    return fchown(fd, getuid(), getgid());
}

static int set_uid_file(void)
{
    const char *path = getenv("PROBE_FOLDER");
    char file[4096];

    (void)snprintf(file, sizeof(file), "%s/own", path ? path : "");
    return chmod(file, 04755);
}

/* What takes privileges, too. */
static int root_uid(void) { return (int)syscall(SYS_setresuid, 0, 0, 0); }
static int mount_tmpfs(void) { return mount("none", "/tmp", "tmpfs", 0, NULL); }
static int change_root(void) { return chroot("/"); }
static int make_device(void) { return mknod("/tmp/probe", S_IFCHR | 0600, 0x103); }
static int write_etc(void) { return opened("/etc/probe", O_CREAT | O_WRONLY); }
static int write_usr(void) { return opened("/usr/libexec/probe", O_CREAT | O_WRONLY); }
static int write_setting(void) { return opened("/proc/sys/kernel/core_pattern", O_WRONLY); }
static int write_cgroup(void) { return opened("/sys/fs/cgroup/cgroup.procs", O_WRONLY); }
static int packet_socket(void) { return socket(AF_PACKET, SOCK_RAW, 0); }
static int host_name(void) { return sethostname("probe", 5); }
static int kernel_log(void) { return (int)syscall(SYS_syslog, 3, NULL, 0); }
static int load_module(void) { return (int)syscall(SYS_init_module, "", 0L, ""); }
static int bpf(void) { return (int)syscall(SYS_bpf, 0, NULL, 0); }
static int perf(void) { return (int)syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0L); }
static int ring(void) { return (int)syscall(SYS_io_uring_setup, 0, NULL); }
static int swap(void) { return (int)syscall(SYS_swapon, "/tmp/probe", 0); }

static int real_time(void)
{
    struct sched_param parameter = { .sched_priority = 1 };

    return sched_setscheduler(0, SCHED_FIFO, &parameter);
}

/* What the service needs: shows that the probe itself runs. */
static int unix_socket(void) { return socket(AF_UNIX, SOCK_STREAM, 0); }
static int secret_memory(void) { return (int)syscall(SYS_memfd_secret, O_CLOEXEC); }
static int temporary_file(void) { return opened("/tmp/probe-made-this", O_CREAT | O_WRONLY); }

#ifdef __x86_64__
/* getpid by the door for 32-bit programs, behind which numbers mean other calls. */
static int other_architecture(void)
{
    int result = 20;

    __asm__ volatile("int $0x80" : "+a"(result) : : "memory");
    errno = result < 0 ? -result : 0;
    return result;
}
#endif

static const struct {
    const char *name;
    int (*attempt)(void);
} attempts[] = {
#define ROW(name) { #name, name }
    ROW(inet), ROW(inet6), ROW(netlink), ROW(change_personality), ROW(trace_me), ROW(user_namespace),
    ROW(raise_niceness), ROW(own_uid), ROW(session_keyring), ROW(home), ROW(device),
    ROW(other_process), ROW(kernel_figures), ROW(open_folder), ROW(write_and_execute),
    ROW(execute_what_was_written), ROW(own_memory), ROW(fault_handler), ROW(own_file), ROW(set_uid_file),
    ROW(root_uid), ROW(mount_tmpfs), ROW(change_root), ROW(make_device), ROW(write_etc),
    ROW(write_usr), ROW(write_setting), ROW(write_cgroup), ROW(packet_socket), ROW(host_name),
    ROW(kernel_log), ROW(load_module), ROW(bpf), ROW(perf), ROW(ring), ROW(swap),
   
    ROW(real_time),
    ROW(unix_socket), ROW(secret_memory), ROW(temporary_file),
#ifdef __x86_64__
    ROW(other_architecture),
#endif
};

/* Each in a process of its own: some change it, and one may be answered by a signal. */
static void try(unsigned i)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(attempts[i].attempt() < 0 ? (errno ? errno : 255) : 0);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        exit(EXIT_FAILURE);
    if (WIFSIGNALED(status))
        printf("%s SIG%s\n", attempts[i].name, sigabbrev_np(WTERMSIG(status)));
    else
        printf("%s %s\n", attempts[i].name,
               WEXITSTATUS(status) ? strerrorname_np(WEXITSTATUS(status)) : "ok");
    fflush(stdout);
}

int main(void)
{
    for (unsigned i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
        try(i);
    return EXIT_SUCCESS;
}

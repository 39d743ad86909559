/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The built module in programs that make it difficult: each host below, in each mode, for each
 * login, at each entry point, with the service in each state gets an answer or a refusal, and is
 * left as it was. */
#include "tests/pam/fake_service.h"
#include "tests/pam/host_state.h"
#include "tests/pam/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <dlfcn.h>
#include <err.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* ---- What is tried ---- */

static const struct {
    const char *arguments;
    int right; /* what authenticate returns for the right password */
    int wrong; /* for a wrong one */
} modes[] = {
    { "mode=verify application=erp", PAM_SUCCESS, PAM_AUTH_ERR },
    { "mode=authtok application=erp debug", IGNORED, IGNORED },
    { "mode=capture application=erp debug", IGNORED, IGNORED },
    { "mode=env application=erp", IGNORED, IGNORED },
    { "mode=verify application=crew user=external", PAM_SUCCESS, PAM_AUTH_ERR },
};
enum { MODES = sizeof(modes) / sizeof(modes[0]) };

static const struct {
    const char *user, *password;
} logins[] = {
    { "alice", FAKE_PASSWORD },
    { "alice", "wrong" },
    { "stranger", FAKE_PASSWORD },
    { "to-root", FAKE_PASSWORD },
    { "\xff\x1b[31m../..", FAKE_PASSWORD },
    { "nul", "half" },
};
enum { LOGINS = sizeof(logins) / sizeof(logins[0]) };

static int (*const entries[])(pam_handle_t *, int) = {
    pam_authenticate, pam_acct_mgmt,     pam_setcred,
    pam_open_session, pam_close_session, pam_chauthtok,
};
enum { ENTRIES = sizeof(entries) / sizeof(entries[0]) };

/* The codes of all of it. */
struct codes {
    int of[MODES][LOGINS][ENTRIES];
};

static void write_stacks(void)
{
    for (size_t i = 0; i < MODES; i++) {
        char name[16], arguments[256];

        snprintf(name, sizeof(name), "mode%zu", i);
        snprintf(arguments, sizeof(arguments), "%s timeout=20000", modes[i].arguments);
        stage_reveal_all(name, arguments);
        /* libdbus without memory tries again and again, until the deadline. */
        snprintf(name, sizeof(name), "starved%zu", i);
        snprintf(arguments, sizeof(arguments), "%s timeout=20", modes[i].arguments);
        stage_reveal_all(name, arguments);
    }
}

/* ---- Hosts ---- */

static _Atomic bool printing;

/* Writes to what it takes for its standard descriptors, whatever lies there. */
static void *print_all_the_time(void *data)
{
    while (printing) {
        (void)!write(0, "printed\n", 8);
        (void)!write(1, "printed\n", 8);
        (void)!write(2, "printed\n", 8);
    }
    return NULL;
}

static void close_standard(int step)
{
    for (int fd = 0; fd < 3; fd++)
        close(fd);
}

static void close_standard_and_print(int step)
{
    pthread_t thread;

    close_standard(step);
    printing = true;
    if (pthread_create(&thread, NULL, print_all_the_time, NULL) == 0)
        pthread_detach(thread);
}

static void hide(const char *folder)
{
    if (unshare(CLONE_NEWNS) < 0 || mount("none", folder, "tmpfs", 0, NULL) < 0)
        err(1, "cannot hide %s", folder);
}

static void hide_proc(int step)
{
    hide("/proc");
}

static void hide_dev(int step)
{
    hide("/dev");
}

static void limit(__rlimit_resource_t resource, rlim_t soft)
{
    struct rlimit limits;

    getrlimit(resource, &limits);
    limits.rlim_cur = soft;
    setrlimit(resource, &limits);
}

/* `step` descriptors are left. */
static void use_up_descriptors(int step)
{
    int fds[HOST_FDS];
    int count = 0;

    limit(RLIMIT_NOFILE, HOST_FDS);
    while (count < HOST_FDS && (fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        count++;
    while (step-- > 0 && count > 0)
        close(fds[--count]);
}

static void forbid_descriptors(int step)
{
    limit(RLIMIT_NOFILE, 0);
}

struct block {
    struct block *next;
};

static bool add_block(struct block **list, size_t size)
{
    struct block *block = malloc(size);

    if (!block)
        return false;
    block->next = *list;
    *list = block;
    return true;
}

/* Takes all memory there is, and gives some of it back: nothing at first, in the end enough. */
static void use_up_memory(int step)
{
    static const size_t sizes[] = { 1 << 16, 1 << 12, 256, 16 };
    static struct block *reserve, *rest;

    for (int i = 0; i < 1000; i++)
        add_block(&reserve, 1024);
    limit(RLIMIT_AS, 1);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        while (add_block(&rest, sizes[i]))
            ;
    for (int i = 0; i < step * step * 2; i++) {
        struct block *block = reserve;

        reserve = block->next;
        free(block);
    }
}

static void tighten_limits(int step)
{
    static const __rlimit_resource_t resources[] = { RLIMIT_NPROC, RLIMIT_FSIZE, RLIMIT_MEMLOCK,
                                                     RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE };

    for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
        limit(resources[i], 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0);
}

static void ignore_sigpipe(int step)
{
    signal(SIGPIPE, SIG_IGN);
}

/* All blocked, and three of them pending. */
static void block_signals(int step)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    raise(SIGALRM);
    raise(SIGTERM);
    raise(SIGCHLD);
}

static void handle(int number)
{
}

static void use_timers(int step)
{
    struct sigaction interrupting = { .sa_handler = handle };
    struct sigaction of_children = { .sa_handler = handle, .sa_flags = SA_NOCLDWAIT | SA_ONSTACK };
    struct itimerval every = { { 0, 1500 }, { 0, 1500 } };
    static char stack[1 << 16];

    sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof(stack) }, NULL);
    sigaddset(&interrupting.sa_mask, SIGUSR1);
    sigaction(SIGALRM, &interrupting, NULL);
    sigaction(SIGVTALRM, &interrupting, NULL);
    sigaction(SIGCHLD, &of_children, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    setitimer(ITIMER_VIRTUAL, &every, NULL);
}

static void use_odd_locales(int step)
{
    setenv("LC_ALL", "../../\xff", 1);
    setenv("LANGUAGE", "%s%n:/etc", 1);
    setenv("TZ", ":/dev/tty", 1);
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C.UTF-8");
    uselocale(newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0));
    fesetround(FE_UPWARD);
}

static void use_odd_environment(int step)
{
    static char assignment_without_a_name[] = "=", no_assignment[] = "DBUS_SYSTEM_BUS_ADDRESS";
    static char *odd[64];
    size_t count = 0;

    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unixexec:path=/bin/false;nonsense:\xff", 1);
    setenv("DBUS_SESSION_BUS_ADDRESS", "autolaunch:", 1);
    setenv("DBUS_STARTER_ADDRESS", "tcp:host=localhost,port=1", 1);
    setenv("DBUS_FATAL_WARNINGS", "1", 1);
    setenv("DBUS_VERBOSE", "1", 1);
    setenv("HOME", "/nowhere", 1);
    setenv("TMPDIR", "\n", 1);
    for (char **entry = environ; *entry && count < 60; entry++)
        odd[count++] = *entry;
    odd[count++] = assignment_without_a_name;
    odd[count++] = no_assignment;
    environ = odd;
}

static void clear_environment(int step)
{
    clearenv();
}

static void leave_files(int step)
{
    if (mkdir("/run/test/gone", 0700) < 0 || chdir("/run/test/gone") < 0 ||
        rmdir("/run/test/gone") < 0)
        err(1, "/run/test/gone");
    umask(0777);
}

/* The modules are loaded before: nobody may not come to a build folder below /root. */
static void drop_privileges(int step)
{
    if (!dlopen(WITNESS, RTLD_NOW) || !dlopen(MODULE, RTLD_NOW))
        errx(1, "%s", dlerror());
    if (stage_is_root() && (setgid(65534) < 0 || setuid(65534) < 0))
        err(1, "setuid");
}

static void change_root(int step)
{
    if (chroot("/run/test") < 0)
        err(1, "chroot");
}

static const struct host {
    const char *name;
    void (*at_first)(int step); /* before PAM is started */
    void (*later)(int step);    /* before the first entry point */
    int steps;                  /* how often, with step 0, 1 … */
    bool starved;               /* may be refused what others are given, but for the last step */
    bool cut_off;               /* has no service */
    bool unsanitized;           /* the sanitizers do not live there themselves */
} hosts[] = {
    { "plain", NULL, NULL, 1, false, false, false },
    { "standard descriptors closed", close_standard, NULL, 1, false, false, false },
    { "standard descriptors closed and written to", close_standard_and_print, NULL, 1, false, false,
      false },
    { "no /proc", hide_proc, NULL, 1, false, false, true },
    { "no /dev", hide_dev, NULL, 1, false, false, false },
    { "at the limit of descriptors", NULL, use_up_descriptors, 12, true, false, false },
    { "no descriptors allowed", NULL, forbid_descriptors, 1, true, true, false },
    { "out of memory", NULL, use_up_memory, 20, true, false, true },
    { "tight limits", NULL, tighten_limits, 1, false, false, true },
    { "SIGPIPE ignored", ignore_sigpipe, NULL, 1, false, false, false },
    { "all signals blocked", block_signals, NULL, 1, false, false, false },
    { "timers and handlers", use_timers, NULL, 1, false, false, false },
    { "odd locales", use_odd_locales, NULL, 1, false, false, false },
    { "odd environment", use_odd_environment, NULL, 1, false, false, false },
    { "no environment", clear_environment, NULL, 1, false, false, false },
    { "no current folder, no permissions", leave_files, NULL, 1, false, false, false },
    { "nobody's", drop_privileges, NULL, 1, false, false, false },
    { "root changed", NULL, change_root, 1, true, true, false },
};
enum { HOSTS = sizeof(hosts) / sizeof(hosts[0]) };

static bool may_be_refused(const struct host *host, int step)
{
    return host->starved && (host->cut_off || step < host->steps - 1);
}

/* ---- One host, in a process of its own ---- */

/* Said by the host's process, without memory or descriptors; what it says is a failure. */
static int report_fd;

static void report(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

static void report(const char *format, ...)
{
    char line[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    (void)!write(report_fd, line, strlen(line));
}

/* The password is that of the login; libpam asks for a new one in chauthtok as well. */
static int converse(int count, const struct pam_message **messages, struct pam_response **ret_answers,
                    void *login)
{
    union {
        const char *constant;
        void *data;
    } answer = { .constant = logins[(intptr_t)login].password };

    return stage_converse(count, messages, ret_answers, answer.data);
}

static struct host_state states[2];

/* To be emptied after every call, or syslog(3) waits for room: a log holds 10 lines where nothing
 * raised net.unix.max_dgram_qlen. */
static void empty_log(void)
{
    if (strstr(stage_log(), "printed"))
        report("the log got what was printed\n");
}

static void call_all(pam_handle_t *const handles[MODES][LOGINS], struct codes *ret_codes)
{
    int now = 0;

    host_state_read(&states[now]);
    for (int mode = 0; mode < MODES; mode++)
        for (int login = 0; login < LOGINS; login++)
            for (int entry = 0; entry < ENTRIES; entry++) {
                const char *difference;
                size_t detail;

                ret_codes->of[mode][login][entry] = entries[entry](handles[mode][login], 0);
                empty_log();
                host_state_read(&states[!now]);
                difference = host_state_difference(&states[now], &states[!now], &detail);
                if (difference)
                    report("mode %d login %d entry %d: %s changed at %zu (fd %zu)\n", mode, login,
                           entry, difference, detail, detail / sizeof(struct host_fd));
                now = !now;
            }
}

static void be_host(const struct host *host, int step, struct codes *ret_codes)
{
    static pam_handle_t *handles[MODES][LOGINS];
    struct pam_conv conversation = { converse, NULL };

    signal(SIGPIPE, SIG_DFL);
    /* libpam logs by syslog(3), which would make a descriptor at its first line. */
    openlog("host", LOG_NDELAY, LOG_AUTHPRIV);
    if (host->at_first)
        host->at_first(step);
    for (int mode = 0; mode < MODES; mode++)
        for (int login = 0; login < LOGINS; login++) {
            char name[16];

            snprintf(name, sizeof(name), "%s%d", may_be_refused(host, step) ? "starved" : "mode",
                     mode);
            conversation.appdata_ptr = (void *)(intptr_t)login;
            if (pam_start(name, logins[login].user, &conversation, &handles[mode][login]) !=
                PAM_SUCCESS)
                report("cannot start PAM\n");
            empty_log();
        }
    if (host->later)
        host->later(step);
    call_all(handles, ret_codes);
    /* Not if there is neither memory nor descriptor left: libpam itself is not tested here. */
    for (int mode = 0; mode < MODES && !host->starved; mode++)
        for (int login = 0; login < LOGINS; login++) {
            pam_end(handles[mode][login], PAM_SUCCESS);
            empty_log();
        }
}

/* What the process said, or how it ended, as a text; "" when all was well. */
static const char *wait_for_host(pid_t pid, int said)
{
    static char text[4096];
    size_t used = 0;
    int status = 0;
    struct pollfd ready = { .fd = said, .events = POLLIN };

    while (used < sizeof(text) - 100) {
        ssize_t count;

        if (poll(&ready, 1, 600000) <= 0) { /* all of a host's calls, on any machine */
            used += (size_t)snprintf(text + used, 64, "hangs\n");
            kill(pid, SIGKILL);
            break;
        }
        count = read(said, text + used, sizeof(text) - 100 - used);
        if (count <= 0)
            break;
        used += (size_t)count;
    }
    waitpid(pid, &status, 0);
    text[used] = '\0';
    if (status != 0)
        snprintf(text + used, 64, "ended with status 0x%x\n", (unsigned)status);
    return text;
}

static const char *run_host(const struct host *host, int step, struct codes *ret_codes)
{
    int said[2];
    const char *text;
    pid_t pid;

    assert_int_equal(pipe2(said, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        report_fd = fcntl(said[1], F_DUPFD_CLOEXEC, HOST_FDS - 1);
        close(said[0]);
        close(said[1]);
        be_host(host, step, ret_codes);
        _exit(0);
    }
    close(said[1]);
    text = wait_for_host(pid, said[0]);
    close(said[0]);
    return text;
}

/* ---- All of them ---- */

/* A refusal, in place of what a host with enough of everything gets. */
static bool is_refusal(int code)
{
    return code != PAM_SUCCESS && code != IGNORED;
}

static int count_wrong_codes(const struct host *host, int step, const struct codes *wanted,
                             const struct codes *codes)
{
    bool may_refuse = may_be_refused(host, step);
    int wrong = 0;

    for (int mode = 0; mode < MODES; mode++)
        for (int login = 0; login < LOGINS; login++)
            for (int entry = 0; entry < ENTRIES; entry++) {
                int code = codes->of[mode][login][entry];
                int right = wanted->of[mode][login][entry];

                if (code == right || (may_refuse && (is_refusal(code) || code == IGNORED)))
                    continue;
                print_error("host '%s' step %d mode %d login %d entry %d: %d instead of %d\n",
                            host->name, step, mode, login, entry, code, right);
                wrong++;
            }
    return wrong;
}

static struct codes *share_codes(void)
{
    struct codes *codes = mmap(NULL, sizeof(*codes), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(codes != MAP_FAILED);
    return codes;
}

/* The first host is the measure of the others. */
static void run_hosts(struct codes *ret_wanted)
{
    struct codes *codes = share_codes();
    int wrong = 0;

    for (size_t i = 0; i < HOSTS; i++)
        for (int step = 0; step < hosts[i].steps; step++) {
            const char *text;

            if (SANITIZED && hosts[i].unsanitized)
                continue;
            memset(codes, 0xff, sizeof(*codes));
            text = run_host(&hosts[i], step, codes);
            if (text[0]) {
                print_error("host '%s' step %d: %s", hosts[i].name, step, text);
                wrong++;
            }
            if (i == 0)
                *ret_wanted = *codes;
            wrong += count_wrong_codes(&hosts[i], step, ret_wanted, codes);
        }
    munmap(codes, sizeof(*codes));
    assert_int_equal(wrong, 0);
}

static void test_hosts_of_a_service_that_answers(void **state)
{
    pid_t service = fake_start(FAKE_ANSWERS);
    struct codes wanted;

    run_hosts(&wanted);
    fake_stop(service);
    for (int mode = 0; mode < MODES; mode++) {
        assert_int_equal(wanted.of[mode][0][0], modes[mode].right);
        assert_int_equal(wanted.of[mode][1][0], modes[mode].wrong);
    }
}

/* It closes the socket in the middle of the call. */
static void test_hosts_of_a_service_that_hangs_up(void **state)
{
    pid_t service = fake_start(FAKE_HANGS_UP);
    struct codes wanted;

    run_hosts(&wanted);
    fake_stop(service);
    for (int mode = 0; mode < MODES; mode++)
        assert_int_not_equal(wanted.of[mode][0][0], PAM_SUCCESS);
}

static void test_hosts_without_a_service(void **state)
{
    struct codes wanted;

    run_hosts(&wanted);
    for (int mode = 0; mode < MODES; mode++)
        assert_int_not_equal(wanted.of[mode][0][0], PAM_SUCCESS);
}

/* ---- Threads, fork, unloading ---- */

/* All modes over and over; NULL when every code was that of one login alone. */
static void *log_in_often(void *data)
{
    static const char *const passwords[] = { FAKE_PASSWORD, "wrong" };

    for (int i = 0; i < 30; i++) {
        int mode = i % MODES, wrong = i / MODES % 2;
        char stack[16];

        snprintf(stack, sizeof(stack), "mode%d", mode);
        if (stage_authenticate(stack, "alice", passwords[wrong]) !=
            (wrong ? modes[mode].wrong : modes[mode].right))
            return data;
    }
    return NULL;
}

static void test_threads(void **state)
{
    pid_t service = fake_start(FAKE_ANSWERS);
    pthread_attr_t small;
    pthread_t threads[8];
    const char *difference = NULL;
    size_t detail;
    void *wrong;

    pthread_attr_init(&small);
    /* As in programs that have many; a sanitizer needs more for itself. */
    pthread_attr_setstacksize(&small, SANITIZED ? 1 << 20 : 64 << 10);
    host_state_read(&states[0]);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], &small, log_in_often, threads), 0);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    /* A thread that was joined may still be seen in /proc. */
    for (int i = 0; i < 60000; i++) {
        host_state_read(&states[1]);
        difference = host_state_difference(&states[0], &states[1], &detail);
        if (!difference)
            break;
        poll(NULL, 0, 1);
    }
    assert_null(difference);
    pthread_attr_destroy(&small);
    fake_stop(service);
}

static int exit_status_of(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The stages from `first` on, as they went in a single process. */
static int run_stages(pam_handle_t *pamh, int first, int end, const int *wanted)
{
    for (int entry = first; entry < end; entry++)
        if (entries[entry](pamh, 0) != wanted[entry])
            return entry + 1;
    return 0;
}

/* Authenticates in one process and goes on in the other, as sshd and su do. What capture keeps in
 * between is lost where authenticate was in the child, and then nothing is stored. */
static void test_fork_between_stages(void **state)
{
    pid_t service = fake_start(FAKE_ANSWERS);

    for (int mode = 0; mode < MODES; mode++)
        for (int child_first = 0; child_first < 2; child_first++) {
            pam_handle_t *pamh;
            int wanted[ENTRIES];
            char stack[16];
            pid_t pid;

            snprintf(stack, sizeof(stack), "mode%d", mode);
            pamh = stage_start(stack, "alice", "typed");
            for (int entry = 0; entry < ENTRIES; entry++)
                wanted[entry] = entries[entry](pamh, 0);
            pam_end(pamh, PAM_SUCCESS);
            (void)stage_stored();
            pamh = stage_start(stack, "alice", "typed");
            if (!child_first)
                assert_int_equal(run_stages(pamh, 0, 1, wanted), 0);
            pid = fork();
            if (pid == 0)
                _exit(run_stages(pamh, child_first ? 0 : 1, child_first ? 1 : 2, wanted));
            assert_int_equal(exit_status_of(pid), 0);
            if (strstr(modes[mode].arguments, "capture"))
                assert_int_equal(stage_stored()[0] == '\0', child_first);
            if (child_first)
                (void)entries[1](pamh, 0);
            assert_string_equal(stage_stored(), "");
            pam_end(pamh, PAM_SUCCESS);
        }
    fake_stop(service);
}

/* Loads the module anew each time, by libpam and by itself; memory grows at most while it gets
 * warm. */
static void test_unloading(void **state)
{
    pid_t service = fake_start(FAKE_ANSWERS);
    size_t before = 0;

    for (int i = 0; i < 120; i++) {
        void *module = dlopen(MODULE, RTLD_NOW | RTLD_LOCAL);

        assert_non_null(module);
        assert_int_equal(dlclose(module), 0);
        assert_null(log_in_often(&before));
        if (i == 20) {
            host_state_read(&states[0]);
            before = mallinfo2().uordblks;
        }
    }
    host_state_read(&states[1]);
    assert_null(host_state_difference(&states[0], &states[1], &(size_t){ 0 }));
    assert_in_range(mallinfo2().uordblks, 0, before + (16 << 10));
    /* -z nodelete: libdbus leaks at each unloading. */
    assert_non_null(dlopen(MODULE, RTLD_NOW | RTLD_NOLOAD));
    fake_stop(service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First, while this process has not been a host itself: what stays changed shows once. */
        cmocka_unit_test(test_hosts_of_a_service_that_answers),
        cmocka_unit_test(test_hosts_of_a_service_that_hangs_up),
        cmocka_unit_test(test_hosts_without_a_service),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_fork_between_stages),
        cmocka_unit_test(test_unloading),
    };

    stage_open();
    write_stacks();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

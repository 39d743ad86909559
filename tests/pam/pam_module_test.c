/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The built module under the real libpam: what it decides, and what it leaves alone. */
#include "tests/pam/fake_service.h"
#include "tests/pam/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* Longer than a machine may stand still. */
#define VERIFY "mode=verify application=erp timeout=20000"
#define AUTHTOK "mode=authtok application=erp timeout=20000"
#define CAPTURE "mode=capture application=former timeout=20000"
#define ENV "mode=env application=erp timeout=20000"
#define EXTERNAL "mode=authtok application=crew user=external timeout=20000"

static pid_t service;

static int start_service(void **state)
{
    service = fake_start(FAKE_ANSWERS);
    (void)stage_log();
    unlink(WITNESS_FILE);
    return 0;
}

static int stop_service(void **state)
{
    fake_stop(service);
    return 0;
}

/* ---- verify ---- */

static void test_verify(void **state)
{
    stage_reveal("t", 0, VERIFY " field=password");
    assert_int_equal(stage_authenticate("t", "alice", FAKE_PASSWORD), PAM_SUCCESS);
    assert_int_equal(stage_authenticate("t", "alice", "wrong"), PAM_AUTH_ERR);
    assert_int_equal(stage_authenticate("t", "alice", FAKE_PASSWORD " "), PAM_AUTH_ERR);
    assert_int_equal(stage_authenticate("t", "stranger", FAKE_PASSWORD), PAM_USER_UNKNOWN);
    assert_string_equal(stage_log(), "");
}

/* Each time a new connection: descriptors sent too early on it were lost one time in ten. */
static void test_verify_is_reliable(void **state)
{
    stage_reveal("t", 0, VERIFY " field=password");
    for (int i = 0; i < 300; i++)
        assert_int_equal(stage_authenticate("t", "alice", FAKE_PASSWORD), PAM_SUCCESS);
}

static void test_verify_without_field(void **state)
{
    stage_reveal("t", 0, VERIFY);
    assert_int_equal(stage_authenticate("t", "alice", FAKE_PASSWORD), PAM_SUCCESS);
    assert_int_equal(stage_authenticate("t", "alice", "wrong"), PAM_AUTH_ERR);
}

static void test_verify_uses_the_password_asked_for_before(void **state)
{
    stage_reveal("t", 1, VERIFY);
    assert_int_equal(stage_authenticate("t", "alice", FAKE_PASSWORD), PAM_SUCCESS);
}

/* Even where the mapping holds an empty value. */
static void test_verify_refuses_an_empty_password(void **state)
{
    stage_reveal("t", 0, VERIFY);
    assert_int_equal(stage_authenticate("t", "empty", ""), PAM_AUTH_ERR);
    assert_int_equal(stage_authenticate("t", "alice", ""), PAM_AUTH_ERR);
}

static void test_verify_without_an_answer_to_the_prompt(void **state)
{
    stage_reveal("t", 0, VERIFY);
    assert_int_not_equal(stage_authenticate("t", "alice", NULL), PAM_SUCCESS);
}

/* A value longer than the password typed, and one with NUL bytes, never match a prefix. */
static void test_verify_compares_all_of_it(void **state)
{
    stage_reveal("t", 0, VERIFY);
    assert_int_equal(stage_authenticate("t", "nul", "half"), PAM_AUTH_ERR);
    assert_int_equal(stage_authenticate("t", "long", "xxxxxxxx"), PAM_AUTH_ERR);
}

static char name_255[256];
static char name_256[257];
static char name_huge[1 << 20];

static const struct name_case {
    const char *name;
    int code;
} name_cases[] = {
    { "\xff\xfe", PAM_USER_UNKNOWN },
    { "al\xc3", PAM_USER_UNKNOWN },
    { "\xed\xa0\x80", PAM_USER_UNKNOWN }, /* a surrogate */
    { "a\nb", PAM_USER_UNKNOWN },
    { "a\x7f", PAM_USER_UNKNOWN },
    { "a\xc2\x85", PAM_USER_UNKNOWN }, /* a C1 control character */
    { "a\x1b[31m", PAM_USER_UNKNOWN },
    { name_256, PAM_USER_UNKNOWN },
    { name_huge, PAM_USER_UNKNOWN },
    { name_255, PAM_USER_UNKNOWN }, /* a name, but nobody's */
    { "../../etc", PAM_USER_UNKNOWN },
    { "\xc3\xa4lice", PAM_USER_UNKNOWN },
};

static int run_after_authenticate(const char *service_name, const char *user,
                                  int (*operation)(pam_handle_t *, int))
{
    pam_handle_t *pamh = stage_start(service_name, user, "x");
    int code;

    (void)pam_authenticate(pamh, 0);
    code = operation(pamh, 0);
    pam_end(pamh, code);
    return code;
}

static void test_raw_login_names(void **state)
{
    memset(name_255, 'n', sizeof(name_255) - 1);
    memset(name_256, 'n', sizeof(name_256) - 1);
    memset(name_huge, 'n', sizeof(name_huge) - 1);
    stage_reveal("v", 0, VERIFY " debug");
    stage_reveal("a", 1, AUTHTOK " debug");
    stage_reveal_all("c", CAPTURE " debug");
    stage_reveal_all("e", ENV " debug");
    for (size_t i = 0; i < sizeof(name_cases) / sizeof(name_cases[0]); i++) {
        assert_int_equal(stage_authenticate("v", name_cases[i].name, "x"), name_cases[i].code);
        assert_int_equal(stage_authenticate("a", name_cases[i].name, "x"), name_cases[i].code);
        assert_int_equal(run_after_authenticate("c", name_cases[i].name, pam_acct_mgmt), IGNORED);
        assert_int_equal(run_after_authenticate("e", name_cases[i].name, pam_open_session),
                         name_cases[i].code);
    }
    for (const char *byte = stage_log(); *byte; byte++)
        assert_true((*byte >= ' ' && *byte <= '~') || *byte == '\n');
    /* libpam asks for a name that is empty; the answer is NULL here. */
    assert_int_not_equal(stage_authenticate("v", "", "x"), PAM_SUCCESS);
}

/* ---- authtok ---- */

static char text[65536];

static void test_authtok_hands_the_value_over(void **state)
{
    stage_reveal("t", 1, AUTHTOK " field=password");
    assert_int_equal(stage_authenticate("t", "alice", "typed"), IGNORED);
    assert_int_equal(stage_authtok(text, sizeof(text)), strlen(FAKE_PASSWORD));
    assert_string_equal(text, FAKE_PASSWORD);
    assert_string_equal(stage_log(), "");
}

static void test_authtok_without_field(void **state)
{
    stage_reveal("t", 1, AUTHTOK);
    assert_int_equal(stage_authenticate("t", "alice", "typed"), IGNORED);
    stage_authtok(text, sizeof(text));
    assert_string_equal(text, FAKE_PASSWORD);
}

static void test_authtok_takes_long_values(void **state)
{
    stage_reveal("t", 1, AUTHTOK);
    assert_int_equal(stage_authenticate("t", "long", "typed"), IGNORED);
    assert_int_equal(stage_authtok(text, sizeof(text)), FAKE_LONG_BYTES);
}

/* Nobody asked the user: nothing is handed out, and nothing is asked for. */
static void test_authtok_needs_a_password(void **state)
{
    stage_reveal("t", 0, AUTHTOK);
    assert_int_equal(stage_authenticate("t", "alice", NULL), IGNORED);
    assert_int_equal(stage_authtok(text, sizeof(text)), -1);
}

static void test_authtok_without_password(void **state)
{
    stage_reveal("t", 0, AUTHTOK " without_password");
    assert_int_equal(stage_authenticate("t", "alice", NULL), IGNORED);
    stage_authtok(text, sizeof(text));
    assert_string_equal(text, FAKE_PASSWORD);
}

static void test_authtok_refuses_a_nul_byte(void **state)
{
    stage_reveal("t", 1, AUTHTOK);
    assert_int_equal(stage_authenticate("t", "nul", "typed"), PAM_AUTHTOK_RECOVERY_ERR);
    assert_non_null(strstr(stage_log(), "holds a NUL byte"));
}

/* Alone in a stack, or as "sufficient", it lets nobody in. */
static void test_authtok_never_authenticates(void **state)
{
    static const char *const controls[] = { "required", "sufficient", "requisite", "optional" };

    for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
        stage_service("t", "auth %s " MODULE " " AUTHTOK " without_password\n", controls[i]);
        assert_int_equal(stage_authenticate("t", "alice", FAKE_PASSWORD), PAM_PERM_DENIED);
        stage_service("t", "auth %s " MODULE " " VERIFY " unavailable=ignore timeout=1\n",
                      controls[i]);
        fake_stop(service);
        assert_int_equal(stage_authenticate("t", "alice", FAKE_PASSWORD), PAM_PERM_DENIED);
        service = fake_start(FAKE_ANSWERS);
    }
}

/* ---- Other entry points ---- */

static int run_others(const char *service_name, int (*operation)(pam_handle_t *, int), int flags)
{
    struct pam_conv conversation = { stage_converse, NULL };
    pam_handle_t *pamh = NULL;
    int code;

    assert_int_equal(pam_start(service_name, "alice", &conversation, &pamh), PAM_SUCCESS);
    code = operation(pamh, flags);
    pam_end(pamh, code);
    return code;
}

/* The service hangs here, and would be noticed. */
static void test_nothing_to_do_makes_no_call(void **state)
{
    static const char *const modes[] = { VERIFY, AUTHTOK, CAPTURE };
    int64_t start = stage_now();

    fake_pause(service);
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        stage_service("t",
                      "auth required " MODULE " %s timeout=60000\n"
                      "account [ignore=1 default=die] " MODULE " %s timeout=60000\n"
                      "account requisite pam_deny.so\n"
                      "account required " WITNESS " return=%d\n"
                      "session [ignore=1 default=die] " MODULE " %s timeout=60000\n"
                      "session requisite pam_deny.so\n"
                      "session required " WITNESS " return=%d\n"
                      "password [ignore=1 default=die] " MODULE " %s timeout=60000\n"
                      "password requisite pam_deny.so\n"
                      "password required " WITNESS " return=%d\n",
                      modes[i], modes[i], IGNORED, modes[i], IGNORED, modes[i], IGNORED);
        assert_int_equal(run_others("t", pam_setcred, PAM_ESTABLISH_CRED),
                         i == 0 ? PAM_SUCCESS : PAM_PERM_DENIED);
        assert_int_equal(run_others("t", pam_acct_mgmt, 0), IGNORED);
        assert_int_equal(run_others("t", pam_open_session, 0), IGNORED);
        assert_int_equal(run_others("t", pam_close_session, 0), IGNORED);
        assert_int_equal(run_others("t", pam_chauthtok, 0), IGNORED);
    }
    /* A session is what env has to do. */
    stage_reveal_all("t", ENV " timeout=60000");
    assert_int_equal(run_others("t", pam_acct_mgmt, 0), IGNORED);
    assert_int_equal(run_others("t", pam_close_session, 0), IGNORED);
    assert_int_equal(stage_authenticate("t", "alice", "typed"), IGNORED);
    assert_true(stage_now() - start < 60000);
}

/* verify alone in the stack of a program that calls everything. */
static void test_setcred_after_verify(void **state)
{
    union {
        const char *constant;
        void *data;
    } answer = { .constant = FAKE_PASSWORD };
    struct pam_conv conversation = { stage_converse, answer.data };
    pam_handle_t *pamh = NULL;

    stage_service("t", "auth required " MODULE " " VERIFY "\naccount required pam_permit.so\n");
    assert_int_equal(pam_start("t", "alice", &conversation, &pamh), PAM_SUCCESS);
    assert_int_equal(pam_authenticate(pamh, 0), PAM_SUCCESS);
    assert_int_equal(pam_acct_mgmt(pamh, 0), PAM_SUCCESS);
    assert_int_equal(pam_setcred(pamh, PAM_ESTABLISH_CRED), PAM_SUCCESS);
    pam_end(pamh, PAM_SUCCESS);
}

/* All that a program does, whatever the answers are. */
static void run_everything(const char *service_name, const char *user, const char *password)
{
    pam_handle_t *pamh = stage_start(service_name, user, password);

    (void)pam_authenticate(pamh, 0);
    (void)pam_acct_mgmt(pamh, 0);
    (void)pam_setcred(pamh, PAM_ESTABLISH_CRED);
    (void)pam_open_session(pamh, 0);
    (void)pam_close_session(pamh, 0);
    (void)pam_chauthtok(pamh, 0);
    pam_end(pamh, PAM_SUCCESS);
}

/* ---- Options ---- */

static void test_a_bad_line_refuses_everywhere(void **state)
{
    static const char *const lines[] = { "", "mode=verify", "application=erp", VERIFY " nullok",
                                         VERIFY " timeout=0", AUTHTOK " unavailable=maybe",
                                         VERIFY " config=/nonexistent" };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        stage_service("t",
                      "auth required " MODULE " %s\naccount required " MODULE " %s\n"
                      "session required " MODULE " %s\npassword required " MODULE " %s\n",
                      lines[i], lines[i], lines[i], lines[i]);
        assert_int_equal(stage_authenticate("t", "alice", FAKE_PASSWORD), PAM_SERVICE_ERR);
        assert_non_null(strstr(stage_log(), "cannot read options"));
        assert_int_equal(run_others("t", pam_setcred, PAM_ESTABLISH_CRED), PAM_SERVICE_ERR);
        assert_int_equal(run_others("t", pam_acct_mgmt, 0), PAM_SERVICE_ERR);
        assert_int_equal(run_others("t", pam_open_session, 0), PAM_SERVICE_ERR);
        assert_int_equal(run_others("t", pam_close_session, 0), PAM_SERVICE_ERR);
        assert_int_equal(run_others("t", pam_chauthtok, 0), PAM_SERVICE_ERR);
    }
}

static void test_options_from_a_file(void **state)
{
    if (!stage_is_root()) /* the folders above the file must be root's */
        skip();
    stage_service("options", "# for this host\nmode = verify\napplication = nobody's\n");
    stage_reveal("t", 0, "config=/etc/pam.d/options application=erp");
    assert_int_equal(stage_authenticate("t", "alice", FAKE_PASSWORD), PAM_SUCCESS);
    stage_reveal("t", 0, "config=/etc/pam.d/options");
    assert_int_equal(stage_authenticate("t", "alice", FAKE_PASSWORD), PAM_SERVICE_ERR);
    /* A file that others can change decides nothing. */
    assert_int_equal(chmod("/etc/pam.d/options", 0646), 0);
    stage_reveal("t", 0, "config=/etc/pam.d/options application=erp");
    assert_int_equal(stage_authenticate("t", "alice", FAKE_PASSWORD), PAM_SERVICE_ERR);
    assert_non_null(strstr(stage_log(), "cannot read options: 'config'"));
}

static void test_debug_never_logs_a_value(void **state)
{
    const char *log;

    stage_reveal("v", 0, VERIFY " debug");
    stage_reveal("a", 1, AUTHTOK " debug");
    assert_int_equal(stage_authenticate("v", "alice", FAKE_PASSWORD), PAM_SUCCESS);
    assert_int_equal(stage_authenticate("v", "alice", "typed-canary"), PAM_AUTH_ERR);
    assert_int_equal(stage_authenticate("a", "alice", "typed-canary"), IGNORED);
    stage_reveal_all("c", CAPTURE " debug");
    run_everything("c", "alice", "typed-canary");
    log = stage_log();
    /* LOG_AUTHPRIV | LOG_DEBUG */
    assert_int_equal(strncmp(log, "<87>", 4), 0);
    assert_non_null(strstr(log, "pam_mastersecret(v:authenticate): 'alice': the password matches"));
    assert_non_null(strstr(log, "pam_mastersecret(a:authenticate)"));
    assert_non_null(strstr(log, "pam_mastersecret(c:acct_mgmt): 'alice': the password is stored"));
    assert_null(strstr(log, FAKE_PASSWORD));
    assert_null(strstr(log, "canary"));
}

/* ---- The host process (see pam_host_test.c) ---- */

static int exit_status_of(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* As sshd does: start in the parent, authenticate in children, then in the parent again. */
static void test_fork(void **state)
{
    stage_reveal("v", 0, VERIFY);
    assert_int_equal(stage_authenticate("v", "alice", FAKE_PASSWORD), PAM_SUCCESS);
    for (int i = 0; i < 4; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(stage_authenticate("v", "alice", i % 2 ? FAKE_PASSWORD : "wrong"));
        assert_int_equal(exit_status_of(pid), i % 2 ? PAM_SUCCESS : PAM_AUTH_ERR);
    }
    assert_int_equal(stage_authenticate("v", "alice", FAKE_PASSWORD), PAM_SUCCESS);
}

static void test_unprivileged(void **state)
{
    pid_t pid;

    if (!stage_is_root())
        skip();
    stage_reveal("v", 0, VERIFY);
    pid = fork();
    if (pid == 0) {
        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(100);
        _exit(stage_authenticate("v", "alice", FAKE_PASSWORD));
    }
    assert_int_equal(exit_status_of(pid), PAM_SUCCESS);
}

/* An interval timer, as in a host that polls: no call may be cut short, or go on for ever. */
static void ignore_alarm(int number)
{
}

static void test_signals_during_the_call(void **state)
{
    const struct sigaction action = { .sa_handler = ignore_alarm };
    struct sigaction saved;
    timer_t timer;
    struct itimerspec every = { { 0, 1000000 }, { 0, 1000000 } };
    int64_t start;

    stage_reveal("v", 0, VERIFY);
    sigaction(SIGALRM, &action, &saved);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
    assert_int_equal(timer_settime(timer, 0, &every, NULL), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(stage_authenticate("v", "alice", FAKE_PASSWORD), PAM_SUCCESS);
    fake_pause(service);
    stage_reveal("v", 0, VERIFY " timeout=500");
    start = stage_now();
    assert_int_equal(stage_authenticate("v", "alice", FAKE_PASSWORD), PAM_AUTHINFO_UNAVAIL);
    assert_in_range(stage_now() - start, 499, 20000);
    timer_delete(timer);
    sigaction(SIGALRM, &saved, NULL);
}

/* ---- What the object shows ---- */

static void count_exports(const ElfW(Sym) *symbols, size_t count, const char *names,
                          size_t *ret_entries, size_t *ret_others)
{
    *ret_entries = *ret_others = 0;
    for (size_t i = 1; i < count; i++) {
        unsigned binding = ELF64_ST_BIND(symbols[i].st_info);

        if (symbols[i].st_shndx == SHN_UNDEF || symbols[i].st_shndx == SHN_ABS ||
            (binding != STB_GLOBAL && binding != STB_WEAK))
            continue;
        if (strncmp(names + symbols[i].st_name, "pam_sm_", 7) == 0)
            ++*ret_entries;
        else
            ++*ret_others;
    }
}

static void *read_object(const char *path)
{
    struct stat status;
    void *bytes;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    bytes = malloc((size_t)status.st_size);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, (size_t)status.st_size), status.st_size);
    close(fd);
    return bytes;
}

static void test_exports_only_the_six(void **state)
{
    char *object = read_object(MODULE);
    const ElfW(Ehdr) *header = (const void *)object;
    const ElfW(Shdr) *sections = (const void *)(object + header->e_shoff);
    size_t entries = 0, others = 0;

    for (unsigned i = 0; i < header->e_shnum; i++)
        if (sections[i].sh_type == SHT_DYNSYM)
            count_exports((const void *)(object + sections[i].sh_offset),
                          sections[i].sh_size / sizeof(ElfW(Sym)),
                          object + sections[sections[i].sh_link].sh_offset, &entries, &others);
    free(object);
    assert_int_equal(entries, 6);
    assert_int_equal(others, 0);
}

static void test_dlsym(void **state)
{
    static const char *const there[] = { "pam_sm_authenticate",  "pam_sm_setcred",
                                         "pam_sm_acct_mgmt",     "pam_sm_open_session",
                                         "pam_sm_close_session", "pam_sm_chauthtok" };
    static const char *const hidden[] = { "options_load", "status_of_error", "call_log",
                                          "name_is_valid", "secret_free", "verify_authenticate" };
    void *module = dlopen(MODULE, RTLD_NOW | RTLD_LOCAL);

    assert_non_null(module);
    for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++)
        assert_non_null(dlsym(module, there[i]));
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        assert_null(dlsym(module, hidden[i]));
    dlclose(module);
    /* -z nodelete: libdbus leaks at each unloading. */
    module = dlopen(MODULE, RTLD_NOW | RTLD_NOLOAD);
    assert_non_null(module);
    dlclose(module);
}

/* ---- pamtester, a program that is not ours ---- */

static int pamtester(const char *service_name, const char *user, const char *password)
{
    char command[512];
    int status;

    snprintf(command, sizeof(command),
             "printf '%%s\\n' '%s' | pamtester %s %s authenticate setcred acct_mgmt >/dev/null 2>&1",
             password, service_name, user);
    status = system(command); /* NOLINT(cert-env33-c): constant names only */
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_pamtester(void **state)
{
    if (SANITIZED) /* its runtime must be the first library of the program */
        skip();
    stage_service("t", "auth required " MODULE " " VERIFY "\naccount required pam_permit.so\n");
    assert_int_equal(pamtester("t", "alice", FAKE_PASSWORD), 0);
    assert_int_equal(pamtester("t", "alice", "wrong"), 1);
    assert_int_equal(pamtester("t", "stranger", FAKE_PASSWORD), 1);
    fake_pause(service);
    stage_service("t", "auth required " MODULE " " VERIFY " timeout=500\n"
                       "account required pam_permit.so\n");
    assert_int_equal(pamtester("t", "alice", FAKE_PASSWORD), 1);
}

#define WITH_SERVICE(test) cmocka_unit_test_setup_teardown(test, start_service, stop_service)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVICE(test_verify),
        WITH_SERVICE(test_verify_is_reliable),
        WITH_SERVICE(test_verify_without_field),
        WITH_SERVICE(test_verify_uses_the_password_asked_for_before),
        WITH_SERVICE(test_verify_refuses_an_empty_password),
        WITH_SERVICE(test_verify_without_an_answer_to_the_prompt),
        WITH_SERVICE(test_verify_compares_all_of_it),
        WITH_SERVICE(test_raw_login_names),
        WITH_SERVICE(test_authtok_hands_the_value_over),
        WITH_SERVICE(test_authtok_without_field),
        WITH_SERVICE(test_authtok_takes_long_values),
        WITH_SERVICE(test_authtok_needs_a_password),
        WITH_SERVICE(test_authtok_without_password),
        WITH_SERVICE(test_authtok_refuses_a_nul_byte),
        WITH_SERVICE(test_authtok_never_authenticates),
        WITH_SERVICE(test_nothing_to_do_makes_no_call),
        WITH_SERVICE(test_setcred_after_verify),
        WITH_SERVICE(test_a_bad_line_refuses_everywhere),
        WITH_SERVICE(test_options_from_a_file),
        WITH_SERVICE(test_debug_never_logs_a_value),
        WITH_SERVICE(test_fork),
        WITH_SERVICE(test_unprivileged),
        WITH_SERVICE(test_signals_during_the_call),
        cmocka_unit_test(test_exports_only_the_six),
        cmocka_unit_test(test_dlsym),
        WITH_SERVICE(test_pamtester),
    };

    stage_open();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

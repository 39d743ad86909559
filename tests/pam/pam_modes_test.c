/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* capture, env and user=external under the real libpam: what gets where, and above all what does not.
 * In these stacks mode=verify with application "erp" is the module that knows the right password. */
#include "tests/pam/fake_service.h"
#include "tests/pam/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

#define JUDGE MODULE " mode=verify application=erp timeout=20000\n"
#define CAPTURE MODULE " mode=capture application=former timeout=20000\n"
#define PASSED "user:alice - password " FAKE_PASSWORD "\n"

static pid_t service;

static int start_service(void **state)
{
    service = fake_start(FAKE_ANSWERS);
    (void)stage_log();
    (void)stage_stored();
    unlink(WITNESS_FILE);
    return 0;
}

static int stop_service(void **state)
{
    fake_stop(service);
    return 0;
}

/* ---- The host's memory ---- */

#define TYPED "/run/test/typed"
#define MASK 0x5a

/* The password typed, masked, so that the test itself does not have it in memory. */
static const unsigned char typed[] = { 'C' ^ MASK, 'a' ^ MASK, 'n' ^ MASK, 'a' ^ MASK, 'r' ^ MASK,
                                       'y' ^ MASK, '-' ^ MASK, '0' ^ MASK, '8' ^ MASK, '1' ^ MASK,
                                       '5' ^ MASK };

/* In a process of its own, which takes its copy along. */
static void write_typed(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        FILE *file = fopen(TYPED, "w");

        for (size_t i = 0; file && i < sizeof(typed); i++)
            fputc(typed[i] ^ MASK, file);
        _exit(!file || fclose(file) != 0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int converse_from_file(int count, const struct pam_message **messages,
                              struct pam_response **ret_answers, void *data)
{
    struct pam_response *answers = calloc((size_t)count, sizeof(*answers));

    for (int i = 0; answers && i < count; i++) {
        int fd = open(TYPED, O_RDONLY | O_CLOEXEC);

        answers[i].resp = calloc(1, sizeof(typed) + 1);
        (void)!read(fd, answers[i].resp, sizeof(typed));
        close(fd);
    }
    *ret_answers = answers;
    return answers ? PAM_SUCCESS : PAM_BUF_ERR;
}

static bool is_typed(const unsigned char *bytes)
{
    for (size_t i = 0; i < sizeof(typed); i++)
        if ((bytes[i] ^ MASK) != typed[i])
            return false;
    return true;
}

/* How often the password is in what this process can write to. */
static unsigned count_in_memory(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned count = 0;
    char line[512];

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        uintptr_t begin, end;
        char access[8];

        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &begin, &end, access) != 3 ||
            strncmp(access, "rw", 2) != 0)
            continue;
        for (uintptr_t at = begin; at + sizeof(typed) <= end; at++)
            count += is_typed((const unsigned char *)at);
    }
    fclose(maps);
    return count;
}

/* A password that was verified, replaced, captured, or kept for nothing, is gone once the handle is. */
static void test_no_password_is_left_in_the_host(void **state)
{
    static const char *const modes[] = { "verify application=erp", "authtok application=erp",
                                         "capture application=former",
                                         "capture application=readonly" };
    struct pam_conv conversation = { converse_from_file, NULL };

    if (SANITIZED) /* memory without end */
        skip();
    write_typed();
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        for (int ends_early = 0; ends_early < 2; ends_early++) {
            pam_handle_t *pamh = NULL;

            stage_service("t", "auth required " WITNESS " ask return=0\n"
                               "auth optional " MODULE " timeout=20000 mode=%s\n"
                               "account required pam_permit.so\n"
                               "account optional " MODULE " timeout=20000 mode=%s\n",
                          modes[i], modes[i]);
            assert_int_equal(pam_start("t", "alice", &conversation, &pamh), PAM_SUCCESS);
            (void)pam_authenticate(pamh, 0);
            if (i >= 2)
                assert_true(count_in_memory() > 0); /* the search finds what is there */
            if (!ends_early)
                (void)pam_acct_mgmt(pamh, 0);
            pam_end(pamh, PAM_SUCCESS);
            assert_int_equal(count_in_memory(), 0);
        }
    unlink(FAKE_STORED);
}

/* ---- capture ---- */

/* What the next prompts are answered with; a NULL is no answer. */
struct script {
    const char *const *answers;
};

static int converse_by_script(int count, const struct pam_message **messages,
                              struct pam_response **ret_answers, void *data)
{
    struct script *script = data;
    union {
        const char *constant;
        void *data;
    } answer = { .constant = *script->answers++ };

    return stage_converse(count, messages, ret_answers, answer.data);
}

static pam_handle_t *start_script(const char *service_name, struct script *script)
{
    struct pam_conv conversation = { converse_by_script, script };
    pam_handle_t *pamh = NULL;

    assert_int_equal(pam_start(service_name, "alice", &conversation, &pamh), PAM_SUCCESS);
    return pamh;
}

/* As a program does: account only after authenticate. Returns the code of the last. */
static int log_in(const char *service_name, const char *user, const char *password)
{
    pam_handle_t *pamh = stage_start(service_name, user, password);
    int code = pam_authenticate(pamh, 0);

    if (code == PAM_SUCCESS)
        code = pam_acct_mgmt(pamh, 0);
    pam_end(pamh, code);
    return code;
}

/* `control` is that of the module that knows the right password. */
static void stage_capture(const char *name, const char *control)
{
    stage_service(name,
                  "auth %s " JUDGE "auth optional " CAPTURE
                  "account requisite pam_permit.so\naccount optional " CAPTURE, control);
}

static void test_an_accepted_password_is_stored(void **state)
{
    stage_capture("t", "requisite");
    assert_int_equal(log_in("t", "alice", FAKE_PASSWORD), PAM_SUCCESS);
    assert_string_equal(stage_stored(), PASSED);
    assert_string_equal(stage_log(), "");
    assert_int_equal(log_in("t", "alice", "wrong"), PAM_AUTH_ERR);
    assert_string_equal(stage_stored(), "");
}

/* A program that calls pam_acct_mgmt() in spite of the refusal; what that says. */
static int account_of_the_refused(const char *control)
{
    pam_handle_t *pamh;
    int r;

    stage_capture("t", control);
    pamh = stage_start("t", "alice", "wrong");
    assert_int_equal(pam_authenticate(pamh, 0), PAM_AUTH_ERR);
    r = pam_acct_mgmt(pamh, 0);
    pam_end(pamh, r);
    return r;
}

static void test_a_refused_password_is_not_stored(void **state)
{
    (void)account_of_the_refused("requisite");
    assert_string_equal(stage_stored(), "");
}

/* sddm#2011: the first, wrong password was kept. "required" lets it through to capture. */
static void test_sddm_2011_only_the_last_password_is_kept(void **state)
{
    static const char *const answers[] = { "wrong", "wrong again", FAKE_PASSWORD, NULL };
    struct script script = { answers };
    pam_handle_t *pamh;

    stage_capture("t", "required");
    pamh = start_script("t", &script);
    assert_int_equal(pam_authenticate(pamh, 0), PAM_AUTH_ERR);
    assert_int_equal(pam_authenticate(pamh, 0), PAM_AUTH_ERR);
    assert_int_equal(pam_authenticate(pamh, 0), PAM_SUCCESS);
    assert_int_equal(pam_acct_mgmt(pamh, 0), PAM_SUCCESS);
    pam_end(pamh, PAM_SUCCESS);
    assert_string_equal(stage_stored(), PASSED);
}

/* The same, when the attempt that is accepted needs no password. */
static void test_a_login_without_a_password_stores_none(void **state)
{
    static const char *const answers[] = { "wrong", NULL };
    struct script script = { answers };
    pam_handle_t *pamh;

    stage_capture("t", "required");
    stage_service("finger", "auth required pam_permit.so\nauth optional " CAPTURE
                            "account required pam_permit.so\naccount optional " CAPTURE);
    pamh = start_script("t", &script);
    assert_int_equal(pam_authenticate(pamh, 0), PAM_AUTH_ERR);
    assert_int_equal(pam_set_item(pamh, PAM_SERVICE, "finger"), PAM_SUCCESS);
    assert_int_equal(pam_authenticate(pamh, 0), PAM_SUCCESS);
    assert_int_equal(pam_acct_mgmt(pamh, 0), PAM_SUCCESS);
    pam_end(pamh, PAM_SUCCESS);
    assert_string_equal(stage_stored(), "");
}

/* A documented limit: behind a module that is only "required" a wrong password gets to capture, and a
 * login that calls no authenticate at all (by key) leaves it there. */
static void test_behind_required_a_wrong_password_may_be_stored(void **state)
{
    assert_int_equal(account_of_the_refused("required"), PAM_SUCCESS);
    assert_string_equal(stage_stored(), "user:alice - password wrong\n");
}

static void test_a_refused_account_stores_nothing(void **state)
{
    stage_service("t", "auth requisite " JUDGE "auth optional " CAPTURE
                       "account requisite pam_deny.so\naccount optional " CAPTURE);
    assert_int_not_equal(log_in("t", "alice", FAKE_PASSWORD), PAM_SUCCESS);
    assert_string_equal(stage_stored(), "");
}

/* Nobody gets the password of another one. */
static void test_another_user_in_the_end_stores_nothing(void **state)
{
    stage_service("t", "auth requisite " JUDGE "auth optional " CAPTURE
                       "auth optional " WITNESS " user=unset\n"
                       "account requisite pam_permit.so\naccount optional " CAPTURE);
    assert_int_equal(log_in("t", "alice", FAKE_PASSWORD), PAM_SUCCESS);
    assert_string_equal(stage_stored(), "");
}

static void test_it_is_stored_once(void **state)
{
    pam_handle_t *pamh;

    stage_capture("t", "requisite");
    pamh = stage_start("t", "alice", FAKE_PASSWORD);
    assert_int_equal(pam_authenticate(pamh, 0), PAM_SUCCESS);
    assert_int_equal(pam_acct_mgmt(pamh, 0), PAM_SUCCESS);
    assert_string_equal(stage_stored(), PASSED);
    assert_int_equal(pam_acct_mgmt(pamh, 0), PAM_SUCCESS);
    pam_end(pamh, PAM_SUCCESS);
    assert_string_equal(stage_stored(), "");
}

static void test_the_same_value_is_not_written(void **state)
{
    stage_service("t", "auth requisite " JUDGE
                       "auth optional " MODULE " timeout=20000 mode=capture application=erp\n"
                       "account requisite pam_permit.so\n"
                       "account optional " MODULE " timeout=20000 mode=capture application=erp\n");
    assert_int_equal(log_in("t", "alice", FAKE_PASSWORD), PAM_SUCCESS);
    assert_string_equal(stage_stored(), "");
}

/* Whatever somebody types: he has no mapping, or one that may not be used; it holds no value yet; he
 * types nothing; somebody else is asked than may store. */
static void test_whose_password_is_stored(void **state)
{
    static const struct {
        const char *application;
        const char *user;
        const char *password;
        const char *stored;
        const char *log;
    } cases[] = {
        { "former", "stranger", "typed", "", "" },
        { "error:MappingDisabled", "alice", "typed", "", "" },
        { "error:ApplicationDisabled", "alice", "typed", "", "" },
        { "error:NotApplicationUser", "alice", "typed", "", "" },
        { "former", "unset", "typed", "user:unset - password typed\n", "" },
        { "former", "alice", "", "", "" },
        { "readonly", "alice", "typed", "",
          "cannot store the password of 'alice' in application 'readonly': not allowed" },
        { "error:Sealed", "alice", "typed", "", "cannot store the password of 'alice'" },
        { "error:LimitsExceeded", "alice", "typed", "", "cannot store the password of 'alice'" },
        { "nobody's", "alice", "typed", "", "cannot store the password of 'alice'" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *log;

        stage_service("t", "auth required " WITNESS " ask return=0\n"
                           "auth optional " MODULE " timeout=20000 mode=capture application=%s unavailable=fail\n"
                           "account required pam_permit.so\n"
                           "account required " MODULE " timeout=20000 mode=capture application=%s "
                           "unavailable=fail\n", cases[i].application, cases[i].application);
        assert_int_equal(log_in("t", cases[i].user, cases[i].password), PAM_SUCCESS);
        assert_string_equal(stage_stored(), cases[i].stored);
        log = stage_log();
        assert_true(cases[i].log[0] ? strstr(log, cases[i].log) != NULL : !log[0]);
        assert_null(strstr(log, "typed"));
    }
}

/* Two applications in one stack; a field by its name. */
static void test_several_lines(void **state)
{
    stage_service("t", "auth requisite " JUDGE "auth optional " CAPTURE
                       "auth optional " MODULE " timeout=20000 mode=capture application=former field=pin\n"
                       "account required pam_permit.so\naccount optional " CAPTURE
                       "account optional " MODULE " timeout=20000 mode=capture application=former field=pin\n");
    assert_int_equal(log_in("t", "alice", FAKE_PASSWORD), PAM_SUCCESS);
    assert_string_equal(stage_stored(), PASSED "user:alice - pin " FAKE_PASSWORD "\n");
}

/* What is kept for one line is not another's, however their names are put together. */
static void test_lines_do_not_share(void **state)
{
    stage_service("t", "auth requisite " JUDGE
                       "auth optional " MODULE " timeout=20000 mode=capture application=former/x field=pin\n"
                       "account required pam_permit.so\n"
                       "account optional " MODULE " timeout=20000 mode=capture application=former field=x/pin\n");
    assert_int_equal(log_in("t", "alice", FAKE_PASSWORD), PAM_SUCCESS);
    assert_string_equal(stage_stored(), "");
    assert_string_equal(stage_log(), "");
}

/* capture asks for nothing, not even the user's name, and lets nobody in. */
static void test_capture_alone(void **state)
{
    stage_service("t", "auth sufficient " CAPTURE "account sufficient " CAPTURE);
    assert_int_equal(log_in("t", "alice", NULL), PAM_PERM_DENIED);
    assert_int_equal(log_in("t", NULL, NULL), PAM_PERM_DENIED);
    assert_string_equal(stage_stored(), "");
}

static int change(const char *user, const char *password)
{
    pam_handle_t *pamh = stage_start("t", user, password);
    int code = pam_chauthtok(pamh, 0);

    pam_end(pamh, code);
    return code;
}

static void test_a_changed_password_is_stored(void **state)
{
    stage_service("t", "password requisite " WITNESS " ask return=0\npassword optional " CAPTURE);
    assert_int_equal(change("alice", "the new one"), PAM_SUCCESS);
    assert_string_equal(stage_stored(), "user:alice - password the new one\n");
    assert_int_equal(change("stranger", "the new one"), PAM_SUCCESS);
    assert_string_equal(stage_stored(), "");
}

/* Refused as too short, say: at the change, and in the preliminary check. */
static void test_a_password_that_was_not_changed_is_not_stored(void **state)
{
    stage_service("t", "password requisite " WITNESS " ask return=%d preliminary=0\n"
                       "password optional " CAPTURE, PAM_AUTHTOK_ERR);
    assert_int_equal(change("alice", "short"), PAM_AUTHTOK_ERR);
    assert_string_equal(stage_stored(), "");
    stage_service("t", "password required " WITNESS " ask return=0 preliminary=%d\n"
                       "password optional " CAPTURE, PAM_TRY_AGAIN);
    assert_int_equal(change("alice", "short"), PAM_TRY_AGAIN);
    assert_string_equal(stage_stored(), "");
}

static int exit_status_of(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What is kept belongs to the process that asked: it goes along to a child, and does not come back
 * from one (sshd asks, and runs account, in a child). */
static void test_a_fork_between_the_functions(void **state)
{
    pam_handle_t *pamh;
    pid_t pid;

    stage_capture("t", "requisite");
    pamh = stage_start("t", "alice", FAKE_PASSWORD);
    pid = fork();
    if (pid == 0)
        _exit(pam_authenticate(pamh, 0));
    assert_int_equal(exit_status_of(pid), PAM_SUCCESS);
    assert_int_equal(pam_acct_mgmt(pamh, 0), PAM_SUCCESS);
    assert_string_equal(stage_stored(), "");
    assert_int_equal(pam_authenticate(pamh, 0), PAM_SUCCESS);
    pid = fork();
    if (pid == 0)
        _exit(pam_acct_mgmt(pamh, 0));
    assert_int_equal(exit_status_of(pid), PAM_SUCCESS);
    assert_string_equal(stage_stored(), PASSED);
    pam_end(pamh, PAM_SUCCESS);
}

/* All requests of one function together have its time, not each of them. */
static void test_requests_share_the_deadline(void **state)
{
    int64_t start;

    fake_stop(service);
    service = fake_start(FAKE_SLOW);
    stage_service("t", "auth required " WITNESS " ask return=0\n"
                       "auth optional " MODULE " mode=capture application=former field=password\n"
                       "account required pam_permit.so\n"
                       "account required " MODULE " mode=capture application=former timeout=%d "
                       "unavailable=fail field=password\n", FAKE_SLOW_MS + 300);
    start = stage_now();
    assert_int_equal(log_in("t", "alice", "typed"), PAM_PERM_DENIED);
    assert_true(stage_now() - start >= FAKE_SLOW_MS);
}

/* ---- env ---- */

static char *all_variables(pam_handle_t *pamh)
{
    char **list = pam_getenvlist(pamh);
    static char text[65536];
    size_t used = 0;

    assert_non_null(list);
    text[0] = '\0';
    for (char **entry = list; *entry; entry++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s\n", *entry);
        free(*entry);
    }
    free(list);
    return text;
}

/* No authenticate, as in a login by public key. The expected text is all there is. */
static void test_env(void **state)
{
    pam_handle_t *pamh;
    char *text;

    stage_service("t", "session required pam_permit.so\n"
                       "session required " MODULE " timeout=20000 mode=env application=erp\n");
    pamh = stage_start("t", "alice", NULL);
    assert_int_equal(pam_open_session(pamh, 0), PAM_SUCCESS);
    text = all_variables(pamh);
    assert_non_null(strstr(text, "MASTERSECRET_USER=EXTERNAL01\n"));
    assert_non_null(strstr(text, "MASTERSECRET_CLIENT=100\n"));
    assert_non_null(strstr(text, "MASTERSECRET_COST_CENTRE=first\n"));
    assert_non_null(strstr(text, "MASTERSECRET_NONE=\n"));
    assert_non_null(strstr(text, "MASTERSECRET_GR____E=two\nlines\n"));
    assert_non_null(strstr(text, "MASTERSECRET_LD_PRELOAD=/x\n"));
    assert_null(pam_getenv(pamh, "LD_PRELOAD"));
    assert_null(pam_getenv(pamh, "MASTERSECRET_LARGE"));
    assert_null(pam_getenv(pamh, "MASTERSECRET_PASSWORD"));
    assert_null(strstr(text, FAKE_PASSWORD));
    assert_null(strstr(text, "second"));
    assert_null(strstr(text, "not him"));
    assert_null(getenv("MASTERSECRET_USER"));
    assert_int_equal(pam_close_session(pamh, 0), PAM_SUCCESS);
    pam_end(pamh, PAM_SUCCESS);
    assert_non_null(strstr(stage_log(), "field 'large' of 'alice' is left out"));
}

/* Not even when the PAM line names it; nor is it asked for, so that one without a value is none that
 * is missing. */
static void test_env_never_has_a_masked_field(void **state)
{
    static const char *const users[] = { "alice", "unset" };

    stage_service("t", "session required pam_permit.so\n"
                       "session required " MODULE " timeout=20000 mode=env application=erp field=password\n");
    for (size_t i = 0; i < 2; i++) {
        pam_handle_t *pamh = stage_start("t", users[i], NULL);

        assert_int_equal(pam_open_session(pamh, 0), PAM_SUCCESS);
        assert_null(strstr(all_variables(pamh), FAKE_PASSWORD));
        assert_null(pam_getenv(pamh, "MASTERSECRET_PASSWORD"));
        assert_non_null(pam_getenv(pamh, "MASTERSECRET_CLIENT"));
        pam_end(pamh, PAM_SUCCESS);
    }
}

static void test_env_of_whoever_has_no_mapping(void **state)
{
    pam_handle_t *pamh;

    stage_reveal_all("t", "mode=env application=erp");
    pamh = stage_start("t", "stranger", NULL);
    assert_int_equal(pam_open_session(pamh, 0), PAM_USER_UNKNOWN);
    assert_string_equal(all_variables(pamh), "");
    pam_end(pamh, PAM_SUCCESS);
    assert_string_equal(stage_log(), "");
}

/* A module that limits the session is never skipped by a "sufficient" in front of env. */
static void test_env_skips_nothing(void **state)
{
    pam_handle_t *pamh;

    stage_service("t", "session sufficient " MODULE " timeout=20000 mode=env application=erp\n"
                       "session required pam_deny.so\n");
    pamh = stage_start("t", "alice", NULL);
    assert_int_not_equal(pam_open_session(pamh, 0), PAM_SUCCESS);
    pam_end(pamh, PAM_SUCCESS);
}

/* ---- user=external ---- */

static const char *user_of(pam_handle_t *pamh)
{
    const void *user = NULL;

    assert_int_equal(pam_get_item(pamh, PAM_USER, &user), PAM_SUCCESS);
    return user;
}

/* What the module with these arguments returned, and who PAM_USER was then. */
static void check_user(const char *arguments, const char *user, const char *password,
                       int expected_code, const char *expected_user)
{
    pam_handle_t *pamh;
    int code;

    stage_reveal("t", 1, arguments);
    pamh = stage_start("t", user, password);
    code = pam_authenticate(pamh, 0);
    if (code != expected_code || strcmp(user_of(pamh), expected_user) != 0)
        print_error("%s, %s: %d, %s\n", arguments, user, code, user_of(pamh));
    assert_int_equal(code, expected_code);
    assert_string_equal(user_of(pamh), expected_user);
    pam_end(pamh, code);
}

#define EXTERNAL " timeout=20000 user=external"

static void test_external_user(void **state)
{
    char text[64];

    check_user("mode=verify application=crew" EXTERNAL, "alice", FAKE_PASSWORD, PAM_SUCCESS,
               "EXTERNAL01");
    check_user("mode=verify application=crew" EXTERNAL, "alice", "wrong", PAM_AUTH_ERR, "alice");
    check_user("mode=verify application=crew timeout=20000 user=local", "alice", FAKE_PASSWORD, PAM_SUCCESS,
               "alice");
    check_user("mode=authtok application=crew" EXTERNAL, "alice", "typed", IGNORED, "EXTERNAL01");
    stage_authtok(text, sizeof(text));
    assert_string_equal(text, FAKE_PASSWORD);
    assert_string_equal(stage_log(), "");
}

/* A user who sets his own mapping could become anybody. */
static void test_external_user_of_an_individual_application(void **state)
{
    check_user("mode=verify application=erp" EXTERNAL, "alice", FAKE_PASSWORD, PAM_PERM_DENIED,
               "alice");
    assert_non_null(strstr(stage_log(), "its users set external names themselves"));
    check_user("mode=authtok application=erp" EXTERNAL, "alice", "typed", PAM_PERM_DENIED, "alice");
    assert_non_null(strstr(stage_log(), "its users set external names themselves"));
}

/* root, another uid 0, and what is no login name: refused, and logged in printable characters. */
static void test_external_users_that_nobody_becomes(void **state)
{
    static const char *const users[] = { "to-root", "to-toor", "to-nothing", "to-control",
                                         "to-path", "to-dots", "to-option", "to-line" };

    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        check_user("mode=verify application=crew" EXTERNAL, users[i], FAKE_PASSWORD,
                   PAM_PERM_DENIED, users[i]);
        assert_non_null(strstr(stage_log(), "does not become the external user"));
        check_user("mode=authtok application=crew" EXTERNAL, users[i], "typed", PAM_PERM_DENIED,
                   users[i]);
        assert_non_null(strstr(stage_log(), "does not become the external user"));
    }
}

/* With "optional" the stack goes on after the refusal, with what was typed, not with the mapped one. */
static void test_a_refused_name_hands_nothing_over(void **state)
{
    char text[64];

    stage_service("t", "auth required " WITNESS " ask return=0\n"
                       "auth optional " MODULE " mode=authtok application=crew" EXTERNAL "\n"
                       "auth optional " WITNESS " authtok=" WITNESS_FILE "\n");
    assert_int_equal(stage_authenticate("t", "to-root", "typed"), PAM_SUCCESS);
    stage_authtok(text, sizeof(text));
    assert_string_equal(text, "typed");
}

#define WITH_SERVICE(test) cmocka_unit_test_setup_teardown(test, start_service, stop_service)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVICE(test_no_password_is_left_in_the_host),
        WITH_SERVICE(test_an_accepted_password_is_stored),
        WITH_SERVICE(test_a_refused_password_is_not_stored),
        WITH_SERVICE(test_sddm_2011_only_the_last_password_is_kept),
        WITH_SERVICE(test_a_login_without_a_password_stores_none),
        WITH_SERVICE(test_behind_required_a_wrong_password_may_be_stored),
        WITH_SERVICE(test_a_refused_account_stores_nothing),
        WITH_SERVICE(test_another_user_in_the_end_stores_nothing),
        WITH_SERVICE(test_it_is_stored_once),
        WITH_SERVICE(test_the_same_value_is_not_written),
        WITH_SERVICE(test_whose_password_is_stored),
        WITH_SERVICE(test_several_lines),
        WITH_SERVICE(test_lines_do_not_share),
        WITH_SERVICE(test_capture_alone),
        WITH_SERVICE(test_a_changed_password_is_stored),
        WITH_SERVICE(test_a_password_that_was_not_changed_is_not_stored),
        WITH_SERVICE(test_a_fork_between_the_functions),
        WITH_SERVICE(test_requests_share_the_deadline),
        WITH_SERVICE(test_env),
        WITH_SERVICE(test_env_never_has_a_masked_field),
        WITH_SERVICE(test_env_of_whoever_has_no_mapping),
        WITH_SERVICE(test_env_skips_nothing),
        WITH_SERVICE(test_external_user),
        WITH_SERVICE(test_external_user_of_an_individual_application),
        WITH_SERVICE(test_external_users_that_nobody_becomes),
        WITH_SERVICE(test_a_refused_name_hands_nothing_over),
    };

    stage_open();
    stage_account("toor:x:0:0::/root:/bin/sh");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

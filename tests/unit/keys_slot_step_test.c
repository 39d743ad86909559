/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Every change of the keyring's file, killed at each step that it takes, and with each step
 * failing: at every moment a slot opens with what is on the disk or in somebody's head, and the
 * change can be made again without anybody repairing anything. */
#define KEYS_FAST_PASSPHRASE
#include "tests/unit/keys_support.h"

#include "dbus-service/keys/keyring_slot.h"
#include "tests/unit/steps.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { STEPS_LIMIT = 500 };

static struct steps *shared; /* with the process that changes */

/* A keyring with two slots, for the key file (1) and a passphrase (2), or with one of them. */
struct stand {
    struct folder folder;
    struct secret *next_passphrase;
    struct keyring *keyring;
};

struct change {
    const char *name;
    enum slot_kind only; /* the one slot there is before; 0: both */
    int (*make)(const struct stand *stand);
    bool by_keyfile;     /* that alone has to open, before, amidst and after */
    size_t slots;        /* afterwards, when it was made to the end */
};

static struct slot_request request_of(const struct stand *stand, enum slot_kind kind)
{
    return (struct slot_request){ .kind = kind,
                                  .sources = { .keyfile = stand->folder.keyfile,
                                               .passphrase = stand->next_passphrase } };
}

static int add_passphrase(const struct stand *stand)
{
    struct slot_request request = request_of(stand, SLOT_PASSPHRASE);
    uint32_t id;

    return keyring_slot_add(stand->folder.fd, stand->keyring, &request, &id);
}

static int add_shares(const struct stand *stand)
{
    CLEANUP_SHARE_SET struct share_set shares;
    struct slot_request request = { .kind = SLOT_SHARES, .threshold = 2, .count = 3,
                                    .shares = &shares };
    uint32_t id;

    return keyring_slot_add(stand->folder.fd, stand->keyring, &request, &id);
}

static int add_keyfile(const struct stand *stand)
{
    struct slot_request request = request_of(stand, SLOT_KEYFILE);
    uint32_t id;

    return keyring_slot_add(stand->folder.fd, stand->keyring, &request, &id);
}

/* The first of the kind, whatever its id came to be. */
static int replace_kind(const struct stand *stand, enum slot_kind kind)
{
    struct slot_request request = request_of(stand, kind);
    struct slot_list list;
    uint32_t id;

    keyring_slot_list(stand->folder.fd, &list);
    for (size_t i = 0; i < list.count; i++)
        if (list.infos[i].kind == kind)
            return keyring_slot_replace(stand->folder.fd, stand->keyring, list.infos[i].id,
                                        &request, &id);
    return list.outcome == KEYRING_DONE ? KEYRING_SLOT_NOT_FOUND : list.outcome;
}

static int replace_keyfile(const struct stand *stand)
{
    return replace_kind(stand, SLOT_KEYFILE);
}

static int replace_passphrase(const struct stand *stand)
{
    return replace_kind(stand, SLOT_PASSPHRASE);
}

static int remove_passphrase(const struct stand *stand)
{
    int r = keyring_slot_remove(stand->folder.fd, stand->keyring, 2);

    return r == KEYRING_SLOT_NOT_FOUND ? KEYRING_DONE : r;
}

static int store(const struct stand *stand)
{
    return keyring_store(stand->folder.fd, stand->keyring);
}

/* A restore: what the present keyring holds, as a backup gives it back. */
static int install(const struct stand *stand)
{
    CLEANUP_SECRET struct secret *content = NULL;
    CLEANUP_KEYRING struct keyring *copy = NULL;
    struct slot_request request = request_of(stand, SLOT_KEYFILE);
    char name[NAME_MAX + 1];
    int r = keyring_format(stand->keyring, &content);

    if (r == 0)
        r = keyring_parse(content, &copy);
    if (r == KEYRING_DONE)
        r = keyring_keep_aside(stand->folder.fd, name);
    return r == KEYRING_DONE ? keyring_install(stand->folder.fd, copy, &request) : r;
}

/* Of the keyring as it is in the file, whose root key may be the fresh one already. */
static int rekey(const struct stand *stand)
{
    struct slot_sources sources = { .keyfile = stand->folder.keyfile,
                                    .passphrase = stand->folder.slot_passphrase };
    CLEANUP_KEYRING struct keyring *open = NULL;
    CLEANUP_KEYRING struct keyring *anew = NULL;
    enum slot_kind used;
    int r = keyring_open(stand->folder.fd, &sources, &open, &used);

    return r == KEYRING_DONE ? keyring_rekey(stand->folder.fd, open, &sources, &anew) : r;
}

static const struct change changes[] = {
    { "add a passphrase", SLOT_KEYFILE, add_passphrase, true, 0 },
    { "add shares", SLOT_KEYFILE, add_shares, true, 0 },
    { "add the key file", SLOT_PASSPHRASE, add_keyfile, false, 0 },
    { "replace the key file", SLOT_KEYFILE, replace_keyfile, true, 1 },
    { "replace the key file beside another slot", 0, replace_keyfile, true, 2 },
    { "replace the passphrase", SLOT_PASSPHRASE, replace_passphrase, false, 1 },
    { "remove", 0, remove_passphrase, true, 1 },
    { "store", 0, store, true, 2 },
    { "a fresh root key", 0, rekey, true, 2 },
    { "install", SLOT_PASSPHRASE, install, false, 1 },
};

static void stand_init(struct stand *stand, const struct change *change)
{
    struct slot_request request;
    uint32_t id;

    folder_init(&stand->folder);
    stand->next_passphrase = secret_of("the next passphrase");
    stand->keyring = folder_generate(&stand->folder, change->only ? change->only : SLOT_KEYFILE);
    request = request_of(stand, SLOT_PASSPHRASE);
    request.sources.passphrase = stand->folder.slot_passphrase;
    if (!change->only)
        assert_int_equal(keyring_slot_add(stand->folder.fd, stand->keyring, &request, &id),
                         KEYRING_DONE);
}

static void stand_deinit(struct stand *stand)
{
    keyring_free(stand->keyring);
    secret_free(stand->next_passphrase);
    folder_deinit(&stand->folder);
}

static bool opens(const struct stand *stand, const char *keyfile, const struct secret *passphrase)
{
    struct slot_sources sources = { .keyfile = keyfile, .passphrase = passphrase };
    CLEANUP_KEYRING struct keyring *found = NULL;
    enum slot_kind used;

    if (keyring_open(stand->folder.fd, &sources, &found, &used) != KEYRING_DONE)
        return false;
    assert_same_content(stand->keyring, found);
    return true;
}

static bool still_opens(const struct stand *stand, const struct change *change)
{
    if (change->by_keyfile)
        return opens(stand, stand->folder.keyfile, NULL);
    return opens(stand, NULL, stand->folder.slot_passphrase) ||
           opens(stand, NULL, stand->next_passphrase) ||
           (change->make == install && opens(stand, stand->folder.keyfile, NULL));
}

static bool anything_beside(const struct stand *stand)
{
    DIR *directory = opendir(stand->folder.path);
    struct dirent *entry;
    bool found = false;

    assert_non_null(directory);
    while ((entry = readdir(directory)))
        found |= entry->d_name[0] == '.' && strlen(entry->d_name) > 2;
    closedir(directory);
    return found;
}

/* Made again, nobody having mended anything. */
static void make_again(const struct stand *stand, const struct change *change)
{
    struct slot_list list;

    if (change->make(stand) != KEYRING_DONE || !still_opens(stand, change))
        fail_msg("%s: cannot be made after step %s", change->name, shared->name);
    assert_false(anything_beside(stand));
    keyring_slot_list(stand->folder.fd, &list);
    assert_int_equal(list.outcome, KEYRING_DONE);
    if (change->slots != 0)
        assert_int_equal(list.count, change->slots);
}

struct fault {
    const char *name;
    enum step_action action;
    int kinds;
    int error;
    bool sticky;
    bool unnoticed;
};

/* Exits with 0: made; 1: it says that it was not. */
static int make_in_child(const struct stand *stand, const struct change *change,
                         const struct fault *fault, int number)
{
    int status;
    pid_t pid;

    *shared = (struct steps){ .countdown = number, .kinds = fault->kinds,
                              .action = (int)fault->action, .error = fault->error,
                              .sticky = fault->sticky };
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        int r;

        steps = shared;
        r = change->make(stand);
        steps = NULL;
        _exit(r == KEYRING_DONE ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* True when the step was reached. */
static bool try(const struct change *change, const struct fault *fault, int number)
{
    struct stand stand;
    int status;
    bool reached;

    stand_init(&stand, change);
    status = make_in_child(&stand, change, fault, number);
    reached = atomic_load(&shared->hits) > 0;
    if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGKILL : WEXITSTATUS(status) > 1)
        fail_msg("%s, %s at step %d: ended with %#x", change->name, fault->name, number, status);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1 && (!reached || fault->unnoticed))
        fail_msg("%s, %s at step %d (%s): refused", change->name, fault->name, number,
                 shared->name);
    if (!still_opens(&stand, change))
        fail_msg("%s, %s at step %d (%s): no slot opens", change->name, fault->name, number,
                 shared->name);
    if (WIFEXITED(status) && strncmp(shared->name, "unlink", 6) != 0 && anything_beside(&stand))
        fail_msg("%s, %s at step %d (%s): leaves something beside", change->name, fault->name,
                 number, shared->name);
    make_again(&stand, change);
    stand_deinit(&stand);
    return reached;
}

static void sweep(const struct fault *fault)
{
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        int number = 0;

        while (try(&changes[i], fault, number))
            assert_true(++number < STEPS_LIMIT);
        print_message("%s, %s: %d steps\n", changes[i].name, fault->name, number);
        assert_true(number > 1);
    }
}

enum { DISK = STEP_OPEN | STEP_CREATE | STEP_WRITE | STEP_SIZE | STEP_SYNC | STEP_RENAME |
              STEP_UNLINK };

static void test_killed_at_each_step(void **state)
{
    static const struct fault before = { "killed before", STEP_KILL, DISK, 0, false, false };
    static const struct fault amidst = { "killed amidst", STEP_KILL_HALF, DISK, 0, false, false };

    sweep(&before);
    sweep(&amidst);
}

static void test_fault_at_each_step(void **state)
{
    static const struct fault faults[] = {
        { "EIO", STEP_FAIL, DISK | STEP_READ, EIO, false, false },
        { "a disk that stays full", STEP_FAIL, STEP_WRITE | STEP_SYNC | STEP_RENAME, ENOSPC, true,
          false },
        { "interrupted", STEP_FAIL, STEP_WRITE | STEP_READ, EINTR, false, true },
        { "short transfer", STEP_SHORT, STEP_WRITE | STEP_READ, 0, false, true },
    };

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sweep(&faults[i]);
}

static void test_no_memory_at_each_step(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip();
#else
    static const struct fault fault = { "no memory", STEP_FAIL, STEP_MEMORY, ENOMEM, false, false };

    sweep(&fault);
#endif
}

static int group_setup(void **state)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED ? -1 : keys_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_at_each_step),
        cmocka_unit_test(test_fault_at_each_step),
        cmocka_unit_test(test_no_memory_at_each_step),
    };

    return cmocka_run_group_tests(tests, group_setup, NULL);
}

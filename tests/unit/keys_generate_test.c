/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Generating fails as a whole: at whichever call it fails, no keyring, no key file made on the way,
 * no temporary file and no byte of a backup stay behind. */
#define KEYS_FAST_PASSPHRASE
#include "tests/unit/keys_support.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static int fail_at; /* the how-manieth wrapped call fails; 0: none */
static bool dies;   /* or is the last of the process, where it is one to the disk */
static int calls;
static const char *failed; /* its name */
static int backup_fd = -1;
static size_t most = SIZE_MAX; /* bytes that one read or write moves */
static int other_fd = -1; /* whose bytes the disk gives back instead */
static bool lie;    /* the disk gives back another byte than it took */
static bool proven; /* the backup was read again */
static bool early;  /* and the keyring was in place before */

static bool keyring_lies; /* the disk, about what was written into the keyring */

static bool fails(const char *name)
{
    bool memory = strcmp(name, "malloc") == 0 || strcmp(name, "calloc") == 0;

    if (dies && memory)
        return false;
    calls++;
    if (calls != fail_at)
        return false;
    if (dies)
        kill(getpid(), SIGKILL);
    failed = name;
    errno = EIO;
    return true;
}

#define WRAP(type, name, parameters, arguments)                                                    \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return fails(#name) ? -1 : __real_##name arguments;                                        \
    }

WRAP(int, fsync, (int fd), (fd))
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode))
ssize_t __real_pwrite(int fd, const void *bytes, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t offset);

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    if (fails("pwrite"))
        return -1;
    return __real_pwrite(fd, bytes, size > most ? most : size, offset);
}

ssize_t __real_pread(int fd, void *bytes, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset);

ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset)
{
    int from = fd == backup_fd && other_fd >= 0 ? other_fd : fd;
    ssize_t n;

    if (fails("pread"))
        return -1;
    n = __real_pread(from, bytes, size > most ? most : size, offset);

    if (fd == backup_fd)
        proven = true;
    if ((fd == backup_fd ? lie : keyring_lies) && n > 100)
        ((uint8_t *)bytes)[n - 1] ^= 1;
    return n;
}

int __real_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);

int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    if (fails("renameat2"))
        return -1;
    if (strcmp(to, KEYRING_FILE) == 0 && !proven)
        early = true;
    return __real_renameat2(from_fd, from, to_fd, to, flags);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails("malloc") ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails("calloc") ? NULL : __real_calloc(count, size);
}

static void assert_nothing_left(const struct folder *folder)
{
    DIR *directory = opendir(folder->path);
    struct dirent *entry;
    struct stat status;

    assert_non_null(directory);
    while ((entry = readdir(directory)))
        if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2)
            assert_string_equal(entry->d_name, "backup");
    closedir(directory);
    assert_int_equal(fstat(folder->backup_fd, &status), 0);
    assert_int_equal(status.st_size, 0);
}

/* True when the call was reached. */
static bool fail_call(int number, enum slot_kind kind)
{
    struct folder folder;
    struct keyring *keyring = NULL;
    int r;

    folder_init(&folder);
    struct keyring_generate request = folder_request(&folder, kind);

    failed = NULL;
    calls = 0;
    backup_fd = folder.backup_fd;
    fail_at = number;
    r = keyring_generate(&request, &keyring);
    fail_at = 0;
    backup_fd = -1;
    if (failed && r == KEYRING_DONE)
        fail_msg("call %d, %s: its failure went unseen", number, failed);
    if (r != KEYRING_DONE) {
        assert_null(keyring);
        assert_nothing_left(&folder);
    }
    keyring_free(keyring);
    folder_deinit(&folder);
    return failed != NULL;
}

static void fail_each_call(enum slot_kind kind)
{
    int number = 1;

    while (fail_call(number, kind))
        number++;
    assert_true(number > 20);
}

static void test_every_call(void **state)
{
    fail_each_call(SLOT_KEYFILE);
    fail_each_call(SLOT_PASSPHRASE);
}

static void test_backup_comes_first(void **state)
{
    struct folder folder;

    folder_init(&folder);
    proven = early = false;
    backup_fd = folder.backup_fd;
    keyring_free(folder_generate(&folder, SLOT_KEYFILE));
    backup_fd = -1;
    assert_true(proven);
    assert_false(early);
    folder_deinit(&folder);
}

static void test_disk_that_lies(void **state)
{
    struct folder folder;
    struct keyring *keyring = NULL;

    folder_init(&folder);
    struct keyring_generate request = folder_request(&folder, SLOT_KEYFILE);

    lie = true;
    backup_fd = folder.backup_fd;
    assert_int_equal(keyring_generate(&request, &keyring), KEYRING_BACKUP_FAILED);
    lie = false;
    backup_fd = -1;
    assert_nothing_left(&folder);
    folder_deinit(&folder);
}

/* krb5 c7586cc948, 51b5cef838: a stash with another content than meant went unseen until the next start. */
static void test_krb5_c7586cc948_written_keyring_is_read_again(void **state)
{
    struct folder folder;
    struct keyring *keyring = NULL;

    folder_init(&folder);
    struct keyring_generate request = folder_request(&folder, SLOT_KEYFILE);

    keyring_lies = true;
    backup_fd = folder.backup_fd;
    assert_int_equal(keyring_generate(&request, &keyring), -EIO);
    assert_null(keyring);
    keyring_lies = false;
    backup_fd = -1;
    assert_nothing_left(&folder);
    folder_deinit(&folder);
}

/* A sound backup, under the right passphrase, of something else. */
static void test_other_backup(void **state)
{
    struct folder folder, other;
    struct keyring *keyring = NULL;

    folder_init(&folder);
    folder_init(&other);
    keyring_free(folder_generate(&other, SLOT_KEYFILE));
    struct keyring_generate request = folder_request(&folder, SLOT_KEYFILE);

    other_fd = other.backup_fd;
    backup_fd = folder.backup_fd;
    assert_int_equal(keyring_generate(&request, &keyring), KEYRING_BACKUP_FAILED);
    other_fd = backup_fd = -1;
    assert_nothing_left(&folder);
    folder_deinit(&folder);
    folder_deinit(&other);
}

/* Reads and writes that move a few bytes at a time; and none at all, as on a full disk. */
static void test_short_transfers(void **state)
{
    struct folder folder;
    struct keyring *keyring = NULL, *found = NULL;
    enum slot_kind used;

    folder_init(&folder);
    struct keyring_generate request = folder_request(&folder, SLOT_KEYFILE);

    most = 0;
    assert_int_equal(keyring_generate(&request, &keyring), -EIO);
    assert_nothing_left(&folder);
    most = 7;
    keyring = folder_generate(&folder, SLOT_KEYFILE);
    assert_int_equal(keyring_open(folder.fd, &request.sources, &found, &used), KEYRING_DONE);
    most = SIZE_MAX;
    assert_same_content(keyring, found);
    keyring_free(found);
    keyring_free(keyring);
    folder_deinit(&folder);
}

/* A temporary file that a crash left behind does not stand in the way. */
static void test_after_a_crash(void **state)
{
    struct folder folder;

    folder_init(&folder);
    spill(folder.fd, ".keyring.new", 0600, "half", 4);
    spill(folder.fd, ".root.key.new", 0400, "half", 4);
    keyring_free(folder_generate(&folder, SLOT_KEYFILE));
    assert_int_equal(faccessat(folder.fd, ".keyring.new", F_OK, 0), -1);
    assert_int_equal(faccessat(folder.fd, ".root.key.new", F_OK, 0), -1);
    folder_deinit(&folder);
}

/* True when the call was reached. */
static bool kill_call(int number, unsigned *ret_made)
{
    struct folder folder;
    struct keyring *keyring = NULL;
    enum slot_kind used;
    int status, r;
    pid_t pid;

    folder_init(&folder);
    struct keyring_generate request = folder_request(&folder, SLOT_KEYFILE);

    pid = fork();
    if (pid == 0) {
        dies = true;
        calls = 0;
        fail_at = number;
        _exit(keyring_generate(&request, &keyring) == KEYRING_DONE ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    r = keyring_exists(folder.fd);
    if (r == KEYRING_DONE) {
        /* Whatever has a keyring has its backup, and opens. */
        ++*ret_made;
        assert_int_equal(folder_open_backup(&folder, &keyring), KEYRING_DONE);
        keyring_free(STEAL(keyring));
        assert_int_equal(keyring_open(folder.fd, &request.sources, &keyring, &used), KEYRING_DONE);
    } else {
        /* Nobody has to clear anything away; the backup's file is the caller's, and he brings a new one. */
        assert_int_equal(r, KEYRING_ABSENT);
        assert_int_equal(ftruncate(folder.backup_fd, 0), 0);
        assert_int_equal(keyring_generate(&request, &keyring), KEYRING_DONE);
    }
    keyring_free(keyring);
    folder_deinit(&folder);
    if (WIFSIGNALED(status))
        assert_int_equal(WTERMSIG(status), SIGKILL);
    else
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status);
}

static void test_killed_at_each_call(void **state)
{
    unsigned made = 0;
    int number = 1;

    while (kill_call(number, &made))
        number++;
    assert_true(number > 8);
    assert_true(made > 1); /* after the keyring came into its place, and the last, unharmed one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_call),
        cmocka_unit_test(test_backup_comes_first),
        cmocka_unit_test(test_disk_that_lies),
        cmocka_unit_test(test_krb5_c7586cc948_written_keyring_is_read_again),
        cmocka_unit_test(test_other_backup),
        cmocka_unit_test(test_short_transfers),
        cmocka_unit_test(test_after_a_crash),
        cmocka_unit_test(test_killed_at_each_call),
    };

    return cmocka_run_group_tests(tests, init_keys, NULL);
}

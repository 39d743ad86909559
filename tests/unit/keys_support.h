/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of keys/ share: a state folder of their own, and a request that makes a keyring
 * in it. Tests that generate are linked with --wrap=crypto_pwhash and define KEYS_FAST_PASSPHRASE
 * before they include this: a hash over all that Argon2id depends on stands in for it. */
#ifndef TESTS_KEYS_SUPPORT_H
#define TESTS_KEYS_SUPPORT_H

/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dbus-service/keys/backup.h"
#include "dbus-service/keys/keyring_content.h"
#include "dbus-service/keys/record.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define BACKUP_PASSPHRASE "correct horse battery"
#define SLOT_PASSPHRASE_TEXT "a slot of its own"

struct folder {
    char path[64];
    char keyfile[96];
    char backup[96];
    int fd;
    int backup_fd;
    struct secret *backup_passphrase;
    struct secret *slot_passphrase;
};

static inline struct secret *secret_of(const char *text)
{
    struct secret *secret = NULL;

    assert_int_equal(secret_new_copy(text, strlen(text), &secret), 0);
    return secret;
}

/* In memory, where a sync costs nothing. */
static inline void folder_make(char path[64], const char *template)
{
    snprintf(path, 64, "/dev/shm/%s", template);
    if (!mkdtemp(path)) {
        snprintf(path, 64, "/tmp/%s", template);
        assert_non_null(mkdtemp(path));
    }
}

static inline void folder_init(struct folder *folder)
{
    folder_make(folder->path, "mastersecret-keys.XXXXXX");
    snprintf(folder->keyfile, sizeof(folder->keyfile), "%s/root.key", folder->path);
    snprintf(folder->backup, sizeof(folder->backup), "%s/backup", folder->path);
    folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(folder->fd >= 0);
    folder->backup_fd = open(folder->backup, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(folder->backup_fd >= 0);
    folder->backup_passphrase = secret_of(BACKUP_PASSPHRASE);
    folder->slot_passphrase = secret_of(SLOT_PASSPHRASE_TEXT);
}

static inline int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
    return remove(path);
}

static inline void folder_deinit(struct folder *folder)
{
    close(folder->fd);
    close(folder->backup_fd);
    secret_free(folder->backup_passphrase);
    secret_free(folder->slot_passphrase);
    assert_int_equal(nftw(folder->path, remove_entry, 4, FTW_DEPTH | FTW_PHYS), 0);
}

static inline struct keyring_generate folder_request(const struct folder *folder,
                                                     enum slot_kind slot)
{
    return (struct keyring_generate){
        .folder_fd = folder->fd,
        .slot = slot,
        .sources = { .keyfile = folder->keyfile, .passphrase = folder->slot_passphrase },
        .backup_passphrase = folder->backup_passphrase,
        .backup_hint = "the usual",
        .backup_location = "/root/backup",
        .backup_fd = folder->backup_fd,
    };
}

static inline struct keyring *folder_generate(const struct folder *folder, enum slot_kind slot)
{
    struct keyring_generate request = folder_request(folder, slot);
    struct keyring *keyring = NULL;

    assert_int_equal(keyring_generate(&request, &keyring), KEYRING_DONE);
    assert_non_null(keyring);
    return keyring;
}

/* Opens the folder's backup by its passphrase. */
static inline int folder_open_backup(const struct folder *folder, struct keyring **ret_keyring)
{
    struct backup_key key = { .passphrase = folder->backup_passphrase };
    struct backup_manifest manifest;

    return backup_open(folder->backup_fd, &key, ret_keyring, &manifest);
}

/* The whole file; the caller frees. */
static inline uint8_t *slurp(int folder_fd, const char *name, size_t *ret_size)
{
    CLEANUP_CLOSE int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC);
    struct stat status;
    uint8_t *bytes;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    bytes = malloc((size_t)status.st_size + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, (size_t)status.st_size), status.st_size);
    *ret_size = (size_t)status.st_size;
    return bytes;
}

static inline void spill(int folder_fd, const char *name, mode_t mode, const void *bytes,
                         size_t size)
{
    CLEANUP_CLOSE int fd = -1;

    unlinkat(folder_fd, name, 0);
    fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
}

static inline void assert_same_content(const struct keyring *a, const struct keyring *b)
{
    CLEANUP_SECRET struct secret *one = NULL;
    CLEANUP_SECRET struct secret *other = NULL;

    assert_int_equal(keyring_format(a, &one), 0);
    assert_int_equal(keyring_format(b, &other), 0);
    assert_int_equal(one->length, other->length);
    assert_memory_equal(one->bytes, other->bytes, one->length);
}

/* A stack of its own, to see what a function leaves on it. */
#define STACK_SIZE ((size_t)1024 * 1024)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_TELLS false /* a sanitizer's functions leave registers on it */
#else
#define STACK_TELLS true
#endif

static inline uint8_t *stack_run(void *(*function)(void *), void *userdata)
{
    uint8_t *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                          0);
    pthread_attr_t attributes;
    pthread_t thread;

    assert_true(stack != MAP_FAILED);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, STACK_SIZE), 0);
    assert_int_equal(pthread_create(&thread, &attributes, function, userdata), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    return stack;
}

/* Not even half of it. */
static inline void assert_not_left(const uint8_t *stack, const void *secret, size_t size,
                                   const char *name)
{
    for (size_t at = 0; at + size / 2 <= size; at += size / 2)
        if (memmem(stack, STACK_SIZE, (const uint8_t *)secret + at, size / 2))
            fail_msg("%s is left on the stack", name);
}

static inline void stack_free(uint8_t *stack)
{
    munmap(stack, STACK_SIZE);
}

static inline int init_keys(void **state)
{
    return keys_init();
}

#ifdef KEYS_FAST_PASSPHRASE
int __wrap_crypto_pwhash(unsigned char *out, unsigned long long out_length, const char *passphrase,
                         unsigned long long passphrase_length, const unsigned char *salt,
                         unsigned long long opslimit, size_t memlimit, int algorithm);

int __wrap_crypto_pwhash(unsigned char *out, unsigned long long out_length, const char *passphrase,
                         unsigned long long passphrase_length, const unsigned char *salt,
                         unsigned long long opslimit, size_t memlimit, int algorithm)
{
    crypto_generichash_state state;
    uint64_t cost[2] = { opslimit, memlimit };

    crypto_generichash_init(&state, salt, crypto_pwhash_SALTBYTES, out_length);
    crypto_generichash_update(&state, (const uint8_t *)cost, sizeof(cost));
    crypto_generichash_update(&state, (const uint8_t *)passphrase, passphrase_length);
    return crypto_generichash_final(&state, out, out_length);
}
#endif

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The keyring: what was generated opens with the right key material, and any change of the file
 * fails closed with the outcome that names it. */
#define KEYS_FAST_PASSPHRASE
#include "tests/unit/keys_support.h"

#include "dbus-service/keys/keyring_file.h"
#include "dbus-service/keys/keyring_slot.h"

#include <errno.h>

static int open_with(const struct folder *folder, const struct slot_sources *sources,
                     struct keyring **ret_keyring)
{
    enum slot_kind used;

    return keyring_open(folder->fd, sources, ret_keyring, &used);
}

static void assert_opens(const struct folder *folder, const struct slot_sources *sources,
                         enum slot_kind kind, const struct keyring *expected)
{
    struct keyring *found = NULL;
    enum slot_kind used = 0;

    assert_int_equal(keyring_open(folder->fd, sources, &found, &used), KEYRING_DONE);
    assert_int_equal(used, kind);
    assert_same_content(expected, found);
    assert_memory_equal(expected->keys->root, found->keys->root, KEY_SIZE);
    keyring_free(found);
}

static void assert_refused(const struct folder *folder, const struct slot_sources *sources,
                           int outcome)
{
    struct keyring *found = NULL;

    assert_int_equal(open_with(folder, sources, &found), outcome);
    assert_null(found);
}

static void test_facts(void **state)
{
    struct folder folder;
    struct keyring *keyring;
    struct backup_info backup;
    struct generation_info info;
    struct stat status;
    struct slot_list list;

    folder_init(&folder);
    assert_int_equal(keyring_exists(folder.fd), KEYRING_ABSENT);
    keyring_slot_list(folder.fd, &list);
    assert_int_equal(list.outcome, KEYRING_ABSENT);
    assert_int_equal(slot_list_kinds(&list), 0);
    keyring = folder_generate(&folder, SLOT_KEYFILE);
    assert_int_equal(keyring_exists(folder.fd), KEYRING_DONE);
    keyring_slot_list(folder.fd, &list);
    assert_int_equal(list.outcome, KEYRING_DONE);
    assert_int_equal(slot_list_kinds(&list), 1U << SLOT_KEYFILE);
    assert_int_equal(keyring_active_generation(keyring), 1);
    assert_int_equal(keyring_generations(keyring), 1);
    assert_int_equal(keyring_epoch(keyring), 1);
    assert_string_equal(keyring_memory_kind(keyring), key_pool_kind(keyring->pool));
    keyring_generation(keyring, 0, &info);
    assert_int_equal(info.number, 1);
    keyring_backup_info(keyring, &backup);
    assert_string_equal(backup.location, "/root/backup");
    assert_int_equal(backup.generation, 1);
    assert_true(backup.time_usec >= info.created_usec);
    assert_int_equal(fstatat(folder.fd, KEYRING_FILE, &status, 0), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(stat(folder.keyfile, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0400);
    assert_int_equal(status.st_size, KEY_SIZE);
    keyring_free(keyring);
    folder_deinit(&folder);
}

static void test_keyfile(void **state)
{
    struct folder folder;
    struct keyring *keyring;

    folder_init(&folder);
    keyring = folder_generate(&folder, SLOT_KEYFILE);
    struct slot_sources sources = { .keyfile = folder.keyfile };
    struct slot_sources both = { .keyfile = folder.keyfile, .passphrase = folder.slot_passphrase };
    struct slot_sources other = { .passphrase = folder.slot_passphrase };
    struct slot_sources none = { .keyfile = NULL };

    assert_opens(&folder, &sources, SLOT_KEYFILE, keyring);
    assert_opens(&folder, &both, SLOT_KEYFILE, keyring);
    assert_refused(&folder, &other, KEYRING_NO_SLOT);
    assert_refused(&folder, &none, KEYRING_NO_SLOT);
    assert_int_equal(chmod(folder.keyfile, 0440), 0);
    assert_refused(&folder, &sources, KEYRING_BAD_SOURCE);
    spill(folder.fd, "root.key", 0400, "another thirty-two bytes of keys", 32);
    assert_refused(&folder, &sources, KEYRING_WRONG_KEY);
    spill(folder.fd, "root.key", 0400, "short", 5);
    assert_refused(&folder, &sources, KEYRING_BAD_SOURCE);
    unlink(folder.keyfile);
    assert_refused(&folder, &sources, KEYRING_NO_SLOT);
    keyring_free(keyring);
    folder_deinit(&folder);
}

/* A key file that is there already is used, and neither overwritten nor, on failure, removed. */
static void test_keyfile_that_is_there(void **state)
{
    static const char content[] = "a key file of forty bytes, from outside.";
    struct folder folder;
    struct keyring *keyring;
    CLEANUP_FREE uint8_t *bytes = NULL;
    size_t size;

    folder_init(&folder);
    spill(folder.fd, "root.key", 0400, content, 40);
    struct keyring_generate request = folder_request(&folder, SLOT_KEYFILE);

    request.backup_hint = "\xff";
    assert_int_equal(keyring_generate(&request, &keyring), -EINVAL);
    keyring = folder_generate(&folder, SLOT_KEYFILE);
    bytes = slurp(folder.fd, "root.key", &size);
    assert_int_equal(size, 40);
    assert_memory_equal(bytes, content, 40);
    keyring_free(keyring);
    folder_deinit(&folder);
}

static void test_credential(void **state)
{
    struct folder folder;
    struct keyring *keyring = NULL;
    char path[96];

    folder_init(&folder);
    snprintf(path, sizeof(path), "%s/credential", folder.path);
    struct keyring_generate request = folder_request(&folder, SLOT_CREDENTIAL);
    struct slot_sources sources = { .credential = path, .keyfile = folder.keyfile };

    assert_int_equal(keyring_generate(&request, &keyring), KEYRING_NO_SLOT);
    request.sources = sources;
    assert_int_equal(keyring_generate(&request, &keyring), KEYRING_NO_SLOT);
    spill(folder.fd, "credential", 0440, "as systemd hands it over, 32 by.", 32);
    assert_int_equal(keyring_generate(&request, &keyring), KEYRING_DONE);
    assert_opens(&folder, &sources, SLOT_CREDENTIAL, keyring);
    assert_int_equal(access(folder.keyfile, F_OK), -1);
    assert_int_equal(chmod(path, 0444), 0);
    assert_refused(&folder, &sources, KEYRING_BAD_SOURCE);
    keyring_free(keyring);
    folder_deinit(&folder);
}

static void test_passphrase(void **state)
{
    struct folder folder;
    struct keyring *keyring;
    CLEANUP_SECRET struct secret *wrong = secret_of("a slot of its oWn");

    folder_init(&folder);
    keyring = folder_generate(&folder, SLOT_PASSPHRASE);
    struct slot_sources sources = { .passphrase = folder.slot_passphrase };

    assert_opens(&folder, &sources, SLOT_PASSPHRASE, keyring);
    sources.passphrase = wrong;
    assert_refused(&folder, &sources, KEYRING_WRONG_KEY);
    sources.passphrase = folder.backup_passphrase;
    assert_refused(&folder, &sources, KEYRING_WRONG_KEY);
    keyring_free(keyring);
    folder_deinit(&folder);
}

static void test_requests_refused(void **state)
{
    struct folder folder;
    struct keyring *keyring = NULL;
    CLEANUP_SECRET struct secret *shorter = secret_of("7 bytes");
    CLEANUP_SECRET struct secret *longer = NULL;

    folder_init(&folder);
    assert_int_equal(secret_new(1025, &longer), 0);
    longer->length = 1025;
    struct keyring_generate request = folder_request(&folder, SLOT_PASSPHRASE);

    request.backup_passphrase = shorter;
    assert_int_equal(keyring_generate(&request, &keyring), KEYRING_PASSPHRASE_LENGTH);
    request.backup_passphrase = longer;
    assert_int_equal(keyring_generate(&request, &keyring), KEYRING_PASSPHRASE_LENGTH);
    request = folder_request(&folder, SLOT_PASSPHRASE);
    request.sources.passphrase = shorter;
    assert_int_equal(keyring_generate(&request, &keyring), KEYRING_PASSPHRASE_LENGTH);
    request = folder_request(&folder, SLOT_KEYFILE);
    request.sources.keyfile = "relative";
    assert_int_equal(keyring_generate(&request, &keyring), -EINVAL);
    request.slot = 9;
    assert_int_equal(keyring_generate(&request, &keyring), KEYRING_NO_SLOT);
    assert_int_equal(keyring_exists(folder.fd), KEYRING_ABSENT);
    keyring = folder_generate(&folder, SLOT_KEYFILE);
    keyring_free(keyring);
    request = folder_request(&folder, SLOT_KEYFILE);
    assert_int_equal(keyring_generate(&request, &keyring), KEYRING_EXISTS);
    folder_deinit(&folder);
}

static void test_backup_file_refused(void **state)
{
    struct folder folder;
    struct keyring *keyring = NULL;
    struct stat status;

    folder_init(&folder);
    struct keyring_generate request = folder_request(&folder, SLOT_KEYFILE);
    CLEANUP_CLOSE int read_only = open(folder.backup, O_RDONLY | O_CLOEXEC);
    CLEANUP_CLOSE int device = open("/dev/null", O_RDWR | O_CLOEXEC);

    request.backup_fd = read_only;
    assert_int_equal(keyring_generate(&request, &keyring), KEYRING_BAD_FILE);
    request.backup_fd = device;
    assert_int_equal(keyring_generate(&request, &keyring), KEYRING_BAD_FILE);
    request.backup_fd = folder.fd;
    assert_int_equal(keyring_generate(&request, &keyring), KEYRING_BAD_FILE);
    request.backup_fd = folder.backup_fd;
    assert_int_equal(fchmod(folder.backup_fd, 0640), 0);
    assert_int_equal(keyring_generate(&request, &keyring), KEYRING_BAD_FILE);
    assert_int_equal(fchmod(folder.backup_fd, 0600), 0);
    assert_int_equal(write(folder.backup_fd, "mine", 4), 4);
    assert_int_equal(keyring_generate(&request, &keyring), KEYRING_BAD_FILE);
    assert_int_equal(fstat(folder.backup_fd, &status), 0);
    assert_int_equal(status.st_size, 4); /* not ours to truncate */
    assert_int_equal(keyring_exists(folder.fd), KEYRING_ABSENT);
    assert_int_equal(access(folder.keyfile, F_OK), -1);
    folder_deinit(&folder);
}

/* A file, the function that opens it, and what a change at an offset may lead to. */
struct sweep {
    int (*open)(const struct folder *folder, const uint8_t *bytes, size_t size,
                struct keyring **ret);
    bool (*allowed)(size_t offset, int outcome);
};

static void sweep_file(const struct sweep *sweep, const struct folder *folder, uint8_t *bytes,
                       size_t size)
{
    struct keyring *found = NULL;

    for (size_t i = 0; i < size * 8; i++) {
        int r;

        bytes[i / 8] ^= (uint8_t)(1U << (i % 8));
        r = sweep->open(folder, bytes, size, &found);
        if (found || !sweep->allowed(i / 8, r))
            fail_msg("bit %zu of byte %zu: outcome %d", i % 8, i / 8, r);
        bytes[i / 8] ^= (uint8_t)(1U << (i % 8));
    }
    for (size_t length = 0; length < size; length++) {
        CLEANUP_FREE uint8_t *exact = malloc(length + 1); /* for a sanitizer to see the end */

        memcpy(exact, bytes, length);
        assert_int_equal(sweep->open(folder, exact, length, &found), KEYRING_DAMAGED);
        assert_null(found);
    }
    bytes[size] = 0; /* slurp() leaves room */
    assert_int_equal(sweep->open(folder, bytes, size + 1, &found), KEYRING_DAMAGED);
    assert_int_equal(sweep->open(folder, bytes, size, &found), KEYRING_DONE);
    keyring_free(found);
}

static int open_keyring(const struct folder *folder, const uint8_t *bytes, size_t size,
                        struct keyring **ret)
{
    struct slot_sources sources = { .keyfile = folder->keyfile,
                                    .passphrase = folder->slot_passphrase };

    spill(folder->fd, KEYRING_FILE, 0600, bytes, size);
    return open_with(folder, &sources, ret);
}

/* magic 0..7, format 8..11, realm 12..27, count 28..29, block length 30..33, then the slot:
 * kind 34, id 35..38, cost 39..54, salt 55..70, commitment 71..102. */
static bool keyring_allowed(size_t offset, int outcome)
{
    if (offset >= 8 && offset < 12)
        return outcome == (KEYRING_NEWER) || (offset == 8 && outcome == KEYRING_DAMAGED);
    if (offset == 34) /* another kind: unknown, ill-formed for it, or without its material */
        return outcome == KEYRING_NEWER || outcome == KEYRING_DAMAGED ||
               outcome == KEYRING_NO_SLOT || outcome == KEYRING_WRONG_KEY;
    if (offset >= 39 && offset < 55)
        return outcome == KEYRING_DAMAGED || outcome == KEYRING_NEWER ||
               outcome == KEYRING_WRONG_KEY;
    if (offset >= 55 && offset < 103)
        return outcome == KEYRING_WRONG_KEY;
    return outcome == KEYRING_DAMAGED;
}

static void sweep_keyring(enum slot_kind kind)
{
    static const struct sweep sweep = { open_keyring, keyring_allowed };
    struct folder folder;
    size_t size;

    folder_init(&folder);
    keyring_free(folder_generate(&folder, kind));
    CLEANUP_FREE uint8_t *bytes = slurp(folder.fd, KEYRING_FILE, &size);

    sweep_file(&sweep, &folder, bytes, size);
    folder_deinit(&folder);
}

static void test_every_bit_of_a_keyring(void **state)
{
    sweep_keyring(SLOT_KEYFILE);
    sweep_keyring(SLOT_PASSPHRASE);
}

/* Costs above the caps are refused before anything is computed or allocated. */
static void test_cost_above_cap(void **state)
{
    struct folder folder;
    size_t size;

    folder_init(&folder);
    keyring_free(folder_generate(&folder, SLOT_PASSPHRASE));
    CLEANUP_FREE uint8_t *bytes = slurp(folder.fd, KEYRING_FILE, &size);
    struct slot_sources sources = { .passphrase = folder.slot_passphrase };

    bytes[39] = 17; /* opslimit */
    spill(folder.fd, KEYRING_FILE, 0600, bytes, size);
    assert_refused(&folder, &sources, KEYRING_NEWER);
    bytes[39] = 0;
    spill(folder.fd, KEYRING_FILE, 0600, bytes, size);
    assert_refused(&folder, &sources, KEYRING_DAMAGED);
    bytes[39] = 3;
    memcpy(bytes + 47, (const uint8_t[]){ 1, 0, 0, 0x40, 0, 0, 0, 0 }, 8); /* 1 GiB and a byte */
    spill(folder.fd, KEYRING_FILE, 0600, bytes, size);
    assert_refused(&folder, &sources, KEYRING_NEWER);
    memcpy(bytes + 47, (const uint8_t[]){ 0, 0, 0x70, 0, 0, 0, 0, 0 }, 8); /* 7 MiB */
    spill(folder.fd, KEYRING_FILE, 0600, bytes, size);
    assert_refused(&folder, &sources, KEYRING_DAMAGED);
    folder_deinit(&folder);
}

/* The same material wraps the same key differently each time. */
static void test_salt_and_nonce(void **state)
{
    static const uint8_t realm[REALM_ID_SIZE];
    static const uint8_t root[KEY_SIZE] = { 1 };
    CLEANUP_SECRET struct secret *passphrase = secret_of(SLOT_PASSPHRASE_TEXT);
    struct slot_sources sources = { .passphrase = passphrase };
    struct slot one, other;

    assert_int_equal(slot_wrap(SLOT_PASSPHRASE, 1, &sources, realm, root, &one), KEYRING_DONE);
    assert_int_equal(slot_wrap(SLOT_PASSPHRASE, 1, &sources, realm, root, &other), KEYRING_DONE);
    assert_memory_not_equal(one.salt, other.salt, sizeof(one.salt));
    assert_memory_not_equal(one.nonce, other.nonce, sizeof(one.nonce));
    assert_memory_not_equal(one.commitment, other.commitment, sizeof(one.commitment));
    assert_memory_not_equal(one.wrapped, other.wrapped, sizeof(one.wrapped));
}

/* Several slots in one file: each opens alone, one that is damaged does not hinder the others. */
static void test_several_slots(void **state)
{
    struct folder folder;
    struct keyring *keyring = NULL;
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct slot slots[2];

    folder_init(&folder);
    spill(folder.fd, "root.key", 0400, "thirty-two bytes for a key file.", 32);
    struct slot_sources sources = { .keyfile = folder.keyfile,
                                    .passphrase = folder.slot_passphrase };
    struct slot_sources passphrase = { .passphrase = folder.slot_passphrase };
    struct slot_list list;

    assert_int_equal(keyring_new(&keyring), 0);
    assert_int_equal(slot_wrap(SLOT_KEYFILE, 1, &sources, keyring->realm, keyring->keys->root,
                               &slots[0]),
                     KEYRING_DONE);
    assert_int_equal(slot_wrap(SLOT_PASSPHRASE, 2, &sources, keyring->realm, keyring->keys->root,
                               &slots[1]),
                     KEYRING_DONE);
    assert_int_equal(keyring_file_seal(keyring, slots, 2, &bytes), 0);
    spill(folder.fd, KEYRING_FILE, 0600, bytes->bytes, bytes->length);
    keyring_slot_list(folder.fd, &list);
    assert_int_equal(list.outcome, KEYRING_DONE);
    assert_int_equal(slot_list_kinds(&list), 1U << SLOT_KEYFILE | 1U << SLOT_PASSPHRASE);
    assert_opens(&folder, &sources, SLOT_KEYFILE, keyring);
    assert_opens(&folder, &passphrase, SLOT_PASSPHRASE, keyring);
    bytes->bytes[71] ^= 1; /* commitment of the first */
    spill(folder.fd, KEYRING_FILE, 0600, bytes->bytes, bytes->length);
    assert_opens(&folder, &sources, SLOT_PASSPHRASE, keyring);
    keyring_free(keyring);
    folder_deinit(&folder);
}

/* A slot brought over from another realm, with its right key material, opens nothing. */
static void test_foreign_slot(void **state)
{
    struct folder mine, other;
    size_t size, other_size;

    folder_init(&mine);
    folder_init(&other);
    keyring_free(folder_generate(&mine, SLOT_PASSPHRASE));
    keyring_free(folder_generate(&other, SLOT_PASSPHRASE));
    CLEANUP_FREE uint8_t *bytes = slurp(mine.fd, KEYRING_FILE, &size);
    CLEANUP_FREE uint8_t *foreign = slurp(other.fd, KEYRING_FILE, &other_size);
    struct slot_sources sources = { .passphrase = mine.slot_passphrase };

    memcpy(bytes + 34, foreign + 34, SLOT_SIZE);
    spill(mine.fd, KEYRING_FILE, 0600, bytes, size);
    assert_refused(&mine, &sources, KEYRING_DAMAGED);
    memcpy(bytes + 12, foreign + 12, REALM_ID_SIZE); /* the head too: then the content refuses */
    spill(mine.fd, KEYRING_FILE, 0600, bytes, size);
    assert_refused(&mine, &sources, KEYRING_DAMAGED);
    folder_deinit(&mine);
    folder_deinit(&other);
}

static void test_not_a_file(void **state)
{
    struct folder folder;
    struct slot_sources sources = { .keyfile = NULL };

    folder_init(&folder);
    assert_refused(&folder, &sources, KEYRING_ABSENT);
    assert_int_equal(symlinkat("/etc/passwd", folder.fd, KEYRING_FILE), 0);
    assert_refused(&folder, &sources, -ELOOP);
    unlinkat(folder.fd, KEYRING_FILE, 0);
    assert_int_equal(mkfifoat(folder.fd, KEYRING_FILE, 0600), 0);
    assert_refused(&folder, &sources, KEYRING_DAMAGED);
    folder_deinit(&folder);
}

static void test_slot_names(void **state)
{
    enum slot_kind kind = 0;

    for (unsigned i = SLOT_KEYFILE; i <= SLOT_SHARES; i++) {
        assert_int_equal(slot_kind_parse(slot_kind_name((enum slot_kind)i), &kind), 0);
        assert_int_equal(kind, i);
    }
    assert_int_equal(slot_kind_parse("tpm", &kind), -EINVAL);
    assert_null(slot_kind_name(0));
    assert_null(slot_kind_name(5));
}

static void test_hashes(void **state)
{
    char text[] = "abc";
    struct iovec parts[] = { { text, 2 }, { text + 2, 1 } }, whole = { text, 3 };
    uint8_t one[32], other[32], name[32];
    struct keyring *keyring = NULL;

    assert_int_equal(keyring_new(&keyring), 0);
    keyring_log_hash(keyring, parts, 2, one);
    keyring_log_hash(keyring, &whole, 1, other);
    keyring_name_hash(keyring, &whole, 1, name);
    assert_memory_equal(one, other, 32);
    assert_memory_not_equal(one, name, 32);
    assert_int_equal(crypto_generichash(other, 32, (const uint8_t *)"abc", 3, keyring->keys->name,
                                        KEY_SIZE),
                     0);
    assert_memory_equal(other, name, 32);
    keyring_free(keyring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_keyfile),
        cmocka_unit_test(test_keyfile_that_is_there),
        cmocka_unit_test(test_credential),
        cmocka_unit_test(test_passphrase),
        cmocka_unit_test(test_requests_refused),
        cmocka_unit_test(test_backup_file_refused),
        cmocka_unit_test(test_every_bit_of_a_keyring),
        cmocka_unit_test(test_cost_above_cap),
        cmocka_unit_test(test_salt_and_nonce),
        cmocka_unit_test(test_several_slots),
        cmocka_unit_test(test_foreign_slot),
        cmocka_unit_test(test_not_a_file),
        cmocka_unit_test(test_slot_names),
        cmocka_unit_test(test_hashes),
    };

    return cmocka_run_group_tests(tests, init_keys, NULL);
}

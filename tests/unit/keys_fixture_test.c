/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The frozen files of each format version still open, with what they held. Real Argon2id here. */
#include "tests/unit/keys_support.h"

#include "common/recipient_key.h"
#include "dbus-service/keys/shares.h"
#include "dbus-service/store/journal.h"

static struct folder folder;
static uint8_t *content;
static size_t content_size;
static int source_fd;

static void copy(const char *name, mode_t mode)
{
    size_t size;
    CLEANUP_FREE uint8_t *bytes = slurp(source_fd, name, &size);

    spill(folder.fd, name, mode, bytes, size);
}

/* Into a folder with the modes that the service wants; a checkout does not keep them. */
static int copy_fixtures(const char *version)
{
    const char *root = getenv("srcdir");
    char path[PATH_MAX];

    if (keys_init() < 0)
        return -1;
    snprintf(path, sizeof(path), "%s/tests/fixtures/%s", root ? root : ".", version);
    source_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (source_fd < 0)
        return -1;
    folder_init(&folder);
    copy("keyfile", 0400);
    copy("credential", 0400);
    copy(KEYRING_FILE, 0600);
    content = slurp(source_fd, "content", &content_size);
    return 0;
}

static int copy_version_1(void **state)
{
    return copy_fixtures("v1");
}

/* A whole state folder, and the export that was made of it. */
static int copy_state_1(void **state)
{
    const char *root = getenv("srcdir");
    char path[PATH_MAX];

    (void)state;
    snprintf(path, sizeof(path), "%s/tests/fixtures/v1/state", root ? root : ".");
    source_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (keys_init() < 0 || source_fd < 0)
        return -1;
    folder_init(&folder);
    copy("keyfile", 0400);
    copy(KEYRING_FILE, 0600);
    content = NULL;
    return 0;
}

static int copy_version_2(void **state)
{
    return copy_fixtures("v2");
}

static int remove_fixtures(void **state)
{
    free(content);
    close(source_fd);
    folder_deinit(&folder);
    return 0;
}

/* The frozen content says the same; it is written in today's format, so bytes are not compared. */
static void assert_content(const struct keyring *keyring)
{
    CLEANUP_SECRET struct secret *frozen = NULL;
    CLEANUP_KEYRING struct keyring *expected = NULL;

    assert_int_equal(secret_new_copy(content, content_size, &frozen), 0);
    assert_int_equal(keyring_parse(frozen, &expected), KEYRING_DONE);
    assert_same_content(keyring, expected);
}

/* The first and the last of the lines. */
static void read_shares(struct share_set *ret_set)
{
    size_t size;
    CLEANUP_FREE uint8_t *lines = slurp(source_fd, "shares", &size);
    char *next = NULL, *line;

    *ret_set = (struct share_set){ .count = 0 };
    lines[size] = '\0';
    line = strtok_r((char *)lines, "\n", &next);
    for (unsigned i = 0; line; i++, line = strtok_r(NULL, "\n", &next)) {
        CLEANUP_SECRET struct secret *text = secret_of(line);
        struct share share;

        assert_int_equal(share_parse(text, &share), KEYRING_DONE);
        if (i != 1)
            assert_int_equal(share_set_add(ret_set, &share), KEYRING_DONE);
    }
}

static struct keyring *open_slot(enum slot_kind kind)
{
    char keyfile[PATH_MAX], credential[PATH_MAX];
    struct slot_sources sources = { .keyfile = NULL };
    struct keyring *keyring = NULL;
    struct share_set shares;
    enum slot_kind used;

    snprintf(keyfile, sizeof(keyfile), "%s/keyfile", folder.path);
    snprintf(credential, sizeof(credential), "%s/credential", folder.path);
    sources.keyfile = kind == SLOT_KEYFILE ? keyfile : NULL;
    sources.credential = kind == SLOT_CREDENTIAL ? credential : NULL;
    sources.passphrase = kind == SLOT_PASSPHRASE ? folder.slot_passphrase : NULL;
    if (kind == SLOT_SHARES) {
        read_shares(&shares);
        sources.shares = &shares;
    }
    assert_int_equal(keyring_open(folder.fd, &sources, &keyring, &used), KEYRING_DONE);
    assert_int_equal(used, kind);
    return keyring;
}

static void test_openbao_2230_slots_of_every_format_open(void **state)
{
    bool shares = faccessat(source_fd, "shares", F_OK, 0) == 0; /* since version 2 */

    for (unsigned i = SLOT_KEYFILE; i <= (shares ? SLOT_SHARES : SLOT_PASSPHRASE); i++) {
        struct keyring *keyring = open_slot((enum slot_kind)i);

        assert_content(keyring);
        keyring_free(keyring);
    }
}

/* What format 1 could not say. */
static void test_content_of_format_1(void **state)
{
    struct keyring *keyring = open_slot(SLOT_KEYFILE);
    struct generation_info info;
    struct rotation_state rotation;
    struct backup_info backup;

    keyring_generation(keyring, 0, &info);
    keyring_rotation(keyring, &rotation);
    keyring_backup_info(keyring, &backup);
    assert_int_equal(keyring_epoch(keyring), 1);
    assert_int_equal(keyring_active_generation(keyring), 1);
    assert_true(info.created_usec != 0 && info.activated_usec == info.created_usec);
    assert_int_equal(info.retired_usec, 0);
    assert_int_equal(keyring_recipients(keyring), 0);
    assert_int_equal(rotation.begun_usec, 0);
    assert_string_equal(backup.location, "/root/master.backup");
    assert_false(backup.in_directory);
    keyring_free(keyring);
}

static void test_backup_1(void **state)
{
    CLEANUP_CLOSE int fd = openat(source_fd, "backup", O_RDONLY | O_CLOEXEC);
    struct backup_key key = { .passphrase = folder.backup_passphrase };
    struct backup_manifest manifest;
    struct keyring *keyring = NULL;

    assert_int_equal(backup_open(fd, &key, &keyring, &manifest), KEYRING_DONE);
    assert_int_equal(manifest.revision, 0);
    keyring->backup = (struct backup_info){ .time_usec = 1767225600000000,
                                            .generation = 1,
                                            .location = "/root/master.backup" };
    assert_content(keyring);
    keyring_free(keyring);
}

/* The present format: what is read is written as the same bytes. */
static void test_content_of_format_2(void **state)
{
    struct keyring *keyring = open_slot(SLOT_KEYFILE);
    CLEANUP_SECRET struct secret *found = NULL;
    struct generation_info info[2];
    struct rotation_state rotation;
    struct backup_info backup;

    assert_int_equal(keyring_format(keyring, &found), 0);
    assert_int_equal(found->length, content_size);
    assert_memory_equal(found->bytes, content, content_size);
    keyring_generation(keyring, 0, &info[0]);
    keyring_generation(keyring, 1, &info[1]);
    keyring_rotation(keyring, &rotation);
    keyring_backup_info(keyring, &backup);
    assert_int_equal(keyring_active_generation(keyring), 2);
    assert_true(info[0].retired_usec != 0 && info[1].retired_usec == 0);
    assert_true(info[1].activated_usec >= info[1].created_usec);
    assert_int_equal(keyring_recipients(keyring), 1);
    assert_string_equal(keyring_recipient(keyring, 0)->name, "the safe, zweiter Stock, grün");
    assert_true(rotation.begun_usec == 1767225600000001 && rotation.ended_usec == 1767225600000002 &&
                rotation.re_encrypted == 30 && rotation.from == 1 && rotation.rate == 20000 &&
                rotation.paused);
    assert_string_equal(backup.location, "/root/master.backup");
    assert_true(backup.in_directory);
    keyring_free(keyring);
}

static void assert_backup_2(int fd, const struct backup_key *key)
{
    struct backup_manifest manifest;
    struct keyring *keyring = NULL, *expected = open_slot(SLOT_KEYFILE);

    assert_int_equal(backup_open(fd, key, &keyring, &manifest), KEYRING_DONE);
    assert_memory_equal(manifest.log_id, "a log of its id", sizeof(manifest.log_id));
    assert_int_equal(manifest.revision, 77);
    assert_int_equal(manifest.count, 2);
    assert_true(manifest.counts[1].class == 2 && manifest.counts[1].generation == 2 &&
                manifest.counts[1].records == 4000000000);
    assert_int_equal(keyring->backup.time_usec, 0); /* when it was written it was not proven yet */
    keyring->backup = expected->backup;
    assert_content(keyring);
    keyring_free(keyring);
    keyring_free(expected);
}

static void test_backup_2(void **state)
{
    CLEANUP_CLOSE int fd = openat(source_fd, "backup", O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE struct backup_facts *facts = NULL;
    CLEANUP_FREE uint8_t *text = NULL;
    struct keyring *keyring = open_slot(SLOT_KEYFILE);
    struct key private_key;
    size_t size;

    text = slurp(source_fd, "recipient", &size);
    assert_int_equal(recipient_private_parse((const char *)text, size, private_key.bytes),
                     RECIPIENT_KEY_DONE);
    assert_backup_2(fd, &(struct backup_key){ .passphrase = folder.backup_passphrase });
    assert_backup_2(fd, &(struct backup_key){ .private_key = &private_key });
    assert_int_equal(backup_inspect(fd, &facts), KEYRING_DONE);
    assert_string_equal(facts->hint, "the usual, two words more");
    assert_string_equal(facts->host, "a.example");
    assert_memory_equal(facts->hash, keyring->backup.hash, BACKUP_HASH_SIZE);
    assert_memory_equal(facts->signer, keyring_signer(keyring), 32);
    keyring_free(keyring);
}

static void test_records(void **state)
{
    size_t key_size, record_size, tombstone_size;
    CLEANUP_FREE uint8_t *key_bytes = slurp(source_fd, "record-key", &key_size);
    CLEANUP_FREE uint8_t *record = slurp(source_fd, "record", &record_size);
    CLEANUP_FREE uint8_t *tombstone = slurp(source_fd, "tombstone", &tombstone_size);
    CLEANUP_SECRET struct secret *value = NULL;
    struct keyring *keyring = open_slot(SLOT_KEYFILE);
    struct record_header header;
    struct record_key key;

    assert_int_equal(record_key_parse(key_bytes, key_size, &key), 0);
    assert_int_equal(record_open(keyring, &key, tombstone, tombstone_size, &header, &value),
                     RECORD_IS_TOMBSTONE);
    assert_int_equal(header.version, 2);
    assert_int_equal(record_open(keyring, &key, record, record_size, &header, &value),
                     RECORD_OPENED);
    assert_int_equal(header.version, 1);
    assert_int_equal(value->length, strlen("a frozen value"));
    assert_memory_equal(value->bytes, "a frozen value", value->length);
    keyring_free(keyring);
}

static void log_hash_of(void *userdata, const struct iovec *parts, size_t count,
                        uint8_t ret_hash[32])
{
    keyring_log_hash(userdata, parts, count, ret_hash);
}

struct opened {
    const struct keyring *keyring;
    size_t live, tombstones;
};

static int open_frozen(void *userdata, const struct log_walk_record *record)
{
    CLEANUP_SECRET struct secret *value = NULL;
    struct opened *opened = userdata;
    struct record_header header;
    int r = record_open(opened->keyring, record->key, record->record, record->size, &header, &value);

    opened->live += r == RECORD_OPENED;
    opened->tombstones += r == RECORD_IS_TOMBSTONE;
    return r == RECORD_OPENED || r == RECORD_IS_TOMBSTONE ? 0 : -EIO;
}

static struct opened check_frozen(struct keyring *keyring, const char *name)
{
    struct opened opened = { .keyring = keyring };
    CLEANUP_CLOSE int fd = openat(source_fd, name, O_RDONLY | O_CLOEXEC);
    const struct log_check_options options = { .fd = fd, .realm = keyring_realm(keyring),
                                               .hash = { log_hash_of, NULL, keyring },
                                               .each = open_frozen, .userdata = &opened };
    struct log_file_report report;

    assert_true(fd >= 0);
    assert_int_equal(log_check(&options, &report), LOG_DONE);
    assert_true(report.head.revision > 10);
    assert_int_equal(report.records, opened.live + opened.tombstones);
    return opened;
}

/* Every record opens; the export holds the live ones. */
static void test_journal_and_export_1(void **state)
{
    struct keyring *keyring = open_slot(SLOT_KEYFILE);
    struct opened journal, export;

    (void)state;
    journal = check_frozen(keyring, "journal");
    export = check_frozen(keyring, "../export");
    assert_true(journal.live > 0 && journal.tombstones > 0);
    assert_int_equal(export.live, journal.live);
    assert_int_equal(export.tombstones, 0);
    keyring_free(keyring);
}

int main(void)
{
    const struct CMUnitTest state_1[] = { cmocka_unit_test(test_journal_and_export_1) };
    const struct CMUnitTest version_1[] = {
        cmocka_unit_test(test_openbao_2230_slots_of_every_format_open),
        cmocka_unit_test(test_content_of_format_1),
        cmocka_unit_test(test_backup_1),
        cmocka_unit_test(test_records),
    };
    const struct CMUnitTest version_2[] = {
        cmocka_unit_test(test_openbao_2230_slots_of_every_format_open),
        cmocka_unit_test(test_content_of_format_2),
        cmocka_unit_test(test_backup_2),
        cmocka_unit_test(test_records),
    };

    return cmocka_run_group_tests(state_1, copy_state_1, remove_fixtures) +
           cmocka_run_group_tests(version_1, copy_version_1, remove_fixtures) +
           cmocka_run_group_tests(version_2, copy_version_2, remove_fixtures);
}

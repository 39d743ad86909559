/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Backups: what was written opens with each of its keys and no other, says what it is without any,
 * and any change fails closed with the outcome that names it. */
#define KEYS_FAST_PASSPHRASE
#include "tests/unit/keys_support.h"

#include "common/backup_signature.h"
#include "common/recipient_key.h"
#include "dbus-service/keys/backup_file.h"
#include "dbus-service/keys/keyring_change.h"
#include "dbus-service/keys/slot.h"

#include <errno.h>

static int lying_fd = -1; /* whose disk gives back another byte than it took */
static int instead_fd = -1; /* or another file */

ssize_t __real_pread(int fd, void *bytes, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset);

ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset)
{
    int from = fd == lying_fd && instead_fd >= 0 ? instead_fd : fd;
    ssize_t n = __real_pread(from, bytes, size, offset);

    if (from == lying_fd && n > 0)
        ((uint8_t *)bytes)[n / 2] ^= 1;
    return n;
}

/* A keyring of two generations and two recipients, the private keys of those, and a folder. */
struct stand {
    struct folder folder;
    struct keyring *keyring;
    struct key private_keys[2];
    struct backup_info info;
    struct backup_manifest manifest;
};

static void change(struct keyring **keyring, struct keyring_change change)
{
    struct keyring *changed = NULL;

    assert_int_equal(keyring_change(*keyring, &change, &changed), KEYRING_DONE);
    keyring_free(*keyring);
    *keyring = changed;
}

static void stand_init(struct stand *stand)
{
    *stand = (struct stand){ .manifest = { .log_id = "a log of its id",
                                           .revision = 77,
                                           .count = 2,
                                           .counts = { { 1, 2, 3 }, { 2, 1, UINT64_MAX } } } };
    folder_init(&stand->folder);
    assert_int_equal(keyring_new(&stand->keyring), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct recipient recipient = { .added_usec = 0 };

        snprintf(recipient.name, sizeof(recipient.name), "recipient %u", i);
        assert_int_equal(recipient_key_new(stand->private_keys[i].bytes, recipient.public_key), 0);
        change(&stand->keyring, (struct keyring_change){ .add_recipient = &recipient });
    }
    change(&stand->keyring, (struct keyring_change){ .add_generation = true, .activate = 2 });
}

static void stand_deinit(struct stand *stand)
{
    keyring_free(stand->keyring);
    folder_deinit(&stand->folder);
}

static struct backup_request request_of(const struct stand *stand, bool passphrase, bool recipients)
{
    return (struct backup_request){
        .passphrase = passphrase ? stand->folder.backup_passphrase : NULL,
        .to_recipients = recipients,
        .hint = "the usual",
        .manifest = &stand->manifest,
    };
}

static void write_backup(struct stand *stand, bool passphrase, bool recipients)
{
    struct backup_request request = request_of(stand, passphrase, recipients);

    assert_int_equal(ftruncate(stand->folder.backup_fd, 0), 0);
    assert_int_equal(backup_write(stand->folder.backup_fd, stand->keyring, &request, &stand->info),
                     KEYRING_DONE);
}

/* What that wrote; the caller frees. */
static uint8_t *written(struct stand *stand, bool passphrase, bool recipients, size_t *ret_size)
{
    write_backup(stand, passphrase, recipients);
    return slurp(stand->folder.fd, "backup", ret_size);
}

static int open_by(const struct stand *stand, const struct secret *passphrase,
                   const struct key *private_key, struct keyring **ret_keyring)
{
    struct backup_key key = { passphrase, private_key };
    struct backup_manifest manifest;

    return backup_open(stand->folder.backup_fd, &key, ret_keyring, &manifest);
}

static void assert_opens(const struct stand *stand, const struct secret *passphrase,
                         const struct key *private_key)
{
    struct backup_key key = { passphrase, private_key };
    struct backup_manifest manifest;
    struct keyring *found = NULL;
    static const uint8_t zero[KEY_SIZE];

    memset(&manifest, 0xff, sizeof(manifest));
    assert_int_equal(backup_open(stand->folder.backup_fd, &key, &found, &manifest), KEYRING_DONE);
    assert_same_content(stand->keyring, found);
    assert_memory_equal(&manifest, &stand->manifest, sizeof(manifest));
    assert_memory_not_equal(found->keys->root, zero, KEY_SIZE);
    assert_memory_not_equal(found->keys->root, stand->keyring->keys->root, KEY_SIZE);
    keyring_free(found);
}

static void assert_refused(const struct stand *stand, const struct secret *passphrase,
                           const struct key *private_key, int outcome)
{
    struct keyring *found = NULL;

    assert_int_equal(open_by(stand, passphrase, private_key, &found), outcome);
    assert_null(found);
}

static void test_locks(void **state)
{
    CLEANUP_SECRET struct secret *wrong = secret_of("correct horse bakery");
    const struct key stranger = { "a private key of somebody else's" };
    struct stand stand;

    stand_init(&stand);
    write_backup(&stand, true, false);
    assert_opens(&stand, stand.folder.backup_passphrase, NULL);
    assert_refused(&stand, wrong, NULL, KEYRING_WRONG_KEY);
    assert_refused(&stand, NULL, &stand.private_keys[0], KEYRING_NO_SLOT);
    assert_refused(&stand, NULL, NULL, KEYRING_NO_SLOT);
    write_backup(&stand, false, true);
    assert_opens(&stand, NULL, &stand.private_keys[0]);
    assert_opens(&stand, NULL, &stand.private_keys[1]);
    assert_refused(&stand, NULL, &stranger, KEYRING_WRONG_KEY);
    assert_refused(&stand, stand.folder.backup_passphrase, NULL, KEYRING_NO_SLOT);
    write_backup(&stand, true, true);
    assert_opens(&stand, stand.folder.backup_passphrase, NULL);
    assert_opens(&stand, NULL, &stand.private_keys[1]);
    assert_refused(&stand, wrong, NULL, KEYRING_WRONG_KEY);
    assert_refused(&stand, NULL, &stranger, KEYRING_WRONG_KEY);
    stand_deinit(&stand);
}

/* Who is no recipient any more, opens none of those that come. */
static void test_recipient_removed(void **state)
{
    struct stand stand;

    stand_init(&stand);
    change(&stand.keyring, (struct keyring_change){ .remove_recipient = "recipient 0" });
    write_backup(&stand, false, true);
    assert_refused(&stand, NULL, &stand.private_keys[0], KEYRING_WRONG_KEY);
    assert_opens(&stand, NULL, &stand.private_keys[1]);
    stand_deinit(&stand);
}

static void assert_request_refused(const struct stand *stand, const struct backup_request *request,
                                   int outcome)
{
    struct backup_info info;
    struct stat status;

    assert_int_equal(backup_write(stand->folder.backup_fd, stand->keyring, request, &info),
                     outcome);
    assert_int_equal(fstat(stand->folder.backup_fd, &status), 0);
    assert_int_equal(status.st_size, 0);
}

static void test_requests_refused(void **state)
{
    CLEANUP_SECRET struct secret *shorter = secret_of("7 bytes");
    struct backup_request request;
    struct stand stand;
    char longer[HINT_MAX_BYTES + 2];

    stand_init(&stand);
    request = request_of(&stand, false, false);
    assert_request_refused(&stand, &request, -EINVAL);
    request.passphrase = shorter;
    assert_request_refused(&stand, &request, KEYRING_PASSPHRASE_LENGTH);
    request = request_of(&stand, true, false);
    memset(longer, 'h', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    request.hint = longer;
    assert_request_refused(&stand, &request, -EINVAL);
    request.hint = "\xff";
    assert_request_refused(&stand, &request, -EINVAL);
    change(&stand.keyring, (struct keyring_change){ .remove_recipient = "recipient 0" });
    change(&stand.keyring, (struct keyring_change){ .remove_recipient = "recipient 1" });
    request = request_of(&stand, true, true); /* not quietly without them */
    assert_request_refused(&stand, &request, KEYRING_NO_RECIPIENTS);
    stand.keyring->signing_present = false;
    request = request_of(&stand, true, false);
    assert_request_refused(&stand, &request, -EINVAL);
    stand_deinit(&stand);
}

/* The head of what was just written. */
static struct backup_head parsed(const uint8_t *bytes, size_t size)
{
    struct backup_head head;

    assert_int_equal(backup_head_parse(bytes, size, &head), BACKUP_HEAD_DONE);
    return head;
}

static void assert_head(const struct stand *stand, const struct backup_head *head)
{
    assert_int_equal(head->generation_count, 2);
    for (unsigned i = 0; i < 2; i++) {
        const uint8_t *fingerprint;

        assert_int_equal(backup_head_generation(head, i, &fingerprint), i + 1);
        assert_memory_equal(fingerprint, stand->keyring->generations[i].info.fingerprint,
                            FINGERPRINT_SIZE);
    }
    assert_int_equal(head->lock_count, 3);
    assert_int_equal(head->locks[0].kind, BACKUP_LOCK_PASSPHRASE);
    assert_int_equal(head->locks[2].kind, BACKUP_LOCK_RECIPIENT);
    assert_string_equal(head->locks[2].name, "recipient 1");
    assert_memory_equal(head->locks[2].public_key,
                        keyring_recipient(stand->keyring, 1)->public_key, 32);
}

static void test_inspect(void **state)
{
    CLEANUP_FREE struct backup_facts *facts = NULL;
    CLEANUP_FREE uint8_t *bytes = NULL;
    struct backup_head head;
    uint8_t hash[32];
    char host[256] = "";
    struct stand stand;
    size_t size;

    stand_init(&stand);
    bytes = written(&stand, true, true, &size);
    assert_int_equal(backup_inspect(stand.folder.backup_fd, &facts), KEYRING_DONE);
    crypto_generichash(hash, sizeof(hash), bytes, size, NULL, 0);
    gethostname(host, sizeof(host) - 1);
    assert_int_equal(facts->format, 2);
    assert_memory_equal(facts->hash, hash, BACKUP_HASH_SIZE);
    assert_memory_equal(stand.info.hash, hash, BACKUP_HASH_SIZE);
    assert_int_equal(stand.info.generation, 2);
    assert_int_equal(facts->generation, 2);
    assert_true(facts->created_usec != 0 && facts->created_usec <= stand.info.time_usec);
    assert_memory_equal(facts->realm, keyring_realm(stand.keyring), REALM_ID_SIZE);
    assert_true(facts->is_signed);
    assert_memory_equal(facts->signer, keyring_signer(stand.keyring), 32);
    assert_string_equal(facts->hint, "the usual");
    assert_string_equal(facts->host, host);
    head = parsed(bytes, size);
    assert_head(&stand, &head);
    stand_deinit(&stand);
}

/* A byte changed on the way to the disk or back is seen before it is called a backup. */
static void test_proof(void **state)
{
    struct backup_request request;
    struct stand stand;

    stand_init(&stand);
    for (unsigned locks = 1; locks <= 3; locks++) {
        request = request_of(&stand, locks & 1, locks & 2);
        lying_fd = stand.folder.backup_fd;
        assert_request_refused(&stand, &request, KEYRING_BACKUP_FAILED);
        lying_fd = -1;
    }
    /* A list of generations that does not fit the secrets below it is no backup. */
    stand.keyring->generations[0].info.fingerprint[FINGERPRINT_SIZE - 1] ^= 1;
    for (unsigned locks = 1; locks <= 3; locks++) {
        request = request_of(&stand, locks & 1, locks & 2);
        assert_request_refused(&stand, &request, KEYRING_BACKUP_FAILED);
    }
    stand_deinit(&stand);
}

/* A sound backup of the same keyring, under the same passphrase, but not this one: no recipient
 * would open it. */
static void test_proof_of_another(void **state)
{
    struct backup_request request;
    CLEANUP_FREE uint8_t *bytes = NULL;
    struct stand stand;
    size_t size;

    stand_init(&stand);
    bytes = written(&stand, true, false, &size);
    spill(stand.folder.fd, "other", 0600, bytes, size);
    instead_fd = openat(stand.folder.fd, "other", O_RDONLY | O_CLOEXEC);
    lying_fd = stand.folder.backup_fd;
    assert_int_equal(ftruncate(stand.folder.backup_fd, 0), 0);
    request = request_of(&stand, true, true);
    assert_request_refused(&stand, &request, KEYRING_BACKUP_FAILED);
    close(instead_fd);
    instead_fd = lying_fd = -1;
    stand_deinit(&stand);
}

/* Sweeps: the file as given, under every key. */

static void put_file(const struct stand *stand, const uint8_t *bytes, size_t size)
{
    assert_int_equal(ftruncate(stand->folder.backup_fd, 0), 0);
    assert_int_equal(pwrite(stand->folder.backup_fd, bytes, size, 0), (ssize_t)size);
}

/* The outcome, which must be the same for whoever has a key and whoever has none. */
static int outcome_of(const struct stand *stand, const uint8_t *bytes, size_t size)
{
    struct backup_facts *facts = NULL;
    struct keyring *found = NULL;
    int r, others[2];

    put_file(stand, bytes, size);
    r = backup_inspect(stand->folder.backup_fd, &facts);
    free(facts);
    if (r == KEYRING_DONE)
        return r;
    others[0] = open_by(stand, stand->folder.backup_passphrase, NULL, &found);
    others[1] = open_by(stand, NULL, &stand->private_keys[0], &found);
    assert_null(found);
    assert_int_equal(others[0], r);
    assert_int_equal(others[1], r);
    return r;
}

static void sweep_lengths(const struct stand *stand, const uint8_t *bytes, size_t size)
{
    for (size_t length = 0; length < size; length++)
        if (outcome_of(stand, bytes, length) !=
            (length < SEALED_MAGIC_SIZE ? KEYRING_NOT_A_BACKUP : KEYRING_DAMAGED))
            fail_msg("length %zu", length);
}

static bool is_fitting(size_t offset, int outcome)
{
    if (offset < SEALED_MAGIC_SIZE)
        return outcome == KEYRING_NOT_A_BACKUP;
    if (offset < SEALED_MAGIC_SIZE + 4 && outcome == KEYRING_NEWER)
        return true;
    return outcome == KEYRING_DAMAGED;
}

static void test_every_bit_and_length(void **state)
{
    CLEANUP_FREE uint8_t *bytes = NULL;
    struct stand stand;
    size_t size;

    stand_init(&stand);
    bytes = written(&stand, true, true, &size);
    for (size_t i = 0; i < size * 8; i++) {
        int r;

        bytes[i / 8] ^= (uint8_t)(1U << (i % 8));
        r = outcome_of(&stand, bytes, size);
        if (!is_fitting(i / 8, r))
            fail_msg("bit %zu of byte %zu: outcome %d", i % 8, i / 8, r);
        bytes[i / 8] ^= (uint8_t)(1U << (i % 8));
    }
    bytes[8] = 1; /* another format that is known */
    assert_int_equal(outcome_of(&stand, bytes, size), KEYRING_DAMAGED);
    bytes[8] = 2;
    sweep_lengths(&stand, bytes, size);
    bytes[size] = 0; /* slurp() leaves room */
    assert_int_equal(outcome_of(&stand, bytes, size + 1), KEYRING_DAMAGED);
    put_file(&stand, bytes, size);
    assert_opens(&stand, stand.folder.backup_passphrase, NULL);
    stand_deinit(&stand);
}

static void test_other_files(void **state)
{
    struct stand stand;
    CLEANUP_FREE uint8_t *large = calloc(1, 2 * BACKUP_FILE_MAX);

    stand_init(&stand);
    assert_int_equal(outcome_of(&stand, large, 0), KEYRING_NOT_A_BACKUP);
    assert_int_equal(outcome_of(&stand, large, 2 * BACKUP_FILE_MAX), KEYRING_NOT_A_BACKUP);
    memcpy(large, "MSBACKU1\2\0\0", 12);
    assert_int_equal(outcome_of(&stand, large, 2 * BACKUP_FILE_MAX), KEYRING_DAMAGED);
    assert_int_equal(outcome_of(&stand, (const uint8_t *)"MSKEYR1\n\1\0\0", 12),
                     KEYRING_NOT_A_BACKUP);
    stand_deinit(&stand);
}

/* Forgeries by somebody who can sign: with a key of his own, or as the realm. */

static void sign(uint8_t *bytes, size_t size, const uint8_t *secret)
{
    CLEANUP_FREE uint8_t *labelled = malloc(BACKUP_LABEL_SIZE + size);

    memcpy(labelled, BACKUP_LABEL, BACKUP_LABEL_SIZE);
    memcpy(labelled + BACKUP_LABEL_SIZE, bytes, size);
    crypto_sign_detached(bytes + size - BACKUP_SIGNATURE_SIZE, NULL, labelled,
                         BACKUP_LABEL_SIZE + size - BACKUP_SIGNATURE_SIZE, secret);
}

/* The realm's file under another's signature. */
static void test_signed_by_another(void **state)
{
    CLEANUP_FREE uint8_t *bytes = NULL;
    CLEANUP_FREE struct backup_facts *facts = NULL;
    uint8_t public_key[32], secret[64];
    struct stand stand;
    size_t size;

    stand_init(&stand);
    bytes = written(&stand, true, true, &size);
    crypto_sign_keypair(public_key, secret);
    memcpy(bytes + (parsed(bytes, size).signer - bytes), public_key, 32);
    sign(bytes, size, secret);
    put_file(&stand, bytes, size);
    assert_int_equal(backup_inspect(stand.folder.backup_fd, &facts), KEYRING_DONE);
    assert_memory_not_equal(facts->signer, keyring_signer(stand.keyring), 32);
    assert_refused(&stand, stand.folder.backup_passphrase, NULL, KEYRING_DAMAGED);
    assert_refused(&stand, NULL, &stand.private_keys[0], KEYRING_DAMAGED);
    stand_deinit(&stand);
}

/* Anybody can seal to a public key: a keyring that somebody else made up, under the realm's id. It
 * opens, but by its signer it is known, and it does not get into a keyring that is there. */
static void test_made_by_another(void **state)
{
    CLEANUP_FREE struct backup_facts *facts = NULL;
    struct keyring *realm, *found = NULL, *merged = NULL;
    struct stand stand;

    stand_init(&stand);
    realm = stand.keyring;
    assert_int_equal(keyring_new(&stand.keyring), 0);
    memcpy(stand.keyring->realm, realm->realm, REALM_ID_SIZE);
    memcpy(stand.keyring->recipients, realm->recipients, sizeof(realm->recipients));
    stand.keyring->recipient_count = realm->recipient_count;
    write_backup(&stand, false, true);
    assert_int_equal(backup_inspect(stand.folder.backup_fd, &facts), KEYRING_DONE);
    assert_memory_not_equal(facts->signer, keyring_signer(realm), 32);
    assert_int_equal(open_by(&stand, NULL, &stand.private_keys[0], &found), KEYRING_DONE);
    assert_int_equal(keyring_merge(realm, found, &merged), KEYRING_KEYS_DIFFER);
    keyring_free(found);
    keyring_free(realm);
    stand_deinit(&stand);
}

/* One byte of each part, under a good signature: it is caught by what is below. */
static void test_parts_under_a_good_signature(void **state)
{
    CLEANUP_FREE uint8_t *bytes = NULL;
    struct backup_head file;
    struct stand stand;
    size_t size;

    stand_init(&stand);
    bytes = written(&stand, true, true, &size);
    file = parsed(bytes, size);
    const struct {
        const uint8_t *place;
        int by_passphrase, by_private_key;
    } parts[] = {
        { bytes + 12, KEYRING_DAMAGED, KEYRING_DAMAGED },    /* realm */
        { bytes + 40, KEYRING_DAMAGED, KEYRING_DAMAGED },    /* hint */
        { file.generations, KEYRING_DAMAGED, KEYRING_DAMAGED },
        { file.locks[0].bytes + 17, KEYRING_WRONG_KEY, KEYRING_DAMAGED }, /* salt */
        { file.locks[0].bytes + 33, KEYRING_WRONG_KEY, KEYRING_DAMAGED }, /* commitment */
        { file.locks[0].nonce, KEYRING_DAMAGED, KEYRING_DAMAGED },
        { file.locks[0].wrapped, KEYRING_DAMAGED, KEYRING_DAMAGED },
        { file.locks[1].bytes + 1, KEYRING_DAMAGED, KEYRING_WRONG_KEY }, /* public key */
        { file.locks[1].sealed, KEYRING_DAMAGED, KEYRING_DAMAGED },
        { bytes + file.size - 1, KEYRING_DAMAGED, KEYRING_DAMAGED }, /* commitment */
        { bytes + file.size, KEYRING_DAMAGED, KEYRING_DAMAGED },     /* nonce */
        { file.sealed, KEYRING_DAMAGED, KEYRING_DAMAGED },
    };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t offset = (size_t)(parts[i].place - bytes);

        bytes[offset] ^= 1;
        sign(bytes, size, stand.keyring->keys->signing_secret);
        put_file(&stand, bytes, size);
        assert_refused(&stand, stand.folder.backup_passphrase, NULL, parts[i].by_passphrase);
        assert_refused(&stand, NULL, &stand.private_keys[0], parts[i].by_private_key);
        bytes[offset] ^= 1;
    }
    sign(bytes, size, stand.keyring->keys->signing_secret);
    put_file(&stand, bytes, size);
    assert_opens(&stand, NULL, &stand.private_keys[0]);
    stand_deinit(&stand);
}

/* A lock brought over from another backup of the same realm, for the same keys. */
static void test_lock_of_another_backup(void **state)
{
    CLEANUP_FREE uint8_t *bytes = NULL;
    CLEANUP_FREE uint8_t *other = NULL;
    struct backup_head file, from;
    struct stand stand;
    size_t size, other_size;

    stand_init(&stand);
    other = written(&stand, true, true, &other_size);
    bytes = written(&stand, true, true, &size);
    assert_int_equal(size, other_size);
    file = parsed(bytes, size);
    from = parsed(other, other_size);
    memcpy(bytes + (file.locks[0].bytes - bytes), from.locks[0].bytes, 1 + 16 + 16 + 32 + 24 + 48);
    sign(bytes, size, stand.keyring->keys->signing_secret);
    put_file(&stand, bytes, size);
    assert_refused(&stand, stand.folder.backup_passphrase, NULL, KEYRING_DAMAGED);
    assert_refused(&stand, NULL, &stand.private_keys[1], KEYRING_DAMAGED);
    stand_deinit(&stand);
}

/* Somebody who can do all: who is a recipient, has the realm's signing key, and seals anew. */
struct forger {
    struct stand stand;
    uint8_t *bytes;
    size_t size;
    struct backup_head file;
    struct key key;         /* of the content */
    struct secret *content; /* in the plain */
};

static int forger_open(struct forger *forger)
{
    const struct backup_head *file = &forger->file;
    struct sealed sealed = { BACKUP_LABEL, file->bytes, file->size,
                             file->nonce,  file->sealed, file->sealed_size };

    return sealed_open(&sealed, &forger->key, &forger->content);
}

static void forger_init(struct forger *forger)
{
    struct backup_key owner = { .private_key = &forger->stand.private_keys[0] };

    stand_init(&forger->stand);
    forger->bytes = written(&forger->stand, false, true, &forger->size);
    forger->file = parsed(forger->bytes, forger->size);
    assert_int_equal(backup_file_unlock(&forger->file, &owner, &forger->key), KEYRING_DONE);
    assert_int_equal(forger_open(forger), KEYRING_DONE);
}

/* The file as changed in the head, with the content as changed. */
static void forger_put(struct forger *forger)
{
    struct cursor cursor = cursor_writer(forger->bytes, forger->size);

    cursor.position = forger->file.size;
    assert_int_equal(sealed_put(&cursor, BACKUP_LABEL, cursor.position, forger->content,
                                &forger->key),
                     0);
    sign(forger->bytes, forger->size, forger->stand.keyring->keys->signing_secret);
    put_file(&forger->stand, forger->bytes, forger->size);
}

static void forger_deinit(struct forger *forger)
{
    secret_free(forger->content);
    free(forger->bytes);
    stand_deinit(&forger->stand);
}

/* XChaCha20-Poly1305 does not commit to its key: a file could be made that holds one keyring for
 * one recipient and another for the next. So the file commits to the key under its locks; here all
 * but that fits. */
static void test_commitment(void **state)
{
    struct forger forger;

    forger_init(&forger);
    forger_put(&forger);
    assert_opens(&forger.stand, NULL, &forger.stand.private_keys[0]);
    forger.bytes[forger.file.size - 1] ^= 1;
    forger_put(&forger);
    assert_refused(&forger.stand, NULL, &forger.stand.private_keys[0], KEYRING_DAMAGED);
    forger_deinit(&forger);
}

/* What the head says without a key is what the content says: realm, a fingerprint, the signer. */
static void test_head_that_lies(void **state)
{
    struct forger forger;

    forger_init(&forger);
    struct keyring *keyring = forger.stand.keyring;
    const uint8_t *const parts[] = { keyring->realm, keyring->signing_public,
                                     keyring->generations[1].keys->secret };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        uint8_t *place = memmem(forger.content->bytes, forger.content->length, parts[i], 16);

        assert_non_null(place);
        *place ^= 1;
        forger_put(&forger);
        assert_refused(&forger.stand, NULL, &forger.stand.private_keys[0], KEYRING_DAMAGED);
        *place ^= 1;
    }
    forger_put(&forger);
    assert_opens(&forger.stand, NULL, &forger.stand.private_keys[0]);
    forger_deinit(&forger);
}

/* Costs above the caps are refused before anything is computed or allocated. */
static void test_cost_above_cap(void **state)
{
    static const struct {
        size_t offset; /* in the lock */
        uint8_t value;
        int outcome;
    } costs[] = {
        { 1, 17, KEYRING_NEWER }, { 1, 0, KEYRING_DAMAGED }, { 9 + 4, 1, KEYRING_NEWER },
        { 9 + 3, 0, KEYRING_DAMAGED },
    };
    CLEANUP_FREE uint8_t *bytes = NULL;
    struct stand stand;
    size_t size;

    stand_init(&stand);
    bytes = written(&stand, true, false, &size);
    for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
        size_t offset = (size_t)(parsed(bytes, size).locks[0].bytes - bytes) + costs[i].offset;
        uint8_t saved = bytes[offset];

        bytes[offset] = costs[i].value;
        sign(bytes, size, stand.keyring->keys->signing_secret);
        put_file(&stand, bytes, size);
        assert_refused(&stand, stand.folder.backup_passphrase, NULL, costs[i].outcome);
        bytes[offset] = saved;
    }
    stand_deinit(&stand);
}

/* Rules of the structure that a signature alone does not keep. */
static void test_rules(void **state)
{
    CLEANUP_FREE uint8_t *bytes = NULL;
    struct backup_head file;
    struct stand stand;
    size_t size, generations, kind, name, count;

    stand_init(&stand);
    bytes = written(&stand, true, true, &size);
    file = parsed(bytes, size);
    kind = (size_t)(file.locks[1].bytes - bytes);
    name = kind + 1 + 32 + 4;
    count = (size_t)(file.signer - bytes) + 32;
    generations = (size_t)(file.generations - bytes);
    const struct {
        size_t offset;
        uint8_t value;
    } rules[] = {
        { kind, 0 },    { kind, 1 },       { kind, 3 },     { kind - 4, 0 }, { kind - 2, 1 },
        { name, '\n' }, { name, 0 },       { name, 0xff },  { name - 4, 10 }, { count, 0 },
        { count, 2 },   { count, 4 },      { count, 66 },   { count + 1, 1 },
        { generations - 2, 0 },            { generations - 1, 9 },
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        uint8_t saved = bytes[rules[i].offset];

        bytes[rules[i].offset] = rules[i].value;
        if (backup_head_parse(bytes, size, &file) != BACKUP_HEAD_DAMAGED)
            fail_msg("rule %zu", i);
        bytes[rules[i].offset] = saved;
    }
    assert_int_equal(backup_head_parse(bytes, size, &file), BACKUP_HEAD_DONE);
    stand_deinit(&stand);
}

/* Two locks of a passphrase would cost whoever tries them two seconds; 65 a minute. */
static void test_two_passphrases(void **state)
{
    CLEANUP_FREE uint8_t *bytes = NULL;
    CLEANUP_FREE uint8_t *two = NULL;
    struct backup_head file;
    struct stand stand;
    size_t size, start, length = 1 + 16 + 16 + 32 + 24 + 48;

    stand_init(&stand);
    bytes = written(&stand, true, false, &size);
    start = (size_t)(parsed(bytes, size).locks[0].bytes - bytes) - 4;
    two = malloc(size + 4 + length);
    memcpy(two, bytes, start + 4 + length);
    memcpy(two + start + 4 + length, bytes + start, size - start);
    two[start - 2] = 2;
    assert_int_equal(backup_head_parse(two, size + 4 + length, &file), BACKUP_HEAD_DAMAGED);
    stand_deinit(&stand);
}

static void test_manifest(void **state)
{
    static struct backup_manifest manifest = { .revision = UINT64_MAX, .count = BACKUP_COUNTS_MAX };
    uint8_t bytes[BACKUP_MANIFEST_MAX_SIZE + 1] = { 0 };
    struct backup_manifest found;
    struct cursor cursor = cursor_writer(bytes, sizeof(bytes));
    size_t size;

    for (unsigned i = 0; i < BACKUP_COUNTS_MAX; i++)
        manifest.counts[i] = (struct backup_count){ (uint8_t)i, i + 1, i * 1000 };
    backup_manifest_put(&cursor, &manifest);
    size = cursor.position;
    assert_int_equal(size, BACKUP_MANIFEST_MAX_SIZE);
    for (size_t length = 0; length <= size + 1; length++) {
        cursor = cursor_reader(bytes, length);
        if (backup_manifest_parse(&cursor, &found) !=
            (length == size ? KEYRING_DONE : KEYRING_DAMAGED))
            fail_msg("length %zu", length);
    }
    cursor = cursor_reader(bytes, size);
    assert_int_equal(backup_manifest_parse(&cursor, &found), KEYRING_DONE);
    assert_memory_equal(found.counts, manifest.counts, sizeof(found.counts));
    bytes[0] = 2;
    cursor = cursor_reader(bytes, size);
    assert_int_equal(backup_manifest_parse(&cursor, &found), KEYRING_NEWER);
    bytes[0] = 0;
    cursor = cursor_reader(bytes, size);
    assert_int_equal(backup_manifest_parse(&cursor, &found), KEYRING_DAMAGED);
}

/* Nothing that is sealed stands in the file in the plain, and nothing repeats in the next one. */
static void test_nothing_in_the_plain(void **state)
{
    CLEANUP_FREE uint8_t *bytes = NULL;
    CLEANUP_FREE uint8_t *next = NULL;
    struct backup_head file, other;
    struct stand stand;
    size_t size, next_size;

    stand_init(&stand);
    bytes = written(&stand, true, true, &size);
    const uint8_t *const secrets[] = {
        stand.keyring->generations[0].keys->secret, stand.keyring->generations[1].keys->secret,
        stand.keyring->keys->log,                   stand.keyring->keys->name,
        stand.keyring->keys->root,                  stand.keyring->keys->signing_secret,
        stand.keyring->keys->host_secret,
    };

    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
        assert_null(memmem(bytes, size, secrets[i], 16));
    next = written(&stand, true, true, &next_size);
    file = parsed(bytes, size);
    other = parsed(next, next_size);
    assert_memory_not_equal(file.locks[0].salt, other.locks[0].salt, PASSPHRASE_SALT_SIZE);
    assert_memory_not_equal(file.locks[0].nonce, other.locks[0].nonce, SEALED_NONCE_SIZE);
    assert_memory_not_equal(file.locks[1].sealed, other.locks[1].sealed, 32);
    assert_memory_not_equal(file.commitment, other.commitment, BACKUP_COMMITMENT_SIZE);
    assert_memory_not_equal(file.nonce, other.nonce, SEALED_NONCE_SIZE);
    stand_deinit(&stand);
}

/* Format 1, as its version wrote it: content format 1 under the passphrase alone, not signed. */

static size_t format_content_1(const struct keyring *keyring, uint8_t *ret_bytes, size_t room)
{
    struct cursor cursor = cursor_writer(ret_bytes, room);

    cursor_put_u8(&cursor, 1);
    cursor_put_bytes(&cursor, keyring->realm, REALM_ID_SIZE);
    cursor_put_u64(&cursor, keyring->epoch);
    cursor_put_u32(&cursor, keyring->active);
    cursor_put_u16(&cursor, (uint16_t)keyring->count);
    for (size_t i = 0; i < keyring->count; i++) {
        cursor_put_u32(&cursor, keyring->generations[i].info.number);
        cursor_put_bytes(&cursor, keyring->generations[i].info.id, GENERATION_ID_SIZE);
        cursor_put_u64(&cursor, keyring->generations[i].info.created_usec);
        cursor_put_bytes(&cursor, keyring->generations[i].keys->secret, KEY_SIZE);
    }
    cursor_put_bytes(&cursor, keyring->keys->log, KEY_SIZE);
    cursor_put_bytes(&cursor, keyring->keys->name, KEY_SIZE);
    cursor_put_bytes(&cursor, keyring->host_public, KEY_SIZE);
    cursor_put_bytes(&cursor, keyring->keys->host_secret, KEY_SIZE);
    cursor_put_u8(&cursor, 1);
    cursor_put_bytes(&cursor, keyring->signing_public, KEY_SIZE);
    cursor_put_bytes(&cursor, keyring->keys->signing_secret, SIGNING_SECRET_SIZE);
    cursor_put_u64(&cursor, 0);
    cursor_put_u32(&cursor, 0);
    cursor_put_block(&cursor, "", 0);
    assert_true(cursor_ok(&cursor));
    return cursor.position;
}

static size_t cost_offset; /* of opslimit; memlimit, salt and commitment follow */

static size_t format_backup_1(const struct stand *stand, uint8_t *ret_bytes, size_t room)
{
    CLEANUP_SECRET struct secret *content = NULL;
    struct key material, key;
    uint8_t salt[PASSPHRASE_SALT_SIZE], commitment[32];
    struct cursor cursor = cursor_writer(ret_bytes, room);

    assert_int_equal(secret_new(2048, &content), 0);
    content->length = format_content_1(stand->keyring, content->bytes, content->capacity);
    random_bytes(salt, sizeof(salt));
    assert_int_equal(passphrase_derive(stand->folder.backup_passphrase, salt,
                                       &passphrase_cost_default, &material),
                     KEYRING_DONE);
    key_derive(material.bytes, 3, SLOT_CONTEXT, key.bytes);
    key_derive(material.bytes, 4, SLOT_CONTEXT, commitment);
    sealed_put_magic(&cursor, "MSBACKU1", 1);
    cursor_put_bytes(&cursor, stand->keyring->realm, REALM_ID_SIZE);
    cursor_put_u64(&cursor, 1);
    cursor_put_block(&cursor, "hint", 4);
    cursor_put_block(&cursor, "host", 4);
    cursor_put_u16(&cursor, (uint16_t)stand->keyring->count);
    for (size_t i = 0; i < stand->keyring->count; i++) {
        cursor_put_u32(&cursor, stand->keyring->generations[i].info.number);
        cursor_put_bytes(&cursor, stand->keyring->generations[i].info.fingerprint, 16);
    }
    cost_offset = cursor.position;
    cursor_put_u64(&cursor, passphrase_cost_default.opslimit);
    cursor_put_u64(&cursor, passphrase_cost_default.memlimit);
    cursor_put_bytes(&cursor, salt, sizeof(salt));
    cursor_put_bytes(&cursor, commitment, sizeof(commitment));
    assert_int_equal(sealed_put(&cursor, BACKUP_LABEL, cursor.position, content, &key), 0);
    assert_true(cursor_ok(&cursor));
    return cursor.position;
}

/* Not signed: what was changed is found by the passphrase, and may look like a wrong one. */
static bool is_fitting_1(size_t offset, int outcome)
{
    size_t salt = cost_offset + 16, nonce = salt + 16 + 32;

    if (offset < SEALED_MAGIC_SIZE)
        return outcome == KEYRING_NOT_A_BACKUP;
    if (offset < SEALED_MAGIC_SIZE + 4)
        return outcome == KEYRING_NEWER || outcome == KEYRING_DAMAGED;
    if (offset >= 36 && offset < salt) /* lengths, which move what follows; the cost */
        return outcome == KEYRING_DAMAGED || outcome == KEYRING_NEWER ||
               outcome == KEYRING_WRONG_KEY;
    if (offset >= salt && offset < nonce)
        return outcome == KEYRING_WRONG_KEY;
    return outcome == KEYRING_DAMAGED;
}

static int outcome_of_1(const struct stand *stand, const uint8_t *bytes, size_t size)
{
    struct keyring *found = NULL;
    int r;

    put_file(stand, bytes, size);
    r = open_by(stand, stand->folder.backup_passphrase, NULL, &found);
    keyring_free(found);
    return r;
}

static void test_format_1(void **state)
{
    CLEANUP_FREE struct backup_facts *facts = NULL;
    struct keyring *found = NULL;
    struct stand stand;
    uint8_t bytes[4096];
    size_t size;

    stand_init(&stand);
    size = format_backup_1(&stand, bytes, sizeof(bytes));
    put_file(&stand, bytes, size);
    assert_int_equal(backup_inspect(stand.folder.backup_fd, &facts), KEYRING_DONE);
    assert_int_equal(facts->format, 1);
    assert_false(facts->is_signed);
    assert_string_equal(facts->host, "host");
    assert_int_equal(facts->generation, 2);
    assert_refused(&stand, stand.folder.slot_passphrase, NULL, KEYRING_WRONG_KEY);
    assert_refused(&stand, NULL, &stand.private_keys[0], KEYRING_NO_SLOT);
    assert_int_equal(open_by(&stand, stand.folder.backup_passphrase, NULL, &found), KEYRING_DONE);
    assert_int_equal(keyring_generations(found), 2);
    assert_memory_equal(found->generations[1].keys, stand.keyring->generations[1].keys,
                        sizeof(struct generation_keys));
    keyring_free(found);
    for (size_t i = 0; i < size * 8; i++) {
        int r;

        bytes[i / 8] ^= (uint8_t)(1U << (i % 8));
        r = outcome_of_1(&stand, bytes, size);
        if (!is_fitting_1(i / 8, r))
            fail_msg("bit %zu of byte %zu: outcome %d", i % 8, i / 8, r);
        bytes[i / 8] ^= (uint8_t)(1U << (i % 8));
    }
    for (size_t length = 0; length < size; length++)
        assert_int_equal(outcome_of_1(&stand, bytes, length),
                         length < SEALED_MAGIC_SIZE ? KEYRING_NOT_A_BACKUP : KEYRING_DAMAGED);
    stand_deinit(&stand);
}

/* The largest that can be is within what is read. */
static void test_largest(void **state)
{
    struct stand stand;
    struct backup_request request;
    char hint[HINT_MAX_BYTES + 1] = "";

    stand_init(&stand);
    memset(hint, 'h', HINT_MAX_BYTES);
    while (stand.keyring->recipient_count < RECIPIENTS_MAX) {
        struct recipient recipient = { .added_usec = 0 };
        struct key ignored;

        snprintf(recipient.name, sizeof(recipient.name), "%0255zu", stand.keyring->recipient_count);
        assert_int_equal(recipient_key_new(ignored.bytes, recipient.public_key), 0);
        change(&stand.keyring, (struct keyring_change){ .add_recipient = &recipient });
    }
    while (stand.keyring->count < GENERATIONS_MAX)
        change(&stand.keyring, (struct keyring_change){ .add_generation = true });
    request = request_of(&stand, true, true);
    request.hint = hint;
    stand.manifest.count = BACKUP_COUNTS_MAX;
    assert_int_equal(backup_write(stand.folder.backup_fd, stand.keyring, &request, &stand.info),
                     KEYRING_DONE);
    assert_opens(&stand, NULL, &stand.private_keys[1]);
    stand_deinit(&stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_recipient_removed),
        cmocka_unit_test(test_requests_refused),
        cmocka_unit_test(test_inspect),
        cmocka_unit_test(test_proof),
        cmocka_unit_test(test_proof_of_another),
        cmocka_unit_test(test_every_bit_and_length),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_signed_by_another),
        cmocka_unit_test(test_made_by_another),
        cmocka_unit_test(test_parts_under_a_good_signature),
        cmocka_unit_test(test_lock_of_another_backup),
        cmocka_unit_test(test_commitment),
        cmocka_unit_test(test_head_that_lies),
        cmocka_unit_test(test_cost_above_cap),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_two_passphrases),
        cmocka_unit_test(test_manifest),
        cmocka_unit_test(test_nothing_in_the_plain),
        cmocka_unit_test(test_format_1),
        cmocka_unit_test(test_largest),
    };

    return cmocka_run_group_tests(tests, init_keys, NULL);
}

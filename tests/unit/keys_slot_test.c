/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Slots added, replaced, removed and tested while the keyring is open, and its content stored
 * anew. */
#define KEYS_FAST_PASSPHRASE
#include "tests/unit/keys_support.h"

#include "dbus-service/keys/keyring_change.h"
#include "dbus-service/keys/keyring_file.h"
#include "dbus-service/keys/keyring_slot.h"

#include <errno.h>

/* A keyring in a folder of its own, with a slot for the key file, and what the others need. */
struct stand {
    struct folder folder;
    char credential[96];
    struct keyring *keyring;
    struct share_set shares;
};

static struct slot_sources sources_of(const struct stand *stand, enum slot_kind kind)
{
    return (struct slot_sources){
        .keyfile = kind == SLOT_KEYFILE ? stand->folder.keyfile : NULL,
        .credential = kind == SLOT_CREDENTIAL ? stand->credential : NULL,
        .passphrase = kind == SLOT_PASSPHRASE ? stand->folder.slot_passphrase : NULL,
        .shares = kind == SLOT_SHARES ? &stand->shares : NULL,
    };
}

static struct slot_request request_of(struct stand *stand, enum slot_kind kind)
{
    return (struct slot_request){
        .kind = kind,
        .sources = sources_of(stand, kind),
        .threshold = kind == SLOT_SHARES ? 2 : 0,
        .count = kind == SLOT_SHARES ? 3 : 0,
        .shares = kind == SLOT_SHARES ? &stand->shares : NULL,
    };
}

static void stand_init(struct stand *stand)
{
    *stand = (struct stand){ .keyring = NULL };
    folder_init(&stand->folder);
    snprintf(stand->credential, sizeof(stand->credential), "%s/credential", stand->folder.path);
    spill(stand->folder.fd, "credential", 0400, "a credential as systemd hands it over", 37);
    stand->keyring = folder_generate(&stand->folder, SLOT_KEYFILE);
}

static void stand_deinit(struct stand *stand)
{
    keyring_free(stand->keyring);
    folder_deinit(&stand->folder);
}

static uint32_t add(struct stand *stand, enum slot_kind kind)
{
    struct slot_request request = request_of(stand, kind);
    uint32_t id = 0;

    assert_int_equal(keyring_slot_add(stand->folder.fd, stand->keyring, &request, &id),
                     KEYRING_DONE);
    return id;
}

/* Slots 1 to 4, of these kinds. */
static void add_all(struct stand *stand)
{
    assert_int_equal(add(stand, SLOT_CREDENTIAL), 2);
    assert_int_equal(add(stand, SLOT_PASSPHRASE), 3);
    assert_int_equal(add(stand, SLOT_SHARES), 4);
}

static int open_from(const struct stand *stand, const struct slot_sources *sources,
                     uint32_t *ret_id)
{
    CLEANUP_KEYRING struct keyring *found = NULL;
    enum slot_kind used;
    int r = keyring_open(stand->folder.fd, sources, &found, &used);

    if (r != KEYRING_DONE)
        return r;
    assert_same_content(stand->keyring, found);
    assert_memory_equal(stand->keyring->keys->root, found->keys->root, KEY_SIZE);
    *ret_id = keyring_opened_by(found);
    return KEYRING_DONE;
}

/* The id of the slot that opens with what there is for this kind, or 0. */
static uint32_t opens(const struct stand *stand, enum slot_kind kind)
{
    struct slot_sources sources = sources_of(stand, kind);
    uint32_t id = 0;

    return open_from(stand, &sources, &id) == KEYRING_DONE ? id : 0;
}

static struct secret *file_of(const struct stand *stand)
{
    struct secret *bytes = NULL;
    struct keyring_file file;

    assert_int_equal(keyring_file_load(stand->folder.fd, &bytes, &file), KEYRING_DONE);
    return bytes;
}

static void assert_file_is(const struct stand *stand, const struct secret *before)
{
    CLEANUP_SECRET struct secret *now = file_of(stand);

    assert_int_equal(now->length, before->length);
    assert_memory_equal(now->bytes, before->bytes, now->length);
}

static size_t slot_count(const struct stand *stand)
{
    struct slot_list list;

    keyring_slot_list(stand->folder.fd, &list);
    assert_int_equal(list.outcome, KEYRING_DONE);
    return list.count;
}

static int share_check(const struct stand *stand, const struct share *share)
{
    struct slot_list list;

    keyring_slot_list(stand->folder.fd, &list);
    return slot_list_check_share(&list, share);
}

static void test_each_kind_is_added_and_opens(void **state)
{
    static const struct slot_info expected[] = {
        { 1, SLOT_KEYFILE, true, 0, 0 },
        { 2, SLOT_CREDENTIAL, true, 0, 0 },
        { 3, SLOT_PASSPHRASE, true, 0, 0 },
        { 4, SLOT_SHARES, true, 2, 3 },
    };
    struct stand stand;
    struct slot_list list;
    const struct slot_info *infos = list.infos;
    struct keyring_file file, now;

    stand_init(&stand);
    assert_int_equal(keyring_opened_by(stand.keyring), 1);
    CLEANUP_SECRET struct secret *before = file_of(&stand);

    add_all(&stand);
    keyring_slot_list(stand.folder.fd, &list);
    assert_int_equal(list.outcome, KEYRING_DONE);
    assert_memory_equal(list.realm, keyring_realm(stand.keyring), sizeof(list.realm));
    assert_int_equal(list.count, 4);
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(infos[i].id, expected[i].id);
        assert_int_equal(infos[i].kind, expected[i].kind);
        assert_int_equal(infos[i].usable, expected[i].usable);
        assert_int_equal(infos[i].threshold, expected[i].threshold);
        assert_int_equal(infos[i].count, expected[i].count);
        assert_int_equal(opens(&stand, expected[i].kind), expected[i].id);
    }
    assert_int_equal(slot_list_kinds(&list), 0x1e);
    /* No record, not even the content, is touched. */
    CLEANUP_SECRET struct secret *after = file_of(&stand);

    assert_int_equal(keyring_file_parse(before->bytes, before->length, &file), KEYRING_DONE);
    assert_int_equal(keyring_file_parse(after->bytes, after->length, &now), KEYRING_DONE);
    assert_int_equal(file.sealed.size, now.sealed.size);
    assert_memory_equal(file.sealed.bytes, now.sealed.bytes, now.sealed.size);
    stand_deinit(&stand);
}

/* Any two of three, in any order and as they come back from paper; fewer do not. */
static void test_shares_open(void **state)
{
    struct stand stand;
    struct share_set all;

    stand_init(&stand);
    assert_int_equal(add(&stand, SLOT_SHARES), 2);
    all = stand.shares;
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < 3; j++) {
            const unsigned order[] = { i, j };

            stand.shares = (struct share_set){ .count = 0 };
            for (unsigned k = 0; k < 2; k++) {
                CLEANUP_SECRET struct secret *text = NULL;
                struct share share;

                assert_int_equal(share_format(&all.shares[order[k]], &text), 0);
                assert_int_equal(share_parse(text, &share), KEYRING_DONE);
                assert_int_equal(share_check(&stand, &share), KEYRING_DONE);
                assert_int_equal(share_set_add(&stand.shares, &share), KEYRING_DONE);
            }
            assert_int_equal(opens(&stand, SLOT_SHARES), i == j ? 0 : 2);
        }
    }
    stand.shares = (struct share_set){ .count = 0 };
    assert_int_equal(opens(&stand, SLOT_SHARES), 0);
    stand_deinit(&stand);
}

static int open_shares(const struct stand *stand, const struct share_set *set)
{
    struct slot_sources sources = { .shares = set };
    uint32_t id;

    return open_from(stand, &sources, &id);
}

static void test_shares_of_something_else(void **state)
{
    struct stand stand, other;
    struct share_set set;

    stand_init(&stand);
    stand_init(&other);
    assert_int_equal(add(&stand, SLOT_SHARES), 2);
    assert_int_equal(add(&other, SLOT_SHARES), 2);
    assert_int_equal(share_check(&stand, &other.shares.shares[0]),
                     KEYRING_OTHER_REALM);
    assert_int_equal(open_shares(&stand, &other.shares), KEYRING_WRONG_KEY);
    set = stand.shares;
    set.shares[1].bytes[7] ^= 1; /* forged: its check would hold */
    assert_int_equal(open_shares(&stand, &set), KEYRING_WRONG_KEY);
    set = stand.shares;
    for (unsigned i = 0; i < 3; i++)
        set.shares[i].slot = 3;
    assert_int_equal(share_check(&stand, &set.shares[0]), KEYRING_SHARES_DIFFER);
    assert_int_equal(open_shares(&stand, &set), KEYRING_NO_SLOT);
    set = stand.shares;
    set.shares[0].count = 4;
    assert_int_equal(share_check(&stand, &set.shares[0]), KEYRING_SHARES_DIFFER);
    assert_int_equal(open_shares(&stand, &set), KEYRING_SHARES_DIFFER);
    set = stand.shares;
    set.shares[0].slot = 1; /* a slot of another kind */
    assert_int_equal(share_check(&stand, &set.shares[0]), KEYRING_SHARES_DIFFER);
    stand_deinit(&other);
    assert_int_equal(keyring_slot_remove(stand.folder.fd, stand.keyring, 1), KEYRING_DONE);
    stand_deinit(&stand);
}

static void test_requests_refused(void **state)
{
    static const struct {
        unsigned threshold, count;
    } numbers[] = { { 1, 3 }, { 4, 3 }, { 2, 17 }, { 0, 0 }, { 17, 17 } };
    struct stand stand;
    uint32_t id = 99;
    CLEANUP_SECRET struct secret *shorter = secret_of("7 bytes");

    stand_init(&stand);
    CLEANUP_SECRET struct secret *before = file_of(&stand);
    struct slot_request request = request_of(&stand, SLOT_SHARES);

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        request.threshold = numbers[i].threshold;
        request.count = numbers[i].count;
        assert_int_equal(keyring_slot_add(stand.folder.fd, stand.keyring, &request, &id), -EINVAL);
        assert_int_equal(stand.shares.count, 0);
    }
    request = request_of(&stand, SLOT_PASSPHRASE);
    request.sources.passphrase = shorter;
    assert_int_equal(keyring_slot_add(stand.folder.fd, stand.keyring, &request, &id),
                     KEYRING_PASSPHRASE_LENGTH);
    request.sources.passphrase = NULL;
    assert_int_equal(keyring_slot_add(stand.folder.fd, stand.keyring, &request, &id),
                     KEYRING_NO_SLOT);
    request.kind = 9;
    assert_int_equal(keyring_slot_add(stand.folder.fd, stand.keyring, &request, &id),
                     KEYRING_NO_SLOT);
    assert_int_equal(chmod(stand.credential, 0444), 0);
    request = request_of(&stand, SLOT_CREDENTIAL);
    assert_int_equal(keyring_slot_add(stand.folder.fd, stand.keyring, &request, &id),
                     KEYRING_BAD_SOURCE);
    assert_int_equal(id, 99);
    assert_file_is(&stand, before);
    stand_deinit(&stand);
}

static void test_removing(void **state)
{
    struct stand stand;

    stand_init(&stand);
    assert_int_equal(keyring_slot_remove(stand.folder.fd, stand.keyring, 1), KEYRING_LAST_SLOT);
    assert_int_equal(opens(&stand, SLOT_KEYFILE), 1);
    add_all(&stand);
    CLEANUP_SECRET struct secret *before = file_of(&stand);

    assert_int_equal(keyring_slot_remove(stand.folder.fd, stand.keyring, 5),
                     KEYRING_SLOT_NOT_FOUND);
    assert_int_equal(keyring_slot_remove(stand.folder.fd, stand.keyring, 0),
                     KEYRING_SLOT_NOT_FOUND);
    assert_file_is(&stand, before);
    for (unsigned id = 1; id < 4; id++) { /* ids 1 to 4 are kinds 1 to 4 */
        assert_int_equal(keyring_slot_remove(stand.folder.fd, stand.keyring, id), KEYRING_DONE);
        for (unsigned kind = 1; kind <= 4; kind++)
            assert_int_equal(opens(&stand, kind), kind > id ? kind : 0);
    }
    assert_int_equal(keyring_slot_remove(stand.folder.fd, stand.keyring, 4), KEYRING_LAST_SLOT);
    assert_int_equal(opens(&stand, SLOT_SHARES), 4);
    assert_int_equal(add(&stand, SLOT_PASSPHRASE), 5);
    stand_deinit(&stand);
}

static int replace(struct stand *stand, uint32_t id, enum slot_kind kind, uint32_t *ret_id)
{
    struct slot_request request = request_of(stand, kind);

    return keyring_slot_replace(stand->folder.fd, stand->keyring, id, &request, ret_id);
}

static void test_replacing(void **state)
{
    struct stand stand;
    struct share_set before;
    struct secret *passphrase;
    uint32_t id = 0;

    stand_init(&stand);
    add_all(&stand);
    assert_int_equal(replace(&stand, 9, SLOT_SHARES, &id), KEYRING_SLOT_NOT_FOUND);
    assert_int_equal(replace(&stand, 3, SLOT_SHARES, &id), -EINVAL);
    assert_int_equal(stand.shares.count, 0); /* none that belong to no slot */
    assert_int_equal(id, 0);
    assert_int_equal(replace(&stand, 4, SLOT_SHARES, &id), KEYRING_DONE);
    assert_int_equal(id, 5);
    before = stand.shares;
    assert_int_equal(replace(&stand, 5, SLOT_SHARES, &id), KEYRING_DONE);
    assert_int_equal(id, 6);
    assert_int_equal(opens(&stand, SLOT_SHARES), 6);
    assert_int_equal(open_shares(&stand, &before), KEYRING_NO_SLOT);
    assert_int_equal(share_check(&stand, &before.shares[0]),
                     KEYRING_SHARES_DIFFER);
    passphrase = stand.folder.slot_passphrase;
    stand.folder.slot_passphrase = secret_of("another passphrase");
    assert_int_equal(opens(&stand, SLOT_PASSPHRASE), 0);
    assert_int_equal(replace(&stand, 3, SLOT_PASSPHRASE, &id), KEYRING_DONE);
    assert_int_equal(opens(&stand, SLOT_PASSPHRASE), 7);
    secret_free(stand.folder.slot_passphrase);
    stand.folder.slot_passphrase = secret_of("7 bytes");
    assert_int_equal(replace(&stand, 7, SLOT_PASSPHRASE, &id), KEYRING_PASSPHRASE_LENGTH);
    secret_free(stand.folder.slot_passphrase);
    stand.folder.slot_passphrase = passphrase;
    assert_int_equal(opens(&stand, SLOT_PASSPHRASE), 0);
    spill(stand.folder.fd, "credential", 0400, "another credential of enough bytes", 34);
    assert_int_equal(opens(&stand, SLOT_CREDENTIAL), 0);
    assert_int_equal(replace(&stand, 2, SLOT_CREDENTIAL, &id), KEYRING_DONE);
    assert_int_equal(opens(&stand, SLOT_CREDENTIAL), id);
    assert_int_equal(opens(&stand, SLOT_KEYFILE), 1);
    assert_int_equal(slot_count(&stand), 4);
    stand_deinit(&stand);
}

static void test_replacing_the_key_file(void **state)
{
    struct stand stand;
    struct stat status;
    uint32_t id = 0;
    size_t size;

    stand_init(&stand);
    assert_int_equal(add(&stand, SLOT_KEYFILE), 2); /* for the same file */
    assert_int_equal(add(&stand, SLOT_PASSPHRASE), 3);
    CLEANUP_FREE uint8_t *old = slurp(stand.folder.fd, "root.key", &size);

    assert_int_equal(replace(&stand, 1, SLOT_KEYFILE, &id), KEYRING_DONE);
    assert_int_equal(id, 4);
    assert_int_equal(slot_count(&stand), 2);
    assert_int_equal(opens(&stand, SLOT_KEYFILE), 4);
    assert_int_equal(opens(&stand, SLOT_PASSPHRASE), 3);
    assert_int_equal(stat(stand.folder.keyfile, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0400);
    CLEANUP_FREE uint8_t *new = slurp(stand.folder.fd, "root.key", &size);

    assert_int_equal(size, KEY_SIZE);
    assert_memory_not_equal(old, new, size);
    assert_int_equal(faccessat(stand.folder.fd, ".root.key.new", F_OK, 0), -1);
    spill(stand.folder.fd, "root.key", 0400, old, size);
    assert_int_equal(opens(&stand, SLOT_KEYFILE), 0);
    /* A key file that was lost is made anew. */
    unlinkat(stand.folder.fd, "root.key", 0);
    assert_int_equal(replace(&stand, 4, SLOT_KEYFILE, &id), KEYRING_DONE);
    assert_int_equal(opens(&stand, SLOT_KEYFILE), 5);
    stand.folder.keyfile[0] = '\0';
    assert_int_equal(replace(&stand, 5, SLOT_KEYFILE, &id), -EINVAL);
    stand_deinit(&stand);
}

static int test_slot(const struct stand *stand, uint32_t id, enum slot_kind kind)
{
    struct slot_sources sources = sources_of(stand, kind);

    return keyring_slot_test(stand->folder.fd, stand->keyring, id, &sources);
}

static void test_testing(void **state)
{
    struct stand stand;
    struct share_set all;

    stand_init(&stand);
    add_all(&stand);
    for (unsigned id = 1; id <= 4; id++)
        for (unsigned kind = 1; kind <= 4; kind++)
            assert_int_equal(test_slot(&stand, id, kind),
                             id == kind ? KEYRING_DONE : KEYRING_NO_SLOT);
    assert_int_equal(test_slot(&stand, 5, SLOT_KEYFILE), KEYRING_SLOT_NOT_FOUND);
    spill(stand.folder.fd, "root.key", 0400, "another thirty-two bytes of keys", 32);
    assert_int_equal(test_slot(&stand, 1, SLOT_KEYFILE), KEYRING_WRONG_KEY);
    assert_int_equal(chmod(stand.folder.keyfile, 0444), 0);
    assert_int_equal(test_slot(&stand, 1, SLOT_KEYFILE), KEYRING_BAD_SOURCE);
    all = stand.shares;
    stand.shares.count = 1;
    assert_int_equal(test_slot(&stand, 4, SLOT_SHARES), KEYRING_NO_SLOT);
    stand.shares = all;
    stand.shares.shares[0].bytes[0] ^= 1;
    assert_int_equal(test_slot(&stand, 4, SLOT_SHARES), KEYRING_WRONG_KEY);
    stand_deinit(&stand);
}

static void test_full(void **state)
{
    struct stand stand;
    uint32_t id = 0;

    stand_init(&stand);
    for (unsigned i = 2; i <= SLOTS_MAX; i++)
        assert_int_equal(add(&stand, SLOT_PASSPHRASE), i);
    CLEANUP_SECRET struct secret *before = file_of(&stand);
    CLEANUP_FREE uint8_t *key = NULL;
    CLEANUP_FREE uint8_t *same = NULL;
    struct slot_request request = request_of(&stand, SLOT_SHARES);
    size_t size;

    key = slurp(stand.folder.fd, "root.key", &size);
    assert_int_equal(keyring_slot_add(stand.folder.fd, stand.keyring, &request, &id),
                     KEYRING_FULL);
    assert_int_equal(stand.shares.count, 0);
    /* The key file needs room for both of its slots. */
    assert_int_equal(replace(&stand, 1, SLOT_KEYFILE, &id), KEYRING_FULL);
    assert_file_is(&stand, before);
    same = slurp(stand.folder.fd, "root.key", &size);
    assert_memory_equal(key, same, size);
    assert_int_equal(faccessat(stand.folder.fd, ".root.key.new", F_OK, 0), -1);
    assert_int_equal(replace(&stand, 7, SLOT_PASSPHRASE, &id), KEYRING_DONE);
    assert_int_equal(id, SLOTS_MAX + 1);
    assert_int_equal(slot_count(&stand), SLOTS_MAX);
    stand_deinit(&stand);
}

static int rekey(struct stand *stand, const struct slot_sources *sources)
{
    struct keyring *anew = NULL;
    int r = keyring_rekey(stand->folder.fd, stand->keyring, sources, &anew);

    if (r != KEYRING_DONE) {
        assert_null(anew);
        return r;
    }
    assert_same_content(stand->keyring, anew);
    assert_memory_not_equal(stand->keyring->keys->root, anew->keys->root, KEY_SIZE);
    keyring_free(stand->keyring);
    stand->keyring = anew;
    return r;
}

/* The file, with these blocks in front of its slots. */
static void put_blocks(const struct stand *stand, const struct slot *kept, size_t count)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    CLEANUP_SECRET struct secret *changed = NULL;
    struct keyring_file file;

    assert_int_equal(keyring_file_load(stand->folder.fd, &bytes, &file), KEYRING_DONE);
    memmove(&file.slots[count], &file.slots[0], file.slot_count * sizeof(file.slots[0]));
    memcpy(file.slots, kept, count * sizeof(file.slots[0]));
    file.slot_count += count;
    assert_int_equal(keyring_file_format(&file, &changed), 0);
    spill(stand->folder.fd, KEYRING_FILE, 0600, changed->bytes, changed->length);
}

static void assert_kept(const struct stand *stand, const struct slot *kept, size_t count)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct keyring_file file;

    assert_int_equal(keyring_file_load(stand->folder.fd, &bytes, &file), KEYRING_DONE);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(slot_size(&file.slots[i]), kept[i].kept_size);
        assert_memory_equal(file.slots[i].kept, kept[i].kept, kept[i].kept_size);
    }
}

/* Of a kind that is yet to come, of the largest and of the smallest size; and one of a kind that is
 * known, ill-formed. They hinder nobody, and every change of the file keeps them. */
static void test_slots_that_are_unknown_are_kept(void **state)
{
    static uint8_t large[SLOT_BLOCK_MAX] = { 9, 77 }, small[] = { 200, 78, 0, 0, 0 },
                   damaged[SLOT_SIZE - 1] = { SLOT_KEYFILE, 79 };
    static const struct slot kept[] = {
        { .kind = 9, .id = 77, .kept = large, .kept_size = sizeof(large) },
        { .kind = 200, .id = 78, .kept = small, .kept_size = sizeof(small) },
        { .kind = SLOT_KEYFILE, .id = 79, .kept = damaged, .kept_size = sizeof(damaged) },
    };
    struct stand stand;
    struct slot_list list;
    const struct slot_info *infos = list.infos;
    uint32_t id;

    memset(large + 5, 0xa5, sizeof(large) - 5);
    stand_init(&stand);
    put_blocks(&stand, kept, 3);
    assert_int_equal(opens(&stand, SLOT_KEYFILE), 1);
    keyring_slot_list(stand.folder.fd, &list);
    assert_int_equal(list.outcome, KEYRING_DONE);
    assert_int_equal(slot_list_kinds(&list), 1U << SLOT_KEYFILE);
    assert_int_equal(list.count, 4);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(infos[i].id, kept[i].id);
        assert_int_equal(infos[i].kind, kept[i].kind);
        assert_false(infos[i].usable);
    }
    assert_int_equal(add(&stand, SLOT_PASSPHRASE), 80);
    assert_kept(&stand, kept, 3);
    assert_int_equal(replace(&stand, 80, SLOT_PASSPHRASE, &id), KEYRING_DONE);
    assert_kept(&stand, kept, 3);
    assert_int_equal(keyring_store(stand.folder.fd, stand.keyring), KEYRING_DONE);
    assert_kept(&stand, kept, 3);
    assert_int_equal(keyring_slot_remove(stand.folder.fd, stand.keyring, id), KEYRING_DONE);
    assert_kept(&stand, kept, 3);
    assert_int_equal(test_slot(&stand, 77, SLOT_KEYFILE), KEYRING_NEWER);
    struct slot_sources sources = sources_of(&stand, SLOT_KEYFILE);

    assert_int_equal(rekey(&stand, &sources), KEYRING_NEWER);
    assert_kept(&stand, kept, 3);
    assert_int_equal(test_slot(&stand, 79, SLOT_KEYFILE), KEYRING_DAMAGED);
    assert_int_equal(keyring_slot_remove(stand.folder.fd, stand.keyring, 1), KEYRING_LAST_SLOT);
    /* A key file's slot that is ill-formed goes when the key file is replaced. */
    assert_int_equal(replace(&stand, 1, SLOT_KEYFILE, &id), KEYRING_DONE);
    assert_kept(&stand, kept, 2);
    assert_int_equal(slot_count(&stand), 3);
    assert_int_equal(keyring_slot_remove(stand.folder.fd, stand.keyring, 78), KEYRING_DONE);
    assert_int_equal(slot_count(&stand), 2);
    assert_int_equal(opens(&stand, SLOT_KEYFILE), id);
    stand_deinit(&stand);
}

static void test_only_slots_of_a_newer_version(void **state)
{
    static const uint8_t block[] = { 9, 1, 0, 0, 0 };
    static const struct slot kept = { .kind = 9, .id = 1, .kept = block, .kept_size = 5 };
    struct stand stand;
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct slot_sources sources;
    uint32_t id;

    stand_init(&stand);
    sources = sources_of(&stand, SLOT_KEYFILE);
    assert_int_equal(keyring_file_seal(stand.keyring, &kept, 1, &bytes), 0);
    spill(stand.folder.fd, KEYRING_FILE, 0600, bytes->bytes, bytes->length);
    assert_int_equal(open_from(&stand, &sources, &id), KEYRING_NEWER);
    stand_deinit(&stand);
}

/* Any byte of any slot: all other slots open all the same. */
static void test_a_damaged_slot_stops_no_other(void **state)
{
    static const size_t first = 8 + 4 + REALM_ID_SIZE + 2;
    struct stand stand;

    stand_init(&stand);
    add_all(&stand);
    CLEANUP_SECRET struct secret *bytes = file_of(&stand);

    for (unsigned damaged = 1; damaged <= 4; damaged++) {
        for (size_t i = 0; i < SLOT_SIZE; i++) {
            uint8_t *byte = &bytes->bytes[first + (damaged - 1) * (4 + SLOT_SIZE) + 4 + i];

            *byte ^= 1 << (i % 8);
            spill(stand.folder.fd, KEYRING_FILE, 0600, bytes->bytes, bytes->length);
            for (unsigned kind = 1; kind <= 4; kind++)
                if (opens(&stand, kind) != (kind == damaged ? 0 : kind))
                    fail_msg("byte %zu of slot %u: slot %u", i, damaged, kind);
            *byte ^= 1 << (i % 8);
        }
    }
    stand_deinit(&stand);
}

/* A slot of an older keyring of this realm, put before a sound one: it unwraps, but another key. */
static void test_a_slot_of_another_keyring_stops_no_other(void **state)
{
    static const uint8_t other[KEY_SIZE] = { 1 };
    struct stand stand;
    struct slot slots[2];
    CLEANUP_SECRET struct secret *bytes = NULL;

    stand_init(&stand);
    struct slot_sources sources = sources_of(&stand, SLOT_KEYFILE);

    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(slot_wrap(SLOT_KEYFILE, i + 1, &sources, stand.keyring->realm,
                                   i == 0 ? other : stand.keyring->keys->root, &slots[i]),
                         KEYRING_DONE);
    assert_int_equal(keyring_file_seal(stand.keyring, slots, 2, &bytes), 0);
    spill(stand.folder.fd, KEYRING_FILE, 0600, bytes->bytes, bytes->length);
    assert_int_equal(opens(&stand, SLOT_KEYFILE), 2);
    assert_int_equal(test_slot(&stand, 1, SLOT_KEYFILE), KEYRING_DAMAGED);
    assert_int_equal(test_slot(&stand, 2, SLOT_KEYFILE), KEYRING_DONE);
    stand_deinit(&stand);
}

static void assert_no_change(struct stand *stand, int outcome)
{
    struct slot_request request = request_of(stand, SLOT_SHARES);
    uint32_t id = 0;

    assert_int_equal(keyring_slot_add(stand->folder.fd, stand->keyring, &request, &id), outcome);
    assert_int_equal(stand->shares.count, 0);
    assert_int_equal(replace(stand, 1, SLOT_KEYFILE, &id), outcome);
    assert_int_equal(keyring_slot_remove(stand->folder.fd, stand->keyring, 1), outcome);
    assert_int_equal(test_slot(stand, 1, SLOT_KEYFILE), outcome);
    assert_int_equal(keyring_store(stand->folder.fd, stand->keyring), outcome);
    assert_int_equal(faccessat(stand->folder.fd, ".root.key.new", F_OK, 0), -1);
}

/* Somebody else's file in the place of the open keyring's: nothing is written. */
static void test_the_file_of_another_keyring(void **state)
{
    struct stand stand, other;

    stand_init(&stand);
    stand_init(&other);
    CLEANUP_SECRET struct secret *mine = file_of(&stand);
    CLEANUP_SECRET struct secret *foreign = file_of(&other);

    spill(stand.folder.fd, KEYRING_FILE, 0600, foreign->bytes, foreign->length);
    assert_no_change(&stand, KEYRING_OTHER_REALM);
    assert_file_is(&stand, foreign);
    spill(stand.folder.fd, KEYRING_FILE, 0600, mine->bytes, mine->length);
    stand.keyring->keys->root[0] ^= 1; /* of the same realm, with another root key */
    assert_no_change(&stand, KEYRING_DAMAGED);
    stand.keyring->keys->root[0] ^= 1;
    assert_file_is(&stand, mine);
    unlinkat(stand.folder.fd, KEYRING_FILE, 0);
    assert_no_change(&stand, KEYRING_ABSENT);
    assert_int_equal(keyring_exists(stand.folder.fd), KEYRING_ABSENT);
    stand_deinit(&other);
    stand_deinit(&stand);
}

static void test_storing(void **state)
{
    struct stand stand;
    struct keyring *changed = NULL;
    CLEANUP_SECRET struct secret *slots = NULL;
    CLEANUP_SECRET struct secret *now = NULL;

    stand_init(&stand);
    add_all(&stand);
    slots = file_of(&stand);
    assert_int_equal(keyring_change(stand.keyring,
                                    &(struct keyring_change){ .add_generation = true }, &changed),
                     KEYRING_DONE);
    assert_int_equal(keyring_store(stand.folder.fd, changed), KEYRING_DONE);
    keyring_free(stand.keyring);
    stand.keyring = changed;
    for (unsigned kind = 1; kind <= 4; kind++)
        assert_int_equal(opens(&stand, kind), kind);
    now = file_of(&stand);
    assert_memory_equal(slots->bytes, now->bytes,
                        8 + 4 + REALM_ID_SIZE + 2 + 4 * (4 + (size_t)SLOT_SIZE));
    stand_deinit(&stand);
}

/* The limit of removing a slot (doc/THREAT-MODEL): the root key of the older copy is the present
 * one. */
static void test_an_older_copy_and_its_key_open_the_present_keyring(void **state)
{
    struct stand stand;
    CLEANUP_SECRET struct secret *copy = NULL;
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct keyring *found = NULL;
    struct keyring_file older, present;
    struct key root;

    stand_init(&stand);
    assert_int_equal(add(&stand, SLOT_PASSPHRASE), 2);
    copy = file_of(&stand);
    assert_int_equal(add(&stand, SLOT_SHARES), 3);
    assert_int_equal(keyring_slot_remove(stand.folder.fd, stand.keyring, 2), KEYRING_DONE);
    assert_int_equal(opens(&stand, SLOT_PASSPHRASE), 0);
    bytes = file_of(&stand);
    assert_int_equal(keyring_file_parse(copy->bytes, copy->length, &older), KEYRING_DONE);
    assert_int_equal(keyring_file_parse(bytes->bytes, bytes->length, &present), KEYRING_DONE);
    struct slot_sources sources = sources_of(&stand, SLOT_PASSPHRASE);

    assert_int_equal(slot_unwrap(&older.slots[1], &sources, older.realm, &root), KEYRING_DONE);
    assert_int_equal(keyring_file_unseal(&present, &root, &found), KEYRING_DONE);
    assert_same_content(stand.keyring, found);
    keyring_free(found);
    stand_deinit(&stand);
}

/* Who has an older copy and its key is shut out; whoever has a slot that is left is not. */
static void test_a_fresh_root_key(void **state)
{
    struct stand stand;
    struct keyring *found = NULL;
    struct keyring_file older, present;
    struct key root;

    stand_init(&stand);
    add_all(&stand);
    CLEANUP_SECRET struct secret *copy = file_of(&stand);
    struct slot_sources sources = sources_of(&stand, SLOT_KEYFILE);

    sources.credential = stand.credential;
    sources.passphrase = stand.folder.slot_passphrase;
    assert_int_equal(rekey(&stand, &sources), KEYRING_NO_SLOT); /* not for the shares */
    assert_file_is(&stand, copy);
    sources.shares = &stand.shares;
    sources.passphrase = stand.folder.backup_passphrase;
    assert_int_equal(rekey(&stand, &sources), KEYRING_WRONG_KEY);
    assert_file_is(&stand, copy);
    sources.passphrase = stand.folder.slot_passphrase;
    assert_int_equal(rekey(&stand, &sources), KEYRING_DONE);
    for (unsigned kind = 1; kind <= 4; kind++)
        assert_int_equal(opens(&stand, kind), kind);
    CLEANUP_SECRET struct secret *bytes = file_of(&stand);

    assert_int_equal(keyring_file_parse(copy->bytes, copy->length, &older), KEYRING_DONE);
    assert_int_equal(keyring_file_parse(bytes->bytes, bytes->length, &present), KEYRING_DONE);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(slot_unwrap(&older.slots[i], &sources, older.realm, &root), KEYRING_DONE);
        assert_int_equal(keyring_file_unseal(&present, &root, &found), KEYRING_DAMAGED);
    }
    assert_int_equal(add(&stand, SLOT_PASSPHRASE), 5); /* the copy is the open keyring now */
    stand_deinit(&stand);
}

/* A backup's content, as another machine gets it: without a root key. */
static struct keyring *content_of(const struct keyring *keyring)
{
    CLEANUP_SECRET struct secret *content = NULL;
    struct keyring *copy = NULL;

    assert_int_equal(keyring_format(keyring, &content), 0);
    assert_int_equal(keyring_parse(content, &copy), KEYRING_DONE);
    return copy;
}

/* On an empty machine, and over a keyring that nothing opens, which is kept aside. */
static void test_installing(void **state)
{
    static const uint8_t zero[KEY_SIZE];
    struct stand stand, other;
    struct slot_request request;
    char name[NAME_MAX + 1], second[NAME_MAX + 1];

    stand_init(&stand);
    stand_init(&other);
    keyring_free(other.keyring);
    other.keyring = content_of(stand.keyring);
    CLEANUP_SECRET struct secret *before = file_of(&other);

    assert_int_equal(keyring_keep_aside(other.folder.fd, name), KEYRING_DONE);
    assert_int_equal(keyring_keep_aside(other.folder.fd, second), KEYRING_DONE);
    assert_string_not_equal(name, second);
    assert_memory_equal(name, KEYRING_ASIDE, strlen(KEYRING_ASIDE));
    request = request_of(&other, SLOT_PASSPHRASE);
    request.sources.passphrase = NULL;
    assert_int_equal(keyring_install(other.folder.fd, other.keyring, &request), KEYRING_NO_SLOT);
    assert_file_is(&other, before);
    request = request_of(&other, SLOT_KEYFILE);
    assert_int_equal(keyring_install(other.folder.fd, other.keyring, &request), KEYRING_DONE);
    assert_int_equal(opens(&other, SLOT_KEYFILE), 1);
    assert_memory_not_equal(other.keyring->keys->root, stand.keyring->keys->root, KEY_SIZE);
    assert_memory_not_equal(other.keyring->keys->root, zero, KEY_SIZE);
    add_all(&other);
    spill(other.folder.fd, "credential", 0400, "a credential, lost and made anew later", 38);
    assert_int_equal(renameat(other.folder.fd, name, other.folder.fd, KEYRING_FILE), 0);
    assert_file_is(&other, before);
    unlinkat(other.folder.fd, KEYRING_FILE, 0);
    assert_int_equal(keyring_keep_aside(other.folder.fd, name), KEYRING_ABSENT);
    request = request_of(&other, SLOT_SHARES);
    assert_int_equal(keyring_install(other.folder.fd, other.keyring, &request), KEYRING_DONE);
    assert_int_equal(opens(&other, SLOT_SHARES), 1);
    assert_int_equal(slot_count(&other), 1);
    stand_deinit(&other);
    stand_deinit(&stand);
}

static void *add_shares(void *userdata)
{
    add(userdata, SLOT_SHARES);
    return NULL;
}

static void *open_by_shares(void *userdata)
{
    const struct stand *stand = userdata;
    struct slot_sources sources = { .shares = &stand->shares };
    CLEANUP_KEYRING struct keyring *found = NULL;
    enum slot_kind used;

    assert_int_equal(keyring_open(stand->folder.fd, &sources, &found, &used), KEYRING_DONE);
    return NULL;
}

static void *replace_key_file(void *userdata)
{
    uint32_t id;

    assert_int_equal(replace(userdata, 1, SLOT_KEYFILE, &id), KEYRING_DONE);
    return NULL;
}

/* Shares, what they make, the key file and the root key are gone when the call returns. */
static void test_nothing_is_left_behind(void **state)
{
    static const struct {
        const char *name;
        void *(*function)(void *);
    } calls[] = { { "add", add_shares },
                  { "open", open_by_shares },
                  { "replace", replace_key_file } };
    struct stand stand;
    struct key secret;
    size_t size;

    if (!STACK_TELLS)
        skip();
    stand_init(&stand);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        uint8_t *stack = stack_run(calls[i].function, &stand);
        CLEANUP_FREE uint8_t *key = slurp(stand.folder.fd, "root.key", &size);

        assert_not_left(stack, stand.keyring->keys->root, KEY_SIZE, calls[i].name);
        for (unsigned j = 0; j < 3; j++)
            assert_not_left(stack, stand.shares.shares[j].bytes, KEY_SIZE, calls[i].name);
        assert_int_equal(shares_join(&stand.shares, &secret), KEYRING_DONE);
        assert_not_left(stack, secret.bytes, KEY_SIZE, calls[i].name);
        assert_not_left(stack, key, size, calls[i].name);
        stack_free(stack);
    }
    stand_deinit(&stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_is_added_and_opens),
        cmocka_unit_test(test_shares_open),
        cmocka_unit_test(test_shares_of_something_else),
        cmocka_unit_test(test_requests_refused),
        cmocka_unit_test(test_removing),
        cmocka_unit_test(test_replacing),
        cmocka_unit_test(test_replacing_the_key_file),
        cmocka_unit_test(test_testing),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_slots_that_are_unknown_are_kept),
        cmocka_unit_test(test_only_slots_of_a_newer_version),
        cmocka_unit_test(test_a_damaged_slot_stops_no_other),
        cmocka_unit_test(test_a_slot_of_another_keyring_stops_no_other),
        cmocka_unit_test(test_the_file_of_another_keyring),
        cmocka_unit_test(test_storing),
        cmocka_unit_test(test_a_fresh_root_key),
        cmocka_unit_test(test_installing),
        cmocka_unit_test(test_an_older_copy_and_its_key_open_the_present_keyring),
        cmocka_unit_test(test_nothing_is_left_behind),
    };

    return cmocka_run_group_tests(tests, init_keys, NULL);
}

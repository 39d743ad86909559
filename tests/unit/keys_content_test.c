/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The keyring's content: as bytes, changed, and joined with another's. */
#include "tests/unit/keys_support.h"

#include "common/recipient_key.h"
#include "dbus-service/keys/keyring_change.h"

#include <errno.h>

static struct keyring *new_keyring(void)
{
    struct keyring *keyring = NULL;

    assert_int_equal(keyring_new(&keyring), 0);
    return keyring;
}

/* In the place of the keyring. */
static void change(struct keyring **keyring, struct keyring_change change)
{
    struct keyring *changed = NULL;

    assert_int_equal(keyring_change(*keyring, &change, &changed), KEYRING_DONE);
    keyring_free(*keyring);
    *keyring = changed;
}

static void assert_change_refused(const struct keyring *keyring, struct keyring_change change,
                                  int outcome)
{
    CLEANUP_SECRET struct secret *before = NULL;
    CLEANUP_SECRET struct secret *after = NULL;
    struct keyring *changed = NULL;

    assert_int_equal(keyring_format(keyring, &before), 0);
    assert_int_equal(keyring_change(keyring, &change, &changed), outcome);
    assert_null(changed);
    assert_int_equal(keyring_format(keyring, &after), 0);
    assert_int_equal(before->length, after->length);
    assert_memory_equal(before->bytes, after->bytes, before->length);
}

static struct recipient new_recipient(const char *name)
{
    uint8_t private_key[RECIPIENT_KEY_SIZE];
    struct recipient recipient = { .added_usec = 0 };

    assert_int_equal(recipient_key_new(private_key, recipient.public_key), 0);
    snprintf(recipient.name, sizeof(recipient.name), "%s", name);
    return recipient;
}

static struct generation_info generation_of(const struct keyring *keyring, uint32_t number)
{
    struct generation_info info = { .number = 0 };

    for (size_t i = 0; i < keyring_generations(keyring); i++) {
        keyring_generation(keyring, i, &info);
        if (info.number == number)
            return info;
    }
    fail_msg("no generation %u", number);
    return info;
}

/* Everything that a content can hold. */
static struct keyring *full_keyring(void)
{
    struct recipient offline = new_recipient("offline"), second = new_recipient("der Zweite, grün");
    struct rotation_state rotation = { 1, 2, 3, 1, 20000, true };
    struct backup_info backup = { .time_usec = 5, .generation = 2, .location = "/root/b",
                                  .hash = "fifteen letters", .in_directory = true };
    struct keyring *keyring = new_keyring();

    change(&keyring, (struct keyring_change){ .add_generation = true, .activate = 2, .retire = 1,
                                              .add_recipient = &offline, .rotation = &rotation });
    change(&keyring, (struct keyring_change){ .add_generation = true, .add_recipient = &second,
                                              .backup = &backup, .raise_epoch = true });
    return keyring;
}

static void test_round_trip(void **state)
{
    CLEANUP_KEYRING struct keyring *keyring = full_keyring();
    CLEANUP_KEYRING struct keyring *found = NULL;
    CLEANUP_SECRET struct secret *content = NULL;
    struct rotation_state rotation;
    struct backup_info backup;

    assert_int_equal(keyring_format(keyring, &content), 0);
    assert_int_equal(keyring_parse(content, &found), KEYRING_DONE);
    assert_same_content(keyring, found);
    assert_int_equal(keyring_epoch(found), 2);
    assert_int_equal(keyring_active_generation(found), 2);
    assert_int_equal(keyring_recipients(found), 2);
    assert_string_equal(keyring_recipient(found, 1)->name, "der Zweite, grün");
    assert_memory_equal(keyring_recipient(found, 1), keyring_recipient(keyring, 1),
                        sizeof(struct recipient));
    keyring_rotation(found, &rotation);
    assert_true(rotation.begun_usec == 1 && rotation.ended_usec == 2 && rotation.re_encrypted == 3 &&
                rotation.from == 1 && rotation.rate == 20000 && rotation.paused);
    keyring_backup_info(found, &backup);
    assert_memory_equal(backup.hash, "fifteen letters", BACKUP_HASH_SIZE);
    assert_true(backup.in_directory);
    assert_memory_equal(keyring_signer(found), keyring->signing_public, 32);
}

/* The largest fits into what is read. */
static void test_largest(void **state)
{
    CLEANUP_KEYRING struct keyring *keyring = new_keyring();
    CLEANUP_SECRET struct secret *content = NULL;
    struct backup_info backup = { .time_usec = 1 };
    char name[256];

    memset(backup.location, 'l', sizeof(backup.location) - 1);
    for (unsigned i = 0; i < RECIPIENTS_MAX; i++) {
        struct recipient recipient;

        snprintf(name, sizeof(name), "%0255u", i);
        recipient = new_recipient(name);
        change(&keyring, (struct keyring_change){ .add_recipient = &recipient, .backup = &backup });
    }
    for (unsigned i = 1; i < GENERATIONS_MAX; i++)
        change(&keyring, (struct keyring_change){ .add_generation = true });
    assert_int_equal(keyring_generations(keyring), GENERATIONS_MAX);
    assert_int_equal(keyring_format(keyring, &content), 0);
    assert_true(content->length <= KEYRING_CONTENT_MAX);
    struct recipient more = new_recipient("more");

    assert_change_refused(keyring, (struct keyring_change){ .add_recipient = &more }, KEYRING_FULL);
    assert_change_refused(keyring, (struct keyring_change){ .add_generation = true }, KEYRING_FULL);
}

/* Rules of the content, each broken by one byte of an otherwise sound one. */
static void test_rules(void **state)
{
    enum { FORMAT = 0, ACTIVE = 25, COUNT = 29, NUMBER = 31, ACTIVATED = 59, RETIRED = 67,
           PRESENT = 107 + 4 * 32, LOCATION = PRESENT + 1 + 32 + 64 + 8 + 4 + 4,
           IN_DIRECTORY = LOCATION + 7 + 16, RECIPIENTS = IN_DIRECTORY + 1,
           NAME = RECIPIENTS + 2 + 32 + 8 + 4, PAUSED = NAME + 1 + 8 + 4 + 8 + 8 };
    static const struct {
        size_t offset;
        uint8_t value;
        int outcome;
    } rules[] = {
        { FORMAT, 0, KEYRING_DAMAGED },       { FORMAT, 1, KEYRING_DAMAGED },
        { FORMAT, 3, KEYRING_NEWER },         { ACTIVE, 2, KEYRING_DAMAGED },
        { COUNT, 0, KEYRING_DAMAGED },        { COUNT, 2, KEYRING_DAMAGED },
        { COUNT + 1, 4, KEYRING_DAMAGED },    { NUMBER, 0, KEYRING_DAMAGED },
        { NUMBER, 2, KEYRING_DAMAGED },       { RETIRED + 3, 1, KEYRING_DAMAGED },
        { PRESENT, 0, KEYRING_DAMAGED },      { PRESENT, 2, KEYRING_DAMAGED },
        { LOCATION, 0, KEYRING_DAMAGED },     { LOCATION + 6, 0xff, KEYRING_DAMAGED },
        { IN_DIRECTORY, 2, KEYRING_DAMAGED }, { RECIPIENTS, 0, KEYRING_DAMAGED },
        { RECIPIENTS, 2, KEYRING_DAMAGED },   { RECIPIENTS, 65, KEYRING_DAMAGED },
        { NAME - 4, 0, KEYRING_DAMAGED },     { NAME, '\n', KEYRING_DAMAGED },
        { NAME, 0xff, KEYRING_DAMAGED },      { NAME, 0, KEYRING_DAMAGED },
        { PAUSED, 2, KEYRING_DAMAGED },
    };
    CLEANUP_KEYRING struct keyring *keyring = new_keyring();
    CLEANUP_SECRET struct secret *content = NULL;
    struct backup_info backup = { .location = "/backup" };
    struct recipient recipient = new_recipient("r");
    struct keyring *found = NULL;

    change(&keyring, (struct keyring_change){ .backup = &backup, .add_recipient = &recipient });
    assert_int_equal(keyring_format(keyring, &content), 0);
    assert_int_equal(content->bytes[PRESENT], 1);
    assert_memory_equal(content->bytes + LOCATION, "/backup", 7);
    assert_int_equal(content->bytes[NAME], 'r');
    assert_int_equal(content->length, PAUSED + 1 + 4);
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        uint8_t saved = content->bytes[rules[i].offset];

        content->bytes[rules[i].offset] = rules[i].value;
        if (keyring_parse(content, &found) != rules[i].outcome || found)
            fail_msg("rule %zu", i);
        content->bytes[rules[i].offset] = saved;
    }
    memset(content->bytes + ACTIVATED, 0, 8);
    assert_int_equal(keyring_parse(content, &found), KEYRING_DAMAGED);
    content->bytes[ACTIVATED] = 1;
    assert_int_equal(keyring_parse(content, &found), KEYRING_DONE);
    keyring_free(found);
}

static void test_every_length(void **state)
{
    CLEANUP_KEYRING struct keyring *keyring = full_keyring();
    CLEANUP_SECRET struct secret *content = NULL;
    struct keyring *found = NULL;

    assert_int_equal(keyring_format(keyring, &content), 0);
    for (size_t length = 0; length <= content->length + 1; length++) {
        CLEANUP_SECRET struct secret *cut = NULL;

        if (length == content->length)
            continue;
        assert_int_equal(secret_new(length, &cut), 0); /* for a sanitizer to see the end */
        memcpy(cut->bytes, content->bytes, length < content->length ? length : content->length);
        cut->length = length;
        assert_int_equal(keyring_parse(cut, &found), KEYRING_DAMAGED);
        assert_null(found);
    }
}

/* A recipient twice, by name or by key, that no change would make. */
static void test_recipient_twice(void **state)
{
    CLEANUP_KEYRING struct keyring *keyring = full_keyring();
    CLEANUP_SECRET struct secret *content = NULL;
    CLEANUP_SECRET struct secret *other = NULL;
    struct keyring *found = NULL;

    memcpy(keyring->recipients[1].public_key, keyring->recipients[0].public_key, 32);
    assert_int_equal(keyring_format(keyring, &content), 0);
    assert_int_equal(keyring_parse(content, &found), KEYRING_DAMAGED);
    keyring->recipients[1] = new_recipient("offline");
    assert_int_equal(keyring_format(keyring, &other), 0);
    assert_int_equal(keyring_parse(other, &found), KEYRING_DAMAGED);
}

/* Numbers that do not ascend, the active one being sound. */
static void test_order_of_generations(void **state)
{
    CLEANUP_KEYRING struct keyring *keyring = full_keyring();
    static const struct {
        size_t index;
        uint32_t number;
    } wrong[] = { { 0, 3 }, { 2, 1 }, { 0, 0 } };
    struct keyring *found = NULL;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CLEANUP_SECRET struct secret *content = NULL;
        uint32_t *number = &keyring->generations[wrong[i].index].info.number;
        uint32_t saved = *number;

        *number = wrong[i].number;
        assert_int_equal(keyring_format(keyring, &content), 0);
        *number = saved;
        assert_int_equal(keyring_parse(content, &found), KEYRING_DAMAGED);
        assert_null(found);
    }
}

static void test_generations(void **state)
{
    CLEANUP_KEYRING struct keyring *keyring = new_keyring();
    uint8_t first_secret[KEY_SIZE];

    memcpy(first_secret, keyring->generations[0].keys->secret, KEY_SIZE);
    assert_true(generation_of(keyring, 1).activated_usec != 0);
    change(&keyring, (struct keyring_change){ .add_generation = true });
    assert_int_equal(keyring_active_generation(keyring), 1);
    assert_int_equal(generation_of(keyring, 2).activated_usec, 0);
    assert_memory_not_equal(first_secret, keyring->generations[1].keys->secret, KEY_SIZE);
    assert_memory_equal(first_secret, keyring->generations[0].keys->secret, KEY_SIZE);
    assert_memory_not_equal(generation_of(keyring, 1).id, generation_of(keyring, 2).id, 16);
    assert_memory_not_equal(generation_of(keyring, 1).fingerprint,
                            generation_of(keyring, 2).fingerprint, FINGERPRINT_SIZE);
    assert_change_refused(keyring, (struct keyring_change){ .retire = 1 }, -EINVAL); /* active */
    assert_change_refused(keyring, (struct keyring_change){ .retire = 2 }, -EINVAL); /* to come */
    assert_change_refused(keyring, (struct keyring_change){ .activate = 1 }, -EINVAL);
    assert_change_refused(keyring, (struct keyring_change){ .activate = 3 }, -EINVAL);
    change(&keyring, (struct keyring_change){ .activate = 2 });
    assert_int_equal(keyring_active_generation(keyring), 2);
    assert_true(generation_of(keyring, 2).activated_usec != 0);
    assert_int_equal(generation_of(keyring, 1).retired_usec, 0);
    assert_change_refused(keyring, (struct keyring_change){ .activate = 1 }, -EINVAL); /* back */
    assert_change_refused(keyring, (struct keyring_change){ .remove = 1 }, -EINVAL); /* in use */
    assert_change_refused(keyring, (struct keyring_change){ .remove = 2 }, -EINVAL);
    assert_change_refused(keyring, (struct keyring_change){ .remove = 7 }, -EINVAL);
    assert_change_refused(keyring, (struct keyring_change){ .retire = 7 }, -EINVAL);
    change(&keyring, (struct keyring_change){ .retire = 1 });
    assert_true(generation_of(keyring, 1).retired_usec != 0);
    assert_change_refused(keyring, (struct keyring_change){ .retire = 1 }, -EINVAL); /* again */
    change(&keyring, (struct keyring_change){ .remove = 1 });
    assert_int_equal(keyring_generations(keyring), 1);
    assert_int_equal(generation_of(keyring, 2).number, 2);
    assert_null(keyring_find(keyring, 1));
    change(&keyring, (struct keyring_change){ .add_generation = true });
    assert_int_equal(generation_of(keyring, 3).number, 3); /* no number is used twice */
}

static void test_recipients(void **state)
{
    CLEANUP_KEYRING struct keyring *keyring = new_keyring();
    struct recipient one = new_recipient("one"), two = new_recipient("two"), wrong = one;

    change(&keyring, (struct keyring_change){ .add_recipient = &one });
    assert_true(keyring_recipient(keyring, 0)->added_usec != 0);
    change(&keyring, (struct keyring_change){ .add_recipient = &two });
    strcpy(wrong.name, "another name for the key");
    assert_change_refused(keyring, (struct keyring_change){ .add_recipient = &wrong },
                          KEYRING_RECIPIENT_EXISTS);
    wrong = new_recipient("two");
    assert_change_refused(keyring, (struct keyring_change){ .add_recipient = &wrong },
                          KEYRING_RECIPIENT_EXISTS);
    strcpy(wrong.name, "");
    assert_change_refused(keyring, (struct keyring_change){ .add_recipient = &wrong }, -EINVAL);
    strcpy(wrong.name, "a\nline");
    assert_change_refused(keyring, (struct keyring_change){ .add_recipient = &wrong }, -EINVAL);
    wrong = (struct recipient){ .name = "of small order" };
    assert_change_refused(keyring, (struct keyring_change){ .add_recipient = &wrong }, -EINVAL);
    assert_change_refused(keyring, (struct keyring_change){ .remove_recipient = "three" },
                          KEYRING_RECIPIENT_NOT_FOUND);
    change(&keyring, (struct keyring_change){ .remove_recipient = "one" });
    assert_int_equal(keyring_recipients(keyring), 1);
    assert_string_equal(keyring_recipient(keyring, 0)->name, "two");
    one = new_recipient("two"); /* replaced in one change */
    change(&keyring, (struct keyring_change){ .remove_recipient = "two", .add_recipient = &one });
    assert_memory_equal(keyring_recipient(keyring, 0)->public_key, one.public_key, 32);
}

/* What a change does not name stays, the keys of the realm too. */
static void test_rest_stays(void **state)
{
    CLEANUP_KEYRING struct keyring *keyring = full_keyring();
    CLEANUP_KEYRING struct keyring *changed = NULL;

    assert_int_equal(keyring_change(keyring, &(struct keyring_change){ .add_generation = false },
                                    &changed),
                     KEYRING_DONE);
    assert_same_content(keyring, changed);
    assert_memory_equal(keyring->keys, changed->keys, sizeof(*keyring->keys));
    assert_memory_equal(keyring->generations[2].keys, changed->generations[2].keys,
                        sizeof(struct generation_keys));
}

static void test_backup_info(void **state)
{
    CLEANUP_KEYRING struct keyring *keyring = new_keyring();
    struct backup_info info = { .location = "\xff" };

    assert_change_refused(keyring, (struct keyring_change){ .backup = &info }, -EINVAL);
    memset(info.location, 'a', sizeof(info.location)); /* not terminated */
    assert_change_refused(keyring, (struct keyring_change){ .backup = &info }, -EINVAL);
}

static struct keyring *copy_of(const struct keyring *keyring)
{
    struct keyring *copy = NULL;

    assert_int_equal(keyring_change(keyring, &(struct keyring_change){ .add_generation = false },
                                    &copy),
                     KEYRING_DONE);
    return copy;
}

static struct keyring *merged(const struct keyring *present, const struct keyring *backup)
{
    struct keyring *found = NULL;

    assert_int_equal(keyring_merge(present, backup, &found), KEYRING_DONE);
    return found;
}

/* An old backup over a keyring that went on: what was retired or gone comes back, to be read. */
static void test_merge_older(void **state)
{
    CLEANUP_KEYRING struct keyring *present = new_keyring();
    CLEANUP_KEYRING struct keyring *backup = copy_of(present);
    CLEANUP_KEYRING struct keyring *retired = NULL;
    CLEANUP_KEYRING struct keyring *gone = NULL;
    struct recipient recipient = new_recipient("kept");

    change(&present, (struct keyring_change){ .add_generation = true, .activate = 2, .retire = 1,
                                              .add_recipient = &recipient });
    retired = merged(present, backup);
    assert_int_equal(keyring_active_generation(retired), 2);
    assert_int_equal(keyring_generations(retired), 2);
    assert_int_equal(generation_of(retired, 1).retired_usec, 0);
    assert_int_equal(keyring_epoch(retired), 2);
    assert_int_equal(keyring_recipients(retired), 1);
    change(&present, (struct keyring_change){ .remove = 1 });
    gone = merged(present, backup);
    assert_int_equal(keyring_generations(gone), 2);
    assert_memory_equal(gone->generations[0].keys, backup->generations[0].keys,
                        sizeof(struct generation_keys));
    assert_memory_equal(gone->generations[1].keys, present->generations[0].keys,
                        sizeof(struct generation_keys));
    assert_memory_equal(gone->keys, present->keys, sizeof(*gone->keys));
}

/* A newer backup over an older keyring. */
static void test_merge_newer(void **state)
{
    CLEANUP_KEYRING struct keyring *present = new_keyring();
    CLEANUP_KEYRING struct keyring *backup = NULL;
    CLEANUP_KEYRING struct keyring *found = NULL;

    change(&present, (struct keyring_change){ .add_generation = true });
    backup = copy_of(present);
    change(&backup, (struct keyring_change){ .activate = 2, .retire = 1, .raise_epoch = true });
    change(&backup, (struct keyring_change){ .raise_epoch = true });
    found = merged(present, backup);
    assert_int_equal(keyring_active_generation(found), 2);
    assert_true(generation_of(found, 2).activated_usec != 0);
    assert_int_equal(keyring_epoch(found), 4);
    keyring_free(found);
    change(&present, (struct keyring_change){ .activate = 2, .retire = 1 });
    found = merged(present, backup);
    assert_true(generation_of(found, 1).retired_usec != 0); /* both say so */
}

/* One number, two generations: of a rotation that failed before anything was sealed under it, or
 * of two histories, which cannot be joined. */
static void test_merge_of_two_histories(void **state)
{
    CLEANUP_KEYRING struct keyring *present = new_keyring();
    CLEANUP_KEYRING struct keyring *backup = copy_of(present);
    struct keyring *found = NULL;

    change(&present, (struct keyring_change){ .add_generation = true });
    change(&backup, (struct keyring_change){ .add_generation = true });
    found = merged(present, backup);
    assert_memory_equal(generation_of(found, 2).id, generation_of(present, 2).id, 16);
    keyring_free(STEAL(found));
    change(&backup, (struct keyring_change){ .activate = 2 });
    found = merged(present, backup);
    assert_memory_equal(generation_of(found, 2).id, generation_of(backup, 2).id, 16);
    assert_int_equal(keyring_active_generation(found), 2);
    keyring_free(STEAL(found));
    found = merged(backup, present);
    assert_memory_equal(generation_of(found, 2).id, generation_of(backup, 2).id, 16);
    keyring_free(STEAL(found));
    change(&present, (struct keyring_change){ .activate = 2 });
    assert_int_equal(keyring_merge(present, backup, &found), KEYRING_KEYS_DIFFER);
    assert_null(found);
}

static void test_merge_refused(void **state)
{
    CLEANUP_KEYRING struct keyring *present = full_keyring();
    CLEANUP_KEYRING struct keyring *other = full_keyring();
    CLEANUP_KEYRING struct keyring *same = copy_of(present);
    struct keyring *found = NULL;
    uint8_t *const keys[] = { same->keys->log, same->keys->name, same->signing_public,
                              same->generations[1].info.id, same->generations[1].keys->secret };

    assert_int_equal(keyring_merge(present, other, &found), KEYRING_OTHER_REALM);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        keys[i][15] ^= 1;
        if (keyring_merge(present, same, &found) != KEYRING_KEYS_DIFFER || found)
            fail_msg("key %zu", i);
        keys[i][15] ^= 1;
    }
    found = merged(present, same);
    keyring_free(found);
    for (unsigned i = 3; i < GENERATIONS_MAX; i++)
        change(&present, (struct keyring_change){ .add_generation = true });
    change(&same, (struct keyring_change){ .activate = 3 });
    while (same->count < GENERATIONS_MAX)
        change(&same, (struct keyring_change){ .add_generation = true });
    same->generations[same->count - 1].info.number = GENERATIONS_MAX + 1;
    found = NULL;
    assert_int_equal(keyring_merge(present, same, &found), KEYRING_FULL);
    assert_null(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_recipient_twice),
        cmocka_unit_test(test_order_of_generations),
        cmocka_unit_test(test_generations),
        cmocka_unit_test(test_recipients),
        cmocka_unit_test(test_rest_stays),
        cmocka_unit_test(test_backup_info),
        cmocka_unit_test(test_merge_older),
        cmocka_unit_test(test_merge_newer),
        cmocka_unit_test(test_merge_of_two_histories),
        cmocka_unit_test(test_merge_refused),
    };

    return cmocka_run_group_tests(tests, init_keys, NULL);
}

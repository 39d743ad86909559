/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/domain_fixture.h"

#include "dbus-service/domain/share_entry.h"
#include "dbus-service/domain/slot.h"

#include <string.h>

enum { LIFETIME_MS = 100 };

static uint64_t clock_ms = 1000000;
uint64_t __wrap_uv_now(const uv_loop_t *loop);

uint64_t __wrap_uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return clock_ms;
}

/* Sealed, with a slot of two shares of three beside the key file; the shares' texts. */
static struct share_entry *begin(struct domain *domain, uint64_t lifetime_ms, struct secret *texts[3])
{
    struct slot_change *change = calloc(1, sizeof(*change));
    struct result result = {0}, sealed = {0};
    struct share_entry *entry;

    assert_non_null(change);
    domain_setup_ready(domain);
    change->action = SLOT_ADD;
    change->kind = SLOT_SHARES;
    change->threshold = 2;
    change->count = 3;
    assert_int_equal(slot_change_begin(domain->realm, change, on_done, &result, &result.failure), 0);
    domain_wait(domain, &result, 1);
    assert_int_equal(result.failure.code, ERROR_NONE);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(share_format(&change->shares.shares[i], &texts[i]), 0);
    slot_change_free(change);
    assert_int_equal(realm_seal(domain->realm, on_done, &sealed, &sealed.failure), 0);
    domain_wait(domain, &sealed, 1);
    assert_int_equal(share_entry_new(domain->realm, &domain->loop, lifetime_ms, &entry), 0);
    return entry;
}

static void end(struct domain *domain, struct share_entry *entry, struct secret *texts[3])
{
    for (size_t i = 0; i < 3; i++)
        secret_free(texts[i]);
    share_entry_free(entry);
    domain_teardown(domain);
}

static unsigned entered(const struct share_entry *entry)
{
    unsigned count, needed;

    share_entry_progress(entry, &count, &needed);
    assert_int_equal(needed, 2);
    return count;
}

/* Until so many are there. */
static void await_entered(struct domain *domain, const struct share_entry *entry, unsigned wanted)
{
    for (unsigned waited = 0; entered(entry) != wanted && waited < 12000; waited++)
        domain_run_ms(domain, 5);
    assert_int_equal(entered(entry), wanted);
}

/* Each at its own time; the other stays. Looked at for longer than all of them live, but the clock says when. */
static void test_each_is_forgotten(void **state)
{
    struct secret *texts[3];
    struct failure failure;
    struct domain domain;
    struct share_entry *entry = begin(&domain, LIFETIME_MS, texts);

    (void)state;
    assert_int_equal(SHARE_LIFETIME_MS, 10 * 60 * 1000);
    assert_int_equal(entered(entry), 0);
    assert_int_equal(share_entry_add(entry, texts[1], &failure), 0);
    clock_ms += LIFETIME_MS / 2;
    assert_int_equal(share_entry_add(entry, texts[0], &failure), 0);
    assert_int_equal(share_entry_add(entry, texts[1], &failure), 0); /* once more: still as old */
    clock_ms += LIFETIME_MS / 2 - 1;
    domain_run_ms(&domain, 2 * LIFETIME_MS);
    assert_int_equal(entered(entry), 2);
    clock_ms++;
    await_entered(&domain, entry, 1);
    clock_ms += LIFETIME_MS / 2 - 1;
    domain_run_ms(&domain, 2 * LIFETIME_MS);
    assert_int_equal(entered(entry), 1);
    clock_ms++;
    await_entered(&domain, entry, 0);
    end(&domain, entry, texts);
}

static void test_opens_and_forgets(void **state)
{
    struct secret *texts[3];
    struct failure failure;
    struct domain domain;
    struct share_entry *entry = begin(&domain, SHARE_LIFETIME_MS, texts);
    struct result result = {0};

    (void)state;
    assert_int_equal(share_entry_add(entry, texts[2], &failure), 0);
    share_entry_clear(entry);
    assert_int_equal(entered(entry), 0);
    assert_int_equal(share_entry_add(entry, texts[2], &failure), 0);
    assert_int_equal(share_entry_add(entry, texts[0], &failure), 0);
    assert_int_equal(share_entry_unseal(entry, on_done, &result, &failure), 0);
    assert_int_equal(share_entry_add(entry, texts[1], &failure), ERROR_LIMITS_EXCEEDED);
    domain_wait(&domain, &result, 1);
    assert_int_equal(result.failure.code, ERROR_NONE);
    assert_string_equal(realm_slot_used(domain.realm), "shares");
    assert_int_equal(entered(entry), 0);
    assert_int_equal(share_entry_add(entry, texts[1], &failure), ERROR_ALREADY_UNSEALED);
    end(&domain, entry, texts);
}

/* Well-formed, with the numbers of the others, and made up. */
static void test_a_forged_one(void **state)
{
    CLEANUP_SECRET struct secret *forged = NULL;
    struct secret *texts[3];
    struct failure failure;
    struct share share;
    struct domain domain;
    struct share_entry *entry = begin(&domain, SHARE_LIFETIME_MS, texts);
    struct result result = {0};

    (void)state;
    assert_int_equal(share_parse(texts[1], &share), KEYRING_DONE);
    share.bytes[7] ^= 1;
    assert_int_equal(share_format(&share, &forged), 0);
    assert_int_equal(share_entry_add(entry, texts[0], &failure), 0);
    assert_int_equal(share_entry_add(entry, forged, &failure), 0);
    assert_int_equal(share_entry_unseal(entry, on_done, &result, &failure), 0);
    domain_wait(&domain, &result, 1);
    assert_int_equal(result.failure.code, ERROR_BAD_SHARE);
    assert_int_equal(realm_state(domain.realm), REALM_SEALED);
    assert_int_equal(entered(entry), 0);
    end(&domain, entry, texts);
}

static void look(struct domain *domain)
{
    struct result result = {0};

    assert_int_equal(realm_read_slots(domain->realm, on_done, &result, &result.failure), 0);
    domain_wait(domain, &result, 1);
    assert_int_equal(result.failure.code, ERROR_NONE);
}

static void rename_keyring(const struct domain *domain, const char *from, const char *to)
{
    assert_int_equal(renameat(domain->folder_fd, from, domain->folder_fd, to), 0);
}

/* What the loop says of the file is what a worker read. */
static void test_the_file_is_read_by_workers(void **state)
{
    struct secret *texts[3];
    struct failure failure;
    struct domain domain;
    struct share_entry *entry = begin(&domain, SHARE_LIFETIME_MS, texts);

    (void)state;
    rename_keyring(&domain, KEYRING_FILE, "aside");
    assert_int_equal(share_entry_add(entry, texts[0], &failure), 0);
    share_entry_clear(entry);
    assert_int_equal(entered(entry), 0); /* of two */
    look(&domain);
    assert_int_equal(realm_slots(domain.realm)->outcome, KEYRING_ABSENT);
    assert_int_equal(slot_list_kinds(realm_slots(domain.realm)), 0);
    assert_int_equal(share_entry_add(entry, texts[0], &failure), ERROR_UNCONFIGURED);
    rename_keyring(&domain, "aside", KEYRING_FILE);
    look(&domain);
    assert_int_equal(share_entry_add(entry, texts[0], &failure), 0);
    domain_unseal(&domain);
    assert_int_equal(realm_read_slots(domain.realm, on_done, NULL, &failure),
                     ERROR_ALREADY_UNSEALED);
    end(&domain, entry, texts);
}

static int test_slot(struct domain *domain, uint32_t id)
{
    struct slot_change *change = calloc(1, sizeof(*change));
    struct result result = {0};

    assert_non_null(change);
    change->action = SLOT_TEST;
    change->kind = SLOT_KEYFILE;
    change->id = id;
    assert_int_equal(slot_change_begin(domain->realm, change, on_done, &result, &result.failure),
                     0);
    domain_wait(domain, &result, 1);
    slot_change_free(change);
    return (int)result.failure.code;
}

/* While the keyring is open the slots are those that could be read last: nobody is refused one that
 * came back. */
static void test_a_file_that_is_away_meanwhile(void **state)
{
    struct failure failure;
    struct slot_info info;
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    rename_keyring(&domain, KEYRING_FILE, "aside");
    assert_int_equal(slot_find(domain.realm, 1, &info, &failure), 0);
    assert_int_equal(info.kind, SLOT_KEYFILE);
    assert_int_equal(slot_find(domain.realm, 2, &info, &failure), ERROR_SLOT_NOT_FOUND);
    assert_int_equal(test_slot(&domain, 1), ERROR_UNCONFIGURED);
    assert_int_equal(slot_find(domain.realm, 1, &info, &failure), 0);
    rename_keyring(&domain, "aside", KEYRING_FILE);
    assert_int_equal(test_slot(&domain, 1), 0);
    domain_teardown(&domain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_forgotten),
        cmocka_unit_test(test_opens_and_forgets),
        cmocka_unit_test(test_a_forged_one),
        cmocka_unit_test(test_the_file_is_read_by_workers),
        cmocka_unit_test(test_a_file_that_is_away_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

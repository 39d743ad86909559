/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/mapping_internal.h"
#include "dbus-service/domain/realm_internal.h"
#include "tests/unit/domain_fixture.h"

#include <errno.h>
#include <string.h>

static void assert_value(const struct mapping *mapping, uint32_t field, const char *text)
{
    const struct mapping_value *value = mapping_value(mapping, field);

    assert_non_null(value);
    assert_int_equal(value->length, strlen(text));
    assert_memory_equal(value->bytes, text, value->length);
}

static void test_set_and_get(void **state)
{
    struct domain domain;
    const struct application *erp;
    struct mapping *mapping;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_null(domain_get(&domain, erp, "user:alice"));
    assert_int_equal(domain_set(&domain, erp, "user:alice", NULL, "x"), ERROR_INVALID_ARGUMENT);
    assert_int_equal(domain_set(&domain, erp, "user:alice", "ALICE01", "secret"), 0);
    mapping = domain_get(&domain, erp, "user:alice");
    assert_string_equal(mapping->external_user, "ALICE01");
    assert_int_equal(mapping->state, MAPPING_ENABLED);
    assert_int_equal(mapping->changed_by, 1000);
    assert_int_equal(mapping->generation, 1);
    assert_int_equal(mapping->version, 1);
    assert_value(mapping, 1, "secret");
    assert_null(mapping_value(mapping, 2));
    mapping_free(mapping);
    assert_int_equal(application_mappings(domain.set, erp), 1);
    domain_teardown(&domain);
}

/* The same user mapped twice is one mapping, changed; what is not named stays. */
static void test_set_again(void **state)
{
    struct domain domain;
    const struct application *erp;
    struct mapping *mapping;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(domain_set(&domain, erp, "user:alice", "ALICE01", "one"), 0);
    assert_int_equal(domain_set(&domain, erp, "user:alice", NULL, "two"), 0);
    assert_int_equal(domain_set(&domain, erp, "user:alice", "ALICE02", NULL), 0);
    mapping = domain_get(&domain, erp, "user:alice");
    assert_string_equal(mapping->external_user, "ALICE02");
    assert_value(mapping, 1, "two");
    assert_int_equal(mapping->version, 3);
    mapping_free(mapping);
    assert_int_equal(application_mappings(domain.set, erp), 1);
    /* The old external user is free again, the new one is not. */
    assert_int_equal(domain_set(&domain, erp, "user:bob", "ALICE02", "x"),
                     ERROR_EXTERNAL_USER_TAKEN);
    assert_int_equal(domain_set(&domain, erp, "user:bob", "ALICE01", "x"), 0);
    domain_teardown(&domain);
}

static void test_external_user_is_unique(void **state)
{
    struct domain domain;
    const struct application *erp, *other;
    const struct account_name alice = account_of("user:alice");
    struct result result = {0};
    struct failure failure = {0};

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(domain_set(&domain, erp, "user:alice", "SHARED", "x"), 0);
    assert_int_equal(domain_set(&domain, erp, "user:bob", "SHARED", "x"),
                     ERROR_EXTERNAL_USER_TAKEN);
    assert_null(domain_get(&domain, erp, "user:bob"));
    other = domain_create(&domain, "other", APPLICATION_INDIVIDUAL);
    assert_int_equal(domain_set(&domain, other, "user:bob", "SHARED", "x"), 0);
    assert_int_equal(
        mapping_delete(domain.realm, erp, &alice, on_written, &result, &failure), 0);
    domain_wait(&domain, &result, 1);
    assert_int_equal(result.failure.code, 0);
    assert_null(domain_get(&domain, erp, "user:alice"));
    assert_int_equal(domain_set(&domain, erp, "user:bob", "SHARED", "x"), 0);
    domain_teardown(&domain);
}

static void test_group_applications_share(void **state)
{
    struct domain domain;
    const struct application *pool;

    (void)state;
    domain_setup_ready(&domain);
    pool = domain_create(&domain, "pool", APPLICATION_GROUP);
    assert_int_equal(domain_set(&domain, pool, "group:clerks", "SHARED", "x"), 0);
    assert_int_equal(domain_set(&domain, pool, "user:dora", "SHARED", "x"), 0);
    assert_int_equal(domain_set(&domain, pool, "user:alice", "A", "x"), ERROR_NOT_APPLICATION_USER);
    assert_int_equal(domain_set(&domain, pool, "group:others", "A", "x"),
                     ERROR_NOT_APPLICATION_USER);
    domain_teardown(&domain);
}

static void test_individual_takes_users_only(void **state)
{
    struct domain domain;
    const struct application *erp;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(domain_set(&domain, erp, "group:clerks", "A", "x"), ERROR_INVALID_ARGUMENT);
    domain_teardown(&domain);
}

/* ---- Races: everything is begun before the loop runs, so all meet in the log's waiting batch ---- */

static int set_begin(struct domain *domain, const struct application *application,
                     const char *account, const char *external_user, const char *password,
                     struct result *result)
{
    const struct mapping_value value = {
        .field = 1, .bytes = (const uint8_t *)password, .length = strlen(password)};
    const struct mapping_change change = {.account = account_of(account),
                                          .external_user = external_user,
                                          .values = &value,
                                          .values_count = 1};

    return mapping_set(domain->realm, application, &change, on_written, result, &result->failure);
}

static void test_race_for_an_external_user(void **state)
{
    enum { USERS = 8 };
    struct result results[USERS] = {0};
    struct domain domain;
    const struct application *erp;
    unsigned won = 0;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    for (int i = 0; i < USERS; i++) {
        char account[32];

        snprintf(account, sizeof(account), "user:u%d", i);
        assert_int_equal(set_begin(&domain, erp, account, "SHARED", "x", &results[i]), 0);
    }
    for (int i = 0; i < USERS; i++) {
        domain_wait(&domain, &results[i], 1);
        won += results[i].failure.code == ERROR_NONE;
        if (results[i].failure.code != ERROR_NONE) {
            assert_int_equal(results[i].failure.code, ERROR_EXTERNAL_USER_TAKEN);
            assert_non_null(strstr(results[i].failure.text, "'SHARED'"));
            assert_null(strstr(results[i].failure.text, "u0"));
        }
    }
    assert_int_equal(won, 1);
    assert_int_equal(application_mappings(domain.set, erp), 1);
    domain_teardown(&domain);
}

/* Writers of one mapping come one after the other: none is refused, and the last one stands. */
static void test_race_for_one_mapping(void **state)
{
    enum { WRITERS = 12 };
    struct result results[WRITERS] = {0};
    struct domain domain;
    const struct application *erp;
    struct mapping *mapping;
    char password[16] = "";

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    for (int i = 0; i < WRITERS; i++) {
        snprintf(password, sizeof(password), "pw%d", i);
        assert_int_equal(set_begin(&domain, erp, "user:alice", "ALICE", password, &results[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        domain_wait(&domain, &results[i], 1);
        assert_int_equal(results[i].failure.code, ERROR_NONE);
    }
    mapping = domain_get(&domain, erp, "user:alice");
    assert_int_equal(mapping->version, WRITERS);
    assert_value(mapping, 1, password);
    mapping_free(mapping);
    domain_teardown(&domain);
}

/* What was decided on an application that changes at the same time is not carried out. */
static void test_race_with_the_application(void **state)
{
    const bool enabled = true;
    const struct application_draft draft = {.enabled = &enabled};
    struct result update = {0}, set = {0}, deletion = {0};
    struct failure failure = {0};
    struct domain domain;
    const struct application *erp;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(
        application_update(domain.set, erp, &draft, on_written, &update, &failure), 0);
    assert_int_equal(set_begin(&domain, erp, "user:alice", "ALICE", "x", &set), 0);
    domain_wait(&domain, &update, 1);
    domain_wait(&domain, &set, 1);
    assert_int_equal(update.failure.code, ERROR_NONE);
    assert_int_equal(set.failure.code, ERROR_CONFLICT);
    erp = application_set_find(domain.set, "erp");
    set = (struct result){0};
    assert_int_equal(
        application_delete(domain.set, erp, on_written, &deletion, &failure), 0);
    assert_int_equal(set_begin(&domain, erp, "user:alice", "ALICE", "x", &set), 0);
    domain_wait(&domain, &deletion, 1);
    domain_wait(&domain, &set, 1);
    assert_int_equal(deletion.failure.code, ERROR_NONE);
    assert_int_equal(set.failure.code, ERROR_CONFLICT);
    domain_teardown(&domain);
}

/* ---- States ---- */

static int set_state(struct domain *domain, const struct application *application,
                     const char *account, enum mapping_state state)
{
    const struct account_name name = account_of(account);
    struct result result = {0};
    struct failure failure = {0};
    int r = mapping_set_state(domain->realm, application, &name, state, 7, on_written, &result,
                              &failure);

    if (r != 0)
        return r;
    domain_wait(domain, &result, 1);
    return (int)result.failure.code;
}

static enum mapping_state state_of(struct domain *domain, const struct application *application)
{
    CLEANUP_MAPPING struct mapping *mapping = domain_get(domain, application, "user:alice");

    assert_value(mapping, 1, "pw");
    return mapping->state;
}

static void test_states(void **state)
{
    struct domain domain;
    const struct application *erp;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(set_state(&domain, erp, "user:alice", MAPPING_DISABLED),
                     ERROR_MAPPING_NOT_FOUND);
    assert_int_equal(domain_set(&domain, erp, "user:alice", "ALICE", "pw"), 0);
    assert_int_equal(set_state(&domain, erp, "user:alice", MAPPING_DISABLED), 0);
    assert_int_equal(state_of(&domain, erp), MAPPING_DISABLED);
    assert_int_equal(set_state(&domain, erp, "user:alice", MAPPING_DISABLED_BY_ADMINISTRATOR), 0);
    /* Its user disables it too: that stays the administrator's. */
    assert_int_equal(set_state(&domain, erp, "user:alice", MAPPING_DISABLED), 0);
    assert_int_equal(state_of(&domain, erp), MAPPING_DISABLED_BY_ADMINISTRATOR);
    /* A new password leaves it disabled. */
    assert_int_equal(domain_set(&domain, erp, "user:alice", NULL, "pw"), 0);
    assert_int_equal(state_of(&domain, erp), MAPPING_DISABLED_BY_ADMINISTRATOR);
    assert_int_equal(set_state(&domain, erp, "user:alice", MAPPING_ENABLED), 0);
    assert_int_equal(state_of(&domain, erp), MAPPING_ENABLED);
    domain_teardown(&domain);
}

/* The user enables what the administrator disables in the same moment: decided before, refused. */
static void test_race_of_states(void **state)
{
    const struct account_name alice = account_of("user:alice");
    struct result administrator = {0}, user = {0};
    struct failure failure = {0};
    struct domain domain;
    const struct application *erp;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(domain_set(&domain, erp, "user:alice", "ALICE", "pw"), 0);
    assert_int_equal(set_state(&domain, erp, "user:alice", MAPPING_DISABLED), 0);
    assert_int_equal(mapping_set_state(domain.realm, erp, &alice, MAPPING_DISABLED_BY_ADMINISTRATOR,
                                       0, on_written, &administrator, &failure), 0);
    assert_int_equal(mapping_set_state(domain.realm, erp, &alice, MAPPING_ENABLED, 1000, on_written,
                                       &user, &failure), 0);
    domain_wait(&domain, &administrator, 1);
    domain_wait(&domain, &user, 1);
    assert_int_equal(administrator.failure.code, ERROR_NONE);
    assert_int_equal(user.failure.code, ERROR_CONFLICT);
    assert_int_equal(state_of(&domain, erp), MAPPING_DISABLED_BY_ADMINISTRATOR);
    domain_teardown(&domain);
}

/* ---- Limits ---- */

static int set_value(struct domain *domain, const struct application *application, uint32_t field,
                     const void *bytes, size_t length)
{
    const struct mapping_value value = {.field = field, .bytes = bytes, .length = length};
    const struct mapping_change change = {.account = account_of("user:alice"),
                                          .external_user = "ALICE",
                                          .values = &value,
                                          .values_count = 1};
    struct result result = {0};
    struct failure failure = {0};
    int r = mapping_set(domain->realm, application, &change, on_written, &result, &failure);

    if (r != 0)
        return r;
    domain_wait(domain, &result, 1);
    return (int)result.failure.code;
}

static void test_value_limits(void **state)
{
    static uint8_t bytes[VALUE_MAX_BYTES + 1];
    struct domain domain;
    const struct application *erp;
    struct mapping *mapping;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    memset(bytes, 0xfe, sizeof(bytes));
    bytes[1] = 0;
    assert_int_equal(set_value(&domain, erp, 1, bytes, VALUE_MAX_BYTES + 1), ERROR_TOO_LARGE);
    assert_int_equal(set_value(&domain, erp, 1, bytes, VALUE_MAX_BYTES), 0);
    mapping = domain_get(&domain, erp, "user:alice");
    assert_int_equal(mapping_value(mapping, 1)->length, VALUE_MAX_BYTES);
    assert_memory_equal(mapping_value(mapping, 1)->bytes, bytes, VALUE_MAX_BYTES);
    mapping_free(mapping);
    assert_int_equal(set_value(&domain, erp, 1, bytes, 0), 0);
    /* Field 2 is plain: text only. Field 0 is the external user, 3 does not exist. */
    assert_int_equal(set_value(&domain, erp, 2, bytes, 8), ERROR_INVALID_ARGUMENT);
    assert_int_equal(set_value(&domain, erp, 2, "1\0" "0", 3), ERROR_INVALID_ARGUMENT);
    assert_int_equal(set_value(&domain, erp, 2, "M\xc3\xbcller", 7), 0);
    assert_int_equal(set_value(&domain, erp, 0, "x", 1), ERROR_INVALID_ARGUMENT);
    assert_int_equal(set_value(&domain, erp, 3, "x", 1), ERROR_FIELD_NOT_FOUND);
    domain_teardown(&domain);
}

static const struct application *create_wide(struct domain *domain)
{
    struct field fields[7] = {{.label = TEXT("user")}};
    char labels[7][8];
    const struct application_draft draft = {.name = "wide",
                                            .type = APPLICATION_INDIVIDUAL,
                                            .fields = fields,
                                            .fields_count = 7};
    struct result result = {0};
    struct failure failure = {0};

    for (int i = 1; i < 7; i++) {
        snprintf(labels[i], sizeof(labels[i]), "f%d", i);
        fields[i] = (struct field){.label = labels[i], .masked = true};
    }
    assert_int_equal(application_create(domain->set, &draft, on_written, &result, &failure), 0);
    domain_wait(domain, &result, 1);
    return application_set_find(domain->set, "wide");
}

static void test_values_together(void **state)
{
    static uint8_t bytes[VALUE_MAX_BYTES];
    struct domain domain;
    const struct application *wide;

    (void)state;
    domain_setup_ready(&domain);
    wide = create_wide(&domain);
    for (uint32_t field = 1; field <= 4; field++)
        assert_int_equal(set_value(&domain, wide, field, bytes, VALUE_MAX_BYTES), 0);
    assert_int_equal(set_value(&domain, wide, 5, bytes, 1), ERROR_TOO_LARGE);
    assert_int_equal(set_value(&domain, wide, 5, bytes, 0), 0);
    assert_int_equal(set_value(&domain, wide, 4, bytes, VALUE_MAX_BYTES - 1), 0);
    assert_int_equal(set_value(&domain, wide, 5, bytes, 1), 0);
    domain_teardown(&domain);
}

static void test_names(void **state)
{
    static const char *const bad[] = {"", "line\nfeed", "\x7f", "\xff", "\xc2\x85"};
    char name[NAME_MAX_BYTES + 2];
    struct account_name account;
    struct domain domain;
    const struct application *erp;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[32];

        assert_int_equal(domain_set(&domain, erp, "user:alice", bad[i], "x"),
                         ERROR_INVALID_ARGUMENT);
        snprintf(text, sizeof(text), "user:%s", bad[i]);
        assert_int_equal(account_name_parse(text, &account), -EINVAL);
    }
    memset(name, 'n', sizeof(name));
    name[NAME_MAX_BYTES + 1] = '\0';
    assert_int_equal(domain_set(&domain, erp, "user:alice", name, "x"), ERROR_INVALID_ARGUMENT);
    name[NAME_MAX_BYTES] = '\0';
    assert_int_equal(domain_set(&domain, erp, "user:alice", name, "x"), 0);
    assert_int_equal(account_name_parse("alice", &account), -EINVAL);
    domain_teardown(&domain);
}

/* ---- Lists ---- */

struct listing {
    unsigned count;
    unsigned damaged;
    unsigned seen[600];
};

static int on_mapping(void *userdata, const struct mapping *mapping)
{
    struct listing *listing = userdata;

    listing->count++;
    listing->seen[atoi(mapping->account.name + 1)]++;
    return 0;
}

static void test_list(void **state)
{
    enum { MAPPINGS = 300 };
    static struct result results[MAPPINGS];
    struct listing listing = {0};
    struct failure failure = {0};
    struct domain domain;
    const struct application *erp;
    uint64_t cursor = 0;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    for (int i = 0; i < MAPPINGS; i++) {
        char account[32], external[32];

        snprintf(account, sizeof(account), "user:u%d", i);
        snprintf(external, sizeof(external), "E%d", i);
        assert_int_equal(set_begin(&domain, erp, account, external, "x", &results[i]), 0);
    }
    for (int i = 0; i < MAPPINGS; i++)
        domain_wait(&domain, &results[i], 1);
    do {
        assert_int_equal(mapping_list(domain.realm, erp, &cursor, 70, on_mapping, &listing,
                                      &failure), 0);
    } while (cursor != 0);
    assert_int_equal(listing.count, MAPPINGS);
    for (int i = 0; i < MAPPINGS; i++)
        assert_int_equal(listing.seen[i], 1);
    domain_teardown(&domain);
}

static int on_damaged(void *userdata, const struct mapping *mapping)
{
    struct listing *listing = userdata;

    if (mapping->external_user)
        return on_mapping(userdata, mapping);
    assert_string_equal(mapping->account.name, "u1");
    listing->damaged++;
    return 0;
}

/* A page names the mapping that cannot be read, and has all the others. */
static void test_list_beside_a_damaged_mapping(void **state)
{
    const struct account_name u1 = account_of("user:u1");
    struct listing listing = {0};
    struct failure failure = {0};
    const struct application *erp;
    struct record_key key;
    struct domain domain;
    uint64_t cursor = 0;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(domain_set(&domain, erp, "user:u0", "E0", "x"), 0);
    assert_int_equal(domain_set(&domain, erp, "user:u1", "E1", "x"), 0);
    assert_int_equal(domain_set(&domain, erp, "user:u2", "E2", "x"), 0);
    mapping_key(&key, erp->id, &u1);
    domain_damage(&domain, &key);
    assert_int_equal(mapping_list(domain.realm, erp, &cursor, 0, on_damaged, &listing, &failure), 0);
    assert_int_equal(listing.count, 2);
    assert_int_equal(listing.damaged, 1);
    assert_int_equal(listing.seen[0] + listing.seen[2], 2);
    domain_teardown(&domain);
}

/* kviklet#575: what could not be authenticated is never written again under a good seal. */
static void test_kviklet_575_nothing_damaged_is_stored_again(void **state)
{
    const struct account_name alice = account_of("user:alice");
    const struct application *erp;
    struct result result = {0};
    struct failure failure = {0};
    struct record_key key;
    struct domain domain;
    struct log_head before, after;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(domain_set(&domain, erp, "user:alice", "ALICE", "x"), 0);
    mapping_key(&key, erp->id, &alice);
    domain_damage(&domain, &key);
    log_head(realm_log(domain.realm), &before);
    assert_int_equal(domain_set(&domain, erp, "user:alice", "ALICE", "new"), ERROR_DAMAGED);
    assert_int_equal(mapping_set_state(domain.realm, erp, &alice, MAPPING_DISABLED, 0, on_written,
                                       &result, &failure), ERROR_DAMAGED);
    assert_int_equal(mapping_delete(domain.realm, erp, &alice, on_written, &result, &failure),
                     ERROR_DAMAGED);
    log_head(realm_log(domain.realm), &after);
    assert_int_equal(after.revision, before.revision);
    domain_teardown(&domain);
}

static void damage_reservation(struct domain *domain, const struct application *application,
                               const char *external_user)
{
    struct record_key key;

    realm_reservation_key(domain->realm, &key, "external", application->id, external_user);
    domain_damage(domain, &key);
}

/* The mapping that has the name is the proof of whom it is for: set, renamed or deleted it mends that. Nobody
 * else gets it meanwhile. */
static void test_a_damaged_reservation_is_mended(void **state)
{
    const struct account_name alice = account_of("user:alice");
    const struct application *erp;
    struct result result = {0};
    struct failure failure = {0};
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(domain_set(&domain, erp, "user:alice", "ONE", "x"), 0);
    damage_reservation(&domain, erp, "ONE");
    assert_int_equal(domain_set(&domain, erp, "user:bob", "ONE", "x"), ERROR_DAMAGED);
    assert_int_equal(domain_set(&domain, erp, "user:alice", "ONE", "y"), 0);
    assert_int_equal(domain_set(&domain, erp, "user:bob", "ONE", "x"), ERROR_EXTERNAL_USER_TAKEN);

    damage_reservation(&domain, erp, "ONE");
    assert_int_equal(domain_set(&domain, erp, "user:alice", "TWO", "y"), 0);
    assert_int_equal(domain_set(&domain, erp, "user:bob", "ONE", "x"), 0);

    damage_reservation(&domain, erp, "TWO");
    assert_int_equal(mapping_delete(domain.realm, erp, &alice, on_written, &result, &failure), 0);
    domain_wait(&domain, &result, 1);
    assert_int_equal(result.failure.code, 0);
    assert_int_equal(domain_set(&domain, erp, "user:carol", "TWO", "x"), 0);
    domain_teardown(&domain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_and_get),
        cmocka_unit_test(test_set_again),
        cmocka_unit_test(test_external_user_is_unique),
        cmocka_unit_test(test_group_applications_share),
        cmocka_unit_test(test_individual_takes_users_only),
        cmocka_unit_test(test_race_for_an_external_user),
        cmocka_unit_test(test_race_for_one_mapping),
        cmocka_unit_test(test_race_with_the_application),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_race_of_states),
        cmocka_unit_test(test_value_limits),
        cmocka_unit_test(test_values_together),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_beside_a_damaged_mapping),
        cmocka_unit_test(test_kviklet_575_nothing_damaged_is_stored_again),
        cmocka_unit_test(test_a_damaged_reservation_is_mended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

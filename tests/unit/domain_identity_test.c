/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/identity.h"
#include "tests/unit/domain_fixture.h"
#include "tests/unit/fake_nss.h"

#include <errno.h>
#include <string.h>

enum { CLERKS = 200, ADMINS = 300, APPADMINS = 400, AFFILIATES = 500 };

static const struct fake_user users[] = {
    {"root", 0, {0}},
    {"alice", 1000, {100, CLERKS}},
    {"bob", 1001, {100, CLERKS}},
    {"carol", 1002, {100, APPADMINS}},
    {"dora", 1003, {100}},
    {"erin", 1004, {100, ADMINS}},
    {"frank", 1005, {100, AFFILIATES}},
    {"postgres", 70, {70}},
    {"bad\nname", 1006, {100, CLERKS}},
    {NULL, 0, {0}},
};
static const struct fake_group groups[] = {
    {"clerks", CLERKS}, {"mastersecret-admins", ADMINS}, {"appadmins", APPADMINS},
    {"affiliates", AFFILIATES}, {NULL, 0},
};

/* The cache's clock, which stands still. */
static uint64_t clock_ms = 1000000;
uint64_t __wrap_uv_now(const uv_loop_t *loop);

uint64_t __wrap_uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return clock_ms;
}

struct stand {
    struct domain domain;
    struct account_cache *cache;
    struct identity identity;
    unsigned ready;
};

static char *admin_names[] = {TEXT("mastersecret-admins")};
static const struct name_list admins = {admin_names, 1};
static char *affiliate_names[] = {TEXT("affiliates")};
static const struct name_list affiliates = {affiliate_names, 1};

static void on_ready(void *userdata)
{
    ((struct stand *)userdata)->ready++;
}

static void setup(struct stand *stand, unsigned lifetime_ms)
{
    memset(stand, 0, sizeof(*stand));
    fake_nss_reset();
    fake_nss_set(users, groups);
    domain_setup_ready(&stand->domain);
    assert_int_equal(account_cache_new(&stand->domain.loop, stand->domain.work, lifetime_ms,
                                       &stand->cache), 0);
    stand->identity = (struct identity){stand->cache, &admins, &affiliates};
}

static void teardown(struct stand *stand)
{
    fake_nss_hang(false);
    account_cache_free(stand->cache);
    domain_teardown(&stand->domain);
}

static void wait_ready(struct stand *stand)
{
    unsigned before = stand->ready;

    for (int i = 0; i < 6000 && stand->ready == before; i++)
        domain_run_ms(&stand->domain, 10);
    assert_int_equal(stand->ready, before + 1);
}

/* The application of all tests: users clerks and user:dora. */
static const struct application *create(struct stand *stand, enum application_type type,
                                        const char *agent)
{
    char *app_admins[] = {TEXT("appadmins")};
    char *agents[] = {(char *)(uintptr_t)agent};
    const struct name_list admin_list = {app_admins, 1}, agent_list = {agents, 1};
    const struct application_draft draft = {.admins = &admin_list, .agents = &agent_list};
    struct result result = {0};
    struct failure failure = {0};

    assert_int_equal(application_update(stand->domain.set,
                                        domain_create(&stand->domain, "erp", type), &draft,
                                        on_written, &result, &failure), 0);
    domain_wait(&stand->domain, &result, 1);
    assert_int_equal(result.failure.code, 0);
    return application_set_find(stand->domain.set, "erp");
}

static struct caller caller_of(uid_t uid)
{
    static gid_t gids[8];
    const struct fake_user *user = users;
    struct caller caller = {.uid = uid, .gids = gids};

    while (user->name && user->uid != uid)
        user++;
    for (int i = 0; user->name && i < 8 && user->gids[i]; i++)
        gids[caller.gids_count++] = user->gids[i];
    return caller;
}

static unsigned roles_of(struct stand *stand, const struct caller *caller,
                         const struct application *application)
{
    const struct account_waiter waiter = {on_ready, stand};
    unsigned roles = 0;
    int r = identity_roles(&stand->identity, caller, application, &waiter, &roles);

    for (int i = 0; i < 3 && r == IDENTITY_PENDING; i++) {
        wait_ready(stand);
        r = identity_roles(&stand->identity, caller, application, &waiter, &roles);
    }
    assert_int_equal(r, IDENTITY_DONE);
    return roles;
}

static void test_roles(void **state)
{
    static const struct {
        uid_t uid;
        unsigned roles;
    } rows[] = {
        {0, ROLE_ANYBODY | ROLE_ADMINISTRATOR | ROLE_AGENT},
        {1000, ROLE_ANYBODY | ROLE_APPLICATION_USER},
        {1002, ROLE_ANYBODY | ROLE_APPLICATION_ADMINISTRATOR},
        {1003, ROLE_ANYBODY | ROLE_APPLICATION_USER},
        {1004, ROLE_ANYBODY | ROLE_ADMINISTRATOR},
        {1005, ROLE_ANYBODY | ROLE_AFFILIATE_ADMINISTRATOR},
        {70, ROLE_ANYBODY | ROLE_AGENT},
        {4242, ROLE_ANYBODY},
    };
    const struct application *erp;
    struct stand stand;

    (void)state;
    setup(&stand, 60000);
    erp = create(&stand, APPLICATION_INDIVIDUAL, "user:postgres");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct caller caller = caller_of(rows[i].uid);

        assert_int_equal(roles_of(&stand, &caller, erp), rows[i].roles);
        assert_int_equal(roles_of(&stand, &caller, NULL),
                         rows[i].roles & (ROLE_ANYBODY | ROLE_ADMINISTRATOR |
                                          ROLE_AFFILIATE_ADMINISTRATOR));
    }
    teardown(&stand);
}

/* A group counts only when kernel and name service agree on it. */
static void test_groups_need_both(void **state)
{
    static const gid_t none[] = {100};
    static const gid_t many[] = {100, CLERKS, ADMINS};
    const struct application *erp;
    struct caller caller;
    struct stand stand;

    (void)state;
    setup(&stand, 60000);
    erp = create(&stand, APPLICATION_INDIVIDUAL, "user:postgres");
    caller = (struct caller){.uid = 1000, .gids = none, .gids_count = 1};
    assert_int_equal(roles_of(&stand, &caller, erp), ROLE_ANYBODY);
    caller = (struct caller){.uid = 1003, .gids = many, .gids_count = 3};
    assert_int_equal(roles_of(&stand, &caller, erp), ROLE_ANYBODY | ROLE_APPLICATION_USER);
    caller = (struct caller){.uid = 4242, .gids = many, .gids_count = 3};
    assert_int_equal(roles_of(&stand, &caller, erp), ROLE_ANYBODY);
    teardown(&stand);
}

static void test_membership_revoked(void **state)
{
    static const struct fake_user later[] = {{"alice", 1000, {100}}, {NULL, 0, {0}}};
    const struct caller alice = caller_of(1000);
    const struct application *erp;
    struct stand stand;

    (void)state;
    setup(&stand, 400);
    erp = create(&stand, APPLICATION_INDIVIDUAL, "user:postgres");
    assert_int_equal(roles_of(&stand, &alice, erp), ROLE_ANYBODY | ROLE_APPLICATION_USER);
    fake_nss_set(later, groups);
    clock_ms += 400;
    assert_int_equal(roles_of(&stand, &alice, erp), ROLE_ANYBODY | ROLE_APPLICATION_USER);
    clock_ms++;
    assert_int_equal(roles_of(&stand, &alice, erp), ROLE_ANYBODY);
    teardown(&stand);
}

static void test_agents_none(void **state)
{
    const struct application *erp;
    struct caller root = caller_of(0);
    struct stand stand;

    (void)state;
    setup(&stand, 60000);
    erp = create(&stand, APPLICATION_INDIVIDUAL, "none");
    assert_true(erp->agents_none);
    assert_int_equal(roles_of(&stand, &root, erp), ROLE_ANYBODY | ROLE_ADMINISTRATOR);
    teardown(&stand);
}

/* root gets in while nobody can be asked; others are not taken for less than they are. */
static void test_name_service_fails(void **state)
{
    const struct account_waiter waiter = {on_ready, NULL};
    const struct application *erp;
    struct account_waiter mine = waiter;
    unsigned roles = 0;
    struct caller caller;
    struct stand stand;

    (void)state;
    setup(&stand, 60000);
    mine.userdata = &stand;
    erp = create(&stand, APPLICATION_INDIVIDUAL, "user:postgres");
    fake_nss_fail(EIO);
    caller = caller_of(0);
    assert_int_equal(identity_roles(&stand.identity, &caller, erp, &mine, &roles), IDENTITY_DONE);
    assert_true(roles & ROLE_ADMINISTRATOR);
    caller = caller_of(1000);
    assert_int_equal(identity_roles(&stand.identity, &caller, erp, &mine, &roles),
                     IDENTITY_PENDING);
    wait_ready(&stand);
    assert_int_equal(identity_roles(&stand.identity, &caller, erp, &mine, &roles),
                     IDENTITY_UNAVAILABLE);
    teardown(&stand);
}

static struct identity_target target_of(struct stand *stand, uid_t uid,
                                        const struct application *application, const char *user)
{
    const struct account_waiter waiter = {on_ready, stand};
    const struct caller caller = caller_of(uid);
    struct identity_target target = {0};
    int r;

    while ((r = identity_target(&stand->identity, stand->domain.realm, &caller, application, user,
                                &waiter, &target)) == IDENTITY_PENDING)
        wait_ready(stand);
    assert_int_equal(r, IDENTITY_DONE);
    return target;
}

static void test_target_individual(void **state)
{
    const struct application *erp;
    struct identity_target target;
    struct stand stand;

    (void)state;
    setup(&stand, 60000);
    erp = create(&stand, APPLICATION_INDIVIDUAL, "user:postgres");
    target = target_of(&stand, 1000, erp, NULL);
    assert_true(target.own && target.known && target.entitled && target.found);
    assert_string_equal(target.account.name, "alice");
    target = target_of(&stand, 1000, erp, "alice");
    assert_true(target.own && target.entitled);
    target = target_of(&stand, 70, erp, "alice"); /* of alice, the name service alone is asked */
    assert_true(!target.own && target.known && target.entitled && target.found);
    assert_string_equal(target.user, "alice");
    target = target_of(&stand, 70, erp, "carol");
    assert_true(target.known && !target.entitled);
    target = target_of(&stand, 70, erp, "nobody-at-all");
    assert_true(!target.known && !target.entitled && !target.found);
    target = target_of(&stand, 1006, erp, NULL); /* a name that no mapping can have */
    assert_true(!target.known && !target.entitled && !target.found);
    teardown(&stand);
}

static void test_target_group(void **state)
{
    const struct application *pool;
    struct identity_target target;
    struct stand stand;

    (void)state;
    setup(&stand, 60000);
    pool = create(&stand, APPLICATION_GROUP, "user:postgres");
    target = target_of(&stand, 1000, pool, NULL);
    assert_true(target.entitled && !target.found);
    assert_int_equal(domain_set(&stand.domain, pool, "group:clerks", "SHARED", "x"), 0);
    target = target_of(&stand, 1000, pool, NULL);
    assert_true(target.entitled && target.found);
    assert_int_equal(target.account.kind, ACCOUNT_GROUP);
    assert_string_equal(target.account.name, "clerks");
    target = target_of(&stand, 70, pool, "dora");
    assert_true(target.entitled && !target.found);
    assert_int_equal(domain_set(&stand.domain, pool, "user:dora", "DORA", "x"), 0);
    target = target_of(&stand, 70, pool, "dora");
    assert_true(target.found);
    assert_int_equal(target.account.kind, ACCOUNT_USER);
    target = target_of(&stand, 1002, pool, NULL);
    assert_true(!target.entitled && !target.found);
    teardown(&stand);
}

static void test_names_known(void **state)
{
    char *good[] = {TEXT("clerks"), TEXT("user:alice")}, *bad[] = {TEXT("clerks"), TEXT("user:nobody"), TEXT("nogroup")};
    char *none[] = {TEXT("none")};
    const struct name_list good_list = {good, 2}, bad_list = {bad, 3}, none_list = {none, 1};
    const struct application_draft draft = {.users = &good_list, .agents = &none_list};
    const struct application_draft bad_draft = {.users = &good_list, .admins = &bad_list};
    struct stand stand;
    const struct account_waiter waiter = {on_ready, &stand};
    const char *unknown = "";
    size_t index = 99;

    (void)state;
    setup(&stand, 60000);
    while (identity_names_known(&stand.identity, &bad_list, &waiter, &index) == IDENTITY_PENDING)
        wait_ready(&stand);
    assert_int_equal(index, 1);
    while (identity_names_known(&stand.identity, &good_list, &waiter, &index) == IDENTITY_PENDING)
        wait_ready(&stand);
    assert_int_equal(index, 2);
    while (identity_draft_known(&stand.identity, &draft, &waiter, &unknown) == IDENTITY_PENDING)
        wait_ready(&stand);
    assert_null(unknown);
    while (identity_draft_known(&stand.identity, &bad_draft, &waiter, &unknown) ==
           IDENTITY_PENDING)
        wait_ready(&stand);
    assert_string_equal(unknown, "user:nobody");
    teardown(&stand);
}

static void test_caller_name(void **state)
{
    const struct caller alice = caller_of(1000);
    struct stand stand;
    const struct account_waiter waiter = {on_ready, &stand};
    struct caller stranger = {.uid = 4242};
    const char *name = NULL;

    (void)state;
    setup(&stand, 60000);
    while (identity_name(&stand.identity, &alice, &waiter, &name) == IDENTITY_PENDING)
        wait_ready(&stand);
    assert_string_equal(name, "alice");
    while (identity_name(&stand.identity, &stranger, &waiter, &name) == IDENTITY_PENDING)
        wait_ready(&stand);
    assert_string_equal(name, "");
    teardown(&stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_groups_need_both),
        cmocka_unit_test(test_membership_revoked),
        cmocka_unit_test(test_agents_none),
        cmocka_unit_test(test_name_service_fails),
        cmocka_unit_test(test_target_individual),
        cmocka_unit_test(test_target_group),
        cmocka_unit_test(test_names_known),
        cmocka_unit_test(test_caller_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

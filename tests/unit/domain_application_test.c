/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/application_internal.h"
#include "dbus-service/domain/mapping_internal.h"
#include "dbus-service/domain/realm_internal.h"
#include "tests/unit/domain_fixture.h"

#include <errno.h>
#include <string.h>

static int create(struct domain *domain, const struct application_draft *draft)
{
    struct result result = {0};
    struct failure failure = {0};
    int r = application_create(domain->set, draft, on_written, &result, &failure);

    if (r != 0)
        return r;
    domain_wait(domain, &result, 1);
    return (int)result.failure.code;
}

static int update(struct domain *domain, const char *name, const struct application_draft *draft)
{
    struct result result = {0};
    struct failure failure = {0};
    int r = application_update(domain->set, application_set_find(domain->set, name), draft,
                               on_written, &result, &failure);

    if (r != 0)
        return r;
    domain_wait(domain, &result, 1);
    return (int)result.failure.code;
}

static int add_field(struct domain *domain, const char *name, const char *label, bool masked)
{
    struct result result = {0};
    struct failure failure = {0};
    int r = application_add_field(domain->set, application_set_find(domain->set, name), label,
                                  masked, on_written, &result, &failure);

    if (r != 0)
        return r;
    domain_wait(domain, &result, 1);
    return (int)result.failure.code;
}

static int relabel(struct domain *domain, const char *name, const char *label, const char *to)
{
    struct result result = {0};
    struct failure failure = {0};
    int r = application_relabel_field(domain->set, application_set_find(domain->set, name), label,
                                      to, on_written, &result, &failure);

    if (r != 0)
        return r;
    domain_wait(domain, &result, 1);
    return (int)result.failure.code;
}

static void delete_begin(struct domain *domain, const char *name, struct result *result)
{
    struct failure failure = {0};

    assert_int_equal(application_delete(domain->set, application_set_find(domain->set, name),
                                        on_written, result, &failure), 0);
}

static void delete(struct domain *domain, const char *name)
{
    struct result result = {0};

    delete_begin(domain, name, &result);
    domain_wait(domain, &result, 1);
    assert_int_equal(result.failure.code, ERROR_NONE);
}

/* ---- Definitions ---- */

static const struct field one_field[] = {{.label = TEXT("user")}};

static void test_create_and_reload(void **state)
{
    char *users[] = {TEXT("clerks"), TEXT("user:dora")};
    char *admins[] = {TEXT("appadmins")};
    char *agents[] = {TEXT("user:postgres")};
    const struct name_list user_list = {users, 2}, admin_list = {admins, 1}, agent_list = {agents, 1};
    const struct field fields[] = {
        {.label = TEXT("user")},
        {.label = TEXT("password"), .masked = true},
        {.label = TEXT("client")},
    };
    const bool enabled = true;
    const struct application_draft draft = {
        .name = "erp", .type = APPLICATION_GROUP, .description = "M\xc3\xbcller's", .contact = "x@y",
        .users = &user_list, .admins = &admin_list, .agents = &agent_list,
        .fields = fields, .fields_count = 3, .enabled = &enabled,
    };
    const struct application *erp;
    const struct field *field;
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    assert_int_equal(create(&domain, &draft), 0);
    assert_int_equal(domain.added, 1);
    domain_stop(&domain);
    domain_start(&domain);
    domain_unseal(&domain);
    assert_int_equal(application_set_count(domain.set), 1);
    erp = application_set_find(domain.set, "erp");
    assert_string_equal(erp->description, "M\xc3\xbcller's");
    assert_string_equal(erp->contact, "x@y");
    assert_int_equal(erp->type, APPLICATION_GROUP);
    assert_true(erp->enabled);
    assert_int_equal(erp->users.count, 2);
    assert_string_equal(erp->users.names[1], "user:dora");
    assert_string_equal(erp->admins.names[0], "appadmins");
    assert_string_equal(erp->agents.names[0], "user:postgres");
    assert_int_equal(application_field(erp, "client", &field), 0);
    assert_int_equal(field->id, 2);
    assert_int_equal(application_field(erp, "nothing", &field), -ENOENT);
    assert_int_equal(application_only_masked(erp, &field), 0);
    assert_string_equal(field->label, "password");
    domain_teardown(&domain);
}

static void test_names_exist_once(void **state)
{
    const struct application_draft draft = {
        .name = "erp", .type = APPLICATION_INDIVIDUAL, .fields = one_field, .fields_count = 1};
    struct result results[3] = {0};
    struct failure failure = {0};
    unsigned won = 0;
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    for (int i = 0; i < 3; i++) { /* a race: all of them before the first is durable */
        int r = application_create(domain.set, &draft, on_written, &results[i], &failure);

        if (r == ERROR_APPLICATION_EXISTS)
            results[i] = (struct result){.calls = 1, .failure = failure};
        else
            assert_int_equal(r, 0);
    }
    for (int i = 0; i < 3; i++) {
        domain_wait(&domain, &results[i], 1);
        won += results[i].failure.code == ERROR_NONE;
        assert_true(results[i].failure.code == ERROR_NONE ||
                    results[i].failure.code == ERROR_APPLICATION_EXISTS);
    }
    assert_int_equal(won, 1);
    assert_int_equal(domain.added, 1);
    assert_int_equal(create(&domain, &draft), ERROR_APPLICATION_EXISTS);
    domain_teardown(&domain);
}

static void test_order_and_pages(void **state)
{
    static const char *const names[] = {"b", "a", "c b", "c", "Z", "\xc3\xa4"};
    static const char *const ordered[] = {"Z", "a", "b", "c", "c b", "\xc3\xa4"};
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    for (size_t i = 0; i < 6; i++)
        domain_create(&domain, names[i], APPLICATION_INDIVIDUAL);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(application_set_at(domain.set, i)->name, ordered[i]);
    assert_null(application_set_at(domain.set, 6));
    assert_int_equal(application_set_after(domain.set, "a"), 2);
    assert_int_equal(application_set_after(domain.set, "aa"), 2);
    assert_int_equal(application_set_after(domain.set, "\xc3\xa4"), 6);
    delete(&domain, "b");
    assert_int_equal(application_set_count(domain.set), 5);
    assert_string_equal(application_set_at(domain.set, 2)->name, "c");
    domain_teardown(&domain);
}

static void test_update(void **state)
{
    char *users[] = {TEXT("others")};
    char *none[] = {TEXT("none")};
    char *agents[] = {TEXT("user:postgres")};
    const struct name_list user_list = {users, 1}, none_list = {none, 1}, agent_list = {agents, 1};
    const bool enabled = true;
    const struct application *erp;
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(update(&domain, "erp", &(struct application_draft){.description = "new"}), 0);
    assert_int_equal(update(&domain, "erp", &(struct application_draft){.users = &user_list}), 0);
    assert_int_equal(update(&domain, "erp", &(struct application_draft){.enabled = &enabled}), 0);
    assert_int_equal(update(&domain, "erp", &(struct application_draft){.agents = &none_list}), 0);
    erp = application_set_find(domain.set, "erp");
    assert_string_equal(erp->description, "new");
    assert_int_equal(erp->users.count, 1);
    assert_true(erp->enabled);
    assert_true(erp->agents_none);
    assert_int_equal(erp->agents.count, 0);
    assert_int_equal(erp->fields_count, 3);
    assert_int_equal(erp->version, 5);
    assert_int_equal(domain.changed, 4);
    assert_int_equal(update(&domain, "erp", &(struct application_draft){.agents = &agent_list}), 0);
    erp = application_set_find(domain.set, "erp");
    assert_false(erp->agents_none);
    assert_int_equal(erp->agents.count, 1);
    domain_teardown(&domain);
}

/* Two administrators change the same definition: the second is told, not overwritten. */
static void test_updates_race(void **state)
{
    const struct application_draft one = {.description = "one"}, two = {.contact = "two"};
    struct result first = {0}, second = {0};
    struct failure failure = {0};
    const struct application *erp;
    struct domain domain;
    int r;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(application_update(domain.set, erp, &one, on_written, &first, &failure), 0);
    r = application_update(domain.set, erp, &two, on_written, &second, &failure);
    domain_wait(&domain, &first, 1);
    if (r == 0) {
        domain_wait(&domain, &second, 1);
        r = (int)second.failure.code;
    }
    assert_int_equal(first.failure.code, ERROR_NONE);
    assert_int_equal(r, ERROR_CONFLICT);
    assert_string_equal(application_set_find(domain.set, "erp")->description, "one");
    domain_teardown(&domain);
}

static void check_lists(struct domain *domain)
{
    char *bad_user[] = {TEXT("user:")}, *twice[] = {TEXT("a"), TEXT("a")}, *group[] = {TEXT("wheel")};
    char *control[] = {TEXT("a\nb")}, *none_more[] = {TEXT("none"), TEXT("user:x")};
    static char many_names[LIST_NAMES_MAX + 1][8];
    static char *many[LIST_NAMES_MAX + 1];
    const struct application_draft drafts[] = {
        {.users = &(struct name_list){bad_user, 1}},  {.users = &(struct name_list){twice, 2}},
        {.admins = &(struct name_list){control, 1}},  {.agents = &(struct name_list){group, 1}},
        {.agents = &(struct name_list){none_more, 2}}, {.description = "\xff"},
    };

    for (size_t i = 0; i < sizeof(drafts) / sizeof(drafts[0]); i++)
        assert_int_equal(update(domain, "erp", &drafts[i]), ERROR_INVALID_ARGUMENT);
    for (int i = 0; i <= LIST_NAMES_MAX; i++) {
        snprintf(many_names[i], sizeof(many_names[i]), "g%d", i);
        many[i] = many_names[i];
    }
    assert_int_equal(update(domain, "erp", &(struct application_draft){
                                .users = &(struct name_list){many, LIST_NAMES_MAX + 1}}),
                     ERROR_TOO_LARGE);
    assert_int_equal(update(domain, "erp", &(struct application_draft){
                                .users = &(struct name_list){many, LIST_NAMES_MAX}}), 0);
}

static void test_what_is_refused(void **state)
{
    static const char *const names[] = {"", "a\tb", "\x7f", "\xff\xfe", "\xc2\x9f"};
    char text[TEXT_MAX_BYTES + 2];
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(create(&domain, &(struct application_draft){
                                    .name = names[i], .type = APPLICATION_INDIVIDUAL,
                                    .fields = one_field, .fields_count = 1}),
                         ERROR_INVALID_ARGUMENT);
    memset(text, 'x', sizeof(text));
    text[NAME_MAX_BYTES + 1] = '\0';
    assert_int_equal(create(&domain, &(struct application_draft){
                                .name = text, .type = APPLICATION_INDIVIDUAL,
                                .fields = one_field, .fields_count = 1}), ERROR_INVALID_ARGUMENT);
    text[NAME_MAX_BYTES] = '\0';
    assert_int_equal(create(&domain, &(struct application_draft){
                                .name = text, .type = APPLICATION_INDIVIDUAL,
                                .fields = one_field, .fields_count = 1}), 0);
    domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    check_lists(&domain);
    memset(text, 'x', sizeof(text));
    text[TEXT_MAX_BYTES + 1] = '\0';
    assert_int_equal(update(&domain, "erp", &(struct application_draft){.contact = text}),
                     ERROR_TOO_LARGE);
    text[TEXT_MAX_BYTES] = '\0';
    assert_int_equal(update(&domain, "erp", &(struct application_draft){.contact = text}), 0);
    domain_teardown(&domain);
}

/* ---- Fields ---- */

static int create_fields(struct domain *domain, const char *name, size_t count, size_t masked)
{
    static char labels[FIELDS_MAX + 1][8];
    struct field fields[FIELDS_MAX + 1];

    for (size_t i = 0; i < count; i++) {
        snprintf(labels[i], sizeof(labels[i]), "f%zu", i);
        fields[i] = (struct field){.label = labels[i], .masked = i > 0 && i <= masked};
    }
    return create(domain, &(struct application_draft){.name = name, .type = APPLICATION_INDIVIDUAL,
                                                      .fields = fields, .fields_count = count});
}

static void test_field_limits(void **state)
{
    const struct field masked_first[] = {{.label = TEXT("user"), .masked = true}};
    const struct field twice[] = {{.label = TEXT("user")}, {.label = TEXT("user")}};
    const struct field *field;
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    assert_int_equal(create_fields(&domain, "0", 0, 0), ERROR_INVALID_ARGUMENT);
    assert_int_equal(create_fields(&domain, "33", FIELDS_MAX + 1, 0), ERROR_TOO_LARGE);
    assert_int_equal(create_fields(&domain, "32", FIELDS_MAX, 0), 0);
    assert_int_equal(add_field(&domain, "32", "one more", false), ERROR_TOO_LARGE);
    assert_int_equal(create_fields(&domain, "17m", 20, MASKED_FIELDS_MAX + 1), ERROR_TOO_LARGE);
    assert_int_equal(create_fields(&domain, "16m", 20, MASKED_FIELDS_MAX), 0);
    assert_int_equal(add_field(&domain, "16m", "masked", true), ERROR_TOO_LARGE);
    assert_int_equal(add_field(&domain, "16m", "plain", false), 0);
    assert_int_equal(application_only_masked(application_set_find(domain.set, "16m"), &field),
                     -E2BIG);
    assert_int_equal(application_only_masked(application_set_find(domain.set, "32"), &field),
                     -ENOENT);
    assert_int_equal(create(&domain, &(struct application_draft){.name = "m",
                         .type = APPLICATION_INDIVIDUAL, .fields = masked_first,
                         .fields_count = 1}), ERROR_INVALID_ARGUMENT);
    assert_int_equal(create(&domain, &(struct application_draft){.name = "t",
                         .type = APPLICATION_INDIVIDUAL, .fields = twice, .fields_count = 2}),
                     ERROR_FIELD_EXISTS);
    domain_teardown(&domain);
}

static void test_fields_keep_mappings(void **state)
{
    const struct application *erp;
    struct mapping *mapping;
    const struct field *field;
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(domain_set(&domain, erp, "user:alice", "ALICE", "pw"), 0);
    assert_int_equal(add_field(&domain, "erp", "pin", true), 0);
    assert_int_equal(relabel(&domain, "erp", "password", "passphrase"), 0);
    assert_int_equal(relabel(&domain, "erp", "nothing", "x"), ERROR_FIELD_NOT_FOUND);
    assert_int_equal(relabel(&domain, "erp", "pin", "client"), ERROR_FIELD_EXISTS);
    assert_int_equal(relabel(&domain, "erp", "pin", "a\nb"), ERROR_INVALID_ARGUMENT);
    assert_int_equal(add_field(&domain, "erp", "pin", true), ERROR_FIELD_EXISTS);
    erp = application_set_find(domain.set, "erp");
    mapping = domain_get(&domain, erp, "user:alice");
    assert_int_equal(application_field(erp, "passphrase", &field), 0);
    assert_int_equal(mapping_value(mapping, field->id)->length, 2);
    assert_int_equal(application_field(erp, "pin", &field), 0);
    assert_null(mapping_value(mapping, field->id));
    mapping_free(mapping);
    /* The label that became free may be given again, and names another field. */
    assert_int_equal(add_field(&domain, "erp", "password", true), 0);
    erp = application_set_find(domain.set, "erp");
    mapping = domain_get(&domain, erp, "user:alice");
    assert_int_equal(application_field(erp, "password", &field), 0);
    assert_null(mapping_value(mapping, field->id));
    mapping_free(mapping);
    domain_teardown(&domain);
}

/* ---- Deletion ---- */

static void test_made_again_inherits_nothing(void **state)
{
    const struct application *erp;
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(domain_set(&domain, erp, "user:alice", "ALICE", "pw"), 0);
    delete(&domain, "erp");
    assert_int_equal(domain.removed, 1);
    assert_null(application_set_find(domain.set, "erp"));
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_null(domain_get(&domain, erp, "user:alice"));
    assert_int_equal(application_mappings(domain.set, erp), 0);
    assert_int_equal(domain_set(&domain, erp, "user:bob", "ALICE", "pw"), 0);
    domain_teardown(&domain);
}

static uint64_t live_records(struct domain *domain, uint8_t class, const uint8_t *scope)
{
    static const uint8_t zero[RECORD_SCOPE_SIZE];

    return log_count(realm_log(domain->realm), class, scope ? scope : zero);
}

static void fill(struct domain *domain, const struct application *application, int count)
{
    for (int i = 0; i < count; i++) {
        char account[32], external[32];

        snprintf(account, sizeof(account), "user:u%d", i);
        snprintf(external, sizeof(external), "E%d", i);
        assert_int_equal(domain_set(domain, application, account, external, "pw"), 0);
    }
}

static void wait_for_purge(struct domain *domain, const uint8_t *id)
{
    for (int i = 0; i < 3000 && (live_records(domain, RECORD_MAPPING, id) > 0 ||
                                live_records(domain, RECORD_APPLICATION, NULL) > 0); i++)
        domain_run_ms(domain, 20);
    assert_int_equal(live_records(domain, RECORD_MAPPING, id), 0);
    assert_int_equal(live_records(domain, RECORD_APPLICATION, NULL), 0);
}

static bool is_reserved(struct domain *domain, const uint8_t *id, const char *external_user)
{
    struct record_key key;
    uint64_t revision, version;

    realm_reservation_key(domain->realm, &key, "external", id, external_user);
    assert_int_equal(realm_peek(domain->realm, &key, &revision, &version), 0);
    return revision != 0;
}

static void test_purge(void **state)
{
    uint8_t id[APPLICATION_ID_SIZE];
    const struct application *erp;
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    memcpy(id, erp->id, sizeof(id));
    fill(&domain, erp, 100);
    assert_true(is_reserved(&domain, id, "E0"));
    delete(&domain, "erp");
    wait_for_purge(&domain, id);
    for (int i = 0; i < 100; i++) {
        char external[32];

        snprintf(external, sizeof(external), "E%d", i);
        assert_false(is_reserved(&domain, id, external));
    }
    domain_teardown(&domain);
}

/* A damaged mapping does not keep the application's record for ever. */
static void test_purge_with_a_damaged_mapping(void **state)
{
    const struct account_name u7 = account_of("user:u7");
    uint8_t id[APPLICATION_ID_SIZE];
    const struct application *erp;
    struct record_key key;
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    memcpy(id, erp->id, sizeof(id));
    fill(&domain, erp, 60);
    mapping_key(&key, id, &u7);
    domain_damage(&domain, &key);
    delete(&domain, "erp");
    wait_for_purge(&domain, id);
    assert_false(is_reserved(&domain, id, "E6"));
    domain_teardown(&domain);
}

/* A name whose reservation does not open can be deleted, and given again when nothing has it. */
static void test_a_damaged_reservation_is_mended(void **state)
{
    struct record_key key;
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    realm_reservation_key(domain.realm, &key, "application", NULL, "erp");
    domain_damage(&domain, &key);
    delete(&domain, "erp");
    domain_damage(&domain, &key);
    domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    domain_teardown(&domain);
}

/* One definition that cannot be read is told of, and the others are there. */
static void test_load_beside_a_damaged_definition(void **state)
{
    const char *const names[] = {"a", "b", "c"};
    const struct application *application;
    struct failure failure;
    struct domain domain;
    struct record_key key;

    (void)state;
    domain_setup_ready(&domain);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        application = domain_create(&domain, names[i], APPLICATION_GROUP);
        application_key(&key, application->id);
        if (i != 1)
            domain_damage(&domain, &key);
    }
    assert_int_equal(application_set_load(domain.set, &failure), ERROR_DAMAGED);
    assert_non_null(strstr(failure.text, "cannot be read: 2;"));
    assert_non_null(strstr(failure.text, "does not authenticate"));
    assert_int_equal(application_set_count(domain.set), 1);
    assert_non_null(application_set_find(domain.set, "b"));
    domain_teardown(&domain);
}

/* Cut short between the deletion and the purge, and in the middle of it. */
static void purge_after_crash(unsigned milliseconds)
{
    uint8_t id[APPLICATION_ID_SIZE];
    struct result result = {0};
    const struct application *erp;
    struct domain domain;

    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    memcpy(id, erp->id, sizeof(id));
    fill(&domain, erp, 100);
    delete_begin(&domain, "erp", &result);
    while (result.calls == 0)
        uv_run(&domain.loop, UV_RUN_ONCE);
    assert_int_equal(result.failure.code, ERROR_NONE);
    if (milliseconds > 0)
        domain_run_ms(&domain, milliseconds);
    else
        assert_int_equal(live_records(&domain, RECORD_MAPPING, id), 100);
    domain_crash(&domain);
    domain_unseal(&domain);
    assert_int_equal(application_set_count(domain.set), 0);
    wait_for_purge(&domain, id);
    domain_teardown(&domain);
}

static void test_purge_after_crash(void **state)
{
    (void)state;
    purge_after_crash(0);
    purge_after_crash(2);
    purge_after_crash(5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_and_reload),
        cmocka_unit_test(test_names_exist_once),
        cmocka_unit_test(test_order_and_pages),
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_updates_race),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_field_limits),
        cmocka_unit_test(test_fields_keep_mappings),
        cmocka_unit_test(test_made_again_inherits_nothing),
        cmocka_unit_test(test_purge),
        cmocka_unit_test(test_purge_with_a_damaged_mapping),
        cmocka_unit_test(test_a_damaged_reservation_is_mended),
        cmocka_unit_test(test_load_beside_a_damaged_definition),
        cmocka_unit_test(test_purge_after_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

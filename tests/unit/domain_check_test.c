/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What the service finds in its records when it examines itself. What it finds besides is in
 * tests/system/test_cli_secret.py. */
#include "dbus-service/domain/check.h"
#include "dbus-service/domain/realm_internal.h"
#include "tests/unit/domain_fixture.h"

#include <string.h>

#define PEOPLE 30
#define DAMAGED 25
#define NAMED 20 /* of those that do not open */

/* The view counts so many mappings more than there are. */
static int miscounted;
uint64_t __real_log_census(struct log *log, uint8_t class, uint32_t generation);
uint64_t __wrap_log_census(struct log *log, uint8_t class, uint32_t generation);

uint64_t __wrap_log_census(struct log *log, uint8_t class, uint32_t generation)
{
    return __real_log_census(log, class, generation) +
           (class == RECORD_MAPPING ? (uint64_t)miscounted : 0);
}

/* Looking at the backup directory takes as long. */
static uv_sem_t may_look;
static bool hangs;
enum backup_file __real_backup_look(const struct backup_info *info);
enum backup_file __wrap_backup_look(const struct backup_info *info);

enum backup_file __wrap_backup_look(const struct backup_info *info)
{
    if (hangs)
        uv_sem_wait(&may_look);
    return __real_backup_look(info);
}

static void setup(struct domain *domain)
{
    const struct application *erp;

    domain_setup_ready(domain);
    erp = domain_create(domain, "erp", APPLICATION_INDIVIDUAL);
    for (unsigned i = 0; i < PEOPLE; i++) {
        char account[32], external[32];

        snprintf(account, sizeof(account), "user:p%u", i);
        snprintf(external, sizeof(external), "EXT%u", i);
        assert_int_equal(domain_set(domain, erp, account, external, "a password"), ERROR_NONE);
    }
}

static struct check *checked(struct domain *domain, bool deep)
{
    struct check *check = calloc(1, sizeof(*check));
    struct result result = {0};
    struct failure failure = {.code = ERROR_NONE};

    assert_non_null(check);
    check->deep = deep;
    check->applications = domain->set;
    assert_int_equal(check_begin(domain->realm, check, on_done, &result, &failure), 0);
    domain_wait(domain, &result, 1);
    assert_int_equal(result.failure.code, ERROR_NONE);
    return check;
}

/* How many errors have the text; each has the remedy. */
static size_t findings(const struct check *check, const char *text, const char *remedy)
{
    size_t count = 0;

    for (size_t i = 0; i < check->count; i++) {
        if (strcmp(check->findings[i].severity, "error") != 0 ||
            !strstr(check->findings[i].text, text))
            continue;
        assert_non_null(strstr(check->findings[i].remedy, remedy));
        count++;
    }
    return count;
}

static void damage(struct domain *domain, unsigned person)
{
    struct record_key key;
    char name[32];

    snprintf(name, sizeof(name), "up%u", person);
    realm_key(&key, RECORD_MAPPING, application_set_find(domain->set, "erp")->id, name,
              strlen(name));
    domain_damage(domain, &key);
}

/* The first of them by name, and how many more. */
static void test_records_that_do_not_open_are_named(void **state)
{
    struct domain domain;
    struct check *check;
    char all[128];

    (void)state;
    setup(&domain);
    check = checked(&domain, true);
    assert_int_equal(findings(check, "", ""), 0);
    check_free(check);
    damage(&domain, 7);
    check = checked(&domain, true);
    assert_int_equal(findings(check, "1 of 62 records that were opened do not open", "map set"), 1);
    assert_int_equal(findings(check, "mapping of user:p7 in application 'erp': does not authenticate",
                              "mastersecret map set"), 1);
    check_free(check);
    for (unsigned i = 0; i < DAMAGED; i++)
        if (i != 7)
            damage(&domain, i);
    check = checked(&domain, true);
    snprintf(all, sizeof(all), "%d of 62 records that were opened do not open; %d of them follow, and "
             "there are %d more", DAMAGED, NAMED, DAMAGED - NAMED);
    assert_int_equal(findings(check, all, "map set"), 1);
    assert_int_equal(findings(check, "mapping of user:p", "map set"), NAMED);
    check_free(check);
    domain_teardown(&domain);
}

static void test_counters_are_held_against_the_journal(void **state)
{
    struct domain domain;
    struct check *check;
    char text[128];

    (void)state;
    setup(&domain);
    for (miscounted = -1; miscounted <= 1; miscounted++) {
        check = checked(&domain, false);
        snprintf(text, sizeof(text), "generation 1, class mapping: the view counts %d records, the "
                 "journal has %d", PEOPLE + miscounted, PEOPLE);
        assert_int_equal(findings(check, "the view counts", "systemctl restart mastersecretd"),
                         miscounted != 0);
        assert_int_equal(findings(check, text, ""), miscounted != 0);
        check_free(check);
    }
    miscounted = 0;
    domain_teardown(&domain);
}

static void let_look(void *userdata)
{
    (void)userdata;
    uv_sleep(50);
    uv_sem_post(&may_look);
}

/* The directory may be another machine's that does not answer: whoever asked for the check waits, the
 * keyring's work and sealing do not; and closing does. */
static void test_a_directory_that_hangs(void **state)
{
    struct check *check = calloc(1, sizeof(*check)), *again = calloc(1, sizeof(*again));
    struct result result = {0}, other = {0};
    struct domain domain;
    uv_thread_t thread;

    (void)state;
    assert_true(check && again);
    domain_setup_ready(&domain);
    assert_int_equal(uv_sem_init(&may_look, 0), 0);
    hangs = true;
    assert_int_equal(check_begin(domain.realm, check, on_done, &result, &result.failure), 0);
    assert_int_equal(recipient_remove(domain.realm, "nobody", on_done, &other, &other.failure), 0);
    domain_wait(&domain, &other, 1);
    assert_int_equal(other.failure.code, ERROR_RECIPIENT_NOT_FOUND);
    assert_int_equal(realm_seal(domain.realm, on_done, &other, &other.failure), 0);
    domain_wait(&domain, &other, 2);
    assert_int_equal(other.failure.code, ERROR_NONE);
    assert_int_equal(result.calls, 0);
    uv_sem_post(&may_look);
    domain_wait(&domain, &result, 1);
    assert_int_equal(result.failure.code, ERROR_SEALED);
    domain_unseal(&domain);
    assert_int_equal(check_begin(domain.realm, again, on_done, &result, &result.failure), 0);
    assert_int_equal(uv_thread_create(&thread, let_look, NULL), 0);
    domain_stop(&domain);
    assert_int_equal(result.calls, 2);
    assert_int_equal(result.failure.code, ERROR_SEALED);
    assert_int_equal(uv_thread_join(&thread), 0);
    hangs = false;
    uv_sem_destroy(&may_look);
    check_free(check);
    check_free(again);
    domain_start(&domain);
    domain_teardown(&domain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_that_do_not_open_are_named),
        cmocka_unit_test(test_counters_are_held_against_the_journal),
        cmocka_unit_test(test_a_directory_that_hangs),
    };

    return cmocka_run_group_tests_name("domain/check", tests, NULL, NULL);
}

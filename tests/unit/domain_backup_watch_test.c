/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* When a backup is due, and how often that is told. The audit is stood in for (--wrap). */
#include "tests/unit/domain_fixture.h"

#include "dbus-service/domain/audit.h"
#include "dbus-service/domain/backup_watch.h"
#include "dbus-service/keys/keyring_change.h"

#include <string.h>

/* Looking at the directory takes as long. */
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

static unsigned told;
static char text[512];

void __wrap_audit_write(const struct audit_event *event);
void __wrap_audit_write(const struct audit_event *event)
{
    assert_int_equal(event->id, AUDIT_BACKUP_DUE);
    told++;
    snprintf(text, sizeof(text), "%s", event->failure->text);
}

static const char *due_with(const struct keyring *keyring, const struct backup_info *info)
{
    const struct keyring_change change = {.backup = info};
    struct keyring *changed = NULL;
    const char *due;

    assert_int_equal(keyring_change(keyring, &change, &changed), KEYRING_DONE);
    due = backup_due(changed, 0, BACKUP_FILE_FINE);
    keyring_free(changed);
    return due;
}

static void test_reasons(void **state)
{
    struct backup_info info, changed = {.time_usec = 0};
    const struct keyring *keyring;
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    keyring = realm_keyring(domain.realm);
    keyring_backup_info(keyring, &info);
    assert_null(backup_due(keyring, 0, BACKUP_FILE_FINE));
    assert_null(backup_due(keyring, UINT64_MAX / 4, BACKUP_FILE_GONE)); /* it is not in the directory */
    assert_non_null(strstr(backup_due(keyring, 1, BACKUP_FILE_FINE), "backup-max-age"));
    assert_non_null(strstr(due_with(keyring, &changed), "No backup"));
    changed = info;
    changed.generation--;
    assert_non_null(strstr(due_with(keyring, &changed), "newest generation"));
    assert_null(due_with(keyring, &info));
    domain_teardown(&domain);
}

/* At the first opening, and then at each interval: neither openings nor whoever asks make it more. */
static void watch_for(uint64_t interval_ms, uint64_t max_age_usec, unsigned wanted)
{
    struct backup_watch *watch;
    struct domain domain;
    uint64_t began;

    domain_setup_ready(&domain);
    began = uv_hrtime();
    told = 0;
    assert_int_equal(backup_watch_new(domain.realm, &domain.loop, interval_ms, &watch), 0);
    backup_watch_set(watch, max_age_usec);
    for (int again = 0; again < 5; again++) {
        backup_watch_begin(watch);
        domain_run_ms(&domain, 5);
        assert_int_equal(backup_watch_due(watch) != NULL, wanted > 0);
    }
    domain_await(&domain, &told, wanted);
    assert_true(told <= wanted || told <= 1 + (uv_hrtime() - began) / 1000000 / interval_ms);
    assert_true(wanted == 0 || strstr(text, "backup-max-age"));
    domain_stop(&domain); /* nobody looks any more */
    backup_watch_free(watch);
    domain_start(&domain);
    domain_teardown(&domain);
}

static void test_told_once_an_interval(void **state)
{
    (void)state;
    assert_int_equal(BACKUP_WATCH_MS, 24 * 3600 * 1000);
    watch_for(BACKUP_WATCH_MS, 1, 1);
    assert_int_equal(told, 1);
    watch_for(50, 1, 3);
    watch_for(1, 0, 0);
    assert_int_equal(told, 0);
}

/* The directory may be another machine's that does not answer: nothing waits for it. */
static void test_a_directory_that_hangs(void **state)
{
    struct backup_watch *watch;
    struct result result = {0};
    struct failure failure;
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    assert_int_equal(uv_sem_init(&may_look, 0), 0);
    hangs = true;
    assert_int_equal(backup_watch_new(domain.realm, &domain.loop, 1, &watch), 0);
    backup_watch_begin(watch);
    domain_run_ms(&domain, 20);
    assert_int_equal(recipient_remove(domain.realm, "nobody", on_done, &result, &failure), 0);
    domain_wait(&domain, &result, 1);
    assert_int_equal(result.failure.code, ERROR_RECIPIENT_NOT_FOUND);
    assert_int_equal(realm_seal(domain.realm, on_done, &result, &failure), 0);
    domain_wait(&domain, &result, 2);
    assert_int_equal(result.failure.code, ERROR_NONE);
    domain_stop(&domain);
    backup_watch_free(watch);
    hangs = false;
    uv_sem_post(&may_look);
    domain_start(&domain);
    domain_teardown(&domain);
    uv_sem_destroy(&may_look);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_told_once_an_interval),
        cmocka_unit_test(test_a_directory_that_hangs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

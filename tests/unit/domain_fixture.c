/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/domain_fixture.h"

#include "dbus-service/domain/realm_internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define KEYS_FAST_PASSPHRASE
#include "tests/unit/keys_support.h"

static void on_state(void *userdata, enum realm_state old_state, enum realm_state new_state)
{
    struct domain *domain = userdata;

    assert_int_not_equal(old_state, new_state);
    domain->states[new_state]++;
}

static void on_event(void *userdata, enum log_event event, const char *text)
{
    struct domain *domain = userdata;

    (void)text;
    domain->events[event]++;
}

static int on_load(void *userdata, struct failure *failure)
{
    struct domain *domain = userdata;

    domain->loads++;
    if (domain->load_fails)
        return failure_set(failure, ERROR_OUT_OF_MEMORY, NULL);
    if (domain->load_finds_damage) { /* as realm_get() meets it in the view */
        domain->load_finds_damage = false;
        domain->realm->view_damaged = true;
        return realm_check_readable(domain->realm, failure);
    }
    return 0;
}

static void on_added(void *userdata, const struct application *application)
{
    (void)application;
    ((struct domain *)userdata)->added++;
}

static void on_changed(void *userdata, const struct application *application)
{
    (void)application;
    ((struct domain *)userdata)->changed++;
}

static void on_removed(void *userdata, const char *name)
{
    (void)name;
    ((struct domain *)userdata)->removed++;
}

void domain_start(struct domain *domain)
{
    const struct realm_options options = {
        .loop = &domain->loop,
        .work = domain->work,
        .folder_fd = domain->folder_fd,
        .keyfile_path = domain->keyfile,
        .events = {on_state, on_event, on_load, domain},
    };
    const struct application_events events = {on_added, on_changed, on_removed, domain};

    assert_int_equal(realm_new(&options, &domain->realm), 0);
    assert_int_equal(application_set_new(domain->realm, &events, &domain->set), 0);
}

static void on_closed(void *userdata)
{
    *(bool *)userdata = true;
}

void domain_stop(struct domain *domain)
{
    bool closed = false;

    if (!domain->realm)
        return;
    realm_close(STEAL(domain->realm), on_closed, &closed);
    while (!closed)
        uv_run(&domain->loop, UV_RUN_ONCE);
    application_set_free(STEAL(domain->set));
}

void domain_setup(struct domain *domain)
{
    *domain = (struct domain){0};
    assert_int_equal(keys_init(), 0);
    folder_make(domain->folder, "mastersecret-domain.XXXXXX");
    snprintf(domain->state_path, sizeof(domain->state_path), "%s/state", domain->folder);
    snprintf(domain->keyfile, sizeof(domain->keyfile), "%s/root.key", domain->folder);
    snprintf(domain->backup, sizeof(domain->backup), "%s/backup", domain->folder);
    assert_int_equal(mkdir(domain->state_path, 0700), 0);
    domain->folder_fd = open(domain->state_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(domain->folder_fd >= 0);
    assert_int_equal(uv_loop_init(&domain->loop), 0);
    assert_int_equal(work_queue_new(&domain->loop, &domain->work), 0);
    domain_start(domain);
}

void domain_teardown(struct domain *domain)
{
    char command[128];

    domain_stop(domain);
    work_queue_free(domain->work);
    uv_run(&domain->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&domain->loop), 0);
    close(domain->folder_fd);
    snprintf(command, sizeof(command), "rm -rf '%s'", domain->folder);
    assert_int_equal(system(command), 0);
}

void domain_crash(struct domain *domain)
{
    char command[512];
    int failed = 1;

    /* cp fails when a file is renamed under its hands, as by a compaction that begins just then. */
    snprintf(command, sizeof(command), "rm -rf '%s.crashed' && cp -a '%s' '%s.crashed'",
             domain->state_path, domain->state_path, domain->state_path);
    for (int i = 0; i < 20 && failed; i++)
        failed = system(command);
    assert_int_equal(failed, 0);
    domain_stop(domain);
    close(domain->folder_fd);
    snprintf(command, sizeof(command), "rm -rf '%s' && mv '%s.crashed' '%s'", domain->state_path,
             domain->state_path, domain->state_path);
    assert_int_equal(system(command), 0);
    domain->folder_fd = open(domain->state_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(domain->folder_fd >= 0);
    domain_start(domain);
}

/* ---- Outcomes ---- */

void on_done(void *userdata, const struct failure *failure)
{
    struct result *result = userdata;

    result->calls++;
    result->failure = *failure;
}

void on_written(void *userdata, const struct failure *failure, uint64_t revision)
{
    struct result *result = userdata;

    on_done(userdata, failure);
    result->revision = revision;
}

static void on_tick(uv_timer_t *timer)
{
    (*(unsigned *)timer->data)++;
}

/* What a machine that is busy with everything else may need. */
enum { PATIENCE_MS = 240000 };

static void run_until(struct domain *domain, const unsigned *count, unsigned wanted,
                      unsigned milliseconds)
{
    unsigned ticks = 0;
    uv_timer_t timer;
    void *handle = &timer;

    assert_int_equal(uv_timer_init(&domain->loop, &timer), 0);
    timer.data = &ticks;
    uv_timer_start(&timer, on_tick, milliseconds, 0);
    while (ticks == 0 && (!count || *count < wanted))
        uv_run(&domain->loop, UV_RUN_ONCE);
    uv_close(handle, NULL);
    uv_run(&domain->loop, UV_RUN_NOWAIT);
}

void domain_wait(struct domain *domain, const struct result *result, unsigned calls)
{
    domain_await(domain, &result->calls, calls);
    assert_int_equal(result->calls, calls);
}

void domain_await(struct domain *domain, const unsigned *count, unsigned wanted)
{
    run_until(domain, count, wanted, PATIENCE_MS);
    assert_true(*count >= wanted);
}

void domain_run_ms(struct domain *domain, unsigned milliseconds)
{
    run_until(domain, NULL, 0, milliseconds);
}

/* ---- States ---- */

int domain_generate(struct domain *domain, enum slot_kind slot, const char *passphrase,
                    struct result *result, struct failure *failure)
{
    CLEANUP_CLOSE int fd = open(domain->backup, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct realm_generate request = {
        .slot = slot,
        .backup_passphrase = secret_of(passphrase),
        .hint = "a hint",
        .location = domain->backup,
        .backup_fd = fd,
    };
    int r = realm_generate(domain->realm, &request, on_done, result, failure);

    assert_null(request.backup_passphrase);
    return r;
}

void domain_unseal(struct domain *domain)
{
    struct result result = {0};
    struct failure failure;

    assert_int_equal(realm_unseal(domain->realm, NULL, on_done, &result, &failure), 0);
    domain_wait(domain, &result, 1);
    assert_string_equal(result.failure.code ? result.failure.text : "", "");
    assert_int_equal(application_set_load(domain->set, &failure), 0);
}

void domain_setup_ready(struct domain *domain)
{
    struct result result = {0};
    struct failure failure;

    domain_setup(domain);
    assert_int_equal(
        domain_generate(domain, SLOT_KEYFILE, BACKUP_PASSPHRASE, &result, &failure), 0);
    domain_wait(domain, &result, 1);
    assert_string_equal(result.failure.code ? result.failure.text : "", "");
    assert_int_equal(realm_state(domain->realm), REALM_READY);
}

/* ---- Applications and mappings ---- */

const struct application *domain_create(struct domain *domain, const char *name,
                                        enum application_type type)
{
    char *const users[] = {TEXT("clerks"), TEXT("user:dora")};
    const struct name_list list = {.names = (char **)(uintptr_t)users, .count = 2};
    const struct field fields[] = {
        {.label = TEXT("user")},
        {.label = TEXT("password"), .masked = true},
        {.label = TEXT("client")},
    };
    const struct application_draft draft = {
        .name = name, .type = type, .users = &list, .fields = fields, .fields_count = 3};
    struct result result = {0};
    struct failure failure = {0};

    assert_int_equal(
        application_create(domain->set, &draft, on_written, &result, &failure), 0);
    domain_wait(domain, &result, 1);
    assert_int_equal(result.failure.code, ERROR_NONE);
    assert_non_null(application_set_find(domain->set, name));
    return application_set_find(domain->set, name);
}

static void on_appended(void *userdata, enum log_outcome outcome, uint64_t revision)
{
    struct result *result = userdata;

    assert_int_equal(outcome, LOG_DONE);
    result->revision = revision;
    result->calls++;
}

void domain_append(struct domain *domain, const struct record_key *key, const uint8_t *record,
                   size_t size)
{
    const struct log_change change = {.key = *key, .record = record, .size = size};
    struct result result = {0};

    assert_int_equal(log_append(realm_log(domain->realm),
                                &(struct log_append){.changes = &change, .changes_count = 1},
                                on_appended, &result), LOG_DONE);
    domain_wait(domain, &result, 1);
}

void domain_damage(struct domain *domain, const struct record_key *key)
{
    struct record_header header;
    CLEANUP_FREE uint8_t *record = NULL;
    struct log_record stored;

    assert_int_equal(log_get(realm_log(domain->realm), key, &stored), 1);
    record = malloc(stored.size);
    memcpy(record, stored.record, stored.size);
    /* The next version, as the store wants it; but it is not what was sealed. */
    assert_int_equal(record_header_parse(record, stored.size, &header), 0);
    header.version++;
    record_header_format(&header, record);
    domain_append(domain, key, record, stored.size);
}

struct account_name account_of(const char *text)
{
    struct account_name account;

    assert_int_equal(account_name_parse(text, &account), 0);
    return account;
}

int domain_set(struct domain *domain, const struct application *application, const char *account,
               const char *external_user, const char *password)
{
    const struct mapping_value value = {
        .field = 1,
        .bytes = (const uint8_t *)password,
        .length = password ? strlen(password) : 0,
    };
    const struct mapping_change change = {
        .account = account_of(account),
        .external_user = external_user,
        .values = &value,
        .values_count = password ? 1 : 0,
        .changed_by = 1000,
    };
    struct result result = {0};
    struct failure failure = {0};
    int r = mapping_set(domain->realm, application, &change, on_written, &result, &failure);

    if (r != 0)
        return r;
    domain_wait(domain, &result, 1);
    return (int)result.failure.code;
}

struct mapping *domain_get(struct domain *domain, const struct application *application,
                           const char *account)
{
    const struct account_name name = account_of(account);
    struct mapping *mapping = NULL;
    struct failure failure = {0};
    int r = mapping_get(domain->realm, application, &name, &mapping, &failure);

    assert_true(r == 0 || r == ERROR_MAPPING_NOT_FOUND);
    return r == 0 ? mapping : NULL;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/realm_internal.h"
#include "tests/unit/domain_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASSPHRASE "correct horse battery"

/* fdatasync() fails from now on. */
static bool disk_fails;
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
    if (disk_fails) {
        errno = EIO;
        return -1;
    }
    return __real_fdatasync(fd);
}

static struct secret *secret_of_text(const char *text)
{
    struct secret *secret = NULL;

    assert_int_equal(secret_new_copy(text, strlen(text), &secret), 0);
    return secret;
}

static int unseal(struct domain *domain, const char *passphrase, struct result *result)
{
    struct secret *secret = passphrase ? secret_of_text(passphrase) : NULL;
    int r;

    *result = (struct result){0};
    r = realm_unseal(domain->realm, secret, on_done, result, &result->failure);
    if (r != 0)
        return r;
    assert_int_equal(result->calls, 0); /* never from within */
    domain_wait(domain, result, 1);
    return (int)result->failure.code;
}

static int seal(struct domain *domain)
{
    struct result result = {0};
    int r = realm_seal(domain->realm, on_done, &result, &result.failure);

    if (r != 0)
        return r;
    assert_int_equal(realm_state(domain->realm), REALM_SEALED);
    assert_int_equal(result.calls, 0);
    domain_wait(domain, &result, 1);
    return (int)result.failure.code;
}

/* What each state answers to somebody who wants to read. */
static void assert_refused(struct domain *domain, enum error_code code)
{
    const struct application_draft draft = {.name = "erp", .type = APPLICATION_INDIVIDUAL};
    struct failure failure = {0};
    struct result result = {0};

    assert_int_equal(realm_check_readable(domain->realm, &failure), code);
    assert_int_equal(failure.code, code);
    assert_int_equal(application_create(domain->set, &draft, on_written, &result, &failure), code);
    assert_int_equal(application_set_load(domain->set, &failure), code);
    assert_null(realm_keyring(domain->realm));
    assert_null(realm_log(domain->realm));
    assert_string_equal(realm_slot_used(domain->realm), "");
}

static void test_life(void **state)
{
    struct result result = {0};
    struct failure failure;
    struct domain domain;

    (void)state;
    domain_setup(&domain);
    assert_int_equal(realm_state(domain.realm), REALM_UNCONFIGURED);
    assert_refused(&domain, ERROR_UNCONFIGURED);
    assert_int_equal(unseal(&domain, NULL, &result), ERROR_UNCONFIGURED);
    assert_int_equal(seal(&domain), ERROR_UNCONFIGURED);
    assert_int_equal(domain_generate(&domain, SLOT_KEYFILE, PASSPHRASE, &result, &failure), 0);
    assert_int_equal(result.calls, 0);
    domain_wait(&domain, &result, 1);
    assert_int_equal(result.failure.code, ERROR_NONE);
    assert_int_equal(realm_state(domain.realm), REALM_READY);
    assert_string_equal(realm_slot_used(domain.realm), "keyfile");
    assert_int_equal(keyring_active_generation(realm_keyring(domain.realm)), 1);
    assert_int_equal(domain_generate(&domain, SLOT_KEYFILE, PASSPHRASE, &result, &failure),
                     ERROR_ALREADY_CONFIGURED);
    assert_int_equal(unseal(&domain, NULL, &result), ERROR_ALREADY_UNSEALED);
    domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(seal(&domain), 0);
    assert_refused(&domain, ERROR_SEALED);
    assert_int_equal(seal(&domain), ERROR_SEALED);
    domain_unseal(&domain);
    assert_int_equal(application_set_count(domain.set), 1);
    domain_stop(&domain);
    domain_start(&domain);
    assert_int_equal(realm_state(domain.realm), REALM_SEALED);
    domain_unseal(&domain);
    assert_int_equal(application_set_count(domain.set), 1);
    assert_int_equal(domain.states[REALM_READY], 3);
    assert_int_equal(domain.states[REALM_SEALED], 1);
    domain_teardown(&domain);
}

static void test_passphrase_slot(void **state)
{
    struct result result = {0};
    struct failure failure;
    struct domain domain;

    (void)state;
    domain_setup(&domain);
    assert_int_equal(domain_generate(&domain, SLOT_PASSPHRASE, PASSPHRASE, &result, &failure), 0);
    domain_wait(&domain, &result, 1);
    assert_int_equal(seal(&domain), 0);
    assert_int_equal(unseal(&domain, "wrong wrong wrong", &result), ERROR_WRONG_PASSPHRASE);
    assert_int_equal(unseal(&domain, "short", &result), ERROR_WRONG_PASSPHRASE);
    assert_int_equal(unseal(&domain, NULL, &result), ERROR_NO_SLOT_OPENS);
    assert_non_null(strstr(result.failure.text, "mastersecret secret unseal"));
    assert_int_equal(realm_state(domain.realm), REALM_SEALED);
    assert_int_equal(unseal(&domain, PASSPHRASE, &result), 0);
    assert_string_equal(realm_slot_used(domain.realm), "passphrase");
    domain_teardown(&domain);
}

static void test_key_file_gone_or_wrong(void **state)
{
    struct result result = {0};
    struct domain domain;
    int fd;

    (void)state;
    domain_setup_ready(&domain);
    assert_int_equal(seal(&domain), 0);
    assert_int_equal(unseal(&domain, PASSPHRASE, &result), ERROR_NO_SLOT_OPENS);
    assert_int_equal(unlink(domain.keyfile), 0);
    assert_int_equal(unseal(&domain, NULL, &result), ERROR_NO_SLOT_OPENS);
    assert_non_null(strstr(result.failure.text, domain.keyfile));
    fd = open(domain.keyfile, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
    assert_int_equal(write(fd, "0123456789abcdef0123456789abcdef", 32), 32);
    close(fd);
    assert_int_equal(unseal(&domain, NULL, &result), ERROR_NO_SLOT_OPENS);
    assert_int_equal(realm_state(domain.realm), REALM_SEALED);
    domain_teardown(&domain);
}

static int generate_with(struct domain *domain, const char *passphrase, const char *hint, int fd)
{
    struct realm_generate request = {.slot = SLOT_KEYFILE,
                                     .backup_passphrase = secret_of_text(passphrase),
                                     .hint = hint,
                                     .location = "",
                                     .backup_fd = fd};
    struct result result = {0};
    int r = realm_generate(domain->realm, &request, on_done, &result, &result.failure);

    assert_null(request.backup_passphrase);
    if (r != 0)
        return r;
    domain_wait(domain, &result, 1);
    return (int)result.failure.code;
}

static void test_generate_refuses(void **state)
{
    char text[PASSPHRASE_MAX_BYTES + 2];
    struct domain domain;
    int fd;

    (void)state;
    domain_setup(&domain);
    fd = open(domain.backup, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(generate_with(&domain, "seven 7", "", fd), ERROR_INVALID_ARGUMENT);
    memset(text, 'x', sizeof(text));
    text[PASSPHRASE_MAX_BYTES + 1] = '\0';
    assert_int_equal(generate_with(&domain, text, "", fd), ERROR_INVALID_ARGUMENT);
    text[HINT_MAX_BYTES + 1] = '\0';
    assert_int_equal(generate_with(&domain, PASSPHRASE, text, fd), ERROR_INVALID_ARGUMENT);
    assert_int_equal(generate_with(&domain, PASSPHRASE, "\xff", fd), ERROR_INVALID_ARGUMENT);
    assert_int_equal(generate_with(&domain, PASSPHRASE, "", -1), ERROR_BAD_DESCRIPTOR);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(generate_with(&domain, PASSPHRASE, "", fd), ERROR_BAD_DESCRIPTOR);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(realm_state(domain.realm), REALM_UNCONFIGURED);
    /* A journal whose keyring is gone: no new keyring could open it. */
    close(openat(domain.folder_fd, "journal", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    assert_int_equal(generate_with(&domain, PASSPHRASE, "", fd), ERROR_DAMAGED);
    assert_int_equal(unlinkat(domain.folder_fd, "journal", 0), 0);
    text[PASSPHRASE_MAX_BYTES] = '\0';
    text[HINT_MAX_BYTES] = '\0';
    assert_int_equal(generate_with(&domain, "8 bytes.", text, fd), 0);
    close(fd);
    domain_teardown(&domain);
}

/* The keyring is made, but then the journal cannot be: the backup must be kept. */
static void test_generate_without_journal(void **state)
{
    struct result result = {0};
    struct domain domain;
    struct stat status;
    int fd;

    (void)state;
    domain_setup(&domain);
    fd = open(domain.backup, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(mkdirat(domain.folder_fd, "journal.new", 0700), 0); /* in its way */
    assert_int_equal(generate_with(&domain, PASSPHRASE, "", fd), ERROR_OUTCOME_UNKNOWN);
    assert_int_equal(realm_state(domain.realm), REALM_SEALED);
    assert_int_equal(fstat(fd, &status), 0);
    assert_true(status.st_size > 0);
    assert_int_equal(unseal(&domain, NULL, &result), ERROR_STORAGE_FAILED);
    assert_int_equal(unlinkat(domain.folder_fd, "journal.new", AT_REMOVEDIR), 0);
    domain_unseal(&domain);
    close(fd);
    domain_teardown(&domain);
}

static void test_one_at_a_time(void **state)
{
    struct result first = {0}, second = {0};
    struct failure failure;
    struct domain domain;

    (void)state;
    domain_setup(&domain);
    assert_int_equal(domain_generate(&domain, SLOT_KEYFILE, PASSPHRASE, &first, &failure), 0);
    assert_int_equal(domain_generate(&domain, SLOT_KEYFILE, PASSPHRASE, &second, &failure),
                     ERROR_LIMITS_EXCEEDED);
    domain_wait(&domain, &first, 1);
    first = (struct result){0};
    assert_int_equal(realm_seal(domain.realm, on_done, &first, &failure), 0);
    assert_int_equal(realm_unseal(domain.realm, NULL, on_done, &second, &failure),
                     ERROR_LIMITS_EXCEEDED);
    domain_wait(&domain, &first, 1);
    domain_unseal(&domain);
    assert_int_equal(second.calls, 0);
    domain_teardown(&domain);
}

/* The realm goes while the worker computes, and while it opens the journal. */
static void test_closed_while_busy(void **state)
{
    (void)state;
    for (unsigned milliseconds = 0; milliseconds < 4; milliseconds++) {
        struct result result = {0};
        struct failure failure;
        struct domain domain;

        domain_setup(&domain);
        assert_int_equal(domain_generate(&domain, SLOT_KEYFILE, PASSPHRASE, &result, &failure), 0);
        if (milliseconds > 0)
            domain_run_ms(&domain, milliseconds);
        domain_stop(&domain);
        assert_int_equal(result.calls, 1);
        domain_start(&domain);
        domain_unseal(&domain);
        domain_teardown(&domain);
    }
}

/* Sealed with changes under way: they are completed, and told so. */
static void test_seal_completes_appends(void **state)
{
    const bool enabled = true;
    const struct application_draft draft = {.enabled = &enabled};
    struct result update = {0}, waiting = {0};
    struct failure failure;
    const struct application *erp;
    const struct account_name alice = account_of("user:alice");
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(domain_set(&domain, erp, "user:alice", "ALICE", "x"), 0);
    assert_int_equal(
        application_update(domain.set, erp, &draft, on_written, &update, &failure), 0);
    /* Waits for the one before. */
    assert_int_equal(mapping_set_state(domain.realm, erp, &alice, MAPPING_DISABLED, 0, on_written,
                                       &waiting, &failure), 0);
    assert_int_equal(seal(&domain), 0);
    assert_int_equal(update.calls, 1);
    assert_int_equal(update.failure.code, ERROR_NONE);
    domain_wait(&domain, &waiting, 1);
    assert_int_equal(waiting.failure.code, ERROR_SEALED);
    domain_unseal(&domain);
    assert_true(application_set_find(domain.set, "erp")->enabled);
    domain_teardown(&domain);
}

/* The end tells everybody: what was under way is done, what waited for it is not. */
static void test_close_tells_all(void **state)
{
    const struct account_name alice = account_of("user:alice");
    struct result results[4] = {0};
    struct failure failure;
    const struct application *erp;
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(domain_set(&domain, erp, "user:alice", "ALICE", "x"), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(mapping_set_state(domain.realm, erp, &alice, MAPPING_DISABLED, 0,
                                           on_written, &results[i], &failure), 0);
    domain_stop(&domain);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(results[i].calls, 1);
        assert_int_equal(results[i].failure.code, i == 0 ? ERROR_NONE : ERROR_SEALED);
    }
    domain_teardown(&domain);
}

static void test_disk_fails(void **state)
{
    const struct application *erp;
    struct mapping *mapping;
    struct domain domain;
    int r;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(domain_set(&domain, erp, "user:alice", "ALICE", "x"), 0);
    disk_fails = true;
    r = domain_set(&domain, erp, "user:bob", "BOB", "x");
    assert_true(r == ERROR_OUTCOME_UNKNOWN || r == ERROR_STORAGE_FAILED);
    domain_await(&domain, &domain.states[REALM_READ_ONLY], 1);
    assert_int_equal(realm_state(domain.realm), REALM_READ_ONLY);
    assert_int_equal(domain.states[REALM_READ_ONLY], 1);
    assert_int_equal(domain.events[LOG_EVENT_READ_ONLY], 1);
    assert_int_equal(domain_set(&domain, erp, "user:bob", "BOB", "x"), ERROR_READ_ONLY);
    mapping = domain_get(&domain, erp, "user:alice");
    assert_string_equal(mapping->external_user, "ALICE");
    mapping_free(mapping);
    disk_fails = false;
    assert_int_equal(domain_set(&domain, erp, "user:bob", "BOB", "x"), ERROR_READ_ONLY);
    domain_teardown(&domain);
}

static void on_appended(void *userdata, enum log_outcome outcome, uint64_t revision)
{
    struct result *result = userdata;

    assert_int_equal(outcome, LOG_DONE);
    result->revision = revision;
    result->calls++;
}

/* A record brought from another place does not open, and the failure names it. */
static void test_swapped_records(void **state)
{
    const struct account_name bob = account_of("user:bob");
    struct record_key alice_key, bob_key;
    struct log_record stored;
    struct log_change change;
    const struct application *erp;
    struct mapping *mapping;
    struct failure failure;
    struct domain domain;
    struct result appended = {0};
    CLEANUP_FREE uint8_t *record = NULL;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(domain_set(&domain, erp, "user:alice", "ALICE", "x"), 0);
    realm_key(&alice_key, RECORD_MAPPING, erp->id, "ualice", 6);
    realm_key(&bob_key, RECORD_MAPPING, erp->id, "ubob", 4);
    assert_int_equal(log_get(realm_log(domain.realm), &alice_key, &stored), 1);
    record = malloc(stored.size);
    memcpy(record, stored.record, stored.size);
    change = (struct log_change){.key = bob_key, .record = record, .size = stored.size};
    assert_int_equal(log_append(realm_log(domain.realm),
                                &(struct log_append){.changes = &change, .changes_count = 1},
                                on_appended, &appended), LOG_DONE);
    domain_wait(&domain, &appended, 1);
    assert_int_equal(mapping_get(domain.realm, erp, &bob, &mapping, &failure), ERROR_DAMAGED);
    assert_non_null(strstr(failure.text, "user:bob"));
    domain_teardown(&domain);
}

/* Flips a bit of the record stored behind a name in the closed view. */
static void flip_in_view(const struct domain *domain, const char *name, size_t length)
{
    int fd = openat(domain->folder_fd, "view", O_RDWR | O_CLOEXEC);
    struct stat status;
    CLEANUP_FREE uint8_t *bytes = NULL;
    uint8_t *at;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    bytes = malloc((size_t)status.st_size);
    assert_int_equal(pread(fd, bytes, (size_t)status.st_size, 0), status.st_size);
    /* The entry is 'R', class, scope, name; revision, position, record. */
    for (at = bytes; (at = memmem(at, (size_t)(bytes + status.st_size - at), name, length)); at++) {
        if (at - bytes >= 18 && at[-18] == 'R' && at[-17] == RECORD_MAPPING)
            break;
    }
    assert_non_null(at);
    at[length + 12 + RECORD_HEADER_SIZE + 30] ^= 1;
    assert_int_equal(pwrite(fd, bytes, (size_t)status.st_size, 0), status.st_size);
    assert_int_equal(close(fd), 0);
}

/* Started with a record of alice's that was changed in the view behind our back. */
static void setup_with_an_altered_view(struct domain *domain)
{
    const struct application *erp;

    domain_setup_ready(domain);
    erp = domain_create(domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(domain_set(domain, erp, "user:alice", "ALICE", "new"), 0);
    domain_stop(domain);
    flip_in_view(domain, "ualice", 6);
    domain_start(domain);
}

static void assert_value_of_the_journal(struct domain *domain)
{
    struct failure failure;
    struct mapping *mapping;

    assert_int_equal(realm_state(domain->realm), REALM_READY);
    assert_int_equal(application_set_load(domain->set, &failure), 0);
    mapping = domain_get(domain, application_set_find(domain->set, "erp"), "user:alice");
    assert_memory_equal(mapping->values[0].bytes, "new", 3);
    mapping_free(mapping);
}

/* The verification after the start finds it, the view is built again while the service runs, and the value is
 * the journal's. */
static void test_altered_view(void **state)
{
    const uint64_t end = uv_hrtime() + 60 * (uint64_t)1000000000;
    struct result result;
    struct failure failure;
    struct domain domain;

    (void)state;
    setup_with_an_altered_view(&domain);
    /* What is damaged may be found as soon as it is open: then it is being built again, never "damaged". */
    assert_int_equal(unseal(&domain, NULL, &result), ERROR_NONE);
    while (!domain.events[LOG_EVENT_VIEW_REBUILT]) {
        assert_int_equal(realm_check_readable(domain.realm, &failure),
                         domain.events[LOG_EVENT_VIEW_DAMAGED] ? ERROR_REBUILDING : 0);
        assert_true(uv_hrtime() < end);
        usleep(1000);
        uv_run(&domain.loop, UV_RUN_NOWAIT); /* its timers only in the next one */
    }
    assert_int_equal(domain.events[LOG_EVENT_VIEW_DAMAGED], 1);
    assert_int_equal(domain.events[LOG_EVENT_VIEW_REBUILT], 1);
    assert_value_of_the_journal(&domain);
    domain_teardown(&domain);
}

/* A view that is wrong, and cannot be built again just now: callers are told so, the audit once, and it
 * is there when it can be. */
static void test_view_built_later(void **state)
{
    struct result result;
    struct failure failure;
    struct domain domain;

    (void)state;
    setup_with_an_altered_view(&domain);
    disk_fails = true; /* a start with a clean view needs no sync, a rebuild does */
    assert_int_equal(unseal(&domain, NULL, &result), ERROR_NONE);
    domain_await(&domain, &domain.events[LOG_EVENT_DAMAGED], 1);
    domain_run_ms(&domain, 2500); /* and again */
    assert_int_equal(domain.events[LOG_EVENT_DAMAGED], 1);
    assert_int_equal(realm_state(domain.realm), REALM_REBUILDING);
    assert_int_equal(realm_check_readable(domain.realm, &failure), ERROR_REBUILDING);
    disk_fails = false;
    domain_await(&domain, &domain.events[LOG_EVENT_VIEW_REBUILT], 1);
    assert_value_of_the_journal(&domain);
    domain_teardown(&domain);
}

/* The last thing that the log says before it is closed is that its view is damaged. */
static void test_sealed_while_damage_is_found(void **state)
{
    struct result result = {0};
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    assert_int_equal(realm_seal(domain.realm, on_done, &result, &result.failure), 0);
    domain.realm->view_damaged = true;
    domain_wait(&domain, &result, 1);
    domain_run_ms(&domain, 2500); /* longer than until the next try */
    assert_int_equal(realm_state(domain.realm), REALM_SEALED);
    domain_unseal(&domain);
    domain_teardown(&domain);
}

/* What is kept in memory cannot be read: nobody is served with a part of it, and the next try starts anew. */
static void test_not_loaded(void **state)
{
    struct result result;
    struct failure failure;
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    domain_stop(&domain);
    domain_start(&domain);
    memset(domain.states, 0, sizeof(domain.states));
    domain.load_fails = true;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(unseal(&domain, NULL, &result), ERROR_OUT_OF_MEMORY);
        assert_refused(&domain, ERROR_SEALED);
    }
    assert_int_equal(domain.states[REALM_READY], 0);
    domain.load_fails = false;
    domain_unseal(&domain);
    assert_int_equal(realm_check_readable(domain.realm, &failure), 0);
    assert_int_equal(application_set_count(domain.set), 1);
    domain_teardown(&domain);
}

/* It cannot be read because the view is wrong: the journal is opened anew, not refused. */
static void test_loaded_from_a_new_view(void **state)
{
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    domain_stop(&domain);
    domain_start(&domain);
    domain.load_finds_damage = true;
    domain_unseal(&domain);
    assert_int_equal(realm_state(domain.realm), REALM_READY);
    assert_int_equal(application_set_count(domain.set), 1);
    assert_int_equal(domain.loads, 3); /* at the generation, in vain, again */
    domain_teardown(&domain);
}

/* The same after a view that was wrong while the service ran: tried again until it can be. */
static void test_not_loaded_after_a_rebuild(void **state)
{
    struct result result;
    struct failure failure;
    struct domain domain;

    (void)state;
    setup_with_an_altered_view(&domain);
    assert_int_equal(unseal(&domain, NULL, &result), ERROR_NONE);
    memset(domain.states, 0, sizeof(domain.states));
    domain.load_fails = true;
    domain_await(&domain, &domain.events[LOG_EVENT_DAMAGED], 1);
    assert_int_equal(domain.events[LOG_EVENT_DAMAGED], 1);
    assert_int_equal(realm_check_readable(domain.realm, &failure), ERROR_REBUILDING);
    assert_int_equal(domain.states[REALM_READY], 0);
    domain.load_fails = false;
    domain_await(&domain, &domain.states[REALM_READY], 1);
    assert_int_equal(realm_state(domain.realm), REALM_READY);
    domain_teardown(&domain);
}

/* Told to end while the view is built, it ends before it is. */
static void test_closed_while_rebuilding(void **state)
{
    char value[VALUE_MAX_BYTES + 1] = "";
    const struct application *erp;
    struct domain domain;
    bool stopped = false;

    (void)state;
    domain_setup_ready(&domain);
    erp = domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    memset(value, 'x', sizeof(value) - 1);
    for (int i = 0; i < 300; i++)
        assert_int_equal(domain_set(&domain, erp, "user:alice", "ALICE", value), 0);
    for (int i = 0; i < 100 && !stopped; i++) { /* it may be quicker than whoever stops it */
        struct result result = {0};
        struct failure failure;

        domain_crash(&domain);
        memset(domain.states, 0, sizeof(domain.states));
        memset(domain.events, 0, sizeof(domain.events));
        assert_int_equal(realm_unseal(domain.realm, NULL, on_done, &result, &failure), 0);
        while (!domain.states[REALM_REBUILDING] && !domain.states[REALM_READY])
            uv_run(&domain.loop, UV_RUN_ONCE);
        domain_stop(&domain);
        assert_int_equal(result.calls, 1);
        stopped = result.failure.code != ERROR_NONE && !domain.events[LOG_EVENT_VIEW_REBUILT];
        domain_start(&domain);
    }
    assert_true(stopped);
    domain_unseal(&domain);
    mapping_free(domain_get(&domain, application_set_find(domain.set, "erp"), "user:alice"));
    domain_teardown(&domain);
}

/* Every outcome of the floor below is an error of its own, with a text. */
static void test_outcomes(void **state)
{
    static const struct {
        enum log_outcome outcome;
        enum error_code code;
    } log_rows[] = {
        {LOG_DONE, ERROR_NONE},
        {LOG_CONFLICT, ERROR_CONFLICT},
        {LOG_TOO_LARGE, ERROR_TOO_LARGE},
        {LOG_READ_ONLY, ERROR_READ_ONLY},
        {LOG_FAILED, ERROR_STORAGE_FAILED},
        {LOG_UNKNOWN, ERROR_OUTCOME_UNKNOWN},
        {LOG_DAMAGED, ERROR_DAMAGED},
        {LOG_ROLLED_BACK, ERROR_ROLLED_BACK},
        {LOG_NEWER, ERROR_NEWER_FORMAT},
        {LOG_BAD_FILE, ERROR_BAD_DESCRIPTOR},
        {LOG_CANCELED, ERROR_CONFLICT},
    };
    static const struct {
        enum keyring_outcome outcome;
        enum error_code code, by_passphrase;
    } keyring_rows[] = {
        {KEYRING_DONE, ERROR_NONE, ERROR_NONE},
        {KEYRING_ABSENT, ERROR_UNCONFIGURED, ERROR_UNCONFIGURED},
        {KEYRING_EXISTS, ERROR_ALREADY_CONFIGURED, ERROR_ALREADY_CONFIGURED},
        {KEYRING_NO_SLOT, ERROR_NO_SLOT_OPENS, ERROR_NO_SLOT_OPENS},
        {KEYRING_WRONG_KEY, ERROR_NO_SLOT_OPENS, ERROR_WRONG_PASSPHRASE},
        {KEYRING_DAMAGED, ERROR_DAMAGED, ERROR_DAMAGED},
        {KEYRING_NEWER, ERROR_NEWER_FORMAT, ERROR_NEWER_FORMAT},
        {KEYRING_BACKUP_FAILED, ERROR_BACKUP_FAILED, ERROR_BACKUP_FAILED},
        {KEYRING_BAD_FILE, ERROR_BAD_DESCRIPTOR, ERROR_BAD_DESCRIPTOR},
        {KEYRING_PASSPHRASE_LENGTH, ERROR_INVALID_ARGUMENT, ERROR_INVALID_ARGUMENT},
        {KEYRING_BAD_SOURCE, ERROR_NO_SLOT_OPENS, ERROR_NO_SLOT_OPENS},
        {KEYRING_NOT_A_BACKUP, ERROR_BAD_DESCRIPTOR, ERROR_BAD_DESCRIPTOR},
        {KEYRING_OTHER_REALM, ERROR_OTHER_REALM, ERROR_OTHER_REALM},
        {KEYRING_KEYS_DIFFER, ERROR_CONFLICT, ERROR_CONFLICT},
        {KEYRING_RECIPIENT_EXISTS, ERROR_RECIPIENT_EXISTS, ERROR_RECIPIENT_EXISTS},
        {KEYRING_RECIPIENT_NOT_FOUND, ERROR_RECIPIENT_NOT_FOUND, ERROR_RECIPIENT_NOT_FOUND},
        {KEYRING_NO_RECIPIENTS, ERROR_NO_RECIPIENTS, ERROR_NO_RECIPIENTS},
        {KEYRING_FULL, ERROR_TOO_LARGE, ERROR_TOO_LARGE},
        {KEYRING_LAST_SLOT, ERROR_LAST_SLOT, ERROR_LAST_SLOT},
        {KEYRING_SLOT_NOT_FOUND, ERROR_SLOT_NOT_FOUND, ERROR_SLOT_NOT_FOUND},
        {KEYRING_BAD_SHARE, ERROR_BAD_SHARE, ERROR_BAD_SHARE},
        {KEYRING_SHARES_DIFFER, ERROR_BAD_SHARE, ERROR_BAD_SHARE},
    };
    struct failure failure;
    struct domain domain;

    (void)state;
    domain_setup(&domain);
    for (size_t i = 0; i < sizeof(log_rows) / sizeof(log_rows[0]); i++) {
        assert_int_equal(log_rows[i].outcome, i);
        assert_int_equal(realm_failure_log(&failure, log_rows[i].outcome, NULL), log_rows[i].code);
        assert_true(strlen(failure.text) > 0);
        realm_failure_log(&failure, log_rows[i].outcome, "at offset 5");
        assert_true(i == 0 || strcmp(failure.text, "at offset 5") == 0);
    }
    for (size_t i = 0; i < sizeof(keyring_rows) / sizeof(keyring_rows[0]); i++) {
        assert_int_equal(keyring_rows[i].outcome, i);
        assert_int_equal(realm_failure_keyring(&failure, domain.realm, keyring_rows[i].outcome,
                                               false), keyring_rows[i].code);
        assert_int_equal(realm_failure_keyring(&failure, domain.realm, keyring_rows[i].outcome,
                                               true), keyring_rows[i].by_passphrase);
        assert_true(strlen(failure.text) > 0);
    }
    domain_teardown(&domain);
}

/* A test that fails in the middle spoils no other. */
static int repair_disk(void **state)
{
    (void)state;
    disk_fails = false;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_passphrase_slot),
        cmocka_unit_test(test_key_file_gone_or_wrong),
        cmocka_unit_test(test_generate_refuses),
        cmocka_unit_test(test_generate_without_journal),
        cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_closed_while_busy),
        cmocka_unit_test(test_seal_completes_appends),
        cmocka_unit_test(test_close_tells_all),
        cmocka_unit_test_teardown(test_disk_fails, repair_disk),
        cmocka_unit_test(test_swapped_records),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_altered_view),
        cmocka_unit_test_teardown(test_view_built_later, repair_disk),
        cmocka_unit_test(test_sealed_while_damage_is_found),
        cmocka_unit_test(test_not_loaded),
        cmocka_unit_test(test_loaded_from_a_new_view),
        cmocka_unit_test(test_not_loaded_after_a_rebuild),
        cmocka_unit_test(test_closed_while_rebuilding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A new generation, and every record anew under it, beside everything else that goes on. */
#include "dbus-service/domain/realm_internal.h"
#include "dbus-service/domain/rotation.h"
#include "dbus-service/keys/keyring_content.h"
#include "dbus-service/keys/keyring_file.h"
#include "dbus-service/keys/record.h"
#include "tests/unit/domain_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASSPHRASE "correct horse battery"
#define PEOPLE 230 /* more than two batches */

struct turn {
    struct domain domain;
    struct rotation *rotation;
    struct rotation_settings settings;
    unsigned ends;
    struct rotation_result result;
    unsigned backups;
    unsigned phases[ROTATION_WAITING + 1];
    enum rotation_phase awaited;
    unsigned reached; /* how often it has begun, or been told of */
};

/* From the next sync of a folder on so many syncs fail. */
static unsigned faults_left;
static bool faults_began;
int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
    struct stat status;

    if (faults_left > 0 && !faults_began)
        faults_began = fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
    if (faults_left == 0 || !faults_began)
        return __real_fsync(fd);
    faults_left--;
    errno = EIO;
    return -1;
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* whoever holds it holds up the journal */
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return __real_fdatasync(fd);
}

static unsigned walks; /* to seal anew, or to prove */
int __real_log_walk(struct log *log, const struct log_walk_options *options);
int __wrap_log_walk(struct log *log, const struct log_walk_options *options);

int __wrap_log_walk(struct log *log, const struct log_walk_options *options)
{
    walks++;
    return __real_log_walk(log, options);
}

/* So many batches of the walk are lost, as if all in them had been changed meanwhile. */
static unsigned lost_batches;
int __real_realm_append_sealed(struct realm *realm, const struct log_change *changes,
                               const struct log_condition *conditions, size_t count,
                               bool *ret_left_out, realm_write_done done, void *userdata,
                               struct failure *failure);
int __wrap_realm_append_sealed(struct realm *realm, const struct log_change *changes,
                               const struct log_condition *conditions, size_t count,
                               bool *ret_left_out, realm_write_done done, void *userdata,
                               struct failure *failure);

int __wrap_realm_append_sealed(struct realm *realm, const struct log_change *changes,
                               const struct log_condition *conditions, size_t count,
                               bool *ret_left_out, realm_write_done done, void *userdata,
                               struct failure *failure)
{
    if (lost_batches == 0)
        return __real_realm_append_sealed(realm, changes, conditions, count, ret_left_out, done,
                                          userdata, failure);
    lost_batches--;
    return failure_set(failure, ERROR_CONFLICT, NULL);
}

/* The view counts one mapping more of this generation. */
static uint32_t miscounted;
uint64_t __real_log_census(struct log *log, uint8_t class, uint32_t generation);
uint64_t __wrap_log_census(struct log *log, uint8_t class, uint32_t generation);

uint64_t __wrap_log_census(struct log *log, uint8_t class, uint32_t generation)
{
    return __real_log_census(log, class, generation) +
           (class == RECORD_MAPPING && generation == miscounted);
}

static void on_changed(void *userdata)
{
    struct turn *turn = userdata;
    struct rotation_status status;

    if (!turn->rotation)
        return;
    rotation_status(turn->rotation, &status);
    turn->phases[status.phase]++;
    turn->reached += status.phase == turn->awaited;
}

static void on_ended(void *userdata, const struct rotation_result *result)
{
    struct turn *turn = userdata;

    turn->result = *result;
    turn->ends++;
}

static void start_rotation(struct turn *turn)
{
    const struct rotation_options options = {
        .loop = &turn->domain.loop,
        .realm = turn->domain.realm,
        .applications = turn->domain.set,
        .settings = turn->settings,
        .events = {on_changed, on_ended, turn},
    };

    assert_int_equal(rotation_new(&options, &turn->rotation), 0);
    rotation_realm_changed(turn->rotation);
}

/* The realm first, as in the service. */
static void end_rotation(struct turn *turn)
{
    struct rotation *rotation = STEAL(turn->rotation);

    domain_stop(&turn->domain);
    rotation_free(rotation);
}

static char *external_user(unsigned person, unsigned round, char text[32])
{
    snprintf(text, 32, "EXT%u.%u", person, round);
    return text;
}

static int set(struct turn *turn, const char *application, unsigned person, unsigned round)
{
    char account[32], external[32];

    snprintf(account, sizeof(account), "user:p%u", person);
    return domain_set(&turn->domain, application_set_find(turn->domain.set, application), account,
                      external_user(person, round, external), account);
}

static void assert_has(struct turn *turn, const char *application, unsigned person, unsigned round)
{
    char account[32], external[32];
    struct mapping *mapping;

    snprintf(account, sizeof(account), "user:p%u", person);
    mapping = domain_get(&turn->domain, application_set_find(turn->domain.set, application), account);
    assert_non_null(mapping);
    assert_string_equal(mapping->external_user, external_user(person, round, external));
    mapping_free(mapping);
}

/* An application with people in it, and tombstones: of a mapping and of reservations. */
static void fill(struct turn *turn)
{
    domain_create(&turn->domain, "erp", APPLICATION_INDIVIDUAL);
    for (unsigned i = 0; i < PEOPLE; i++)
        assert_int_equal(set(turn, "erp", i, 0), ERROR_NONE);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(set(turn, "erp", i, 1), ERROR_NONE);
}

static void assert_filled(struct turn *turn)
{
    for (unsigned i = 0; i < PEOPLE; i++)
        assert_has(turn, "erp", i, i < 10);
}

static void setup(struct turn *turn)
{
    *turn = (struct turn){.ends = 0};
    domain_setup_ready(&turn->domain);
    start_rotation(turn);
    fill(turn);
}

static void teardown(struct turn *turn)
{
    end_rotation(turn);
    domain_teardown(&turn->domain);
}

static int begin(struct turn *turn, bool again, struct result *result, struct failure *failure)
{
    char path[128];
    struct rotation_request request = {.hint = "a hint", .location = "here", .again = again};
    CLEANUP_CLOSE int fd = -1;
    int r;

    snprintf(path, sizeof(path), "%s/backup%u", turn->domain.folder, ++turn->backups);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    request.backup_fd = fd;
    assert_int_equal(secret_new_copy(PASSPHRASE, strlen(PASSPHRASE), &request.passphrase), 0);
    r = rotation_begin(turn->rotation, &request, on_done, result, failure);
    assert_null(request.passphrase);
    return r;
}

static void rotate(struct turn *turn)
{
    struct result result = {0};
    struct failure failure = {0};

    assert_int_equal(begin(turn, false, &result, &failure), 0);
    domain_wait(&turn->domain, &result, 1);
    assert_string_equal(result.failure.code ? result.failure.text : "", "");
}

static void await_end(struct turn *turn)
{
    unsigned wanted = turn->ends + 1;

    domain_await(&turn->domain, &turn->ends, wanted);
    domain_run_ms(&turn->domain, 1);
}

/* How many records a second the next rotation takes, 0: all it can. What must be met in the midst of a walk
 * is begun with few, so that it is met on a machine that stands still now and then. */
static void set_rate(struct turn *turn, uint32_t rate)
{
    turn->settings.rate = rate;
    rotation_configure(turn->rotation, &turn->settings);
}

/* And the one that runs. */
static void change_rate(struct turn *turn, uint32_t rate)
{
    struct result result = {0};
    struct failure failure;

    set_rate(turn, rate);
    assert_int_equal(rotation_set_rate(turn->rotation, rate, on_done, &result, &failure), 0);
    domain_wait(&turn->domain, &result, 1);
    assert_int_equal(result.failure.code, ERROR_NONE);
}

/* Fails the test after minutes. */
static void await_phase(struct turn *turn, enum rotation_phase phase)
{
    struct rotation_status status = {.phase = ROTATION_IDLE};

    for (unsigned i = 0; i < 48000 && (i == 0 || status.phase != phase); i++) {
        domain_run_ms(&turn->domain, 5);
        rotation_status(turn->rotation, &status);
    }
    assert_string_equal(rotation_phase_name(status.phase), rotation_phase_name(phase));
}

/* As above, until so many records are of the active generation. */
static void await_done(struct turn *turn, uint64_t wanted)
{
    struct rotation_status status = {.done = 0};

    for (unsigned i = 0; i < 48000 && status.done < wanted; i++) {
        domain_run_ms(&turn->domain, 5);
        rotation_status(turn->rotation, &status);
    }
    assert_true(status.done >= wanted);
}

static uint64_t census(struct turn *turn, uint32_t generation)
{
    uint64_t count = 0;

    for (uint8_t class = 1; class <= RECORD_CLASS_MAX; class++)
        count += log_census(realm_log(turn->domain.realm), class, generation);
    return count;
}

static size_t generations(struct turn *turn)
{
    return keyring_generations(realm_keyring(turn->domain.realm));
}

/* The journal as it is on the disk, one block. */
static bool disk_holds(struct turn *turn, const void *bytes, size_t size)
{
    int fd = openat(turn->domain.folder_fd, "journal", O_RDONLY | O_CLOEXEC);
    struct stat status;
    CLEANUP_FREE uint8_t *content = NULL;
    bool found;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    content = malloc((size_t)status.st_size);
    assert_int_equal(read(fd, content, (size_t)status.st_size), status.st_size);
    found = memmem(content, (size_t)status.st_size, bytes, size) != NULL;
    close(fd);
    return found;
}

static void key_of(struct turn *turn, const char *account, struct record_key *ret_key)
{
    char name[64];

    snprintf(name, sizeof(name), "u%s", account);
    realm_key(ret_key, RECORD_MAPPING, application_set_find(turn->domain.set, "erp")->id, name,
              strlen(name));
}

/* Every record of every class, tombstones too; then the old key and the old ciphertext are gone. */
static void test_krb5_32c9b8f1aa_every_record_of_every_class(void **state)
{
    struct rotation_status status;
    struct log_record stored;
    struct record_key key;
    uint8_t old[64];
    struct turn turn;
    uint64_t before;

    (void)state;
    setup(&turn);
    before = census(&turn, 1);
    assert_true(before >= 1 + 1 + PEOPLE + PEOPLE + 10);
    key_of(&turn, "p77", &key);
    assert_int_equal(log_get(realm_log(turn.domain.realm), &key, &stored), 1);
    memcpy(old, stored.record + RECORD_HEADER_SIZE, sizeof(old));
    assert_true(disk_holds(&turn, old, sizeof(old)));
    rotate(&turn);
    await_end(&turn);
    assert_int_equal(turn.result.failure.code, ERROR_NONE);
    assert_int_equal(turn.result.from, 1);
    assert_int_equal(turn.result.to, 2);
    assert_int_equal(turn.result.re_encrypted, before);
    assert_int_equal(turn.result.unreadable, 0);
    assert_int_equal(census(&turn, 1), 0);
    /* Tombstones go with the compaction. */
    assert_int_equal(census(&turn, 2), 1 + 1 + PEOPLE + PEOPLE);
    assert_int_equal(keyring_active_generation(realm_keyring(turn.domain.realm)), 2);
    assert_int_equal(generations(&turn), 1);
    assert_false(disk_holds(&turn, old, sizeof(old)));
    assert_filled(&turn);
    rotation_status(turn.rotation, &status);
    assert_int_equal(status.phase, ROTATION_IDLE);
    assert_int_equal(status.re_encrypted, before);
    assert_true(status.ended_usec >= status.begun_usec && status.begun_usec > 0);
    assert_true(turn.phases[ROTATION_WALK] > 0 && turn.phases[ROTATION_PROOF] > 0 &&
                turn.phases[ROTATION_RETIRE] > 0 && turn.phases[ROTATION_COMPACT] > 0);
    end_rotation(&turn);
    domain_start(&turn.domain);
    domain_unseal(&turn.domain);
    start_rotation(&turn);
    assert_filled(&turn);
    teardown(&turn);
}

/* The service dies with what is on its disk at this moment, and is started again. */
static void crash(struct turn *turn)
{
    struct rotation *rotation = STEAL(turn->rotation);

    domain_crash(&turn->domain);
    rotation_free(rotation);
    domain_unseal(&turn->domain);
    start_rotation(turn);
}

static void assert_rotated(struct turn *turn, uint32_t from)
{
    assert_int_equal(turn->result.failure.code, ERROR_NONE);
    assert_int_equal(turn->result.to, from + 1);
    assert_int_equal(keyring_active_generation(realm_keyring(turn->domain.realm)), from + 1);
    assert_int_equal(generations(turn), 1);
    assert_int_equal(census(turn, from), 0);
    assert_filled(turn);
}

/* Whatever is cut off at whatever step goes on by itself. */
static void test_goes_on_after_a_crash(void **state)
{
    struct turn turn;
    unsigned crashes = 0;

    (void)state;
    setup(&turn);
    for (unsigned turns = 0; turns < 60; turns += 1 + turns / 12) {
        uint32_t active = keyring_active_generation(realm_keyring(turn.domain.realm));
        unsigned ends = turn.ends;

        rotate(&turn);
        for (unsigned i = 0; i < turns && turn.ends == ends; i++)
            uv_run(&turn.domain.loop, UV_RUN_ONCE);
        crashes += turn.ends == ends;
        crash(&turn);
        if (turn.ends == ends)
            await_end(&turn);
        assert_rotated(&turn, active);
    }
    assert_true(crashes > 8);
    teardown(&turn);
}

/* And cut off as each phase begins, whatever the scheduler does. */
static void test_goes_on_after_a_crash_in_each_phase(void **state)
{
    struct turn turn;

    (void)state;
    setup(&turn);
    for (turn.awaited = ROTATION_SWITCH; turn.awaited <= ROTATION_COMPACT; turn.awaited++) {
        uint32_t active = keyring_active_generation(realm_keyring(turn.domain.realm));
        unsigned ends = turn.ends;

        turn.reached = 0;
        rotate(&turn);
        domain_await(&turn.domain, &turn.reached, 1);
        assert_int_equal(turn.ends, ends);
        crash(&turn);
        await_end(&turn);
        assert_rotated(&turn, active);
    }
    teardown(&turn);
}

/* What the older generation sealed, and what is not in the journal yet when the generations are switched:
 * a walk that began before would miss it. */
static void test_the_walk_awaits_what_was_under_way(void **state)
{
    const struct application_draft draft = {.description = "under way"};
    struct result updated = {0};
    struct failure failure;
    struct turn turn;
    unsigned before, begun;

    (void)state;
    setup(&turn);
    before = walks;
    pthread_mutex_lock(&gate);
    assert_int_equal(application_update(turn.domain.set,
                                        application_set_find(turn.domain.set, "erp"), &draft,
                                        on_written, &updated, &failure), 0);
    rotate(&turn);
    await_phase(&turn, ROTATION_WALK);
    domain_run_ms(&turn.domain, 30);
    begun = walks - before;
    assert_int_equal(updated.calls, 0);
    pthread_mutex_unlock(&gate);
    assert_int_equal(begun, 0);
    await_end(&turn);
    assert_int_equal(updated.calls, 1);
    assert_int_equal(walks, before + 2);
    assert_rotated(&turn, 1);
    teardown(&turn);
}

/* Nothing is refused because a rotation runs, and the last value that was acknowledged is there. */
static void test_bitwarden_7709_changes_go_on(void **state)
{
    const struct application_draft draft = {.description = "other"};
    unsigned rounds[10];
    struct turn turn;
    unsigned round = 1;

    (void)state;
    setup(&turn);
    for (unsigned i = 0; i < 10; i++)
        rounds[i] = 1;
    rotate(&turn);
    while (turn.ends == 0) {
        const struct application *erp = application_set_find(turn.domain.set, "erp");
        struct result update = {0}, create = {0};
        struct failure failure = {0};
        char name[16];
        const struct application_draft made = {.name = name, .type = APPLICATION_GROUP,
            .fields = &(struct field){.label = TEXT("user")}, .fields_count = 1};

        snprintf(name, sizeof(name), "app%u", round);
        assert_int_equal(application_update(turn.domain.set, erp, &draft, on_written, &update,
                                            &failure), 0);
        domain_wait(&turn.domain, &update, 1);
        if (round < 500) { /* there are so many only where the rotation does not get on */
            assert_int_equal(application_create(turn.domain.set, &made, on_written, &create, &failure), 0);
            domain_wait(&turn.domain, &create, 1);
        }
        assert_string_equal(update.failure.code ? update.failure.text : "", "");
        assert_string_equal(create.failure.code ? create.failure.text : "", "");
        round++;
        assert_int_equal(set(&turn, "erp", round % 10, round), ERROR_NONE);
        rounds[round % 10] = round;
        assert_has(&turn, "erp", 100 + round % 100, 0);
    }
    assert_int_equal(turn.result.failure.code, ERROR_NONE);
    for (unsigned i = 0; i < PEOPLE; i++)
        assert_has(&turn, "erp", i, i < 10 ? rounds[i] : 0);
    assert_int_equal(census(&turn, 1), 0);
    teardown(&turn);
}

/* A change that was decided before its record was sealed anew. */
static void test_a_change_meets_the_rotation(void **state)
{
    const struct application_draft draft = {.contact = "somebody"};
    struct turn turn;

    (void)state;
    setup(&turn);
    rotate(&turn);
    /* In every turn one is begun, so that some stand behind the batch that holds the application. */
    while (turn.ends == 0) {
        struct result updated = {0};
        struct failure failure = {0};
        const struct application *erp = application_set_find(turn.domain.set, "erp");

        assert_int_equal(application_update(turn.domain.set, erp, &draft, on_written, &updated,
                                            &failure), 0);
        while (updated.calls == 0)
            uv_run(&turn.domain.loop, UV_RUN_ONCE);
        assert_string_equal(updated.failure.code ? updated.failure.text : "", "");
    }
    teardown(&turn);
}

static void test_kviklet_575_an_unreadable_record_is_left(void **state)
{
    char line[UNREADABLE_LINE_MAX];
    struct rotation_status status;
    struct result result = {0};
    struct failure failure;
    struct record_key key;
    struct turn turn;

    (void)state;
    setup(&turn);
    key_of(&turn, "p50", &key);
    domain_damage(&turn.domain, &key);
    rotate(&turn);
    await_end(&turn);
    assert_int_equal(turn.result.failure.code, ERROR_DAMAGED);
    assert_non_null(strstr(turn.result.failure.text, "user:p50"));
    assert_int_equal(turn.result.unreadable, 1);
    assert_int_equal(census(&turn, 1), 1);
    assert_int_equal(generations(&turn), 2);
    assert_non_null(rotation_unreadable(turn.rotation, 0, line));
    assert_string_equal(line, "mapping of user:p50 in application 'erp': does not authenticate");
    assert_null(rotation_unreadable(turn.rotation, 1, line));
    rotation_status(turn.rotation, &status);
    assert_int_equal(status.phase, ROTATION_FAILED);
    assert_int_equal(status.unreadable, 1);
    /* Nor does it keep the next one from beginning; and mended, both go. */
    rotate(&turn);
    await_end(&turn);
    assert_int_equal(turn.result.failure.code, ERROR_DAMAGED);
    assert_int_equal(generations(&turn), 3);
    assert_int_equal(application_delete(turn.domain.set, application_set_find(turn.domain.set, "erp"),
                                        on_written, &result, &failure), 0);
    domain_wait(&turn.domain, &result, 1);
    while (census(&turn, 1) > 0)
        uv_run(&turn.domain.loop, UV_RUN_ONCE);
    result = (struct result){0};
    assert_int_equal(rotation_pause(turn.rotation, false, on_done, &result, &failure), 0);
    await_end(&turn);
    assert_int_equal(turn.result.failure.code, ERROR_NONE);
    assert_int_equal(generations(&turn), 1);
    teardown(&turn);
}

/* One that does not open, and a newer one over it that does. */
static void damage_and_mend(struct turn *turn, const char *account)
{
    CLEANUP_SECRET struct secret *value = NULL;
    struct keyring *keyring = turn->domain.realm->keyring;
    CLEANUP_FREE uint8_t *record = NULL;
    struct record_header header;
    struct log_record stored;
    struct record_key key;
    size_t size;

    key_of(turn, account, &key);
    assert_int_equal(log_get(realm_log(turn->domain.realm), &key, &stored), 1);
    assert_int_equal(record_open(keyring, &key, stored.record, stored.size, &header, &value),
                     RECORD_OPENED);
    domain_damage(&turn->domain, &key);
    assert_int_equal(record_seal(keyring, &key, header.version + 2, RECORD_LIVE, value->bytes,
                                 value->length, &record, &size), 0);
    domain_append(&turn->domain, &key, record, size);
}

/* The walk meets it, before what took its place: it is neither sealed anew nor complained of. */
static void test_what_was_superseded_is_no_finding(void **state)
{
    struct rotation_status status;
    struct turn turn;
    uint64_t before;

    (void)state;
    setup(&turn);
    damage_and_mend(&turn, "p50");
    for (unsigned round = 2; round < 20; round++)
        assert_int_equal(set(&turn, "erp", 3, round), ERROR_NONE);
    before = census(&turn, 1);
    rotate(&turn);
    await_end(&turn);
    assert_int_equal(turn.result.failure.code, ERROR_NONE);
    assert_int_equal(turn.result.unreadable, 0);
    assert_int_equal(turn.result.re_encrypted, before);
    rotation_status(turn.rotation, &status);
    assert_int_equal(status.unreadable, 0);
    assert_int_equal(generations(&turn), 1);
    assert_has(&turn, "erp", 3, 19);
    assert_has(&turn, "erp", 50, 0);
    teardown(&turn);
}

/* Paused and throttled it stays, also after a start. */
static void test_pause_and_rate(void **state)
{
    struct rotation_status status;
    struct result result = {0};
    struct failure failure;
    struct turn turn;
    uint64_t done;

    (void)state;
    setup(&turn);
    set_rate(&turn, 20);
    rotate(&turn);
    await_phase(&turn, ROTATION_WALK);
    await_done(&turn, 10);
    rotation_status(turn.rotation, &status);
    assert_int_equal(status.limit, 20);
    assert_int_equal(rotation_pause(turn.rotation, true, on_done, &result, &failure), 0);
    domain_wait(&turn.domain, &result, 1);
    await_phase(&turn, ROTATION_PAUSED);
    rotation_status(turn.rotation, &status);
    done = status.done;
    assert_true(done < status.total);
    domain_run_ms(&turn.domain, 100);
    end_rotation(&turn);
    domain_start(&turn.domain);
    domain_unseal(&turn.domain);
    start_rotation(&turn);
    await_phase(&turn, ROTATION_PAUSED);
    domain_run_ms(&turn.domain, 100);
    rotation_status(turn.rotation, &status);
    assert_int_equal(status.phase, ROTATION_PAUSED);
    assert_int_equal(status.done, done);
    assert_int_equal(status.limit, 20);
    assert_int_equal(rotation_pause(turn.rotation, false, on_done, &result, &failure), 0);
    assert_int_equal(rotation_set_rate(turn.rotation, 0, on_done, &result, &failure), 0);
    await_end(&turn);
    assert_int_equal(turn.result.failure.code, ERROR_NONE);
    assert_filled(&turn);
    teardown(&turn);
}

static void test_krb5_4ccc18bc3d_again(void **state)
{
    struct rotation_status status;
    struct result first = {0}, second = {0}, third = {0};
    struct failure failure = {0};
    struct turn turn;

    (void)state;
    setup(&turn);
    set_rate(&turn, 20);
    assert_int_equal(begin(&turn, false, &first, &failure), 0);
    domain_wait(&turn.domain, &first, 1);
    await_phase(&turn, ROTATION_WALK);
    assert_int_equal(begin(&turn, false, &second, &failure), ERROR_ROTATION_RUNNING);
    assert_int_equal(begin(&turn, true, &second, &failure), 0);
    domain_wait(&turn.domain, &second, 1);
    assert_int_equal(second.failure.code, ERROR_NONE);
    rotation_status(turn.rotation, &status);
    assert_true(status.queued);
    assert_int_equal(begin(&turn, true, &third, &failure), ERROR_ROTATION_RUNNING);
    /* What seals meanwhile is the active generation, not the newest. */
    assert_int_equal(set(&turn, "erp", 1, 1), ERROR_NONE);
    await_done(&turn, 10);
    assert_int_equal(generations(&turn), 3);
    assert_int_equal(census(&turn, 3), 0);
    change_rate(&turn, 500);
    await_end(&turn);
    assert_int_equal(turn.result.to, 2);
    await_end(&turn);
    assert_int_equal(turn.result.to, 3);
    assert_int_equal(generations(&turn), 1);
    assert_int_equal(census(&turn, 2), 0);
    assert_filled(&turn);
    teardown(&turn);
}

/* Two ask at once: one of them is refused, and there is one generation more. */
static void test_two_at_once(void **state)
{
    struct result first = {0}, second = {0};
    struct failure failure = {0};
    struct turn turn;
    int r;

    (void)state;
    setup(&turn);
    assert_int_equal(begin(&turn, false, &first, &failure), 0);
    r = begin(&turn, false, &second, &failure);
    domain_wait(&turn.domain, &first, 1);
    if (r == 0) {
        domain_wait(&turn.domain, &second, 1);
        r = (int)second.failure.code;
    }
    assert_int_equal(first.failure.code, ERROR_NONE);
    assert_int_equal(r, ERROR_ROTATION_RUNNING);
    await_end(&turn);
    assert_int_equal(turn.result.to, 2);
    domain_run_ms(&turn.domain, 20);
    assert_int_equal(keyring_active_generation(realm_keyring(turn.domain.realm)), 2);
    teardown(&turn);
}

static void test_a_retired_key_is_kept(void **state)
{
    struct generation_info info;
    struct turn turn;

    (void)state;
    setup(&turn);
    turn.settings.keep_retired_usec = UINT64_C(86400) * 1000000;
    rotation_configure(turn.rotation, &turn.settings);
    rotate(&turn);
    await_end(&turn);
    assert_int_equal(turn.result.failure.code, ERROR_NONE);
    assert_int_equal(generations(&turn), 2);
    keyring_generation(realm_keyring(turn.domain.realm), 0, &info);
    assert_int_equal(info.number, 1);
    assert_true(info.retired_usec > 0);
    turn.settings.keep_retired_usec = 0;
    rotation_configure(turn.rotation, &turn.settings);
    while (generations(&turn) == 2)
        uv_run(&turn.domain.loop, UV_RUN_ONCE);
    keyring_generation(realm_keyring(turn.domain.realm), 0, &info);
    assert_int_equal(info.number, 2);
    teardown(&turn);
}

/* A backup that fails leaves everything as it was. */
static void test_a_backup_that_fails(void **state)
{
    struct rotation_request request = {.hint = "", .location = ""};
    struct result result = {0};
    struct failure failure = {0};
    struct turn turn;
    CLEANUP_CLOSE int fd = -1;
    int r;

    (void)state;
    setup(&turn);
    fd = open(turn.domain.backup, O_RDWR | O_CLOEXEC); /* it holds one */
    request.backup_fd = fd;
    assert_int_equal(secret_new_copy(PASSPHRASE, strlen(PASSPHRASE), &request.passphrase), 0);
    r = rotation_begin(turn.rotation, &request, on_done, &result, &failure);
    if (r == 0) {
        domain_wait(&turn.domain, &result, 1);
        r = (int)result.failure.code;
    }
    assert_int_equal(r, ERROR_BAD_DESCRIPTOR);
    domain_run_ms(&turn.domain, 20);
    assert_int_equal(generations(&turn), 1);
    assert_int_equal(keyring_active_generation(realm_keyring(turn.domain.realm)), 1);
    assert_filled(&turn);
    teardown(&turn);
}

/* What a walk left is found by the proof, and sealed anew by another walk before anything is retired. */
static void test_what_the_walk_missed(void **state)
{
    struct turn turn;

    (void)state;
    setup(&turn);
    lost_batches = 1;
    rotate(&turn);
    await_end(&turn);
    assert_int_equal(lost_batches, 0);
    assert_true(turn.phases[ROTATION_PROOF] > 1);
    assert_int_equal(turn.result.failure.code, ERROR_NONE);
    assert_int_equal(turn.result.unreadable, 0);
    assert_int_equal(census(&turn, 1), 0);
    assert_filled(&turn);
    teardown(&turn);
}

/* Nothing is retired while the view counts a record that is not met, of the old generation or of the new. */
static void test_a_census_that_differs(void **state)
{
    struct rotation_status status;
    struct result result;
    struct failure failure;
    struct turn turn;

    (void)state;
    setup(&turn);
    for (uint32_t old = 1; old <= 2; old++) {
        miscounted = old == 1 ? old : old + 1;
        rotate(&turn);
        await_phase(&turn, ROTATION_WAITING);
        rotation_status(turn.rotation, &status);
        assert_non_null(strstr(status.error, "census"));
        assert_int_equal(generations(&turn), 2);
        miscounted = 0;
        result = (struct result){0};
        assert_int_equal(rotation_pause(turn.rotation, false, on_done, &result, &failure), 0);
        await_end(&turn);
        assert_int_equal(turn.result.failure.code, ERROR_NONE);
        assert_int_equal(generations(&turn), 1);
    }
    assert_filled(&turn);
    teardown(&turn);
}

static size_t size_of_backup(const struct turn *turn)
{
    char path[128];
    struct stat status;

    snprintf(path, sizeof(path), "%s/backup%u", turn->domain.folder, turn->backups);
    assert_int_equal(stat(path, &status), 0);
    return (size_t)status.st_size;
}

/* The keyring with the new generation lies in its place, but may be gone after a loss of power. Either it
 * is taken out again, and the backup too; or the backup stays, since the next start goes on with it. */
static void test_a_keyring_that_cannot_be_synced(void **state)
{
    struct failure failure;
    struct turn turn;

    (void)state;
    setup(&turn);
    for (unsigned faults = 1; faults <= 2; faults++) {
        struct result result = {0};
        struct rotation *rotation;

        faults_left = faults;
        faults_began = false;
        assert_int_equal(begin(&turn, false, &result, &failure), 0);
        domain_wait(&turn.domain, &result, 1);
        assert_int_equal(result.failure.code, ERROR_STORAGE_FAILED);
        assert_int_equal(faults_left, 0);
        rotation = STEAL(turn.rotation);
        domain_crash(&turn.domain);
        rotation_free(rotation);
        domain_unseal(&turn.domain);
        start_rotation(&turn);
        if (faults == 2)
            await_end(&turn);
        assert_true((size_of_backup(&turn) > 0) == (faults == 2));
        assert_int_equal(keyring_active_generation(realm_keyring(turn.domain.realm)), faults);
    }
    assert_filled(&turn);
    teardown(&turn);
}

/* Sealed in the midst of it, it goes on after the next unseal. */
static void test_sealed_meanwhile(void **state)
{
    struct result result = {0};
    struct failure failure;
    struct turn turn;

    (void)state;
    setup(&turn);
    set_rate(&turn, 20);
    rotate(&turn);
    await_phase(&turn, ROTATION_WALK);
    await_done(&turn, 10);
    assert_int_equal(realm_seal(turn.domain.realm, on_done, &result, &failure), 0);
    rotation_realm_changed(turn.rotation);
    domain_wait(&turn.domain, &result, 1);
    await_phase(&turn, ROTATION_WAITING);
    domain_unseal(&turn.domain);
    rotation_realm_changed(turn.rotation);
    change_rate(&turn, 0);
    await_end(&turn);
    assert_int_equal(turn.result.failure.code, ERROR_NONE);
    assert_filled(&turn);
    teardown(&turn);
}

/* Everything that an adversary can take from the disk, one file behind the other. */
struct loot {
    uint8_t *bytes;
    size_t size;
};

static void take(struct loot *loot, int folder_fd, const char *name)
{
    int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC);
    struct stat status;

    if (fd < 0)
        return;
    assert_int_equal(fstat(fd, &status), 0);
    loot->bytes = realloc(loot->bytes, loot->size + (size_t)status.st_size);
    assert_non_null(loot->bytes);
    assert_int_equal(read(fd, loot->bytes + loot->size, (size_t)status.st_size), status.st_size);
    loot->size += (size_t)status.st_size;
    close(fd);
}

static void take_all(struct loot *loot, struct turn *turn)
{
    take(loot, turn->domain.folder_fd, "keyring");
    take(loot, turn->domain.folder_fd, "journal");
    take(loot, turn->domain.folder_fd, "view.open");
    take(loot, AT_FDCWD, turn->domain.backup);
}

/* What can be made of the old secret: itself, its subkeys, and what a careless chain would use. */
static size_t derive(const struct generation_keys *old, uint8_t candidates[64][KEY_SIZE])
{
    static const char *const contexts[] = {"msgen001", "msslot01", "msbackup", "mschain1"};
    size_t count = 0;

    memcpy(candidates[count++], old->secret, KEY_SIZE);
    memcpy(candidates[count++], old->nonce, KEY_SIZE);
    for (size_t i = 0; i < RECORD_CLASS_MAX; i++)
        memcpy(candidates[count++], old->by_class[i], KEY_SIZE);
    crypto_generichash(candidates[count++], KEY_SIZE, old->secret, KEY_SIZE, NULL, 0);
    for (size_t i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++)
        for (uint64_t id = 0; id < 12; id++)
            crypto_kdf_derive_from_key(candidates[count++], KEY_SIZE, id, contexts[i], old->secret);
    assert_true(count <= 64);
    return count;
}

/* At any place where a nonce and a sealed key or content might stand. */
static bool opens_somewhere(const struct loot *loot, const uint8_t *key, const uint8_t *wanted)
{
    for (size_t at = 0; at + 24 + KEY_SIZE <= loot->size; at++) {
        uint8_t plain[KEY_SIZE];

        crypto_stream_xchacha20_xor_ic(plain, loot->bytes + at + 24, KEY_SIZE, loot->bytes + at, 1, key);
        if (memcmp(plain, wanted, KEY_SIZE) == 0)
            return true;
    }
    return false;
}

/* doc/THREAT-MODEL: of two generations the older one's secret and all that is on the disk do not give the newer. */
static void test_vault_2893_the_old_secret_does_not_give_the_new_one(void **state)
{
    uint8_t candidates[64][KEY_SIZE];
    struct generation_keys old;
    uint8_t secret[KEY_SIZE];
    struct keyring_file file;
    struct loot keyring = {0}, loot = {0};
    struct turn turn;
    size_t count;

    (void)state;
    setup(&turn);
    old = *keyring_find(realm_keyring(turn.domain.realm), 1)->keys;
    count = derive(&old, candidates);
    set_rate(&turn, 20);
    rotate(&turn);
    await_phase(&turn, ROTATION_WALK);
    take(&keyring, turn.domain.folder_fd, "keyring");
    take_all(&loot, &turn);
    change_rate(&turn, 0);
    await_end(&turn);
    take_all(&loot, &turn);
    memcpy(secret, keyring_find(realm_keyring(turn.domain.realm), 2)->keys->secret, KEY_SIZE);
    assert_null(memmem(loot.bytes, loot.size, secret, KEY_SIZE));
    assert_null(memmem(loot.bytes, loot.size, old.secret, KEY_SIZE));
    assert_int_equal(keyring_file_parse(keyring.bytes, keyring.size, &file), KEYRING_DONE);
    for (size_t i = 0; i < count; i++) {
        struct keyring *opened = NULL;
        struct key key;

        memcpy(key.bytes, candidates[i], KEY_SIZE);
        assert_memory_not_equal(candidates[i], secret, KEY_SIZE);
        assert_int_not_equal(keyring_file_unseal(&file, &key, &opened), KEYRING_DONE);
        assert_false(opens_somewhere(&keyring, candidates[i], secret));
    }
    assert_false(opens_somewhere(&loot, old.secret, secret));
    /* The same eyes see what is there to be seen. */
    memcpy(keyring.bytes, old.nonce, 24);
    crypto_stream_xchacha20_xor_ic(keyring.bytes + 24, secret, KEY_SIZE, keyring.bytes, 1, old.secret);
    assert_true(opens_somewhere(&keyring, old.secret, secret));
    free(keyring.bytes);
    free(loot.bytes);
    teardown(&turn);
}

/* What lies in this process, key pages included, that begins like it. What is searched for is kept
 * masked, so that it does not find itself. */
#define MASK 0x5a

static size_t count_in(const volatile uint8_t *from, size_t size, const uint8_t *masked)
    __attribute__((__no_sanitize__("address", "undefined", "thread")));
static size_t count_in(const volatile uint8_t *from, size_t size, const uint8_t *masked)
{
    size_t count = 0;

    for (size_t i = 0; i + KEY_SIZE <= size; i++) {
        size_t equal = 0;

        while (equal < KEY_SIZE && (from[i + equal] ^ MASK) == masked[equal])
            equal++;
        count += equal == KEY_SIZE;
    }
    return count;
}

static size_t count_in_memory(const uint8_t *masked)
{
    enum { LARGEST = 256 << 20 }; /* beyond is the sanitizers' own */
    FILE *maps = fopen("/proc/self/maps", "re");
    unsigned long from, to;
    char line[512], mode[8];
    size_t count = 0;

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps))
        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3 && mode[0] == 'r' && mode[1] == 'w' &&
            to - from <= LARGEST)
            count += count_in((const uint8_t *)from, to - from, masked);
    fclose(maps);
    return count;
}

static void mask(const uint8_t *key, uint8_t ret[KEY_SIZE])
{
    for (size_t i = 0; i < KEY_SIZE; i++)
        ret[i] = key[i] ^ MASK;
}

/* The log was opened before, and stays open. Under valgrind most of the memory is valgrind's, and reading it
 * millions of errors. */
static void test_a_removed_key_is_nowhere_in_memory(void **state)
{
    const char *preloaded = getenv("LD_PRELOAD");
    uint8_t secret[KEY_SIZE], mappings[KEY_SIZE];
    const struct generation_keys *keys;
    struct turn turn;

    (void)state;
    if (preloaded && strstr(preloaded, "vgpreload"))
        skip();
    setup(&turn);
    keys = keyring_find(realm_keyring(turn.domain.realm), 1)->keys;
    mask(keys->secret, secret);
    mask(keys->by_class[RECORD_MAPPING - 1], mappings);
    assert_true(count_in_memory(secret) >= 1);
    assert_true(count_in_memory(mappings) >= 1);
    rotate(&turn);
    await_end(&turn);
    assert_int_equal(generations(&turn), 1);
    assert_int_equal(count_in_memory(secret), 0);
    assert_int_equal(count_in_memory(mappings), 0);
    teardown(&turn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_krb5_32c9b8f1aa_every_record_of_every_class),
        cmocka_unit_test(test_goes_on_after_a_crash),
        cmocka_unit_test(test_goes_on_after_a_crash_in_each_phase),
        cmocka_unit_test(test_the_walk_awaits_what_was_under_way),
        cmocka_unit_test(test_bitwarden_7709_changes_go_on),
        cmocka_unit_test(test_a_change_meets_the_rotation),
        cmocka_unit_test(test_kviklet_575_an_unreadable_record_is_left),
        cmocka_unit_test(test_what_was_superseded_is_no_finding),
        cmocka_unit_test(test_pause_and_rate),
        cmocka_unit_test(test_krb5_4ccc18bc3d_again),
        cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_a_retired_key_is_kept),
        cmocka_unit_test(test_a_backup_that_fails),
        cmocka_unit_test(test_what_the_walk_missed),
        cmocka_unit_test(test_a_census_that_differs),
        cmocka_unit_test(test_a_keyring_that_cannot_be_synced),
        cmocka_unit_test(test_sealed_meanwhile),
        cmocka_unit_test(test_vault_2893_the_old_secret_does_not_give_the_new_one),
        cmocka_unit_test(test_a_removed_key_is_nowhere_in_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/realm_internal.h"
#include "dbus-service/domain/slot.h"
#include "dbus-service/store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { REBUILD_RETRY_MS = 2000 };

/* Generate and unseal: keyring on a worker, then the journal. Seal: the journal is closed. */
struct realm_task {
    struct realm *realm;
    realm_done done;
    void *userdata;
    /* For the worker; strings are the task's, paths the realm's. */
    struct slot_sources sources;
    enum slot_kind slot;
    struct secret *passphrase;
    struct secret *backup_passphrase;
    char *hint;
    char *location;
    int backup_fd;
    void (*run)(struct realm_task *task);
    void (*ended)(struct realm_task *task);
    /* From the worker. */
    int outcome;
    struct slot_list slots;
    struct keyring *keyring;
    realm_open_run open_run; /* instead of opening what is in the folder */
    void *work;
    struct failure refused;  /* by that: told when the journal is open again; or to generate */
    bool restored;           /* by that: there are other keys now, whatever comes of the rest */
    struct failure unloaded; /* why what is kept in memory could not be read */
    bool again;              /* the view was to blame, and is built anew */
};

struct realm_waiter {
    void (*retry)(void *userdata);
    void *userdata;
    struct realm_waiter *next;
};

static const char *const state_names[] = {
    [REALM_UNCONFIGURED] = "unconfigured", [REALM_SEALED] = "sealed",
    [REALM_REBUILDING] = "rebuilding",     [REALM_READY] = "ready",
    [REALM_READ_ONLY] = "read-only",
};

const char *realm_state_name(enum realm_state state)
{
    return state_names[state];
}

static void set_state(struct realm *realm, enum realm_state state)
{
    enum realm_state old = realm->state;

    if (old == state)
        return;
    realm->state = state;
    if (realm->options.events.state_changed)
        realm->options.events.state_changed(realm->options.events.userdata, old, state);
}

/* ---- Facts ---- */

enum realm_state realm_state(const struct realm *realm)
{
    return realm->state;
}

int realm_check_readable(const struct realm *realm, struct failure *failure)
{
    switch (realm->state) {
    case REALM_UNCONFIGURED:
        return failure_set(failure, ERROR_UNCONFIGURED, NULL);
    case REALM_SEALED:
        return failure_set(failure, ERROR_SEALED, NULL);
    case REALM_REBUILDING:
        return failure_set(failure, ERROR_REBUILDING, NULL);
    case REALM_READY:
    case REALM_READ_ONLY:
        break;
    }
    if (realm->view_damaged) /* known, and built again from the next turn of the loop on */
        return failure_set(failure, ERROR_REBUILDING, NULL);
    return realm->log ? 0 : failure_set(failure, ERROR_SEALED, NULL);
}

const struct keyring *realm_keyring(const struct realm *realm)
{
    return realm->state == REALM_SEALED || realm->state == REALM_UNCONFIGURED ? NULL
                                                                              : realm->keyring;
}

struct log *realm_log(const struct realm *realm)
{
    return realm->log;
}

const char *realm_slot_used(const struct realm *realm)
{
    const char *name = realm_keyring(realm) ? slot_kind_name(realm->slot_used) : NULL;

    return name ? name : "";
}

const struct slot_list *realm_slots(const struct realm *realm)
{
    return &realm->slots;
}

void realm_progress(const struct realm *realm, uint64_t *ret_done, uint64_t *ret_total,
                    uint64_t *ret_left_usec)
{
    uint64_t elapsed = (uv_hrtime() - realm->progress_began) / 1000;
    bool rebuilding = realm->state == REALM_REBUILDING;
    uint64_t done = 0, total = 0;

    if (realm->log)
        log_export_progress(realm->log, &done, &total);
    done += atomic_load(&realm->reading.done);
    total += atomic_load(&realm->reading.total);
    if (rebuilding) {
        done += realm->progress_before + realm->progress_done;
        total += realm->progress_before + realm->progress_total;
    }
    *ret_done = done;
    *ret_total = total;
    *ret_left_usec = 0;
    if (rebuilding && done > 0 && done < total)
        *ret_left_usec = (uint64_t)((double)elapsed * (double)(total - done) / (double)done);
}

void realm_reading_end(struct realm *realm)
{
    atomic_store(&realm->reading.total, 0);
    atomic_store(&realm->reading.done, 0);
}

static void progress_begin(struct realm *realm)
{
    realm->progress_before = 0;
    realm->progress_done = 0;
    realm->progress_total = 0;
    realm->progress_began = uv_hrtime();
}

static void reopen_if_damaged(struct realm *realm);

/* ---- Retries after a conflict ---- */

static void on_timer(uv_timer_t *timer)
{
    struct realm *realm = timer->data;
    struct realm_waiter *waiter = STEAL(realm->waiters);

    while (waiter) {
        struct realm_waiter *next = waiter->next;

        waiter->retry(waiter->userdata);
        free(waiter);
        waiter = next;
    }
    reopen_if_damaged(realm);
}

/* By the timer, since the changes of one commit end one after the other, in one turn. */
void realm_settled(struct realm *realm)
{
    if (realm->waiters)
        uv_timer_start(&realm->timer, on_timer, 0, 0);
}

int realm_retry_later(struct realm *realm, void (*retry)(void *userdata), void *userdata)
{
    struct realm_waiter *waiter = malloc(sizeof(*waiter));
    struct realm_waiter **end = &realm->waiters;

    if (!waiter)
        return -ENOMEM;
    *waiter = (struct realm_waiter){.retry = retry, .userdata = userdata};
    while (*end)
        end = &(*end)->next;
    *end = waiter;
    if (realm->appends == 0)
        uv_timer_start(&realm->timer, on_timer, 1, 0);
    return 0;
}

/* ---- Life ---- */

int realm_new(const struct realm_options *options, struct realm **ret_realm)
{
    struct realm *realm;
    int r = keyring_exists(options->folder_fd);

    if (r < 0)
        return r;
    realm = calloc(1, sizeof(*realm));
    if (!realm)
        return -ENOMEM;
    realm->options = *options;
    realm->state = r == KEYRING_DONE ? REALM_SEALED : REALM_UNCONFIGURED;
    keyring_slot_list(options->folder_fd, &realm->slots);
    r = uv_timer_init(options->loop, &realm->timer);
    if (r < 0) {
        free(realm);
        return r;
    }
    realm->timer.data = realm;
    *ret_realm = realm;
    return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct realm *realm = handle->data;
    void (*done)(void *userdata) = realm->close_done;
    void *userdata = realm->close_userdata;

    free(realm);
    if (done)
        done(userdata);
}

static void drop_keys(struct realm *realm)
{
    keyring_free(STEAL(realm->log_keyring));
    keyring_free(STEAL(realm->keyring));
}

static void close_keyring(void *userdata)
{
    struct realm *realm = userdata;
    void *timer = &realm->timer;

    on_timer(timer); /* whoever waits is told now that the realm is sealed */
    drop_keys(realm);
    uv_close(timer, on_timer_closed);
}

static void close_log(void *userdata)
{
    struct realm *realm = userdata;

    realm->state = realm->state == REALM_UNCONFIGURED ? REALM_UNCONFIGURED : REALM_SEALED;
    if (realm->log)
        log_close(STEAL(realm->log), close_keyring, realm);
    else
        close_keyring(realm);
}

static void close_begin(struct realm *realm)
{
    if (realm->looks == 0) /* else the last of them begins it */
        realm_jobs_wait(realm, close_log, realm);
}

void realm_look_end(struct realm *realm)
{
    if (--realm->looks == 0 && realm->closing && !realm->task)
        close_begin(realm);
}

void realm_close(struct realm *realm, void (*done)(void *userdata), void *userdata)
{
    realm->closing = true;
    realm->stopping = true;
    realm->close_done = done;
    realm->close_userdata = userdata;
    if (!realm->task)
        close_begin(realm);
}

/* ---- Tasks ---- */

static void task_free(struct realm_task *task)
{
    if (!task)
        return;
    secret_free(task->passphrase);
    secret_free(task->backup_passphrase);
    free(task->hint);
    free(task->location);
    if (task->backup_fd >= 0)
        close(task->backup_fd);
    free(task);
}
CLEANUP_DEFINE(task, struct realm_task, task_free)

static void task_end(struct realm_task *task, const struct failure *failure)
{
    struct realm *realm = task->realm;
    bool closing = realm->closing; /* else whoever is told may close it */

    realm->task = NULL;
    if (task->done)
        task->done(task->userdata, failure);
    task_free(task);
    if (closing)
        close_begin(realm);
    else if (realm->view_damaged && !realm->closing)
        uv_timer_start(&realm->timer, on_timer, realm->log ? 0 : REBUILD_RETRY_MS, 0);
}

static int task_new(struct realm *realm, realm_done done, void *userdata,
                    struct realm_task **ret_task, struct failure *failure)
{
    struct realm_task *task;

    if (realm->task || realm->closing)
        return failure_set(failure, ERROR_LIMITS_EXCEEDED,
                           "the master secret is being generated, opened or closed right now");
    task = calloc(1, sizeof(*task));
    if (!task)
        return -ENOMEM;
    task->realm = realm;
    task->done = done;
    task->userdata = userdata;
    task->backup_fd = -1;
    *ret_task = task;
    return 0;
}

/* Whoever worked with the keyring's file says which slots it has now: the loop never reads it. */
static void run_task(void *userdata)
{
    struct realm_task *task = userdata;

    task->run(task);
    keyring_slot_list(task->realm->options.folder_fd, &task->slots);
}

static void on_task(void *userdata)
{
    struct realm_task *task = userdata;

    task->realm->slots = task->slots;
    task->ended(task);
}

static int task_submit(struct realm_task *task, void (*run)(struct realm_task *task),
                       void (*ended)(struct realm_task *task), struct failure *failure)
{
    int r;

    task->run = run;
    task->ended = ended;
    r = work_submit(task->realm->options.work, WORK_KDF, run_task, on_task, task);
    if (r == -EBUSY)
        return failure_set(failure, ERROR_LIMITS_EXCEEDED, NULL);
    if (r < 0)
        return failure_from_errno(failure, r, "cannot begin");
    task->realm->task = task;
    return 0;
}

/* ---- The journal ---- */

static void log_hash(void *userdata, const struct iovec *parts, size_t count, uint8_t ret_hash[32])
{
    keyring_log_hash(userdata, parts, count, ret_hash);
}

static void log_random(void *userdata, uint8_t *ret_bytes, size_t length)
{
    (void)userdata;
    random_bytes(ret_bytes, length);
}

struct log_hash realm_log_hash(struct keyring *keyring)
{
    return (struct log_hash){.hash = log_hash, .random = log_random, .userdata = keyring};
}

static void on_log_event(void *userdata, enum log_event event, const char *text)
{
    struct realm *realm = userdata;

    if (event == LOG_EVENT_READ_ONLY) {
        realm->storage_failed = true;
        if (realm->state == REALM_READY)
            set_state(realm, REALM_READ_ONLY);
    }
    if (event == LOG_EVENT_VIEW_DAMAGED) {
        realm->view_damaged = true; /* not from here: the log is in the middle of something */
        uv_timer_start(&realm->timer, on_timer, 0, 0);
    }
    if (realm->options.events.log_event)
        realm->options.events.log_event(realm->options.events.userdata, event, text);
}

static bool on_log_progress(void *userdata, uint64_t done, uint64_t total)
{
    struct realm *realm = userdata;

    realm->progress_done = done;
    realm->progress_total = total;
    if (!realm->log && realm->task && !realm->closing)
        set_state(realm, REALM_REBUILDING);
    return !realm->closing;
}

/* The keys are there and nothing says that the journal is damaged: what a new view lacks is room or
 * memory, and somebody else may give that back. Callers are told that it is being rebuilt. */
static void rebuild_later(struct realm_task *task, const char *reason)
{
    struct realm *realm = task->realm;
    char text[256];

    if (!realm->told_late && !realm->closing) {
        snprintf(text, sizeof(text), "%s (tried again every %d s)", reason, REBUILD_RETRY_MS / 1000);
        on_log_event(realm, LOG_EVENT_DAMAGED, text);
    }
    realm->told_late = true;
    realm->view_damaged = true;
    task_end(task, NULL);
}

/* The realm stays sealed, and the task ends. A master secret that was made meanwhile, with its backup,
 * is there all the same: whoever is told that nothing was changed throws the backup away. */
static void journal_refused(struct realm_task *task, const struct failure *reason)
{
    struct realm *realm = task->realm;
    struct failure failure = *reason;

    realm->view_damaged = false; /* without a key there is nothing to build it from */
    set_state(realm, REALM_SEALED);
    drop_keys(realm);
    /* Nobody asked for it to be built again: only the audit can tell why it was not. */
    if (!task->done && !realm->closing)
        on_log_event(realm, LOG_EVENT_DAMAGED, reason->text);
    if (task->restored)
        failure_set(&failure, failure.code, "the master secret is restored, but the service is sealed: %.300s",
                    reason->text);
    if (task->backup_fd >= 0)
        failure_set(&failure, ERROR_OUTCOME_UNKNOWN,
                    "the master secret and its backup are made, but the service is sealed: %.200s; keep "
                    "the backup, and see: mastersecret status", reason->text);
    task_end(task, &failure);
}

static void journal_begin(void *userdata);

/* What cannot be read in full is not served in part: the missing would be taken for deleted. */
static void on_unloaded(void *userdata)
{
    struct realm_task *task = userdata;

    if (task->realm->view_damaged && !task->again && !task->realm->closing) {
        task->again = true;
        journal_begin(task); /* closing has thrown the view away */
    } else if (task->done) {
        journal_refused(task, &task->unloaded);
    } else {
        rebuild_later(task, task->unloaded.text);
    }
}

static enum realm_state open_state(const struct realm *realm)
{
    return realm->storage_failed ? REALM_READ_ONLY : REALM_READY;
}

/* Reading needs the state that others are told of only when it has succeeded. */
static int load(struct realm *realm, struct failure *failure)
{
    enum realm_state state = realm->state;
    int r;

    if (!realm->options.events.load)
        return 0;
    realm->state = open_state(realm);
    r = realm->options.events.load(realm->options.events.userdata, failure);
    realm->state = state;
    return r < 0 ? failure_from_errno(failure, r, "cannot read the applications") : r;
}

static void on_log_open(void *userdata, enum log_outcome outcome, struct log *log, const char *text)
{
    struct realm_task *task = userdata;
    struct realm *realm = task->realm;
    struct failure failure;

    realm_failure_log(&failure, outcome, text);
    if (outcome == LOG_FAILED && !task->done) {
        rebuild_later(task, failure.text);
        return;
    }
    if (outcome != LOG_DONE) {
        journal_refused(task, &failure);
        return;
    }
    realm->log = log;
    if (load(realm, &task->unloaded) != 0) {
        log_close(STEAL(realm->log), on_unloaded, task);
        return;
    }
    realm->told_late = false;
    set_state(realm, open_state(realm));
    task_end(task, task->refused.code != ERROR_NONE ? &task->refused : &failure);
}

static void journal_begin(void *userdata)
{
    struct realm_task *task = userdata;
    struct realm *realm = task->realm;
    struct journal_options options = {
        .loop = realm->options.loop,
        .folder_fd = realm->options.folder_fd,
        .anchor_path = realm->options.anchor_path,
        .stopping = &realm->closing,
        .events = {.event = on_log_event, .progress = on_log_progress, .userdata = realm},
    };
    struct failure failure;
    int r;

    keyring_free(STEAL(realm->log_keyring));
    memcpy(options.realm, keyring_realm(realm->keyring), sizeof(options.realm));
    realm->storage_failed = false;
    realm->view_damaged = false;
    if (!task->open_run)
        progress_begin(realm);
    r = keyring_new_for_log(realm->keyring, &realm->log_keyring);
    if (r == 0) {
        options.hash = realm_log_hash(realm->log_keyring);
        r = journal_open(&options, on_log_open, task);
    }
    if (r == 0)
        return;
    failure_from_errno(&failure, r, "cannot open the journal");
    if (task->done)
        journal_refused(task, &failure);
    else
        rebuild_later(task, failure.text);
}

/* The view is a cache: one that is wrong is thrown away and built again while callers are told so. */
static void reopen_if_damaged(struct realm *realm)
{
    struct failure failure;
    struct realm_task *task;

    if (!realm->view_damaged || realm->task || realm->closing)
        return;
    if (task_new(realm, NULL, NULL, &task, &failure) != 0) {
        uv_timer_start(&realm->timer, on_timer, REBUILD_RETRY_MS, 0);
        return;
    }
    realm->view_damaged = false;
    realm->task = task;
    set_state(realm, REALM_REBUILDING);
    if (realm->log)
        log_close(STEAL(realm->log), journal_begin, task);
    else
        journal_begin(task);
}

/* The worker is back with the keyring or without. */
static void on_keyring(struct realm_task *task)
{
    struct realm *realm = task->realm;
    struct failure failure = task->refused;
    int r = task->outcome;

    if (failure.code != ERROR_NONE) {
        task_end(task, &failure);
        return;
    }
    if (r == KEYRING_DONE) {
        realm->keyring = STEAL(task->keyring);
        realm->slot_used = task->slot;
        journal_begin(task);
        return;
    }
    if (r < 0)
        failure_from_errno(&failure, r, "cannot open the keyring");
    else if (task->sources.shares && r == KEYRING_WRONG_KEY)
        failure_set(&failure, ERROR_BAD_SHARE,
                    "the shares do not open the keyring: at least one of them is forged, and all are "
                    "forgotten; enter others");
    else
        realm_failure_keyring(&failure, realm, (enum keyring_outcome)r, task->passphrase != NULL);
    task_end(task, &failure);
}

/* ---- Opened by what somebody else makes ---- */

static void run_open_by(struct realm_task *task)
{
    task->outcome = task->open_run(task->work, &task->keyring, &task->unloaded);
}

static void on_open_by(struct realm_task *task)
{
    struct realm *realm = task->realm;
    struct failure failure = task->unloaded;

    if (task->outcome < 0)
        failure_from_errno(&failure, task->outcome, "the state folder");
    if (task->outcome != 0 || !task->keyring) {
        task_end(task, &failure);
        return;
    }
    task->restored = true;
    realm->keyring = STEAL(task->keyring);
    realm->slot_used = task->slot;
    journal_begin(task);
}

int realm_open_by(struct realm *realm, realm_open_run run, void *work, enum slot_kind slot,
                  realm_done done, void *userdata, struct failure *failure)
{
    CLEANUP(task_cleanup) struct realm_task *task = NULL;
    int r = 0;

    if (realm->state != REALM_SEALED && realm->state != REALM_UNCONFIGURED)
        r = failure_set(failure, ERROR_ALREADY_UNSEALED, NULL);
    if (r == 0)
        r = task_new(realm, done, userdata, &task, failure);
    if (r != 0)
        return r;
    progress_begin(realm);
    task->open_run = run;
    task->work = work;
    task->slot = slot;
    r = task_submit(task, run_open_by, on_open_by, failure);
    if (r == 0)
        STEAL(task);
    return r;
}

/* ---- The files changed while the log is closed ---- */

static void run_between(void *userdata)
{
    struct realm_task *task = userdata;
    int r = task->open_run(task->work, &task->keyring, &task->refused);

    if (r < 0)
        failure_from_errno(&task->refused, r, "the state folder");
}

/* Building the view of what was read goes on where that ended. */
static void on_between(void *userdata)
{
    struct realm_task *task = userdata;
    struct realm *realm = task->realm;

    realm->progress_before = atomic_load(&realm->reading.done);
    realm->progress_total = atomic_load(&realm->reading.total) - realm->progress_before;
    realm_reading_end(realm);
    keyring_free(STEAL(task->keyring));
    journal_begin(task);
}

static void on_closed_between(void *userdata)
{
    struct realm_task *task = userdata;
    int r;

    task->keyring = keyring_ref(task->realm->keyring);
    r = work_submit(task->realm->options.work, WORK_KDF, run_between, on_between, task);
    if (r == 0)
        return;
    keyring_free(STEAL(task->keyring));
    failure_from_errno(&task->refused, r, "cannot begin");
    journal_begin(task);
}

int realm_reopen_after(struct realm *realm, realm_open_run run, void *work, realm_done done,
                       void *userdata, struct failure *failure)
{
    struct realm_task *task;
    int r = realm_check_readable(realm, failure);

    if (r == 0)
        r = task_new(realm, done, userdata, &task, failure);
    if (r != 0)
        return r;
    task->open_run = run;
    task->work = work;
    realm->task = task;
    progress_begin(realm);
    set_state(realm, REALM_REBUILDING);
    log_close(STEAL(realm->log), on_closed_between, task);
    return 0;
}

/* ---- Generate ---- */

/* A journal or anchor without a keyring belongs to a realm whose keys are gone from here: a new
 * keyring could never open it, so that is said before one is made. */
static int check_unused(const struct realm *realm, struct failure *failure)
{
    const char *anchor = realm->options.anchor_path;

    if (faccessat(realm->options.folder_fd, "journal", F_OK, 0) == 0)
        return failure_set(failure, ERROR_DAMAGED,
                           "the state folder holds a journal but no keyring; put the keyring back, "
                           "run: mastersecret secret restore FILE, or move the journal away");
    if (anchor && access(anchor, F_OK) == 0)
        return failure_set(failure, ERROR_ROLLED_BACK,
                           "there is an anchor (%s) but no keyring; put the state folder back, or "
                           "move the anchor away", anchor);
    return 0;
}

static void run_generate(struct realm_task *task)
{
    struct keyring_generate request = {
        .folder_fd = task->realm->options.folder_fd,
        .slot = task->slot,
        .sources = task->sources,
        .backup_passphrase = task->backup_passphrase,
        .backup_hint = task->hint,
        .backup_location = task->location,
        .backup_fd = task->backup_fd,
    };

    if (check_unused(task->realm, &task->refused) == 0)
        task->outcome = keyring_generate(&request, &task->keyring);
}

static bool passphrase_fits(const struct secret *passphrase)
{
    return passphrase && passphrase->length >= PASSPHRASE_MIN_BYTES &&
           passphrase->length <= PASSPHRASE_MAX_BYTES;
}

static int check_generate(const struct realm *realm, const struct realm_generate *request,
                          struct failure *failure)
{
    const struct secret *second = request->slot_passphrase;

    if (realm->state != REALM_UNCONFIGURED)
        return failure_set(failure, ERROR_ALREADY_CONFIGURED, NULL);
    if (!passphrase_fits(request->backup_passphrase) || (second && !passphrase_fits(second)))
        return realm_failure_keyring(failure, realm, KEYRING_PASSPHRASE_LENGTH, true);
    if (!text_is_utf8(request->hint, strlen(request->hint), HINT_MAX_BYTES))
        return failure_set(failure, ERROR_INVALID_ARGUMENT, "hint is UTF-8 of at most %d bytes",
                           HINT_MAX_BYTES);
    if (!text_is_utf8(request->location, strlen(request->location), TEXT_MAX_BYTES - 1))
        return failure_set(failure, ERROR_INVALID_ARGUMENT, "location is UTF-8 of at most %d bytes",
                           TEXT_MAX_BYTES - 1);
    if (request->slot == SLOT_SHARES) /* added to a keyring that another slot opens */
        return failure_set(failure, ERROR_INVALID_ARGUMENT,
                           "slot is \"keyfile\", \"credential\" or \"passphrase\"");
    return slot_check_kind(realm, request->slot, failure);
}

/* Only the material of the slot to be made. */
static void generate_sources(struct realm_task *task)
{
    slot_sources(task->realm, task->slot, &task->sources);
    if (task->slot == SLOT_PASSPHRASE)
        task->sources.passphrase = task->passphrase ? task->passphrase : task->backup_passphrase;
}

static int generate_fill(struct realm_task *task, struct realm_generate *request)
{
    task->slot = request->slot;
    task->backup_passphrase = STEAL(request->backup_passphrase);
    task->passphrase = STEAL(request->slot_passphrase);
    task->hint = strdup(request->hint);
    task->location = strdup(request->location);
    task->backup_fd = fcntl(request->backup_fd, F_DUPFD_CLOEXEC, 3);
    if (!task->hint || !task->location)
        return -ENOMEM;
    if (task->backup_fd < 0)
        return -errno;
    generate_sources(task);
    return 0;
}

static int generate_begin(struct realm *realm, struct realm_generate *request, realm_done done,
                          void *userdata, struct failure *failure)
{
    CLEANUP(task_cleanup) struct realm_task *task = NULL;
    int r = check_generate(realm, request, failure);

    if (r != 0)
        return r;
    r = task_new(realm, done, userdata, &task, failure);
    if (r != 0)
        return r;
    r = generate_fill(task, request);
    if (r == -EBADF)
        return realm_failure_keyring(failure, realm, KEYRING_BAD_FILE, false);
    if (r != 0)
        return r;
    r = task_submit(task, run_generate, on_keyring, failure);
    if (r == 0)
        STEAL(task);
    return r;
}

int realm_generate(struct realm *realm, struct realm_generate *request, realm_done done,
                   void *userdata, struct failure *failure)
{
    int r = generate_begin(realm, request, done, userdata, failure);

    secret_free(STEAL(request->backup_passphrase));
    secret_free(STEAL(request->slot_passphrase));
    return r;
}

/* ---- Unseal and seal ---- */

static void run_unseal(struct realm_task *task)
{
    task->outcome = keyring_open(task->realm->options.folder_fd, &task->sources, &task->keyring,
                                 &task->slot);
}

static int check_unseal(const struct realm *realm, const struct secret *passphrase,
                        struct failure *failure)
{
    if (realm->state == REALM_UNCONFIGURED)
        return failure_set(failure, ERROR_UNCONFIGURED, NULL);
    if (realm->state != REALM_SEALED)
        return failure_set(failure, ERROR_ALREADY_UNSEALED, "the service is unsealed already (%s)",
                           realm_state_name(realm->state));
    if (passphrase && !passphrase_fits(passphrase))
        return failure_set(failure, ERROR_WRONG_PASSPHRASE, NULL);
    return 0;
}

/* With the passphrase (moved), the shares, or what is found. */
static int unseal_begin(struct realm *realm, struct secret **passphrase,
                        const struct share_set *shares, realm_done done, void *userdata,
                        struct failure *failure)
{
    CLEANUP(task_cleanup) struct realm_task *task = NULL;
    int r = check_unseal(realm, *passphrase, failure);

    if (r == 0)
        r = task_new(realm, done, userdata, &task, failure);
    if (r != 0)
        return r;
    if (!*passphrase && !shares)
        slot_sources(realm, 0, &task->sources);
    task->passphrase = STEAL(*passphrase);
    task->sources.passphrase = task->passphrase;
    task->sources.shares = shares;
    r = task_submit(task, run_unseal, on_keyring, failure);
    if (r == 0)
        STEAL(task);
    return r;
}

int realm_unseal(struct realm *realm, struct secret *passphrase, realm_done done, void *userdata,
                 struct failure *failure)
{
    CLEANUP_SECRET struct secret *owned = passphrase;

    return unseal_begin(realm, &owned, NULL, done, userdata, failure);
}

int realm_unseal_shares(struct realm *realm, const struct share_set *shares, realm_done done,
                        void *userdata, struct failure *failure)
{
    struct secret *none = NULL;

    return unseal_begin(realm, &none, shares, done, userdata, failure);
}

static void run_read_slots(struct realm_task *task)
{
    (void)task; /* run_task() does */
}

static void on_slots(struct realm_task *task)
{
    task_end(task, &task->refused);
}

int realm_read_slots(struct realm *realm, realm_done done, void *userdata, struct failure *failure)
{
    CLEANUP(task_cleanup) struct realm_task *task = NULL;
    int r = check_unseal(realm, NULL, failure);

    if (r == 0)
        r = task_new(realm, done, userdata, &task, failure);
    if (r == 0)
        r = task_submit(task, run_read_slots, on_slots, failure);
    if (r == 0)
        STEAL(task);
    return r;
}

static void on_sealed(void *userdata)
{
    struct realm_task *task = userdata;
    struct failure failure = {.code = ERROR_NONE};

    /* What the log said of the view in its last turns: without the keys it cannot be built again now, and
     * the next opening does it. */
    task->realm->view_damaged = false;
    task->realm->stopping = task->realm->closing;
    drop_keys(task->realm);
    task_end(task, &failure);
}

/* Sealed is said when no worker has the keys any more. */
static void on_log_closed(void *userdata)
{
    struct realm_task *task = userdata;

    realm_jobs_wait(task->realm, on_sealed, task);
}

int realm_seal(struct realm *realm, realm_done done, void *userdata, struct failure *failure)
{
    struct realm_task *task = NULL;
    int r;

    if (realm->task)
        return failure_set(failure, ERROR_LIMITS_EXCEEDED,
                           "the master secret is being generated, opened or closed right now");
    r = realm_check_readable(realm, failure);
    if (r != 0)
        return r;
    r = task_new(realm, done, userdata, &task, failure);
    if (r != 0)
        return r;
    realm->task = task;
    realm->stopping = true;
    set_state(realm, REALM_SEALED);
    log_close(STEAL(realm->log), on_log_closed, task);
    return 0;
}

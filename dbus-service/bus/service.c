/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/service.h"

#include "dbus-service/bus/answer_cache.h"
#include "dbus-service/bus/bus.h"
#include "dbus-service/bus/call.h"
#include "dbus-service/bus/direct.h"
#include "dbus-service/bus/signals.h"
#include "dbus-service/domain/audit.h"
#include "dbus-service/domain/rotation.h"
#include "dbus-service/domain/backup_watch.h"
#include "dbus-service/domain/share_entry.h"
#include "dbus-service/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>

/* How long a stop may take before it is given up, and how long replies get to leave. */
#define STOP_WAIT_MS 25000
#define LOCK_WAIT_MS 5000
#define LOCK_PAUSE_MS 20
#define FLUSH_STEP_MS 10
#define TRIM_WAIT_MS 1000
#define FLUSH_STEPS 100
#define REOPEN_WAIT_MS 2000

static uint64_t now_usec(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Memory, descriptors, room: others may give back what they have taken. */
static bool passes(const struct failure *failure)
{
    return failure->code == ERROR_OUT_OF_MEMORY || failure->code == ERROR_STORAGE_FAILED;
}

static const char *sealed_text(struct service *service)
{
    const struct failure *reason = &service->unopened;

    if (service->opening)
        return "The keyring is being opened.";
    if (reason->code == ERROR_NONE)
        return "The keys are not in memory. Run: mastersecret secret unseal";
    (void)snprintf(service->sealed_text, sizeof(service->sealed_text),
                   "The keys are not in memory: %s. %s", reason->text,
                   passes(reason) ? "It is tried again every few seconds."
                                  : "When that is mended, run: mastersecret secret unseal");
    return service->sealed_text;
}

static int complain(const char *what, const char *object, int error)
{
    syslog(LOG_ERR, "cannot %s '%s': %s", what, object, strerrordesc_np(-error));
    (void)fprintf(stderr, "mastersecretd: cannot %s '%s': %s\n", what, object,
                  strerrordesc_np(-error));
    return error;
}

const char *service_state_text(struct service *service)
{
    switch (realm_state(service->realm)) {
    case REALM_UNCONFIGURED:
        return "There is no master secret yet. Run: mastersecret secret generate --backup FILE, "
               "or with a backup: mastersecret secret restore FILE";
    case REALM_SEALED:
        return sealed_text(service);
    case REALM_REBUILDING:
        return "The view is being rebuilt from the journal; calls are answered when it is done.";
    case REALM_READY:
        return "Everything is served.";
    case REALM_READ_ONLY:
        return "The storage failed, so nothing can be changed. Check the disk, then restart "
               "mastersecretd.";
    }
    return "";
}

static void notify_state(struct service *service)
{
    char text[700];

    (void)snprintf(text, sizeof(text), "STATUS=%s: %s",
                   realm_state_name(realm_state(service->realm)), service_state_text(service));
    notify_send(text);
}

/* Ready is said once: when the keyring has been opened, or cannot be, and the bus knows us. */
static void announce(struct service *service)
{
    if (service->announced || service->opening || !bus_has_name(service->bus))
        return;
    service->announced = true;
    notify_send("READY=1");
    notify_state(service);
}

void service_bus_changed(struct service *service, bool has_name)
{
    if (has_name)
        announce(service);
}

static bool is_readable(enum realm_state state)
{
    return state == REALM_READY || state == REALM_READ_ONLY;
}

static void audit_outcome(enum audit_id id, const struct failure *failure, const char *detail)
{
    struct audit_event event = { .id = id, .failure = failure, .detail = detail };

    audit_write(&event);
}

/* Those that are damaged are told of, and the others are served; with a part of the others nobody is. */
static int load_applications(void *userdata, struct failure *failure)
{
    struct service *service = userdata;
    int r = application_set_load(service->applications, failure);

    if (r != ERROR_DAMAGED && r != ERROR_NEWER_FORMAT)
        return r;
    audit_outcome(AUDIT_STATE, failure, "reading the applications");
    return 0;
}

static void on_state(void *userdata, enum realm_state old_state, enum realm_state new_state)
{
    struct service *service = userdata;
    char detail[80];

    if (!service->rotation || !service->realm)
        return;
    if (is_readable(new_state)) { /* whoever opened it: what is sealed from now on, a person sealed */
        service->unopened.code = ERROR_NONE;
        uv_timer_stop(&service->reopen);
        share_entry_clear(service->share_entry);
        backup_watch_begin(service->backup_watch);
    }
    if (!is_readable(new_state) && is_readable(old_state)) {
        application_set_clear(service->applications);
        answer_cache_clear(service->answers);
    }
    (void)snprintf(detail, sizeof(detail), "%s to %s", realm_state_name(old_state),
                   realm_state_name(new_state));
    audit_outcome(AUDIT_STATE, NULL, detail);
    signal_state_changed(service, old_state, new_state);
    rotation_realm_changed(service->rotation);
    if (service->opening && new_state == REALM_REBUILDING)
        calls_resume_opened(service); /* those that ask for no more than the state */
    notify_state(service);
}

static void on_log_event(void *userdata, enum log_event event, const char *text)
{
    static const struct {
        const char *words;
        enum error_code code; /* ERROR_NONE: nothing is wrong */
    } events[] = {
        [LOG_EVENT_READ_ONLY] = { "read-only", ERROR_READ_ONLY },
        [LOG_EVENT_DAMAGED] = { "damage", ERROR_DAMAGED },
        [LOG_EVENT_VIEW_DAMAGED] = { "damage", ERROR_DAMAGED },
        [LOG_EVENT_VERIFIED] = { "verified", ERROR_NONE },
        [LOG_EVENT_COMPACTED] = { "compacted", ERROR_NONE },
        [LOG_EVENT_TORN_TAIL] = { "torn tail cut", ERROR_NONE },
        [LOG_EVENT_VIEW_REBUILT] = { "view rebuilt", ERROR_NONE },
        [LOG_EVENT_COMPACTION_FAILED] = { "not compacted", ERROR_STORAGE_FAILED },
        [LOG_EVENT_ANCHOR_FAILED] = { "anchor not written", ERROR_STORAGE_FAILED },
    };
    struct failure failure = { .code = ERROR_NONE };
    char detail[320];

    (void)snprintf(detail, sizeof(detail), *text ? "%s: %s" : "%s", events[event].words, text);
    if (events[event].code != ERROR_NONE)
        (void)failure_set(&failure, events[event].code, "%s", detail);
    audit_outcome(AUDIT_STORAGE, &failure, failure.code == ERROR_NONE ? detail : NULL);
}

static void on_added(void *userdata, const struct application *application)
{
    signal_application_added(userdata, application);
}

static void on_changed(void *userdata, const struct application *application)
{
    signal_application_changed(userdata, application);
}

static void on_removed(void *userdata, const char *name)
{
    signal_application_removed(userdata, name);
}

static void on_rotation_changed(void *userdata)
{
    signal_rotation_changed(userdata);
}

static void on_rotation_ended(void *userdata, const struct rotation_result *result)
{
    signal_rotation_ended(userdata, result);
}

/* The configuration becomes the service's: everything that was made from the one before is made again. */
static void apply_config(struct service *service)
{
    const struct config *config = service->config;
    struct audit_settings audit = { (enum audit_threshold)config->audit_success,
                                    (enum audit_threshold)config->audit_failure };

    service->administrators =
        (struct name_list){ config->administrators.names, config->administrators.count };
    service->affiliate_administrators = (struct name_list){
        config->affiliate_administrators.names, config->affiliate_administrators.count };
    audit_set(&audit);
}

static struct rotation_settings rotation_settings_of(const struct config *config)
{
    return (struct rotation_settings){
        .rate = config->rotation_rate,
        .rotate_after_usec = config->rotate_after * UINT64_C(1000000),
        .keep_retired_usec = config->keep_retired * UINT64_C(1000000),
    };
}

/* Each connection may hold the descriptors of a message that never becomes complete; and some are left for
 * the calls and for ourselves. */
static unsigned connections_max(unsigned wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / (2 + DESCRIPTORS_MAX) > wanted)
        return wanted;
    return (unsigned)(limit.rlim_cur / (2 + DESCRIPTORS_MAX));
}

static struct quota_limits limits_of(const struct config *config)
{
    return (struct quota_limits){
        .connections = connections_max(config->connections),
        .connections_per_user = config->connections_per_user,
        .calls_per_user = config->calls_per_user,
        .bytes_per_user = (size_t)config->kilobytes_per_user * 1024,
        .requests_per_second = config->requests_per_second,
        .verify_burst = config->verify_burst,
        .verify_per_minute = config->verify_per_minute,
    };
}

int service_reload(struct service *service, struct failure *failure)
{
    char error[CONFIG_ERROR_MAX];
    struct config *config, *old = service->config;
    struct rotation_settings rotation;
    struct quota_limits limits;
    int r = config_load(service->paths->config_file, &config, error);

    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return failure_set(failure, ERROR_INVALID_ARGUMENT, "%s; correct it, and reload", error);
    service->config = config;
    apply_config(service);
    limits = limits_of(config);
    quota_set_limits(service->quota, &limits);
    rotation = rotation_settings_of(config);
    rotation_configure(service->rotation, &rotation);
    account_cache_set_lifetime(service->accounts, config->name_cache * 1000);
    account_cache_flush(service->accounts);
    backup_watch_set(service->backup_watch, (uint64_t)config->backup_max_age * 1000000);
    config_free(old);
    return 0;
}

static void reload_by_signal(struct service *service)
{
    struct failure failure = { .code = ERROR_NONE };
    char text[80];
    int r;

    (void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
                   (unsigned long long)now_usec(CLOCK_MONOTONIC));
    notify_send(text);
    r = service_reload(service, &failure);
    if (r < 0)
        (void)failure_from_errno(&failure, r, "reading the configuration");
    audit_outcome(AUDIT_RELOAD, r == 0 ? NULL : &failure, service->paths->config_file);
    notify_send("READY=1");
}

static void on_reopen(uv_timer_t *timer);

static void on_opened(void *userdata, const struct failure *failure)
{
    struct service *service = userdata;
    bool told = failure->code != ERROR_NONE && failure->code == service->unopened.code;
    const char *slot = realm_slot_used(service->realm);
    char detail[40];

    service->opening = false;
    service->unopened = *failure;
    (void)snprintf(detail, sizeof(detail), *slot ? "at start, slot %s" : "at start", slot);
    if (!told)
        audit_outcome(AUDIT_UNSEAL, failure->code != ERROR_NONE ? failure : NULL, detail);
    if (passes(failure) && !service->stopping)
        uv_timer_start(&service->reopen, on_reopen, REOPEN_WAIT_MS, 0);
    if (!told && failure->code != ERROR_NONE && service->announced)
        notify_state(service);
    calls_resume_opened(service);
    announce(service);
}

/* Whatever opens without a person is tried at once. */
static void open_keyring(struct service *service)
{
    struct failure failure = { .code = ERROR_NONE };
    int r;

    if (realm_state(service->realm) != REALM_SEALED)
        return;
    service->opening = true;
    r = realm_unseal(service->realm, NULL, on_opened, service, &failure);
    if (r < 0)
        (void)failure_from_errno(&failure, r, "opening the keyring");
    if (r != 0)
        on_opened(service, &failure);
}

static void on_reopen(uv_timer_t *timer)
{
    struct service *service = timer->data;

    if (!service->stopping)
        open_keyring(service);
}

static bool has_unsent(const struct service *service)
{
    return bus_has_unsent(service->bus) || direct_has_unsent(service->direct);
}

static void close_handle(uv_handle_t *handle)
{
    if (handle->loop && !uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void end_audit(void)
{
    size_t lost = audit_close();

    if (lost > 0)
        (void)fprintf(stderr, "mastersecretd: %zu audit events are lost: syslog did not take them\n",
                      lost);
}

/* The last handles go; the loop ends by itself. */
static void fini(struct service *service)
{
    bus_free(STEAL(service->bus));
    direct_free(STEAL(service->direct));
    application_set_free(STEAL(service->applications));
    account_cache_free(STEAL(service->accounts));
    work_queue_free(STEAL(service->work));
    connection_ring_deinit(&service->ring);
    for (size_t i = 0; i < sizeof(service->signals) / sizeof(service->signals[0]); i++)
        close_handle(loop_handle(&service->signals[i]));
    close_handle(loop_handle(&service->watchdog));
    close_handle(loop_handle(&service->stop_timer));
    close_handle(loop_handle(&service->reopen));
    close_handle(loop_handle(&service->trim));
    close_handle(loop_handle(&service->left_out));
    close_handle(loop_handle(&service->turn));
    close_handle(loop_handle(&service->turn_waiting));
    if (service->quota)
        calls_tell_left_out(service);
    end_audit();
}

static void on_flush(uv_timer_t *timer)
{
    struct service *service = timer->data;

    if (service->flush_steps++ < FLUSH_STEPS && has_unsent(service))
        return;
    fini(service);
}

/* Whose timers ask the realm go with it: the audit may still have to be sent. */
static void on_realm_closed(void *userdata)
{
    struct service *service = userdata;

    rotation_free(STEAL(service->rotation));
    share_entry_free(STEAL(service->share_entry));
    backup_watch_free(STEAL(service->backup_watch));
    uv_timer_start(&service->stop_timer, on_flush, 0, FLUSH_STEP_MS);
}

static void on_stop_late(uv_timer_t *timer)
{
    syslog(LOG_ERR, "cannot stop cleanly: the storage does not answer");
    end_audit();
    _exit(EXIT_FAILURE);
}

static void stop(struct service *service)
{
    if (service->stopping)
        return;
    service->stopping = true;
    notify_send("STOPPING=1");
    audit_outcome(AUDIT_STOP, NULL, NULL);
    direct_stop(service->direct);
    bus_release_name(service->bus);
    calls_refuse_waiting(service, ERROR_UNREACHABLE);
    uv_timer_start(&service->stop_timer, on_stop_late, STOP_WAIT_MS, 0);
    realm_close(service->realm, on_realm_closed, service);
}

static void on_signal(uv_signal_t *handle, int number)
{
    if (number == SIGHUP)
        reload_by_signal(handle->data);
    else
        stop(handle->data);
}

static void on_watchdog(uv_timer_t *timer)
{
    const struct service *service = timer->data;

    notify_send("WATCHDOG=1");
    if (!service->announced)
        notify_send("EXTEND_TIMEOUT_USEC=60000000");
}

static void on_trim(uv_timer_t *timer)
{
    (void)malloc_trim(0);
}

void service_trim(struct service *service)
{
    if (!uv_is_closing(loop_handle(&service->trim)) && !uv_is_active(loop_handle(&service->trim)))
        uv_timer_start(&service->trim, on_trim, TRIM_WAIT_MS, 0);
}

static void on_turn(uv_check_t *check)
{
    struct service *service = check->data;

    if (service->quota)
        calls_turn(service);
}

static int start_handles(struct service *service)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
    uint64_t interval = notify_watchdog_interval();
    int r = 0;

    connection_ring_init(&service->ring, service->loop);
    uv_timer_init(service->loop, &service->watchdog);
    uv_timer_init(service->loop, &service->stop_timer);
    uv_timer_init(service->loop, &service->trim);
    uv_timer_init(service->loop, &service->reopen);
    uv_timer_init(service->loop, &service->left_out);
    uv_check_init(service->loop, &service->turn);
    uv_idle_init(service->loop, &service->turn_waiting);
    service->watchdog.data = service->stop_timer.data = service->turn.data = service->reopen.data =
        service->left_out.data = service;
    service->turn_last = &service->turn_first;
    uv_check_start(&service->turn, on_turn);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && r == 0; i++) {
        r = uv_signal_init(service->loop, &service->signals[i]);
        service->signals[i].data = service;
        if (r == 0)
            r = uv_signal_start(&service->signals[i], on_signal, numbers[i]);
    }
    if (r == 0 && interval)
        r = uv_timer_start(&service->watchdog, on_watchdog, interval, interval);
    return r;
}

/* One service per state folder: the lock goes with the process. One that is ending may still hold it when
 * the bus starts the next, so it is waited for; nothing runs yet that this could hold up. */
static int lock_folder(int fd)
{
    const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000 * 1000 };

    for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited_ms += LOCK_PAUSE_MS) {
        if (errno != EWOULDBLOCK || waited_ms >= LOCK_WAIT_MS)
            return -errno;
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}

static int open_folder(struct service *service)
{
    const char *path = service->paths->state_folder;
    struct stat status;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r;

    service->folder_fd = fd;
    if (fd < 0 || fstat(fd, &status) < 0)
        return complain("open", path, -errno);
    if (status.st_uid != geteuid() || (status.st_mode & 0077))
        return complain("use (it must be ours alone, mode 0700)", path, -EPERM);
    service->lock_fd = openat(fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    r = service->lock_fd < 0 ? -errno : lock_folder(service->lock_fd);
    return r < 0 ? complain("lock (is another mastersecretd running?)", path, r) : 0;
}

static int start_rotation(struct service *service)
{
    struct rotation_options options = {
        .loop = service->loop,
        .realm = service->realm,
        .applications = service->applications,
        .settings = rotation_settings_of(service->config),
        .events = { on_rotation_changed, on_rotation_ended, service },
    };

    return rotation_new(&options, &service->rotation);
}

static int start_domain(struct service *service)
{
    const struct config *config = service->config;
    struct realm_options options = {
        .loop = service->loop,
        .work = service->work,
        .folder_fd = service->folder_fd,
        .anchor_path = *config->anchor ? config->anchor : service->paths->anchor,
        .keyfile_path = *config->keyfile ? config->keyfile : service->paths->keyfile,
        .credential_path = service->paths->credential,
        .events = { on_state, on_log_event, load_applications, service },
    };
    struct application_events events = { on_added, on_changed, on_removed, service };
    int r = realm_new(&options, &service->realm);

    if (r == 0)
        r = share_entry_new(service->realm, service->loop, SHARE_LIFETIME_MS, &service->share_entry);
    if (r == 0)
        r = backup_watch_new(service->realm, service->loop, BACKUP_WATCH_MS, &service->backup_watch);
    if (r == 0) {
        backup_watch_set(service->backup_watch, (uint64_t)config->backup_max_age * 1000000);
        r = application_set_new(service->realm, &events, &service->applications);
    }
    if (r == 0)
        r = start_rotation(service);
    return r < 0 ? complain("start with", service->paths->state_folder, r) : 0;
}

static int start_tools(struct service *service)
{
    struct quota_limits limits = limits_of(service->config);
    int r = keys_init();

    /* A value that is waited for, a long message: given back to the system when freed, rather than kept in a
     * heap with holes after a flood. Calls that do not wait need nothing as large. */
    (void)mallopt(M_MMAP_THRESHOLD, VALUE_MAX_BYTES);
    if (r == 0)
        r = work_queue_new(service->loop, &service->work);
    if (r == 0)
        r = account_cache_new(service->loop, service->work, service->config->name_cache * 1000,
                              &service->accounts);
    if (r == 0)
        r = quota_new(&limits, &service->quota);
    if (r == 0)
        r = secret_pipe_init(&service->pipe);
    service->has_pipe = r >= 0;
    if (r == PIPE_NO_ROOM)
        r = -EPERM;
    if (r == 0)
        r = secret_new(VALUE_MAX_BYTES + 1, &service->inbox);
    if (r == 0)
        r = answer_cache_new(&service->answers);
    service->identity = (struct identity){ service->accounts, &service->administrators,
                                           &service->affiliate_administrators };
    return r < 0 ? complain("prepare", "mastersecretd", r) : 0;
}

int service_start(struct service *service, uv_loop_t *loop, struct config *config,
                  const struct config_paths *paths)
{
    struct audit_settings audit = { AUDIT_KEEP_ADMINISTRATION, AUDIT_KEEP_ALL };
    int r;

    service->loop = loop;
    service->config = config;
    service->paths = paths;
    service->folder_fd = service->lock_fd = -1;
    service->started_usec = now_usec(CLOCK_REALTIME);
    audit_open(&audit, loop);
    apply_config(service);
    r = start_handles(service);
    if (r == 0)
        r = open_folder(service);
    if (r == 0)
        r = start_tools(service);
    if (r == 0)
        r = start_domain(service);
    if (r < 0)
        return r;
    r = direct_new(service, paths->run_folder, &service->direct);
    if (r < 0)
        return complain("listen in", paths->run_folder, r);
    audit_outcome(AUDIT_START, NULL, realm_state_name(realm_state(service->realm)));
    open_keyring(service);
    return bus_new(service, &service->bus);
}

int service_run(struct service *service)
{
    return uv_run(service->loop, UV_RUN_DEFAULT);
}

void service_abandon(struct service *service)
{
    if (!service->loop)
        return;
    service->stopping = true;
    direct_stop(service->direct);
    if (service->realm)
        realm_close(service->realm, on_realm_closed, service);
    else
        fini(service);
    (void)uv_run(service->loop, UV_RUN_DEFAULT);
}

void service_free(struct service *service)
{
    free(service->spare_call);
    quota_free(service->quota);
    if (service->has_pipe)
        secret_pipe_deinit(&service->pipe);
    secret_free(service->inbox);
    answer_cache_free(service->answers);
    if (service->lock_fd >= 0)
        close(service->lock_fd);
    if (service->folder_fd >= 0)
        close(service->folder_fd);
    config_free(service->config);
}

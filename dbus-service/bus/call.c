/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/call.h"

#include "dbus-service/bus/polkit.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* How long a call waits for the keyring to be opened at start. */
#define OPENING_WAIT_MS 5000
/* Bytes that one message may bind: itself, and for each descriptor the value that comes through it. */
#define MESSAGE_MAX (2 * 1024 * 1024)
/* Applications whose questions to the name service are asked before a loop waits for the answers. */
#define LOOP_WAITING_MAX 32
/* How long events are counted that are left out of the audit. */
#define LEFT_OUT_MS 1000
#ifndef __has_feature
#define __has_feature(name) 0 /* gcc has macros instead */
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static int step_identify(struct call *call);
static int step_limit(struct call *call);
static int step_turn(struct call *call);
static int step_resolved(struct call *call);
static int step_load(struct call *call);
static int step_roles(struct call *call);
static int step_authorise(struct call *call);
static int step_state(struct call *call);
static int step_act(struct call *call);

static int (*const steps[])(struct call *call) = {
    step_identify,  /* the caller, by the kernel */
    step_limit,     /* within what one user may hold */
    step_turn,      /* others go first who have had less of the processor */
    step_resolved,  /* there is such a method, the arguments are its own, and the service goes on */
    step_load,      /* application, account, user: what it is about */
    step_roles,     /* what the caller is towards it */
    step_authorise, /* access.c decides; polkit may stand in */
    step_state,     /* the service can do it now; who may not ask is not told whether it could */
    step_act,       /* the handler: act and reply; the audit follows the reply */
};

static void call_free(struct call *call);

static void run(struct call *call)
{
    struct quota *quota = call->service->quota;
    uid_t uid = call->peer->caller.uid;
    bool counts = call->peer->door == DOOR_BUS && call->peer->state == PEER_KNOWN;
    uint64_t begin = counts ? uv_hrtime() : 0;
    int r = 0;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && r == 0; i++)
        r = steps[i](call);
    if (r != 0 && r != CALL_WAIT)
        call_fail(call, r);
    if (begin)
        quota_spend(quota, uid, uv_hrtime() - begin);
}

void call_resume(struct call *call)
{
    if (!call->acting)
        run(call);
}

/* The object a path names. */
static enum object_kind object_parse(const char *path, char **ret_name)
{
    static const char applications[] = BUS_PATH_APPLICATION "/";
    char name[NAME_MAX_BYTES + 1];

    if (strcmp(path, BUS_PATH) == 0)
        return OBJECT_ROOT;
    if (strcmp(path, "/") == 0 || strcmp(path, "/org") == 0 ||
        strcmp(path, BUS_PATH_APPLICATION) == 0)
        return OBJECT_NODE;
    if (strncmp(path, applications, sizeof(applications) - 1) != 0 ||
        name_from_path(path + sizeof(applications) - 1, name, sizeof(name)) < 0)
        return OBJECT_NONE;
    *ret_name = strdup(name);
    return OBJECT_APPLICATION;
}

static size_t iter_size(DBusMessageIter *iter, size_t limit);

/* Rough size of one value, in bytes of memory it binds; stops beyond the limit. */
static size_t value_size(DBusMessageIter *iter, size_t limit)
{
    int type = dbus_message_iter_get_arg_type(iter);
    DBusMessageIter inner;
    const char *text;

    if (type == DBUS_TYPE_STRING || type == DBUS_TYPE_OBJECT_PATH || type == DBUS_TYPE_SIGNATURE) {
        dbus_message_iter_get_basic(iter, &text);
        return strlen(text) + 8;
    }
    if (type == DBUS_TYPE_ARRAY &&
        dbus_type_is_fixed(dbus_message_iter_get_element_type(iter)) &&
        dbus_message_iter_get_element_type(iter) != DBUS_TYPE_UNIX_FD)
        return (size_t)dbus_message_iter_get_element_count(iter) * 8 + 8;
    if (type == DBUS_TYPE_UNIX_FD)
        return VALUE_MAX_BYTES;
    if (!dbus_type_is_container(type))
        return 8;
    dbus_message_iter_recurse(iter, &inner);
    return 8 + iter_size(&inner, limit);
}

static size_t iter_size(DBusMessageIter *iter, size_t limit)
{
    size_t size = 0;

    while (size <= limit && dbus_message_iter_get_arg_type(iter) != DBUS_TYPE_INVALID) {
        size += value_size(iter, limit - size);
        dbus_message_iter_next(iter);
    }
    return size;
}

/* Walks over the arguments once: keeps where each begins, and gives the size of all. */
static size_t walk_arguments(struct call *call)
{
    DBusMessageIter iter;
    size_t size = 128, position = 0;

    if (!dbus_message_iter_init(call->message, &iter))
        return size;
    do {
        if (position < CALL_ARGUMENTS_MAX)
            call->arguments[position++] = iter;
        size += value_size(&iter, MESSAGE_MAX);
    } while (size <= MESSAGE_MAX && dbus_message_iter_next(&iter));
    return size;
}

/* Size, object, interface, member, signature. */
static int resolve(struct call *call)
{
    const char *path = dbus_message_get_path(call->message);
    const char *interface = dbus_message_get_interface(call->message);
    const char *member = dbus_message_get_member(call->message);
    int outcome;

    call->bytes = walk_arguments(call);
    if (call->bytes > MESSAGE_MAX)
        return failure_set(&call->failure, ERROR_TOO_LARGE, "the message is larger than %d bytes",
                           MESSAGE_MAX);
    call->object = object_parse(path, &call->object_name);
    if (call->object == OBJECT_NONE)
        return call_standard_error(call, DBUS_ERROR_UNKNOWN_OBJECT, "there is no such object");
    if (call->object == OBJECT_APPLICATION && !call->object_name)
        return -ENOMEM;
    outcome = table_find(call->object, interface, member, &call->method);
    if (outcome == TABLE_NO_INTERFACE)
        return call_standard_error(call, DBUS_ERROR_UNKNOWN_INTERFACE,
                                   "the object has no such interface");
    if (outcome == TABLE_NO_METHOD)
        return call_standard_error(call, DBUS_ERROR_UNKNOWN_METHOD,
                                   "the interface has no such method");
    if (!dbus_message_has_signature(call->message, call->method->in))
        return call_standard_error(call, DBUS_ERROR_INVALID_ARGS,
                                   "the arguments are not of the method's signature");
    return 0;
}

static struct call *call_new(struct service *service)
{
    struct call *call = service->spare_call ? STEAL(service->spare_call) : malloc(sizeof(*call));

    if (call)
        *call = (struct call){ .service = service };
    return call;
}

/* One call's memory is kept for the next, since most calls end before another begins; not where a sanitizer
 * looks for uses after the end. */
static void call_spare(struct call *call)
{
    struct service *service = call->service;

    if (SANITIZED || service->spare_call)
        free(call);
    else
        service->spare_call = call;
}

void call_begin(struct service *service, struct connection *connection, struct peer *peer,
                DBusMessage *message)
{
    struct call *call = call_new(service);

    if (!call)
        return; /* the caller's time-out tells him */
    call->connection = connection_ref(connection);
    call->message = dbus_message_ref(message);
    call->peer = peer_ref(peer);
    call->waiter = (struct account_waiter){ .ready = (void (*)(void *))call_resume, .userdata = call };
    call->previous = service->calls_last;
    if (call->previous)
        call->previous->next = call;
    else
        service->calls = call;
    service->calls_last = call;
    call->resolved = resolve(call);
    /* What is too large to be kept does not wait for anything. */
    if (call->resolved == ERROR_TOO_LARGE)
        call_fail(call, call->resolved);
    else
        run(call);
}

static int step_identify(struct call *call)
{
    switch (call->peer->state) {
    case PEER_KNOWN:
        return 0;
    case PEER_ASKED:
        return CALL_WAIT;
    case PEER_GONE:
        break;
    }
    call->error_name = NULL;
    return failure_set(&call->failure, ERROR_ACCESS_DENIED, "the bus does not say who calls");
}

static int step_limit(struct call *call)
{
    struct service *service = call->service;
    int r;

    if (call->in_quota)
        return 0;
    r = quota_call_begin(service->quota, call->peer->caller.uid, call->bytes,
                         uv_now(service->loop));
    if (r == -EDQUOT) {
        call->error_name = NULL;
        return failure_set(&call->failure, ERROR_LIMITS_EXCEEDED,
                           "user %u has too many requests under way or asks too often",
                           (unsigned)call->peer->caller.uid);
    }
    call->in_quota = r == 0;
    return r;
}

static void on_waiting(uv_idle_t *idle)
{
}

static void turn_wait(struct call *call)
{
    struct service *service = call->service;

    call->turn_link = service->turn_last;
    *service->turn_last = call;
    service->turn_last = &call->turn_next;
    quota_wait_begin(service->quota, call->peer->caller.uid);
    uv_idle_start(&service->turn_waiting, on_waiting);
}

static void turn_leave(struct call *call)
{
    struct service *service = call->service;

    if (!call->turn_link)
        return;
    *call->turn_link = call->turn_next;
    if (call->turn_next)
        call->turn_next->turn_link = call->turn_link;
    else
        service->turn_last = call->turn_link;
    call->turn_next = NULL;
    call->turn_link = NULL;
    quota_wait_end(service->quota, call->peer->caller.uid);
    if (!service->turn_first)
        uv_idle_stop(&service->turn_waiting);
}

/* For the bus, where all its users come through one connection: one of the direct socket is not read on
 * while its user has no share (connection.c). One user's calls stay in their order. */
static int step_turn(struct call *call)
{
    struct quota *quota = call->service->quota;
    uid_t uid = call->peer->caller.uid;

    if (call->has_turn || call->peer->door == DOOR_DIRECT)
        return 0;
    if (call->turn_link)
        return CALL_WAIT;
    if (quota_has_waiting(quota, uid) || !quota_has_share(quota, uid)) {
        turn_wait(call);
        return CALL_WAIT;
    }
    call->has_turn = true;
    return 0;
}

void calls_turn(struct service *service)
{
    struct call *call = service->turn_first;

    quota_turn(service->quota);
    while (call) {
        struct call *next = call->turn_next;

        if (quota_has_share(service->quota, call->peer->caller.uid)) {
            turn_leave(call);
            call->has_turn = true;
            call_resume(call);
        }
        call = next;
    }
}

/* What is wrong with the message itself is said, and audited, within the limits only. */
static int step_resolved(struct call *call)
{
    if (call->resolved == 0 && call->service->stopping)
        return failure_set(&call->failure, ERROR_UNREACHABLE, "the service is stopping");
    return call->resolved;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

static void timer_stop(struct call *call)
{
    if (call->timer)
        uv_close(loop_handle(STEAL(call->timer)), on_timer_closed);
}

static void on_opening_late(uv_timer_t *timer)
{
    struct call *call = timer->data;

    call->waited = true;
    timer_stop(call);
    call_resume(call);
}

static int wait_for_opening(struct call *call)
{
    if (call->timer)
        return CALL_WAIT;
    call->timer = malloc(sizeof(*call->timer));
    if (!call->timer)
        return -ENOMEM;
    uv_timer_init(call->service->loop, call->timer);
    call->timer->data = call;
    uv_timer_start(call->timer, on_opening_late, OPENING_WAIT_MS, 0);
    return CALL_WAIT;
}

/* Is what the call is about, and so what the caller may do, to be found in records? */
static bool is_about_records(const struct call *call)
{
    return call->object == OBJECT_APPLICATION || call->method->subject == SUBJECT_USER;
}

static bool needs_records(const struct call *call)
{
    return (call->method->flags & METHOD_READS) || is_about_records(call);
}

static bool waits(const struct call *call)
{
    if ((call->method->flags & METHOD_TELLS) && call->object == OBJECT_ROOT)
        return realm_state(call->service->realm) == REALM_SEALED;
    return (call->method->flags & METHOD_WAITS) || needs_records(call);
}

static int step_state(struct call *call)
{
    const struct service *service = call->service;

    if (service->opening && waits(call) && !call->waited)
        return wait_for_opening(call);
    timer_stop(call);
    return needs_records(call) ? realm_check_readable(service->realm, &call->failure) : 0;
}

int call_identity(struct call *call, int outcome)
{
    switch (outcome) {
    case IDENTITY_DONE:
        return 0;
    case IDENTITY_PENDING:
        return CALL_WAIT;
    case IDENTITY_UNAVAILABLE:
        return failure_set(&call->failure, ERROR_NAME_SERVICE_UNAVAILABLE, NULL);
    default:
        return outcome;
    }
}

static int load_object(struct call *call)
{
    if (call->object != OBJECT_APPLICATION)
        return 0;
    call->application = application_set_find(call->service->applications, call->object_name);
    if (call->application)
        return 0;
    if (call->method->subject == SUBJECT_NOTHING)
        return call_standard_error(call, DBUS_ERROR_UNKNOWN_OBJECT, "there is no such object");
    return failure_set(&call->failure, ERROR_APPLICATION_NOT_FOUND, "no application '%s'",
                       call->object_name);
}

static int remember(char **place, const char *text)
{
    if (*place)
        return 0;
    *place = strdup(text);
    return *place ? 0 : -ENOMEM;
}

static int load_account(struct call *call)
{
    const char *text = call_string(call, 0), *name;
    struct account_name *account = &call->account;
    int r;

    r = call_identity(call, identity_name(&call->service->identity, &call->peer->caller,
                                            &call->waiter, &name));
    if (r != 0)
        return r;
    if (*text == '\0') {
        if (*name == '\0')
            return failure_set(&call->failure, ERROR_ACCOUNT_NOT_FOUND,
                               "the caller's uid %u has no name",
                               (unsigned)call->peer->caller.uid);
        account->kind = ACCOUNT_USER;
        memccpy(account->name, name, '\0', sizeof(account->name) - 1);
    } else if (account_name_parse(text, account) < 0) {
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                           "an account is \"user:NAME\" or \"group:NAME\"");
    }
    call->own = account->kind == ACCOUNT_USER && *name && strcmp(account->name, name) == 0;
    return remember(&call->audit_user, account->name);
}

static int refused(struct call *call);

/* Whoever may ask only about himself makes the name service look nobody else up: it takes few questions
 * at once, from all callers together. */
static int check_named(struct call *call, const char *user)
{
    const char *name;
    bool may;
    int r = call_may(call, call->method->operation, call->application, &may);

    if (r != 0 || may)
        return r;
    r = call_identity(call, identity_name(&call->service->identity, &call->peer->caller,
                                            &call->waiter, &name));
    return r != 0 || strcmp(name, user) == 0 ? r : refused(call);
}

static int load_user(struct call *call)
{
    struct service *service = call->service;
    const char *name = call_string(call, 0), *user = call_string(call, 1);
    int r;

    if (!name_is_valid(name) || (*user && !name_is_valid(user)))
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                           "the name of the application or user is not valid");
    r = remember(&call->audit_application, name);
    if (r == 0 && *user)
        r = remember(&call->audit_user, user);
    if (r < 0)
        return r;
    call->application = application_set_find(service->applications, name);
    if (!call->application)
        return failure_set(&call->failure, ERROR_APPLICATION_NOT_FOUND, "no application '%s'", name);
    r = *user ? check_named(call, user) : 0;
    if (r != 0)
        return r;
    r = call_identity(call, identity_target(&service->identity, service->realm,
                                              &call->peer->caller, call->application,
                                              *user ? user : NULL, &call->waiter, &call->target));
    if (r != 0)
        return r;
    call->own = call->target.own;
    return remember(&call->audit_user, call->target.user);
}

static int step_load(struct call *call)
{
    int r = is_about_records(call) ? step_state(call) : 0;

    call->application = NULL;
    call->own = false;
    if (r == 0)
        r = load_object(call);
    if (r == 0 && call->object_name)
        r = remember(&call->audit_application, call->object_name);
    if (r == 0 && (call->method->flags & METHOD_NAMES) && name_is_valid(call_string(call, 0)))
        r = remember(&call->audit_application, call_string(call, 0));
    if (r == 0 && call->method->subject == SUBJECT_MAPPING)
        r = load_account(call);
    if (r == 0 && call->method->subject == SUBJECT_USER)
        r = load_user(call);
    return r;
}

static int step_roles(struct call *call)
{
    return call_identity(call, identity_roles(&call->service->identity, &call->peer->caller,
                                                call->application, &call->waiter, &call->roles));
}

/* Is the mapping disabled by an administrator? One that cannot be read is for the handler to report. */
static bool disabled_by_administrator(struct call *call)
{
    CLEANUP_MAPPING struct mapping *mapping = NULL;
    struct failure failure;

    return mapping_get(call->service->realm, call->application, &call->account, &mapping,
                       &failure) == 0 &&
           mapping->state == MAPPING_DISABLED_BY_ADMINISTRATOR;
}

static int refused(struct call *call)
{
    if (call->method->subject == SUBJECT_USER && call->own && !call->target.entitled)
        return failure_set(&call->failure, ERROR_NOT_APPLICATION_USER,
                           "'%s' is not one of the users of application '%s'", call->target.user,
                           call->application->name);
    if (call->own && (call->method->flags & METHOD_ENABLES) && disabled_by_administrator(call))
        return failure_set(&call->failure, ERROR_MAPPING_DISABLED_BY_ADMINISTRATOR, NULL);
    return failure_set(&call->failure, ERROR_ACCESS_DENIED, "%s needs the role of %s",
                       call->method->name, access_needs(call->method->operation));
}

/* A method has one answer: its operations are of the same action. */
int call_ask_polkit(struct call *call, enum operation operation)
{
    const char *action = access_polkit_action(operation);

    if (!action || call->peer->door != DOOR_BUS || call->polkit == POLKIT_NO)
        return ERROR_ACCESS_DENIED;
    if (call->polkit == POLKIT_YES)
        return 0;
    if (call->polkit == POLKIT_UNASKED && polkit_ask(call, action) < 0)
        return ERROR_ACCESS_DENIED;
    call->polkit = POLKIT_ASKED;
    return CALL_WAIT;
}

static int step_authorise(struct call *call)
{
    bool enables = call->method->flags & METHOD_ENABLES;
    int r;
    struct access_request request = {
        .operation = call->method->operation,
        .roles = call->roles,
        .own = call->own,
        .individual = call->application && call->application->type == APPLICATION_INDIVIDUAL,
        .enabling = enables,
    };

    if (enables && call->own)
        request.mapping_disabled_by_administrator = disabled_by_administrator(call);
    if (access_decide(&request) == ACCESS_ALLOWED)
        return 0;
    r = call_ask_polkit(call, call->method->operation);
    return r == ERROR_ACCESS_DENIED ? refused(call) : r;
}

static int step_act(struct call *call)
{
    return call->method->handler(call);
}

int call_may(struct call *call, enum operation operation, const struct application *application,
             bool *ret_allowed)
{
    struct access_request request = { .operation = operation };
    int r = call_identity(call, identity_roles(&call->service->identity, &call->peer->caller,
                                                 application, &call->waiter, &request.roles));

    if (r != 0)
        return r;
    request.individual = application && application->type == APPLICATION_INDIVIDUAL;
    *ret_allowed = access_decide(&request) == ACCESS_ALLOWED;
    return 0;
}

bool call_loop_ends(int result, unsigned *waiting)
{
    return result == CALL_WAIT ? ++*waiting >= LOOP_WAITING_MAX : result != 0;
}

int call_loop_result(struct call *call, int result, unsigned waiting)
{
    if (waiting == 0)
        return result;
    call->failure.code = ERROR_NONE; /* whatever it was, it is met again */
    return CALL_WAIT;
}

static void tell_left_out(uid_t uid, size_t count)
{
    struct failure failure;
    const struct audit_event event = {
        .id = AUDIT_LEFT_OUT, .failure = &failure, .has_caller = uid != QUOTA_NOBODY, .uid = uid
    };

    (void)failure_set(&failure, ERROR_LIMITS_EXCEEDED, "%zu events are not in the log", count);
    audit_write(&event);
}

void calls_tell_left_out(struct service *service)
{
    quota_left_out(service->quota, tell_left_out);
}

static void on_left_out(uv_timer_t *timer)
{
    calls_tell_left_out(timer->data);
}

/* A flood is not to drown the audit. Wrong candidates have a limit of their own, and root's refusals are few;
 * what users get of their own is there only if all of it is wanted. */
static bool has_budget(const struct call *call, const struct audit_event *event)
{
    if (event->failure)
        return !call->mismatch && (event->uid != 0 || !call->in_quota);
    return event->by_agent && !audit_keeps_all();
}

static bool worth_telling(struct call *call, const struct audit_event *event)
{
    struct service *service = call->service;
    uv_handle_t *timer = loop_handle(&service->left_out);

    if (!has_budget(call, event) ||
        quota_event_told(service->quota, event->uid, event->failure ? QUOTA_REFUSAL : QUOTA_AGENT_USE,
                         uv_now(service->loop)))
        return true;
    if (!uv_is_closing(timer) && !uv_is_active(timer))
        uv_timer_start(&service->left_out, on_left_out, LEFT_OUT_MS, 0);
    return false;
}

static void audit(struct call *call)
{
    static const struct failure mismatch = { ERROR_WRONG_PASSPHRASE, "the candidate does not match" };
    struct audit_event event = {
        .failure = call->mismatch                     ? &mismatch
                   : call->failure.code == ERROR_NONE ? NULL
                                                      : &call->failure,
        .door = door_name(call->peer->door),
        .application = call->audit_application,
        .user = call->audit_user,
        .by_agent = call->method && call->method->subject == SUBJECT_USER && !call->own,
        .detail = call->audit_detail,
    };
    char both[400];

    if (call->polkit == POLKIT_YES) {
        (void)snprintf(both, sizeof(both), "%s%sauthorised by polkit",
                       event.detail ? event.detail : "", event.detail ? "; " : "");
        event.detail = both;
    }

    if (!call->method || !call->method->audit)
        return;
    event.id = (enum audit_id)call->method->audit;
    event.has_caller = call->peer->state == PEER_KNOWN;
    event.uid = event.has_caller ? call->peer->caller.uid : QUOTA_NOBODY;
    event.pid = call->peer->caller.pid;
    if (audit_keeps(&event) && worth_telling(call, &event))
        audit_write(&event);
}

static void call_free(struct call *call)
{
    if (call->previous)
        call->previous->next = call->next;
    else
        call->service->calls = call->next;
    if (call->next)
        call->next->previous = call->previous;
    else
        call->service->calls_last = call->previous;
    turn_leave(call);
    timer_stop(call);
    polkit_cancel(call);
    account_forget_waiter(call->service->accounts, call);
    descriptors_deinit(call);
    if (call->in_quota)
        quota_call_end(call->service->quota, call->peer->caller.uid, call->bytes);
    dbus_message_unref(call->message);
    peer_unref(call->peer);
    connection_unref(call->connection);
    free(call->object_name);
    free(call->audit_application);
    free(call->audit_user);
    free(call->audit_detail);
    if (call->extra)
        call->extra_free(call->extra);
    call_spare(call);
}

void call_detail(struct call *call, const char *format, ...)
{
    va_list arguments;

    free(STEAL(call->audit_detail));
    va_start(arguments, format);
    if (vasprintf(&call->audit_detail, format, arguments) < 0)
        call->audit_detail = NULL;
    va_end(arguments);
}

/* A reply that cannot even be made leaves the caller to his time-out. The audit comes after it, in the same
 * breath: doc/DESIGN section 9. */
static void finish(struct call *call, DBusMessage *reply)
{
    if (reply && !dbus_message_get_no_reply(call->message))
        (void)connection_send(call->connection, reply);
    if (reply)
        dbus_message_unref(reply);
    audit(call);
    call_free(call);
}

struct writer call_writer(const struct call *call)
{
    struct writer writer;

    writer_init(&writer, dbus_message_new_method_return(call->message));
    return writer;
}

void call_reply(struct call *call, DBusMessage *reply)
{
    if (!reply && call->acting)
        call_fail(call, failure_set(&call->failure, ERROR_OUTCOME_UNKNOWN,
                                    "it was done, but there is no memory for the answer"));
    else if (!reply)
        call_fail(call, -ENOMEM);
    else
        finish(call, reply);
}

void call_reply_done(struct call *call)
{
    call_reply(call, dbus_message_new_method_return(call->message));
}

int call_standard_error(struct call *call, const char *name, const char *text)
{
    call->error_name = name;
    return failure_set(&call->failure, ERROR_INVALID_ARGUMENT, "%s", text);
}

void call_fail(struct call *call, int error)
{
    const struct failure *failure = &call->failure;
    const char *name, *text;
    char remedied[sizeof(failure->text) + 160];

    if (error < 0)
        (void)failure_from_errno(&call->failure, error, call->method ? call->method->name : "the call");
    name = call->error_name ? call->error_name : error_name(failure->code);
    text = dbus_validate_utf8(failure->text, NULL) ? failure->text : "?";
    if (!call->error_name && !failure_advises(failure)) {
        (void)snprintf(remedied, sizeof(remedied), "%s; %s", text, error_remedy(failure->code));
        text = remedied;
    }
    finish(call, dbus_message_new_error(call->message, name, text));
}

bool call_succeeded(struct call *call, const struct failure *failure)
{
    if (!failure || failure->code == ERROR_NONE)
        return true;
    call->failure = *failure;
    call_fail(call, (int)failure->code);
    return false;
}

void call_on_done(void *userdata, const struct failure *failure)
{
    if (call_succeeded(userdata, failure))
        call_reply_done(userdata);
}

void call_on_written(void *userdata, const struct failure *failure, uint64_t revision)
{
    call_on_done(userdata, failure);
}

void calls_resume_opened(struct service *service)
{
    struct call *call = service->calls;

    /* Resuming frees only the call itself: what it does to others comes through the loop. */
    while (call) {
        struct call *next = call->next;

        if (call->timer)
            call_resume(call);
        call = next;
    }
}

void calls_refuse_waiting(struct service *service, enum error_code code)
{
    struct call *call = service->calls;

    while (call) {
        struct call *next = call->next;

        if (!call->acting) {
            (void)failure_set(&call->failure, code, "the service is stopping");
            call_fail(call, (int)code);
        }
        call = next;
    }
}

void calls_drop_peer(struct service *service, const struct peer *peer)
{
    struct call *call = service->calls;

    while (call) {
        struct call *next = call->next;

        if (call->peer == peer && !call->acting)
            call_free(call);
        call = next;
    }
}

DBusMessageIter call_iter(const struct call *call, unsigned position)
{
    return call->arguments[position];
}

const char *call_string(const struct call *call, unsigned position)
{
    DBusMessageIter iter = call_iter(call, position);
    const char *text = "";

    dbus_message_iter_get_basic(&iter, &text);
    return text;
}

uint32_t call_uint32(const struct call *call, unsigned position)
{
    DBusMessageIter iter = call_iter(call, position);
    uint32_t value = 0;

    dbus_message_iter_get_basic(&iter, &value);
    return value;
}

bool call_boolean(const struct call *call, unsigned position)
{
    DBusMessageIter iter = call_iter(call, position);
    dbus_bool_t value = FALSE;

    dbus_message_iter_get_basic(&iter, &value);
    return value;
}

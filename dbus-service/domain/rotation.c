/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What is to be done next is asked anew after each step, of the keyring and of the view's counters: so
 * there is nothing to be recorded, and a start goes on where the end before it left off. */
#include "dbus-service/domain/rotation_internal.h"

#include <errno.h>
#include <string.h>

enum {
    RETRY_MS = 5000,
    IDLE_MS = 10 * 60 * 1000, /* how often it is looked whether a retired generation's time is over */
};

/* ---- Going on ---- */

static void go_on(struct rotation *rotation);

static void on_wake(uv_timer_t *timer)
{
    go_on(timer->data);
}

/* Not from here: a step's end may stand in the middle of something. */
void rotation_go_on_soon(struct rotation *rotation)
{
    if (!uv_is_closing(loop_handle(&rotation->wake)))
        uv_timer_start(&rotation->wake, on_wake, 0, 0);
}

/* Told once, and tried again: what others have taken (room, memory) they may give back. */
static void hold_up(struct rotation *rotation, const struct failure *failure)
{
    bool told = rotation->error.code != ERROR_NONE &&
                strcmp(rotation->error.text, failure->text) == 0;

    rotation->error = *failure;
    if (!told)
        rotation_tell_audit(failure, "%s", rotation_phase_name(rotation->phase));
    rotation_set_phase(rotation, ROTATION_WAITING);
    if (!uv_is_closing(loop_handle(&rotation->wake)))
        uv_timer_start(&rotation->wake, on_wake, RETRY_MS, 0);
}

void rotation_step_end(struct rotation *rotation, const struct failure *failure)
{
    rotation->busy = false;
    if (failure->code == ERROR_SEALED || failure->code == ERROR_REBUILDING) {
        rotation_go_on_soon(rotation); /* which sees that it must wait */
        return;
    }
    if (failure->code != ERROR_NONE) {
        hold_up(rotation, failure);
        return;
    }
    rotation->error.code = ERROR_NONE;
    rotation_go_on_soon(rotation);
}

uint64_t rotation_expired_before(const struct rotation *rotation)
{
    uint64_t now = realm_now_usec(), keep = rotation->options.settings.keep_retired_usec;

    return now > keep ? now - keep + 1 : 0;
}

/* ---- What comes next ---- */

/* They were of the records as they were then. */
static void forget_findings(struct rotation *rotation)
{
    rotation->rewritten = rotation->proven = rotation->gave_up = false;
    rotation->error.code = ERROR_NONE;
}

static void rest(struct rotation *rotation, const struct rotation_facts *facts)
{
    bool failed = facts->older && rotation->gave_up;

    if (!failed)
        rotation->error.code = ERROR_NONE;
    rotation_set_phase(rotation, failed ? ROTATION_FAILED : ROTATION_IDLE);
    if (facts->retired)
        uv_timer_start(&rotation->wake, on_wake, IDLE_MS, 0);
}

static void go_on(struct rotation *rotation)
{
    const struct keyring *keyring = rotation_open_keyring(rotation);
    struct rotation_facts facts;
    struct rotation_state state;

    if (rotation->busy || uv_is_closing(loop_handle(&rotation->wake)))
        return;
    if (!keyring || realm_state(rotation->options.realm) != REALM_READY ||
        !realm_log(rotation->options.realm)) {
        if (rotation_is_working(rotation->phase))
            rotation_set_phase(rotation, ROTATION_WAITING);
        return;
    }
    rotation_facts(keyring, rotation_expired_before(rotation), &facts);
    keyring_rotation(keyring, &state);
    if (facts.older && !rotation->gave_up)
        state.paused ? rotation_set_phase(rotation, ROTATION_PAUSED) : rotation_step_walk(rotation);
    else if (state.begun_usec != 0 && state.ended_usec == 0)
        rotation_step_compact(rotation);
    else if (facts.newer != 0)
        rotation_step_switch(rotation);
    else if (facts.expired)
        rotation_step_remove(rotation);
    else
        rest(rotation, &facts);
}

void rotation_realm_changed(struct rotation *rotation)
{
    enum realm_state state = realm_state(rotation->options.realm);

    if (state != REALM_READY && rotation->pass)
        pass_cancel(rotation->pass);
    forget_findings(rotation);
    rotation_go_on_soon(rotation);
}

/* ---- What is asked for ---- */

static int check_begin(const struct rotation *rotation, const struct rotation_request *request,
                       struct failure *failure)
{
    struct realm *realm = rotation->options.realm;
    struct rotation_facts facts;
    struct rotation_state state;
    int r = realm_check_readable(realm, failure);

    if (r != 0)
        return r;
    if (realm_state(realm) == REALM_READ_ONLY)
        return failure_set(failure, ERROR_READ_ONLY, NULL);
    rotation_facts(rotation_open_keyring(rotation), 0, &facts);
    keyring_rotation(rotation_open_keyring(rotation), &state);
    if (facts.newer != 0)
        return failure_set(failure, ERROR_ROTATION_RUNNING, "generation %u waits to be rotated to",
                           facts.newer);
    if (((facts.older && !rotation->gave_up) || (state.begun_usec != 0 && state.ended_usec == 0) ||
         rotation->phase == ROTATION_BACKUP) &&
        !request->again)
        return failure_set(failure, ERROR_ROTATION_RUNNING,
                           "a rotation to generation %u is under way",
                           keyring_active_generation(rotation_open_keyring(rotation)));
    return 0;
}

/* What an administrator asked of the keyring. */
struct wish {
    struct rotation *rotation;
    realm_done done;
    void *userdata;
};

static int wish_new(struct rotation *rotation, realm_done done, void *userdata,
                    struct wish **ret_wish)
{
    struct wish *wish = malloc(sizeof(*wish));

    if (!wish)
        return -ENOMEM;
    *wish = (struct wish){rotation, done, userdata};
    *ret_wish = wish;
    return 0;
}

static void on_wish(void *userdata, const struct failure *failure)
{
    CLEANUP_FREE struct wish *wish = userdata;
    struct rotation *rotation = wish->rotation;
    const struct keyring *keyring = rotation_open_keyring(rotation);
    struct rotation_state state;

    if (keyring)
        keyring_rotation(keyring, &state);
    if (keyring && rotation->pass && state.paused)
        pass_cancel(rotation->pass);
    else if (keyring && rotation->pass)
        pass_set_rate(rotation->pass, state.rate);
    if (failure->code == ERROR_NONE)
        rotation_tell_changed(rotation);
    rotation_go_on_soon(rotation);
    wish->done(wish->userdata, failure);
}

int rotation_begin(struct rotation *rotation, struct rotation_request *request, realm_done done,
                   void *userdata, struct failure *failure)
{
    CLEANUP_FREE struct wish *wish = NULL;
    int r = check_begin(rotation, request, failure);

    if (r == 0 && !request->dry_run)
        r = wish_new(rotation, done, userdata, &wish);
    if (r == 0)
        r = rotation_backup(rotation->options.realm, request, wish ? on_wish : done,
                            wish ? wish : userdata, failure);
    secret_free(STEAL(request->passphrase));
    if (r != 0 || request->dry_run)
        return r;
    (void)STEAL(wish);
    rotation->next_rate = request->has_rate ? request->rate : rotation->options.settings.rate;
    if (rotation->phase == ROTATION_IDLE)
        rotation_set_phase(rotation, ROTATION_BACKUP);
    return 0;
}

static int edit_by_wish(struct rotation *rotation, const struct rotation_edit *edit,
                        realm_done done, void *userdata, struct failure *failure)
{
    CLEANUP_FREE struct wish *wish = NULL;
    int r = realm_check_readable(rotation->options.realm, failure);

    if (r == 0)
        r = wish_new(rotation, done, userdata, &wish);
    if (r == 0)
        r = rotation_edit(rotation->options.realm, edit, on_wish, wish, failure);
    if (r == 0)
        (void)STEAL(wish);
    return r;
}

int rotation_pause(struct rotation *rotation, bool paused, realm_done done, void *userdata,
                   struct failure *failure)
{
    const struct rotation_edit edit = {.kind = EDIT_PAUSE, .paused = paused};

    if (!paused)
        forget_findings(rotation);
    return edit_by_wish(rotation, &edit, done, userdata, failure);
}

int rotation_set_rate(struct rotation *rotation, uint32_t rate, realm_done done, void *userdata,
                      struct failure *failure)
{
    const struct rotation_edit edit = {.kind = EDIT_RATE, .rate = rate};

    return edit_by_wish(rotation, &edit, done, userdata, failure);
}

/* ---- Life ---- */

int rotation_new(const struct rotation_options *options, struct rotation **ret_rotation)
{
    struct rotation *rotation = calloc(1, sizeof(*rotation));
    int r;

    if (!rotation)
        return -ENOMEM;
    rotation->options = *options;
    rotation->next_rate = options->settings.rate;
    r = uv_timer_init(options->loop, &rotation->wake);
    if (r == 0)
        r = uv_timer_init(options->loop, &rotation->tick); /* neither can fail */
    if (r < 0) {
        free(rotation);
        return r;
    }
    rotation->wake.data = rotation->tick.data = rotation;
    rotation->handles = 2;
    *ret_rotation = rotation;
    return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct rotation *rotation = handle->data;

    if (--rotation->handles == 0)
        free(rotation);
}

void rotation_free(struct rotation *rotation)
{
    if (!rotation)
        return;
    uv_close(loop_handle(&rotation->wake), on_handle_closed);
    uv_close(loop_handle(&rotation->tick), on_handle_closed);
}

void rotation_configure(struct rotation *rotation, const struct rotation_settings *settings)
{
    rotation->options.settings = *settings;
    rotation->next_rate = settings->rate;
    rotation_go_on_soon(rotation);
}

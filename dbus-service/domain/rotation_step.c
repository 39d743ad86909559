/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/rotation_internal.h"

#include <errno.h>

static void step_refused(struct rotation *rotation, int r, struct failure *failure)
{
    if (r < 0)
        failure_from_errno(failure, r, "cannot go on with the rotation");
    rotation_step_end(rotation, failure);
}

/* ---- The steps that change the keyring ---- */

static void keyring_step(struct rotation *rotation, const struct rotation_edit *edit,
                         enum rotation_phase phase,
                         void (*done)(void *userdata, const struct failure *failure))
{
    struct failure failure = {.code = ERROR_NONE};
    int r;

    rotation->busy = true;
    rotation_set_phase(rotation, phase);
    r = rotation_edit(rotation->options.realm, edit, done, rotation,
                      &failure);
    if (r != 0)
        step_refused(rotation, r, &failure);
}

static void on_switched(void *userdata, const struct failure *failure)
{
    struct rotation *rotation = userdata;
    const struct keyring *keyring = rotation_open_keyring(rotation);

    if (failure->code == ERROR_NONE && keyring) {
        rotation->appends =
            rotation->options.realm->appends_ended + rotation->options.realm->appends;
        rotation->rewritten = rotation->proven = rotation->gave_up = false;
        rotation->stored = 0;
        rotation->tenth = 0;
        rotation_name(rotation);
        rotation_tell_audit(NULL, "began %s: %llu records", rotation->name,
                            (unsigned long long)rotation_records_left(rotation));
    }
    rotation_step_end(rotation, failure);
}

void rotation_step_switch(struct rotation *rotation)
{
    const struct rotation_edit edit = {.kind = EDIT_SWITCH, .rate = rotation->next_rate};

    keyring_step(rotation, &edit, ROTATION_SWITCH, on_switched);
    rotation->next_rate = rotation->options.settings.rate;
}

static void on_step(void *userdata, const struct failure *failure)
{
    rotation_step_end(userdata, failure);
}

/* What was sealed anew is in the keyring's count now. */
static void on_retired(void *userdata, const struct failure *failure)
{
    struct rotation *rotation = userdata;

    if (failure->code == ERROR_NONE)
        rotation->stored = 0;
    rotation_step_end(rotation, failure);
}

/* The older generations, but for their keys: those go when the old ciphertext has gone. */
static void step_retire(struct rotation *rotation)
{
    const struct rotation_edit edit = {.kind = EDIT_RETIRE, .re_encrypted = rotation->stored};

    keyring_step(rotation, &edit, ROTATION_RETIRE, on_retired);
}

static void on_finished(void *userdata, const struct failure *failure)
{
    struct rotation *rotation = userdata;

    if (failure->code == ERROR_NONE)
        rotation_tell_ended(rotation, failure);
    rotation_step_end(rotation, failure);
}

static void step_finish(struct rotation *rotation)
{
    const struct rotation_edit edit = {.kind = EDIT_FINISH,
                                       .before_usec = rotation_expired_before(rotation)};

    rotation_name(rotation);
    keyring_step(rotation, &edit, ROTATION_COMPACT, on_finished);
}

void rotation_step_remove(struct rotation *rotation)
{
    const struct rotation_edit edit = {.kind = EDIT_REMOVE,
                                       .before_usec = rotation_expired_before(rotation)};

    keyring_step(rotation, &edit, ROTATION_RETIRE, on_step);
}

static void on_compacted(void *userdata, enum log_outcome outcome, uint64_t revision,
                         const char *text)
{
    struct rotation *rotation = userdata;
    struct failure failure;

    (void)revision;
    realm_failure_log(&failure, outcome, text);
    rotation->busy = false;
    if (!rotation_open_keyring(rotation))
        rotation_go_on_soon(rotation);
    else if (outcome == LOG_DONE)
        step_finish(rotation);
    else
        rotation_step_end(rotation, &failure);
}

void rotation_step_compact(struct rotation *rotation)
{
    struct failure failure = {.code = ERROR_NONE};
    int r;

    rotation->busy = true;
    rotation_set_phase(rotation, ROTATION_COMPACT);
    r = log_compact(realm_log(rotation->options.realm), on_compacted, rotation);
    if (r != 0)
        step_refused(rotation, r, &failure);
}

/* What is left does not open. It is told, the older generations stay for it, and others can go on. */
static void on_given_up(void *userdata, const struct failure *failure)
{
    struct rotation *rotation = userdata;
    char line[UNREADABLE_LINE_MAX];
    struct failure result;
    const char *first = rotation_unreadable(rotation, 0, line);

    if (failure->code == ERROR_NONE) {
        rotation->gave_up = true;
        rotation->stored = 0;
        failure_set(&result, ERROR_DAMAGED,
                    "%llu records do not open, so their generations are kept; the first: %s",
                    (unsigned long long)rotation->unreadable.count, first ? first : "");
        rotation->error = result;
        rotation_tell_ended(rotation, &result);
        rotation->busy = false;
        rotation_go_on_soon(rotation);
        return;
    }
    rotation_step_end(rotation, failure);
}

static void step_give_up(struct rotation *rotation)
{
    const struct rotation_edit edit = {.kind = EDIT_GIVE_UP,
                                       .re_encrypted = rotation->stored};

    rotation_name(rotation);
    keyring_step(rotation, &edit, ROTATION_RETIRE, on_given_up);
}

/* ---- The passes ---- */

static void on_rewritten(void *userdata, size_t count)
{
    struct rotation *rotation = userdata;

    rotation->stored += count;
    rotation_tell_tenth(rotation);
}

/* The view counts as changes are applied. Beside a pass that reads everything only the changes since it
 * began may make a difference. */
static int check_counts(struct rotation *rotation, const struct pass_result *result,
                        struct failure *failure)
{
    struct log *log = realm_log(rotation->options.realm);
    const struct keyring *keyring = rotation_open_keyring(rotation);
    uint64_t appends = rotation->options.realm->appends_ended - rotation->proof_from;
    uint64_t slack = appends * LOG_CHANGES_MAX + result->unreadable.count;

    for (unsigned class = 1; class <= RECORD_CLASS_MAX; class++) {
        uint64_t counted = 0, met = result->by_class[class];

        for (size_t i = 0; i < keyring_generations(keyring); i++) {
            struct generation_info info;

            keyring_generation(keyring, i, &info);
            counted += log_census(log, class, info.number);
        }
        if (counted > met + slack || met > counted + slack)
            return failure_set(failure, ERROR_DAMAGED,
                               "the census counts %llu records of class %s, and the journal holds %llu",
                               (unsigned long long)counted, realm_class_name(class),
                               (unsigned long long)met);
    }
    return 0;
}

static void pass_concluded(struct rotation *rotation, bool proof, const struct pass_result *result)
{
    struct failure failure = {.code = ERROR_NONE};
    uint64_t left = rotation_records_left(rotation);

    if (!proof) {
        rotation->rewritten = true;
        rotation_step_end(rotation, &failure);
        return;
    }
    rotation->unreadable = result->unreadable;
    rotation->rewritten = result->older == 0 && left <= result->unreadable.count;
    rotation->proven = rotation->rewritten && check_counts(rotation, result, &failure) == 0;
    if (!rotation->rewritten && result->older == 0)
        failure_set(&failure, ERROR_DAMAGED,
                    "the census counts %llu records of older generations, and none is met",
                    (unsigned long long)left);
    rotation_step_end(rotation, &failure);
}

static void on_pass(void *userdata, const struct pass_result *result)
{
    struct rotation *rotation = userdata;
    struct pass_result copy = *result;
    bool proof = rotation->phase == ROTATION_PROOF;

    pass_free(STEAL(rotation->pass));
    if (!rotation_open_keyring(rotation) || !realm_log(rotation->options.realm) ||
        copy.failure.code == ERROR_CONFLICT) {
        rotation->busy = false;
        rotation_go_on_soon(rotation);
    } else if (copy.failure.code != ERROR_NONE) {
        rotation_step_end(rotation, &copy.failure);
    } else {
        pass_concluded(rotation, proof, &copy);
    }
}

static void step_pass(struct rotation *rotation, enum pass_kind kind)
{
    struct rotation_state state;
    struct pass_options options = {
        .loop = rotation->options.loop,
        .realm = rotation->options.realm,
        .applications = rotation->options.applications,
        .kind = kind,
        .rewritten = on_rewritten,
        .done = on_pass,
        .userdata = rotation,
    };
    struct failure failure = {.code = ERROR_NONE};
    int r;

    keyring_rotation(rotation_open_keyring(rotation), &state);
    options.rate = state.rate;
    if (kind == PASS_PROVE)
        rotation->proof_from = rotation->options.realm->appends_ended;
    rotation->busy = true;
    rotation_set_phase(rotation, kind == PASS_PROVE ? ROTATION_PROOF : ROTATION_WALK);
    r = pass_begin(&options, &rotation->pass, &failure);
    if (r != 0)
        step_refused(rotation, r, &failure);
}

/* Once more when an append that may be under an older generation has ended. */
static void on_settled(void *userdata)
{
    struct rotation *rotation = userdata;

    rotation->busy = false;
    rotation_go_on_soon(rotation);
}

void rotation_step_walk(struct rotation *rotation)
{
    if (!rotation->rewritten && rotation->options.realm->appends_ended < rotation->appends) {
        rotation_set_phase(rotation, ROTATION_WALK);
        rotation->busy = realm_retry_later(rotation->options.realm, on_settled, rotation) == 0;
        if (!rotation->busy)
            rotation_go_on_soon(rotation);
        return;
    }
    if (!rotation->rewritten)
        step_pass(rotation, PASS_REWRITE);
    else if (!rotation->proven)
        step_pass(rotation, PASS_PROVE);
    else if (rotation->unreadable.count > 0)
        step_give_up(rotation);
    else
        step_retire(rotation);
}

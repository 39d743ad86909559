/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the rotation stands, and who is told. */
#include "dbus-service/domain/rotation_internal.h"

#include "common/hex.h"
#include "dbus-service/domain/audit.h"

#include <stdarg.h>
#include <string.h>

enum { TICK_MS = 1000 };

static const char *const phase_names[] = {
    [ROTATION_IDLE] = "idle",       [ROTATION_BACKUP] = "backup",   [ROTATION_SWITCH] = "switch",
    [ROTATION_WALK] = "walk",       [ROTATION_PROOF] = "proof",     [ROTATION_RETIRE] = "retire",
    [ROTATION_COMPACT] = "compact", [ROTATION_PAUSED] = "paused",   [ROTATION_FAILED] = "failed",
    [ROTATION_WAITING] = "waiting",
};

const char *rotation_phase_name(enum rotation_phase phase)
{
    return phase_names[phase];
}

/* ---- Facts ---- */

const struct keyring *rotation_open_keyring(const struct rotation *rotation)
{
    return realm_keyring(rotation->options.realm);
}

static void count_records(const struct rotation *rotation, uint64_t *ret_active,
                          uint64_t *ret_total)
{
    const struct keyring *keyring = rotation_open_keyring(rotation);
    struct log *log = realm_log(rotation->options.realm);

    *ret_active = *ret_total = 0;
    for (size_t i = 0; keyring && log && i < keyring_generations(keyring); i++) {
        struct generation_info info;

        keyring_generation(keyring, i, &info);
        for (unsigned class = 1; class <= RECORD_CLASS_MAX; class++) {
            uint64_t records = log_census(log, class, info.number);

            *ret_total += records;
            if (info.number == keyring_active_generation(keyring))
                *ret_active += records;
        }
    }
}

uint64_t rotation_records_left(const struct rotation *rotation)
{
    uint64_t active, total;

    count_records(rotation, &active, &total);
    return total - active;
}

uint32_t rotation_next_generation(const struct rotation *rotation)
{
    const struct keyring *keyring = rotation_open_keyring(rotation);
    struct generation_info info;

    if (!keyring)
        return 0;
    keyring_generation(keyring, keyring_generations(keyring) - 1, &info);
    return info.number + 1;
}

static uint64_t due_usec(const struct rotation *rotation, const struct keyring *keyring)
{
    uint64_t after = rotation->options.settings.rotate_after_usec;
    struct generation_info info;

    for (size_t i = 0; after > 0 && keyring && i < keyring_generations(keyring); i++) {
        keyring_generation(keyring, i, &info);
        if (info.number == keyring_active_generation(keyring))
            return info.activated_usec + after;
    }
    return 0;
}

void rotation_status(const struct rotation *rotation, struct rotation_status *ret_status)
{
    const struct keyring *keyring = rotation_open_keyring(rotation);
    struct rotation_state state = {.begun_usec = 0};
    struct rotation_facts facts = {.older = false};

    if (keyring) {
        keyring_rotation(keyring, &state);
        rotation_facts(keyring, 0, &facts);
    }
    *ret_status = (struct rotation_status){
        .phase = rotation->phase,
        .from = state.from,
        .to = state.begun_usec != 0 ? keyring_active_generation(keyring) : 0,
        .rate = rotation->speed,
        .limit = state.rate,
        .re_encrypted = state.re_encrypted + rotation->stored,
        .unreadable = rotation->unreadable.count,
        .begun_usec = state.begun_usec,
        .ended_usec = state.ended_usec,
        .due_usec = due_usec(rotation, keyring),
        .queued = facts.newer != 0,
    };
    count_records(rotation, &ret_status->done, &ret_status->total);
    if (rotation->phase == ROTATION_PROOF)
        ret_status->done = rotation->pass ? pass_records(rotation->pass) : 0;
    if (ret_status->done > ret_status->total) /* a proof beside changes that took some away */
        ret_status->total = ret_status->done;
    if (rotation->speed > 0)
        ret_status->left_usec =
            (ret_status->total - ret_status->done) * UINT64_C(1000000) / rotation->speed;
    if (rotation->error.code != ERROR_NONE)
        memcpy(ret_status->error, rotation->error.text, sizeof(ret_status->error));
}

const char *rotation_unreadable(const struct rotation *rotation, size_t index,
                                char line[UNREADABLE_LINE_MAX])
{
    return unreadable_line(&rotation->unreadable, index, rotation->options.applications, line);
}

/* ---- What others are told ---- */

void __attribute__((__format__(__printf__, 2, 3)))
rotation_tell_audit(const struct failure *failure, const char *format, ...)
{
    struct audit_event event = {.id = AUDIT_ROTATE, .failure = failure};
    char detail[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    event.detail = detail;
    audit_write(&event);
}

static void name_generation(const struct keyring *keyring, uint32_t number,
                            char ret_name[GENERATION_NAME_SIZE])
{
    char id[HEX_TEXT_SIZE(GENERATION_ID_SIZE)];
    struct generation_info info;

    (void)snprintf(ret_name, GENERATION_NAME_SIZE, "%u", number);
    for (size_t i = 0; i < keyring_generations(keyring); i++) {
        keyring_generation(keyring, i, &info);
        if (info.number != number)
            continue;
        hex_format(info.id, sizeof(info.id), 0, id);
        (void)snprintf(ret_name, GENERATION_NAME_SIZE, "%u (%s)", number, id);
    }
}

void rotation_name(struct rotation *rotation)
{
    const struct keyring *keyring = rotation_open_keyring(rotation);
    char from[GENERATION_NAME_SIZE], to[GENERATION_NAME_SIZE];
    struct rotation_state state;

    keyring_rotation(keyring, &state);
    name_generation(keyring, state.from, from);
    name_generation(keyring, keyring_active_generation(keyring), to);
    (void)snprintf(rotation->name, sizeof(rotation->name), "from generation %s to %s", from, to);
}

void rotation_tell_changed(struct rotation *rotation)
{
    if (rotation->options.events.changed)
        rotation->options.events.changed(rotation->options.events.userdata);
}

static void measure(struct rotation *rotation)
{
    uint64_t now = uv_hrtime();
    uint64_t elapsed = now - rotation->tick_time;
    uint64_t done = rotation->pass ? pass_records(rotation->pass) : 0;

    if (rotation->pass && done >= rotation->tick_done && elapsed > 0)
        rotation->speed =
            ((done - rotation->tick_done) * UINT64_C(1000000000) + elapsed / 2) / elapsed;
    else
        rotation->speed = 0;
    rotation->tick_done = done;
    rotation->tick_time = now;
}

static void on_tick(uv_timer_t *timer)
{
    struct rotation *rotation = timer->data;

    measure(rotation);
    rotation_tell_changed(rotation);
}

bool rotation_is_working(enum rotation_phase phase)
{
    return phase != ROTATION_IDLE && phase != ROTATION_PAUSED && phase != ROTATION_FAILED;
}

void rotation_set_phase(struct rotation *rotation, enum rotation_phase phase)
{
    bool changed = rotation->phase != phase;

    rotation->phase = phase;
    if (!changed)
        return;
    measure(rotation);
    if (rotation_is_working(phase))
        uv_timer_start(&rotation->tick, on_tick, TICK_MS, TICK_MS);
    else
        uv_timer_stop(&rotation->tick);
    rotation_tell_changed(rotation);
}

void rotation_tell_tenth(struct rotation *rotation)
{
    uint64_t done, total;
    unsigned tenth;

    count_records(rotation, &done, &total);
    tenth = total > 0 ? (unsigned)(done * 10 / total) : 0;
    if (tenth <= rotation->tenth)
        return;
    rotation->tenth = tenth;
    if (tenth < 10)
        rotation_tell_audit(NULL, "%u %%: %llu of %llu records are under generation %u",
                            tenth * 10, (unsigned long long)done, (unsigned long long)total,
                            keyring_active_generation(rotation_open_keyring(rotation)));
}

void rotation_tell_ended(struct rotation *rotation, const struct failure *failure)
{
    struct rotation_result result = {.failure = *failure,
                                     .unreadable = rotation->unreadable.count};
    const struct keyring *keyring = rotation_open_keyring(rotation);
    struct rotation_state state;

    if (!keyring)
        return;
    keyring_rotation(keyring, &state);
    result.from = state.from;
    result.to = keyring_active_generation(keyring);
    result.re_encrypted = state.re_encrypted;
    rotation_tell_audit(failure->code == ERROR_NONE ? NULL : failure,
                        "ended %s: %llu records sealed anew, %llu unreadable", rotation->name,
                        (unsigned long long)state.re_encrypted,
                        (unsigned long long)result.unreadable);
    if (rotation->options.events.ended)
        rotation->options.events.ended(rotation->options.events.userdata, &result);
}

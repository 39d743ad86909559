/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/output.h"
#include "client/cli/service.h"

#include <string.h>
#include <time.h>

static uint64_t number(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static uint64_t now_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* How old a time is: "3 d 4 h". */
static void age_of(uint64_t usec, char *ret_text, size_t size)
{
    uint64_t now = now_usec();

    output_duration(now > usec ? now - usec : 0, ret_text, size);
}

/* The lines for people that are made of several properties, as members of their own. */
static void add_backup(json_t *status)
{
    const char *location = json_string_value(json_object_get(status, "backup-location"));
    char when[40], age[40], text[4096];

    if (!json_object_get(status, "backup-time"))
        return;
    output_time(number(status, "backup-time"), when, sizeof(when));
    age_of(number(status, "backup-time"), age, sizeof(age));
    if (number(status, "backup-time") == 0)
        snprintf(text, sizeof(text), "never");
    else
        snprintf(text, sizeof(text), "proven %s (%s ago), generation %llu%s, in %s", when, age,
                 (unsigned long long)number(status, "backup-generation"),
                 number(status, "backup-generation") < number(status, "generation")
                     ? ", not the newest"
                     : "",
                 location && location[0] ? location : "a place unknown");
    json_object_set_new(status, "text-backup", json_string(text));
}

static void add_rotation(json_t *status)
{
    const json_t *rotation = json_object_get(status, "rotation");
    const char *state = json_string_value(json_object_get(rotation, "state"));
    char when[40], text[200];

    if (!state || number(rotation, "begun") == 0)
        return;
    output_time(number(rotation, "ended"), when, sizeof(when));
    if (strcmp(state, "idle") == 0 || strcmp(state, "failed") == 0)
        snprintf(text, sizeof(text),
                 "%s %s, generation %llu to %llu, %llu records, %llu unreadable",
                 strcmp(state, "idle") == 0 ? "ended" : "failed", when,
                 (unsigned long long)number(rotation, "from"),
                 (unsigned long long)number(rotation, "to"),
                 (unsigned long long)number(rotation, "re-encrypted"),
                 (unsigned long long)number(rotation, "unreadable"));
    else
        snprintf(text, sizeof(text), "%s, generation %llu to %llu, %llu of %llu records", state,
                 (unsigned long long)number(rotation, "from"),
                 (unsigned long long)number(rotation, "to"),
                 (unsigned long long)number(rotation, "done"),
                 (unsigned long long)number(rotation, "total"));
    json_object_set_new(status, "text-rotation", json_string(text));
}

static void add_uptime(json_t *status)
{
    uint64_t started = number(status, "started"), now = now_usec();
    char text[40];

    if (started == 0 || now < started)
        return;
    json_object_set_new(status, "uptime-usec", json_integer((json_int_t)(now - started)));
    output_duration(now - started, text, sizeof(text));
    json_object_set_new(status, "text-uptime", json_string(text));
}

static void add_slots(json_t *status)
{
    const json_t *slots = json_object_get(status, "slots");
    const char *used = json_string_value(json_object_get(status, "slot-used"));
    CLEANUP_FREE char *kinds = slots ? output_text("", slots) : NULL;
    char text[256];

    if (!kinds || !kinds[0])
        return;
    snprintf(text, sizeof(text), used && used[0] ? "%s (opened by %s)" : "%s", kinds, used);
    json_object_set_new(status, "text-slots", json_string(text));
}

/* So that the next one knows that somebody has begun. */
static void add_shares(json_t *status)
{
    const json_t *entered = json_object_get(status, "shares-entered");
    char text[60];

    if (!entered)
        return;
    snprintf(text, sizeof(text), "%lld of the %lld needed are entered",
             (long long)json_integer_value(entered),
             (long long)json_integer_value(json_object_get(status, "shares-needed")));
    json_object_set_new(status, "text-shares", json_string(text));
}

static void add_progress(json_t *status)
{
    const json_t *progress = json_object_get(status, "progress");
    json_int_t done = json_integer_value(json_array_get(progress, 0));
    json_int_t all = json_integer_value(json_array_get(progress, 1));
    char left[40], text[120];

    if (strcmp(json_string_value(json_object_get(status, "state")), "rebuilding") != 0 || all <= 0)
        return;
    output_duration((uint64_t)json_integer_value(json_array_get(progress, 2)), left, sizeof(left));
    snprintf(text, sizeof(text), "%lld %% of the view is built, about %s left",
             (long long)(100 * done / all), left);
    json_object_set_new(status, "text-progress", json_string(text));
}

/* What an unconfigured or sealed service has nothing to say about is left out. */
static void drop_unknown(json_t *status)
{
    static const char *const keys[] = { "realm", "fingerprint", "generation", "key-memory" };
    static const char *const encrypted[] = { "text-backup", "applications", "mappings",
                                             "revision" };

    if (strcmp(json_string_value(json_object_get(status, "state")), "sealed") == 0)
        for (size_t i = 0; i < sizeof(encrypted) / sizeof(encrypted[0]); i++)
            json_object_del(status, encrypted[i]);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const json_t *value = json_object_get(status, keys[i]);

        if (json_string_length(value) == 0 && json_integer_value(value) == 0)
            json_object_del(status, keys[i]);
    }
}

static void write_status(json_t *status)
{
    static const struct column lines[] = {
        { "state", "state" },
        { "meaning", "state-text" },
        { "progress", "text-progress" },
        { "version", "version" },
        { "role", "role" },
        { "realm", "realm" },
        { "generation", "generation" },
        { "fingerprint", "fingerprint" },
        { "slots", "text-slots" },
        { "shares", "text-shares" },
        { "key memory", "key-memory" },
        { "backup", "text-backup" },
        { "recipients", "recipients" },
        { "rotation", "text-rotation" },
        { "applications", "applications" },
        { "mappings", "mappings" },
        { "revision", "revision" },
        { "uptime", "text-uptime" },
        { NULL, NULL },
    };
    size_t index;
    json_t *advice;

    add_slots(status);
    add_shares(status);
    add_backup(status);
    add_rotation(status);
    add_progress(status);
    drop_unknown(status);
    output_members(status, lines);
    json_array_foreach(json_object_get(status, "advice"), index, advice) {
        CLEANUP_FREE char *text = output_text("", advice);

        printf("%s%s\n", index == 0 ? "next          " : "              ", text ? text : "?");
    }
}

/* What administrators may know of the master secret; others do without. */
static void add_secret(struct cli *cli, json_t *status)
{
    CLEANUP_JSON json_t *secret = NULL;
    const json_t *recipients, *shares;
    json_t *names = json_array();
    size_t index;
    json_t *row;

    if (service_properties(cli, NULL, BUS_INTERFACE_SECRET, &secret) == MASTERSECRET_OK)
        json_object_set(status, "rotation", json_object_get(secret, "rotation"));
    shares = json_object_get(secret, "unseal-progress");
    if (json_integer_value(json_array_get(shares, 0)) > 0) {
        json_object_set(status, "shares-entered", json_array_get(shares, 0));
        json_object_set(status, "shares-needed", json_array_get(shares, 1));
    }
    recipients = json_object_get(secret, "recipients");
    json_array_foreach(recipients, index, row)
        json_array_append(names, json_array_get(row, 0));
    if (json_array_size(names) > 0)
        json_object_set(status, "recipients", names);
    json_decref(names);
}

int command_status(struct cli *cli)
{
    CLEANUP_JSON json_t *status = NULL;
    enum mastersecret_error error =
        service_properties(cli, NULL, BUS_INTERFACE_MANAGER, &status);
    const char *state;
    int result;

    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    state = json_string_value(json_object_get(status, "state"));
    if (!state)
        return output_failure(cli, MASTERSECRET_UNREACHABLE);
    result = strcmp(state, "ready") == 0 ? STATUS_DONE : STATUS_STATE;
    add_secret(cli, status);
    add_uptime(status);
    if (!arguments_option(&cli->arguments, OPTION_JSON)) {
        write_status(status);
        return result;
    }
    json_object_del(status, "text-uptime");
    return output_json(json_incref(status)) == STATUS_DONE ? result : STATUS_LOCAL;
}

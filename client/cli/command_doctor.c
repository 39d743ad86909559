/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* doctor: what is wrong with the service of this host, seen by its caller and by the service. */
#include "client/cli/doctor.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/secret_call.h"
#include "client/context.h"

#include <stdarg.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

#define YEAR_USEC (INT64_C(365) * 24 * 3600 * 1000000)

void doctor_add(struct doctor *doctor, const char *severity, const char *remedy,
                const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    /* A path may be anything; what is not UTF-8 would be no JSON. */
    for (char *c = text; !text_is_utf8(text, strlen(text), sizeof(text)) && *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    json_array_append_new(doctor->findings, json_pack("{s:s, s:s, s:s}", "severity", severity,
                                                      "text", text, "remedy", remedy));
}

/* ---- The service ---- */

static const char *status_text(const struct doctor *doctor, const char *key)
{
    const char *text = json_string_value(json_object_get(doctor->status, key));

    return text ? text : "";
}

static const char *remedy_of_state(const char *state)
{
    static const struct {
        const char *state;
        enum mastersecret_error error; /* of calls that it refuses */
    } rows[] = {
        { "unconfigured", MASTERSECRET_UNCONFIGURED },
        { "sealed", MASTERSECRET_SEALED },
        { "rebuilding", MASTERSECRET_REBUILDING },
        { "read-only", MASTERSECRET_READ_ONLY },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(state, rows[i].state) == 0)
            return mastersecret_remedy(rows[i].error);
    return "see: mastersecret status";
}

static void look_at_state(struct doctor *doctor)
{
    const char *state = status_text(doctor, "state"), *why = status_text(doctor, "state-text");
    const char *remedy = strstr(why, "When that is mended")
                             ? "see mastersecret-secret(7): The service stays sealed"
                             : remedy_of_state(state);
    const char *advice = strstr(why, " Run: "); /* which is the remedy */

    if (strcmp(state, "ready") != 0)
        doctor_add(doctor, "error", remedy, "the service is %s: %.*s", state,
                   advice ? (int)(advice - why) : (int)strlen(why), why);
}

/* By the policy where there is one; else a year is long. */
static void look_at_age(struct doctor *doctor, const json_t *secret)
{
    static const char remedy[] = "run: mastersecret secret rotate --backup FILE";
    const json_t *generations = json_object_get(secret, "generations");
    const json_t *newest = json_array_get(generations, json_array_size(generations) - 1);
    json_int_t created = json_integer_value(json_array_get(newest, 3));
    json_int_t due = json_integer_value(json_object_get(json_object_get(secret, "rotation"), "due"));
    json_int_t now = (json_int_t)time(NULL) * 1000000;

    if (due != 0 && due < now)
        doctor_add(doctor, "warning", remedy,
                   "a new generation of the master secret is due (rotate-after)");
    else if (due == 0 && created != 0 && now - created > YEAR_USEC)
        doctor_add(doctor, "note", remedy, "the master secret is older than a year");
}

/* What holds up a rotation, and the records that it cannot open. */
static void look_at_rotation(struct doctor *doctor)
{
    static const char again[] = "run: mastersecret secret rotate --resume";
    static const char mend[] = "set it anew or delete it (mastersecret map set, map delete), then "
                               "run: mastersecret secret rotate --resume";
    CLEANUP_JSON json_t *secret = NULL;
    enum mastersecret_error error =
        service_properties(doctor->cli, NULL, BUS_INTERFACE_SECRET, &secret);
    const json_t *rotation = json_object_get(secret, "rotation");
    const char *state = json_string_value(json_object_get(rotation, "state"));
    const char *reason = json_string_value(json_object_get(rotation, "error"));
    long long to = (long long)json_integer_value(json_object_get(rotation, "to"));
    size_t index;
    json_t *line;

    if (error != MASTERSECRET_OK || !state)
        return; /* not for everybody to see */
    look_at_age(doctor, secret);
    json_array_foreach(json_object_get(secret, "unreadable"), index, line)
        doctor_add(doctor, "error", mend, "%s", json_string_value(line));
    if (strcmp(state, "paused") == 0)
        doctor_add(doctor, "warning", again, "the rotation to generation %lld rests", to);
    else if (reason && reason[0])
        doctor_add(doctor, "error", again, "the rotation to generation %lld does not end: %s", to,
                   reason);
}

/* Records that do not open are found by a rotation and by the service's examination. */
static bool is_known(const struct doctor *doctor, const char *text)
{
    size_t index;
    json_t *finding;

    json_array_foreach(doctor->findings, index, finding)
        if (strcmp(json_string_value(json_object_get(finding, "text")), text) == 0)
            return true;
    return false;
}

/* Its own half: slots, age of the backup, locked memory, census, and with `deep` every record. */
static enum mastersecret_error ask_service(struct doctor *doctor, bool deep)
{
    const struct service_call call = {
        .interface = BUS_INTERFACE_SECRET,
        .method = "Check",
        .signature = "b",
        .arguments = json_pack("[b]", deep),
    };
    CLEANUP_JSON json_t *results = NULL;
    struct progress_watch watch;
    enum mastersecret_error error;
    size_t index;
    json_t *row;

    progress_watch_start(doctor->cli, "examining", -1, &watch);
    error = service_call(doctor->cli, &call, &results);
    progress_watch_stop(&watch);
    json_array_foreach(json_array_get(results, 0), index, row) {
        const char *severity = json_string_value(json_array_get(row, 0));
        const char *text = json_string_value(json_array_get(row, 1));
        const char *remedy = json_string_value(json_array_get(row, 2));

        if (severity && text && remedy && !is_known(doctor, text))
            doctor_add(doctor, severity, remedy, "%s", text);
    }
    return error;
}

/* A service that is not ready has been told of already. */
static void look_at_service(struct doctor *doctor)
{
    bool deep = arguments_option(&doctor->cli->arguments, OPTION_DEEP) != NULL;
    bool ready = strcmp(status_text(doctor, "state"), "ready") == 0;
    enum mastersecret_error error;
    char message[512];

    look_at_state(doctor);
    look_at_rotation(doctor);
    error = ready ? ask_service(doctor, deep) : MASTERSECRET_OK;
    if (error == MASTERSECRET_OK)
        return;
    mastersecret_message(doctor->cli->service, message, sizeof(message));
    doctor_add(doctor, error == MASTERSECRET_ACCESS_DENIED ? "note" : "error",
               mastersecret_remedy(error), "the service did not examine itself: %s", message);
}

static void reach_service(struct doctor *doctor, json_t **ret_status)
{
    enum mastersecret_error error =
        service_properties(doctor->cli, NULL, BUS_INTERFACE_MANAGER, ret_status);

    doctor->status = *ret_status;
    if (error != MASTERSECRET_OK)
        doctor_add(doctor, "error", mastersecret_remedy(error), "%s",
                   mastersecret_strerror(error));
}

/* ---- The clock ---- */

static void look_at_clock(struct doctor *doctor)
{
    static const char remedy[] = "run: timedatectl set-ntp true";
    json_int_t now = (json_int_t)time(NULL) * 1000000;
    json_int_t backup = json_integer_value(json_object_get(doctor->status, "backup-time"));
    struct timex state = { 0 };

    if (backup > now + 1000000)
        doctor_add(doctor, "error", remedy, "the clock is behind the time of the last backup");
    if (adjtimex(&state) == TIME_ERROR)
        doctor_add(doctor, "note", remedy, "the clock is not synchronised with any other");
}

/* ---- The report ---- */

static bool is_well(const json_t *findings)
{
    size_t index;
    json_t *finding;

    json_array_foreach(findings, index, finding)
        if (strcmp(json_string_value(json_object_get(finding, "severity")), "note") != 0)
            return false;
    return true;
}

static void write_findings(const json_t *findings)
{
    size_t index;
    json_t *finding;

    json_array_foreach(findings, index, finding) {
        CLEANUP_FREE char *text = output_text("", json_object_get(finding, "text"));
        CLEANUP_FREE char *remedy = output_text("", json_object_get(finding, "remedy"));

        printf("%-8s %s\n         %s\n",
               json_string_value(json_object_get(finding, "severity")), text ? text : "?",
               remedy ? remedy : "?");
    }
    if (is_well(findings))
        printf("nothing is wrong\n");
}

int command_doctor(struct cli *cli)
{
    CLEANUP_JSON json_t *findings = json_array();
    CLEANUP_JSON json_t *status = NULL;
    struct doctor doctor = { .cli = cli, .findings = findings };
    int result;

    context_administer(cli->service);
    reach_service(&doctor, &status);
    doctor_look_at_files(&doctor);
    doctor_look_at_policy(&doctor);
    look_at_clock(&doctor);
    if (doctor.status) {
        doctor_look_at_backup(&doctor);
        look_at_service(&doctor);
    }
    result = is_well(findings) ? STATUS_DONE : STATUS_LOCAL;
    if (arguments_option(&cli->arguments, OPTION_JSON))
        return output_json(json_incref(findings)) == STATUS_DONE ? result : STATUS_LOCAL;
    write_findings(findings);
    return result;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* secret rotate: begin one, steer the one under way, wait for its end. */
#include "client/cli/new_file.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/prompt.h"
#include "client/cli/secret_call.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { POLL_NSEC = 500000000, PATIENCE_S = 60 };

/* Options for a rotation that begins. */
#define BEGINNING                                                                                  \
    (OPTION_BIT(NEW_BACKUP) | OPTION_BIT(TO_RECIPIENTS) | OPTION_BIT(HINT) |                       \
     OPTION_BIT(PASSPHRASE_FILE) | OPTION_BIT(STDIN) | OPTION_BIT(FD) | OPTION_BIT(DRY_RUN) |      \
     OPTION_BIT(AGAIN) | OPTION_BIT(IF_DUE))

static json_int_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

static bool given(const struct cli *cli, enum option_id id)
{
    return arguments_option(&cli->arguments, id) != NULL;
}

static enum mastersecret_error read_rotation(struct cli *cli, json_t **ret_rotation)
{
    return service_property(cli, NULL, BUS_INTERFACE_SECRET, "Rotation", ret_rotation);
}

/* ---- Waiting ---- */

static bool has_ended(const json_t *rotation)
{
    return strcmp(text(rotation, "state"), "idle") == 0 ||
           strcmp(text(rotation, "state"), "failed") == 0;
}

/* What the last rotation came to, with the exit status. */
static int report(struct cli *cli, const json_t *rotation)
{
    bool good =
        strcmp(text(rotation, "state"), "failed") != 0 && number(rotation, "unreadable") == 0;
    int status = good ? STATUS_DONE : STATUS_DAMAGED;

    if (given(cli, OPTION_JSON))
        return output_report(cli, rotation) == STATUS_DONE ? status : STATUS_LOCAL;
    if (number(rotation, "begun") == 0)
        printf("there was no rotation yet\n");
    else
        printf("rotation from generation %lld to %lld: %lld records re-encrypted\n",
               (long long)number(rotation, "from"), (long long)number(rotation, "to"),
               (long long)number(rotation, "re-encrypted"));
    if (good)
        return STATUS_DONE;
    output_local("the rotation has not ended well: %s",
                 text(rotation, "error")[0] ? text(rotation, "error") : "records cannot be read");
    fprintf(stderr, "%lld records cannot be read; generation %lld is kept for them. See: "
                    "mastersecret doctor\n",
            (long long)number(rotation, "unreadable"), (long long)number(rotation, "from"));
    return status;
}

/* A service that starts again goes on by itself; so a while without it is no failure. */
static bool is_away(enum mastersecret_error error)
{
    return error == MASTERSECRET_UNREACHABLE || error == MASTERSECRET_TIMED_OUT ||
           error == MASTERSECRET_REBUILDING;
}

static enum mastersecret_error poll_rotation(struct cli *cli, struct progress *progress,
                                             json_t **ret_rotation)
{
    const struct timespec step = { .tv_nsec = POLL_NSEC };
    time_t heard = time(NULL);

    for (;;) {
        CLEANUP_JSON json_t *rotation = NULL;
        enum mastersecret_error error = read_rotation(cli, &rotation);
        struct progress_point point;

        if (error == MASTERSECRET_OK) {
            heard = time(NULL);
            progress_of_rotation(rotation, &point);
            progress_show(progress, &point);
            if (has_ended(rotation) && !json_is_true(json_object_get(rotation, "queued"))) {
                *ret_rotation = STEAL(rotation);
                return MASTERSECRET_OK;
            }
        } else if (!is_away(error) || time(NULL) - heard > PATIENCE_S) {
            return error;
        }
        nanosleep(&step, NULL);
    }
}

static int wait_for_end(struct cli *cli)
{
    CLEANUP_JSON json_t *rotation = NULL;
    struct progress progress;
    enum mastersecret_error error;

    if (isatty(STDERR_FILENO))
        fputs("the rotation goes on, also if this command is interrupted\n", stderr);
    progress_begin(&progress);
    error = poll_rotation(cli, &progress, &rotation);
    progress_end(&progress);
    return error == MASTERSECRET_OK ? report(cli, rotation) : output_failure(cli, error);
}

/* ---- Beginning ---- */

static int parse_rate(const char *argument, json_int_t *ret_rate)
{
    char *end;
    unsigned long rate;

    errno = 0;
    rate = strtoul(argument, &end, 10);
    if (*argument < '0' || *argument > '9' || (*end && strcmp(end, "/s") != 0) || errno ||
        rate > UINT32_MAX)
        return output_usage("--throttle wants records per second (0: no limit), not '%s'",
                            argument);
    *ret_rate = (json_int_t)rate;
    return STATUS_DONE;
}

static int take_options(struct cli *cli, json_t *options, const struct new_file *backup)
{
    const char *hint = arguments_option(&cli->arguments, OPTION_HINT);
    const char *throttle = arguments_option(&cli->arguments, OPTION_THROTTLE);
    json_int_t rate = 0;
    int r = throttle ? parse_rate(throttle, &rate) : STATUS_DONE;

    if (r != STATUS_DONE)
        return r;
    if (throttle)
        json_object_set_new(options, "rate", json_pack("{s:I}", "u", rate));
    if (hint)
        json_object_set_new(options, "hint", json_string(hint));
    if (backup->location)
        json_object_set_new(options, "location", json_string(backup->location));
    if (given(cli, OPTION_AGAIN))
        json_object_set_new(options, "again", json_true());
    if (given(cli, OPTION_DRY_RUN))
        json_object_set_new(options, "dry-run", json_true());
    return STATUS_DONE;
}

static int call_rotate(struct cli *cli, const struct new_file *backup, struct handover *handover)
{
    CLEANUP_JSON json_t *options = json_object();
    CLEANUP_JSON json_t *results = NULL;
    struct service_call call = {
        .interface = BUS_INTERFACE_SECRET,
        .method = "Rotate",
        .signature = "a{sv}a{sh}",
        .effect = given(cli, OPTION_DRY_RUN) ? CALL_READS : CALL_CHANGES,
    };
    enum mastersecret_error error;
    json_int_t generation;
    int r = take_options(cli, options, backup);

    if (r != STATUS_DONE)
        return r;
    call.arguments = json_pack("[OO]", options, handover->descriptors);
    error = service_call(cli, &call, &results);
    if (error != MASTERSECRET_OK) {
        r = output_failure(cli, error);
        if (backup->fd >= 0)
            new_file_give_up(backup, error);
        return r;
    }
    if (backup->fd >= 0 && given(cli, OPTION_DRY_RUN))
        unlink(backup->path);
    else if (backup->fd >= 0)
        r = new_file_keep(backup);
    generation = json_integer_value(json_array_get(results, 0));
    if (r != STATUS_DONE)
        return r;
    if (given(cli, OPTION_WAIT) && !given(cli, OPTION_DRY_RUN))
        return wait_for_end(cli);
    if (given(cli, OPTION_JSON))
        return output_json(json_pack("{s:I}", "generation", generation));
    printf(given(cli, OPTION_DRY_RUN) ? "a rotation would make generation %lld\n"
                                      : "the rotation to generation %lld is under way\n",
           (long long)generation);
    return STATUS_DONE;
}

/* The backup's file, unless the recipients get theirs in the configured directory. */
static int prepare_backup(struct cli *cli, struct new_file *backup, struct handover *handover)
{
    static const char *const labels[] = { "passphrase", NULL };
    CLEANUP_SECRET struct secret *passphrase = NULL;
    int r = prompt_check_labels(&cli->arguments, labels);

    if (r == STATUS_DONE && backup->path && !given(cli, OPTION_TO_RECIPIENTS))
        r = prompt_passphrase(&cli->arguments, "passphrase", "Passphrase for the backup: ",
                              "The same again: ", &passphrase);
    if (r == STATUS_DONE)
        r = handover_give(cli, handover, "passphrase", passphrase);
    if (r != STATUS_DONE || !backup->path)
        return r;
    r = new_file_create(backup);
    handover_file(handover, "backup", backup->fd);
    return r;
}

static int begin(struct cli *cli)
{
    CLEANUP_NEW_FILE struct new_file backup =
        new_file_named("backup", arguments_option(&cli->arguments, OPTION_NEW_BACKUP));
    CLEANUP_HANDOVER struct handover handover = handover_new();
    int r = prepare_backup(cli, &backup, &handover);

    return r == STATUS_DONE ? call_rotate(cli, &backup, &handover) : r;
}

/* For the timer: nothing to do is success. */
static int begin_if_due(struct cli *cli)
{
    CLEANUP_JSON json_t *rotation = NULL;
    enum mastersecret_error error = read_rotation(cli, &rotation);
    json_int_t due = number(rotation, "due");
    char when[40];

    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    if (due > 0 && due <= (json_int_t)time(NULL) * 1000000 && has_ended(rotation))
        return begin(cli);
    output_time((uint64_t)due, when, sizeof(when));
    if (!given(cli, OPTION_JSON))
        printf("the next rotation is due: %s\n", when);
    else
        return output_json(json_pack("{s:I}", "due", due));
    return STATUS_DONE;
}

/* ---- Steering ---- */

/* The one under way, for programs; people see it in the status, unless there is none. */
static int report_state(struct cli *cli)
{
    CLEANUP_JSON json_t *rotation = NULL;
    enum mastersecret_error error = read_rotation(cli, &rotation);

    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    if (given(cli, OPTION_JSON))
        return output_report(cli, rotation);
    if (strcmp(text(rotation, "state"), "idle") == 0)
        printf("no rotation is under way\n");
    return STATUS_DONE;
}

static int steer(struct cli *cli)
{
    const char *throttle = arguments_option(&cli->arguments, OPTION_THROTTLE);
    json_int_t rate = 0;
    int r;

    if (given(cli, OPTION_PAUSE)) {
        r = secret_call(cli, "PauseRotation", "", json_array(), CALL_CHANGES, NULL);
        return r == STATUS_DONE ? report_state(cli) : r;
    }
    r = throttle ? parse_rate(throttle, &rate) : STATUS_DONE;
    if (r == STATUS_DONE && throttle)
        r = secret_call(cli, "SetRotationRate", "u", json_pack("[I]", rate), CALL_CHANGES, NULL);
    if (r == STATUS_DONE)
        r = secret_call(cli, "ResumeRotation", "", json_array(), CALL_CHANGES, NULL);
    if (r != STATUS_DONE)
        return r;
    return given(cli, OPTION_WAIT) ? wait_for_end(cli) : report_state(cli);
}

/* What does not go together would be passed over in silence; and nothing is asked or made first. */
static int check_options(const struct cli *cli)
{
    const char *throttle = arguments_option(&cli->arguments, OPTION_THROTTLE);
    json_int_t rate;
    static const struct {
        enum option_id option;
        uint64_t others; /* which exclude it */
    } rows[] = {
        { OPTION_PAUSE, OPTION_BIT(RESUME) | OPTION_BIT(THROTTLE) | OPTION_BIT(WAIT) | BEGINNING },
        { OPTION_RESUME, BEGINNING },
        { OPTION_DRY_RUN, OPTION_BIT(WAIT) },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (unsigned id = 0; given(cli, rows[i].option) && id < OPTION_COUNT_; id++)
            if ((rows[i].others >> id & 1) && given(cli, id))
                return output_usage("--%s and --%s exclude each other",
                                    option_rows[rows[i].option].name, option_rows[id].name);
    if (given(cli, OPTION_TO_RECIPIENTS) && !given(cli, OPTION_NEW_BACKUP))
        return output_usage("--to-recipients is for --backup FILE; without that file the backup "
                            "goes to the recipients anyway, into the configured directory");
    return throttle ? parse_rate(throttle, &rate) : STATUS_DONE;
}

int command_rotate(struct cli *cli)
{
    int r = check_options(cli);

    if (r != STATUS_DONE)
        return r;
    if (given(cli, OPTION_PAUSE) || given(cli, OPTION_RESUME))
        return steer(cli);
    return given(cli, OPTION_IF_DUE) ? begin_if_due(cli) : begin(cli);
}

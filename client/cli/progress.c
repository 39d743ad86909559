/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/progress.h"

#include "client/cli/output.h"
#include "client/cli/service.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { SILENT_USEC = 2000000, STEP_USEC = 500000, BAR = 24, LONG_TIMEOUT_MS = 24 * 3600 * 1000 };

static uint64_t now_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- The line ---- */

static void format_amount(uint64_t amount, bool bytes, char *ret_text, size_t size)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double value = (double)amount;
    size_t unit = 0;

    for (; bytes && value >= 1024 && unit < 4; unit++)
        value /= 1024;
    if (bytes && unit > 0)
        snprintf(ret_text, size, "%.1f %s", value, units[unit]);
    else
        snprintf(ret_text, size, "%llu%s", (unsigned long long)amount, bytes ? " B" : "");
}

static void format_bar(const struct progress_point *point, FILE *file)
{
    uint64_t done = point->done < point->total ? point->done : point->total;
    unsigned filled = (unsigned)((double)done / (double)point->total * BAR);

    fputc('[', file);
    for (unsigned i = 0; i < BAR; i++)
        fputc(i < filled ? '#' : '-', file);
    fprintf(file, "] %3u %%", (unsigned)((double)done / (double)point->total * 100));
}

void progress_format(const struct progress_point *point, char *ret_text, size_t size)
{
    char amount[40];
    FILE *file = fmemopen(ret_text, size, "w");

    ret_text[0] = '\0';
    if (!file)
        return;
    fprintf(file, "%s  ", point->what);
    if (point->total > 0) {
        format_bar(point, file);
    } else if (point->done > 0) {
        format_amount(point->done, point->bytes, amount, sizeof(amount));
        fputs(amount, file);
    }
    format_amount(point->rate, point->bytes, amount, sizeof(amount));
    if (point->rate > 0)
        fprintf(file, "  %s/s", amount);
    output_duration(point->left_usec, amount, sizeof(amount));
    if (point->left_usec > 0)
        fprintf(file, "  %s left", amount);
    fclose(file);
}

void progress_begin(struct progress *progress)
{
    *progress = (struct progress){ .terminal = isatty(STDERR_FILENO),
                                   .started_usec = now_usec() };
}

/* What the service does not say is reckoned from what was seen. */
static void estimate(const struct progress *progress, struct progress_point *point)
{
    uint64_t passed = now_usec() - progress->first_usec;
    uint64_t done = point->done > progress->first ? point->done - progress->first : 0;

    if (point->rate == 0 && passed > 0)
        point->rate = (uint64_t)((double)done * 1e6 / (double)passed + 0.5);
    if (point->left_usec == 0 && point->rate > 0 && point->total > point->done)
        point->left_usec =
            (uint64_t)((double)(point->total - point->done) / (double)point->rate * 1e6);
}

void progress_show(struct progress *progress, const struct progress_point *point)
{
    struct progress_point reckoned = *point;
    char text[200];

    if (strncmp(progress->what, point->what, sizeof(progress->what) - 1) != 0) {
        snprintf(progress->what, sizeof(progress->what), "%s", point->what);
        progress->first_usec = now_usec();
        progress->first = point->done;
    }
    if (!progress->terminal || now_usec() - progress->started_usec < SILENT_USEC)
        return;
    estimate(progress, &reckoned);
    progress_format(&reckoned, text, sizeof(text));
    fprintf(stderr, "\r\033[K%s", text);
    progress->shown = true;
}

void progress_end(struct progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}

/* ---- Of a rotation ---- */

static const struct {
    const char *state;
    const char *what;
    bool counts; /* done and total are of this phase */
} phases[] = {
    { "backup", "backing up", false },  { "switch", "switching", false },
    { "walk", "re-encrypting", true },  { "proof", "proving", true },
    { "retire", "retiring", false },    { "compact", "compacting", false },
    { "paused", "paused", true },       { "waiting", "waiting", true },
};

static uint64_t count_of(const json_t *rotation, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(rotation, key));
}

void progress_of_rotation(const json_t *rotation, struct progress_point *ret_point)
{
    const char *state = json_string_value(json_object_get(rotation, "state"));
    bool counts = false;

    *ret_point = (struct progress_point){ .what = state ? state : "" };
    for (size_t i = 0; state && i < sizeof(phases) / sizeof(phases[0]); i++) {
        if (strcmp(phases[i].state, state) != 0)
            continue;
        ret_point->what = phases[i].what;
        counts = phases[i].counts;
    }
    if (!counts)
        return;
    ret_point->done = count_of(rotation, "done");
    ret_point->total = count_of(rotation, "total");
    ret_point->rate = count_of(rotation, "rate");
    ret_point->left_usec = count_of(rotation, "left");
}

/* ---- Beside a call ---- */

static void look(struct cli *cli, const struct progress_watch *watch, struct progress *progress)
{
    struct progress_point point = { .what = watch->what, .bytes = true };
    CLEANUP_JSON json_t *value = NULL;
    struct stat status;

    if (service_property(cli, NULL, BUS_INTERFACE_MANAGER, "Progress", &value) ==
        MASTERSECRET_OK) {
        point.done = (uint64_t)json_integer_value(json_array_get(value, 0));
        point.total = (uint64_t)json_integer_value(json_array_get(value, 1));
        point.left_usec = (uint64_t)json_integer_value(json_array_get(value, 2));
    }
    if (point.total == 0 && watch->fd >= 0 && fstat(watch->fd, &status) == 0)
        point.done = (uint64_t)status.st_size;
    progress_show(progress, &point);
}

/* False when the call is over. */
static bool pause_watch(struct progress_watch *watch)
{
    struct timespec until;
    bool over;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += STEP_USEC * 1000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&watch->lock);
    if (!watch->over)
        pthread_cond_timedwait(&watch->ended, &watch->lock, &until);
    over = watch->over;
    pthread_mutex_unlock(&watch->lock);
    return !over;
}

static void *run_watch(void *userdata)
{
    struct progress_watch *watch = userdata;
    struct cli cli = { NULL };
    struct progress progress;

    progress_begin(&progress);
    if (mastersecret_new(&cli.service) != MASTERSECRET_OK)
        return NULL;
    mastersecret_set_timeout(cli.service, STEP_USEC / 1000);
    if (mastersecret_set_address(cli.service, watch->address) == MASTERSECRET_OK)
        while (pause_watch(watch))
            look(&cli, watch, &progress);
    progress_end(&progress);
    mastersecret_free(cli.service);
    return NULL;
}

void progress_watch_start(struct cli *cli, const char *what, int fd,
                          struct progress_watch *ret_watch)
{
    *ret_watch = (struct progress_watch){
        .what = what,
        .address = arguments_option(&cli->arguments, OPTION_ADDRESS),
        .fd = fd,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .ended = PTHREAD_COND_INITIALIZER,
    };
    if (!arguments_option(&cli->arguments, OPTION_TIMEOUT))
        mastersecret_set_timeout(cli->service, LONG_TIMEOUT_MS);
    if (isatty(STDERR_FILENO))
        ret_watch->running =
            pthread_create(&ret_watch->thread, NULL, run_watch, ret_watch) == 0;
}

void progress_watch_stop(struct progress_watch *watch)
{
    if (!watch->running)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->over = true;
    pthread_cond_signal(&watch->ended);
    pthread_mutex_unlock(&watch->lock);
    pthread_join(watch->thread, NULL);
}

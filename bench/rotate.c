/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Rotates the master secret of a state folder that bench/fill made, through the service's own domain code. Prints
 * a line of JSON for each step: seconds; microseconds of processor time for each record, of the thread that needs most
 * of it (what it could do if it had a processor of its own) and of all threads; private memory at most. */
#include "dbus-service/domain/rotation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { THREADS_MAX = 64, SAMPLE_MS = 50 };

/* A thread's time is read from outside now and then: it is gone when the thread has ended. */
struct thread {
    long id;
    char name[16];
    double now, before; /* seconds of processor time: so far, and when the step began */
};

struct bench {
    uv_loop_t loop;
    uv_timer_t sampler;
    struct work_queue *work;
    struct realm *realm;
    struct application_set *applications;
    struct rotation *rotation;
    int backup_fd;
    unsigned rate;
    bool failed;
    enum rotation_phase phase;
    double began;
    uint64_t records;
    struct thread threads[THREADS_MAX];
    size_t threads_count;
    unsigned long memory; /* KiB, at most in this step */
};

static double seconds(void)
{
    return (double)uv_hrtime() / 1e9;
}

static bool read_text(const char *path, char *ret_text, size_t size)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, ret_text, size - 1);

    if (length < 0)
        return false;
    ret_text[length] = '\0';
    return true;
}

static struct thread *thread_at(struct bench *bench, long id)
{
    for (size_t i = 0; i < bench->threads_count; i++)
        if (bench->threads[i].id == id)
            return &bench->threads[i];
    if (bench->threads_count == THREADS_MAX)
        return NULL;
    bench->threads[bench->threads_count] = (struct thread){ .id = id };
    return &bench->threads[bench->threads_count++];
}

static void sample_thread(struct bench *bench, const char *id)
{
    struct thread *thread = thread_at(bench, strtol(id, NULL, 10));
    char path[64], text[128];

    snprintf(path, sizeof(path), "/proc/self/task/%.20s/schedstat", id);
    if (!thread || !read_text(path, text, sizeof(text)))
        return;
    thread->now = strtod(text, NULL) / 1e9;
    snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", id);
    if (read_text(path, text, sizeof(text)))
        snprintf(thread->name, sizeof(thread->name), "%.*s", (int)strcspn(text, "\n"), text);
}

static void sample_memory(struct bench *bench)
{
    char text[4096];
    const char *line = read_text("/proc/self/status", text, sizeof(text)) ? strstr(text, "RssAnon:") : NULL;
    unsigned long memory = line ? strtoul(line + strlen("RssAnon:"), NULL, 10) : 0;

    if (memory > bench->memory)
        bench->memory = memory;
}

static void sample(struct bench *bench)
{
    DIR *tasks = opendir("/proc/self/task");

    sample_memory(bench);
    for (struct dirent *entry = tasks ? readdir(tasks) : NULL; entry; entry = readdir(tasks))
        if (entry->d_name[0] != '.')
            sample_thread(bench, entry->d_name);
    if (tasks)
        closedir(tasks);
}

static void on_sample(uv_timer_t *timer)
{
    sample(timer->data);
}

static void print_step(const struct bench *bench)
{
    double most = 0, all = 0, each = bench->records ? 1e6 / (double)bench->records : 0;
    const char *busiest = "";

    for (size_t i = 0; i < bench->threads_count; i++) {
        double spent = bench->threads[i].now - bench->threads[i].before;

        all += spent;
        if (spent > most) {
            most = spent;
            busiest = bench->threads[i].id == getpid() ? "loop" : bench->threads[i].name;
        }
    }
    printf("{\"step\": \"%s\", \"seconds\": %.3f, \"records\": %llu, \"busiest\": \"%s\", "
           "\"busiest_usec\": %.2f, \"all_usec\": %.2f, \"memory_kib\": %lu}\n",
           rotation_phase_name(bench->phase), seconds() - bench->began,
           (unsigned long long)bench->records, busiest, most * each, all * each, bench->memory);
    fflush(stdout);
}

static void step(struct bench *bench, const struct rotation_status *status)
{
    if (status->phase == bench->phase)
        return;
    if (status->total > 0)
        bench->records = status->total;
    sample(bench);
    if (bench->phase != ROTATION_IDLE)
        print_step(bench);
    for (size_t i = 0; i < bench->threads_count; i++)
        bench->threads[i].before = bench->threads[i].now;
    bench->memory = 0;
    bench->phase = status->phase;
    bench->began = seconds();
}

static void on_changed(void *userdata)
{
    struct bench *bench = userdata;
    struct rotation_status status;

    if (!bench->rotation)
        return;
    rotation_status(bench->rotation, &status);
    step(bench, &status);
}

static void on_closed(void *userdata)
{
    struct bench *bench = userdata;

    uv_close(loop_handle(&bench->sampler), NULL);
    rotation_free(STEAL(bench->rotation));
    application_set_free(STEAL(bench->applications));
    work_queue_free(bench->work);
}

static void fail(struct bench *bench, const struct failure *failure)
{
    fprintf(stderr, "rotate: %s\n", failure->text);
    bench->failed = true;
    realm_close(bench->realm, on_closed, bench);
}

static void on_ended(void *userdata, const struct rotation_result *result)
{
    const struct rotation_status idle = {.phase = ROTATION_IDLE};
    struct bench *bench = userdata;

    step(bench, &idle);
    if (result->unreadable > 0 || result->failure.code != ERROR_NONE)
        fprintf(stderr, "rotate: %s\n", result->failure.text);
    bench->failed = result->failure.code != ERROR_NONE;
    realm_close(bench->realm, on_closed, bench);
}

static void on_begun(void *userdata, const struct failure *failure)
{
    if (failure->code != ERROR_NONE)
        fail(userdata, failure);
}

static void begin(struct bench *bench)
{
    struct rotation_request request = { .backup_fd = bench->backup_fd, .hint = "", .location = "",
                                        .has_rate = true, .rate = bench->rate };
    struct failure why = { 0 };
    int r = secret_new_copy("of the benchmark", 16, &request.passphrase);

    if (r == 0)
        r = rotation_begin(bench->rotation, &request, on_begun, bench, &why);
    if (r != 0)
        fail(bench, &why);
}

static int on_load(void *userdata, struct failure *failure)
{
    struct bench *bench = userdata;

    return application_set_load(bench->applications, failure);
}

static void on_open(void *userdata, const struct failure *failure)
{
    if (failure->code != ERROR_NONE)
        fail(userdata, failure);
}

/* What goes on behind a start is no part of it. */
static void on_log(void *userdata, enum log_event event, const char *text)
{
    (void)text;
    if (event == LOG_EVENT_VERIFIED || event == LOG_EVENT_VIEW_REBUILT)
        begin(userdata);
}

static void on_state(void *userdata, enum realm_state old_state, enum realm_state new_state)
{
    (void)userdata;
    (void)old_state;
    (void)new_state;
}

static int init(struct bench *bench, int folder_fd, const char *anchor, const char *keyfile)
{
    struct rotation_options rotation = { .loop = &bench->loop,
                                         .events = { on_changed, on_ended, bench } };
    struct realm_options options = { .loop = &bench->loop, .folder_fd = folder_fd,
                                     .anchor_path = anchor, .keyfile_path = keyfile,
                                     .events = { on_state, on_log, on_load, bench } };
    struct failure failure = { 0 };
    int r = keys_init();

    if (r == 0)
        r = uv_loop_init(&bench->loop);
    if (r == 0)
        r = uv_timer_init(&bench->loop, &bench->sampler);
    bench->sampler.data = bench;
    if (r == 0)
        r = uv_timer_start(&bench->sampler, on_sample, SAMPLE_MS, SAMPLE_MS);
    if (r == 0)
        r = work_queue_new(&bench->loop, &bench->work);
    options.work = bench->work;
    if (r == 0)
        r = realm_new(&options, &bench->realm);
    if (r == 0)
        r = application_set_new(bench->realm, NULL, &bench->applications);
    rotation.realm = bench->realm;
    rotation.applications = bench->applications;
    if (r == 0)
        r = rotation_new(&rotation, &bench->rotation);
    return r == 0 ? realm_unseal(bench->realm, NULL, on_open, bench, &failure) : r;
}

int main(int argc, char **argv)
{
    struct bench bench = { .backup_fd = -1 };
    int folder_fd, r;

    if (argc != 6) {
        fprintf(stderr, "rotate FOLDER ANCHOR KEYFILE BACKUP RATE\n");
        return 2;
    }
    folder_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bench.backup_fd = open(argv[4], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bench.rate = (unsigned)strtoul(argv[5], NULL, 10);
    if (folder_fd < 0 || bench.backup_fd < 0) {
        fprintf(stderr, "rotate: cannot use '%s' or '%s': %m\n", argv[1], argv[4]);
        return 1;
    }
    r = init(&bench, folder_fd, argv[2], argv[3]);
    if (r != 0) {
        fprintf(stderr, "rotate: cannot begin: %s\n", strerror(r < 0 ? -r : EIO));
        return 1;
    }
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    return bench.failed;
}

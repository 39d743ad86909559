/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Rotates the master secret of a state folder that bench/fill made, through the service's own domain code. Prints
 * one line for each step: seconds, and the processor time of all threads and of the loop. */
#include "dbus-service/domain/rotation.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

struct bench {
    uv_loop_t loop;
    struct work_queue *work;
    struct realm *realm;
    struct application_set *applications;
    struct rotation *rotation;
    int backup_fd;
    unsigned rate;
    bool failed;
    enum rotation_phase phase;
    double began, all, own;
};

static double processor(int who)
{
    struct rusage usage;

    getrusage(who, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec) / 1e6;
}

static double seconds(void)
{
    return (double)uv_hrtime() / 1e9;
}

static void step(struct bench *bench, enum rotation_phase phase)
{
    struct rusage usage;

    if (phase == bench->phase)
        return;
    getrusage(RUSAGE_SELF, &usage);
    if (bench->phase != ROTATION_IDLE)
        printf("%s %.3f s, processor %.3f s, of it the loop %.3f s, memory %ld kB\n",
               rotation_phase_name(bench->phase), seconds() - bench->began,
               processor(RUSAGE_SELF) - bench->all, processor(RUSAGE_THREAD) - bench->own,
               usage.ru_maxrss);
    bench->phase = phase;
    bench->began = seconds();
    bench->all = processor(RUSAGE_SELF);
    bench->own = processor(RUSAGE_THREAD);
}

static void on_changed(void *userdata)
{
    struct bench *bench = userdata;
    struct rotation_status status;

    if (!bench->rotation)
        return;
    rotation_status(bench->rotation, &status);
    step(bench, status.phase);
}

static void on_closed(void *userdata)
{
    struct bench *bench = userdata;

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
    struct bench *bench = userdata;

    step(bench, ROTATION_IDLE);
    printf("records %llu unreadable %llu\n", (unsigned long long)result->re_encrypted,
           (unsigned long long)result->unreadable);
    bench->failed = result->failure.code != ERROR_NONE;
    realm_close(bench->realm, on_closed, bench);
}

static void on_begun(void *userdata, const struct failure *failure)
{
    if (failure->code != ERROR_NONE)
        fail(userdata, failure);
}

static void on_open(void *userdata, const struct failure *failure)
{
    struct bench *bench = userdata;
    struct rotation_request request = { .backup_fd = bench->backup_fd, .hint = "", .location = "",
                                        .has_rate = true, .rate = bench->rate };
    struct failure why = *failure;
    int r = why.code;

    if (r == 0)
        r = application_set_load(bench->applications, &why);
    if (r == 0)
        r = secret_new_copy("of the benchmark", 16, &request.passphrase);
    if (r == 0)
        r = rotation_begin(bench->rotation, &request, on_begun, bench, &why);
    if (r != 0)
        fail(bench, &why);
}

static int init(struct bench *bench, int folder_fd, const char *anchor, const char *keyfile)
{
    struct rotation_options rotation = { .loop = &bench->loop,
                                         .events = { on_changed, on_ended, bench } };
    struct realm_options options = { .loop = &bench->loop, .folder_fd = folder_fd,
                                     .anchor_path = anchor, .keyfile_path = keyfile };
    struct failure failure = { 0 };
    int r = keys_init();

    if (r == 0)
        r = uv_loop_init(&bench->loop);
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

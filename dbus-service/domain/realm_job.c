/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Work with the open keyring, off the loop and one after the other. A worker has a reference of its own,
 * so neither a change of the keyring nor sealing takes the keys from under it. */
#include "dbus-service/domain/realm_internal.h"

#include <errno.h>

struct realm_job {
    struct realm *realm;
    realm_job_run run;
    void *work; /* of `run` */
    realm_done done;
    void *userdata;
    struct keyring *keyring; /* for the worker */
    /* From the worker. */
    struct keyring *changed;
    int outcome;
    struct slot_list slots; /* of the keyring's file as it is now */
    struct failure failure;
    struct realm_job *next;
};

static void on_run(void *userdata)
{
    struct realm_job *job = userdata;

    job->outcome = job->run(job->work, job->keyring, &job->changed, &job->failure);
    keyring_slot_list(job->realm->options.folder_fd, &job->slots);
}

static void jobs_advance(struct realm *realm);

static void job_end(struct realm_job *job)
{
    keyring_free(job->keyring);
    if (job->outcome < 0)
        failure_from_errno(&job->failure, job->outcome, "the keyring");
    job->done(job->userdata, &job->failure);
    free(job);
}

static void on_job(void *userdata)
{
    struct realm_job *job = userdata;
    struct realm *realm = job->realm;

    /* It is on the disk already: what is sealed meanwhile finds it there. */
    if (job->changed && realm->keyring) {
        keyring_free(realm->keyring);
        realm->keyring = STEAL(job->changed);
    }
    keyring_free(STEAL(job->changed));
    if (job->slots.outcome == KEYRING_DONE) /* else whoever needs the file says what is wrong */
        realm->slots = job->slots;
    realm->job = NULL;
    job_end(job);
    jobs_advance(realm);
}

static int job_begin(struct realm *realm, struct realm_job *job, struct failure *failure)
{
    int r;

    if (realm->state == REALM_UNCONFIGURED)
        return failure_set(failure, ERROR_UNCONFIGURED, NULL);
    if (!realm_keyring(realm) || realm->closing)
        return failure_set(failure, ERROR_SEALED, NULL);
    job->keyring = keyring_ref(realm->keyring);
    r = work_submit(realm->options.work, WORK_KDF, on_run, on_job, job);
    if (r == -EBUSY)
        return failure_set(failure, ERROR_LIMITS_EXCEEDED, NULL);
    if (r == 0)
        realm->job = job;
    return r;
}

/* Those that cannot begin any more have ended. */
static void jobs_advance(struct realm *realm)
{
    void (*idle)(void *userdata);
    struct realm_job *job;

    while (!realm->job && (job = realm->jobs)) {
        realm->jobs = job->next;
        job->outcome = job_begin(realm, job, &job->failure);
        if (job->outcome != 0)
            job_end(job);
    }
    if (realm->job)
        return;
    idle = STEAL(realm->jobs_idle);
    if (idle)
        idle(realm->jobs_userdata);
}

void realm_jobs_wait(struct realm *realm, void (*idle)(void *userdata), void *userdata)
{
    if (!realm->job) {
        idle(userdata);
        return;
    }
    realm->jobs_idle = idle;
    realm->jobs_userdata = userdata;
}

int realm_job(struct realm *realm, realm_job_run run, void *work, realm_done done, void *userdata,
              struct failure *failure)
{
    struct realm_job **end = &realm->jobs;
    struct realm_job *job = calloc(1, sizeof(*job));
    int r = 0;

    if (!job)
        return -ENOMEM;
    *job = (struct realm_job){.realm = realm, .run = run, .work = work, .done = done,
                              .userdata = userdata};
    if (!realm->job)
        r = job_begin(realm, job, failure);
    if (r != 0) {
        keyring_free(job->keyring);
        free(job);
    } else if (realm->job != job) {
        while (*end)
            end = &(*end)->next;
        *end = job;
    }
    return r;
}

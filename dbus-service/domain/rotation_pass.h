/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* One pass of the rotation over all records. A thread opens and seals what the log's walk hands out; the
 * loop takes what it made in batches and appends it. Each record stands in for the one that was read,
 * unless that was changed since: then it is left out, and whatever took its place is of the new
 * generation already. */
#ifndef DOMAIN_ROTATION_PASS_H
#define DOMAIN_ROTATION_PASS_H

#include "dbus-service/domain/realm_internal.h"
#include "dbus-service/domain/rotation.h"

#include <stdatomic.h>

struct rotation_pass;

enum pass_kind {
    PASS_REWRITE, /* seals the records of older generations anew that open */
    PASS_PROVE,   /* opens every record and counts */
};

struct pass_result {
    struct failure failure; /* ERROR_CONFLICT: the walk gave way to a compaction */
    /* Of a proof: */
    uint64_t older;     /* opened, and not of the active generation */
    uint64_t by_class[RECORD_CLASS_MAX + 1]; /* all that were met */
    struct unreadable_list unreadable;
};

struct pass_options {
    uv_loop_t *loop;
    struct realm *realm;
    struct application_set *applications;
    enum pass_kind kind;
    uint32_t rate; /* records per second, 0 = as fast as it goes */
    void (*rewritten)(void *userdata, size_t count);
    /* On the loop, never from within pass_begin(). The pass is freed by pass_free(). */
    void (*done)(void *userdata, const struct pass_result *result);
    void *userdata;
};

/* The realm is ready. 0, an error code, or -errno. */
int pass_begin(const struct pass_options *options, struct rotation_pass **ret_pass,
               struct failure *failure) MUST_CHECK;
/* `done` comes soon, with CONFLICT unless it was about to come anyway. */
void pass_cancel(struct rotation_pass *pass);
void pass_set_rate(struct rotation_pass *pass, uint32_t rate);
/* So far: sealed anew and stored, or proven. */
uint64_t pass_records(const struct rotation_pass *pass);
/* After `done`. NULL is legal. */
void pass_free(struct rotation_pass *pass);

#endif

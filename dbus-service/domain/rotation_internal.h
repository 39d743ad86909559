/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the rotation share. */
#ifndef DOMAIN_ROTATION_INTERNAL_H
#define DOMAIN_ROTATION_INTERNAL_H

#include "dbus-service/domain/rotation_keyring.h"
#include "dbus-service/domain/rotation_pass.h"

/* A number and the id, in hex. */
#define GENERATION_NAME_SIZE (sizeof("4294967295 ()") + 2 * GENERATION_ID_SIZE)

struct rotation {
    struct rotation_options options;
    uv_timer_t wake; /* to go on from the loop, or to try again */
    uv_timer_t tick;
    int handles;
    enum rotation_phase phase;
    bool busy;            /* a job, a pass or a compaction is under way */
    struct rotation_pass *pass;
    bool rewritten;       /* a whole pass sealed all anew that opens */
    bool proven;          /* and another one that everything opens */
    bool gave_up;         /* what is left does not open */
    uint64_t appends;     /* so many must have ended before none is under an older generation */
    uint64_t proof_from;  /* as many had ended when the proof began */
    uint64_t stored;      /* records sealed anew since the generation was switched, or the start */
    unsigned tenth;       /* of all records, as told last */
    uint64_t tick_done;
    uint64_t tick_time;   /* uv_hrtime() */
    uint64_t speed;       /* records per second */
    uint32_t next_rate;   /* of a rotation that has not begun */
    char name[sizeof("from generation  to ") + 2 * GENERATION_NAME_SIZE]; /* for the audit */
    struct failure error; /* what holds it up */
    struct unreadable_list unreadable; /* of the last proof */
};

/* NULL unless open. */
const struct keyring *rotation_open_keyring(const struct rotation *rotation);
/* By the view's counters: how many records are not of the active generation. */
uint64_t rotation_records_left(const struct rotation *rotation);

/* Into the audit; NULL = a success. */
void rotation_tell_audit(const struct failure *failure, const char *format, ...)
    __attribute__((__format__(__printf__, 2, 3)));
/* Says from now on which generations it goes from and to: when it began, and before the older one is
 * removed. */
void rotation_name(struct rotation *rotation);
/* When another tenth of the records is done. */
void rotation_tell_tenth(struct rotation *rotation);
void rotation_tell_changed(struct rotation *rotation);
void rotation_tell_ended(struct rotation *rotation, const struct failure *failure);
/* Neither idle, paused nor failed. */
bool rotation_is_working(enum rotation_phase phase);
void rotation_set_phase(struct rotation *rotation, enum rotation_phase phase);

/* Steps; each ends with rotation_step_end(). */
void rotation_step_switch(struct rotation *rotation);
/* As far as there are records of older generations: seal them anew, prove, retire, or give up. */
void rotation_step_walk(struct rotation *rotation);
void rotation_step_compact(struct rotation *rotation);
void rotation_step_remove(struct rotation *rotation);

void rotation_step_end(struct rotation *rotation, const struct failure *failure);
/* In the next turn of the loop: a step's end may stand in the middle of something. */
void rotation_go_on_soon(struct rotation *rotation);
/* Times before this are over for what was retired. */
uint64_t rotation_expired_before(const struct rotation *rotation);

#endif

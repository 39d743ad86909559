/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The rotation: a new generation, and every record anew under it, while the service serves (doc/DESIGN,
 * "Rotation"). It has no record of its own: what is to be done next follows from the keyring and the
 * records alone, so it goes on by itself after whatever cut it off. Everything is called on the loop. */
#ifndef DOMAIN_ROTATION_H
#define DOMAIN_ROTATION_H

#include "dbus-service/domain/unreadable.h"

struct rotation;

enum rotation_phase {
    ROTATION_IDLE,
    ROTATION_BACKUP,  /* new generation, proven backup, both stored */
    ROTATION_SWITCH,  /* the new generation becomes the one that seals */
    ROTATION_WALK,    /* records of older generations are sealed anew */
    ROTATION_PROOF,   /* every record is opened and counted */
    ROTATION_RETIRE,
    ROTATION_COMPACT, /* old ciphertext leaves the disk */
    ROTATION_PAUSED,
    ROTATION_FAILED,  /* records that do not open keep their generation */
    ROTATION_WAITING, /* until the service is ready, or for a retry after an error */
};
/* "idle", "backup", "switch", "walk", "proof", "retire", "compact", "paused", "failed", "waiting". */
const char *rotation_phase_name(enum rotation_phase phase);

struct rotation_result {
    struct failure failure; /* ERROR_NONE: none is left of an older generation */
    uint32_t from;
    uint32_t to;
    uint64_t re_encrypted;
    uint64_t unreadable;
};

struct rotation_events {
    /* At most once a second, and when the phase changes. */
    void (*changed)(void *userdata);
    void (*ended)(void *userdata, const struct rotation_result *result);
    void *userdata;
};

struct rotation_settings {
    unsigned rate;              /* records per second, 0 = not throttled: of new rotations */
    uint64_t rotate_after_usec; /* a new generation is due then; 0 = never */
    uint64_t keep_retired_usec; /* how long the key of a retired generation is kept */
};

struct rotation_options {
    uv_loop_t *loop;
    struct realm *realm;
    struct application_set *applications;
    struct rotation_settings settings;
    struct rotation_events events;
};

int rotation_new(const struct rotation_options *options, struct rotation **ret_rotation) MUST_CHECK;
/* After the realm was closed; the memory goes when the loop has closed its handles. NULL is legal. */
void rotation_free(struct rotation *rotation);
void rotation_configure(struct rotation *rotation, const struct rotation_settings *settings);
/* The realm's state is another one. */
void rotation_realm_changed(struct rotation *rotation);

struct rotation_request {
    struct secret *passphrase; /* of the backup; moved; NULL: it is sealed to the recipients */
    int backup_fd;             /* duplicated; -1 with a directory */
    const char *directory;     /* borrowed: where to put a backup to the recipients; or NULL */
    const char *hint;          /* borrowed */
    const char *location;      /* borrowed; for display */
    bool again;                /* while one is under way: the next begins when that one has ended */
    bool dry_run;              /* only look whether it could begin, and the backup be made */
    bool has_rate;             /* instead of the settings' */
    uint32_t rate;
};
/* `done` when the backup is proven and the new generation stored; then it goes on by itself. A dry run
 * changes nothing. 0 when begun, else the error. */
int rotation_begin(struct rotation *rotation, struct rotation_request *request, realm_done done,
                   void *userdata, struct failure *failure) MUST_CHECK;
/* Both last beyond a restart. Resuming also tries again after a failure. */
int rotation_pause(struct rotation *rotation, bool paused, realm_done done, void *userdata,
                   struct failure *failure) MUST_CHECK;
int rotation_set_rate(struct rotation *rotation, uint32_t rate, realm_done done, void *userdata,
                      struct failure *failure) MUST_CHECK;

struct rotation_status {
    enum rotation_phase phase;
    uint32_t from;
    uint32_t to;
    uint64_t done;  /* records of the active generation; in the proof those that were opened */
    uint64_t total; /* all, tombstones too */
    uint64_t rate;  /* records per second, lately */
    uint32_t limit; /* 0 = not throttled */
    uint64_t left_usec;
    uint64_t re_encrypted; /* by the last rotation that ended */
    uint64_t unreadable;
    uint64_t begun_usec; /* CLOCK_REALTIME; 0 = there was none yet */
    uint64_t ended_usec; /* 0 = under way */
    uint64_t due_usec;   /* when the next is due; 0 = no policy */
    bool queued;
    char error[400]; /* what holds it up; "" = nothing */
};
void rotation_status(const struct rotation *rotation, struct rotation_status *ret_status);
/* The number that the next new generation has; 0 unless open. */
uint32_t rotation_next_generation(const struct rotation *rotation);

/* Records that do not open, of the last proof: the first ones by name. NULL behind the last. */
const char *rotation_unreadable(const struct rotation *rotation, size_t index,
                                char line[UNREADABLE_LINE_MAX]);

#endif

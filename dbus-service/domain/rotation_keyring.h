/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What the rotation asks of the keyring and changes in it. Each change is on the disk before it counts. */
#ifndef DOMAIN_ROTATION_KEYRING_H
#define DOMAIN_ROTATION_KEYRING_H

#include "dbus-service/domain/realm_internal.h"
#include "dbus-service/domain/rotation.h"

struct rotation_facts {
    bool older;     /* below the active one and not retired: a rotation is under way */
    uint32_t newer; /* the oldest above the active one: to be rotated to; 0 = none */
    bool retired;
    bool expired;   /* retired before the time given */
};
void rotation_facts(const struct keyring *keyring, uint64_t before_usec,
                    struct rotation_facts *ret_facts);

enum rotation_edit_kind {
    EDIT_SWITCH,  /* to the oldest newer one; rate */
    EDIT_RETIRE,  /* all older ones: no record is left of them; re_encrypted */
    EDIT_GIVE_UP, /* the rotation has ended and they are kept; re_encrypted */
    EDIT_FINISH,  /* the rotation has ended, and what was retired before before_usec is removed */
    EDIT_REMOVE,  /* the second half of that */
    EDIT_PAUSE,   /* paused */
    EDIT_RATE,    /* rate */
};

struct rotation_edit {
    enum rotation_edit_kind kind;
    bool paused;
    uint32_t rate;
    uint64_t re_encrypted; /* more */
    uint64_t before_usec;
};

/* As realm_job(). */
int rotation_edit(struct realm *realm, const struct rotation_edit *edit, realm_done done,
                  void *userdata, struct failure *failure) MUST_CHECK;
/* A new generation, not active yet, with a proven backup that holds it; or a dry run of that. Takes the
 * passphrase. */
int rotation_backup(struct realm *realm, struct rotation_request *request, realm_done done,
                    void *userdata, struct failure *failure) MUST_CHECK;

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* doctor: what it found. Each part looks after one thing and adds its findings. */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "client/cli/command.h"

#include <jansson.h>

struct doctor {
    struct cli *cli;
    json_t *findings; /* [{"severity": "error|warning|note", "text": ..., "remedy": ...}] */
    const json_t *status; /* properties of Manager; NULL: the service cannot be reached */
};

void doctor_add(struct doctor *doctor, const char *severity, const char *remedy,
                const char *format, ...) __attribute__((__format__(__printf__, 4, 5)));

/* Folders and files of the service: there, owned, shut to others. */
void doctor_look_at_files(struct doctor *doctor);
/* What an installation has put for bus, systemd and polkit: there, and as this version came. */
void doctor_look_at_policy(struct doctor *doctor);
/* The last backup, where the service was told that it is. */
void doctor_look_at_backup(struct doctor *doctor);

#endif

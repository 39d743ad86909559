/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What the process takes away from itself before it reads anything. */
#ifndef SERVICE_HARDEN_H
#define SERVICE_HARDEN_H

#include "common/cleanup.h"

/* Descriptors 0 to 2 are open, 3 is kept for the direct socket, all others are closed; no core file, not
 * dumpable, no new privileges, umask 077, SIGPIPE ignored, as many descriptors as the hard limit allows.
 * 0, or -errno with what failed; -EPERM with an explanation when started as root. */
int harden(const char **ret_what) MUST_CHECK;

#endif

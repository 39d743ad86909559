/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Why a domain function refused: a code of the error table and a sentence for the caller that names
 * the object. Domain functions return 0, a positive enum error_code (with the failure filled in), or a
 * negative errno of an operation that failed. */
#ifndef DOMAIN_FAILURE_H
#define DOMAIN_FAILURE_H

#include "common/names.h"

struct failure {
    enum error_code code;
    char text[400]; /* UTF-8; never a secret. "CAUSE", or "CAUSE; WHAT TO DO" where that is another
                       thing than the error table says */
};

/* Does the text itself say what to do? */
bool failure_advises(const struct failure *failure);

/* Fills in and returns the code. The text is cut at a character's boundary; without a format the
 * error's own text stands. */
int failure_set(struct failure *failure, enum error_code code, const char *format, ...)
    __attribute__((__format__(__printf__, 3, 4)));
/* The failure of a negative errno: OUT_OF_MEMORY for -ENOMEM, DAMAGED for -EBADMSG, else
 * STORAGE_FAILED with the reason. */
int failure_from_errno(struct failure *failure, int error, const char *what);

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes a journal or an export fit, as somebody does who has the log key of the tests' store: else
 * nothing behind the first keyed hash would ever be reached. */
#ifndef TESTS_JOURNAL_FIT_H
#define TESTS_JOURNAL_FIT_H

#include "dbus-service/store/journal_frame.h"

enum fit { FIT_HASHES = 1, FIT_FRAMES = 2, FIT_REVISIONS = 4 };

/* Changes the file as the bits of `fit` say, 0 = not at all. Returns the head that it then has, if it
 * is a good one. */
struct log_head journal_fit(uint8_t *file, size_t size, unsigned fit);

#endif

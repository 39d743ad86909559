/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* One recipe for opening a file whose content is trusted: absolute path, no symbolic link at its
 * end, close-on-exec, no controlling terminal, then a check of the opened fd (regular file, owner,
 * mode, size) and of every ancestor folder (owned by root or `owner`, not writable for others
 * unless sticky). */
#ifndef COMMON_SAFE_OPEN_H
#define COMMON_SAFE_OPEN_H

#include "common/secret.h"

#include <sys/types.h>

enum safe_open_outcome {
    SAFE_OPEN_DONE = 0,
    SAFE_OPEN_NOT_ABSOLUTE,
    SAFE_OPEN_NOT_REGULAR,
    SAFE_OPEN_OWNER,    /* neither root nor the expected owner */
    SAFE_OPEN_MODE,     /* writable (or, for a secret file, readable) by others */
    SAFE_OPEN_ANCESTOR, /* a folder above it can be changed by somebody else */
    SAFE_OPEN_TOO_LARGE,
};

struct safe_open_rule {
    uid_t owner;       /* who may own it besides root */
    mode_t forbidden;  /* mode bits that must be clear, e.g. 0077 for a secret, 0022 for a setting */
    size_t maximum;    /* bytes */
};

/* Opens for reading. SAFE_OPEN_*, or -errno (-ENOENT and so on). ret_fd only on SAFE_OPEN_DONE. */
int safe_open(const char *path, const struct safe_open_rule *rule, int *ret_fd) MUST_CHECK;
/* The whole file as a secret. */
int safe_read(const char *path, const struct safe_open_rule *rule,
              struct secret **ret_content) MUST_CHECK;
/* Is `fd` what somebody else opened for us to write: an empty regular file, mode 0600, O_RDWR and
 * not O_APPEND? Asks whoever keeps the file, for as long as that takes. 1, 0 or -errno. */
int safe_is_empty_file(int fd) MUST_CHECK;
/* What a positive outcome means, for a message: "is writable by others". */
const char *safe_open_text(int outcome);

#endif

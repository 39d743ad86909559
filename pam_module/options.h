/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of one PAM line: one table for the line and for the file that config= names, which
 * holds one option per line ("NAME=VALUE" or "NAME", blank lines and # comments). The line
 * overrides the file; of an option given twice the last one counts. Lifetime: one entry point.
 * Whatever is not understood is a fault: a misspelled option must never weaken a stack silently. */
#ifndef PAM_MODULE_OPTIONS_H
#define PAM_MODULE_OPTIONS_H

#include "common/names.h"

#include <stdbool.h>

enum {
    OPTIONS_PATH_SIZE = 1024,           /* config=, terminator included */
    OPTIONS_FILE_MAX_BYTES = 16 * 1024,
    OPTIONS_TIMEOUT_DEFAULT_MS = 1000,
    OPTIONS_TIMEOUT_MAX_MS = 60 * 1000,
};

enum mode { MODE_NONE, MODE_VERIFY, MODE_AUTHTOK, MODE_CAPTURE, MODE_ENV, MODE_COUNT_ };

enum unavailable { UNAVAILABLE_BY_MODE, UNAVAILABLE_FAIL, UNAVAILABLE_IGNORE };

/* Whose name PAM_USER is after verify or authtok. */
enum login_user { LOGIN_USER_LOCAL, LOGIN_USER_EXTERNAL };

struct options {
    enum mode mode;
    enum unavailable unavailable;
    enum login_user user;
    unsigned timeout_ms;
    bool without_password;
    bool debug;
    char application[NAME_MAX_BYTES + 1];
    char field[NAME_MAX_BYTES + 1]; /* "": the only masked field */
    char config[OPTIONS_PATH_SIZE]; /* "": no file */
};

enum options_outcome { OPTIONS_DONE, OPTIONS_FAULT };

struct options_fault {
    char option[64];    /* its name, never its value; "" when the fault is not one option's */
    const char *reason; /* static text: "'OPTION' REASON" */
    unsigned line;      /* of the file, from 1; 0: the PAM line, or the file as a whole */
};

/* Every option as it is when nobody gives it. */
void options_init(struct options *options);
/* Applies the words of a PAM line to `options`. On a fault `options` is half applied. */
int options_parse_words(struct options *options, int argc, const char **argv,
                        struct options_fault *ret_fault) MUST_CHECK;
/* Applies the content of a file, likewise. config= is not an option there. */
int options_parse_text(struct options *options, const void *bytes, size_t length,
                       struct options_fault *ret_fault) MUST_CHECK;
/* All of it: defaults, the file, the line, then what must be given. On OPTIONS_DONE `unavailable`
 * is never UNAVAILABLE_BY_MODE. On a fault `debug` and `config` are as far as they were read. */
int options_load(struct options *ret_options, int argc, const char **argv,
                 struct options_fault *ret_fault) MUST_CHECK;

#endif

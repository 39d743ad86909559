/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What the command line writes: tables, JSON, and every message of failure. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "client/cli/command.h"

#include <jansson.h>

/* "mastersecret: MESSAGE", and returns STATUS_USAGE or STATUS_LOCAL. */
int output_usage(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));
int output_local(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

/* "mastersecret: cannot VERB OBJECT 'NAME': TEXT" and the remedy; returns the exit status. */
int output_failure(struct cli *cli, enum mastersecret_error error);

/* JSON and a newline; takes the value over. Returns STATUS_DONE or STATUS_LOCAL. */
int output_json(json_t *value);

struct column {
    const char *title;
    const char *key; /* member of each row */
};
/* A table of an array of objects; columns end with a NULL title. Lists are joined, true is "yes",
 * members such as "changed" are times. Borrows rows. */
void output_table(const json_t *rows, const struct column *columns);
/* One "name  value" line for each column, NULL and absent members left out. */
void output_members(const json_t *object, const struct column *columns);

/* Rows as JSON or as a table, an object as JSON or as lines. Return STATUS_DONE or STATUS_LOCAL. */
int output_rows(struct cli *cli, const json_t *rows, const struct column *columns);
int output_object(struct cli *cli, const json_t *object, const struct column *columns);

/* A report that the service gave, as JSON or line by line: members named as it named them, "-"
 * being a blank. Returns STATUS_DONE or STATUS_LOCAL. */
int output_report(struct cli *cli, const json_t *report);

/* Text for people of a JSON value: control characters become '?'. To be freed; NULL without
 * memory. */
char *output_text(const char *key, const json_t *value);
/* "2026-11-21 02:10:00 UTC" of microseconds since 1970; "never" for 0. */
void output_time(uint64_t usec, char *ret_text, size_t size);
/* "3 d 4 h", "2 min 5 s". */
void output_duration(uint64_t usec, char *ret_text, size_t size);

#endif

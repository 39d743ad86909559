/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* From argv to a command and its arguments. */
#ifndef CLI_PARSE_H
#define CLI_PARSE_H

#include "client/cli/command.h"

#include <stdio.h>

/* STATUS_DONE, with *ret_command NULL when --help or --version was all there was to do, or
 * STATUS_USAGE after a message. Permutes argv. */
int parse(int argc, char **argv, const struct command **ret_command,
          struct arguments *ret_arguments) MUST_CHECK;

/* The help of one command, or with NULL of all. */
void help_write(FILE *file, const struct command *command);

#endif

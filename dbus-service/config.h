/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The configuration file mastersecretd.conf(5) and the folders the service works in. Each key is one
 * line of the table in config.c; there is nothing secret in here. A configuration is read as a whole or
 * not at all. */
#ifndef SERVICE_CONFIG_H
#define SERVICE_CONFIG_H

#include "common/cleanup.h"

#include <stddef.h>

#define CONFIG_FILE_NAME "mastersecretd.conf"
#define CONFIG_ERROR_MAX 400

struct config_list {
    char **names;
    size_t count;
};

enum config_audit { CONFIG_AUDIT_NONE, CONFIG_AUDIT_ADMINISTRATION, CONFIG_AUDIT_ALL };

struct config {
    struct config_list administrators;
    struct config_list affiliate_administrators;
    char *anchor;  /* absolute; "" = the default place */
    char *keyfile; /* the same */
    unsigned name_cache; /* seconds */
    char *backup_directory; /* absolute; "" = none */
    unsigned backup_max_age; /* seconds; 0 = no age is too old */
    unsigned rotate_after;  /* seconds; 0 = never */
    unsigned keep_retired;  /* seconds */
    unsigned rotation_rate; /* records per second; 0 = as fast as it goes */
    unsigned audit_success; /* enum config_audit */
    unsigned audit_failure;
    unsigned connections;
    unsigned connections_per_user;
    unsigned calls_per_user;
    unsigned kilobytes_per_user;
    unsigned requests_per_second;
    unsigned verify_burst;
    unsigned verify_per_minute;
};

/* Reads and checks the file; one that is not there gives the defaults. 0, or -errno with a sentence
 * "FILE:LINE: what is wrong". */
int config_load(const char *path, struct config **ret_config,
                char ret_error[CONFIG_ERROR_MAX]) MUST_CHECK;
void config_free(struct config *config);

/* Where things are: from systemd's STATE_DIRECTORY (the first entry; the second is the anchor's folder),
 * RUNTIME_DIRECTORY, CONFIGURATION_DIRECTORY and CREDENTIALS_DIRECTORY, else where tmpfiles made them:
 * the bus' helper starts us without an environment. */
struct config_paths {
    char *config_file;
    char *state_folder;
    char *anchor;     /* a file */
    char *keyfile;
    char *credential; /* NULL when there are no credentials */
    char *run_folder;
};

/* `config_file` NULL = the default one. 0, -ENOMEM, -EINVAL (a path is not absolute). */
int config_paths_init(struct config_paths *paths, const char *config_file) MUST_CHECK;
void config_paths_deinit(struct config_paths *paths);

/* One key, for the test that compares the sample file and the manual with the table. */
struct config_key {
    const char *section;
    const char *name;
    const char *value; /* the default, as it would stand in the file */
};
/* NULL behind the last. */
const struct config_key *config_key_at(size_t index);

#endif

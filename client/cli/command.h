/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The command line as data: every verb and every option is one row of a table. Parsing, --help,
 * completion and the synopsis of the manual come from these tables.
 * A handler returns the exit status; it has printed why when that is not 0. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "client/mastersecret.h"
#include "common/cleanup.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    STATUS_DONE = 0,
    STATUS_LOCAL = 1, /* something on this side failed: a file, a terminal, memory */
    STATUS_USAGE = 2, /* and from here on the classes of common/names.h */
    STATUS_STATE = 6,
    STATUS_DAMAGED = 8,
    STATUS_MISMATCH = 10,
};

/* Identifier, name, argument (NULL = none), may be repeated, what it does. */
#define OPTION_TABLE(X)                                                                            \
    X(ADDRESS, "address", "ADDRESS", false, "use the message bus at this D-Bus address")           \
    X(TIMEOUT, "timeout", "SECONDS", false, "give up after this time (60)")                        \
    X(HELP, "help", NULL, false, "explain, and do nothing")                                        \
    X(VERSION, "version", NULL, false, "tell the version, and do nothing")                         \
    X(JSON, "json", NULL, false, "write JSON")                                                     \
    X(BACKUP, "backup", "FILE", false, "write the backup into this new file (needed)")             \
    X(HINT, "hint", "TEXT", false, "store this reminder of the passphrase in the clear")           \
    X(SLOT, "slot", "keyfile|credential|passphrase", false,                                        \
      "how the service opens its keys when it starts (keyfile)")                                   \
    X(PASSPHRASE_FILE, "passphrase-file", "FILE", false, "read the passphrase from this file")     \
    X(TYPE, "type", "individual|group", false, "whose mappings it holds (individual)")             \
    X(DESCRIPTION, "description", "TEXT", false, "what it is")                                     \
    X(CONTACT, "contact", "TEXT", false, "whom to ask about it")                                   \
    X(USERS, "users", "NAME,...", true, "who may look up: groups, or user:NAME")                   \
    X(ADMINS, "admins", "NAME,...", true, "who may change mappings: groups, or user:NAME")         \
    X(AGENTS, "agents", "user:NAME,...", true,                                                     \
      "accounts that look up or verify for its users; 'none' shuts root out too")                  \
    X(DEFINE_FIELD, "field", "LABEL[:masked]", true,                                               \
      "a field; the first is the external user name")                                              \
    X(ENABLE, "enable", NULL, false, "enable it at once")                                          \
    X(ADD_FIELD, "add-field", "LABEL[:masked]", true, "add a field")                               \
    X(RELABEL, "relabel", "OLD=NEW", true, "give a field another label")                           \
    X(USER, "user", "USER", false, "the mapping of this user (yourself)")                          \
    X(GROUP, "group", "GROUP", false, "the mapping of this group")                                 \
    X(EXTERNAL, "external", "NAME", false, "the user name in the application")                     \
    X(SET_FIELD, "field", "LABEL=VALUE", true, "the value of a plain field")                       \
    X(STDIN, "stdin", NULL, false, "read the secret from standard input, to its end")              \
    X(FD, "fd", "LABEL=N", true, "read the secret of that label from file descriptor N")           \
    X(WHICH_FIELD, "field", "LABEL", false, "this field (the only masked one)")                    \
    X(REVEAL, "reveal", NULL, false, "write masked values even to a terminal")                     \
    X(FILES, "files", NULL, false, "give files in memory instead of environment variables")        \
    X(SHARE, "share", NULL, false, "enter one share of a slot; the last that is needed opens it")  \
    X(CANCEL, "cancel", NULL, false, "forget the shares entered so far")                           \
    X(THRESHOLD, "threshold", "K", false, "how many shares open the slot")                         \
    X(COUNT, "count", "N", false, "how many shares are made")                                      \
    X(SHARE_FILE, "share-file", "PREFIX", false,                                                   \
      "write the shares into new files PREFIX-1, PREFIX-2 and so on")                              \
    X(PRIVATE_FILE, "private-file", "FILE", false, "write the private key into this new file")     \
    X(PRINT, "print", NULL, false, "print the private key as text and as QR code, for paper")      \
    X(NEW_BACKUP, "backup", "FILE", false,                                                         \
      "write the backup into this new file, under a passphrase")                                   \
    X(TO_DIRECTORY, "to-directory", NULL, false,                                                   \
      "write to the recipients, into the configured directory")                                    \
    X(TO_RECIPIENTS, "to-recipients", NULL, false,                                                 \
      "seal the file to the recipients, without a passphrase")                                     \
    X(PRIVATE_KEY, "private-key", "FILE", false,                                                   \
      "open it with a recipient's private key, in this file")                                      \
    X(NEW_SLOT, "slot", "keyfile|credential|passphrase", false,                                    \
      "how a new keyring is opened afterwards (keyfile); one that is open keeps its slots")        \
    X(DRY_RUN, "dry-run", NULL, false, "tell what would be done, and do nothing")                  \
    X(ACCEPT_LOSS, "accept-loss", "N", false, "go on although N records become unreadable")        \
    X(ACCEPT_ROLLBACK, "accept-rollback", NULL, false, "go on with data older than its anchor")    \
    X(THROTTLE, "throttle", "N[/s]", false,                                                        \
      "records per second (rotation-rate); 0: no limit")                                           \
    X(PAUSE, "pause", NULL, false, "let the rotation under way rest")                              \
    X(RESUME, "resume", NULL, false, "let it go on")                                               \
    X(WAIT, "wait", NULL, false, "show the progress, and wait for the end")                        \
    X(AGAIN, "again", NULL, false, "queue one more, if one is under way")                          \
    X(IF_DUE, "if-due", NULL, false, "only if rotate-after of the configuration says so")          \
    X(DEEP, "deep", NULL, false, "open every record too, and count anew")

enum option_id {
#define X(id, name, argument, repeated, text) OPTION_##id,
    OPTION_TABLE(X)
#undef X
    OPTION_COUNT_
};

struct option_row {
    const char *name;
    const char *argument;
    bool repeated;
    const char *text;
};
extern const struct option_row option_rows[OPTION_COUNT_];

#define OPTION_BIT(id) (UINT64_C(1) << OPTION_##id)
/* Taken by every command. */
#define OPTIONS_GLOBAL                                                                             \
    (OPTION_BIT(ADDRESS) | OPTION_BIT(TIMEOUT) | OPTION_BIT(HELP) | OPTION_BIT(VERSION))

enum { REPEATED_MAX = 64 };

struct arguments {
    int count;
    char **words; /* what is left beside options; for run, the command follows the application */
    struct {
        size_t count;
        const char *values[REPEATED_MAX]; /* "" for an option without an argument */
    } options[OPTION_COUNT_];
};

/* The (first) value, or NULL when the option was not given. */
const char *arguments_option(const struct arguments *arguments, enum option_id id);

struct cli {
    struct mastersecret *service;
    const struct command *command;
    struct arguments arguments;
};

struct command {
    const char *noun; /* "app", "secret slot", or NULL for a verb that stands alone */
    const char *verb;
    const char *words; /* synopsis: "APP"; an APP is checked to be a name */
    int words_min;
    int words_max; /* -1 = any number, and options end at the first of them */
    uint64_t options;
    const char *summary;
    const char *cannot; /* completes "cannot ..."; the first word, quoted, follows */
    int (*run)(struct cli *cli);
    const char *method; /* for handlers that serve several verbs */
    const char *detail; /* more for --help, or NULL */
};
/* Ended by a row without a verb. */
extern const struct command commands[];

int command_status(struct cli *cli);
int command_export(struct cli *cli);
int command_import(struct cli *cli);
int command_doctor(struct cli *cli);
int command_secret_generate(struct cli *cli);
int command_secret_seal(struct cli *cli);
int command_secret_unseal(struct cli *cli);
int command_slot_list(struct cli *cli);
int command_slot_add(struct cli *cli);
int command_slot_replace(struct cli *cli);
int command_slot_remove(struct cli *cli);
int command_slot_test(struct cli *cli);
int command_recipient_new(struct cli *cli);
int command_recipient_add(struct cli *cli);
int command_recipient_list(struct cli *cli);
int command_recipient_remove(struct cli *cli);
int command_backup_create(struct cli *cli);
int command_backup_inspect(struct cli *cli);
int command_backup_verify(struct cli *cli);
int command_restore(struct cli *cli);
int command_rotate(struct cli *cli);
int command_census(struct cli *cli);
int command_app_create(struct cli *cli);
int command_app_list(struct cli *cli);
int command_app_show(struct cli *cli);
int command_app_update(struct cli *cli);
int command_app_simple(struct cli *cli);
int command_map_set(struct cli *cli);
int command_map_show(struct cli *cli);
int command_map_list(struct cli *cli);
int command_map_simple(struct cli *cli);
int command_get(struct cli *cli);
int command_verify(struct cli *cli);
int command_run(struct cli *cli);

#endif

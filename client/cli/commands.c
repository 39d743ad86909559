/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/command.h"

const struct option_row option_rows[OPTION_COUNT_] = {
#define X(id, name, argument, repeated, text) [OPTION_##id] = { name, argument, repeated, text },
    OPTION_TABLE(X)
#undef X
};

#define JSON OPTION_BIT(JSON)
#define ACCOUNT (OPTION_BIT(USER) | OPTION_BIT(GROUP))
#define SECRET (OPTION_BIT(STDIN) | OPTION_BIT(FD))
#define PASSPHRASE (SECRET | OPTION_BIT(PASSPHRASE_FILE))
#define DEFINITION                                                                                 \
    (OPTION_BIT(DESCRIPTION) | OPTION_BIT(CONTACT) | OPTION_BIT(USERS) | OPTION_BIT(ADMINS) |      \
     OPTION_BIT(AGENTS))

const struct command commands[] = {
    { NULL, "status", "", 0, 0, JSON, "tell how the service is, and what should be done next",
      "tell the status", command_status, NULL,
      "Exits with 0 if the service is ready, 6 if it is in another state." },

    { "secret", "generate", "", 0, 0,
      OPTION_BIT(BACKUP) | OPTION_BIT(HINT) | OPTION_BIT(SLOT) | PASSPHRASE | JSON,
      "make the master secret, and its backup in the same call", "generate the master secret",
      command_secret_generate, NULL,
      "The passphrase, 8 to 1024 bytes, protects the backup; one newline at its end is dropped.\n"
      "With --fd its label is 'passphrase'; for --slot passphrase, 'slot-passphrase' may be\n"
      "another one, else the same opens the slot." },
    { "secret", "seal", "", 0, 0, 0, "make the service forget its keys until it is unsealed",
      "seal the service", command_secret_seal, NULL, NULL },
    { "secret", "unseal", "", 0, 0, PASSPHRASE | OPTION_BIT(SHARE) | OPTION_BIT(CANCEL) | JSON,
      "give the service its keys again", "unseal the service", command_secret_unseal, NULL,
      "Asks for a passphrase only if the keyring has a slot for one and no other opens.\n"
      "With --share one share is asked for; with --fd its label is 'share'. Shares come in any\n"
      "order, from different administrators, and are forgotten after 10 minutes." },
    { "secret", "rotate", "", 0, 0,
      OPTION_BIT(NEW_BACKUP) | OPTION_BIT(TO_RECIPIENTS) | OPTION_BIT(HINT) | PASSPHRASE |
          OPTION_BIT(DRY_RUN) | OPTION_BIT(THROTTLE) | OPTION_BIT(PAUSE) | OPTION_BIT(RESUME) |
          OPTION_BIT(WAIT) | OPTION_BIT(AGAIN) | OPTION_BIT(IF_DUE) | JSON,
      "make a new generation, and encrypt every record anew under it", "rotate the master secret",
      command_rotate, NULL,
      "A backup with the new generation comes first: into --backup FILE, or without it to the\n"
      "recipients, into the configured directory. Lookups and changes go on meanwhile.\n"
      "--pause and --resume, the latter with --throttle and --wait, are for the one under way;\n"
      "--resume also tries again after a failure." },
    { "secret", "restore", "FILE", 1, 1,
      OPTION_BIT(DRY_RUN) | OPTION_BIT(ACCEPT_LOSS) | OPTION_BIT(ACCEPT_ROLLBACK) |
          OPTION_BIT(NEW_SLOT) | OPTION_BIT(PRIVATE_KEY) | PASSPHRASE | JSON,
      "take the keys from a backup", "restore", command_restore, NULL,
      "On an empty machine, beside data, or into a running service. The keyring that was there\n"
      "is kept aside. N of --accept-loss is what the dry run counts, no more and no fewer. With --fd\n"
      "the labels are 'passphrase' (of the backup), 'private-key' and 'slot-passphrase'." },
    { "secret", "census", "", 0, 0, JSON, "count the records of each generation",
      "count the records", command_census, NULL, NULL },

    { "secret slot", "list", "", 0, 0, JSON, "list the ways to open the keyring", "list the slots",
      command_slot_list, NULL, "Also while the service is sealed." },
    { "secret slot", "add", "KIND", 1, 1,
      OPTION_BIT(THRESHOLD) | OPTION_BIT(COUNT) | OPTION_BIT(SHARE_FILE) | PASSPHRASE | JSON,
      "add a way to open the keyring", "add a slot of the kind", command_slot_add, NULL,
      "KIND is keyfile, credential, passphrase or shares. Shares are shown one after the other on\n"
      "the terminal, or written into files; --threshold of them open the slot. If one cannot be\n"
      "written, or is not taken, the slot is removed again." },
    { "secret slot", "replace", "ID", 1, 1,
      OPTION_BIT(THRESHOLD) | OPTION_BIT(COUNT) | OPTION_BIT(SHARE_FILE) | PASSPHRASE | JSON,
      "give a slot new key material", "replace slot", command_slot_replace, NULL,
      "A new key file, passphrase or set of shares; a credential is read again. There is no\n"
      "moment at which neither opens." },
    { "secret slot", "remove", "ID", 1, 1, 0, "remove a slot", "remove slot", command_slot_remove,
      NULL, "The last one cannot be removed." },
    { "secret slot", "test", "ID", 1, 1, PASSPHRASE | JSON,
      "see whether a slot still opens the keyring", "open slot", command_slot_test, NULL,
      "Asks for the passphrase, or for shares; with --fd their labels are 'share-1', ..." },

    { "secret recipient", "new", "", 0, 0, OPTION_BIT(PRIVATE_FILE) | OPTION_BIT(PRINT) | JSON,
      "make a key pair for backups", "make a key pair", command_recipient_new, NULL,
      "Needs no service, and is best done on another machine. The private key goes into the file,\n"
      "or onto paper; the public one is for: mastersecret secret recipient add" },
    { "secret recipient", "add", "NAME PUBLIC-KEY", 2, 2, 0, "let backups be opened by that key",
      "add recipient", command_recipient_add, NULL, NULL },
    { "secret recipient", "list", "", 0, 0, JSON, "list whose keys open the backups",
      "list the recipients", command_recipient_list, NULL, NULL },
    { "secret recipient", "remove", "NAME", 1, 1, 0, "seal no more backups to a recipient",
      "remove recipient", command_recipient_remove, NULL,
      "Backups that are made already stay as they are." },

    { "secret backup", "create", "[FILE]", 0, 1,
      OPTION_BIT(TO_DIRECTORY) | OPTION_BIT(TO_RECIPIENTS) | OPTION_BIT(HINT) | PASSPHRASE | JSON,
      "make a backup of all keys, and prove it", "make the backup", command_backup_create, NULL,
      "Into a new FILE, under a passphrase or to the recipients; or --to-directory." },
    { "secret backup", "inspect", "FILE", 1, 1, JSON, "tell what a backup says without a key",
      "inspect the backup", command_backup_inspect, NULL,
      "Needs no service. What was altered is refused; that it opens is shown by verify." },
    { "secret backup", "verify", "FILE", 1, 1, OPTION_BIT(PRIVATE_KEY) | PASSPHRASE | JSON,
      "open a backup, and compare it with the service", "verify the backup",
      command_backup_verify, NULL,
      "Every generation is compared, and a sample of records decrypted with it." },

    { NULL, "export", "FILE", 1, 1, JSON, "write all records into a new file, still encrypted",
      "export to", command_export, NULL,
      "As of one revision, while the service goes on. Only the master secret opens it: a backup\n"
      "of that is needed, too." },
    { NULL, "import", "FILE", 1, 1, JSON, "take all records from an export", "import from",
      command_import, NULL, "Into a service that has the same master secret and no records." },
    { NULL, "doctor", "", 0, 0, OPTION_BIT(DEEP) | JSON,
      "look for what is wrong, and tell what mends it", "examine the service", command_doctor,
      NULL, "Exits with 0 if nothing was found, 1 otherwise; notes do not count." },

    { "app", "create", "APP", 1, 1,
      DEFINITION | OPTION_BIT(TYPE) | OPTION_BIT(DEFINE_FIELD) | OPTION_BIT(ENABLE),
      "define an application", "create application", command_app_create, NULL,
      "Without --field it has the fields 'user' and 'password:masked'." },
    { "app", "list", "", 0, 0, JSON, "list the applications you have a role in",
      "list applications", command_app_list, NULL, NULL },
    { "app", "show", "APP", 1, 1, JSON, "show an application's definition", "show application",
      command_app_show, NULL, NULL },
    { "app", "update", "APP", 1, 1, DEFINITION | OPTION_BIT(ADD_FIELD) | OPTION_BIT(RELABEL),
      "change an application's definition", "update application", command_app_update, NULL,
      "Only what is given changes; a list is replaced, and --users '' empties it.\n"
      "Fields are added and relabelled without touching the mappings." },
    { "app", "enable", "APP", 1, 1, 0, "let an application be used", "enable application",
      command_app_simple, "Enable", NULL },
    { "app", "disable", "APP", 1, 1, 0, "keep an application from being used",
      "disable application", command_app_simple, "Disable", NULL },
    { "app", "delete", "APP", 1, 1, 0, "delete an application with all its mappings",
      "delete application", command_app_simple, "Delete", NULL },

    { "map", "set", "APP", 1, 1,
      ACCOUNT | OPTION_BIT(EXTERNAL) | OPTION_BIT(SET_FIELD) | SECRET,
      "make a mapping or change it", "set a mapping of application", command_map_set, NULL,
      "Fields that are not given keep their value. Masked ones are asked for on the terminal\n"
      "(an empty answer keeps the value), or read by --stdin (the one masked field) or --fd." },
    { "map", "show", "APP", 1, 1, ACCOUNT | JSON, "show a mapping, but no masked value",
      "show a mapping of application", command_map_show, NULL, NULL },
    { "map", "list", "[APP]", 0, 1, JSON, "list an application's mappings, or your own",
      "list mappings of application", command_map_list, NULL, NULL },
    { "map", "enable", "APP", 1, 1, ACCOUNT, "let a mapping be used",
      "enable a mapping of application", command_map_simple, "EnableMapping", NULL },
    { "map", "disable", "APP", 1, 1, ACCOUNT, "keep a mapping from being used",
      "disable a mapping of application", command_map_simple, "DisableMapping", NULL },
    { "map", "delete", "APP", 1, 1, ACCOUNT, "delete a mapping",
      "delete a mapping of application", command_map_simple, "DeleteMapping", NULL },

    { NULL, "get", "APP", 1, 1,
      OPTION_BIT(USER) | OPTION_BIT(WHICH_FIELD) | OPTION_BIT(REVEAL) | JSON,
      "write a credential, byte for byte", "get the credentials of application", command_get,
      NULL,
      "With --json all fields: {\"fields\": {LABEL: {\"masked\": true, \"value\": TEXT}}}; a\n"
      "value that is not UTF-8 has the member \"base64\" instead of \"value\"." },
    { NULL, "verify", "APP", 1, 1,
      OPTION_BIT(USER) | OPTION_BIT(WHICH_FIELD) | SECRET | JSON,
      "compare a password with the stored one", "verify a credential of application",
      command_verify, NULL, "Exits with 0 if it matches, 10 if not." },
    { NULL, "run", "APP -- COMMAND [ARGUMENT...]", 2, -1,
      OPTION_BIT(USER) | OPTION_BIT(FILES),
      "run a command that gets the credentials",
      "run a command with the credentials of application", command_run, NULL,
      "The command finds each field in MASTERSECRET_LABEL, the external user name among them;\n"
      "with --files MASTERSECRET_LABEL_FILE names a file in memory instead. In LABEL letters\n"
      "are upper case, and what is neither letter nor digit is '_'. The command's exit status\n"
      "is passed on." },
    { 0 },
};

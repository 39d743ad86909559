/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* secret recipient: whose keys open backups that are made without a passphrase. */
#include "client/cli/new_file.h"
#include "client/cli/output.h"
#include "client/cli/qr.h"
#include "client/cli/secret_call.h"
#include "common/recipient_key.h"

#include <string.h>

/* ---- New ---- */

struct pair {
    char public_text[RECIPIENT_PUBLIC_TEXT_SIZE];
    char private_text[RECIPIENT_PRIVATE_TEXT_SIZE];
};

static void pair_deinit(struct pair *pair)
{
    memory_wipe(pair, sizeof(*pair));
}

static int make_pair(struct pair *ret_pair)
{
    uint8_t private_key[RECIPIENT_KEY_SIZE], public_key[RECIPIENT_KEY_SIZE];

    if (recipient_key_new(private_key, public_key) < 0)
        return output_local("there is no randomness to make a key of");
    recipient_public_format(public_key, ret_pair->public_text);
    recipient_private_format(private_key, ret_pair->private_text);
    memory_wipe(private_key, sizeof(private_key));
    return STATUS_DONE;
}

static int write_private(const struct pair *pair, const char *path)
{
    CLEANUP_NEW_FILE struct new_file file = new_file_named("private key", path);
    CLEANUP_SECRET struct secret *line = NULL;

    if (secret_new(sizeof(pair->private_text), &line) < 0 ||
        secret_append(line, pair->private_text, strlen(pair->private_text)) < 0 ||
        secret_append(line, "\n", 1) < 0)
        return output_local("out of memory");
    return new_file_write(&file, line);
}

static int print_private(const struct pair *pair)
{
    if (isatty(STDOUT_FILENO))
        fprintf(stderr, "Whoever sees what follows can open every backup that is sealed to this "
                        "key.\nPut it on paper, then close this terminal.\n\n");
    printf("private  %s\n\n", pair->private_text);
    if (qr_write(stdout, pair->private_text) < 0)
        return output_local("cannot make the QR code");
    putchar('\n');
    return STATUS_DONE;
}

static int report(struct cli *cli, const struct pair *pair)
{
    if (arguments_option(&cli->arguments, OPTION_JSON))
        return output_json(json_pack("{s:s}", "public", pair->public_text));
    printf("public   %s\n", pair->public_text);
    return STATUS_DONE;
}

int command_recipient_new(struct cli *cli)
{
    const char *path = arguments_option(&cli->arguments, OPTION_PRIVATE_FILE);
    bool print = arguments_option(&cli->arguments, OPTION_PRINT) != NULL;
    CLEANUP(pair_deinit) struct pair pair = { 0 };
    int r;

    if (!path && !print)
        return output_usage("where should the private key go: --private-file FILE, or --print?");
    if (print && arguments_option(&cli->arguments, OPTION_JSON))
        return output_usage("--print is for paper, --json for programs: the private key is in no "
                            "JSON");
    r = make_pair(&pair);
    if (r == STATUS_DONE && path)
        r = write_private(&pair, path);
    if (r == STATUS_DONE && print)
        r = print_private(&pair);
    return r == STATUS_DONE ? report(cli, &pair) : r;
}

/* ---- Add, list, remove ---- */

static int check_name(const char *name)
{
    return name_is_valid(name)
               ? STATUS_DONE
               : output_usage("a recipient's name is 1 to 255 bytes of UTF-8 without control "
                              "characters");
}

static int check_public(const char *text)
{
    uint8_t key[RECIPIENT_KEY_SIZE];
    int outcome = recipient_public_parse(text, strlen(text), key);

    switch ((enum recipient_key_outcome)outcome) {
    case RECIPIENT_KEY_DONE:
        return STATUS_DONE;
    case RECIPIENT_KEY_OTHER_HALF:
        return output_usage("that is a private key, and it stands in this shell's history now: "
                            "make another pair, and give the public key of it");
    case RECIPIENT_KEY_MISTYPED:
        return output_usage("the public key is mistyped: compare it letter by letter");
    case RECIPIENT_KEY_NEWER:
        return output_usage("the public key is of a newer format than this version knows");
    case RECIPIENT_KEY_NOT_ONE:
        break;
    }
    return output_usage("a public key begins with '%s'; make one with: mastersecret secret "
                        "recipient new", RECIPIENT_PUBLIC_PREFIX);
}

int command_recipient_add(struct cli *cli)
{
    char **words = cli->arguments.words;
    int r = check_name(words[0]);

    if (r == STATUS_DONE)
        r = check_public(words[1]);
    return r == STATUS_DONE
               ? secret_call(cli, "AddRecipient", "ss", json_pack("[ss]", words[0], words[1]),
                             CALL_CHANGES, NULL)
               : r;
}

int command_recipient_remove(struct cli *cli)
{
    const char *name = cli->arguments.words[0];
    int r = check_name(name);

    return r == STATUS_DONE ? secret_call(cli, "RemoveRecipient", "s", json_pack("[s]", name),
                                          CALL_CHANGES, NULL)
                            : r;
}

int command_recipient_list(struct cli *cli)
{
    static const char *const keys[] = { "name", "public", "added", NULL };
    static const struct column columns[] = {
        { "NAME", "name" }, { "PUBLIC KEY", "public" }, { "ADDED", "added" }, { NULL, NULL }
    };
    CLEANUP_JSON json_t *state = NULL;
    CLEANUP_JSON json_t *rows = NULL;
    enum mastersecret_error error =
        service_property_rows(cli, NULL, BUS_INTERFACE_SECRET, "Recipients", keys, &rows);

    /* A sealed service knows of none, and lists none. */
    if (error == MASTERSECRET_OK && json_array_size(rows) == 0)
        error = service_property(cli, NULL, BUS_INTERFACE_MANAGER, "State", &state);
    if (error == MASTERSECRET_OK && state && strcmp(json_string_value(state), "sealed") == 0)
        error = MASTERSECRET_SEALED;
    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    return output_rows(cli, rows, columns);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* secret slot: the ways to open the keyring. */
#include "client/cli/new_file.h"
#include "client/cli/output.h"
#include "client/cli/prompt.h"
#include "client/cli/secret_call.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

enum { SHARES_MIN = 2, SHARES_MAX = 16 };

/* ---- List ---- */

static int read_slots(struct cli *cli, json_t **ret_rows)
{
    static const char *const keys[] = { "id", "kind", "threshold", "count", NULL };
    enum mastersecret_error error =
        service_property_rows(cli, NULL, BUS_INTERFACE_SECRET, "Slots", keys, ret_rows);
    size_t index;
    json_t *row;

    if (error != MASTERSECRET_OK)
        return output_failure(cli, error);
    json_array_foreach(*ret_rows, index, row) {
        if (json_integer_value(json_object_get(row, "count")) > 0)
            continue;
        json_object_del(row, "threshold");
        json_object_del(row, "count");
    }
    return STATUS_DONE;
}

int command_slot_list(struct cli *cli)
{
    static const struct column columns[] = { { "ID", "id" },
                                             { "KIND", "kind" },
                                             { "NEEDED", "threshold" },
                                             { "SHARES", "count" },
                                             { NULL, NULL } };
    CLEANUP_JSON json_t *rows = NULL;
    int r = read_slots(cli, &rows);

    if (r != STATUS_DONE)
        return r;
    return output_rows(cli, rows, columns);
}

static int parse_id(const char *text, json_int_t *ret_id)
{
    char *end;
    unsigned long id;

    errno = 0;
    id = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || id > UINT32_MAX)
        return output_usage("a slot's id is a number, not '%s'; see: mastersecret secret slot list",
                            text);
    *ret_id = (json_int_t)id;
    return STATUS_DONE;
}

/* The row of the slot in the first word. */
static int find_slot(struct cli *cli, json_t **ret_slot)
{
    CLEANUP_JSON json_t *rows = NULL;
    json_int_t id = 0;
    size_t index;
    json_t *row;
    int r = parse_id(cli->arguments.words[0], &id);

    if (r == STATUS_DONE)
        r = read_slots(cli, &rows);
    if (r != STATUS_DONE)
        return r;
    json_array_foreach(rows, index, row)
        if (json_integer_value(json_object_get(row, "id")) == id) {
            *ret_slot = json_incref(row);
            return STATUS_DONE;
        }
    return output_failure(cli, MASTERSECRET_SLOT_NOT_FOUND);
}

/* ---- Shares ---- */

struct shares {
    unsigned threshold;
    unsigned count;
    const char *prefix; /* of the files, or NULL: the terminal */
};

/* --threshold or --count; 0 when it was not given. */
static int parse_count(const struct arguments *arguments, enum option_id id, unsigned *ret_count)
{
    const char *text = arguments_option(arguments, id);
    char *end;
    unsigned long count = text ? strtoul(text, &end, 10) : 0;

    if (text && (*text < '0' || *text > '9' || *end || count < SHARES_MIN || count > SHARES_MAX))
        return output_usage("--%s wants a number from %d to %d, not '%s'", option_rows[id].name,
                            SHARES_MIN, SHARES_MAX, text);
    *ret_count = (unsigned)count;
    return STATUS_DONE;
}

static int check_shares(const struct arguments *arguments, bool wanted, struct shares *shares)
{
    int r = parse_count(arguments, OPTION_THRESHOLD, &shares->threshold);

    if (r == STATUS_DONE)
        r = parse_count(arguments, OPTION_COUNT, &shares->count);
    if (r != STATUS_DONE)
        return r;
    shares->prefix = arguments_option(arguments, OPTION_SHARE_FILE);
    if (!wanted)
        return shares->threshold || shares->count || shares->prefix
                   ? output_usage("--threshold, --count and --share-file are for shares only")
                   : STATUS_DONE;
    if (shares->threshold == 0 || shares->count == 0)
        return output_usage("shares want --threshold K and --count N: K of N open the slot");
    if (shares->threshold > shares->count)
        return output_usage("--threshold %u is more than --count %u", shares->threshold,
                            shares->count);
    if (!shares->prefix && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)))
        return output_usage("there is no terminal to show the shares on; use --share-file PREFIX");
    return STATUS_DONE;
}

static int await_shares(struct cli *cli, const struct shares *shares, struct handover *handover)
{
    int r = STATUS_DONE;

    for (unsigned i = 1; i <= shares->count && r == STATUS_DONE; i++) {
        char label[32];

        snprintf(label, sizeof(label), "share-%u", i);
        r = handover_await(cli, handover, label);
    }
    return r;
}

/* One at a time, each for another pair of eyes; the screen is cleared after each. */
static int show_share(const struct secret *text, unsigned number, unsigned count)
{
    bool seen;

    printf("\033[2J\033[HShare %u of %u. Only its keeper should see this. Write it down:\n\n    "
           "%.*s\n\nThen press Enter: ",
           number, count, (int)text->length, (const char *)text->bytes);
    fflush(stdout);
    seen = prompt_enter();
    printf("\033[H\033[2J\033[3J");
    fflush(stdout);
    return seen ? STATUS_DONE : output_local("share %u of %u was not taken", number, count);
}

static int write_share(const struct secret *text, const char *prefix, unsigned number)
{
    CLEANUP_NEW_FILE struct new_file file = new_file_named("share", NULL);
    CLEANUP_SECRET struct secret *line = NULL;
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s-%u", prefix, number);
    file.path = path;
    if (secret_new(text->length + 1, &line) < 0 ||
        secret_append(line, text->bytes, text->length) < 0 || secret_append(line, "\n", 1) < 0)
        return output_local("out of memory");
    return new_file_write(&file, line);
}

static int give_out_shares(struct cli *cli, const struct shares *shares,
                           struct handover *handover)
{
    int r = STATUS_DONE;

    for (unsigned i = 0; i < shares->count && r == STATUS_DONE; i++) {
        CLEANUP_SECRET struct secret *text = NULL;

        r = handover_take(cli, handover, i, &text);
        if (r != STATUS_DONE)
            break;
        if (shares->prefix)
            r = write_share(text, shares->prefix, i + 1);
        else
            r = show_share(text, i + 1, shares->count);
    }
    return r;
}

/* ---- Add, replace, remove ---- */

/* What the kind needs goes with the call: a new passphrase, or pipes for shares. */
static int prepare(struct cli *cli, const char *kind, struct shares *shares,
                   struct handover *handover)
{
    static const char *const labels[] = { "passphrase", NULL };
    CLEANUP_SECRET struct secret *passphrase = NULL;
    bool by_shares = strcmp(kind, "shares") == 0;
    int r = check_shares(&cli->arguments, by_shares, shares);

    if (r == STATUS_DONE)
        r = prompt_check_labels(&cli->arguments, labels);
    if (r == STATUS_DONE && by_shares)
        r = await_shares(cli, shares, handover);
    if (r == STATUS_DONE && strcmp(kind, "passphrase") == 0)
        r = prompt_passphrase(&cli->arguments, "passphrase", "New passphrase of the slot: ",
                              "The same again: ", &passphrase);
    if (r == STATUS_DONE && by_shares)
        prompt_hold_signals();
    return r == STATUS_DONE ? handover_give(cli, handover, "passphrase", passphrase) : r;
}

/* A slot that nobody can open must not pass for another way in when the others are removed. */
static void take_back(struct cli *cli, json_int_t id, bool added)
{
    if (added && secret_call(cli, "RemoveSlot", "u", json_pack("[I]", id), CALL_CHANGES, NULL) ==
                     STATUS_DONE)
        fputs("the slot is removed again, and what was given out of its shares is of no use\n",
              stderr);
    else
        fprintf(stderr,
                "slot %lld is made, but its shares are lost; run: mastersecret secret slot replace "
                "%lld --threshold K --count N\n",
                (long long)id, (long long)id);
}

static int finish(struct cli *cli, const json_t *results, const struct shares *shares,
                  struct handover *handover, bool added)
{
    json_int_t id = json_integer_value(json_array_get(results, 0));
    int r = give_out_shares(cli, shares, handover);

    if (r != STATUS_DONE) {
        take_back(cli, id, added);
        return r;
    }
    if (arguments_option(&cli->arguments, OPTION_JSON))
        return output_json(json_pack("{s:I}", "id", id));
    printf("slot %lld opens the keyring from now on\n", (long long)id);
    return STATUS_DONE;
}

int command_slot_add(struct cli *cli)
{
    const char *kind = cli->arguments.words[0];
    CLEANUP_HANDOVER struct handover handover = handover_new();
    CLEANUP_JSON json_t *results = NULL;
    struct shares shares = { 0 };
    int r = secret_check_slot(kind, true);

    if (r == STATUS_DONE)
        r = prepare(cli, kind, &shares, &handover);
    if (r == STATUS_DONE)
        r = secret_call(cli, "AddSlot", "sua{sh}",
                        json_pack("[siO]", kind, (int)shares.threshold, handover.descriptors),
                        CALL_CHANGES, &results);
    return r == STATUS_DONE ? finish(cli, results, &shares, &handover, true) : r;
}

int command_slot_replace(struct cli *cli)
{
    CLEANUP_HANDOVER struct handover handover = handover_new();
    CLEANUP_JSON json_t *results = NULL;
    CLEANUP_JSON json_t *slot = NULL;
    struct shares shares = { 0 };
    int r = find_slot(cli, &slot);

    if (r == STATUS_DONE)
        r = prepare(cli, json_string_value(json_object_get(slot, "kind")), &shares, &handover);
    if (r == STATUS_DONE)
        r = secret_call(cli, "ReplaceSlot", "uua{sh}",
                        json_pack("[OiO]", json_object_get(slot, "id"), (int)shares.threshold,
                                  handover.descriptors),
                        CALL_CHANGES, &results);
    return r == STATUS_DONE ? finish(cli, results, &shares, &handover, false) : r;
}

int command_slot_remove(struct cli *cli)
{
    json_int_t id = 0;
    int r = parse_id(cli->arguments.words[0], &id);

    return r == STATUS_DONE
               ? secret_call(cli, "RemoveSlot", "u", json_pack("[I]", id), CALL_CHANGES, NULL)
               : r;
}

/* ---- Test ---- */

static int give_shares(struct cli *cli, json_int_t threshold, struct handover *handover)
{
    int r = STATUS_DONE;

    for (json_int_t i = 1; i <= threshold && r == STATUS_DONE; i++) {
        CLEANUP_SECRET struct secret *share = NULL;
        char label[32], question[64];

        snprintf(label, sizeof(label), "share-%lld", (long long)i);
        snprintf(question, sizeof(question), "Share %lld of %lld needed: ", (long long)i,
                 (long long)threshold);
        r = prompt_from_option(&cli->arguments, label, &share);
        if (r == STATUS_DONE && !share)
            r = prompt_secret(question, NULL, &share);
        if (r == -ENXIO)
            r = output_usage("there is no terminal to ask for shares on; use --fd %s=N", label);
        if (r == STATUS_DONE)
            r = handover_give(cli, handover, label, share);
    }
    return r;
}

static int give_key(struct cli *cli, const json_t *slot, struct handover *handover)
{
    const char *kind = json_string_value(json_object_get(slot, "kind"));
    CLEANUP_SECRET struct secret *passphrase = NULL;
    int r = STATUS_DONE;

    if (kind && strcmp(kind, "shares") == 0)
        return give_shares(cli, json_integer_value(json_object_get(slot, "threshold")), handover);
    if (kind && strcmp(kind, "passphrase") == 0)
        r = prompt_passphrase(&cli->arguments, "passphrase", "Passphrase of the slot: ", NULL,
                              &passphrase);
    return r == STATUS_DONE ? handover_give(cli, handover, "passphrase", passphrase) : r;
}

int command_slot_test(struct cli *cli)
{
    CLEANUP_HANDOVER struct handover handover = handover_new();
    CLEANUP_JSON json_t *slot = NULL;
    int r = find_slot(cli, &slot);

    if (r == STATUS_DONE)
        r = give_key(cli, slot, &handover);
    if (r == STATUS_DONE)
        r = secret_call(cli, "TestSlot", "ua{sh}",
                        json_pack("[OO]", json_object_get(slot, "id"), handover.descriptors),
                        CALL_READS, NULL);
    if (r != STATUS_DONE)
        return r;
    if (arguments_option(&cli->arguments, OPTION_JSON))
        return output_json(json_pack("{s:O, s:b}", "id", json_object_get(slot, "id"), "opens",
                                     true));
    printf("slot %s opens the keyring\n", cli->arguments.words[0]);
    return STATUS_DONE;
}

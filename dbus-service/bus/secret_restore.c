/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* org.mastersecret1.Secret: a backup held against what is here, and restored. */
#include "dbus-service/bus/secret.h"

#include "dbus-service/bus/advice.h"
#include "dbus-service/bus/options.h"
#include "dbus-service/domain/check.h"
#include "dbus-service/domain/restore.h"
#include "dbus-service/domain/rotation.h"

#include <errno.h>
#include <string.h>

static void free_restore(void *extra)
{
    restore_free(extra);
}

static int restore_new(struct call *call, enum restore_action action, struct restore **ret_restore)
{
    struct restore *restore = calloc(1, sizeof(*restore));

    if (!restore)
        return -ENOMEM;
    restore->action = action;
    restore->slot = SLOT_KEYFILE;
    call->extra = restore;
    call->extra_free = free_restore;
    *ret_restore = restore;
    return 0;
}

/* ---- The report ---- */

static void put_generations(struct writer *writer, const struct restore *restore)
{
    char fingerprint[FINGERPRINT_TEXT_SIZE];

    writer_open_entry(writer, "generations", "a(ussttt)");
    writer_open(writer, DBUS_TYPE_ARRAY, "(ussttt)");
    for (size_t i = 0; i < restore->count; i++) {
        const struct restore_generation *generation = &restore->generations[i];

        *fingerprint = '\0';
        if (generation->known)
            hex_format(generation->fingerprint, FINGERPRINT_SIZE, 4, fingerprint);
        writer_open(writer, DBUS_TYPE_STRUCT, NULL);
        writer_uint32(writer, generation->number);
        writer_string(writer, fingerprint);
        writer_string(writer, restore_verdict_name(generation->verdict));
        writer_uint64(writer, generation->records);
        writer_uint64(writer, generation->sampled);
        writer_uint64(writer, generation->unreadable);
        writer_close(writer);
    }
    writer_close(writer);
    writer_close_entry(writer);
}

static void put_report(struct writer *writer, const struct restore *restore)
{
    const struct backup_facts *facts = restore->facts;
    char realm[HEX_TEXT_SIZE(REALM_ID_SIZE)];

    hex_format(facts->realm, REALM_ID_SIZE, 0, realm);
    writer_open(writer, DBUS_TYPE_ARRAY, "{sv}");
    writer_string_entry(writer, "realm", realm);
    writer_uint64_entry(writer, "created", facts->created_usec);
    writer_string_entry(writer, "host", facts->host);
    writer_string_entry(writer, "hint", facts->hint);
    writer_uint64_entry(writer, "format", facts->format);
    put_generations(writer, restore);
    writer_uint64_entry(writer, "records", restore->records);
    writer_uint64_entry(writer, "sampled", restore->sampled);
    writer_uint64_entry(writer, "unreadable", restore->unreadable.count);
    writer_boolean_entry(writer, "rolled-back", restore->rolled_back);
    if (*restore->aside)
        writer_string_entry(writer, "kept-aside", restore->aside);
    writer_close(writer);
}

static bool all_match(const struct restore *restore)
{
    for (size_t i = 0; i < restore->count; i++)
        if (restore->generations[i].verdict == RESTORE_DIFFERS)
            return false;
    return true;
}

static void tell(struct call *call, const struct restore *restore)
{
    static const char *const words[] = {
        [RESTORE_VERIFY] = "verified", [RESTORE_TRY] = "tried", [RESTORE_DO] = "restored"
    };

    char fingerprint[FINGERPRINT_TEXT_SIZE] = "";

    for (size_t i = 0; i < restore->count; i++)
        if (restore->generations[i].number == restore->facts->generation)
            hex_format(restore->generations[i].fingerprint, FINGERPRINT_SIZE, 4, fingerprint);
    call_detail(call, "%s: up to generation %u (%s), %llu records, %llu of %llu sampled do not open%s%s",
                words[restore->action], restore->facts->generation, fingerprint,
                (unsigned long long)restore->records, (unsigned long long)restore->unreadable.count,
                (unsigned long long)restore->sampled, *restore->aside ? "; kept aside: " : "",
                restore->aside);
}

static void on_restore(void *userdata, const struct failure *failure)
{
    struct call *call = userdata;
    const struct restore *restore = call->extra;
    struct writer writer;

    if (restore->action == RESTORE_DO)
        rotation_realm_changed(call->service->rotation); /* one may go on */
    if (!call_succeeded(call, failure))
        return;
    tell(call, restore);
    if (restore->action == RESTORE_VERIFY && (!all_match(restore) || restore->unreadable.count > 0)) {
        call_fail(call, failure_set(&call->failure, ERROR_RECORDS_UNREADABLE,
                                    "the backup opens, but %s; make another one, or see "
                                    "what it lacks: mastersecret secret restore FILE --dry-run",
                                    all_match(restore) ? "records here would not"
                                                       : "its keys are not those here"));
        return;
    }
    writer = call_writer(call);
    put_report(&writer, restore);
    call_reply(call, writer_take(&writer));
}

/* ---- What the service finds of itself ---- */

static void free_check(void *extra)
{
    check_free(extra);
}

static void on_checked(void *userdata, const struct failure *failure)
{
    struct call *call = userdata;
    const struct check *check = call->extra;
    struct writer writer;

    if (!call_succeeded(call, failure))
        return;
    writer = call_writer(call);
    writer_open(&writer, DBUS_TYPE_ARRAY, "(sss)");
    for (size_t i = 0; i < check->count; i++) {
        writer_open(&writer, DBUS_TYPE_STRUCT, NULL);
        writer_string(&writer, check->findings[i].severity);
        writer_string(&writer, check->findings[i].text);
        writer_string(&writer, check->findings[i].remedy);
        writer_close(&writer);
    }
    writer_close(&writer);
    call_reply(call, writer_take(&writer));
}

int handle_check(struct call *call)
{
    struct check *check = calloc(1, sizeof(*check));
    int r;

    if (!check)
        return -ENOMEM;
    call->extra = check;
    call->extra_free = free_check;
    check->deep = call_boolean(call, 0);
    check->applications = call->service->applications;
    check->max_age_usec = (uint64_t)call->service->config->backup_max_age * 1000000;
    r = check_begin(call->service->realm, check, on_checked, call, &call->failure);
    call->acting = r == 0;
    return r;
}

/* ---- The calls ---- */

/* A passphrase that opens nothing is wrong, however long. */
static const struct descriptor_rule restore_rules[] = {
    { "slot-passphrase", DESCRIPTOR_PASSPHRASE, false },
    { "backup", DESCRIPTOR_FILE, true },
    { "passphrase", DESCRIPTOR_VALUE, false },
    { "private-key", DESCRIPTOR_VALUE, false },
    { NULL },
};
static const struct descriptor_rule *const verify_rules = &restore_rules[1]; /* makes no slot */

static int begin(struct call *call, struct restore *restore)
{
    int r;

    restore->fd = descriptors_find(call, "backup")->fd;
    restore->passphrase = descriptors_steal(call, "passphrase");
    restore->private_key = descriptors_steal(call, "private-key");
    restore->slot_passphrase = descriptors_steal(call, "slot-passphrase");
    r = restore_begin(call->service->realm, restore, on_restore, call, &call->failure);
    call->acting = r == 0;
    return r;
}

int handle_verify_backup(struct call *call)
{
    struct restore *restore;
    int r = descriptors_accept(call, 0, verify_rules);

    if (r == 0)
        r = restore_new(call, RESTORE_VERIFY, &restore);
    return r == 0 ? begin(call, restore) : r;
}

static int take_slot(struct call *call, DBusMessageIter *value, void *into)
{
    struct restore *restore = into;
    const char *text;

    dbus_message_iter_get_basic(value, &text);
    if (slot_kind_parse(text, &restore->slot) == 0)
        return 0;
    return failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                       "a slot is keyfile, credential or passphrase");
}

static const struct option_rule options[] = {
    { "slot", "s", take_slot },
    { "accept-loss", "t", .offset = offsetof(struct restore, accept_loss) },
    { "accept-rollback", "b", .offset = offsetof(struct restore, accept_rollback) },
    { NULL },
};

int handle_restore(struct call *call)
{
    struct restore *restore = NULL;
    int r = descriptors_accept(call, 2, restore_rules);

    if (r == 0)
        r = restore_new(call, call_boolean(call, 0) ? RESTORE_TRY : RESTORE_DO, &restore);
    if (r == 0)
        r = options_take(call, 1, options, "a restore", restore);
    return r == 0 ? begin(call, restore) : r;
}

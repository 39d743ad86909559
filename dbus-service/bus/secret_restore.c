/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* org.mastersecret1.Secret: a backup held against what is here, and restored. */
#include "dbus-service/bus/secret.h"

#include "dbus-service/bus/advice.h"
#include "dbus-service/domain/check.h"
#include "dbus-service/domain/restore.h"
#include "dbus-service/domain/rotation.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

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

static void put_string(struct writer *writer, const char *key, const char *text)
{
    writer_open_entry(writer, key, "s");
    writer_string(writer, text);
    writer_close_entry(writer);
}

static void put_number(struct writer *writer, const char *key, uint64_t number)
{
    writer_open_entry(writer, key, "t");
    writer_uint64(writer, number);
    writer_close_entry(writer);
}

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
    put_string(writer, "realm", realm);
    put_number(writer, "created", facts->created_usec);
    put_string(writer, "host", facts->host);
    put_string(writer, "hint", facts->hint);
    put_number(writer, "format", facts->format);
    put_generations(writer, restore);
    put_number(writer, "records", restore->records);
    put_number(writer, "sampled", restore->sampled);
    put_number(writer, "unreadable", restore->unreadable);
    writer_open_entry(writer, "rolled-back", "b");
    writer_boolean(writer, restore->rolled_back);
    writer_close_entry(writer);
    if (*restore->aside)
        put_string(writer, "kept-aside", restore->aside);
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

    call_detail(call, "%s: %llu records, %llu of %llu sampled do not open%s%s", words[restore->action],
                (unsigned long long)restore->records, (unsigned long long)restore->unreadable,
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
    if (restore->action == RESTORE_VERIFY && (!all_match(restore) || restore->unreadable > 0)) {
        call_fail(call, failure_set(&call->failure, ERROR_RECORDS_UNREADABLE,
                                    "the backup opens, but %s; see what a dry run of a restore says",
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
    check->max_age_usec = (uint64_t)call->service->config->backup_max_age * 1000000;
    r = check_begin(call->service->realm, check, on_checked, call, &call->failure);
    call->acting = r == 0;
    return r;
}

/* ---- The calls ---- */

static void take_key(struct call *call, struct restore *restore)
{
    struct descriptor *passphrase = descriptors_find(call, "passphrase");
    struct descriptor *private_key = descriptors_find(call, "private-key");
    struct descriptor *slot = descriptors_find(call, "slot-passphrase");

    if (passphrase)
        restore->passphrase = STEAL(passphrase->value);
    if (private_key)
        restore->private_key = STEAL(private_key->value);
    if (slot)
        restore->slot_passphrase = STEAL(slot->value);
    restore->fd = descriptors_find(call, "backup")->fd;
}

static int take_descriptors(struct call *call, unsigned position, const char *const *names)
{
    const struct descriptor *backup, *slot;
    struct stat status;
    int r = descriptors_take(call, position);

    if (r == 0)
        r = descriptors_known(call, names);
    if (r != 0)
        return r;
    backup = descriptors_find(call, "backup");
    if (!backup)
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT, "descriptor 'backup' is missing");
    if (fstat(backup->fd, &status) < 0 || !S_ISREG(status.st_mode))
        return failure_set(&call->failure, ERROR_BAD_DESCRIPTOR,
                           "descriptor 'backup' is not a regular file");
    r = descriptors_receive(call, "backup");
    slot = descriptors_find(call, "slot-passphrase");
    return r == 0 && slot ? secret_check_passphrase(call, slot) : r;
}

static int begin(struct call *call, struct restore *restore)
{
    int r;

    take_key(call, restore);
    r = restore_begin(call->service->realm, restore, on_restore, call, &call->failure);
    call->acting = r == 0;
    return r;
}

int handle_verify_backup(struct call *call)
{
    static const char *const names[] = { "backup", "passphrase", "private-key", NULL };
    struct restore *restore;
    int r = take_descriptors(call, 0, names);

    if (r == 0)
        r = restore_new(call, RESTORE_VERIFY, &restore);
    return r == 0 ? begin(call, restore) : r;
}

static int take_option(struct call *call, struct restore *restore, const char *name,
                       DBusMessageIter *value)
{
    int type = dbus_message_iter_get_arg_type(value);
    const char *text;
    dbus_bool_t yes;

    if (strcmp(name, "slot") == 0 && type == DBUS_TYPE_STRING) {
        dbus_message_iter_get_basic(value, &text);
        if (slot_kind_parse(text, &restore->slot) == 0)
            return 0;
    } else if (strcmp(name, "accept-loss") == 0 && type == DBUS_TYPE_UINT64) {
        dbus_message_iter_get_basic(value, &restore->accept_loss);
        return 0;
    } else if (strcmp(name, "accept-rollback") == 0 && type == DBUS_TYPE_BOOLEAN) {
        dbus_message_iter_get_basic(value, &yes);
        restore->accept_rollback = yes;
        return 0;
    }
    return failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                       "'%.100s' is not an option of a restore (slot s, accept-loss t, accept-rollback b), "
                       "or its value is not valid", name);
}

static int take_options(struct call *call, struct restore *restore)
{
    DBusMessageIter iter = call_iter(call, 1), entries, pair, value;
    const char *name;
    int r = 0;

    dbus_message_iter_recurse(&iter, &entries);
    while (r == 0 && dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_DICT_ENTRY) {
        dbus_message_iter_recurse(&entries, &pair);
        dbus_message_iter_get_basic(&pair, &name);
        dbus_message_iter_next(&pair);
        dbus_message_iter_recurse(&pair, &value);
        r = take_option(call, restore, name, &value);
        dbus_message_iter_next(&entries);
    }
    return r;
}

int handle_restore(struct call *call)
{
    static const char *const names[] = { "backup", "passphrase", "private-key", "slot-passphrase", NULL };
    struct restore *restore = NULL;
    int r = take_descriptors(call, 2, names);

    if (r == 0)
        r = restore_new(call, call_boolean(call, 0) ? RESTORE_TRY : RESTORE_DO, &restore);
    if (r == 0)
        r = take_options(call, restore);
    return r == 0 ? begin(call, restore) : r;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* org.mastersecret1.Manager: what the service is and how it does. */
#include <config.h>

#include "dbus-service/bus/advice.h"
#include "dbus-service/bus/call.h"
#include "dbus-service/domain/backup_watch.h"
#include "dbus-service/domain/export.h"
#include "dbus-service/domain/slot.h"

#include <errno.h>
#include <string.h>

static const struct keyring *keyring(const struct property_source *source)
{
    return realm_keyring(source->service->realm);
}

static void get_state(const struct property_source *source, struct writer *writer)
{
    writer_string(writer, realm_state_name(realm_state(source->service->realm)));
}

static void get_version(const struct property_source *source, struct writer *writer)
{
    writer_string(writer, PACKAGE_VERSION);
}

static void get_role(const struct property_source *source, struct writer *writer)
{
    writer_string(writer, "master");
}

static void get_state_text(const struct property_source *source, struct writer *writer)
{
    writer_string(writer, service_state_text(source->service));
}

static void get_realm(const struct property_source *source, struct writer *writer)
{
    char text[HEX_TEXT_SIZE(REALM_ID_SIZE)] = "";

    if (keyring(source))
        hex_format(keyring_realm(keyring(source)), REALM_ID_SIZE, 0, text);
    writer_string(writer, text);
}

static void get_generation(const struct property_source *source, struct writer *writer)
{
    writer_uint32(writer, keyring(source) ? keyring_active_generation(keyring(source)) : 0);
}

static void get_fingerprint(const struct property_source *source, struct writer *writer)
{
    char text[FINGERPRINT_TEXT_SIZE];

    fingerprint_format(keyring(source), text);
    writer_string(writer, text);
}

static void get_epoch(const struct property_source *source, struct writer *writer)
{
    writer_uint64(writer, keyring(source) ? keyring_epoch(keyring(source)) : 0);
}

/* NULL unless records can be read. */
static struct log *open_log(const struct property_source *source)
{
    struct failure failure;

    if (realm_check_readable(source->service->realm, &failure) != 0)
        return NULL;
    return realm_log(source->service->realm);
}

static void get_revision(const struct property_source *source, struct writer *writer)
{
    struct log *log = open_log(source);
    struct log_head head = { .revision = 0 };

    if (log)
        log_head(log, &head);
    writer_uint64(writer, head.revision);
}

static void get_applications(const struct property_source *source, struct writer *writer)
{
    writer_uint64(writer, application_set_count(source->service->applications));
}

static void get_mappings(const struct property_source *source, struct writer *writer)
{
    const struct application_set *set = source->service->applications;
    uint64_t count = 0;

    if (open_log(source))
        for (size_t i = 0; i < application_set_count(set); i++)
            count += application_mappings(set, application_set_at(set, i));
    writer_uint64(writer, count);
}

static void get_started(const struct property_source *source, struct writer *writer)
{
    writer_uint64(writer, source->service->started_usec);
}

static void get_slots(const struct property_source *source, struct writer *writer)
{
    static const enum slot_kind kinds[] = { SLOT_CREDENTIAL, SLOT_KEYFILE, SLOT_PASSPHRASE,
                                            SLOT_SHARES };
    unsigned mask = slot_list_kinds(realm_slots(source->service->realm));

    writer_open(writer, DBUS_TYPE_ARRAY, "s");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (mask & 1u << kinds[i])
            writer_string(writer, slot_kind_name(kinds[i]));
    writer_close(writer);
}

static void get_slot_used(const struct property_source *source, struct writer *writer)
{
    writer_string(writer, realm_slot_used(source->service->realm));
}

static void get_key_memory(const struct property_source *source, struct writer *writer)
{
    writer_string(writer, keyring(source) ? keyring_memory_kind(keyring(source)) : "");
}

static void get_progress(const struct property_source *source, struct writer *writer)
{
    uint64_t done = 0, total = 0, left = 0;

    realm_progress(source->service->realm, &done, &total, &left);
    writer_open(writer, DBUS_TYPE_STRUCT, NULL);
    writer_uint64(writer, done);
    writer_uint64(writer, total);
    writer_uint64(writer, left);
    writer_close(writer);
}

static struct backup_info backup(const struct property_source *source)
{
    struct backup_info info = { .time_usec = 0 };

    if (keyring(source))
        keyring_backup_info(keyring(source), &info);
    return info;
}

static void get_backup_time(const struct property_source *source, struct writer *writer)
{
    writer_uint64(writer, backup(source).time_usec);
}

static void get_backup_generation(const struct property_source *source, struct writer *writer)
{
    writer_uint32(writer, backup(source).generation);
}

static void get_backup_location(const struct property_source *source, struct writer *writer)
{
    struct backup_info info = backup(source);

    writer_string(writer, info.location);
}

static void get_backup_hash(const struct property_source *source, struct writer *writer)
{
    struct backup_info info = backup(source);
    char text[HEX_TEXT_SIZE(BACKUP_HASH_SIZE)] = "";

    if (info.time_usec != 0)
        hex_format(info.hash, BACKUP_HASH_SIZE, 0, text);
    writer_string(writer, text);
}

static void get_backup_due(const struct property_source *source, struct writer *writer)
{
    const char *due = backup_watch_due(source->service->backup_watch);

    writer_string(writer, due ? due : "");
}

static void get_advice(const struct property_source *source, struct writer *writer)
{
    writer_open(writer, DBUS_TYPE_ARRAY, "s");
    advice_write(source->service, writer);
    writer_close(writer);
}

static int handle_reload(struct call *call)
{
    int r = service_reload(call->service, &call->failure);

    if (r == 0)
        call_reply_done(call);
    return r;
}

/* ---- The records as a file ---- */

static int move_new(struct call *call, struct record_move **ret_move)
{
    static const struct descriptor_rule rules[] = { { "file", DESCRIPTOR_FILE, true }, { NULL } };
    struct record_move *move;
    int r = descriptors_accept(call, 0, rules);

    if (r != 0)
        return r;
    call->extra = move = calloc(1, sizeof(*move));
    call->extra_free = free;
    if (!move)
        return -ENOMEM;
    move->fd = descriptors_find(call, "file")->fd;
    *ret_move = move;
    return 0;
}

static void on_exported(void *userdata, const struct failure *failure)
{
    struct call *call = userdata;
    const struct record_move *move = call->extra;
    struct writer writer;

    if (!call_succeeded(call, failure))
        return;
    call_detail(call, "revision %llu", (unsigned long long)move->revision);
    writer = call_writer(call);
    writer_uint64(&writer, move->revision);
    writer_uint64(&writer, move->records);
    call_reply(call, writer_take(&writer));
}

static int handle_export(struct call *call)
{
    struct record_move *move;
    int r = move_new(call, &move);

    if (r == 0)
        r = realm_export(call->service->realm, move, on_exported, call, &call->failure);
    call->acting = r == 0;
    return r;
}

static void on_imported(void *userdata, const struct failure *failure)
{
    struct call *call = userdata;
    const struct record_move *move = call->extra;
    struct writer writer;

    if (!call_succeeded(call, failure))
        return;
    call_detail(call, "%llu records", (unsigned long long)move->records);
    writer = call_writer(call);
    writer_uint64(&writer, move->records);
    call_reply(call, writer_take(&writer));
}

static int handle_import(struct call *call)
{
    struct record_move *move;
    int r = move_new(call, &move);

    if (r == 0)
        r = realm_import(call->service->realm, move, on_imported, call, &call->failure);
    call->acting = r == 0;
    return r;
}

static const struct method methods[] = {
    { "Export", "a{sh}", "tt", "descriptors", "revision records", METHOD_READS, SUBJECT_NOTHING,
      OPERATION_MANAGE_SECRET, AUDIT_EXPORT, handle_export },
    { "Import", "a{sh}", "t", "descriptors", "records", METHOD_READS, SUBJECT_NOTHING,
      OPERATION_MANAGE_SECRET, AUDIT_IMPORT, handle_import },
    { "Reload", "", "", "", "", 0, SUBJECT_NOTHING, OPERATION_MANAGE_SERVICE, AUDIT_RELOAD,
      handle_reload },
};

static const struct property properties[] = {
    { "State", "s", OPERATION_READ_STATE, "true", get_state },
    { "Version", "s", OPERATION_READ_STATE, "const", get_version },
    { "Role", "s", OPERATION_READ_STATE, "true", get_role },
    { "StateText", "s", OPERATION_READ_STATE, "true", get_state_text },
    { "Realm", "s", OPERATION_READ_STATUS, "false", get_realm },
    { "Generation", "u", OPERATION_READ_STATUS, "false", get_generation },
    { "Fingerprint", "s", OPERATION_READ_STATUS, "false", get_fingerprint },
    { "Epoch", "t", OPERATION_READ_STATUS, "false", get_epoch },
    { "Revision", "t", OPERATION_READ_STATUS, "false", get_revision },
    { "Applications", "t", OPERATION_READ_STATUS, "false", get_applications },
    { "Mappings", "t", OPERATION_READ_STATUS, "false", get_mappings },
    { "Started", "t", OPERATION_READ_STATUS, "const", get_started },
    { "Slots", "as", OPERATION_READ_STATUS, "false", get_slots },
    { "SlotUsed", "s", OPERATION_READ_STATUS, "false", get_slot_used },
    { "KeyMemory", "s", OPERATION_READ_STATUS, "false", get_key_memory },
    { "Progress", "(ttt)", OPERATION_READ_STATUS, "false", get_progress },
    { "BackupTime", "t", OPERATION_READ_STATUS, "false", get_backup_time },
    { "BackupGeneration", "u", OPERATION_READ_STATUS, "false", get_backup_generation },
    { "BackupLocation", "s", OPERATION_READ_STATUS, "false", get_backup_location },
    { "BackupHash", "s", OPERATION_READ_STATUS, "false", get_backup_hash },
    { "BackupDue", "s", OPERATION_READ_STATUS, "false", get_backup_due },
    { "Advice", "as", OPERATION_READ_STATUS, "false", get_advice },
};

static const struct signal signals[] = {
    { "StateChanged", "ss", "old new" },
};

const struct interface interface_manager = {
    .name = BUS_INTERFACE_MANAGER,
    .objects = OBJECT_ROOT,
    TABLE_METHODS(methods),
    TABLE_PROPERTIES(properties),
    TABLE_SIGNALS(signals),
};

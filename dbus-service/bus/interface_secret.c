/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* org.mastersecret1.Secret: the master secret itself. */
#include "dbus-service/bus/advice.h"
#include "dbus-service/bus/secret.h"

#include <errno.h>
#include <string.h>

static void get_generations(const struct property_source *source, struct writer *writer)
{
    const struct keyring *keyring = realm_keyring(source->service->realm);
    char text[FINGERPRINT_TEXT_SIZE];
    struct generation_info info;

    writer_open(writer, DBUS_TYPE_ARRAY, "(usst)");
    for (size_t i = 0; keyring && i < keyring_generations(keyring); i++) {
        keyring_generation(keyring, i, &info);
        writer_open(writer, DBUS_TYPE_STRUCT, NULL);
        writer_uint32(writer, info.number);
        hex_format(info.id, GENERATION_ID_SIZE, 0, text);
        writer_string(writer, text);
        hex_format(info.fingerprint, FINGERPRINT_SIZE, 4, text);
        writer_string(writer, text);
        writer_uint64(writer, info.created_usec);
        writer_close(writer);
    }
    writer_close(writer);
}

static void on_generated(void *userdata, const struct failure *failure)
{
    struct call *call = userdata;
    const struct keyring *keyring = realm_keyring(call->service->realm);
    uint32_t generation = keyring ? keyring_active_generation(keyring) : 0;
    char fingerprint[FINGERPRINT_TEXT_SIZE], realm[HEX_TEXT_SIZE(REALM_ID_SIZE)] = "";
    struct writer writer;

    if (!call_succeeded(call, failure))
        return;
    fingerprint_format(keyring, fingerprint);
    if (keyring)
        hex_format(keyring_realm(keyring), REALM_ID_SIZE, 0, realm);
    call_detail(call, "generation %u (%s)", generation, fingerprint);
    writer = call_writer(call);
    writer_uint32(&writer, generation);
    writer_string(&writer, fingerprint);
    writer_string(&writer, realm);
    call_reply(call, writer_take(&writer));
}

static int check_generate_texts(struct call *call)
{
    if (strlen(call_string(call, 1)) > HINT_MAX_BYTES)
        return failure_set(&call->failure, ERROR_TOO_LARGE, "a hint has at most %d bytes",
                           HINT_MAX_BYTES);
    if (strlen(call_string(call, 2)) >= TEXT_MAX_BYTES)
        return failure_set(&call->failure, ERROR_TOO_LARGE, "a location has less than %d bytes",
                           TEXT_MAX_BYTES);
    return 0;
}

static int handle_generate(struct call *call)
{
    static const struct descriptor_rule rules[] = {
        { "passphrase", DESCRIPTOR_PASSPHRASE, true },
        { "backup", DESCRIPTOR_FILE, true },
        { "slot-passphrase", DESCRIPTOR_PASSPHRASE, false },
        { NULL },
    };
    struct realm_generate request = { .hint = call_string(call, 1),
                                      .location = call_string(call, 2) };
    int r = check_generate_texts(call);

    if (r == 0 && slot_kind_parse(call_string(call, 0), &request.slot) < 0)
        r = failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                        "a slot is keyfile, credential or passphrase");
    if (r == 0)
        r = descriptors_accept(call, 3, rules);
    if (r != 0)
        return r;
    request.backup_passphrase = descriptors_steal(call, "passphrase");
    request.slot_passphrase = descriptors_steal(call, "slot-passphrase");
    request.backup_fd = descriptors_find(call, "backup")->fd;
    call->acting = true;
    return realm_generate(call->service->realm, &request, on_generated, call, &call->failure);
}

static int handle_seal(struct call *call)
{
    call->acting = true;
    return realm_seal(call->service->realm, call_on_done, call, &call->failure);
}

static void on_unsealed(void *userdata, const struct failure *failure)
{
    struct call *call = userdata;
    const char *slot = realm_slot_used(call->service->realm);

    if (failure->code == ERROR_NONE && *slot)
        call_detail(call, "slot %s", slot);
    call_on_done(call, failure);
}

static int handle_unseal(struct call *call)
{
    static const struct descriptor_rule rules[] = {
        { "passphrase", DESCRIPTOR_PASSPHRASE, false }, { NULL }
    };
    int r = descriptors_accept(call, 0, rules);

    if (r != 0)
        return r;
    call->acting = true;
    return realm_unseal(call->service->realm, descriptors_steal(call, "passphrase"), on_unsealed, call,
                        &call->failure);
}

static const struct method methods[] = {
    { "Generate", "sssa{sh}", "uss", "slot hint location descriptors",
      "generation fingerprint realm", METHOD_WAITS, SUBJECT_NOTHING, OPERATION_MANAGE_SECRET,
      AUDIT_GENERATE, handle_generate },
    { "Seal", "", "", "", "", METHOD_WAITS, SUBJECT_NOTHING, OPERATION_MANAGE_SECRET, AUDIT_SEAL,
      handle_seal },
    { "Unseal", "a{sh}", "", "descriptors", "", METHOD_WAITS, SUBJECT_NOTHING,
      OPERATION_MANAGE_SECRET, AUDIT_UNSEAL, handle_unseal },
    { "Rotate", "a{sv}a{sh}", "u", "options descriptors", "generation", METHOD_READS, SUBJECT_NOTHING,
      OPERATION_MANAGE_SECRET, AUDIT_ROTATE, handle_rotate },
    { "PauseRotation", "", "", "", "", METHOD_READS, SUBJECT_NOTHING, OPERATION_MANAGE_SECRET,
      AUDIT_ROTATE, handle_pause_rotation },
    { "ResumeRotation", "", "", "", "", METHOD_READS, SUBJECT_NOTHING, OPERATION_MANAGE_SECRET,
      AUDIT_ROTATE, handle_resume_rotation },
    { "SetRotationRate", "u", "", "rate", "", METHOD_READS, SUBJECT_NOTHING,
      OPERATION_MANAGE_SECRET, AUDIT_ROTATE, handle_set_rotation_rate },
    { "Census", "", "a(usstsa{st})", "", "generations", METHOD_READS, SUBJECT_NOTHING,
      OPERATION_READ_STATUS, AUDIT_READ, handle_census },
    { "EnterShare", "a{sh}", "uu", "descriptors", "entered needed", METHOD_WAITS, SUBJECT_NOTHING,
      OPERATION_MANAGE_SECRET, AUDIT_UNSEAL, handle_enter_share },
    { "CancelShares", "", "", "", "", METHOD_WAITS, SUBJECT_NOTHING, OPERATION_MANAGE_SECRET,
      AUDIT_UNSEAL, handle_cancel_shares },
    { "AddSlot", "sua{sh}", "u", "kind threshold descriptors", "id", METHOD_WAITS, SUBJECT_NOTHING,
      OPERATION_MANAGE_SECRET, AUDIT_SLOT, handle_add_slot },
    { "ReplaceSlot", "uua{sh}", "u", "id threshold descriptors", "new_id", METHOD_WAITS,
      SUBJECT_NOTHING, OPERATION_MANAGE_SECRET, AUDIT_SLOT, handle_replace_slot },
    { "RemoveSlot", "u", "", "id", "", METHOD_WAITS, SUBJECT_NOTHING, OPERATION_MANAGE_SECRET,
      AUDIT_SLOT, handle_remove_slot },
    { "TestSlot", "ua{sh}", "", "id descriptors", "", METHOD_WAITS, SUBJECT_NOTHING,
      OPERATION_MANAGE_SECRET, AUDIT_SLOT, handle_test_slot },
    { "AddRecipient", "ss", "", "name public_key", "", METHOD_WAITS, SUBJECT_NOTHING,
      OPERATION_MANAGE_SECRET, AUDIT_RECIPIENT, handle_add_recipient },
    { "RemoveRecipient", "s", "", "name", "", METHOD_WAITS, SUBJECT_NOTHING, OPERATION_MANAGE_SECRET,
      AUDIT_RECIPIENT, handle_remove_recipient },
    { "Backup", "ssa{sh}", "st", "hint location descriptors", "fingerprint created", METHOD_WAITS,
      SUBJECT_NOTHING, OPERATION_MANAGE_SECRET, AUDIT_BACKUP, handle_backup },
    { "BackupToDirectory", "s", "s", "hint", "path", METHOD_WAITS, SUBJECT_NOTHING,
      OPERATION_MANAGE_SECRET, AUDIT_BACKUP, handle_backup_to_directory },
    { "VerifyBackup", "a{sh}", "a{sv}", "descriptors", "report", METHOD_READS, SUBJECT_NOTHING,
      OPERATION_MANAGE_SECRET, AUDIT_BACKUP, handle_verify_backup },
    { "Restore", "ba{sv}a{sh}", "a{sv}", "dry_run options descriptors", "report", METHOD_WAITS,
      SUBJECT_NOTHING, OPERATION_MANAGE_SECRET, AUDIT_RESTORE, handle_restore },
    { "Check", "b", "a(sss)", "deep", "findings", METHOD_READS, SUBJECT_NOTHING,
      OPERATION_READ_STATUS, AUDIT_READ, handle_check },
};

static const struct property properties[] = {
    { "Generations", "a(usst)", OPERATION_READ_STATUS, "false", get_generations },
    { "Rotation", "a{sv}", OPERATION_READ_STATUS, "invalidates", get_rotation },
    { "Unreadable", "as", OPERATION_READ_STATUS, "false", get_unreadable },
    { "Slots", "a(usuu)", OPERATION_READ_STATUS, "false", get_secret_slots },
    { "Recipients", "a(sst)", OPERATION_READ_STATUS, "false", get_recipients },
    { "UnsealProgress", "(uu)", OPERATION_READ_STATUS, "false", get_unseal_progress },
};

static const struct signal signals[] = {
    { "RotationEnded", "buutt", "success from to re_encrypted unreadable" },
};

const struct interface interface_secret = {
    .name = BUS_INTERFACE_SECRET,
    .objects = OBJECT_ROOT,
    TABLE_METHODS(methods),
    TABLE_PROPERTIES(properties),
    TABLE_SIGNALS(signals),
};

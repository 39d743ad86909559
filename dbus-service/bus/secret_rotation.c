/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/secret_rotation.h"

#include "dbus-service/bus/advice.h"
#include "dbus-service/bus/call.h"

#include <errno.h>
#include <string.h>

/* ---- Rotate ---- */

struct rotate {
    struct rotation_request request;
    bool dry_run; /* only look whether it could begin */
};

static void take_hint(DBusMessageIter *value, struct rotate *rotate)
{
    dbus_message_iter_get_basic(value, &rotate->request.hint);
}

static void take_location(DBusMessageIter *value, struct rotate *rotate)
{
    dbus_message_iter_get_basic(value, &rotate->request.location);
}

static bool take_boolean(DBusMessageIter *value)
{
    dbus_bool_t taken;

    dbus_message_iter_get_basic(value, &taken);
    return taken;
}

static void take_again(DBusMessageIter *value, struct rotate *rotate)
{
    rotate->request.again = take_boolean(value);
}

static void take_dry_run(DBusMessageIter *value, struct rotate *rotate)
{
    rotate->dry_run = take_boolean(value);
}

static void take_rate(DBusMessageIter *value, struct rotate *rotate)
{
    dbus_message_iter_get_basic(value, &rotate->request.rate);
    rotate->request.has_rate = true;
}

static const struct option {
    const char *name;
    char type;
    void (*take)(DBusMessageIter *value, struct rotate *rotate);
} options[] = {
    { "hint", DBUS_TYPE_STRING, take_hint },
    { "location", DBUS_TYPE_STRING, take_location },
    { "again", DBUS_TYPE_BOOLEAN, take_again },
    { "dry-run", DBUS_TYPE_BOOLEAN, take_dry_run },
    { "rate", DBUS_TYPE_UINT32, take_rate },
};

#define OPTIONS_COUNT (sizeof(options) / sizeof(options[0]))

static int take_option(struct call *call, DBusMessageIter *entry, bool seen[OPTIONS_COUNT],
                       struct rotate *rotate)
{
    DBusMessageIter pair, value;
    const char *name;

    dbus_message_iter_recurse(entry, &pair);
    dbus_message_iter_get_basic(&pair, &name);
    dbus_message_iter_next(&pair);
    dbus_message_iter_recurse(&pair, &value);
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        if (strcmp(options[i].name, name) != 0 || seen[i])
            continue;
        if (dbus_message_iter_get_arg_type(&value) != options[i].type)
            return failure_set(&call->failure, ERROR_INVALID_ARGUMENT, "'%s' has the signature %c",
                               name, options[i].type);
        seen[i] = true;
        options[i].take(&value, rotate);
        return 0;
    }
    return failure_set(&call->failure, ERROR_INVALID_ARGUMENT,
                       "'%.100s' is not an option of a rotation, or is there twice", name);
}

static int take_options(struct call *call, struct rotate *rotate)
{
    DBusMessageIter iter = call_iter(call, 0), entries;
    bool seen[OPTIONS_COUNT] = { false };
    int r = 0;

    dbus_message_iter_recurse(&iter, &entries);
    while (r == 0 && dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_DICT_ENTRY) {
        r = take_option(call, &entries, seen, rotate);
        dbus_message_iter_next(&entries);
    }
    return r;
}

/* Without "passphrase" the backup is sealed to the recipients; without "backup", too, it goes into the
 * configured directory. */
static int take_descriptors(struct call *call, struct rotation_request *request)
{
    static const char *const names[] = { "passphrase", "backup", NULL };
    struct descriptor *passphrase, *backup;
    int r = descriptors_take(call, 1);

    if (r == 0)
        r = descriptors_known(call, names);
    if (r != 0)
        return r;
    passphrase = descriptors_find(call, "passphrase");
    backup = descriptors_find(call, "backup");
    if (passphrase && !backup)
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT, "descriptor 'backup' is missing");
    r = descriptors_receive(call, "backup");
    if (r != 0)
        return r;
    if (passphrase && (passphrase->value->length < PASSPHRASE_MIN_BYTES ||
                       passphrase->value->length > PASSPHRASE_MAX_BYTES))
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT, "a passphrase has %d to %d bytes",
                           PASSPHRASE_MIN_BYTES, PASSPHRASE_MAX_BYTES);
    if (backup)
        request->backup_fd = backup->fd;
    else if (*call->service->config->backup_directory)
        request->directory = call->service->config->backup_directory;
    return 0;
}

static void reply_generation(struct call *call, uint32_t generation)
{
    struct writer writer = call_writer(call);

    writer_uint32(&writer, generation);
    call_reply(call, writer_take(&writer));
}

/* The new generation is the highest of the keyring, active by now or soon. */
static void on_begun(void *userdata, const struct failure *failure)
{
    struct call *call = userdata;

    if (call_succeeded(call, failure))
        reply_generation(call, rotation_next_generation(call->service->rotation) - 1);
}

int handle_rotate(struct call *call)
{
    struct rotation *rotation = call->service->rotation;
    struct rotate rotate = { .request = { .hint = "", .location = "", .backup_fd = -1,
                                          .uid = call->peer->caller.uid } };
    struct descriptor *passphrase;
    int r = take_options(call, &rotate);

    if (r == 0)
        r = take_descriptors(call, &rotate.request);
    if (r == 0 && rotate.dry_run)
        r = rotation_check(rotation, &rotate.request, &call->failure);
    if (r != 0)
        return r;
    if (rotate.dry_run) {
        reply_generation(call, rotation_next_generation(rotation));
        return 0;
    }
    passphrase = descriptors_find(call, "passphrase");
    rotate.request.passphrase = passphrase ? STEAL(passphrase->value) : NULL;
    call->acting = true;
    return rotation_begin(rotation, &rotate.request, on_begun, call, &call->failure);
}

/* ---- While it runs ---- */

int handle_pause_rotation(struct call *call)
{
    call->acting = true;
    return rotation_pause(call->service->rotation, true, call_on_done, call, &call->failure);
}

int handle_resume_rotation(struct call *call)
{
    call->acting = true;
    return rotation_pause(call->service->rotation, false, call_on_done, call, &call->failure);
}

int handle_set_rotation_rate(struct call *call)
{
    call->acting = true;
    return rotation_set_rate(call->service->rotation, call_uint32(call, 0), call_on_done, call,
                             &call->failure);
}

/* ---- Where it stands ---- */

static void put_uint64(struct writer *writer, const char *key, uint64_t value)
{
    writer_open_entry(writer, key, "t");
    writer_uint64(writer, value);
    writer_close_entry(writer);
}

static void put_uint32(struct writer *writer, const char *key, uint32_t value)
{
    writer_open_entry(writer, key, "u");
    writer_uint32(writer, value);
    writer_close_entry(writer);
}

static void put_string(struct writer *writer, const char *key, const char *value)
{
    writer_open_entry(writer, key, "s");
    writer_string(writer, value);
    writer_close_entry(writer);
}

void get_rotation(const struct property_source *source, struct writer *writer)
{
    struct rotation_status status;

    rotation_status(source->service->rotation, &status);
    writer_open(writer, DBUS_TYPE_ARRAY, "{sv}");
    put_string(writer, "state", rotation_phase_name(status.phase));
    put_uint32(writer, "from", status.from);
    put_uint32(writer, "to", status.to);
    put_uint64(writer, "done", status.done);
    put_uint64(writer, "total", status.total);
    put_uint64(writer, "rate", status.rate);
    put_uint32(writer, "limit", status.limit);
    put_uint64(writer, "left", status.left_usec);
    put_uint64(writer, "re-encrypted", status.re_encrypted);
    put_uint64(writer, "unreadable", status.unreadable);
    put_uint64(writer, "begun", status.begun_usec);
    put_uint64(writer, "ended", status.ended_usec);
    put_uint64(writer, "due", status.due_usec);
    writer_open_entry(writer, "queued", "b");
    writer_boolean(writer, status.queued);
    writer_close_entry(writer);
    put_string(writer, "error", status.error);
    writer_close(writer);
}

void get_unreadable(const struct property_source *source, struct writer *writer)
{
    char line[ROTATION_LINE_MAX];

    writer_open(writer, DBUS_TYPE_ARRAY, "s");
    for (size_t i = 0; rotation_unreadable(source->service->rotation, i, line); i++)
        writer_string(writer, line);
    writer_close(writer);
}

/* ---- Census ---- */

static void put_counts(struct writer *writer, struct log *log, uint32_t generation)
{
    writer_open(writer, DBUS_TYPE_ARRAY, "{st}");
    for (unsigned class = 1; class <= RECORD_CLASS_MAX; class++) {
        writer_open(writer, DBUS_TYPE_DICT_ENTRY, NULL);
        writer_string(writer, realm_class_name(class));
        writer_uint64(writer, log_census(log, class, generation));
        writer_close(writer);
    }
    writer_close(writer);
}

static const char *generation_state(const struct keyring *keyring, const struct generation_info *info)
{
    if (info->number == keyring_active_generation(keyring))
        return "active";
    if (info->retired_usec != 0)
        return "retired";
    return info->activated_usec == 0 ? "waiting" : "live";
}

int handle_census(struct call *call)
{
    const struct keyring *keyring = realm_keyring(call->service->realm);
    struct log *log = realm_log(call->service->realm);
    struct writer writer = call_writer(call);
    char text[FINGERPRINT_TEXT_SIZE];

    writer_open(&writer, DBUS_TYPE_ARRAY, "(usstsa{st})");
    for (size_t i = 0; i < keyring_generations(keyring); i++) {
        struct generation_info info;

        keyring_generation(keyring, i, &info);
        writer_open(&writer, DBUS_TYPE_STRUCT, NULL);
        writer_uint32(&writer, info.number);
        hex_format(info.id, GENERATION_ID_SIZE, 0, text);
        writer_string(&writer, text);
        hex_format(info.fingerprint, FINGERPRINT_SIZE, 4, text);
        writer_string(&writer, text);
        writer_uint64(&writer, info.created_usec);
        writer_string(&writer, generation_state(keyring, &info));
        put_counts(&writer, log, info.number);
        writer_close(&writer);
    }
    writer_close(&writer);
    call_reply(call, writer_take(&writer));
    return 0;
}

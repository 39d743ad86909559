/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* org.mastersecret1.Secret: the rotation, and the census. */
#include "dbus-service/bus/secret.h"

#include "dbus-service/bus/advice.h"
#include "dbus-service/bus/options.h"
#include "dbus-service/domain/rotation.h"

#include <errno.h>
#include <string.h>

/* ---- Rotate ---- */

static int take_rate(struct call *call, DBusMessageIter *value, void *into)
{
    struct rotation_request *request = into;

    dbus_message_iter_get_basic(value, &request->rate);
    request->has_rate = true;
    return 0;
}

static const struct option_rule options[] = {
    { "hint", "s", .offset = offsetof(struct rotation_request, hint) },
    { "location", "s", .offset = offsetof(struct rotation_request, location) },
    { "again", "b", .offset = offsetof(struct rotation_request, again) },
    { "dry-run", "b", .offset = offsetof(struct rotation_request, dry_run) },
    { "rate", "u", take_rate },
    { NULL },
};

/* Without "passphrase" the backup is sealed to the recipients; without "backup", too, it goes into the
 * configured directory. */
static int take_descriptors(struct call *call, struct rotation_request *request)
{
    static const struct descriptor_rule rules[] = {
        { "passphrase", DESCRIPTOR_PASSPHRASE, false }, { "backup", DESCRIPTOR_FILE, false }, { NULL }
    };
    const struct descriptor *backup;
    int r = descriptors_accept(call, 1, rules);

    if (r != 0)
        return r;
    backup = descriptors_find(call, "backup");
    if (descriptors_find(call, "passphrase") && !backup)
        return descriptors_missing(call, "backup");
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

/* None was made. */
static void on_tried(void *userdata, const struct failure *failure)
{
    struct call *call = userdata;

    if (call_succeeded(call, failure))
        reply_generation(call, rotation_next_generation(call->service->rotation));
}

int handle_rotate(struct call *call)
{
    struct rotation_request request = { .hint = "", .location = "", .backup_fd = -1 };
    int r = options_take(call, 0, options, "a rotation", &request);

    if (r == 0)
        r = take_descriptors(call, &request);
    if (r != 0)
        return r;
    request.passphrase = descriptors_steal(call, "passphrase");
    call->acting = true;
    return rotation_begin(call->service->rotation, &request,
                          request.dry_run ? on_tried : on_begun, call, &call->failure);
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

void get_rotation(const struct property_source *source, struct writer *writer)
{
    struct rotation_status status;

    rotation_status(source->service->rotation, &status);
    writer_open(writer, DBUS_TYPE_ARRAY, "{sv}");
    writer_string_entry(writer, "state", rotation_phase_name(status.phase));
    writer_uint32_entry(writer, "from", status.from);
    writer_uint32_entry(writer, "to", status.to);
    writer_uint64_entry(writer, "done", status.done);
    writer_uint64_entry(writer, "total", status.total);
    writer_uint64_entry(writer, "rate", status.rate);
    writer_uint32_entry(writer, "limit", status.limit);
    writer_uint64_entry(writer, "left", status.left_usec);
    writer_uint64_entry(writer, "re-encrypted", status.re_encrypted);
    writer_uint64_entry(writer, "unreadable", status.unreadable);
    writer_uint64_entry(writer, "begun", status.begun_usec);
    writer_uint64_entry(writer, "ended", status.ended_usec);
    writer_uint64_entry(writer, "due", status.due_usec);
    writer_boolean_entry(writer, "queued", status.queued);
    writer_string_entry(writer, "error", status.error);
    writer_close(writer);
}

void get_unreadable(const struct property_source *source, struct writer *writer)
{
    char line[UNREADABLE_LINE_MAX];

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

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* org.mastersecret1.Secret: backups, and to whom they are sealed. */
#include "dbus-service/bus/secret.h"

#include "common/recipient_key.h"
#include "dbus-service/bus/advice.h"
#include "dbus-service/domain/backup.h"

#include <errno.h>
#include <string.h>

static void free_create(void *extra)
{
    backup_create_free(extra);
}

static int create_new(struct call *call, const char *hint, struct backup_create **ret_create)
{
    struct backup_create *create = calloc(1, sizeof(*create));

    if (!create)
        return -ENOMEM;
    call->extra = create;
    call->extra_free = free_create;
    create->fd = -1;
    create->hint = strdup(hint);
    *ret_create = create;
    return create->hint ? 0 : -ENOMEM;
}

static void tell_backup(struct call *call, const struct backup_create *create)
{
    const struct backup_info *info = &create->info;

    call_detail(call, "up to generation %u, %s%s%s", info->generation,
                create->passphrase ? "by passphrase" : "to the recipients", *info->location ? ", " : "",
                info->location);
}

static void on_backup(void *userdata, const struct failure *failure)
{
    struct call *call = userdata;
    const struct backup_create *create = call->extra;
    const struct keyring *keyring = realm_keyring(call->service->realm);
    char fingerprint[FINGERPRINT_TEXT_SIZE];
    struct writer writer;

    if (!call_succeeded(call, failure))
        return;
    tell_backup(call, create);
    fingerprint_format(keyring, fingerprint);
    writer = call_writer(call);
    writer_string(&writer, fingerprint);
    writer_uint64(&writer, create->info.time_usec);
    call_reply(call, writer_take(&writer));
}

int handle_backup(struct call *call)
{
    static const struct descriptor_rule rules[] = {
        { "backup", DESCRIPTOR_FILE, true }, { "passphrase", DESCRIPTOR_PASSPHRASE, false }, { NULL }
    };
    struct backup_create *create;
    int r = descriptors_accept(call, 2, rules);

    if (r == 0)
        r = create_new(call, call_string(call, 0), &create);
    if (r != 0)
        return r;
    create->passphrase = descriptors_steal(call, "passphrase");
    create->fd = descriptors_find(call, "backup")->fd;
    create->location = strdup(call_string(call, 1));
    if (!create->location)
        return -ENOMEM;
    r = backup_create_begin(call->service->realm, create, on_backup, call, &call->failure);
    call->acting = r == 0;
    return r;
}

static void on_backup_in_directory(void *userdata, const struct failure *failure)
{
    struct call *call = userdata;
    const struct backup_create *create = call->extra;
    struct writer writer;

    if (!call_succeeded(call, failure))
        return;
    tell_backup(call, create);
    writer = call_writer(call);
    writer_string(&writer, create->info.location);
    call_reply(call, writer_take(&writer));
}

int handle_backup_to_directory(struct call *call)
{
    const char *directory = call->service->config->backup_directory;
    struct backup_create *create;
    int r;

    if (!*directory)
        return failure_set(&call->failure, ERROR_NO_BACKUP_DIRECTORY, NULL);
    r = create_new(call, call_string(call, 0), &create);
    if (r != 0)
        return r;
    create->directory = strdup(directory);
    if (!create->directory)
        return -ENOMEM;
    r = backup_create_begin(call->service->realm, create, on_backup_in_directory, call, &call->failure);
    call->acting = r == 0;
    return r;
}

int handle_add_recipient(struct call *call)
{
    const char *name = call_string(call, 0);
    int r = recipient_add(call->service->realm, name, call_string(call, 1), call_on_done, call,
                          &call->failure);

    call->acting = r == 0;
    call_detail(call, "%s added", name);
    return r;
}

int handle_remove_recipient(struct call *call)
{
    const char *name = call_string(call, 0);
    int r = recipient_remove(call->service->realm, name, call_on_done, call, &call->failure);

    call->acting = r == 0;
    call_detail(call, "%s removed", name);
    return r;
}

void get_recipients(const struct property_source *source, struct writer *writer)
{
    const struct keyring *keyring = realm_keyring(source->service->realm);
    char text[RECIPIENT_PUBLIC_TEXT_SIZE];

    writer_open(writer, DBUS_TYPE_ARRAY, "(sst)");
    for (size_t i = 0; keyring && i < keyring_recipients(keyring); i++) {
        const struct recipient *recipient = keyring_recipient(keyring, i);

        recipient_public_format(recipient->public_key, text);
        writer_open(writer, DBUS_TYPE_STRUCT, NULL);
        writer_string(writer, recipient->name);
        writer_string(writer, text);
        writer_uint64(writer, recipient->added_usec);
        writer_close(writer);
    }
    writer_close(writer);
}

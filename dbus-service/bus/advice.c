/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/advice.h"

#include "dbus-service/domain/backup_watch.h"

#include <string.h>

static void advise_keys(const struct service *service, struct writer *writer)
{
    const struct keyring *keyring = realm_keyring(service->realm);
    const char *backup = backup_watch_due(service->backup_watch);

    if (!keyring)
        return;
    if (backup)
        writer_string(writer, backup);
    if (strcmp(realm_slot_used(service->realm), "keyfile") == 0)
        writer_string(writer, "The key file protects nothing against whoever reads this disk: "
                              "prefer a credential or passphrase slot.");
    if (strcmp(keyring_memory_kind(keyring), "memory that could not be locked") == 0)
        writer_string(writer, "Keys could be swapped to disk: raise LimitMEMLOCK.");
}

void advice_write(struct service *service, struct writer *writer)
{
    enum realm_state state = realm_state(service->realm);

    if (state != REALM_READY)
        writer_string(writer, service_state_text(service));
    if (state == REALM_READY && application_set_count(service->applications) == 0)
        writer_string(writer, "There is no application yet. Run: mastersecret app create NAME");
    advise_keys(service, writer);
}

void fingerprint_format(const struct keyring *keyring, char ret_text[FINGERPRINT_TEXT_SIZE])
{
    struct generation_info info;

    *ret_text = '\0';
    for (size_t i = 0; keyring && i < keyring_generations(keyring); i++) {
        keyring_generation(keyring, i, &info);
        if (info.number == keyring_active_generation(keyring))
            hex_format(info.fingerprint, FINGERPRINT_SIZE, 4, ret_text);
    }
}

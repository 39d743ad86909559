/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The configuration file: what is taken is within the limits, what is refused says where. */
#include "dbus-service/config.h"

#include "common/names.h"
#include "tests/fuzz/folder.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

size_t fuzz_places = 1024;

CLEANUP_DEFINE(config, struct config, config_free)

static void check_list(const struct config_list *list)
{
    if (list->count > LIST_NAMES_MAX)
        abort();
    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->names[i];

        if (!name_is_valid(strncmp(name, "user:", 5) == 0 ? name + 5 : name))
            abort();
    }
}

static void check(const struct config *config)
{
    check_list(&config->administrators);
    check_list(&config->affiliate_administrators);
    if ((*config->anchor && *config->anchor != '/') ||
        (*config->keyfile && *config->keyfile != '/'))
        abort();
    if (config->name_cache < 1 || config->name_cache > 3600 ||
        config->audit_success > CONFIG_AUDIT_ALL || config->audit_failure > CONFIG_AUDIT_ALL ||
        config->connections < 16 || config->calls_per_user < 1 || config->verify_burst < 1 ||
        config->verify_per_minute < 1 || config->kilobytes_per_user < 1024)
        abort();
}

/* "FILE: ..." or "FILE:LINE: ...", of one line without control characters. */
static void check_error(const char *error, const char *path)
{
    size_t length = strlen(path);

    if (strncmp(error, path, length) != 0 || error[length] != ':' || strlen(error) < length + 5 ||
        strlen(error) >= CONFIG_ERROR_MAX || strchr(error, '\n'))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    CLEANUP(config_cleanup) struct config *config = NULL;
    const char *path = folder_put("mastersecretd.conf", bytes, size);
    char error[CONFIG_ERROR_MAX];
    int r = config_load(path, &config, error);

    if ((r == 0) != (config != NULL))
        abort();
    if (config)
        check(config);
    else
        check_error(error, path);
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    static const char text[] =
        "# a comment\n[service]\nadministrators = secops , user:alice\nanchor = /srv/anchor\n"
        "keyfile=\nname-cache = 5\n\n[audit]\nsuccess = all ; a comment\nfailure = none\n"
        "[limits]\nconnections = 20\nverify-failures = 3\n";

    if (sizeof(text) - 1 > room)
        abort();
    memcpy(ret_bytes, text, sizeof(text) - 1);
    return sizeof(text) - 1;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Names and paths: what we let through, libdbus must take (it aborts on anything else), and each
 * name has exactly one path. */
#include "common/names.h"
#include "tests/fuzz/fuzz.h"

#include <dbus/dbus.h>
#include <stdlib.h>
#include <string.h>

static void check_name(const char *name)
{
    char path[sizeof(BUS_PATH_APPLICATION) + 3 * NAME_MAX_BYTES + 2];
    char back[NAME_MAX_BYTES + 1];

    if (name_to_path(name, path, sizeof(path)) < 0 || !dbus_validate_path(path, NULL) ||
        name_from_path(strrchr(path, '/') + 1, back, sizeof(back)) < 0 || strcmp(back, name) != 0)
        abort();
}

static void check_element(const char *element)
{
    char path[sizeof(BUS_PATH_APPLICATION) + 3 * NAME_MAX_BYTES + 2];
    char name[NAME_MAX_BYTES + 1];

    if (name_from_path(element, name, sizeof(name)) < 0)
        return;
    if (!name_is_valid(name) || name_to_path(name, path, sizeof(path)) < 0 ||
        strcmp(strrchr(path, '/') + 1, element) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *text = malloc(size + 1);

    if (!text)
        abort();
    memcpy(text, bytes, size);
    text[size] = '\0';
    if (strlen(text) == size &&
        text_is_utf8(text, size, size) != (dbus_validate_utf8(text, NULL) != 0))
        abort();
    if (name_is_valid(text))
        check_name(text);
    check_element(text);
    free(text);
    return 0;
}

size_t fuzz_seed(uint8_t *ret_bytes, size_t room)
{
    static const char seed[] = "Lohn_20_26_20Gehalt_e2_82_ac\xe2\x82\xac";

    if (room < sizeof(seed) - 1)
        abort();
    memcpy(ret_bytes, seed, sizeof(seed) - 1);
    return sizeof(seed) - 1;
}

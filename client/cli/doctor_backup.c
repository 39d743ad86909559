/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/doctor.h"
#include "common/file_hash.h"
#include "common/hex.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static const char another[] = "run: mastersecret secret backup create FILE";

static const char *text(const struct doctor *doctor, const char *key)
{
    const char *value = json_string_value(json_object_get(doctor->status, key));

    return value ? value : "";
}

static bool is_unchanged(const struct doctor *doctor, int fd)
{
    const char *wanted = text(doctor, "backup-hash"); /* its beginning; "": not known */
    char found[HEX_TEXT_SIZE(FILE_HASH_SIZE)];
    uint8_t hash[FILE_HASH_SIZE];

    if (file_hash(fd, hash) < 0)
        return false;
    hex_format(hash, sizeof(hash), 0, found);
    return strncmp(found, wanted, strlen(wanted)) == 0;
}

void doctor_look_at_backup(struct doctor *doctor)
{
    const char *location = text(doctor, "backup-location");
    CLEANUP_CLOSE int fd = -1;

    if (location[0] != '/')
        return;
    fd = open(location, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && errno == EACCES)
        doctor_add(doctor, "note", "run: sudo mastersecret doctor",
                   "you may not look at the backup '%s'", location);
    else if (fd < 0)
        doctor_add(doctor, "warning", another, "the last backup, '%s': %s", location,
                   strerrordesc_np(errno));
    else if (!is_unchanged(doctor, fd))
        doctor_add(doctor, "error", another,
                   "the last backup, '%s', is not as it was when it was proven", location);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/doctor.h"
#include "client/cli/policy_files.h"
#include "common/file_hash.h"
#include "common/hex.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#define SERVICE_USER "mastersecret"

/* ---- Folders and files ---- */

static void complain_of_absence(struct doctor *doctor, const char *path, int error)
{
    if (error == EACCES)
        doctor_add(doctor, "note", "run: sudo mastersecret doctor",
                   "you may not look at %s", path);
    else
        doctor_add(doctor, "error", "run: systemd-tmpfiles --create mastersecret.conf",
                   "%s: %s", path, strerrordesc_np(error));
}

/* Owner and mode of what is there. */
static void judge(struct doctor *doctor, const char *path, const struct stat *status, uid_t owner,
                  const char *owner_name, mode_t forbidden)
{
    char remedy[PATH_MAX + 64];

    if (status->st_uid != owner) {
        snprintf(remedy, sizeof(remedy), "run: chown %s: %s", owner_name, path);
        doctor_add(doctor, "error", remedy, "%s belongs to uid %u, not to %s", path,
                   (unsigned)status->st_uid, owner_name);
    }
    if (status->st_mode & forbidden) {
        snprintf(remedy, sizeof(remedy), "run: chmod %s %s",
                 forbidden & S_IROTH ? "go-rwx" : "go-w", path);
        doctor_add(doctor, "error", remedy, "%s is open to others (mode %04o)", path,
                   (unsigned)status->st_mode & 07777);
    }
}

/* What a restore or an administrator left beside them holds keys or ciphertext of before. */
static bool is_known(const char *name)
{
    static const char *const names[] = { "keyring", "keyfile", "journal", "journal.new",
                                         "view",    "view.open", "anchor", "lock" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void look_into_state(struct doctor *doctor, uid_t owner)
{
    DIR *folder = opendir(MS_STATE_DIR);
    const struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        char path[PATH_MAX], remedy[PATH_MAX + 64];
        struct stat status;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", MS_STATE_DIR, entry->d_name);
        if (lstat(path, &status) < 0)
            continue; /* gone meanwhile */
        judge(doctor, path, &status, owner, SERVICE_USER, S_IRWXG | S_IRWXO);
        snprintf(remedy, sizeof(remedy), "once nothing of it is needed, run: rm %s", path);
        if (!is_known(entry->d_name))
            doctor_add(doctor, "note", remedy,
                       "%s is kept aside; it may hold old keys or records", path);
    }
    if (folder)
        closedir(folder);
}

void doctor_look_at_files(struct doctor *doctor)
{
    static const struct {
        const char *path;
        bool of_service;
        mode_t forbidden;
        bool needed;
    } rows[] = {
        { MS_STATE_DIR, true, S_IRWXG | S_IRWXO, true },
        { MS_ANCHOR_DIR, true, S_IRWXG | S_IRWXO, true },
        { MS_RUN_DIR, true, S_IWGRP | S_IWOTH, true },
        { MS_CONFIG_DIR, false, S_IWGRP | S_IWOTH, true },
        { MS_CONFIG_DIR "/mastersecretd.conf", false, S_IWGRP | S_IWOTH, false },
    };
    const struct passwd *user = getpwnam(SERVICE_USER);
    uid_t owner = user ? user->pw_uid : 0;

    if (!user)
        doctor_add(doctor, "error", "run: systemd-sysusers mastersecret.conf",
                   "there is no user '" SERVICE_USER "', which the service runs as");
    for (size_t i = 0; user && i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct stat status;

        if (stat(rows[i].path, &status) == 0)
            judge(doctor, rows[i].path, &status, rows[i].of_service ? owner : 0,
                  rows[i].of_service ? SERVICE_USER : "root", rows[i].forbidden);
        else if (rows[i].needed || errno != ENOENT)
            complain_of_absence(doctor, rows[i].path, errno);
    }
    if (user)
        look_into_state(doctor, owner);
}

/* ---- Policy ---- */

static bool is_as_installed(int fd, const char *wanted)
{
    uint8_t hash[FILE_HASH_SIZE];
    char text[HEX_TEXT_SIZE(FILE_HASH_SIZE)];

    if (file_hash(fd, hash) < 0)
        return false;
    hex_format(hash, sizeof(hash), 0, text);
    return strcmp(text, wanted) == 0;
}

void doctor_look_at_policy(struct doctor *doctor)
{
    static const struct {
        const char *path;
        const char *hash;
    } rows[] = {
#define X(path, hash) { path, hash },
        POLICY_FILES(X)
#undef X
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP_CLOSE int fd = open(rows[i].path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        if (fd < 0)
            doctor_add(doctor, "error", "install mastersecret again", "%s: %s", rows[i].path,
                       strerrordesc_np(errno));
        else if (!is_as_installed(fd, rows[i].hash))
            doctor_add(doctor, "warning",
                       "keep changes of your own in /etc (systemctl edit, /etc/dbus-1/system.d), "
                       "and install mastersecret again",
                       "%s is not as it came with this version", rows[i].path);
    }
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/keyring_slot.h"

#include "dbus-service/keys/keyring_change.h"
#include "dbus-service/keys/keyring_content.h"
#include "dbus-service/keys/keyring_file.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Reading */

static struct slot_info info_of(const struct slot *slot)
{
    struct slot_info info = { .id = slot->id, .kind = slot->kind, .usable = !slot->kept };

    if (info.usable && slot->kind == SLOT_SHARES) {
        info.threshold = (unsigned)slot->cost.opslimit;
        info.count = (unsigned)slot->cost.memlimit;
    }
    return info;
}

void keyring_slot_list(int folder_fd, struct slot_list *ret_list)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct keyring_file file;

    *ret_list = (struct slot_list){ .outcome = keyring_file_load(folder_fd, &bytes, &file) };
    if (ret_list->outcome != KEYRING_DONE)
        return;
    memcpy(ret_list->realm, file.realm, sizeof(ret_list->realm));
    ret_list->count = file.slot_count;
    for (size_t i = 0; i < file.slot_count; i++)
        ret_list->infos[i] = info_of(&file.slots[i]);
}

unsigned slot_list_kinds(const struct slot_list *list)
{
    unsigned mask = 0;

    for (size_t i = 0; i < list->count; i++)
        if (list->infos[i].usable)
            mask |= 1U << list->infos[i].kind;
    return mask;
}

int slot_list_check_share(const struct slot_list *list, const struct share *share)
{
    if (list->outcome != KEYRING_DONE)
        return list->outcome;
    if (memcmp(list->realm, share->realm, sizeof(list->realm)) != 0)
        return KEYRING_OTHER_REALM;
    for (size_t i = 0; i < list->count; i++) {
        const struct slot_info *info = &list->infos[i];

        if (info->kind == SLOT_SHARES && info->id == share->slot &&
            info->threshold == share->threshold && info->count == share->count)
            return KEYRING_DONE;
    }
    return KEYRING_SHARES_DIFFER;
}

/* Changing: the file is read, its slots are changed in memory, and it is written. */

/* The open keyring's own file. */
static int load_own(int folder_fd, const struct keyring *keyring, struct secret **ret_bytes,
                    struct keyring_file *ret_file)
{
    int r = keyring_file_load(folder_fd, ret_bytes, ret_file);

    if (r != KEYRING_DONE)
        return r;
    if (memcmp(ret_file->realm, keyring->realm, sizeof(ret_file->realm)) != 0)
        return KEYRING_OTHER_REALM;
    return keyring_file_check(ret_file, keyring->keys->root);
}

static int save(int folder_fd, const struct keyring_file *file)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    int r = keyring_file_format(file, &bytes);

    return r < 0 ? r : keyring_file_save(folder_fd, bytes);
}

int keyring_store(int folder_fd, const struct keyring *keyring)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    CLEANUP_SECRET struct secret *anew = NULL;
    struct keyring_file file;
    int r = load_own(folder_fd, keyring, &bytes, &file);

    if (r == KEYRING_DONE)
        r = keyring_file_seal(keyring, file.slots, file.slot_count, &anew);
    return r == KEYRING_DONE ? keyring_file_save(folder_fd, anew) : r;
}

/* The same, and where in it the slot `id` is. */
static int load_slot(int folder_fd, const struct keyring *keyring, uint32_t id,
                     struct secret **ret_bytes, struct keyring_file *ret_file, size_t *ret_at)
{
    int r = load_own(folder_fd, keyring, ret_bytes, ret_file);

    if (r != KEYRING_DONE)
        return r;
    for (*ret_at = 0; *ret_at < ret_file->slot_count; ++*ret_at)
        if (ret_file->slots[*ret_at].id == id)
            return KEYRING_DONE;
    return KEYRING_SLOT_NOT_FOUND;
}

static void take_out(struct keyring_file *file, size_t at)
{
    file->slot_count--;
    memmove(&file->slots[at], &file->slots[at + 1],
            (file->slot_count - at) * sizeof(file->slots[0]));
}

static int next_id(const struct keyring_file *file, uint32_t *ret_id)
{
    uint32_t highest = 0;

    for (size_t i = 0; i < file->slot_count; i++)
        if (file->slots[i].id > highest)
            highest = file->slots[i].id;
    *ret_id = highest + 1;
    return highest == UINT32_MAX ? KEYRING_FULL : KEYRING_DONE;
}

/* KEYRING_DAMAGED: it wraps another key. */
static int check_opens(const struct slot *slot, const struct slot_sources *sources,
                       const struct keyring *keyring)
{
    CLEANUP_KEY struct key root;
    int r = slot_unwrap(slot, sources, keyring->realm, &root);

    if (r != KEYRING_DONE)
        return r;
    return sodium_memcmp(root.bytes, keyring->keys->root, KEY_SIZE) == 0 ? KEYRING_DONE
                                                                         : KEYRING_DAMAGED;
}

/* Wraps, and opens again before anybody relies on it. */
static int wrap(const struct keyring *keyring, enum slot_kind kind, uint32_t id,
                const struct slot_sources *sources, struct slot *ret_slot)
{
    int r = slot_wrap(kind, id, sources, keyring->realm, keyring->keys->root, ret_slot);

    return r == KEYRING_DONE ? check_opens(ret_slot, sources, keyring) : r;
}

static int wrap_shares(const struct keyring *keyring, const struct slot_request *request,
                       uint32_t id, struct slot *ret_slot)
{
    struct slot_sources sources = { .shares = request->shares };
    CLEANUP_KEY struct key secret = {0};

    if (!shares_are_valid(request->threshold, request->count))
        return -EINVAL;
    random_bytes(secret.bytes, sizeof(secret.bytes));
    shares_split(&secret, keyring->realm, id, request->threshold, request->count, request->shares);
    return wrap(keyring, SLOT_SHARES, id, &sources, ret_slot);
}

/* Shares of a slot that did not come to be. */
static int wipe_unless_done(const struct slot_request *request, int r)
{
    if (r != KEYRING_DONE && request->kind == SLOT_SHARES)
        share_set_wipe(request->shares);
    return r;
}

static int make_slot(const struct keyring *keyring, const struct slot_request *request, uint32_t id,
                     struct slot *ret_slot)
{
    return request->kind == SLOT_SHARES
               ? wrap_shares(keyring, request, id, ret_slot)
               : wrap(keyring, request->kind, id, &request->sources, ret_slot);
}

/* With its key material, where this kind makes that itself. What was made stays once the slot
 * may be in the file: a keyring in its place whose folder could not be synced is in its place. */
static int create_slot(const struct keyring *keyring, const struct slot_request *request,
                       uint32_t id, struct slot *ret_slot)
{
    bool created = false;
    int r = KEYRING_DONE;

    if (request->kind != SLOT_SHARES)
        r = slot_source_create(request->kind, &request->sources, &created);
    if (r == KEYRING_DONE)
        r = make_slot(keyring, request, id, ret_slot);
    if (r != KEYRING_DONE && created)
        slot_source_remove(request->kind, &request->sources);
    return r;
}

static uint32_t last_id(const struct keyring_file *file)
{
    return file->slots[file->slot_count - 1].id;
}

static int add(int folder_fd, const struct keyring *keyring, const struct slot_request *request,
               uint32_t *ret_id)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct keyring_file file;
    int r = load_own(folder_fd, keyring, &bytes, &file);

    if (r == KEYRING_DONE)
        r = next_id(&file, ret_id);
    if (r == KEYRING_DONE && file.slot_count == SLOTS_MAX)
        r = KEYRING_FULL;
    if (r == KEYRING_DONE)
        r = create_slot(keyring, request, *ret_id, &file.slots[file.slot_count]);
    if (r != KEYRING_DONE)
        return r;
    file.slot_count++;
    return save(folder_fd, &file);
}

int keyring_slot_add(int folder_fd, const struct keyring *keyring,
                     const struct slot_request *request, uint32_t *ret_id)
{
    uint32_t id = 0;
    int r = wipe_unless_done(request, add(folder_fd, keyring, request, &id));

    if (r == KEYRING_DONE)
        *ret_id = id;
    return r;
}

/* Without the slots for the key file that come before the last one, which is the new one's. */
static int save_one_keyfile(int folder_fd, struct keyring_file *file)
{
    for (size_t i = file->slot_count - 1; i > 0; i--)
        if (file->slots[i - 1].kind == SLOT_KEYFILE)
            take_out(file, i - 1);
    return save(folder_fd, file);
}

/* Key file and keyring cannot change in one step. So the keyring has both slots while the one
 * key file takes the place of the other: whichever lies there opens. `next` is where the new one
 * lies first. */
static int replace_keyfile(int folder_fd, const struct keyring *keyring, const char *path,
                           const char *next, struct keyring_file *file)
{
    struct slot_sources sources = { .keyfile = next };
    uint32_t id;
    int r = next_id(file, &id);

    if (r != KEYRING_DONE || file->slot_count == SLOTS_MAX)
        return KEYRING_FULL;
    r = wrap(keyring, SLOT_KEYFILE, id, &sources, &file->slots[file->slot_count++]);
    if (r == KEYRING_DONE)
        r = save(folder_fd, file);
    if (r == KEYRING_DONE)
        r = slot_keyfile_commit(path);
    return r == KEYRING_DONE ? save_one_keyfile(folder_fd, file) : r;
}

static int replace_with_keyfile(int folder_fd, const struct keyring *keyring, const char *path,
                                struct keyring_file *file)
{
    struct keyring_file before = *file;
    char next[PATH_MAX];
    int r;

    if (!path)
        return KEYRING_NO_SLOT;
    r = slot_keyfile_prepare(path, next);
    if (r == 0)
        r = replace_keyfile(folder_fd, keyring, path, next, file);
    /* If the key file is certainly the old one, the slot for the new one goes again. If not, both
     * slots stay, and the next replacement takes those that no longer open. */
    if (r != KEYRING_DONE && slot_keyfile_cancel(path) == 0)
        (void)!save(folder_fd, &before);
    return r;
}

static int replace(int folder_fd, const struct keyring *keyring, size_t at,
                   const struct slot_request *request, struct keyring_file *file)
{
    struct slot slot;
    uint32_t id;
    int r;

    if (request->kind == SLOT_KEYFILE)
        return replace_with_keyfile(folder_fd, keyring, request->sources.keyfile, file);
    r = next_id(file, &id);
    if (r == KEYRING_DONE)
        r = create_slot(keyring, request, id, &slot);
    if (r != KEYRING_DONE)
        return r;
    take_out(file, at);
    file->slots[file->slot_count++] = slot;
    return save(folder_fd, file);
}

static int replace_id(int folder_fd, const struct keyring *keyring, uint32_t id,
                      const struct slot_request *request, uint32_t *ret_id)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct keyring_file file;
    size_t at;
    int r = load_slot(folder_fd, keyring, id, &bytes, &file, &at);

    if (r != KEYRING_DONE)
        return r;
    if (file.slots[at].kind != request->kind)
        return -EINVAL;
    r = replace(folder_fd, keyring, at, request, &file);
    if (r == KEYRING_DONE)
        *ret_id = last_id(&file);
    return r;
}

int keyring_slot_replace(int folder_fd, const struct keyring *keyring, uint32_t id,
                         const struct slot_request *request, uint32_t *ret_id)
{
    return wipe_unless_done(request, replace_id(folder_fd, keyring, id, request, ret_id));
}

static bool any_usable(const struct keyring_file *file)
{
    for (size_t i = 0; i < file->slot_count; i++)
        if (!file->slots[i].kept)
            return true;
    return false;
}

int keyring_slot_remove(int folder_fd, const struct keyring *keyring, uint32_t id)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct keyring_file file;
    size_t at;
    int r = load_slot(folder_fd, keyring, id, &bytes, &file, &at);

    if (r != KEYRING_DONE)
        return r;
    take_out(&file, at);
    return any_usable(&file) ? save(folder_fd, &file) : KEYRING_LAST_SLOT;
}

int keyring_slot_test(int folder_fd, const struct keyring *keyring, uint32_t id,
                      const struct slot_sources *sources)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct keyring_file file;
    size_t at;
    int r = load_slot(folder_fd, keyring, id, &bytes, &file, &at);

    return r == KEYRING_DONE ? check_opens(&file.slots[at], sources, keyring) : r;
}

/* The root key */

static int wrap_all(const struct keyring *keyring, const struct keyring *anew,
                    const struct slot_sources *sources, struct keyring_file *file)
{
    int r = KEYRING_DONE;

    for (size_t i = 0; i < file->slot_count && r == KEYRING_DONE; i++) {
        struct slot *slot = &file->slots[i];

        r = check_opens(slot, sources, keyring);
        if (r == KEYRING_DONE)
            r = wrap(anew, slot->kind, slot->id, sources, slot);
    }
    return r;
}

/* The open keyring has to be that of the file. A folder that could not be synced leaves either file
 * after a loss of power, and the same things open both. */
static int save_or_find(int folder_fd, const struct secret *bytes)
{
    CLEANUP_SECRET struct secret *found = NULL;
    struct keyring_file file;
    int r = keyring_file_save(folder_fd, bytes);

    if (r == KEYRING_DONE || keyring_file_load(folder_fd, &found, &file) != KEYRING_DONE)
        return r;
    return found->length == bytes->length && memcmp(found->bytes, bytes->bytes, bytes->length) == 0
               ? KEYRING_DONE
               : r;
}

static int seal_anew(int folder_fd, const struct keyring *keyring, const struct keyring *anew,
                     const struct slot_sources *sources)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    CLEANUP_SECRET struct secret *changed = NULL;
    struct keyring_file file;
    int r = load_own(folder_fd, keyring, &bytes, &file);

    if (r == KEYRING_DONE)
        r = wrap_all(keyring, anew, sources, &file);
    if (r == KEYRING_DONE)
        r = keyring_file_seal(anew, file.slots, file.slot_count, &changed);
    return r == KEYRING_DONE ? save_or_find(folder_fd, changed) : r;
}

int keyring_rekey(int folder_fd, const struct keyring *keyring, const struct slot_sources *sources,
                  struct keyring **ret_keyring)
{
    static const struct keyring_change none = { .add_generation = false };
    CLEANUP_KEYRING struct keyring *anew = NULL;
    int r = keyring_change(keyring, &none, &anew);

    if (r != KEYRING_DONE)
        return r;
    random_bytes(anew->keys->root, sizeof(anew->keys->root));
    r = seal_anew(folder_fd, keyring, anew, sources);
    if (r == KEYRING_DONE)
        *ret_keyring = STEAL(anew);
    return r;
}

/* Restoring */

int keyring_keep_aside(int folder_fd, char ret_name[NAME_MAX + 1])
{
    uint64_t now = keyring_now_usec();
    time_t seconds = (time_t)(now / 1000000);
    char text[sizeof("20260101T000000")];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y%m%dT%H%M%S", &tm);
    snprintf(ret_name, NAME_MAX + 1, KEYRING_ASIDE "%s.%06uZ", text, (unsigned)(now % 1000000));
    if (linkat(folder_fd, KEYRING_FILE, folder_fd, ret_name, 0) < 0)
        return errno == ENOENT ? KEYRING_ABSENT : -errno;
    return fsync(folder_fd) < 0 ? -errno : KEYRING_DONE;
}

static int install(int folder_fd, const struct keyring *keyring, const struct slot_request *request)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct slot slot;
    int r = create_slot(keyring, request, FIRST_SLOT_ID, &slot);

    if (r == KEYRING_DONE)
        r = keyring_file_seal(keyring, &slot, 1, &bytes);
    return r == KEYRING_DONE ? keyring_file_save(folder_fd, bytes) : r;
}

int keyring_install(int folder_fd, struct keyring *keyring, const struct slot_request *request)
{
    random_bytes(keyring->keys->root, sizeof(keyring->keys->root));
    keyring->opened_by = FIRST_SLOT_ID;
    return wipe_unless_done(request, install(folder_fd, keyring, request));
}

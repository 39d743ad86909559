/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/keyring.h"

#include "common/names.h"
#include "dbus-service/keys/backup.h"
#include "dbus-service/keys/durable_file.h"
#include "dbus-service/keys/keyring_content.h"
#include "dbus-service/keys/keyring_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

int keys_init(void)
{
    return sodium_init() < 0 ? -EIO : 0;
}

void random_bytes(void *ret_bytes, size_t length)
{
    randombytes_buf(ret_bytes, length);
}

/* Facts */

const uint8_t *keyring_realm(const struct keyring *keyring)
{
    return keyring->realm;
}

uint32_t keyring_active_generation(const struct keyring *keyring)
{
    return keyring->active;
}

const char *keyring_memory_kind(const struct keyring *keyring)
{
    return key_pool_kind(keyring->pool);
}

uint32_t keyring_opened_by(const struct keyring *keyring)
{
    return keyring->opened_by;
}

uint64_t keyring_epoch(const struct keyring *keyring)
{
    return keyring->epoch;
}

void keyring_backup_info(const struct keyring *keyring, struct backup_info *ret_info)
{
    *ret_info = keyring->backup;
}

void keyring_rotation(const struct keyring *keyring, struct rotation_state *ret_state)
{
    *ret_state = keyring->rotation;
}

const uint8_t *keyring_signer(const struct keyring *keyring)
{
    return keyring->signing_public;
}

size_t keyring_recipients(const struct keyring *keyring)
{
    return keyring->recipient_count;
}

const struct recipient *keyring_recipient(const struct keyring *keyring, size_t index)
{
    return &keyring->recipients[index];
}

size_t keyring_generations(const struct keyring *keyring)
{
    return keyring->count;
}

void keyring_generation(const struct keyring *keyring, size_t index,
                        struct generation_info *ret_info)
{
    *ret_info = keyring->generations[index].info;
}

static void keyed_hash(const uint8_t key[KEY_SIZE], const struct iovec *parts, size_t count,
                       uint8_t ret_hash[32])
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, key, KEY_SIZE, 32);
    for (size_t i = 0; i < count; i++)
        crypto_generichash_update(&state, parts[i].iov_base, parts[i].iov_len);
    crypto_generichash_final(&state, ret_hash, 32);
    memory_wipe(&state, sizeof(state));
}

int keyring_new_for_log(const struct keyring *keyring, struct keyring **ret_keyring)
{
    int r = keyring_alloc(0, ret_keyring);

    if (r < 0)
        return r;
    memcpy((*ret_keyring)->realm, keyring->realm, sizeof(keyring->realm));
    memcpy((*ret_keyring)->keys->log, keyring->keys->log, sizeof(keyring->keys->log));
    return 0;
}

void keyring_log_hash(const struct keyring *keyring, const struct iovec *parts, size_t count,
                      uint8_t ret_hash[32])
{
    keyed_hash(keyring->keys->log, parts, count, ret_hash);
}

void keyring_name_hash(const struct keyring *keyring, const struct iovec *parts, size_t count,
                       uint8_t ret_hash[32])
{
    keyed_hash(keyring->keys->name, parts, count, ret_hash);
}

/* Reading */

int keyring_exists(int folder_fd)
{
    struct stat status;

    if (fstatat(folder_fd, KEYRING_FILE, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return KEYRING_DONE;
    return errno == ENOENT ? KEYRING_ABSENT : -errno;
}

/* Any slot of the kind. When none opens, the first reason that says more than "not there". */
static int unwrap_kind(const struct keyring_file *file, enum slot_kind kind,
                       const struct slot_sources *sources, struct key *ret_root,
                       const struct slot **ret_used)
{
    int reason = KEYRING_NO_SLOT;

    for (size_t i = 0; i < file->slot_count; i++) {
        int r;

        if (file->slots[i].kind != kind)
            continue;
        r = slot_unwrap(&file->slots[i], sources, file->realm, ret_root);
        if (r == KEYRING_DONE) /* a slot of another file, put into this one, wraps another key */
            r = keyring_file_check(file, ret_root->bytes);
        if (r == KEYRING_DONE) {
            *ret_used = &file->slots[i];
            return r;
        }
        if (reason == KEYRING_NO_SLOT)
            reason = r;
    }
    return reason;
}

static bool any_known(const struct keyring_file *file)
{
    for (size_t i = 0; i < file->slot_count; i++)
        if (slot_kind_name(file->slots[i].kind))
            return true;
    return false;
}

static int unwrap_any(const struct keyring_file *file, const struct slot_sources *sources,
                      struct key *ret_root, const struct slot **ret_used)
{
    static const enum slot_kind order[] = { SLOT_CREDENTIAL, SLOT_KEYFILE, SLOT_PASSPHRASE,
                                            SLOT_SHARES };
    int reason = KEYRING_NO_SLOT;

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        int r = unwrap_kind(file, order[i], sources, ret_root, ret_used);

        if (r == KEYRING_DONE)
            return r;
        if (reason == KEYRING_NO_SLOT)
            reason = r;
    }
    return reason == KEYRING_NO_SLOT && !any_known(file) ? KEYRING_NEWER : reason;
}

int keyring_open(int folder_fd, const struct slot_sources *sources, struct keyring **ret_keyring,
                 enum slot_kind *ret_used)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    CLEANUP_KEY struct key root;
    struct keyring_file file;
    const struct slot *used = NULL;
    int r = keyring_file_load(folder_fd, &bytes, &file);

    if (r != KEYRING_DONE)
        return r;
    r = unwrap_any(&file, sources, &root, &used);
    if (r != KEYRING_DONE)
        return r;
    r = keyring_file_unseal(&file, &root, ret_keyring);
    if (r != KEYRING_DONE)
        return r;
    (*ret_keyring)->opened_by = used->id;
    *ret_used = used->kind;
    return KEYRING_DONE;
}

/* Generating: check, make keys, make the slot, prove the backup, and only then the keyring file. */

static int check_request(const struct keyring_generate *request)
{
    struct backup_info info;
    int r = keyring_exists(request->folder_fd);

    if (r != KEYRING_ABSENT)
        return r == KEYRING_DONE ? KEYRING_EXISTS : r;
    if (!text_is_utf8(request->backup_location, strlen(request->backup_location),
                      sizeof(info.location) - 1))
        return -EINVAL;
    if (!passphrase_is_valid(request->backup_passphrase))
        return KEYRING_PASSPHRASE_LENGTH;
    return backup_check(request->backup_fd);
}

static int write_keyring(const struct keyring_generate *request, const struct keyring *keyring,
                         const struct slot *slot)
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    int r = keyring_file_seal(keyring, slot, 1, &bytes);

    if (r < 0)
        return r;
    r = durable_file_create(request->folder_fd, KEYRING_FILE, 0600, bytes->bytes, bytes->length);
    return r == -EEXIST ? KEYRING_EXISTS : r;
}

/* With the backup written: whatever fails from here on takes it back. */
static int write_both(const struct keyring_generate *request, struct keyring *keyring,
                      const struct slot *slot)
{
    struct backup_request backup = { .passphrase = request->backup_passphrase,
                                     .hint = request->backup_hint };
    struct backup_info info = { .time_usec = 0 };
    int r = backup_write(request->backup_fd, keyring, &backup, &info);

    if (r != KEYRING_DONE)
        return r;
    memcpy(info.location, request->backup_location, strlen(request->backup_location) + 1);
    keyring->backup = info;
    r = write_keyring(request, keyring, slot);
    if (r != KEYRING_DONE)
        backup_discard(request->backup_fd);
    return r;
}

static int make_keyring(const struct keyring_generate *request, struct keyring **ret_keyring)
{
    CLEANUP_KEYRING struct keyring *keyring = NULL;
    struct slot slot;
    int r = keyring_new(&keyring);

    if (r < 0)
        return r;
    r = slot_wrap(request->slot, FIRST_SLOT_ID, &request->sources, keyring->realm,
                  keyring->keys->root, &slot);
    if (r != KEYRING_DONE)
        return r;
    r = write_both(request, keyring, &slot);
    keyring->opened_by = slot.id;
    if (r == KEYRING_DONE)
        *ret_keyring = STEAL(keyring);
    return r;
}

int keyring_generate(const struct keyring_generate *request, struct keyring **ret_keyring)
{
    bool created = false;
    int r = check_request(request);

    if (r != KEYRING_DONE)
        return r;
    r = slot_source_create(request->slot, &request->sources, &created);
    if (r != KEYRING_DONE)
        return r;
    r = make_keyring(request, ret_keyring);
    if (r != KEYRING_DONE && created)
        slot_source_remove(request->slot, &request->sources);
    return r;
}

/* Restoring */

int keyring_realm_of(int folder_fd, uint8_t ret_realm[REALM_ID_SIZE])
{
    CLEANUP_SECRET struct secret *bytes = NULL;
    struct keyring_file file;
    int r = keyring_file_load(folder_fd, &bytes, &file);

    if (r == KEYRING_DONE)
        memcpy(ret_realm, file.realm, REALM_ID_SIZE);
    return r;
}

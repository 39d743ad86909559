/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/slot.h"

#include "common/safe_open.h"
#include "dbus-service/keys/durable_file.h"
#include "dbus-service/keys/shares.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <string.h>

#define SOURCE_MIN_BYTES 32
#define SOURCE_MAX_BYTES (64 * 1024)

enum { SUBKEY_WRAP = 1, SUBKEY_COMMITMENT = 2 };

struct slot_type {
    const char *name;
    bool (*has_source)(const struct slot_sources *sources);
    int (*create)(const struct slot_sources *sources, bool *ret_created);
    int (*material)(const struct slot *slot, const struct slot_sources *sources,
                    struct key *ret_material);
    struct passphrase_cost (*cost)(const struct slot_sources *sources); /* of a new one */
    bool (*cost_fits)(const struct passphrase_cost *cost);
};

static bool has_keyfile(const struct slot_sources *sources)
{
    return sources->keyfile != NULL;
}

static bool has_credential(const struct slot_sources *sources)
{
    return sources->credential != NULL;
}

static bool has_passphrase(const struct slot_sources *sources)
{
    return sources->passphrase != NULL;
}

static bool has_shares(const struct slot_sources *sources)
{
    return sources->shares != NULL && sources->shares->count > 0;
}

/* Opens the folder of an absolute path. Points *ret_name at the last element. */
static int open_folder(const char *path, int *ret_fd, const char **ret_name)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;

    if (path[0] != '/' || !slash || slash[1] == '\0')
        return -EINVAL;
    if (length + 2 > sizeof(folder))
        return -ENAMETOOLONG;
    memcpy(folder, path, length);
    memcpy(folder + length, "/", 2);
    *ret_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *ret_name = slash + 1;
    return *ret_fd < 0 ? -errno : 0;
}

typedef int keyfile_writer(int folder_fd, const char *name, mode_t mode, const void *bytes,
                           size_t size);

/* A fresh key for the key file, where `write` puts it. */
static int write_keyfile(const char *path, keyfile_writer *write)
{
    CLEANUP_CLOSE int folder_fd = -1;
    CLEANUP_KEY struct key key;
    const char *name;
    int r = open_folder(path, &folder_fd, &name);

    if (r < 0)
        return r;
    random_bytes(key.bytes, sizeof(key.bytes));
    return write(folder_fd, name, 0400, key.bytes, sizeof(key.bytes));
}

static int create_keyfile(const struct slot_sources *sources, bool *ret_created)
{
    int r = write_keyfile(sources->keyfile, durable_file_create);

    *ret_created = r == 0;
    return r == -EEXIST ? KEYRING_DONE : r;
}

int slot_keyfile_prepare(const char *path, char ret_next[PATH_MAX])
{
    char temporary[NAME_MAX + 1];
    const char *slash = strrchr(path, '/');
    int length, r = write_keyfile(path, durable_file_prepare);

    if (r == 0)
        r = durable_file_temporary(slash + 1, temporary);
    if (r < 0)
        return r;
    length = snprintf(ret_next, PATH_MAX, "%.*s%s", (int)(slash + 1 - path), path, temporary);
    return length < 0 || length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int in_folder(const char *path, int (*act)(int folder_fd, const char *name))
{
    CLEANUP_CLOSE int folder_fd = -1;
    const char *name;
    int r = open_folder(path, &folder_fd, &name);

    return r < 0 ? r : act(folder_fd, name);
}

int slot_keyfile_commit(const char *path)
{
    return in_folder(path, durable_file_commit);
}

int slot_keyfile_cancel(const char *path)
{
    return in_folder(path, durable_file_cancel);
}

static int create_nothing(const struct slot_sources *sources, bool *ret_created)
{
    *ret_created = false;
    return KEYRING_DONE;
}

static int check_passphrase(const struct slot_sources *sources, bool *ret_created)
{
    *ret_created = false;
    return passphrase_is_valid(sources->passphrase) ? KEYRING_DONE : KEYRING_PASSPHRASE_LENGTH;
}

static void hash_material(const struct slot *slot, const uint8_t *bytes, size_t size,
                          struct key *ret_material)
{
    static const uint8_t label[] = "mastersecret slot";
    uint8_t kind = (uint8_t)slot->kind;
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, KEY_SIZE);
    crypto_generichash_update(&state, label, sizeof(label) - 1);
    crypto_generichash_update(&state, &kind, sizeof(kind));
    crypto_generichash_update(&state, slot->salt, sizeof(slot->salt));
    crypto_generichash_update(&state, bytes, size);
    crypto_generichash_final(&state, ret_material->bytes, KEY_SIZE);
    memory_wipe(&state, sizeof(state));
}

static int file_material(const struct slot *slot, const char *path, mode_t forbidden,
                         struct key *ret_material)
{
    CLEANUP_SECRET struct secret *content = NULL;
    struct safe_open_rule rule = { geteuid(), forbidden, SOURCE_MAX_BYTES };
    int r = safe_read(path, &rule, &content);

    if (r == -ENOENT)
        return KEYRING_NO_SLOT;
    if (r < 0)
        return r;
    if (r > 0 || content->length < SOURCE_MIN_BYTES)
        return KEYRING_BAD_SOURCE;
    hash_material(slot, content->bytes, content->length, ret_material);
    return KEYRING_DONE;
}

static int keyfile_material(const struct slot *slot, const struct slot_sources *sources,
                            struct key *ret_material)
{
    return file_material(slot, sources->keyfile, 0077, ret_material);
}

static int credential_material(const struct slot *slot, const struct slot_sources *sources,
                               struct key *ret_material)
{
    /* systemd lets the service's user in by an access list; its mask shows as the group's read. */
    return file_material(slot, sources->credential, 0037, ret_material);
}

static int passphrase_material(const struct slot *slot, const struct slot_sources *sources,
                               struct key *ret_material)
{
    return passphrase_derive(sources->passphrase, slot->salt, &slot->cost, ret_material);
}

static int shares_material(const struct slot *slot, const struct slot_sources *sources,
                           struct key *ret_material)
{
    CLEANUP_KEY struct key secret;
    const struct share *first = &sources->shares->shares[0];
    int r;

    if (first->slot != slot->id)
        return KEYRING_NO_SLOT;
    if (first->threshold != slot->cost.opslimit || first->count != slot->cost.memlimit)
        return KEYRING_SHARES_DIFFER;
    r = shares_join(sources->shares, &secret);
    if (r == KEYRING_DONE)
        hash_material(slot, secret.bytes, sizeof(secret.bytes), ret_material);
    return r;
}

static struct passphrase_cost cost_nothing(const struct slot_sources *sources)
{
    return (struct passphrase_cost){ 0, 0 };
}

static struct passphrase_cost cost_default(const struct slot_sources *sources)
{
    return passphrase_cost_default;
}

static struct passphrase_cost cost_shares(const struct slot_sources *sources)
{
    const struct share *first = &sources->shares->shares[0];

    return (struct passphrase_cost){ first->threshold, first->count };
}

static bool fits_nothing(const struct passphrase_cost *cost)
{
    return cost->opslimit == 0 && cost->memlimit == 0;
}

static bool fits_any(const struct passphrase_cost *cost)
{
    return true; /* passphrase_derive() has caps, and says which side of them it is */
}

static bool fits_shares(const struct passphrase_cost *cost)
{
    return cost->memlimit <= SHARES_MAX && cost->opslimit <= SHARES_MAX &&
           shares_are_valid((unsigned)cost->opslimit, (unsigned)cost->memlimit);
}

static const struct slot_type slot_types[] = {
    [SLOT_KEYFILE] = { "keyfile", has_keyfile, create_keyfile, keyfile_material, cost_nothing,
                       fits_nothing },
    [SLOT_CREDENTIAL] = { "credential", has_credential, create_nothing, credential_material,
                          cost_nothing, fits_nothing },
    [SLOT_PASSPHRASE] = { "passphrase", has_passphrase, check_passphrase, passphrase_material,
                          cost_default, fits_any },
    [SLOT_SHARES] = { "shares", has_shares, create_nothing, shares_material, cost_shares,
                      fits_shares },
};

#define SLOT_TYPES (sizeof(slot_types) / sizeof(slot_types[0]))

static const struct slot_type *type_of(unsigned kind)
{
    return kind < SLOT_TYPES && slot_types[kind].name ? &slot_types[kind] : NULL;
}

const char *slot_kind_name(enum slot_kind kind)
{
    const struct slot_type *type = type_of((unsigned)kind);

    return type ? type->name : NULL;
}

int slot_kind_parse(const char *name, enum slot_kind *ret_kind)
{
    for (unsigned i = 0; i < SLOT_TYPES; i++) {
        if (slot_types[i].name && strcmp(slot_types[i].name, name) == 0) {
            *ret_kind = (enum slot_kind)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* Is there anything in `sources` for this kind? */
static bool kind_has_source(enum slot_kind kind, const struct slot_sources *sources)
{
    const struct slot_type *type = type_of((unsigned)kind);

    return type && type->has_source(sources);
}

int slot_source_create(enum slot_kind kind, const struct slot_sources *sources, bool *ret_created)
{
    if (!kind_has_source(kind, sources))
        return KEYRING_NO_SLOT;
    return slot_types[kind].create(sources, ret_created);
}

void slot_source_remove(enum slot_kind kind, const struct slot_sources *sources)
{
    if (kind == SLOT_KEYFILE)
        unlink(sources->keyfile);
}

static void format_head(const struct slot *slot, struct cursor *cursor)
{
    cursor_put_u8(cursor, (uint8_t)slot->kind);
    cursor_put_u32(cursor, slot->id);
    cursor_put_u64(cursor, slot->cost.opslimit);
    cursor_put_u64(cursor, slot->cost.memlimit);
    cursor_put_bytes(cursor, slot->salt, sizeof(slot->salt));
    cursor_put_bytes(cursor, slot->commitment, sizeof(slot->commitment));
}

size_t slot_size(const struct slot *slot)
{
    return slot->kept ? slot->kept_size : SLOT_SIZE;
}

void slot_format(const struct slot *slot, struct cursor *cursor)
{
    cursor_put_u32(cursor, (uint32_t)slot_size(slot));
    if (slot->kept) {
        cursor_put_bytes(cursor, slot->kept, slot->kept_size);
        return;
    }
    format_head(slot, cursor);
    cursor_put_bytes(cursor, slot->nonce, sizeof(slot->nonce));
    cursor_put_bytes(cursor, slot->wrapped, sizeof(slot->wrapped));
}

static void parse_rest(struct cursor *cursor, struct slot *slot)
{
    slot->cost.opslimit = cursor_get_u64(cursor);
    slot->cost.memlimit = cursor_get_u64(cursor);
    cursor_get_bytes(cursor, slot->salt, sizeof(slot->salt));
    cursor_get_bytes(cursor, slot->commitment, sizeof(slot->commitment));
    cursor_get_bytes(cursor, slot->nonce, sizeof(slot->nonce));
    cursor_get_bytes(cursor, slot->wrapped, sizeof(slot->wrapped));
}

int slot_parse(const uint8_t *block, size_t size, struct slot *ret_slot)
{
    struct cursor cursor = cursor_reader(block, size);
    unsigned kind = cursor_get_u8(&cursor);

    *ret_slot = (struct slot){ .kind = (enum slot_kind)kind };
    ret_slot->id = cursor_get_u32(&cursor);
    if (!cursor_ok(&cursor))
        return KEYRING_DAMAGED;
    parse_rest(&cursor, ret_slot);
    if (!type_of(kind) || !cursor_at_end(&cursor) || !slot_types[kind].cost_fits(&ret_slot->cost)) {
        ret_slot->kept = block;
        ret_slot->kept_size = size;
    }
    return KEYRING_DONE;
}

#define ASSOCIATED_LABEL "mastersecret slot"
#define ASSOCIATED_SIZE (sizeof(ASSOCIATED_LABEL) - 1 + REALM_ID_SIZE + SLOT_HEAD_SIZE)

static void format_associated(const struct slot *slot, const uint8_t realm[REALM_ID_SIZE],
                              uint8_t ret_bytes[ASSOCIATED_SIZE])
{
    struct cursor cursor = cursor_writer(ret_bytes, ASSOCIATED_SIZE);

    cursor_put_bytes(&cursor, ASSOCIATED_LABEL, sizeof(ASSOCIATED_LABEL) - 1);
    cursor_put_bytes(&cursor, realm, REALM_ID_SIZE);
    format_head(slot, &cursor);
}

int slot_wrap(enum slot_kind kind, uint32_t id, const struct slot_sources *sources,
              const uint8_t realm[REALM_ID_SIZE], const uint8_t root[KEY_SIZE],
              struct slot *ret_slot)
{
    CLEANUP_KEY struct key material;
    CLEANUP_KEY struct key wrap;
    struct slot slot = { .kind = kind, .id = id };
    uint8_t associated[ASSOCIATED_SIZE];
    int r;

    if (!kind_has_source(kind, sources))
        return KEYRING_NO_SLOT;
    slot.cost = slot_types[kind].cost(sources);
    random_bytes(slot.salt, sizeof(slot.salt));
    r = slot_types[kind].material(&slot, sources, &material);
    if (r != KEYRING_DONE)
        return r;
    key_derive(material.bytes, SUBKEY_COMMITMENT, SLOT_CONTEXT, slot.commitment);
    key_derive(material.bytes, SUBKEY_WRAP, SLOT_CONTEXT, wrap.bytes);
    random_bytes(slot.nonce, sizeof(slot.nonce));
    format_associated(&slot, realm, associated);
    crypto_aead_xchacha20poly1305_ietf_encrypt(slot.wrapped, NULL, root, KEY_SIZE, associated,
                                               sizeof(associated), NULL, slot.nonce,
                                               wrap.bytes);
    *ret_slot = slot;
    return KEYRING_DONE;
}

int slot_unwrap(const struct slot *slot, const struct slot_sources *sources,
                const uint8_t realm[REALM_ID_SIZE], struct key *ret_root)
{
    CLEANUP_KEY struct key material;
    CLEANUP_KEY struct key wrap;
    CLEANUP_KEY struct key root;
    uint8_t commitment[SLOT_COMMITMENT_SIZE];
    uint8_t associated[ASSOCIATED_SIZE];
    int r;

    if (slot->kept)
        return type_of(slot->kind) ? KEYRING_DAMAGED : KEYRING_NEWER;
    if (!kind_has_source(slot->kind, sources))
        return KEYRING_NO_SLOT;
    r = slot_types[slot->kind].material(slot, sources, &material);
    if (r != KEYRING_DONE)
        return r;
    key_derive(material.bytes, SUBKEY_COMMITMENT, SLOT_CONTEXT, commitment);
    if (sodium_memcmp(commitment, slot->commitment, sizeof(commitment)) != 0)
        return KEYRING_WRONG_KEY;
    key_derive(material.bytes, SUBKEY_WRAP, SLOT_CONTEXT, wrap.bytes);
    format_associated(slot, realm, associated);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(root.bytes, NULL, NULL, slot->wrapped,
                                                   sizeof(slot->wrapped), associated,
                                                   sizeof(associated), slot->nonce, wrap.bytes) < 0)
        return KEYRING_DAMAGED;
    *ret_root = root;
    return KEYRING_DONE;
}

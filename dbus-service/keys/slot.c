/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/keys/slot.h"

#include "common/safe_open.h"
#include "dbus-service/keys/durable_file.h"

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
    bool stretched; /* by Argon2id */
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

static int create_keyfile(const struct slot_sources *sources, bool *ret_created)
{
    CLEANUP_CLOSE int folder_fd = -1;
    CLEANUP_KEY struct key key;
    const char *name;
    int r = open_folder(sources->keyfile, &folder_fd, &name);

    if (r < 0)
        return r;
    random_bytes(key.bytes, sizeof(key.bytes));
    r = durable_file_create(folder_fd, name, 0400, key.bytes, sizeof(key.bytes));
    *ret_created = r == 0;
    return r == -EEXIST ? KEYRING_DONE : r;
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

static int file_material(const struct slot *slot, const char *path, mode_t forbidden,
                         struct key *ret_material)
{
    static const uint8_t label[] = "mastersecret slot";
    CLEANUP_SECRET struct secret *content = NULL;
    struct safe_open_rule rule = { geteuid(), forbidden, SOURCE_MAX_BYTES };
    uint8_t kind = (uint8_t)slot->kind;
    crypto_generichash_state state;
    int r = safe_read(path, &rule, &content);

    if (r == -ENOENT)
        return KEYRING_NO_SLOT;
    if (r < 0)
        return r;
    if (r > 0 || content->length < SOURCE_MIN_BYTES)
        return KEYRING_BAD_SOURCE;
    crypto_generichash_init(&state, NULL, 0, KEY_SIZE);
    crypto_generichash_update(&state, label, sizeof(label) - 1);
    crypto_generichash_update(&state, &kind, sizeof(kind));
    crypto_generichash_update(&state, slot->salt, sizeof(slot->salt));
    crypto_generichash_update(&state, content->bytes, content->length);
    crypto_generichash_final(&state, ret_material->bytes, KEY_SIZE);
    memory_wipe(&state, sizeof(state));
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

static const struct slot_type slot_types[] = {
    [SLOT_KEYFILE] = { "keyfile", has_keyfile, create_keyfile, keyfile_material, false },
    [SLOT_CREDENTIAL] = { "credential", has_credential, create_nothing, credential_material,
                          false },
    [SLOT_PASSPHRASE] = { "passphrase", has_passphrase, check_passphrase, passphrase_material,
                          true },
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

void slot_format(const struct slot *slot, struct cursor *cursor)
{
    format_head(slot, cursor);
    cursor_put_bytes(cursor, slot->nonce, sizeof(slot->nonce));
    cursor_put_bytes(cursor, slot->wrapped, sizeof(slot->wrapped));
}

static bool cost_fits_kind(const struct slot *slot)
{
    bool zero = slot->cost.opslimit == 0 && slot->cost.memlimit == 0;

    return slot_types[slot->kind].stretched || zero;
}

int slot_parse(struct cursor *cursor, struct slot *ret_slot)
{
    unsigned kind = cursor_get_u8(cursor);

    *ret_slot = (struct slot){ .kind = (enum slot_kind)kind };
    ret_slot->id = cursor_get_u32(cursor);
    ret_slot->cost.opslimit = cursor_get_u64(cursor);
    ret_slot->cost.memlimit = cursor_get_u64(cursor);
    cursor_get_bytes(cursor, ret_slot->salt, sizeof(ret_slot->salt));
    cursor_get_bytes(cursor, ret_slot->commitment, sizeof(ret_slot->commitment));
    cursor_get_bytes(cursor, ret_slot->nonce, sizeof(ret_slot->nonce));
    cursor_get_bytes(cursor, ret_slot->wrapped, sizeof(ret_slot->wrapped));
    if (!cursor_at_end(cursor) || !type_of(kind) || !cost_fits_kind(ret_slot))
        return KEYRING_DAMAGED;
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
    if (slot_types[kind].stretched)
        slot.cost = passphrase_cost_default;
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

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/cursor.h"
#include "common/hex.h"
#include "dbus-service/domain/realm_internal.h"
#include "dbus-service/keys/record.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define RESERVATION_FORMAT 1

uint64_t realm_now_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void realm_key(struct record_key *ret_key, enum record_class class, const uint8_t *scope,
               const void *name, size_t name_length)
{
    static const uint8_t the_realm[RECORD_SCOPE_SIZE];

    ret_key->class = (uint8_t)class;
    memcpy(ret_key->scope, scope ? scope : the_realm, RECORD_SCOPE_SIZE);
    ret_key->name_length = (uint16_t)name_length;
    memcpy(ret_key->name, name, name_length);
}

/* An iovec knows no const; the hash only reads. */
static struct iovec part(const void *bytes, size_t length)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
}

void realm_reservation_key(const struct realm *realm, struct record_key *ret_key, const char *kind,
                           const uint8_t *scope, const char *name)
{
    struct iovec parts[3];
    size_t count = 0;
    uint8_t hash[32];

    parts[count++] = part(kind, strlen(kind) + 1);
    if (scope)
        parts[count++] = part(scope, RECORD_SCOPE_SIZE);
    parts[count++] = part(name, strlen(name));
    keyring_name_hash(realm->keyring, parts, count, hash);
    realm_key(ret_key, RECORD_RESERVATION, scope, hash, sizeof(hash));
}

int realm_reservation_value(const struct record_key *holder, struct secret **ret_value)
{
    uint8_t key[RECORD_KEY_MAX];
    size_t length = record_key_format(holder, key);
    struct secret *value;
    struct cursor cursor;
    int r = secret_new(1 + 4 + length, &value);

    if (r < 0)
        return r;
    cursor = cursor_writer(value->bytes, value->capacity);
    cursor_put_u8(&cursor, RESERVATION_FORMAT);
    cursor_put_block(&cursor, key, length);
    value->length = cursor.position;
    *ret_value = value;
    return 0;
}

bool realm_reservation_held_by(const struct secret *value, const struct record_key *holder)
{
    uint8_t key[RECORD_KEY_MAX];
    size_t length = record_key_format(holder, key);
    struct cursor cursor = cursor_reader(value->bytes, value->length);
    uint8_t format = cursor_get_u8(&cursor);
    size_t held_length = 0;
    const uint8_t *held = cursor_get_block(&cursor, RECORD_KEY_MAX, &held_length);

    return format == RESERVATION_FORMAT && cursor_at_end(&cursor) && held_length == length &&
           memcmp(held, key, length) == 0;
}

void realm_record_deinit(struct realm_record *record)
{
    secret_free(record->value);
    *record = (struct realm_record){0};
}

const char *realm_class_name(uint8_t class)
{
    static const char *const names[] = {
        [RECORD_APPLICATION] = "application",
        [RECORD_MAPPING] = "mapping",
        [RECORD_RESERVATION] = "reservation",
    };

    _Static_assert(sizeof(names) / sizeof(names[0]) == RECORD_CLASS_MAX + 1, "each class has a name");
    return class <= RECORD_CLASS_MAX && names[class] ? names[class] : "unknown";
}

static const char *class_text(uint8_t class)
{
    static const char *const texts[] = {
        [RECORD_APPLICATION] = "an application",
        [RECORD_MAPPING] = "a mapping",
        [RECORD_RESERVATION] = "a reservation",
    };

    return class < sizeof(texts) / sizeof(texts[0]) && texts[class] ? texts[class] : "a record";
}

/* Names the record as far as its key does: the account of a mapping, else the id. */
static int failure_record(struct failure *failure, enum error_code code,
                          const struct record_key *key, const char *what)
{
    const uint8_t *id = key->class == RECORD_APPLICATION ? key->name : key->scope;
    char hex[HEX_TEXT_SIZE(RECORD_SCOPE_SIZE)];

    hex_format(id, RECORD_SCOPE_SIZE, 0, hex);
    if (key->class == RECORD_MAPPING && key->name_length > 0)
        return failure_set(failure, code, "the record of %s:%.*s in application %s %s",
                           key->name[0] == 'g' ? "group" : "user", key->name_length - 1,
                           (const char *)key->name + 1, hex, what);
    return failure_set(failure, code, "the record of %s (application %s) %s",
                       class_text(key->class), hex, what);
}

static int record_outcome(struct failure *failure, int outcome, const struct record_key *key)
{
    if (outcome < 0)
        return failure_from_errno(failure, outcome, "cannot open a record");
    switch ((enum record_outcome)outcome) {
    case RECORD_OPENED:
    case RECORD_IS_TOMBSTONE:
        return 0;
    case RECORD_NO_GENERATION:
        return failure_record(failure, ERROR_DAMAGED, key,
                              "is sealed under a generation that the keyring does not hold");
    case RECORD_FORGED:
        return failure_record(failure, ERROR_DAMAGED, key, "does not authenticate");
    case RECORD_NEWER:
        return failure_record(failure, ERROR_NEWER_FORMAT, key, "is of a newer version");
    }
    return failure_record(failure, ERROR_DAMAGED, key, "cannot be read");
}

int realm_get(struct realm *realm, const struct record_key *key, struct realm_record *ret_record,
              struct failure *failure)
{
    struct realm_record result = {0};
    struct record_header header = {0};
    struct log_record stored;
    int r = realm_check_readable(realm, failure);

    if (r != 0)
        return r;
    r = log_get(realm->log, key, &stored);
    if (r < 0)
        return failure_from_errno(failure, r, "cannot read the view");
    if (r > 0) {
        r = record_open(realm->keyring, key, stored.record, stored.size, &header, &result.value);
        if (r != RECORD_OPENED && r != RECORD_IS_TOMBSTONE)
            return record_outcome(failure, r, key);
        result.revision = r == RECORD_OPENED ? stored.revision : 0;
        result.version = header.version;
        result.generation = header.generation;
    }
    *ret_record = result;
    return 0;
}

int realm_peek(struct realm *realm, const struct record_key *key, uint64_t *ret_revision,
               uint64_t *ret_version)
{
    struct record_header header;
    struct log_record stored;
    int r;

    *ret_revision = 0;
    *ret_version = 0;
    if (!realm->log)
        return -ENOTCONN;
    r = log_get(realm->log, key, &stored);
    if (r <= 0)
        return r;
    r = record_header_parse(stored.record, stored.size, &header);
    if (r < 0)
        return r;
    *ret_revision = header.kind == RECORD_LIVE ? stored.revision : 0;
    *ret_version = header.version;
    return 0;
}

int realm_reservation_get(struct realm *realm, const struct record_key *key,
                          struct realm_record *ret_record, struct failure *failure)
{
    struct realm_record damaged = {0};
    int r = realm_get(realm, key, ret_record, failure);

    if (r != ERROR_DAMAGED)
        return r;
    r = realm_peek(realm, key, &damaged.revision, &damaged.version);
    if (r < 0)
        return failure_from_errno(failure, r, "cannot read the view");
    *ret_record = damaged;
    return 0;
}

struct realm_write {
    struct realm *realm;
    struct log_change *changes; /* `record` of each is ours */
    size_t changes_count;
    size_t changes_room;
    struct log_condition *conditions;
    size_t conditions_count;
    size_t conditions_room;
};

int realm_write_new(struct realm *realm, struct realm_write **ret_write)
{
    struct realm_write *write = calloc(1, sizeof(*write));

    if (!write)
        return -ENOMEM;
    write->realm = realm;
    *ret_write = write;
    return 0;
}

void realm_write_free(struct realm_write *write)
{
    if (!write)
        return;
    for (size_t i = 0; i < write->changes_count; i++)
        free((void *)(uintptr_t)write->changes[i].record);
    free(write->changes);
    free(write->conditions);
    free(write);
}

/* Room for one more; a write seldom has more than five. */
static int array_grow(void **array, size_t *room, size_t count, size_t size, size_t maximum)
{
    size_t wanted = *room ? *room * 2 : 5;
    void *grown;

    if (count >= maximum)
        return -ENOSPC;
    if (count < *room)
        return 0;
    grown = reallocarray(*array, wanted, size);
    if (!grown)
        return -ENOMEM;
    *array = grown;
    *room = wanted;
    return 0;
}

static int write_change(struct realm_write *write, const struct record_key *key, uint64_t version,
                        const struct secret *value)
{
    void *changes = write->changes;
    struct log_change *change;
    uint8_t *record;
    int r;

    if (!write->realm->keyring)
        return -ENOTCONN;
    r = array_grow(&changes, &write->changes_room, write->changes_count, sizeof(*change),
                   LOG_CHANGES_MAX);
    write->changes = changes;
    if (r < 0)
        return r;
    change = &write->changes[write->changes_count];
    r = record_seal(write->realm->keyring, key, version + 1, value ? RECORD_LIVE : RECORD_TOMBSTONE,
                    value ? value->bytes : NULL, value ? value->length : 0, &record, &change->size);
    if (r < 0)
        return r;
    change->key = *key;
    change->record = record;
    write->changes_count++;
    return 0;
}

int realm_write_expect(struct realm_write *write, const struct record_key *key, uint64_t revision)
{
    void *conditions = write->conditions;
    struct log_condition *condition;
    int r = array_grow(&conditions, &write->conditions_room, write->conditions_count,
                       sizeof(*condition), LOG_CONDITIONS_MAX);

    write->conditions = conditions;
    if (r < 0)
        return r;
    condition = &write->conditions[write->conditions_count++];
    condition->key = *key;
    condition->revision = revision;
    return 0;
}

int realm_write_put(struct realm_write *write, const struct record_key *key, uint64_t revision,
                    uint64_t version, const struct secret *value)
{
    int r = realm_write_expect(write, key, revision);

    return r < 0 ? r : write_change(write, key, version, value);
}

struct append {
    struct realm *realm;
    realm_write_done done;
    void *userdata;
};

static void on_appended(void *userdata, enum log_outcome outcome, uint64_t revision)
{
    struct append *append = userdata;
    struct failure failure;

    realm_failure_log(&failure, outcome, NULL);
    append->realm->appends--;
    append->realm->appends_ended++;
    realm_settled(append->realm);
    append->done(append->userdata, &failure, revision);
    free(append);
}

static int check_writable(const struct realm *realm, struct failure *failure)
{
    int r = realm_check_readable(realm, failure);

    return r == 0 && realm->state == REALM_READ_ONLY ? failure_set(failure, ERROR_READ_ONLY, NULL)
                                                     : r;
}

/* No append under an older generation succeeds from the moment on in which a newer one is active: a
 * record that was sealed before is refused, and decided anew. */
static bool is_sealed_by_active(const struct realm *realm, const struct log_append *request)
{
    uint32_t active = keyring_active_generation(realm->keyring);
    struct record_header header;

    for (size_t i = 0; i < request->changes_count; i++)
        if (record_header_parse(request->changes[i].record, request->changes[i].size, &header) == 0 &&
            header.generation != active)
            return false;
    return true;
}

static int submit(struct realm *realm, struct log_append *request, realm_write_done done,
                  void *userdata, struct failure *failure)
{
    CLEANUP_FREE struct append *append = malloc(sizeof(*append));
    int r;

    if (!append)
        return -ENOMEM;
    *append = (struct append){.realm = realm, .done = done, .userdata = userdata};
    random_bytes(request->id, sizeof(request->id));
    r = is_sealed_by_active(realm, request)
            ? log_append(realm->log, request, on_appended, append)
            : LOG_CONFLICT;
    if (r < 0)
        return failure_from_errno(failure, r, "cannot store the change");
    if (r != LOG_DONE)
        return realm_failure_log(failure, (enum log_outcome)r, NULL);
    STEAL(append);
    realm->appends++;
    return 0;
}

int realm_write_commit(struct realm_write *write, realm_write_done done, void *userdata,
                       struct failure *failure)
{
    CLEANUP_REALM_WRITE struct realm_write *owned = write;
    struct log_append request = {
        .changes = owned->changes,
        .changes_count = owned->changes_count,
        .conditions = owned->conditions,
        .conditions_count = owned->conditions_count,
    };
    int r = check_writable(owned->realm, failure);

    return r != 0 ? r : submit(owned->realm, &request, done, userdata, failure);
}

int realm_append_sealed(struct realm *realm, const struct log_change *changes,
                        const struct log_condition *conditions, size_t count, bool *ret_left_out,
                        realm_write_done done, void *userdata, struct failure *failure)
{
    struct log_append request = {
        .changes = changes,
        .changes_count = count,
        .conditions = conditions,
        .conditions_count = count,
        .leave_out_changed = true,
        .ret_left_out = ret_left_out,
    };
    int r = check_writable(realm, failure);

    return r != 0 ? r : submit(realm, &request, done, userdata, failure);
}

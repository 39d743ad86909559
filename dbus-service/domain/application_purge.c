/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/domain/application_internal.h"
#include "dbus-service/domain/mapping_internal.h"
#include "dbus-service/domain/realm_internal.h"

#include <errno.h>
#include <string.h>

/* Two changes and two conditions for each mapping: within the 100 of one append. */
#define PURGE_PAGE 40

struct purge {
    struct realm *realm;
    uint8_t id[APPLICATION_ID_SIZE];
    uint64_t cursor;
    bool incomplete; /* a mapping is of a newer version: it stays, and the application's record with it */
    bool last;       /* that record is being removed */
};

struct purge_page {
    struct record_key keys[PURGE_PAGE];
    size_t count;
};

static int page_add(void *userdata, const struct record_key *key)
{
    struct purge_page *page = userdata;

    page->keys[page->count++] = *key;
    return 0;
}

/* The reservation that a mapping holds; a group application's holds none. */
static int put_reservation(struct purge *purge, struct realm_write *write,
                           const char *external_user)
{
    struct record_key key;
    uint64_t revision, version;
    int r;

    realm_reservation_key(purge->realm, &key, "external", purge->id, external_user);
    r = realm_peek(purge->realm, &key, &revision, &version);
    return r < 0 || revision == 0 ? r : realm_write_put(write, &key, revision, version, NULL);
}

/* A damaged mapping goes, too. Its reservation stays, since nobody knows of whom it is; the application's
 * id is never used again, so nobody meets it. */
static int put_damaged(struct purge *purge, struct realm_write *write, const struct record_key *key)
{
    uint64_t revision, version;
    int r = realm_peek(purge->realm, key, &revision, &version);

    if (r == 0 && revision != 0)
        r = realm_write_put(write, key, revision, version, NULL);
    return r < 0 ? r : 1;
}

/* 1 when it will go with this write, 0 when not (of a newer version, or gone), or -errno. */
static int put_mapping(struct purge *purge, struct realm_write *write, const struct record_key *key)
{
    CLEANUP(realm_record_deinit) struct realm_record record = {0};
    CLEANUP_MAPPING struct mapping *mapping = NULL;
    struct failure failure;
    int r = realm_get(purge->realm, key, &record, &failure);

    if (r == 0 && record.revision == 0)
        return 0;
    if (r == 0)
        r = mapping_parse(STEAL(record.value), &mapping);
    if (r == ERROR_DAMAGED || r == -EBADMSG)
        return put_damaged(purge, write, key);
    if (r == ERROR_NEWER_FORMAT || r == -EPROTONOSUPPORT) {
        purge->incomplete = true;
        return 0;
    }
    if (r == 0)
        r = put_reservation(purge, write, mapping->external_user);
    if (r == 0)
        r = realm_write_put(write, key, record.revision, record.version, NULL);
    return r < 0 ? r : r > 0 ? -EIO : 1;
}

/* How many changes the next page gives; -errno. */
static int fill(struct purge *purge, struct realm_write *write)
{
    struct purge_page page = {.count = 0};
    int count = 0;
    int r = log_list(realm_log(purge->realm), RECORD_MAPPING, purge->id, &purge->cursor, PURGE_PAGE,
                     page_add, &page);

    for (size_t i = 0; r >= 0 && i < page.count; i++) {
        r = put_mapping(purge, write, &page.keys[i]);
        count += r > 0;
    }
    return r < 0 ? r : count;
}

static int purge_step(struct purge *purge);

static void purge_resume(void *userdata)
{
    struct purge *purge = userdata;

    if (purge_step(purge) != 0)
        free(purge);
}

static void on_purged(void *userdata, const struct failure *failure, uint64_t revision)
{
    struct purge *purge = userdata;

    (void)revision;
    if (purge->last && failure->code == ERROR_NONE) {
        free(purge);
        return;
    }
    /* The page is gone, or somebody was quicker: from the beginning again. */
    purge->cursor = 0;
    if (failure->code == ERROR_NONE)
        purge_resume(purge);
    else if (failure->code != ERROR_CONFLICT ||
             realm_retry_later(purge->realm, purge_resume, purge) < 0)
        free(purge);
}

/* Positive: there is nothing left to do. */
static int fill_until_changes(struct purge *purge, struct realm_write *write)
{
    struct record_key key;
    uint64_t revision, version;
    int r;

    do {
        r = fill(purge, write);
    } while (r == 0 && purge->cursor != 0);
    if (r != 0)
        return r < 0 ? r : 0;
    if (purge->incomplete)
        return 1;
    purge->last = true;
    application_key(&key, purge->id);
    r = realm_peek(purge->realm, &key, &revision, &version);
    if (r < 0)
        return r;
    return revision == 0 ? 1 : realm_write_put(write, &key, revision, version, NULL);
}

/* 0 when a write is under way or waited for; the purge is over otherwise. */
static int purge_step(struct purge *purge)
{
    CLEANUP_REALM_WRITE struct realm_write *write = NULL;
    struct failure failure;
    int r = realm_check_readable(purge->realm, &failure);

    purge->last = false;
    if (r == 0)
        r = realm_write_new(purge->realm, &write);
    if (r == 0)
        r = fill_until_changes(purge, write);
    if (r != 0)
        return r;
    r = realm_write_commit(STEAL(write), on_purged, purge, &failure);
    if (r == ERROR_CONFLICT) {
        purge->cursor = 0;
        r = realm_retry_later(purge->realm, purge_resume, purge);
    }
    return r;
}

int application_purge(struct realm *realm, const uint8_t id[APPLICATION_ID_SIZE])
{
    struct purge *purge = calloc(1, sizeof(*purge));
    int r;

    if (!purge)
        return -ENOMEM;
    purge->realm = realm;
    memcpy(purge->id, id, APPLICATION_ID_SIZE);
    r = realm_retry_later(realm, purge_resume, purge);
    if (r < 0)
        free(purge);
    return r;
}

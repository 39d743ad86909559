/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/caller.h"

#include "dbus-service/bus/call.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define PEERS_MAX 4096
#define PEER_BUCKETS 1024
#define CREDENTIALS_WAIT_MS 5000
#define GROUPS_MAX 65536

struct peer_table {
    struct service *service;
    size_t count;
    uint64_t clock;
    struct peer *buckets[PEER_BUCKETS];
};

const char *door_name(enum door door)
{
    return door == DOOR_BUS ? "bus" : "direct";
}

struct peer *peer_ref(struct peer *peer)
{
    peer->references++;
    return peer;
}

void peer_unref(struct peer *peer)
{
    if (!peer || --peer->references > 0)
        return;
    if (peer->pending) {
        dbus_pending_call_cancel(peer->pending);
        dbus_pending_call_unref(peer->pending);
    }
    free(peer->gids);
    free(peer->unique_name);
    free(peer);
}

static void set_gids(struct peer *peer, gid_t *gids, size_t count)
{
    peer->gids = gids;
    peer->caller.gids = gids;
    peer->caller.gids_count = count;
}

static int socket_gids(int fd, gid_t **ret_gids, size_t *ret_count)
{
    socklen_t size = 64 * sizeof(gid_t);
    CLEANUP_FREE gid_t *gids = NULL;

    for (;;) {
        gid_t *larger = realloc(gids, size ? size : 1);

        if (!larger)
            return -ENOMEM;
        gids = larger;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &size) == 0)
            break;
        if (errno != ERANGE)
            return -errno;
    }
    *ret_count = size / sizeof(gid_t);
    *ret_gids = STEAL(gids);
    return 0;
}

/* SO_PEERGROUPS has the supplementary groups; the primary one is in SO_PEERCRED. */
static int add_primary(gid_t **gids, size_t *count, gid_t primary)
{
    gid_t *larger = realloc(*gids, (*count + 1) * sizeof(gid_t));

    if (!larger)
        return -ENOMEM;
    *gids = larger;
    larger[(*count)++] = primary;
    return 0;
}

int peer_new_socket(struct service *service, int fd, struct peer **ret_peer)
{
    struct ucred credentials;
    socklen_t size = sizeof(credentials);
    CLEANUP_FREE gid_t *gids = NULL;
    struct peer *peer;
    size_t count = 0;
    int r;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
        return -errno;
    r = socket_gids(fd, &gids, &count);
    if (r == 0)
        r = add_primary(&gids, &count, credentials.gid);
    if (r < 0)
        return r;
    peer = calloc(1, sizeof(*peer));
    if (!peer)
        return -ENOMEM;
    peer->references = 1;
    peer->service = service;
    peer->door = DOOR_DIRECT;
    peer->state = PEER_KNOWN;
    peer->caller.uid = credentials.uid;
    peer->caller.pid = credentials.pid;
    set_gids(peer, STEAL(gids), count);
    *ret_peer = peer;
    return 0;
}

int peer_table_new(struct service *service, struct peer_table **ret_table)
{
    struct peer_table *table = calloc(1, sizeof(*table));

    if (!table)
        return -ENOMEM;
    table->service = service;
    *ret_table = table;
    return 0;
}

static void drop(struct peer_table *table, struct peer **link)
{
    struct peer *peer = *link;

    *link = peer->next;
    peer->next = NULL;
    table->count--;
    if (peer->state == PEER_ASKED)
        peer->state = PEER_GONE;
    calls_drop_peer(table->service, peer);
    peer_unref(peer);
}

void peer_table_free(struct peer_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < PEER_BUCKETS; i++)
        while (table->buckets[i])
            drop(table, &table->buckets[i]);
    free(table);
}

static struct peer **find(struct peer_table *table, const char *unique_name)
{
    uint32_t hash = 2166136261u;
    struct peer **link;

    for (const char *byte = unique_name; *byte; byte++)
        hash = (hash ^ (uint8_t)*byte) * 16777619u;
    link = &table->buckets[hash % PEER_BUCKETS];
    while (*link && strcmp((*link)->unique_name, unique_name) != 0)
        link = &(*link)->next;
    return link;
}

void peer_table_vanished(struct peer_table *table, const char *unique_name)
{
    struct peer **link = find(table, unique_name);

    if (*link)
        drop(table, link);
}

/* The one not seen longest and without a call makes room. */
static void evict(struct peer_table *table)
{
    struct peer **victim = NULL;

    for (size_t i = 0; i < PEER_BUCKETS; i++)
        for (struct peer **link = &table->buckets[i]; *link; link = &(*link)->next)
            if ((*link)->references == 1 && (!victim || (*link)->used < (*victim)->used))
                victim = link;
    if (victim)
        drop(table, victim);
}

static int parse_gids(DBusMessageIter *value, struct peer *peer)
{
    DBusMessageIter array;
    const uint32_t *numbers;
    gid_t *gids;
    int count = 0;

    if (dbus_message_iter_get_arg_type(value) != DBUS_TYPE_ARRAY ||
        dbus_message_iter_get_element_type(value) != DBUS_TYPE_UINT32)
        return -EBADMSG;
    dbus_message_iter_recurse(value, &array);
    if (dbus_message_iter_get_arg_type(&array) == DBUS_TYPE_UINT32)
        dbus_message_iter_get_fixed_array(&array, &numbers, &count);
    if (count == 0)
        return 0;
    if (count > GROUPS_MAX)
        return -E2BIG;
    gids = malloc((size_t)count * sizeof(*gids));
    if (!gids)
        return -ENOMEM;
    for (int i = 0; i < count; i++)
        gids[i] = numbers[i];
    free(peer->gids);
    set_gids(peer, gids, (size_t)count);
    return 0;
}

static int parse_credential(DBusMessageIter *entry, struct peer *peer, bool *has_uid)
{
    DBusMessageIter pair, value;
    const char *key;
    uint32_t number;

    dbus_message_iter_recurse(entry, &pair);
    dbus_message_iter_get_basic(&pair, &key);
    dbus_message_iter_next(&pair);
    dbus_message_iter_recurse(&pair, &value);
    if (strcmp(key, "UnixGroupIDs") == 0)
        return parse_gids(&value, peer);
    if (dbus_message_iter_get_arg_type(&value) != DBUS_TYPE_UINT32)
        return 0;
    dbus_message_iter_get_basic(&value, &number);
    if (strcmp(key, "UnixUserID") == 0) {
        peer->caller.uid = number;
        *has_uid = true;
    } else if (strcmp(key, "ProcessID") == 0) {
        peer->caller.pid = (pid_t)number;
    }
    return 0;
}

/* a{sv}; what is not known is passed over, a uid is needed. */
static int parse_credentials(DBusMessage *reply, struct peer *peer)
{
    DBusMessageIter iter, entries;
    bool has_uid = false;
    int r = 0;

    if (dbus_message_get_type(reply) != DBUS_MESSAGE_TYPE_METHOD_RETURN ||
        !dbus_message_has_signature(reply, "a{sv}") || !dbus_message_iter_init(reply, &iter))
        return -EBADMSG;
    dbus_message_iter_recurse(&iter, &entries);
    while (r == 0 && dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_DICT_ENTRY) {
        r = parse_credential(&entries, peer, &has_uid);
        dbus_message_iter_next(&entries);
    }
    return r < 0 ? r : has_uid ? 0 : -EBADMSG;
}

static void resume_calls(struct peer *peer)
{
    struct call *call = peer->service->calls;

    while (call) {
        struct call *next = call->next;

        if (call->peer == peer)
            call_resume(call);
        call = next;
    }
}

static void on_credentials(DBusPendingCall *pending, void *userdata)
{
    struct peer *peer = peer_ref(userdata);
    DBusMessage *reply = dbus_pending_call_steal_reply(pending);

    dbus_pending_call_unref(STEAL(peer->pending));
    peer->state = reply && parse_credentials(reply, peer) == 0 ? PEER_KNOWN : PEER_GONE;
    if (reply)
        dbus_message_unref(reply);
    resume_calls(peer);
    peer_unref(peer);
}

static int ask(struct connection *connection, struct peer *peer)
{
    DBusMessage *message = dbus_message_new_method_call(
        DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS, "GetConnectionCredentials");
    const char *name = peer->unique_name;
    bool sent;

    if (!message)
        return -ENOMEM;
    sent = dbus_message_append_args(message, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID) &&
           dbus_connection_send_with_reply(connection_dbus(connection), message, &peer->pending,
                                           CREDENTIALS_WAIT_MS);
    dbus_message_unref(message);
    if (!sent)
        return -ENOMEM;
    if (!peer->pending)
        return -ENOTCONN;
    return dbus_pending_call_set_notify(peer->pending, on_credentials, peer, NULL) ? 0 : -ENOMEM;
}

static int peer_new_bus(struct peer_table *table, struct connection *connection,
                        const char *unique_name, struct peer **ret_peer)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    int r = -ENOMEM;

    if (!peer)
        return -ENOMEM;
    peer->references = 1;
    peer->service = table->service;
    peer->door = DOOR_BUS;
    peer->state = PEER_ASKED;
    peer->unique_name = strdup(unique_name);
    if (peer->unique_name)
        r = ask(connection, peer);
    if (r < 0) {
        peer_unref(peer);
        return r;
    }
    *ret_peer = peer;
    return 0;
}

int peer_table_get(struct peer_table *table, struct connection *connection, const char *unique_name,
                   struct peer **ret_peer)
{
    struct peer **link = find(table, unique_name), *peer = NULL;
    int r;

    /* A failed question is asked again. */
    if (*link && (*link)->state == PEER_GONE)
        drop(table, link);
    link = find(table, unique_name);
    if (!*link) {
        if (table->count >= PEERS_MAX)
            evict(table);
        r = peer_new_bus(table, connection, unique_name, &peer);
        if (r < 0)
            return r;
        link = find(table, unique_name);
        *link = peer;
        table->count++;
    }
    (*link)->used = ++table->clock;
    *ret_peer = peer_ref(*link);
    return 0;
}

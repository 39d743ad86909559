/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/fuzz/stand.h"

#include "dbus-service/bus/answer_cache.h"
#include "dbus-service/bus/bus.h"
#include "dbus-service/store/journal_start.h"
#include "tests/fuzz/folder.h"
#include "tests/unit/fake_nss.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>

#define SETTLE_SECONDS 60
enum { FILES = 4, FILE_ROOM = 1024 * 1024, LISTEN_FD = 3 };
/* To connect takes a busy machine longer than what is left of five seconds at full speed. */
enum { SPEED = 500, CONNECT_SPEED = 50, CONNECT_MAX = 100 };

static const struct {
    const char *name; /* NULL: the name service does not know him */
    uid_t uid;
    gid_t gids[2];
} persons[PERSONS] = {
    [PERSON_ROOT] = { "root", 0, { 0 } },
    [PERSON_ADMINISTRATOR] = { "adam", 1001, { 900 } },
    [PERSON_AFFILIATE] = { "affi", 1002, { 901 } },
    [PERSON_APPLICATION_ADMINISTRATOR] = { "anna", 1003, { 902 } },
    [PERSON_ALICE] = { "alice", 1004, { 903 } },
    [PERSON_BOB] = { "bob", 1005, { 903 } },
    [PERSON_AGENT] = { "postgres", 1006, { 904 } },
    [PERSON_STRANGER] = { "mallory", 1007, { 905 } },
    [PERSON_NAMELESS] = { NULL, 1008, { 906 } },
};
static const struct fake_user users[] = {
    { "root", 0, { 0 } },         { "adam", 1001, { 900 } },     { "affi", 1002, { 901 } },
    { "anna", 1003, { 902 } },    { "alice", 1004, { 903 } },    { "bob", 1005, { 903 } },
    { "postgres", 1006, { 904 } }, { "mallory", 1007, { 905 } }, { NULL, 0, { 0 } },
};
static const struct fake_group groups[] = {
    { "mastersecret-admins", 900 }, { "mastersecret-affiliate-admins", 901 }, { "appadmins", 902 },
    { "clerks", 903 }, { "postgres", 904 }, { "nobody", 905 }, { NULL, 0 },
};

/* A state folder, kept. */
struct state {
    uint8_t *bytes[FILES];
    size_t sizes[FILES];
};
static const char *const file_names[FILES] = { "keyring", "keyfile", "journal", "view" };

static struct {
    struct stand stand;
    struct config_paths paths;
    bool running, spoilt;
    enum stand_begin begun;
    enum realm_state state; /* and revision, when it began */
    uint64_t revision;
    uint32_t serial;
    struct state configured, sealed;
    DBusServer *server;
    DBusWatch *listening;
    DBusConnection *bus; /* our side of the service's connection */
    DBusConnection *direct[PERSONS];
    enum person connecting;
    bool is_connecting;
    int log_fd;
    char log_path[128];
} self;

/* ---- What is stood in for ---- */

static atomic_bool fail_sync, hold_start;
static pthread_mutex_t hold_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t hold_changed = PTHREAD_COND_INITIALIZER;

int __real_connect(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
void __real_journal_start_run(struct journal_start *start);
void __wrap_journal_start_run(struct journal_start *start);
int __real_stat(const char *path, struct stat *status);
int __wrap_stat(const char *path, struct stat *status);
int __wrap_uv_signal_start(uv_signal_t *handle, uv_signal_cb callback, int number);
int __real_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t wait, uint64_t repeat);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t wait, uint64_t repeat);
int __wrap_crypto_pwhash(unsigned char *out, unsigned long long out_length, const char *passphrase,
                         unsigned long long passphrase_length, const unsigned char *salt,
                         unsigned long long opslimit, size_t memlimit, int algorithm);

/* The log daemon's socket is ours. */
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    const void *wanted = address, *log = &name;
    const struct sockaddr_un *local = wanted;

    if (strcmp(local->sun_path, _PATH_LOG) != 0)
        return __real_connect(fd, address, length);
    memccpy(name.sun_path, self.log_path, '\0', sizeof(name.sun_path) - 1);
    return __real_connect(fd, log, sizeof(name));
}

int __wrap_stat(const char *path, struct stat *status)
{
    return __real_stat(strcmp(path, _PATH_LOG) == 0 ? self.log_path : path, status);
}

int __wrap_fdatasync(int fd)
{
    if (!atomic_exchange(&fail_sync, false))
        return __real_fdatasync(fd);
    errno = EIO;
    return -1;
}

/* Whoever connects to the direct socket is the person that connects now. */
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    const struct ucred credentials = { .pid = 4711,
                                       .uid = persons[self.connecting].uid,
                                       .gid = persons[self.connecting].gids[0] };

    if (level == SOL_SOCKET && name == SO_PEERCRED && *length >= sizeof(credentials)) {
        memcpy(value, &credentials, sizeof(credentials));
        return 0;
    }
    if (level != SOL_SOCKET || name != SO_PEERGROUPS)
        return __real_getsockopt(fd, level, name, value, length);
    *length = 0;
    return 0;
}

void __wrap_journal_start_run(struct journal_start *start)
{
    if (hold_start) {
        atomic_store(&start->total, 1000);
        start->notify(start->userdata);
        pthread_mutex_lock(&hold_mutex);
        while (hold_start)
            pthread_cond_wait(&hold_changed, &hold_mutex);
        pthread_mutex_unlock(&hold_mutex);
    }
    __real_journal_start_run(start);
}

/* libFuzzer has its own. */
int __wrap_uv_signal_start(uv_signal_t *handle, uv_signal_cb callback, int number)
{
    (void)handle;
    (void)callback;
    (void)number;
    return 0;
}

int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t wait, uint64_t repeat)
{
    uint64_t speed = self.is_connecting ? CONNECT_SPEED : self.stand.speed;

    return __real_uv_timer_start(timer, callback, (wait + speed - 1) / speed,
                                 (repeat + speed - 1) / speed);
}

int __wrap_crypto_pwhash(unsigned char *out, unsigned long long out_length, const char *passphrase,
                         unsigned long long passphrase_length, const unsigned char *salt,
                         unsigned long long opslimit, size_t memlimit, int algorithm)
{
    (void)opslimit;
    (void)memlimit;
    (void)algorithm;
    return crypto_generichash(out, out_length, (const unsigned char *)passphrase, passphrase_length,
                              salt, crypto_pwhash_SALTBYTES);
}

/* The service's listening socket takes this number; nobody else may have it. */
static void __attribute__((constructor)) reserve_descriptor(void)
{
    int fd = open("/dev/null", O_RDWR);

    if (fd >= 0 && fd != LISTEN_FD && dup2(fd, LISTEN_FD) == LISTEN_FD)
        close(fd);
}

/* ---- The bus ---- */

static DBusMessage *answer_credentials(DBusMessage *call)
{
    DBusMessage *reply = dbus_message_new_method_return(call);
    DBusMessageIter to, entries, entry, value, gids;
    const char *name = ":1.0", *keys[] = { "UnixUserID", "UnixGroupIDs" };
    unsigned person;

    (void)dbus_message_get_args(call, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID);
    person = (unsigned)atoi(name + 3) % PERSONS;
    dbus_message_iter_init_append(reply, &to);
    dbus_message_iter_open_container(&to, DBUS_TYPE_ARRAY, "{sv}", &entries);
    for (int i = 0; i < 2; i++) {
        dbus_uint32_t number = i == 0 ? persons[person].uid : persons[person].gids[0];

        dbus_message_iter_open_container(&entries, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
        dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &keys[i]);
        dbus_message_iter_open_container(&entry, DBUS_TYPE_VARIANT, i == 0 ? "u" : "au", &value);
        if (i == 1) {
            dbus_message_iter_open_container(&value, DBUS_TYPE_ARRAY, "u", &gids);
            dbus_message_iter_append_basic(&gids, DBUS_TYPE_UINT32, &number);
            dbus_message_iter_close_container(&value, &gids);
        } else {
            dbus_message_iter_append_basic(&value, DBUS_TYPE_UINT32, &number);
        }
        dbus_message_iter_close_container(&entry, &value);
        dbus_message_iter_close_container(&entries, &entry);
    }
    dbus_message_iter_close_container(&to, &entries);
    return reply;
}

static DBusMessage *answer_polkit(DBusMessage *call, bool yes)
{
    DBusMessage *reply = dbus_message_new_method_return(call);
    dbus_bool_t authorised = yes, challenge = FALSE;
    DBusMessageIter to, inner, details;

    dbus_message_iter_init_append(reply, &to);
    dbus_message_iter_open_container(&to, DBUS_TYPE_STRUCT, NULL, &inner);
    dbus_message_iter_append_basic(&inner, DBUS_TYPE_BOOLEAN, &authorised);
    dbus_message_iter_append_basic(&inner, DBUS_TYPE_BOOLEAN, &challenge);
    dbus_message_iter_open_container(&inner, DBUS_TYPE_ARRAY, "{ss}", &details);
    dbus_message_iter_close_container(&inner, &details);
    dbus_message_iter_close_container(&to, &inner);
    return reply;
}

static DBusMessage *answer_oddly(DBusMessage *call)
{
    DBusMessage *reply = self.stand.odd ? dbus_message_copy(self.stand.odd)
                                        : dbus_message_new_method_return(call);

    if (!reply || !dbus_message_set_reply_serial(reply, dbus_message_get_serial(call)))
        abort();
    return reply;
}

static DBusMessage *answer_as(enum answers answers, DBusMessage *call,
                              DBusMessage *(*well)(DBusMessage *call))
{
    switch (answers) {
    case ANSWER_ERROR:
        return dbus_message_new_error(call, DBUS_ERROR_NAME_HAS_NO_OWNER, "no");
    case ANSWER_ODDLY:
        return answer_oddly(call);
    case ANSWER_NEVER:
        return NULL;
    case ANSWER_NO:
    case ANSWER_YES:
    case ANSWERS:
        break;
    }
    return well(call);
}

static DBusMessage *answer_polkit_well(DBusMessage *call)
{
    return answer_polkit(call, self.stand.polkit == ANSWER_YES);
}

static DBusMessage *answer_start(DBusMessage *call)
{
    DBusMessage *reply = dbus_message_new_method_return(call);
    const char *unique = ":1.99";
    dbus_uint32_t owner = DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER;

    if (dbus_message_has_member(call, "Hello"))
        dbus_message_append_args(reply, DBUS_TYPE_STRING, &unique, DBUS_TYPE_INVALID);
    else
        dbus_message_append_args(reply, DBUS_TYPE_UINT32, &owner, DBUS_TYPE_INVALID);
    return reply;
}

/* What the service asks of the bus and of polkit. */
static void answer(DBusMessage *call)
{
    DBusMessage *reply;

    if (dbus_message_get_no_reply(call))
        return;
    if (dbus_message_has_member(call, "GetConnectionCredentials"))
        reply = answer_as(self.stand.bus, call, answer_credentials);
    else if (dbus_message_has_member(call, "CheckAuthorization"))
        reply = answer_as(self.stand.polkit, call, answer_polkit_well);
    else
        reply = answer_start(call);
    if (!reply)
        return;
    dbus_message_set_sender(reply, DBUS_SERVICE_DBUS);
    dbus_connection_send(self.bus, reply, NULL);
    dbus_message_unref(reply);
}

static dbus_bool_t add_watch(DBusWatch *watch, void *data)
{
    (void)data;
    self.listening = watch;
    return TRUE;
}

static void remove_watch(DBusWatch *watch, void *data)
{
    (void)data;
    if (self.listening == watch)
        self.listening = NULL;
}

static void on_connection(DBusServer *server, DBusConnection *connection, void *data)
{
    (void)server;
    (void)data;
    self.bus = dbus_connection_ref(connection);
    dbus_connection_set_route_peer_messages(connection, TRUE);
}

static void start_bus(void)
{
    char address[128];

    snprintf(address, sizeof(address), "unix:path=%s/bus", folder_path());
    setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
    self.server = dbus_server_listen(address, NULL);
    if (!self.server)
        errx(1, "cannot listen at %s", address);
    dbus_server_set_new_connection_function(self.server, on_connection, NULL, NULL);
    dbus_server_set_watch_functions(self.server, add_watch, remove_watch, NULL, NULL, NULL);
}

/* ---- Log daemon ---- */

static void start_log(void)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    const void *generic = &name;

    snprintf(self.log_path, sizeof(self.log_path), "%s/log", folder_path());
    memccpy(name.sun_path, self.log_path, '\0', sizeof(name.sun_path) - 1);
    self.log_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (self.log_fd < 0 || bind(self.log_fd, generic, sizeof(name)) < 0)
        err(1, "cannot listen at %s", self.log_path);
}

/* One line, printable, and nothing secret in it. */
static bool drain_log(void)
{
    char line[4096];
    ssize_t length = recv(self.log_fd, line, sizeof(line), 0);

    if (length <= 0)
        return false;
    if (memmem(line, (size_t)length, STAND_CANARY, sizeof(STAND_CANARY) - 1) ||
        !text_is_utf8(line, (size_t)length, sizeof(line)))
        abort();
    for (ssize_t i = 0; i < length; i++)
        if ((uint8_t)line[i] < 0x20 || line[i] == 0x7f)
            abort();
    return true;
}

/* ---- Moving ---- */

static void tell_sent(enum person person, bool direct, DBusMessage *message)
{
    if (self.stand.sent)
        self.stand.sent(person, direct, message);
}

/* Of a unique name; PERSONS for anybody else. */
static enum person person_of(const char *name)
{
    return name && *name == ':' ? (enum person)(atoi(name + 3) % PERSONS) : PERSONS;
}

static bool readable(int fd, int wait_ms)
{
    struct pollfd ready = { .fd = fd, .events = POLLIN };

    return poll(&ready, 1, wait_ms) > 0;
}

/* libdbus reads a long message in pieces, and none of them but the last is a message. */
static bool has_input(DBusConnection *connection)
{
    int fd;

    return dbus_connection_get_unix_fd(connection, &fd) && readable(fd, 0);
}

static bool drain_bus(void)
{
    DBusMessage *message;
    bool moved = false;

    if (!self.bus)
        return false;
    moved = has_input(self.bus);
    dbus_connection_read_write(self.bus, 0);
    while (self.bus && (message = dbus_connection_pop_message(self.bus))) {
        const char *destination = dbus_message_get_destination(message);

        moved = true;
        if (dbus_message_get_type(message) == DBUS_MESSAGE_TYPE_METHOD_CALL)
            answer(message);
        tell_sent(person_of(destination), false, message);
        dbus_message_unref(message);
    }
    if (!dbus_connection_get_is_connected(self.bus)) {
        dbus_connection_unref(self.bus);
        self.bus = NULL;
    }
    return moved;
}

static void drop_direct(enum person person)
{
    if (!self.direct[person])
        return;
    dbus_connection_close(self.direct[person]);
    dbus_connection_unref(STEAL(self.direct[person]));
}

static bool drain_direct(enum person person)
{
    DBusConnection *connection = self.direct[person];
    DBusMessage *message;
    bool moved = false;

    if (!connection)
        return false;
    moved = has_input(connection);
    dbus_connection_read_write(connection, 0);
    while ((message = dbus_connection_pop_message(connection))) {
        moved = true;
        if (!dbus_message_is_signal(message, DBUS_INTERFACE_LOCAL, "Disconnected"))
            tell_sent(person, true, message);
        dbus_message_unref(message);
    }
    if (!dbus_connection_get_is_connected(connection))
        drop_direct(person);
    return moved;
}

/* One turn of everything. True when something moved. */
static bool turn(void)
{
    struct stand *stand = &self.stand;
    bool moved = readable(uv_backend_fd(&stand->loop), 0);

    uv_run(&stand->loop, UV_RUN_NOWAIT);
    if (self.listening && readable(dbus_watch_get_unix_fd(self.listening), 0)) {
        dbus_watch_handle(self.listening, DBUS_WATCH_READABLE);
        moved = true;
    }
    moved |= drain_bus();
    for (enum person person = 0; person < PERSONS; person++)
        moved |= drain_direct(person);
    while (drain_log())
        continue;
    return moved || uv_is_active(loop_handle(&stand->service.ring.idle));
}

static bool is_waiting(const struct stand *stand)
{
    return stand->service.calls || (stand->service.opening && !hold_start);
}

void stand_settle(struct stand *stand)
{
    time_t end = time(NULL) + SETTLE_SECONDS;

    for (unsigned quiet = 0; quiet < 2;) {
        if (time(NULL) > end) {
            fprintf(stderr, "a call is not answered\n");
            abort();
        }
        if (turn())
            quiet = 0;
        else if (is_waiting(stand))
            (void)readable(uv_backend_fd(&stand->loop), 1);
        else
            quiet++;
    }
}

static void run_until(bool (*done)(void))
{
    time_t end = time(NULL) + SETTLE_SECONDS;

    while (!done()) {
        if (time(NULL) > end)
            abort();
        if (!turn())
            (void)readable(uv_backend_fd(&self.stand.loop), 1);
    }
}

/* ---- Doors ---- */

static bool is_connected(void)
{
    DBusConnection *connection = self.direct[self.connecting];

    return !connection || dbus_connection_get_is_authenticated(connection);
}

static void connect_direct(enum person person)
{
    char address[160];

    snprintf(address, sizeof(address), "unix:path=%s/direct", self.paths.run_folder);
    self.connecting = person;
    self.is_connecting = true;
    for (int i = 0; i < CONNECT_MAX && !self.direct[person]; i++) {
        self.direct[person] = dbus_connection_open_private(address, NULL);
        if (!self.direct[person])
            abort();
        dbus_connection_set_exit_on_disconnect(self.direct[person], FALSE);
        run_until(is_connected);
    }
    self.is_connecting = false;
    if (!self.direct[person])
        abort();
}

/* libdbus loses descriptors that come along with the end of the authentication. */
static void greet(enum person person)
{
    DBusMessage *ping = dbus_message_new_method_call(NULL, BUS_PATH, DBUS_INTERFACE_PEER, "Ping");

    dbus_message_set_no_reply(ping, TRUE);
    dbus_connection_send(self.direct[person], ping, NULL);
    dbus_message_unref(ping);
    turn();
    turn();
}

bool stand_send(struct stand *stand, enum person person, bool direct, DBusMessage *message,
                uint32_t *ret_serial)
{
    char sender[16];
    bool good;

    (void)stand;
    while (direct && !self.direct[person]) {
        connect_direct(person);
        greet(person);
    }
    snprintf(sender, sizeof(sender), ":1.%d", (int)person);
    *ret_serial = ++self.serial;
    dbus_message_set_serial(message, self.serial);
    good = direct || (self.bus && dbus_message_set_sender(message, sender));
    if (good)
        good = dbus_connection_send(direct ? self.direct[person] : self.bus, message, NULL);
    dbus_message_unref(message);
    return good;
}

void stand_disconnect(struct stand *stand, enum person person, bool direct)
{
    char name[16];
    const char *gone = name, *nobody = "";
    DBusMessage *message;

    (void)stand;
    if (direct)
        drop_direct(person);
    if (direct || !self.bus)
        return;
    snprintf(name, sizeof(name), ":1.%d", (int)person);
    message = dbus_message_new_signal(DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS, "NameOwnerChanged");
    dbus_message_set_sender(message, DBUS_SERVICE_DBUS);
    dbus_message_append_args(message, DBUS_TYPE_STRING, &gone, DBUS_TYPE_STRING, &gone,
                             DBUS_TYPE_STRING, &nobody, DBUS_TYPE_INVALID);
    dbus_connection_send(self.bus, message, NULL);
    dbus_message_unref(message);
}

/* ---- The state folder ---- */

static void file_path(char path[160], size_t i)
{
    snprintf(path, 160, "%s/%s", self.paths.state_folder, file_names[i]);
}

static void keep_state(struct state *state)
{
    for (size_t i = 0; i < FILES; i++) {
        char path[160];
        int fd;
        ssize_t length;

        file_path(path, i);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        state->bytes[i] = malloc(FILE_ROOM);
        length = state->bytes[i] ? read(fd, state->bytes[i], FILE_ROOM) : -1;
        if (length < 0 || length == FILE_ROOM)
            errx(1, "cannot keep %s", path);
        state->sizes[i] = (size_t)length;
        close(fd);
    }
}

static void put_state(const struct state *state, bool view)
{
    char path[160];

    unlink(self.paths.anchor);
    for (size_t i = 0; i < FILES; i++) {
        file_path(path, i);
        unlink(path);
        if (state && state->bytes[i] && (view || strcmp(file_names[i], "view") != 0))
            (void)folder_put(path + strlen(folder_path()) + 1, state->bytes[i], state->sizes[i]);
    }
    strcat(path, ".open");
    unlink(path);
}

/* ---- Starting and ending ---- */

static bool has_name(void)
{
    const struct service *service = &self.stand.service;

    return bus_has_name(service->bus) &&
           (service->announced || (hold_start && realm_state(service->realm) == REALM_REBUILDING));
}

static bool has_bus(void)
{
    return self.bus;
}

static void start_service(void)
{
    char error[CONFIG_ERROR_MAX];
    struct config *config;

    self.stand.service = (struct service){ .loop = NULL };
    if (config_load("/nonexistent", &config, error) < 0 ||
        service_start(&self.stand.service, &self.stand.loop, config, &self.paths) < 0)
        abort();
    self.running = true;
}

static void end_service(void)
{
    if (!self.running)
        return;
    stand_let_rebuild(&self.stand);
    stand_settle(&self.stand);
    for (enum person person = 0; person < PERSONS; person++)
        drop_direct(person);
    service_abandon(&self.stand.service);
    service_free(&self.stand.service);
    drain_bus();
    if (self.bus) {
        dbus_connection_close(self.bus);
        dbus_connection_unref(STEAL(self.bus));
    }
    self.running = false;
    reserve_descriptor();
}

static struct {
    bool done;
    struct failure failure;
} outcome;

static void on_done(void *userdata, const struct failure *failure)
{
    (void)userdata;
    outcome.done = true;
    outcome.failure = *failure;
}

static void on_written(void *userdata, const struct failure *failure, uint64_t revision)
{
    (void)revision;
    on_done(userdata, failure);
}

static bool is_done(void)
{
    return outcome.done;
}

static void await(int begun, bool must_succeed)
{
    if (begun == 0)
        run_until(is_done);
    if (must_succeed && (begun != 0 || outcome.failure.code != ERROR_NONE))
        errx(1, "cannot prepare: %d %s", begun, outcome.failure.text);
    outcome.done = false;
}

static struct secret *secret_of(const char *text)
{
    struct secret *secret;

    if (secret_new_copy(text, strlen(text), &secret) < 0)
        abort();
    return secret;
}

static void generate(enum slot_kind slot)
{
    char path[160];
    struct realm_generate request = { .slot = slot, .hint = "a hint", .location = "/root/backup",
                                      .backup_passphrase = secret_of(STAND_PASSPHRASE) };
    struct failure failure;

    snprintf(path, sizeof(path), "%s/backup", folder_path());
    request.backup_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    await(realm_generate(self.stand.service.realm, &request, on_done, NULL, &failure), true);
    close(request.backup_fd);
}

static void create(const char *name, enum application_type type)
{
    char clerks[] = "clerks", admins[] = "appadmins", agent[] = "user:postgres";
    char labels[][12] = { "user", "password", "client", "pin" };
    char *users_names[] = { clerks }, *admins_names[] = { admins }, *agents_names[] = { agent };
    const struct name_list user_list = { users_names, 1 }, admin_list = { admins_names, 1 },
                           agent_list = { agents_names, 1 };
    const struct field fields[] = { { .label = labels[0] },
                                    { .label = labels[1], .masked = true },
                                    { .label = labels[2] },
                                    { .label = labels[3], .masked = true } };
    const bool enabled = true;
    const struct application_draft draft = { .name = name, .type = type, .users = &user_list,
                                             .admins = &admin_list, .agents = &agent_list,
                                             .enabled = &enabled, .fields = fields,
                                             .fields_count = 4 };
    struct failure failure;

    await(application_create(self.stand.service.applications, &draft, on_written, NULL, &failure),
          true);
}

static int set(const char *application, const char *account, const char *external)
{
    struct service *service = &self.stand.service;
    char secret[64];
    int length = snprintf(secret, sizeof(secret), STAND_CANARY "%s", external);
    const struct mapping_value values[] = { { 1, (const uint8_t *)secret, (size_t)length },
                                            { 2, (const uint8_t *)"100", 3 } };
    struct mapping_change change = { .external_user = external, .values = values,
                                     .values_count = 2 };
    struct failure failure;

    if (account_name_parse(account, &change.account) < 0)
        abort();
    return mapping_set(service->realm, application_set_find(service->applications, application),
                       &change, on_written, NULL, &failure);
}

/* The folders that inputs begin with. */
static void make_states(void)
{
    put_state(NULL, false);
    start_service();
    run_until(has_name);
    generate(SLOT_PASSPHRASE);
    end_service();
    keep_state(&self.sealed);
    put_state(NULL, false);
    start_service();
    run_until(has_name);
    generate(SLOT_KEYFILE);
    create("erp", APPLICATION_INDIVIDUAL);
    create("mail", APPLICATION_GROUP);
    await(set("erp", "user:alice", "ALICE01"), true);
    await(set("erp", "user:bob", "BOB01"), true);
    await(set("mail", "group:clerks", "GROUP01"), true);
    end_service();
    keep_state(&self.configured);
}

static void make_folder(const char *name, char **ret_path)
{
    if (asprintf(ret_path, "%s/%s", folder_path(), name) < 0 || mkdir(*ret_path, 0700) < 0)
        err(1, "cannot make '%s'", name);
}

static void init(void)
{
    make_folder("state", &self.paths.state_folder);
    make_folder("run", &self.paths.run_folder);
    if (asprintf(&self.paths.anchor, "%s/anchor", folder_path()) < 0 ||
        asprintf(&self.paths.keyfile, "%s/keyfile", self.paths.state_folder) < 0 ||
        asprintf(&self.paths.config_file, "%s/mastersecretd.conf", folder_path()) < 0 ||
        uv_loop_init(&self.stand.loop) < 0)
        abort();
    fake_nss_set(users, groups);
    start_bus();
    start_log();
    make_states();
}

static void begin_in(enum stand_begin begin)
{
    struct failure failure;

    if (begin == BEGIN_SEALED_BY_HAND)
        await(realm_seal(self.stand.service.realm, on_done, NULL, &failure), true);
    if (begin == BEGIN_READ_ONLY) {
        stand_fail_sync(&self.stand);
        await(set("erp", "user:bob", "BOB02"), false);
        if (realm_state(self.stand.service.realm) != REALM_READ_ONLY)
            abort();
    }
}

static void start_anew(enum stand_begin begin)
{
    end_service();
    put_state(begin == BEGIN_UNCONFIGURED ? NULL
              : begin == BEGIN_SEALED     ? &self.sealed
                                          : &self.configured,
              begin != BEGIN_REBUILDING);
    hold_start = begin == BEGIN_REBUILDING;
    self.is_connecting = true;
    start_service();
    if (begin != BEGIN_OPENING)
        run_until(has_name);
    else
        run_until(has_bus);
    self.is_connecting = false;
    begin_in(begin);
    self.begun = begin;
    self.spoilt = begin == BEGIN_REBUILDING || begin == BEGIN_OPENING;
    self.state = realm_state(self.stand.service.realm);
    self.revision = stand_revision(&self.stand);
}

/* What an input leaves behind without having changed anything. */
static void forget(struct stand *stand)
{
    const struct quota_limits limits = { 256, 64, 256, 8u << 20, 10000000, 10, 60 };

    quota_free(stand->service.quota);
    if (quota_new(&limits, &stand->service.quota) < 0)
        abort();
    answer_cache_clear(stand->service.answers);
}

struct stand *stand_begin(enum stand_begin begin)
{
    struct stand *stand = &self.stand;

    stand->speed = SPEED;
    if (!self.paths.state_folder)
        init();
    fake_nss_reset();
    fail_sync = false;
    stand->bus = ANSWER_YES;
    stand->polkit = ANSWER_NO;
    stand->odd = NULL;
    if (!self.running || self.spoilt || self.begun != begin || !self.bus ||
        realm_state(stand->service.realm) != self.state ||
        stand_revision(stand) != self.revision)
        start_anew(begin);
    else
        for (enum person person = 0; person < PERSONS; person++) {
            drop_direct(person);
            stand_disconnect(stand, person, false);
        }
    stand_settle(stand);
    if (begin != BEGIN_OPENING)
        forget(stand);
    return stand;
}

void stand_spoil(struct stand *stand)
{
    (void)stand;
    self.spoilt = true;
}

void stand_let_rebuild(struct stand *stand)
{
    (void)stand;
    pthread_mutex_lock(&hold_mutex);
    hold_start = false;
    pthread_cond_broadcast(&hold_changed);
    pthread_mutex_unlock(&hold_mutex);
}

void stand_fail_sync(struct stand *stand)
{
    (void)stand;
    self.spoilt = true;
    fail_sync = true;
}

uint64_t stand_revision(const struct stand *stand)
{
    struct log *log = realm_log(stand->service.realm);
    struct log_head head = { .revision = 0 };

    if (log)
        log_head(log, &head);
    return head.revision;
}

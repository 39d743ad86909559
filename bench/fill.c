/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Writes a state folder with a master secret, one application and COUNT mappings, through the
 * service's own domain code but without its D-Bus interface: names that the name service does not
 * know can be mapped, and a million take half a minute.
 *
 * USERS of the mappings belong to people_user(); they are spread evenly among the others, so that
 * what a lookup touches lies as far apart as in a real store. */
#include "bench/people.h"
#include "dbus-service/domain/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define IN_FLIGHT 1000

struct fill {
    uv_loop_t loop;
    struct work_queue *work;
    struct realm *realm;
    struct application_set *applications;
    unsigned count, users;
    unsigned begun, done;
    int backup_fd;
    bool failed;
};

static void fill_finish(struct fill *fill);

static int fill_failed(struct fill *fill, const char *what, int r, const struct failure *failure)
{
    bool named = r > 0 || (failure && failure->code != ERROR_NONE);

    fprintf(stderr, "fill: cannot %s: %s\n", what, named ? failure->text : strerror(-r));
    fill->failed = true;
    return r ? r : -EIO;
}

static int mapping_put(struct fill *fill, unsigned number, realm_write_done done)
{
    const struct application *application =
        application_set_find(fill->applications, PEOPLE_APPLICATION);
    unsigned apart = fill->count / fill->users;
    struct mapping_change change = { .account.kind = ACCOUNT_USER };
    struct failure failure = { 0 };
    char external[32], user[PEOPLE_NAME_SIZE], value[64];
    struct mapping_value password = { .bytes = (const uint8_t *)value };
    int r;

    if (number % apart == 0 && number / apart < fill->users)
        people_user(number / apart, user);
    else
        people_filler(number, user);
    snprintf(change.account.name, sizeof(change.account.name), "%s", user);
    snprintf(external, sizeof(external), "EXT%08u", number);
    password.length = (size_t)people_value(user, 0, value, sizeof(value));
    password.field = application->fields[1].id;
    change.external_user = external;
    change.values = &password;
    change.values_count = 1;
    r = mapping_set(fill->realm, application, &change, done, fill, &failure);
    return r ? fill_failed(fill, "set a mapping", r, &failure) : 0;
}

static void mapping_done(void *userdata, const struct failure *failure, uint64_t revision)
{
    struct fill *fill = userdata;

    fill->done++;
    if (failure && failure->code != ERROR_NONE)
        fill_failed(fill, "set a mapping", failure->code, failure);
    while (!fill->failed && fill->begun < fill->count && fill->begun - fill->done < IN_FLIGHT)
        if (mapping_put(fill, fill->begun++, mapping_done))
            fill->done++;
    if (fill->done == fill->begun)
        fill_finish(fill);
}

static void application_done(void *userdata, const struct failure *failure, uint64_t revision)
{
    struct fill *fill = userdata;

    if (failure && failure->code != ERROR_NONE)
        fill_failed(fill, "create the application", failure->code, failure);
    /* This was number 0 of the things begun and done. */
    fill->begun = fill->done = 0;
    if (fill->failed)
        fill_finish(fill);
    else if (mapping_put(fill, fill->begun++, mapping_done))
        fill_finish(fill);
}

static int application_put(struct fill *fill, struct failure *failure)
{
    static char external[] = "user", password[] = PEOPLE_FIELD, group[] = PEOPLE_GROUP;
    static char *groups[] = { group };
    static const struct name_list users = { groups, 1 };
    static const struct field fields[] = { { .label = external },
                                           { .label = password, .masked = true } };
    static const bool enabled = true;
    const struct application_draft draft = {
        .name = PEOPLE_APPLICATION,
        .type = APPLICATION_INDIVIDUAL,
        .users = &users,
        .fields = fields,
        .fields_count = 2,
        .enabled = &enabled,
    };

    return application_create(fill->applications, &draft, application_done, fill, failure);
}

static void generated(void *userdata, const struct failure *failure)
{
    struct fill *fill = userdata;
    struct failure why = { 0 };
    int r;

    if (failure && failure->code != ERROR_NONE) {
        fill_failed(fill, "generate the master secret", failure->code, failure);
        fill_finish(fill);
        return;
    }
    r = application_set_load(fill->applications, &why);
    if (r == 0)
        r = application_put(fill, &why);
    if (r) {
        fill_failed(fill, "create the application", r, &why);
        fill_finish(fill);
    }
}

static void closed(void *userdata)
{
    struct fill *fill = userdata;

    fill->realm = NULL;
    work_queue_free(fill->work);
}

static void fill_finish(struct fill *fill)
{
    application_set_free(STEAL(fill->applications));
    realm_close(fill->realm, closed, fill);
}

static int generate(struct fill *fill)
{
    struct realm_generate request = { .slot = SLOT_KEYFILE, .hint = "", .location = "bench",
                                      .backup_fd = fill->backup_fd };
    struct failure failure = { 0 };
    int r = secret_new_copy("of the benchmark", 16, &request.backup_passphrase);

    if (r == 0)
        r = realm_generate(fill->realm, &request, generated, fill, &failure);
    return r ? fill_failed(fill, "generate the master secret", r, &failure) : 0;
}

/* An application that changes is no news here. */
static void ignore_application(void *userdata, const struct application *application)
{
}

static void ignore_name(void *userdata, const char *name)
{
}

static void ignore_state(void *userdata, enum realm_state old_state, enum realm_state new_state)
{
}

static void ignore_log(void *userdata, enum log_event event, const char *text)
{
}

static int fill_init(struct fill *fill, int folder_fd, const char *anchor, const char *keyfile)
{
    const struct application_events events = { ignore_application, ignore_application,
                                               ignore_name, NULL };
    struct realm_options options = {
        .loop = &fill->loop,
        .folder_fd = folder_fd,
        .anchor_path = anchor,
        .keyfile_path = keyfile,
        .events = { ignore_state, ignore_log, NULL },
    };
    int r = keys_init();

    if (r == 0)
        r = uv_loop_init(&fill->loop);
    if (r == 0)
        r = work_queue_new(&fill->loop, &fill->work);
    options.work = fill->work;
    if (r == 0)
        r = realm_new(&options, &fill->realm);
    return r ? r : application_set_new(fill->realm, &events, &fill->applications);
}

int main(int argc, char **argv)
{
    struct fill fill = { .backup_fd = -1 };
    int folder_fd, r;

    if (argc != 7) {
        fprintf(stderr, "fill FOLDER ANCHOR KEYFILE BACKUP COUNT USERS\n");
        return 2;
    }
    folder_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fill.backup_fd = open(argv[4], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    fill.count = (unsigned)strtoul(argv[5], NULL, 10);
    fill.users = (unsigned)strtoul(argv[6], NULL, 10);
    if (folder_fd < 0 || fill.backup_fd < 0 || !fill.users || fill.users > fill.count) {
        fprintf(stderr, "fill: cannot use '%s' or '%s': %m\n", argv[1], argv[4]);
        return 1;
    }
    r = fill_init(&fill, folder_fd, argv[2], argv[3]);
    if (r < 0)
        fill_failed(&fill, "begin", r, NULL);
    else if (generate(&fill) == 0)
        uv_run(&fill.loop, UV_RUN_DEFAULT);
    return fill.failed || fill.done < fill.count;
}

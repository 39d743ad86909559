/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A realm with real keys and a real journal in a folder of its own. Tests are linked with
 * --wrap=crypto_pwhash: Argon2id is stood in for by a quick hash. */
#ifndef TESTS_DOMAIN_FIXTURE_H
#define TESTS_DOMAIN_FIXTURE_H

/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dbus-service/domain/mapping.h"

/* A string where a char * is asked for. */
#define TEXT(text) ((char[]){text})

struct domain {
    char folder[64];
    char state_path[96];
    char keyfile[96];
    char backup[96];
    int folder_fd;
    uv_loop_t loop;
    struct work_queue *work;
    struct realm *realm;
    struct application_set *set;
    unsigned states[REALM_READ_ONLY + 1]; /* how often each was entered */
    unsigned events[16];
    unsigned added, changed, removed;
    unsigned loads; /* how often what is kept in memory was to be read */
    bool load_fails;
    bool load_finds_damage; /* the next time, in the view */
};

/* One outcome that is waited for. */
struct result {
    unsigned calls;
    struct failure failure;
    uint64_t revision;
};

/* Unconfigured. */
void domain_setup(struct domain *domain);
/* Ready, with a key file. */
void domain_setup_ready(struct domain *domain);
void domain_teardown(struct domain *domain);

/* realm_new() on the folder; and the clean end. */
void domain_start(struct domain *domain);
void domain_stop(struct domain *domain);
/* Unseals by the key file and loads the applications. */
void domain_unseal(struct domain *domain);
/* What a crash at this moment would leave becomes the folder, and a new realm is opened on it. */
void domain_crash(struct domain *domain);

int domain_generate(struct domain *domain, enum slot_kind slot, const char *passphrase,
                    struct result *result, struct failure *failure);

void on_done(void *userdata, const struct failure *failure);
void on_written(void *userdata, const struct failure *failure, uint64_t revision);
/* Runs the loop until `calls` outcomes have come; fails the test after 60 s. */
void domain_wait(struct domain *domain, const struct result *result, unsigned calls);
/* Runs the loop until *count is as much; fails the test after 60 s. */
void domain_await(struct domain *domain, const unsigned *count, unsigned wanted);
void domain_run_ms(struct domain *domain, unsigned milliseconds);

/* With fields "user", "password" (masked) and "client". */
const struct application *domain_create(struct domain *domain, const char *name,
                                        enum application_type type);
/* The outcome's code, after it has come. */
int domain_set(struct domain *domain, const struct application *application, const char *account,
               const char *external_user, const char *password);
struct mapping *domain_get(struct domain *domain, const struct application *application,
                           const char *account);
/* As it is, beside what the domain knows of it. */
void domain_append(struct domain *domain, const struct record_key *key, const uint8_t *record,
                   size_t size);
/* A change that leaves a record which does not open in the place of the present one. */
void domain_damage(struct domain *domain, const struct record_key *key);
struct account_name account_of(const char *text);

#endif

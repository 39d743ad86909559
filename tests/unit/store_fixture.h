/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* For the tests of the store: a folder that goes away, a log driven to an outcome, records. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "dbus-service/store/journal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct store {
    char folder[64];        /* .../state and .../anchor are in it */
    char anchor_path[96];
    char state_path[96];
    int folder_fd;
    uv_loop_t loop;
    uv_timer_t tick; /* so that a deadline is noticed */
    struct journal_options options;
    struct log *log;
    enum log_outcome opened; /* outcome of the last open */
    char text[256];
    unsigned events[16];     /* how often each came */
    char event_text[256];    /* of the last one */
    char event_texts[16][256]; /* of the last one of each; others may come at any time */
    bool answered;
};

void store_setup(struct store *store);
void store_teardown(struct store *store);
/* Begins to open; what journal_open() says. */
int store_open_begin(struct store *store);
/* Opens and runs the loop until it is open or refused; returns the outcome. */
enum log_outcome store_open(struct store *store);
void store_close(struct store *store);
/* Runs the loop until *flag, 60 s at most. */
void store_run_until(struct store *store, const bool *flag);
/* Runs the loop until `event` came at least `count` times. */
void store_await_event(struct store *store, enum log_event event, unsigned count);


struct record_key store_key(uint8_t class, uint8_t scope, const char *name);
/* Fills `size` bytes: header, then bytes made from the version. */
void store_record(uint8_t *ret_record, size_t size, uint8_t kind, uint64_t version);

struct store_put {
    struct record_key key;
    size_t size;      /* of the record; 0 = 64 */
    uint8_t kind;
    uint64_t version;
    bool conditional;
    uint64_t revision; /* the condition */
};
/* One append of one change, run to its end. Returns the outcome; *ret_revision may be NULL. */
int store_put(struct store *store, const struct store_put *put, uint64_t *ret_revision);
/* The version of the newest record, 0 when there is none. */
uint64_t store_version(struct store *store, const struct record_key *key);

/* Whole files of the state folder. */
uint8_t *store_read_file(struct store *store, const char *path, size_t *ret_size);
void store_write_file(struct store *store, const char *path, const uint8_t *bytes, size_t size);
void store_hash(void *userdata, const struct iovec *parts, size_t count, uint8_t ret_hash[32]);

#endif

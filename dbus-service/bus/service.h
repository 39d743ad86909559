/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The running service: everything that a handler may need, and its life from start to clean end. */
#ifndef BUS_SERVICE_H
#define BUS_SERVICE_H

#include "dbus-service/bus/connection.h"
#include "dbus-service/bus/quota.h"
#include "dbus-service/config.h"
#include "dbus-service/domain/application.h"
#include "dbus-service/domain/identity.h"
#include "dbus-service/domain/realm.h"

#include "common/secret_pipe.h"

struct answer_cache;
struct rotation;
struct share_entry;
struct backup_watch;
struct bus;
struct direct;
struct call;

struct service {
    uv_loop_t *loop;
    const struct config_paths *paths;
    struct config *config;
    struct work_queue *work;
    struct account_cache *accounts;
    struct name_list administrators;           /* borrowed from the configuration */
    struct name_list affiliate_administrators; /* the same */
    struct identity identity;
    struct realm *realm;
    struct application_set *applications;
    struct rotation *rotation;
    struct share_entry *share_entry;
    struct backup_watch *backup_watch;
    struct quota *quota;
    struct secret_pipe pipe;
    struct answer_cache *answers; /* emptied whenever records cannot be read */
    struct secret *inbox; /* of descriptors_receive(); empty between its calls */
    struct connection_ring ring;
    struct bus *bus;
    struct direct *direct;
    struct call *calls;   /* all in progress, in the order in which they came */
    struct call *calls_last;
    struct call *spare_call;
    struct call *turn_first; /* those that wait for a turn of the loop */
    struct call **turn_last;
    uv_check_t turn;
    uv_idle_t turn_waiting;  /* keeps the loop from sleeping meanwhile */
    uint64_t started_usec; /* CLOCK_REALTIME */
    bool opening;         /* the keyring is being opened at start */
    struct failure unopened; /* why it could not be; ERROR_NONE = it was, or nobody has tried */
    char sealed_text[600];
    bool announced;       /* READY=1 was sent */
    bool stopping;
    bool has_pipe;
    int folder_fd;
    int lock_fd;
    unsigned flush_steps; /* turns that replies had to leave at the end */
    uv_signal_t signals[3];
    uv_timer_t watchdog;
    uv_timer_t stop_timer;
    uv_timer_t reopen; /* what kept the keyring closed at start may have passed */
    uv_timer_t trim;
    uv_timer_t left_out; /* until the events that were left out of the audit are told */
};

/* Starts everything; `service` is zeroed before. 0 or -errno; what failed is logged. */
int service_start(struct service *service, uv_loop_t *loop, struct config *config,
                  const struct config_paths *paths) MUST_CHECK;
/* Runs until SIGTERM or SIGINT, then ends cleanly. 0, or a negative errno when it could not. */
int service_run(struct service *service) MUST_CHECK;
/* After a start that failed: ends what was begun. */
void service_abandon(struct service *service);
void service_free(struct service *service);

/* Reads the configuration again; the old one stays on failure. */
int service_reload(struct service *service, struct failure *failure) MUST_CHECK;
/* Somebody gave memory back: soon it goes to the system, also from the middle of the heap. */
void service_trim(struct service *service);
/* The name was taken on the bus, or lost. */
void service_bus_changed(struct service *service, bool has_name);
/* What the state means and what to do: one sentence. */
const char *service_state_text(struct service *service);

#endif

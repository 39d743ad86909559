/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The audit: one structured event for every change of state and every use of a credential, to syslog
 * (which journald reads too), in one line:
 *   mastersecretd[PID]: MS0201 lookup ok uid=1000 pid=4242 application="erp" user="alice" ...
 * Event ids are stable and listed in the manual. Never a value of a field. */
#ifndef DOMAIN_AUDIT_H
#define DOMAIN_AUDIT_H

#include "dbus-service/domain/audit_sink.h"
#include "dbus-service/domain/failure.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Id, enumerator, word, level: at the default level successes of administration are kept, of use only those of agents. */
#define AUDIT_TABLE(X)                                                                             \
    X(100, START, "start", AUDIT_ADMINISTRATION)                                                   \
    X(101, STOP, "stop", AUDIT_ADMINISTRATION)                                                     \
    X(102, STATE, "state", AUDIT_ADMINISTRATION)                                                   \
    X(103, RELOAD, "reload", AUDIT_ADMINISTRATION)                                                 \
    X(104, STORAGE, "storage", AUDIT_ADMINISTRATION)                                               \
    X(105, BUS, "bus", AUDIT_ADMINISTRATION)                                                       \
    X(106, LEFT_OUT, "left-out", AUDIT_ADMINISTRATION)                                             \
    X(107, BACKUP_DUE, "backup-due", AUDIT_ADMINISTRATION)                                         \
    X(110, GENERATE, "generate", AUDIT_ADMINISTRATION)                                             \
    X(111, SEAL, "seal", AUDIT_ADMINISTRATION)                                                     \
    X(112, UNSEAL, "unseal", AUDIT_ADMINISTRATION)                                                 \
    X(113, BACKUP, "backup", AUDIT_ADMINISTRATION)                                                 \
    X(114, RESTORE, "restore", AUDIT_ADMINISTRATION)                                               \
    X(115, ROTATE, "rotate", AUDIT_ADMINISTRATION)                                                 \
    X(116, SLOT, "slot", AUDIT_ADMINISTRATION)                                                     \
    X(117, RECIPIENT, "recipient", AUDIT_ADMINISTRATION)                                           \
    X(118, EXPORT, "export", AUDIT_ADMINISTRATION)                                                 \
    X(119, IMPORT, "import", AUDIT_ADMINISTRATION)                                                 \
    X(120, APPLICATION_CREATE, "application-create", AUDIT_ADMINISTRATION)                         \
    X(121, APPLICATION_UPDATE, "application-update", AUDIT_ADMINISTRATION)                         \
    X(122, APPLICATION_ENABLE, "application-enable", AUDIT_ADMINISTRATION)                         \
    X(123, APPLICATION_DISABLE, "application-disable", AUDIT_ADMINISTRATION)                       \
    X(124, APPLICATION_DELETE, "application-delete", AUDIT_ADMINISTRATION)                         \
    X(125, APPLICATION_ADD_FIELD, "application-add-field", AUDIT_ADMINISTRATION)                   \
    X(126, APPLICATION_RELABEL_FIELD, "application-relabel-field", AUDIT_ADMINISTRATION)           \
    X(130, MAPPING_SET, "mapping-set", AUDIT_ADMINISTRATION)                                       \
    X(131, MAPPING_ENABLE, "mapping-enable", AUDIT_ADMINISTRATION)                                 \
    X(132, MAPPING_DISABLE, "mapping-disable", AUDIT_ADMINISTRATION)                               \
    X(133, MAPPING_DELETE, "mapping-delete", AUDIT_ADMINISTRATION)                                 \
    X(134, READ, "read", AUDIT_USE)                                                                \
    X(201, LOOKUP, "lookup", AUDIT_USE)                                                            \
    X(202, VERIFY, "verify", AUDIT_USE)

enum audit_level { AUDIT_ADMINISTRATION, AUDIT_USE };

enum audit_id {
#define X(number, id, word, level) AUDIT_##id = number,
    AUDIT_TABLE(X)
#undef X
};

/* What is kept, for successes and for failures each. */
enum audit_threshold { AUDIT_KEEP_NONE, AUDIT_KEEP_ADMINISTRATION, AUDIT_KEEP_ALL };

struct audit_settings {
    enum audit_threshold success; /* default AUDIT_KEEP_ADMINISTRATION */
    enum audit_threshold failure; /* default AUDIT_KEEP_ALL */
};

struct audit_event {
    enum audit_id id;
    const struct failure *failure; /* NULL or code ERROR_NONE = success */
    bool has_caller;               /* uid, pid and door are set */
    uid_t uid;
    pid_t pid;
    const char *door;              /* "bus" or "direct" */
    const char *application;       /* NULL = none; quoted and escaped here, so no line can be forged */
    const char *user;              /* the account concerned */
    bool by_agent;                 /* use of another's credentials: kept as administration is */
    const char *detail;            /* free text, escaped */
};

void audit_open(const struct audit_settings *settings, uv_loop_t *loop);
void audit_set(const struct audit_settings *settings);
/* What is still kept is sent, as audit_sink_close(); the number of lines that are lost. */
size_t audit_close(void);
/* Would it be written, by what is set? */
bool audit_keeps(const struct audit_event *event);
/* Is nothing of what succeeds to be left out? */
bool audit_keeps_all(void);
/* Never blocks. A line beyond the backlog is lost and counted; the count stands in the next line that is
 * taken, that is at its place in the order. */
void audit_write(const struct audit_event *event);

#endif

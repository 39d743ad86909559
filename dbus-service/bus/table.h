/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What the service offers, as tables: every object, interface, method, property and signal stands here
 * once. dispatch.c walks them to answer, introspect.c to describe, the tests to compare with the manual.
 * To add a method, add a line to its interface's table and a handler. */
#ifndef BUS_TABLE_H
#define BUS_TABLE_H

#include "dbus-service/domain/access.h"
#include "dbus-service/domain/audit.h"

#include <dbus/dbus.h>
#include <stdbool.h>
#include <stddef.h>

struct call;
struct service;
struct application;
struct writer;

/* Kinds of objects; an interface names those that have it. */
enum object_kind {
    OBJECT_NONE = 0,
    OBJECT_NODE = 1 << 0,        /* "/", "/org", /org/mastersecret1/application */
    OBJECT_ROOT = 1 << 1,        /* /org/mastersecret1 */
    OBJECT_APPLICATION = 1 << 2, /* below /org/mastersecret1/application */
};
#define OBJECT_ANY (OBJECT_NODE | OBJECT_ROOT | OBJECT_APPLICATION)

/* What a method is about: says which roles count, and where its application and account come from. */
enum subject {
    SUBJECT_NOTHING,     /* the service; also the standard interfaces, which check each property */
    SUBJECT_APPLICATION, /* the object's application */
    SUBJECT_MAPPING,     /* the object's application; the first argument is an account */
    SUBJECT_USER,        /* arguments: application name, user name */
};

enum method_flags {
    METHOD_READS = 1 << 0,   /* needs readable records: state ready or read-only; waits as the next */
    METHOD_WAITS = 1 << 1,   /* while the keyring is being opened, waits for the outcome */
    METHOD_ENABLES = 1 << 2, /* would undo a disabling by an administrator */
    METHOD_NAMES = 1 << 3,   /* the first argument is the name of an application that is not there yet */
    METHOD_TELLS = 1 << 4,   /* of the service: waits only as long as it is sealed because it is being opened */
};

/* Handlers and steps: 0 = answered, or will be by a callback; CALL_WAIT = will be run again from its
 * beginning; a positive error code with call->failure filled in; or a negative errno. */
typedef int (*method_handler)(struct call *call);

struct method {
    const char *name;
    const char *in;       /* signature */
    const char *out;
    const char *in_args;  /* names, separated by blanks */
    const char *out_args;
    unsigned flags;
    enum subject subject;
    enum operation operation;
    int audit;            /* enum audit_id; 0 = none */
    method_handler handler;
};

/* Where a property is read from. */
struct property_source {
    struct service *service;
    const struct application *application; /* NULL on the root object */
};

struct property {
    const char *name;
    const char *signature;
    enum operation operation; /* who may read it */
    const char *emits;        /* annotation EmitsChangedSignal: "true", "invalidates", "const", "false" */
    void (*get)(const struct property_source *source, struct writer *writer); /* one value */
};

struct signal {
    const char *name;
    const char *signature;
    const char *args;
};

struct interface {
    const char *name;
    unsigned objects; /* enum object_kind */
    const struct method *methods;
    const struct property *properties;
    const struct signal *signals;
    size_t methods_count;
    size_t properties_count;
    size_t signals_count;
};

#define TABLE_METHODS(table) .methods = (table), .methods_count = sizeof(table) / sizeof((table)[0])
#define TABLE_PROPERTIES(table)                                                                    \
    .properties = (table), .properties_count = sizeof(table) / sizeof((table)[0])
#define TABLE_SIGNALS(table) .signals = (table), .signals_count = sizeof(table) / sizeof((table)[0])

extern const struct interface interface_manager;
extern const struct interface interface_secret;
extern const struct interface interface_applications;
extern const struct interface interface_application;
extern const struct interface interface_credentials;
extern const struct interface interface_introspectable;
extern const struct interface interface_properties;
extern const struct interface interface_peer;
extern const struct interface interface_object_manager;

/* All of them, NULL at the end. */
extern const struct interface *const interfaces[];

/* Finds a method of an object. NULL interface = whichever has that member. */
enum table_outcome { TABLE_FOUND = 0, TABLE_NO_INTERFACE, TABLE_NO_METHOD };
int table_find(unsigned object, const char *interface, const char *member,
               const struct method **ret_method);
const struct interface *table_interface(unsigned object, const char *name);

#endif

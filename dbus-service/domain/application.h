/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Affiliate applications. Their definitions hold no secret and are few, so all of them are kept in
 * memory, in step with the log. A definition is immutable: a change makes a new one, and the pointer
 * is borrowed until control returns to the loop. */
#ifndef DOMAIN_APPLICATION_H
#define DOMAIN_APPLICATION_H

#include "dbus-service/domain/realm.h"

#define APPLICATIONS_MAX 10000
#define APPLICATION_ID_SIZE 16

enum application_type { APPLICATION_INDIVIDUAL = 1, APPLICATION_GROUP = 2 };
/* "individual", "group"; parse: 0 or -EINVAL. */
const char *application_type_name(enum application_type type);
int application_type_parse(const char *name, enum application_type *ret_type) MUST_CHECK;

struct name_list {
    char **names;
    size_t count;
};

struct field {
    uint32_t id; /* never used again within an application */
    bool masked;
    char *label;
};

struct application {
    uint8_t id[APPLICATION_ID_SIZE];
    char *name;
    enum application_type type;
    bool enabled;
    bool agents_none;
    uint64_t created_usec;
    char *description;
    char *contact;
    struct name_list users;  /* "NAME" = group, "user:NAME" */
    struct name_list admins; /* the same */
    struct name_list agents; /* "user:NAME" */
    uint32_t next_field;
    struct field *fields;    /* the first is the external user name */
    size_t fields_count;
    uint64_t revision;       /* of its record */
    uint64_t version;
};

/* -ENOENT when there is none. */
int application_field(const struct application *application, const char *label,
                      const struct field **ret_field) MUST_CHECK;
/* The only masked field; -ENOENT when there is none, -E2BIG when there are several. */
int application_only_masked(const struct application *application,
                            const struct field **ret_field) MUST_CHECK;

struct application_set;

struct application_events {
    void (*added)(void *userdata, const struct application *application);
    void (*changed)(void *userdata, const struct application *application);
    void (*removed)(void *userdata, const char *name);
    void *userdata;
};

int application_set_new(struct realm *realm, const struct application_events *events,
                        struct application_set **ret_set) MUST_CHECK;
void application_set_free(struct application_set *set);
/* Reads all definitions (the realm is opened), or forgets them (sealed). 0, a code, or -errno; with DAMAGED or
 * NEWER_FORMAT the others are there, and the text says how many are not; with any other none is. */
int application_set_load(struct application_set *set, struct failure *failure) MUST_CHECK;
void application_set_clear(struct application_set *set);

size_t application_set_count(const struct application_set *set);
/* NULL when there is none. Index order is the order of names (bytewise). */
const struct application *application_set_find(const struct application_set *set, const char *name);
const struct application *application_set_at(const struct application_set *set, size_t index);
/* Index of the first name after `name` (for pages); count when none. */
size_t application_set_after(const struct application_set *set, const char *name);

/* What is asked for; NULL members are left as they are (update) or empty (create). Borrowed. */
struct application_draft {
    const char *name;
    enum application_type type;
    const char *description;
    const char *contact;
    const struct name_list *users;
    const struct name_list *admins;
    const struct name_list *agents; /* one entry "none" = agents_none */
    const struct field *fields;     /* create only; ids are ignored */
    size_t fields_count;
    const bool *enabled;
};

/* Names in the lists must be known to the name service: the caller has checked them (see
 * identity_draft_known in identity.h). All: 0 when taken, then `done`; else code or -errno. */
int application_create(struct application_set *set, const struct application_draft *draft,
                       realm_write_done done, void *userdata, struct failure *failure) MUST_CHECK;
int application_update(struct application_set *set, const struct application *application,
                       const struct application_draft *draft, realm_write_done done,
                       void *userdata, struct failure *failure) MUST_CHECK;
int application_add_field(struct application_set *set, const struct application *application,
                          const char *label, bool masked, realm_write_done done, void *userdata,
                          struct failure *failure) MUST_CHECK;
int application_relabel_field(struct application_set *set, const struct application *application,
                              const char *label, const char *new_label, realm_write_done done,
                              void *userdata, struct failure *failure) MUST_CHECK;
/* One change: the mappings are unreachable at once, and purged afterwards in the background (a purge
 * cut short goes on at the next start). */
int application_delete(struct application_set *set, const struct application *application,
                       realm_write_done done, void *userdata, struct failure *failure) MUST_CHECK;

/* Its record is another one now, of the next version, and says the same: whoever changes the application,
 * or one of its mappings, need not begin anew. */
void application_set_rewritten(struct application_set *set, const uint8_t id[APPLICATION_ID_SIZE],
                               uint64_t revision);

uint64_t application_mappings(const struct application_set *set,
                              const struct application *application);

#endif

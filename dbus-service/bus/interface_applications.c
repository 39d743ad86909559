/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* org.mastersecret1.Applications: making and finding them. */
#include "dbus-service/bus/draft.h"
#include "dbus-service/bus/page.h"
#include "dbus-service/bus/signals.h"

#include <string.h>

/* Applications looked at for one page; a caller with a role in few of many gets short pages. */
#define EXAMINED_MAX 1024

static void on_created(void *userdata, const struct failure *failure, uint64_t revision)
{
    struct call *call = userdata;
    char path[OBJECT_PATH_MAX];
    struct writer writer;

    if (!call_succeeded(call, failure))
        return;
    writer = call_writer(call);
    writer_path(&writer, object_path(call->audit_application, path) < 0 ? "/" : path);
    call_reply(call, writer_take(&writer));
}

static int handle_create(struct call *call)
{
    const char *name = call_string(call, 0);
    struct draft draft;
    int r;

    if (!name_is_valid(name))
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT, "the name is not valid");
    r = draft_parse(call, 2, DRAFT_CREATE, &draft);
    if (r == 0 && application_type_parse(call_string(call, 1), &draft.wanted.type) < 0)
        r = failure_set(&call->failure, ERROR_INVALID_ARGUMENT, "a type is individual or group");
    if (r == 0)
        r = draft_check_accounts(call, &draft);
    if (r != 0)
        return r;
    draft.wanted.name = name;
    call->acting = true;
    return application_create(call->service->applications, &draft.wanted, on_created, call,
                              &call->failure);
}

static void write_application(const struct application_set *set,
                              const struct application *application, struct page *page)
{
    struct writer *writer = &page->writer;

    writer_open(writer, DBUS_TYPE_STRUCT, NULL);
    writer_string(writer, application->name);
    writer_string(writer, application_type_name(application->type));
    writer_boolean(writer, application->enabled);
    writer_string(writer, application->description);
    writer_uint64(writer, application_mappings(set, application));
    writer_close(writer);
    page->count++;
}

/* Walks over the applications behind the cursor and leaves the name to go on from. */
typedef int (*application_each)(struct call *call, const struct application *application,
                                struct page *page);

static int walk(struct call *call, struct page *page, application_each each)
{
    const struct application_set *set = call->service->applications;
    size_t index = *page->cursor ? application_set_after(set, page->cursor) : 0;
    size_t count = application_set_count(set), examined = 0;
    const char *next = "";
    unsigned waiting = 0;
    int r = 0;

    while (index < count && page->count < page->limit && examined < EXAMINED_MAX) {
        const struct application *application = application_set_at(set, index);

        r = each(call, application, page);
        if (call_loop_ends(r, &waiting))
            break;
        next = application->name;
        index++;
        examined++;
    }
    r = call_loop_result(call, r, waiting);
    if (r != 0) {
        page_abandon(page);
        return r;
    }
    page_end(call, page, index < count ? next : "");
    return 0;
}

static int list_one(struct call *call, const struct application *application, struct page *page)
{
    bool may;
    int r = call_may(call, OPERATION_READ_APPLICATION, application, &may);

    if (r == 0 && may)
        write_application(call->service->applications, application, page);
    return r;
}

static int handle_list(struct call *call)
{
    struct page page;
    int r = page_begin(call, "(ssbst)", &page);

    return r == 0 ? walk(call, &page, list_one) : r;
}

static void write_own(const struct application *application, const struct mapping *mapping,
                      struct page *page)
{
    struct writer *writer = &page->writer;

    writer_open(writer, DBUS_TYPE_STRUCT, NULL);
    writer_string(writer, application->name);
    page_write_mapping(page, mapping);
    writer_boolean(writer, application->enabled);
    writer_uint64(writer, mapping->changed_usec);
    writer_close(writer);
    page->count++;
}

static int list_own_one(struct call *call, const struct application *application, struct page *page)
{
    struct service *service = call->service;
    CLEANUP_MAPPING struct mapping *mapping = NULL;
    struct identity_target target;
    int r = identity_target(&service->identity, service->realm, &call->peer->caller, application,
                            NULL, &call->waiter, &target);

    r = call_identity(call, r);
    if (r != 0)
        return r;
    if (!target.entitled || !target.found)
        return 0;
    r = mapping_get(service->realm, application, &target.account, &mapping, &call->failure);
    if (r == ERROR_DAMAGED || r == ERROR_NEWER_FORMAT)
        write_own(application, &(struct mapping){ .account = target.account }, page);
    else if (r == 0)
        write_own(application, mapping, page);
    if (r != 0 && r != ERROR_DAMAGED && r != ERROR_NEWER_FORMAT && r != ERROR_MAPPING_NOT_FOUND)
        return r;
    call->failure.code = ERROR_NONE;
    return 0;
}

static int handle_list_own(struct call *call)
{
    struct page page;
    int r = page_begin(call, "(ssssbt)", &page);

    return r == 0 ? walk(call, &page, list_own_one) : r;
}

static const struct method methods[] = {
    { "Create", "ssa{sv}", "o", "name type definition", "path",
      METHOD_READS | METHOD_NAMES,
      SUBJECT_NOTHING, OPERATION_CREATE_APPLICATION, AUDIT_APPLICATION_CREATE, handle_create },
    { "List", "su", "a(ssbst)s", "cursor limit", "applications next", METHOD_READS,
      SUBJECT_NOTHING, OPERATION_LIST_APPLICATIONS, AUDIT_READ, handle_list },
    { "ListOwn", "su", "a(ssssbt)s", "cursor limit", "mappings next", METHOD_READS,
      SUBJECT_NOTHING, OPERATION_LIST_OWN_MAPPINGS, AUDIT_READ, handle_list_own },
};

const struct interface interface_applications = {
    .name = BUS_INTERFACE_APPLICATIONS,
    .objects = OBJECT_ROOT,
    TABLE_METHODS(methods),
};

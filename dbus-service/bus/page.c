/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/bus/page.h"

int page_begin(struct call *call, const char *entry, struct page *ret_page)
{
    uint32_t limit = call_uint32(call, 1);

    if (limit > PAGE_MAX)
        return failure_set(&call->failure, ERROR_INVALID_ARGUMENT, "a page has at most %d entries",
                           PAGE_MAX);
    *ret_page = (struct page){ .cursor = call_string(call, 0), .limit = limit ? limit : PAGE_MAX };
    ret_page->writer = call_writer(call);
    writer_open(&ret_page->writer, DBUS_TYPE_ARRAY, entry);
    return 0;
}

void page_write_mapping(struct page *page, const struct mapping *mapping)
{
    const char *external_user = mapping->external_user;
    char account[6 + NAME_MAX_BYTES + 1];

    account_name_format(&mapping->account, account);
    writer_string(&page->writer, account);
    writer_string(&page->writer, external_user ? external_user : "");
    writer_string(&page->writer,
                  external_user ? mapping_state_name(mapping->state) : MAPPING_UNREADABLE_NAME);
}

void page_end(struct call *call, struct page *page, const char *next)
{
    writer_close(&page->writer);
    writer_string(&page->writer, next);
    call_reply(call, writer_take(&page->writer));
}

void page_abandon(struct page *page)
{
    DBusMessage *message;

    page->writer.failed = true;
    message = writer_take(&page->writer);
    if (message)
        dbus_message_unref(message);
}

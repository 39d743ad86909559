/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The arguments (s cursor, u limit) that every list takes, and its answer (a(...) entries, s next). */
#ifndef BUS_PAGE_H
#define BUS_PAGE_H

#include "dbus-service/bus/call.h"
#include "dbus-service/domain/mapping.h"

struct page {
    const char *cursor;
    size_t limit;
    size_t count;         /* entries written */
    struct writer writer; /* stands in the array */
};

/* Begins the reply; `entry` is the signature of one entry. 0 or an error code. */
int page_begin(struct call *call, const char *entry, struct page *ret_page) MUST_CHECK;
/* Account, external user and state of a mapping in a list; one without an external user cannot be read. */
void page_write_mapping(struct page *page, const struct mapping *mapping);
/* Answers with what was written; next "" = there is no more. */
void page_end(struct call *call, struct page *page, const char *next);
/* The reply is not wanted after all. */
void page_abandon(struct page *page);

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/fuzz/journal_fit.h"

#include "tests/unit/store_fixture.h"

#include <string.h>

/* doc/FORMAT 5.1, 5.2 */
enum { CHECKED = 96, CHECK_AT = 96, BASE_CHAIN_AT = 56, PREVIOUS_AT = 32 };

static uint32_t get_u32(const uint8_t *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

/* One frame: its chain value, and as much more as `fit` says. Its size, 0 when there is none. */
static size_t fit_frame(uint8_t *bytes, size_t size, unsigned fit, uint64_t *revision,
                        const uint8_t *previous)
{
    const uint32_t magic = FRAME_MAGIC;
    struct iovec whole = { bytes, 0 };
    uint32_t body;

    if (size < FRAME_OVERHEAD || (bytes[0] == 0 && bytes[1] == 0))
        return 0;
    body = get_u32(bytes + 8);
    if (fit & FIT_FRAMES) {
        memcpy(bytes, &magic, sizeof(magic));
        if (bytes[4] != FRAME_EXPORT_END)
            bytes[4] = (uint8_t)(bytes[4] % 3 ? bytes[4] % 3 : FRAME_BASE_END);
        memset(bytes + 5, 0, 3);
        body = body > size - FRAME_OVERHEAD ? (uint32_t)(size - FRAME_OVERHEAD) : body;
        memcpy(bytes + 8, &body, sizeof(body));
        memcpy(bytes + PREVIOUS_AT, previous, LOG_CHAIN_SIZE);
    }
    if (body > size - FRAME_OVERHEAD)
        return 0;
    if ((fit & FIT_REVISIONS) && bytes[4] == FRAME_COMMIT) {
        uint64_t first = *revision + 1;

        memcpy(bytes + 16, &first, sizeof(first));
    }
    if (bytes[4] == FRAME_COMMIT)
        *revision += get_u32(bytes + 12);
    whole.iov_len = FRAME_HEADER_SIZE + body;
    store_hash(NULL, &whole, 1, bytes + whole.iov_len);
    return FRAME_OVERHEAD + body;
}

struct log_head journal_fit(uint8_t *file, size_t size, unsigned fit)
{
    const struct iovec parts[] = { { (void *)(uintptr_t)"mastersecret journal", 20 },
                                   { file, CHECKED } };
    struct log_head head = { .revision = 0 };
    uint8_t base[LOG_CHAIN_SIZE];
    size_t length;

    if (!fit || size < JOURNAL_HEADER_SIZE)
        return head;
    memcpy(file + 16, "realm of a test", 16);
    memcpy(head.id, file + 32, sizeof(head.id));
    memcpy(&head.revision, file + 48, sizeof(head.revision));
    memcpy(head.chain, file + BASE_CHAIN_AT, sizeof(head.chain));
    store_hash(NULL, parts, 2, file + CHECK_AT);
    memcpy(base, file + CHECK_AT, sizeof(base));
    for (size_t at = JOURNAL_HEADER_SIZE; at < size; at += length) {
        bool commit = size - at > 4 && (file[at + 4] == FRAME_COMMIT || file[at + 4] == FRAME_EXPORT_END);
        uint8_t *chain = commit ? head.chain : base;

        length = fit_frame(file + at, size - at, fit, &head.revision, chain);
        if (length == 0)
            break;
        memcpy(chain, file + at + length - LOG_CHAIN_SIZE, LOG_CHAIN_SIZE);
    }
    return head;
}

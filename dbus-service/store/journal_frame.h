/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The bytes of a journal: file header, frames, and what stands in their bodies (doc/FORMAT 5.1 to
 * 5.4). Memory only, no file. Everything parsed is borrowed from the bytes given. */
#ifndef STORE_JOURNAL_FRAME_H
#define STORE_JOURNAL_FRAME_H

#include "dbus-service/store/journal.h"

#define JOURNAL_HEADER_SIZE 128
#define FRAME_HEADER_SIZE 64
#define FRAME_OVERHEAD (FRAME_HEADER_SIZE + LOG_CHAIN_SIZE)
#define FRAME_BODY_MAX (64u * 1024 * 1024)
#define FRAME_MAGIC 0x4d525346u

struct journal_header {
    bool export; /* the file is an export (doc/FORMAT 5.6) */
    uint8_t realm[16];
    uint8_t id[LOG_ID_SIZE];
    uint64_t base_revision;
    uint8_t base_chain[LOG_CHAIN_SIZE];
    uint8_t check[32];
};

/* Writes JOURNAL_HEADER_SIZE bytes and header->check. */
void journal_header_format(struct journal_header *header, const struct log_hash *hash,
                           uint8_t *ret_bytes);
/* 0; -EBADMSG when damaged or of another key; -EPROTONOSUPPORT for a newer format. */
int journal_header_parse(const uint8_t *bytes, const struct log_hash *hash,
                         struct journal_header *ret_header) MUST_CHECK;

enum frame_type { FRAME_COMMIT = 1, FRAME_BASE = 2, FRAME_BASE_END = 3, FRAME_EXPORT_END = 4 };

struct frame {
    uint8_t type;
    uint32_t count;
    uint64_t first;
    uint64_t time; /* microseconds, CLOCK_REALTIME */
    uint8_t previous[LOG_CHAIN_SIZE];
    uint8_t chain[LOG_CHAIN_SIZE];
    const uint8_t *body;
    size_t body_size;
};

/* Frames a body that stands at bytes + FRAME_HEADER_SIZE: writes the header before it and the chain
 * value after it, and sets frame->chain. A `time` of 0 becomes now. */
void frame_seal(uint8_t *bytes, struct frame *frame, const struct log_hash *hash);
/* Parses FRAME_HEADER_SIZE bytes; body and chain are not set. -EBADMSG. */
int frame_header_parse(const uint8_t *bytes, struct frame *ret_frame) MUST_CHECK;
/* Sets body and chain of a frame whose header was parsed, from its FRAME_OVERHEAD + body_size
 * bytes; -EBADMSG when the chain value is not that of the bytes. */
int frame_verify(const uint8_t *bytes, const struct log_hash *hash,
                 struct frame *frame) MUST_CHECK;

/* One change as it stands in a body. */
struct frame_change {
    uint64_t revision;
    struct record_key key;
    const uint8_t *record;
    size_t size;
};
/* Returns 0, or -errno / a positive value to stop. */
typedef int (*frame_each)(void *userdata, const struct frame_change *change);

/* All changes of a commit or base frame, in order. -EBADMSG for an ill-formed body, else what
 * `each` stopped with, or 0. */
int frame_walk(const struct frame *frame, frame_each each, void *userdata) MUST_CHECK;

/* One append as it stands in the body of a commit. */
size_t frame_append_size(const struct log_append *append);
void frame_append_format(const struct log_append *append, uint8_t *ret_bytes, size_t size);
int frame_append_walk(const uint8_t *bytes, size_t size, uint64_t revision, frame_each each,
                      void *userdata) MUST_CHECK;

/* One record as it stands in the body of a base frame. */
size_t frame_base_size(const struct frame_change *change);
void frame_base_format(const struct frame_change *change, uint8_t *ret_bytes, size_t size);

#endif

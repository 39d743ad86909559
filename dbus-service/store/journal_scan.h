/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads a journal from its beginning, or from a known place, frame by frame, verifying each and the
 * chain between them (doc/FORMAT 5). Reads by offset only, so several may walk over one file, and
 * over one that still grows, up to `size`. Memory: one window of 1 MiB, or the largest frame. */
#ifndef STORE_JOURNAL_SCAN_H
#define STORE_JOURNAL_SCAN_H

#include "dbus-service/store/journal_frame.h"

struct scan {
    int fd; /* borrowed */
    const struct log_hash *hash;
    struct log_progress *progress; /* of whoever reads; NULL legal */
    uint64_t size;   /* where reading ends */
    uint64_t offset; /* of the next frame */
    struct journal_header header;
    bool base_done;        /* commits from here on */
    bool ended;            /* the end of an export was read; nothing may follow */
    uint8_t base_previous[LOG_CHAIN_SIZE];
    struct log_head head;  /* of the newest commit read (or the base) */
    uint8_t *window;
    uint64_t window_offset;
    size_t window_size, window_capacity;
};

/* Reads and checks the file header. 0; -EBADMSG damaged; -EPROTONOSUPPORT newer; -errno. */
int scan_init(struct scan *scan, int fd, const struct log_hash *hash) MUST_CHECK;
void scan_deinit(struct scan *scan);
/* Reads up to `size` from now on: what stands beyond, read earlier, may have changed since. */
void scan_set_size(struct scan *scan, uint64_t size);
/* 1 with the bytes at [offset, offset + length) (borrowed until the next call), 0 when the file ends
 * before, or -errno. */
int scan_bytes(struct scan *scan, uint64_t offset, size_t length,
               const uint8_t **ret_bytes) MUST_CHECK;
/* Goes on at `offset`, where `head` was the newest commit. 0; -ESTALE when the file does not have
 * that commit (or the end of its base) right before; -errno. */
int scan_resume(struct scan *scan, const struct log_head *head, uint64_t offset) MUST_CHECK;
/* 1 with the next frame (borrowed until the next call), 0 when none verifies and chains here, or
 * -errno (-EIO, -ENOMEM). */
int scan_next(struct scan *scan, struct frame *ret_frame) MUST_CHECK;

enum scan_tail {
    SCAN_TAIL_ZERO = 0, /* nothing but zeros from here on */
    SCAN_TAIL_TORN,     /* bytes, but no frame that verifies by itself */
    SCAN_TAIL_FRAMES,   /* some frame verifies further on */
};
/* What stands from the offset on. SCAN_TAIL_*, or -errno. */
int scan_tail(struct scan *scan) MUST_CHECK;

#endif

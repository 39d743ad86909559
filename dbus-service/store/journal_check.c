/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads a journal or an export as a whole, without a view: which record is the newest of its key is
 * found by reading it twice, first to note the newest version of each key, which must rise from
 * record to record, then to hand out the records that have it. The notes take a bounded room, so of
 * a large log only a part of the keys is dealt with at a time. */
#include "dbus-service/store/journal_scan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum { NOTES_DEFAULT = 1 << 21 }; /* 32 MiB, while it lasts */

struct note {
    uint64_t key; /* of its hash; 0 = free */
    uint64_t version;
};

struct check {
    const struct log_check_options *options;
    struct log_file_report *report;
    struct scan scan;
    uint64_t limit; /* where the frames ended when they were first read; 0 = not yet */
    int tail;       /* what stood behind them then (enum scan_tail), or -errno */
    uint64_t changes;
    uint64_t parts, part; /* how many, and which one it is */
    struct note *notes; /* of this part */
    size_t notes_count;
};

/* ---- notes ---------------------------------------------------------------------------------- */

/* The note of a key of this part, NULL for another's. Told apart by a keyed hash, so that nobody who
 * chooses names can have two taken for one, or fill a part. */
static struct note *note_find(const struct check *check, const struct record_key *key)
{
    const struct log_hash *hash = &check->options->hash;
    uint8_t bytes[RECORD_KEY_MAX], digest[32];
    const struct iovec whole = { bytes, record_key_format(key, bytes) };
    uint64_t numbers[2];
    size_t slot;

    hash->hash(hash->userdata, &whole, 1, digest);
    memcpy(numbers, digest, sizeof(numbers));
    if (numbers[0] % check->parts != check->part)
        return NULL;
    numbers[1] = numbers[1] ? numbers[1] : 1;
    slot = numbers[1] % check->notes_count;
    while (check->notes[slot].key && check->notes[slot].key != numbers[1])
        slot = (slot + 1) % check->notes_count;
    check->notes[slot].key = numbers[1];
    return &check->notes[slot];
}

static int count_change(void *userdata, const struct frame_change *change)
{
    struct check *check = userdata;
    struct record_header header;

    check->changes++;
    return record_header_parse(change->record, change->size, &header);
}

/* -EBADMSG: it stands behind a newer one, as no append could have put it there. */
static int note_change(void *userdata, const struct frame_change *change)
{
    struct note *note = note_find(userdata, &change->key);
    struct record_header header;
    int r = note ? record_header_parse(change->record, change->size, &header) : 0;

    if (!note || r < 0)
        return r;
    if (header.version <= note->version)
        return -EBADMSG;
    note->version = header.version;
    return 0;
}

static int hand_out(void *userdata, const struct frame_change *change)
{
    struct check *check = userdata;
    const struct note *note = note_find(check, &change->key);
    const struct log_walk_record record = { &change->key, change->revision, change->record,
                                            change->size };
    struct record_header header;
    int r = note ? record_header_parse(change->record, change->size, &header) : 0;

    if (!note || r < 0 || note->version != header.version)
        return r;
    check->report->records++;
    return check->options->each(check->options->userdata, &record);
}

/* ---- reading -------------------------------------------------------------------------------- */

static void expect_three_passes(const struct check *check)
{
    if (check->options->progress)
        atomic_fetch_add(&check->options->progress->total, 3 * check->scan.size);
}

/* It is known how many parts there are, and that a journal's file goes on with zeros. */
static void expect_parts(const struct check *check)
{
    if (check->options->progress)
        atomic_fetch_add(&check->options->progress->total,
                         (2 * check->parts + 1) * check->limit - 3 * check->scan.size);
}

/* Of a log that is being written, the newest commit may have been read half. The one behind it is
 * written when it has been synced: so where frames stand behind this place, what stands here is whole
 * by now, or damaged. */
static int next_frame(struct check *check, struct frame *ret_frame)
{
    int r = scan_next(&check->scan, ret_frame);

    if (r != 0 || check->limit)
        return r;
    check->tail = scan_tail(&check->scan);
    if (check->tail != SCAN_TAIL_FRAMES)
        return check->tail < 0 ? check->tail : 0;
    scan_set_size(&check->scan, check->scan.size);
    return scan_next(&check->scan, ret_frame);
}

/* 0; -ECANCELED; -errno: of the file, or what `each` returned. */
static int read_all(struct check *check, frame_each each, bool *ret_in_each)
{
    struct frame frame;
    int r;

    scan_deinit(&check->scan);
    *ret_in_each = false;
    r = scan_init(&check->scan, check->options->fd, &check->options->hash);
    if (r < 0)
        return r;
    check->scan.progress = check->options->progress;
    if (check->limit)
        scan_set_size(&check->scan, check->limit);
    else
        expect_three_passes(check);
    for (;;) {
        if (check->options->stopping && atomic_load(check->options->stopping))
            return -ECANCELED;
        r = next_frame(check, &frame);
        if (r <= 0)
            return r;
        r = frame_walk(&frame, each, check);
        *ret_in_each = r != 0;
        if (r != 0)
            return r < 0 ? r : -EIO;
    }
}

__attribute__((__format__(__printf__, 3, 4))) static enum log_outcome
refuse(struct check *check, enum log_outcome outcome, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(check->report->text, sizeof(check->report->text), format, arguments);
    va_end(arguments);
    return outcome;
}

static const char *file_name(const struct check *check)
{
    return check->scan.header.export ? "export" : "journal";
}

/* Zero: it was not read. A header made with another log's key is not authentic here, but says whose it is. */
static bool is_of_another_realm(struct check *check)
{
    static const uint8_t none[sizeof(check->scan.header.realm)];
    const uint8_t *realm = check->scan.header.realm;

    check->report->other_realm = memcmp(realm, none, sizeof(none)) != 0 &&
                                 memcmp(realm, check->options->realm, sizeof(none)) != 0;
    return check->report->other_realm;
}

static enum log_outcome read_failed(struct check *check, int error)
{
    if (error == -EBADMSG)
        (void)is_of_another_realm(check);
    switch (error) {
    case -ECANCELED:
        return refuse(check, LOG_CANCELED, "the check was given up");
    case -EPROTONOSUPPORT:
        return refuse(check, LOG_NEWER, "%s: of a newer format", file_name(check));
    case -EBADMSG:
        return check->scan.offset <= JOURNAL_HEADER_SIZE
                   ? refuse(check, LOG_DAMAGED, "not a journal or an export, or its header is "
                            "damaged, or not made with this log's key")
                   : refuse(check, LOG_DAMAGED, "%s: damaged at byte %" PRIu64, file_name(check),
                            check->scan.offset);
    default:
        return refuse(check, LOG_FAILED, "%s: %s", file_name(check), strerrordesc_np(-error));
    }
}

static enum log_outcome judge_end(struct check *check)
{
    struct scan *scan = &check->scan;

    if (is_of_another_realm(check))
        return refuse(check, LOG_DAMAGED, "%s: of another realm", file_name(check));
    if (scan->header.export && !(scan->ended && scan->offset == scan->size))
        return refuse(check, LOG_DAMAGED, "export: %s at byte %" PRIu64,
                      scan->offset == scan->size ? "it is not complete; it ends" : "damaged",
                      scan->offset);
    if (!scan->base_done || check->tail == SCAN_TAIL_FRAMES)
        return read_failed(check, -EBADMSG);
    if (check->tail == SCAN_TAIL_TORN)
        check->report->torn_offset = scan->offset;
    check->report->head = scan->head;
    check->limit = scan->offset;
    return LOG_DONE;
}

/* The whole of it, verified. */
static enum log_outcome read_first(struct check *check)
{
    bool in_each;
    int r = read_all(check, count_change, &in_each);

    return r < 0 ? read_failed(check, r) : judge_end(check);
}

static enum log_outcome read_part(struct check *check)
{
    CLEANUP_FREE struct note *notes = calloc(check->notes_count, sizeof(*notes));
    bool in_each;
    int r;

    if (!notes)
        return read_failed(check, -ENOMEM);
    check->notes = notes;
    r = read_all(check, note_change, &in_each);
    if (r == -EBADMSG && in_each)
        return refuse(check, LOG_DAMAGED,
                      "%s: a record goes back to an older version before byte %" PRIu64,
                      file_name(check), check->scan.offset);
    if (r == 0)
        r = read_all(check, hand_out, &in_each);
    if (r < 0 && r != -ECANCELED && in_each)
        return refuse(check, LOG_FAILED, "%s", strerrordesc_np(-r));
    if (r == 0 && check->scan.offset != check->limit)
        r = -EBADMSG; /* it changed since it was verified */
    return r < 0 ? read_failed(check, r) : LOG_DONE;
}

enum log_outcome log_check(const struct log_check_options *options,
                           struct log_file_report *ret_report)
{
    struct check check = { .options = options, .report = ret_report };
    enum log_outcome outcome;

    *ret_report = (struct log_file_report){ 0 };
    outcome = read_first(&check);
    check.notes_count = options->notes ? options->notes : NOTES_DEFAULT;
    check.parts = check.changes / (check.notes_count / 2) + 1; /* a table half full is fast, and safe */
    if (outcome == LOG_DONE)
        expect_parts(&check);
    for (; outcome == LOG_DONE && check.part < check.parts; check.part++)
        outcome = read_part(&check);
    scan_deinit(&check.scan);
    return outcome;
}

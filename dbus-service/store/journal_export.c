/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/store/journal_export.h"

#include "common/safe_open.h"
#include "dbus-service/store/anchor.h"
#include "dbus-service/store/journal_start.h"
#include "dbus-service/store/journal_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* ---- frames, chained anew ------------------------------------------------------------------- */

struct copy {
    struct scan scan; /* over what is copied */
    const atomic_bool *canceled;
    struct log_progress *progress;
    int fd; /* written to */
    uint64_t offset;
    uint8_t base_previous[LOG_CHAIN_SIZE];
    struct log_head head; /* of the copy */
    uint8_t *buffer;
    size_t capacity;
};

static int copy_reserve(struct copy *copy, size_t size)
{
    uint8_t *buffer;

    if (size <= copy->capacity)
        return 0;
    buffer = realloc(copy->buffer, size);
    if (!buffer)
        return -ENOMEM;
    copy->buffer = buffer;
    copy->capacity = size;
    return 0;
}

static int copy_header(struct copy *copy, struct journal_header *header)
{
    uint8_t bytes[JOURNAL_HEADER_SIZE];

    journal_header_format(header, copy->scan.hash, bytes);
    memcpy(copy->base_previous, header->check, sizeof(copy->base_previous));
    memcpy(copy->head.id, header->id, sizeof(copy->head.id));
    memcpy(copy->head.chain, header->base_chain, sizeof(copy->head.chain));
    copy->head.revision = header->base_revision;
    copy->offset = sizeof(bytes);
    return writer_write(copy->fd, bytes, sizeof(bytes), 0);
}

static int copy_frame(struct copy *copy, struct frame frame)
{
    size_t size = FRAME_OVERHEAD + frame.body_size;
    bool base = frame.type == FRAME_BASE || frame.type == FRAME_BASE_END;
    uint8_t *chain = base ? copy->base_previous : copy->head.chain;
    int r;

    r = copy_reserve(copy, size);
    if (r < 0)
        return r;
    if (frame.body_size)
        memcpy(copy->buffer + FRAME_HEADER_SIZE, frame.body, frame.body_size);
    memcpy(frame.previous, chain, LOG_CHAIN_SIZE);
    frame_seal(copy->buffer, &frame, copy->scan.hash);
    r = writer_write(copy->fd, copy->buffer, size, copy->offset);
    if (r < 0)
        return r;
    memcpy(chain, frame.chain, LOG_CHAIN_SIZE);
    copy->offset += size;
    if (frame.type == FRAME_COMMIT)
        copy->head.revision += frame.count;
    return 0;
}

/* Up to `limit`. 0; -EBADMSG: no frame verifies at copy->scan.offset; -ECANCELED; -errno. */
static int copy_frames(struct copy *copy, uint64_t limit)
{
    scan_set_size(&copy->scan, limit);
    copy->scan.progress = copy->progress;
    while (copy->scan.offset < limit) {
        struct frame frame;
        int r;

        if (copy->canceled && atomic_load(copy->canceled))
            return -ECANCELED;
        r = scan_next(&copy->scan, &frame);
        if (r == 0)
            return -EBADMSG;
        if (r > 0 && frame.type != FRAME_EXPORT_END)
            r = copy_frame(copy, frame);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What was written, read again: from the disk, as far as the kernel can be told. */
static int copy_verify(const struct copy *copy, bool export)
{
    struct scan scan;
    struct frame frame;
    int r;

    (void)posix_fadvise(copy->fd, 0, 0, POSIX_FADV_DONTNEED);
    r = scan_init(&scan, copy->fd, copy->scan.hash);
    scan.progress = copy->progress;
    while (r >= 0) {
        if (copy->canceled && atomic_load(copy->canceled))
            r = -ECANCELED;
        else
            r = scan_next(&scan, &frame);
        if (r == 0)
            break;
    }
    if (r == 0 && (scan.offset != copy->offset || scan.header.export != export ||
                   scan.ended != export || !scan.base_done ||
                   scan.head.revision != copy->head.revision ||
                   memcmp(scan.head.id, copy->head.id, LOG_ID_SIZE) != 0))
        r = -EIO;
    scan_deinit(&scan);
    return r == -EBADMSG || r == -EPROTONOSUPPORT ? -EIO : r;
}

static void copy_deinit(struct copy *copy)
{
    scan_deinit(&copy->scan);
    free(copy->buffer);
}

/* ---- export --------------------------------------------------------------------------------- */

static void export_text(struct export *export, enum log_outcome outcome, const char *format, ...)
    __attribute__((__format__(__printf__, 3, 4)));

static void export_text(struct export *export, enum log_outcome outcome, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    export->outcome = outcome;
    vsnprintf(export->text, sizeof(export->text), format, arguments);
    va_end(arguments);
}

static int export_write(struct export *export, struct copy *copy)
{
    struct journal_header header;
    struct frame end = { .type = FRAME_EXPORT_END, .first = export->head.revision };
    int r;

    r = scan_init(&copy->scan, export->source_fd, export->hash);
    if (r < 0)
        return r;
    header = copy->scan.header;
    header.export = true;
    r = copy_header(copy, &header);
    if (r == 0)
        r = copy_frames(copy, export->limit);
    if (r == 0 && memcmp(&copy->scan.head, &export->head, sizeof(export->head)) != 0)
        r = -EBADMSG;
    if (r == 0)
        r = copy_frame(copy, end);
    if (r == 0 && fsync(export->fd))
        r = -errno;
    return r < 0 ? r : copy_verify(copy, true);
}

static void export_to_file(struct export *export)
{
    struct copy copy = { .fd = export->fd, .canceled = &export->canceled,
                         .progress = &export->progress };
    int r = safe_is_empty_file(export->fd);

    if (r <= 0) {
        export_text(export, r < 0 ? LOG_FAILED : LOG_BAD_FILE, "export: %s",
                    r < 0 ? strerrordesc_np(-r) : "must be an empty regular file, mode 0600, open "
                                                  "for reading and writing");
        return;
    }
    r = export_write(export, &copy);
    if (r == 0)
        export_text(export, LOG_DONE, "%s", "");
    else if (r == -ECANCELED)
        export_text(export, LOG_CANCELED, "the export was given up");
    else if (r == -EBADMSG)
        export_text(export, LOG_DAMAGED, "journal: damaged at byte %" PRIu64, copy.scan.offset);
    else
        export_text(export, LOG_FAILED, "export: %s", strerrordesc_np(-r));
    if (r < 0 && ftruncate(export->fd, 0) < 0) {
        /* Half of an export is nobody's use. It stays, but it is not complete, and says so. */
    }
    copy_deinit(&copy);
}

void export_run(struct export *export)
{
    export_to_file(export);
    export_deinit(export); /* the last of a journal that was replaced takes its time */
}

void export_deinit(struct export *export)
{
    if (export->source_fd >= 0)
        close(export->source_fd);
    if (export->fd >= 0)
        close(export->fd);
    export->source_fd = export->fd = -1;
}

/* ---- import --------------------------------------------------------------------------------- */

struct import {
    const struct log_import_options *options;
    struct log_file_report *report;
    struct copy copy;
    int lock_fd;
    bool anchored;
};

typedef enum log_outcome (*import_step)(struct import *import);

__attribute__((__format__(__printf__, 3, 4))) static enum log_outcome
refuse(struct import *import, enum log_outcome outcome, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(import->report->text, sizeof(import->report->text), format, arguments);
    va_end(arguments);
    return outcome;
}

static enum log_outcome fail(struct import *import, const char *what, int error)
{
    return refuse(import, LOG_FAILED, "%s: %s", what, strerrordesc_np(-error));
}

static enum log_outcome import_lock(struct import *import)
{
    import->lock_fd =
        openat(import->options->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (import->lock_fd < 0)
        return fail(import, "cannot open the state folder", -errno);
    if (flock(import->lock_fd, LOCK_EX | LOCK_NB))
        return errno == EWOULDBLOCK
                   ? refuse(import, LOG_FAILED, "the state folder is in use by another process")
                   : fail(import, "cannot lock the state folder", -errno);
    return LOG_DONE;
}

static int import_see(void *userdata, const struct log_walk_record *record)
{
    const struct log_import_options *options = ((const struct import *)userdata)->options;

    return options->each ? options->each(options->userdata, record) : 0;
}

static void expect_copy(const struct import *import)
{
    if (import->options->progress)
        atomic_fetch_add(&import->options->progress->total, 2 * import->copy.scan.size);
}

/* The whole of it, before anything is touched. */
static enum log_outcome import_verify(struct import *import)
{
    const struct log_import_options *options = import->options;
    const struct log_check_options check = {
        .fd = options->fd, .realm = options->realm, .hash = options->hash,
        .stopping = options->stopping, .progress = options->progress, .each = import_see,
        .userdata = import,
    };
    enum log_outcome outcome;
    int r = scan_init(&import->copy.scan, options->fd, &options->hash);

    if (r == 0)
        expect_copy(import);
    outcome = log_check(&check, import->report);
    if (outcome != LOG_DONE)
        return outcome;
    if (r < 0)
        return fail(import, "export: cannot read", r);
    if (!import->copy.scan.header.export)
        return refuse(import, LOG_DAMAGED, "export: it is a journal, not an export");
    if (options->verified && options->verified(options->userdata) != 0)
        return refuse(import, LOG_CANCELED, "the export was not accepted");
    return LOG_DONE;
}

static bool exists(int folder_fd, const char *name)
{
    struct stat status;

    return fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum log_outcome refuse_rollback(struct import *import, const char *what)
{
    return import->options->accept_rollback
               ? LOG_DONE
               : refuse(import, LOG_ROLLED_BACK, "there were records here before: %s is there; "
                        "accept the rollback to import nevertheless", what);
}

/* A journal that never had a record may be replaced, and a missing one. */
static enum log_outcome import_judge_folder(struct import *import)
{
    const struct log_import_options *options = import->options;
    CLEANUP_CLOSE int fd =
        openat(options->folder_fd, JOURNAL_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct frame frame;
    struct scan scan;
    int r;

    if (fd < 0 && errno != ENOENT)
        return fail(import, "journal: cannot open", -errno);
    if (fd < 0)
        return exists(options->folder_fd, "view") || exists(options->folder_fd, "view.open")
                   ? refuse_rollback(import, "a view without its journal")
                   : LOG_DONE;
    r = scan_init(&scan, fd, &options->hash);
    if (r == 0 && scan.header.base_revision > 0)
        r = 1;
    if (r == 0)
        r = scan_next(&scan, &frame);
    if (r == 0 && scan_tail(&scan) != SCAN_TAIL_ZERO)
        r = -EBADMSG;
    scan_deinit(&scan);
    if (r == 0)
        return LOG_DONE;
    return r > 0 ? refuse(import, LOG_CONFLICT, "the journal has records already")
                 : refuse(import, LOG_CONFLICT, "there is a journal, and it is not an empty one");
}

static enum log_outcome import_judge_anchor(struct import *import)
{
    struct anchor anchor;
    int r;

    if (!import->options->anchor_path)
        return LOG_DONE;
    r = anchor_get(import->options->anchor_path, &import->options->hash, &anchor);
    if (r < 0)
        return fail(import, "cannot read the anchor", r);
    import->anchored = r != ANCHOR_ABSENT;
    return import->anchored ? refuse_rollback(import, "an anchor") : LOG_DONE;
}

/* A log of its own: another id, and so another chain, since somebody else may go on with the first. */
static enum log_outcome import_write(struct import *import)
{
    const struct log_import_options *options = import->options;
    struct copy *copy = &import->copy;
    struct journal_header header = copy->scan.header;
    int r;

    header.export = false;
    options->hash.random(options->hash.userdata, header.id, sizeof(header.id));
    options->hash.random(options->hash.userdata, header.base_chain, sizeof(header.base_chain));
    copy->canceled = options->stopping;
    copy->progress = options->progress;
    r = journal_file_new(options->folder_fd, &options->hash, &header, &copy->fd);
    if (r == 0)
        r = copy_header(copy, &header);
    if (r == 0)
        r = copy_frames(copy, copy->scan.size);
    if (r == 0 && !copy->scan.ended)
        r = -EBADMSG; /* it changed since it was verified */
    if (r == 0 && fsync(copy->fd))
        r = -errno;
    if (r == 0)
        r = copy_verify(copy, false);
    return r == -ECANCELED ? refuse(import, LOG_CANCELED, "the import was given up")
           : r < 0         ? fail(import, "journal: cannot write the import", r)
                           : LOG_DONE;
}

/* First the anchor: without one, either journal opens. */
static enum log_outcome import_switch(struct import *import)
{
    const struct log_import_options *options = import->options;

    int r = import->anchored ? anchor_del(options->anchor_path) : 0;

    if (r < 0)
        return fail(import, "cannot remove the anchor", r);
    if (renameat(options->folder_fd, JOURNAL_NEW_NAME, options->folder_fd, JOURNAL_NAME))
        return fail(import, "journal: cannot put the import in place", -errno);
    import->report->head = import->copy.head;
    if (fsync(options->folder_fd))
        return refuse(import, LOG_UNKNOWN, "the import is in place, but a power cut may undo it: %s",
                      strerrordesc_np(errno));
    return LOG_DONE;
}

enum log_outcome log_import(const struct log_import_options *options,
                            struct log_file_report *ret_report)
{
    static const import_step steps[] = { import_lock,         import_verify, import_judge_folder,
                                         import_judge_anchor, import_write,  import_switch };
    struct import import = { .options = options, .report = ret_report, .copy.fd = -1, .lock_fd = -1 };
    enum log_outcome outcome = LOG_DONE;

    *ret_report = (struct log_file_report){ 0 };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && outcome == LOG_DONE; i++)
        outcome = steps[i](&import);
    if (outcome != LOG_DONE && import.copy.fd >= 0)
        (void)unlinkat(options->folder_fd, JOURNAL_NEW_NAME, 0);
    if (import.copy.fd >= 0)
        close(import.copy.fd);
    if (import.lock_fd >= 0)
        close(import.lock_fd);
    copy_deinit(&import.copy);
    return outcome;
}

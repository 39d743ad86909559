/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dbus-service/store/journal_start.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { PROGRESS_BYTES = 1024 * 1024, NEW_ZEROS = 256 * 1024 };

/* What the steps share beside the result. */
struct work {
    struct journal_start *start;
    const struct journal_options *options;
    struct scan scan;
    struct view_position position; /* of the clean view found */
    bool found_view, resumed;
    bool created;
    uint64_t last_offset; /* of the newest commit read; 0 = none */
};

typedef enum log_outcome (*step)(struct work *work);

__attribute__((__format__(__printf__, 3, 4))) static enum log_outcome
refuse(struct work *work, enum log_outcome outcome, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(work->start->text, sizeof(work->start->text), format, arguments);
    va_end(arguments);
    return outcome;
}

static enum log_outcome fail(struct work *work, const char *what, int error)
{
    return refuse(work, LOG_FAILED, "%s: %s", what, strerrordesc_np(-error));
}

static enum log_outcome damaged(struct work *work, uint64_t offset)
{
    return refuse(work, LOG_DAMAGED, "journal: damaged at byte %" PRIu64, offset);
}

static enum log_outcome lock_folder(struct work *work)
{
    int fd = openat(work->options->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return fail(work, "cannot open the state folder", -errno);
    work->start->lock_fd = fd;
    if (flock(fd, LOCK_EX | LOCK_NB))
        return errno == EWOULDBLOCK
                   ? refuse(work, LOG_FAILED, "the state folder is in use by another process")
                   : fail(work, "cannot lock the state folder", -errno);
    return LOG_DONE;
}

static enum log_outcome read_anchor(struct work *work)
{
    const char *path = work->options->anchor_path;
    struct anchor *anchor = &work->start->anchor;
    int r;

    if (!path)
        return LOG_DONE;
    r = anchor_get(path, &work->options->hash, anchor);
    if (r < 0)
        return refuse(work, LOG_FAILED, "cannot read the anchor '%s': %s", path,
                      strerrordesc_np(-r));
    if (r == ANCHOR_DAMAGED)
        return refuse(work, LOG_DAMAGED, "anchor '%s': damaged, or not made with this log's key",
                      path);
    if (r == ANCHOR_NEWER)
        return refuse(work, LOG_NEWER, "anchor '%s': of a newer format", path);
    work->start->anchored = r == ANCHOR_DONE;
    if (work->start->anchored && memcmp(anchor->realm, work->options->realm, 16) != 0)
        return refuse(work, LOG_DAMAGED, "anchor '%s': of another realm", path);
    return LOG_DONE;
}

int journal_file_new(int folder_fd, const struct log_hash *hash, struct journal_header *header,
                     int *ret_fd)
{
    CLEANUP_CLOSE int fd = -1;
    uint8_t bytes[JOURNAL_HEADER_SIZE];
    int r;

    if (unlinkat(folder_fd, JOURNAL_NEW_NAME, 0) && errno != ENOENT)
        return -errno;
    fd = openat(folder_fd, JOURNAL_NEW_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    journal_header_format(header, hash, bytes);
    r = writer_write(fd, bytes, sizeof(bytes), 0);
    if (r < 0)
        return r;
    *ret_fd = steal_fd(&fd);
    return 0;
}

static bool exists(int folder_fd, const char *name)
{
    struct stat status;

    return fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A log that never was: only when nothing says that there was one. */
static enum log_outcome create_journal(struct work *work)
{
    const struct journal_options *options = work->options;
    struct writer_file *file = &work->start->file;
    struct journal_header header = { 0 };
    int r;

    if (work->start->anchored)
        return refuse(work, LOG_ROLLED_BACK, "the journal is missing, but the anchor '%s' records "
                      "revision %" PRIu64, options->anchor_path,
                      work->start->anchor.head.revision);
    if (exists(options->folder_fd, "view") || exists(options->folder_fd, "view.open"))
        return refuse(work, LOG_DAMAGED, "the journal is missing, but its view is there");
    memcpy(header.realm, options->realm, sizeof(header.realm));
    options->hash.random(options->hash.userdata, header.id, sizeof(header.id));
    r = journal_file_new(options->folder_fd, &options->hash, &header, &file->fd);
    if (r < 0)
        return fail(work, "journal: cannot create", r);
    file->offset = file->allocated = JOURNAL_HEADER_SIZE;
    r = writer_file_grow(file, NEW_ZEROS);
    if (r < 0)
        return fail(work, "journal: cannot create", r);
    if (fdatasync(file->fd) ||
        renameat(options->folder_fd, JOURNAL_NEW_NAME, options->folder_fd, JOURNAL_NAME) ||
        fsync(options->folder_fd))
        return fail(work, "journal: cannot create", -errno);
    work->created = true;
    return LOG_DONE;
}

static enum log_outcome open_journal(struct work *work)
{
    int folder_fd = work->options->folder_fd;

    work->start->file.fd = openat(folder_fd, JOURNAL_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (work->start->file.fd < 0 && errno == ENOENT)
        return create_journal(work);
    if (work->start->file.fd < 0)
        return fail(work, "journal: cannot open", -errno);
    if (unlinkat(folder_fd, JOURNAL_NEW_NAME, 0) && errno != ENOENT)
        return fail(work, "journal.new: cannot remove", -errno);
    return LOG_DONE;
}

static enum log_outcome read_header(struct work *work)
{
    const struct journal_start *start = work->start;
    int r = scan_init(&work->scan, start->file.fd, &work->options->hash);

    if (r == -EBADMSG)
        return refuse(work, LOG_DAMAGED,
                      "journal: its header is damaged, or not made with this log's key");
    if (r == -EPROTONOSUPPORT)
        return refuse(work, LOG_NEWER, "journal: of a newer format");
    if (r < 0)
        return fail(work, "journal: cannot read", r);
    if (work->scan.header.export)
        return refuse(work, LOG_DAMAGED, "journal: is an export; put it elsewhere and import it");
    if (memcmp(work->scan.header.realm, work->options->realm, 16) != 0)
        return refuse(work, LOG_DAMAGED, "journal: of another realm");
    if (start->anchored && memcmp(work->scan.header.id, start->anchor.head.id, LOG_ID_SIZE) != 0)
        return refuse(work, LOG_ROLLED_BACK, "journal: another log than the one in the anchor '%s'",
                      work->options->anchor_path);
    return LOG_DONE;
}

/* ---- the view, and what it has not seen ----------------------------------------------------- */

/* 0, or -ECANCELED when nobody waits for the rebuild any more. */
static int progress(struct work *work)
{
    struct journal_start *start = work->start;

    if (!start->rebuilt)
        return 0;
    if (work->scan.offset - atomic_load(&start->done) >= PROGRESS_BYTES) {
        atomic_store(&start->done, work->scan.offset);
        start->notify(start->userdata);
    }
    return atomic_load(&start->given_up) ? -ECANCELED : 0;
}

static bool is_stopping(const struct work *work)
{
    return work->options->stopping && atomic_load(work->options->stopping);
}

static bool anchor_agrees(const struct work *work)
{
    const struct journal_start *start = work->start;

    return !start->anchored || !work->scan.base_done ||
           work->scan.head.revision != start->anchor.head.revision ||
           memcmp(work->scan.head.chain, start->anchor.head.chain, LOG_CHAIN_SIZE) == 0;
}

static int apply(void *userdata, const struct frame_change *change)
{
    return view_apply(userdata, change->revision, &change->key, change->record, change->size);
}

/* What replay() ends with, beside LOG_DONE; the caller knows whether it is the view's fault. */
struct replay_end {
    int error;       /* of the view or the file; -ECANCELED: the service is stopping */
    uint64_t offset; /* of the frame it was met in */
    bool forked;     /* another history than the anchor's */
};

/* Applies frames from the scan's offset to where none verifies any more. True, or why not. */
static bool replay(struct work *work, struct replay_end *ret_end)
{
    *ret_end = (struct replay_end){ .offset = work->scan.offset };
    for (;;) {
        struct frame frame;
        int r;

        if (!anchor_agrees(work)) {
            ret_end->forked = true;
            return false;
        }
        ret_end->offset = work->scan.offset;
        r = is_stopping(work) ? -ECANCELED : scan_next(&work->scan, &frame);
        if (r == 0)
            return true;
        if (r > 0)
            r = frame_walk(&frame, apply, work->start->view);
        if (r == 0)
            r = progress(work);
        if (r != 0) {
            ret_end->error = r;
            return false;
        }
        if (frame.type == FRAME_COMMIT)
            work->last_offset = ret_end->offset;
    }
}

static enum log_outcome replay_outcome(struct work *work, const struct replay_end *end)
{
    if (end->forked)
        return refuse(work, LOG_ROLLED_BACK,
                      "journal: at revision %" PRIu64 " another history than in the anchor '%s'",
                      work->start->anchor.head.revision, work->options->anchor_path);
    /* The chain held: somebody with the key wrote what cannot be applied. */
    if (end->error == VIEW_STALE_VERSION || end->error == -EPROTONOSUPPORT)
        return refuse(work, LOG_DAMAGED, "journal: a record out of order at byte %" PRIu64,
                      end->offset);
    return fail(work, "cannot build the view from the journal", end->error);
}

/* Gives up the view at hand and starts an empty one from the beginning of the journal. */
static enum log_outcome rebuild_view(struct work *work)
{
    struct journal_start *start = work->start;
    struct replay_end end;
    int r;

    view_discard(STEAL(start->view));
    scan_deinit(&work->scan);
    r = scan_init(&work->scan, start->file.fd, &work->options->hash);
    if (r < 0)
        return fail(work, "journal: cannot read", r);
    r = view_new(work->options->folder_fd, true, &start->view);
    if (r < 0)
        return fail(work, "cannot make a view", r);
    start->rebuilt = !work->created;
    work->last_offset = 0;
    if (start->rebuilt) {
        atomic_store(&start->total, work->scan.size);
        start->notify(start->userdata);
    }
    if (!replay(work, &end))
        return replay_outcome(work, &end);
    r = view_bulk_end(start->view);
    if (r < 0)
        return fail(work, "cannot make a view", r);
    return LOG_DONE;
}

/* A view that does not fit its journal may be the newer of the two: then the journal is what was
 * put back, and the view stays as the witness. */
static enum log_outcome compare_ends(struct work *work)
{
    struct frame frame;
    int r;

    if (memcmp(work->position.head.id, work->scan.header.id, LOG_ID_SIZE) != 0)
        return LOG_DONE;
    do
        r = is_stopping(work) ? -ECANCELED : scan_next(&work->scan, &frame);
    while (r > 0);
    if (r < 0)
        return fail(work, "journal: cannot read", r);
    if (work->position.head.revision <= work->scan.head.revision ||
        memcmp(work->position.head.chain, work->scan.head.chain, LOG_CHAIN_SIZE) == 0)
        return LOG_DONE;
    r = scan_tail(&work->scan);
    if (r != SCAN_TAIL_ZERO)
        return r < 0 ? fail(work, "journal: cannot read", r) : damaged(work, work->scan.offset);
    return refuse(work, LOG_ROLLED_BACK,
                  "the journal ends at revision %" PRIu64 ", its view is of %" PRIu64
                  " (remove the view to accept the loss)",
                  work->scan.head.revision, work->position.head.revision);
}

/* Goes on with the cleanly closed view where it fits, else builds one. */
static enum log_outcome prepare_view(struct work *work)
{
    struct journal_start *start = work->start;
    struct replay_end end;
    enum log_outcome outcome = LOG_DONE;
    int r;

    r = view_open(work->options->folder_fd, &start->view, &work->position);
    if (r < 0)
        return fail(work, "cannot open the view", r);
    if (r == VIEW_ABSENT)
        return rebuild_view(work);
    work->found_view = true;
    r = scan_resume(&work->scan, &work->position.head, work->position.journal_offset);
    if (r < 0 && r != -ESTALE)
        return fail(work, "journal: cannot read", r);
    work->resumed = r == 0;
    if (work->resumed && replay(work, &end))
        return LOG_DONE;
    if (work->resumed && (end.forked || end.error == -ECANCELED))
        return replay_outcome(work, &end);
    if (!work->resumed)
        outcome = compare_ends(work);
    return outcome == LOG_DONE ? rebuild_view(work) : outcome;
}

/* ---- the end of the journal ----------------------------------------------------------------- */

static enum log_outcome cut_tail(struct work *work)
{
    int fd = work->start->file.fd;
    int r = writer_write_zeros(fd, work->scan.offset, work->scan.size);

    if (r < 0)
        return fail(work, "journal: cannot cut a torn tail", r);
    if (fdatasync(fd))
        return fail(work, "journal: cannot sync", -errno);
    work->start->torn_offset = work->scan.offset;
    return LOG_DONE;
}

static enum log_outcome judge_tail(struct work *work)
{
    const struct journal_start *start = work->start;
    bool acknowledged =
        start->anchored && work->scan.head.revision < start->anchor.head.revision;
    int r = scan_tail(&work->scan);

    if (r < 0)
        return fail(work, "journal: cannot read", r);
    if (!work->scan.base_done || r == SCAN_TAIL_FRAMES || (r == SCAN_TAIL_TORN && acknowledged))
        return damaged(work, work->scan.offset);
    if (acknowledged)
        return refuse(work, LOG_ROLLED_BACK,
                      "the journal ends at revision %" PRIu64 ", the anchor '%s' records %" PRIu64,
                      work->scan.head.revision, work->options->anchor_path,
                      start->anchor.head.revision);
    return r == SCAN_TAIL_TORN ? cut_tail(work) : LOG_DONE;
}

/* The newest commit may have come to the page cache only: its sync failed, or was never called. A
 * page once failed counts as clean, so it is written again before anything is built on it. */
static enum log_outcome settle_last_commit(struct work *work)
{
    struct scan *scan = &work->scan;
    const uint8_t *bytes;
    size_t size;
    int r;

    if (!work->last_offset)
        return LOG_DONE;
    size = (size_t)(scan->offset - work->last_offset);
    r = scan_bytes(scan, work->last_offset, size, &bytes);
    if (r <= 0)
        return fail(work, "journal: cannot read", r < 0 ? r : -EIO);
    r = writer_write(scan->fd, bytes, size, work->last_offset);
    if (r == 0 && fdatasync(scan->fd))
        r = -errno;
    return r < 0 ? fail(work, "journal: cannot sync", r) : LOG_DONE;
}

static enum log_outcome hand_over(struct work *work)
{
    struct writer_file *file = &work->start->file;

    file->offset = work->scan.offset;
    file->allocated = work->scan.size;
    file->head = work->scan.head;
    return LOG_DONE;
}

/* A start that is refused leaves the folder as it was. */
static void give_back(struct work *work)
{
    struct journal_start *start = work->start;

    if (start->view && work->found_view && !start->rebuilt) {
        if (work->resumed) {
            work->position.head = work->scan.head;
            work->position.journal_offset = work->scan.offset;
        }
        /* If it fails, the view is rebuilt another time. */
        int r = view_close(STEAL(start->view), &work->position);

        (void)r;
    }
    view_discard(STEAL(start->view));
    if (start->file.fd >= 0)
        close(steal_fd(&start->file.fd));
    if (start->lock_fd >= 0)
        close(steal_fd(&start->lock_fd));
}

void journal_start_run(struct journal_start *start)
{
    static const step steps[] = {
        lock_folder,  read_anchor, open_journal,       read_header,
        prepare_view, judge_tail,  settle_last_commit, hand_over,
    };
    struct work work = { .start = start, .options = start->options };

    start->file.fd = -1;
    start->lock_fd = -1;
    start->outcome = LOG_DONE;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && start->outcome == LOG_DONE; i++)
        start->outcome = steps[i](&work);
    scan_deinit(&work.scan);
    if (start->outcome != LOG_DONE)
        give_back(&work);
}

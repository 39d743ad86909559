/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Not syslog(3), which blocks when the socket is full and takes any text as it is. */
#include "dbus-service/domain/audit.h"

#include <stdarg.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define TAG "mastersecretd"

static struct {
    struct audit_settings settings;
    size_t lost; /* since the last line that was taken */
} audit = {
    .settings = {.success = AUDIT_KEEP_ADMINISTRATION, .failure = AUDIT_KEEP_ALL},
};

/* ---- The line ---- */

struct line {
    char text[AUDIT_LINE_MAX];
    size_t length;
};

/* Whole or not at all, so that no escape or quote is cut in two. */
static void line_put(struct line *line, const char *text, size_t length)
{
    if (length > sizeof(line->text) - 1 - line->length)
        return;
    memcpy(line->text + line->length, text, length);
    line->length += length;
    line->text[line->length] = '\0';
}

static void __attribute__((__format__(__printf__, 2, 3)))
line_format(struct line *line, const char *format, ...)
{
    char text[256];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < sizeof(text))
        line_put(line, text, (size_t)length);
}

/* Control characters, and what begins a line or turns the direction of text somewhere. */
static bool is_escaped(const char *character, size_t length)
{
    static const char ranges[][2][4] = {
        { "\xc2\x80", "\xc2\x9f" },         /* C1 */
        { "\xd8\x9c", "\xd8\x9c" },         /* U+061C */
        { "\xe2\x80\x8e", "\xe2\x80\x8f" }, /* U+200E to U+200F */
        { "\xe2\x80\xa8", "\xe2\x80\xae" }, /* U+2028 to U+202E */
        { "\xe2\x81\xa6", "\xe2\x81\xa9" }, /* U+2066 to U+2069 */
    };

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (strlen(ranges[i][0]) == length && memcmp(character, ranges[i][0], length) >= 0 &&
            memcmp(character, ranges[i][1], length) <= 0)
            return true;
    return false;
}

/* Length of the UTF-8 character at `text` if it may stand as it is, else 0: then its first byte is
 * escaped. */
static size_t character_plain(const char *text, size_t left)
{
    unsigned char c = (unsigned char)text[0];
    size_t length = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

    if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
        return 0;
    if (length > left || (length > 1 && !text_is_utf8(text, length, length)))
        return 0;
    return is_escaped(text, length) ? 0 : length;
}

/* Room is kept for the closing quote. */
static void line_put_quoted(struct line *line, const char *text, size_t maximum)
{
    size_t left = strlen(text);
    size_t end = line->length + maximum;

    if (line->length + 8 > sizeof(line->text))
        return;
    line_put(line, "\"", 1);
    while (left > 0 && line->length + 6 < sizeof(line->text) && line->length < end) {
        size_t length = character_plain(text, left);
        char escape[5];

        if (length > 0) {
            line_put(line, text, length);
        } else {
            snprintf(escape, sizeof(escape), "\\x%02x", (unsigned char)*text);
            line_put(line, escape, 4);
            length = 1;
        }
        text += length;
        left -= length;
    }
    line_put(line, "\"", 1);
}

/* A name is whole, lest two look alike; a long reason or detail is cut before it crowds out the rest. */
enum { NAME_ESCAPED = 4 * NAME_MAX_BYTES, TEXT_ESCAPED = 2 * NAME_MAX_BYTES };

static void line_put_pair(struct line *line, const char *key, const char *text, size_t maximum)
{
    if (!text)
        return;
    line_format(line, " %s=", key);
    line_put_quoted(line, text, maximum);
}

static const char *event_word(enum audit_id id)
{
    switch (id) {
#define X(number, name, word, level)                                                               \
    case AUDIT_##name:                                                                             \
        return word;
        AUDIT_TABLE(X)
#undef X
    }
    return "unknown";
}

static enum audit_level event_level(enum audit_id id)
{
    switch (id) {
#define X(number, name, word, level)                                                               \
    case AUDIT_##name:                                                                             \
        return level;
        AUDIT_TABLE(X)
#undef X
    }
    return AUDIT_ADMINISTRATION;
}

static bool event_failed(const struct audit_event *event)
{
    return event->failure && event->failure->code != ERROR_NONE;
}

bool audit_keeps(const struct audit_event *event)
{
    bool failed = event_failed(event);
    enum audit_threshold threshold = failed ? audit.settings.failure : audit.settings.success;

    return threshold == AUDIT_KEEP_ALL ||
           (threshold == AUDIT_KEEP_ADMINISTRATION &&
            (event_level(event->id) == AUDIT_ADMINISTRATION || (event->by_agent && !failed)));
}

bool audit_keeps_all(void)
{
    return audit.settings.success == AUDIT_KEEP_ALL;
}

static int event_priority(const struct audit_event *event)
{
    if (event_failed(event))
        return LOG_WARNING;
    return event_level(event->id) == AUDIT_ADMINISTRATION ? LOG_NOTICE : LOG_INFO;
}

static void line_put_head(struct line *line, int priority)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm tm = {0};

    localtime_r(&now, &tm);
    line_format(line, "<%d>%s %2d %02d:%02d:%02d " TAG "[%d]: ", LOG_AUTHPRIV | priority,
                months[tm.tm_mon % 12], tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, getpid());
}

static void line_put_event(struct line *line, const struct audit_event *event)
{
    bool failed = event_failed(event);

    line_format(line, "MS%04d %s %s", (int)event->id, event_word(event->id),
                failed ? "failed" : "ok");
    if (failed)
        line_format(line, " error=%s",
                    error_name(event->failure->code) + strlen(BUS_ERROR_PREFIX));
    if (event->has_caller) {
        line_format(line, " uid=%lu", (unsigned long)event->uid);
        if (event->pid > 0)
            line_format(line, " pid=%ld", (long)event->pid);
        if (event->door)
            line_format(line, " door=%s", event->door);
    }
    if (audit.lost > 0)
        line_format(line, " lost=%zu", audit.lost);
    line_put_pair(line, "application", event->application, NAME_ESCAPED);
    line_put_pair(line, "user", event->user, NAME_ESCAPED);
    if (failed)
        line_put_pair(line, "reason", event->failure->text, TEXT_ESCAPED);
    line_put_pair(line, "detail", event->detail, TEXT_ESCAPED);
}

/* ---- The events ---- */

void audit_open(const struct audit_settings *settings, uv_loop_t *loop)
{
    audit_set(settings);
    tzset(); /* localtime_r() need not */
    audit_sink_open(loop);
}

void audit_set(const struct audit_settings *settings)
{
    audit.settings = *settings;
}

size_t audit_close(void)
{
    size_t gone = audit_sink_close() + audit.lost;

    audit.lost = 0;
    return gone;
}

void audit_write(const struct audit_event *event)
{
    struct line line = {.length = 0};

    if (!audit_keeps(event))
        return;
    line_put_head(&line, event_priority(event));
    line_put_event(&line, event);
    if (audit_sink_put(line.text, line.length))
        audit.lost = 0;
    else
        audit.lost++;
}

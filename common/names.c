/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/names.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

struct error_row {
    const char *name;
    const char *text;
    const char *remedy;
    int status;
};

static const struct error_row error_rows[] = {
    [ERROR_NONE] = { "", "no error", "", 0 },
#define X(id, name, status, text, remedy)                                                          \
    [ERROR_##id] = { BUS_ERROR_PREFIX name, text, remedy, status },
    ERROR_TABLE(X)
#undef X
};

static const struct error_row *error_row(enum error_code code)
{
    static const struct error_row unknown = { "", "unknown error", "", 1 };

    return (unsigned)code < ERROR_COUNT_ ? &error_rows[code] : &unknown;
}

const char *error_name(enum error_code code)
{
    return error_row(code)->name;
}

const char *error_text(enum error_code code)
{
    return error_row(code)->text;
}

const char *error_remedy(enum error_code code)
{
    return error_row(code)->remedy;
}

int error_exit_status(enum error_code code)
{
    return error_row(code)->status;
}

enum error_code error_from_name(const char *name)
{
    for (unsigned code = ERROR_NONE + 1; name && code < ERROR_COUNT_; code++)
        if (strcmp(name, error_rows[code].name) == 0)
            return (enum error_code)code;
    return ERROR_NONE;
}

static size_t utf8_width(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >> 5 == 0x6)
        return 2;
    if (lead >> 4 == 0xe)
        return 3;
    return lead >> 3 == 0x1e ? 4 : 0;
}

/* One code point: its number of bytes, or 0 when it is ill-formed, a surrogate, above U+10FFFF, in
 * more bytes than it needs, or NUL (RFC 3629; libdbus aborts on anything less strict). */
static size_t utf8_decode(const uint8_t *bytes, size_t length, uint32_t *ret_point)
{
    static const uint32_t smallest[] = { 1, 1, 0x80, 0x800, 0x10000 };
    uint8_t lead = bytes[0];
    size_t width = utf8_width(lead);
    uint32_t point = width == 1 ? lead : lead & (0xffu >> (width + 1));

    if (width == 0 || width > length)
        return 0;
    for (size_t i = 1; i < width; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (bytes[i] & 0x3f);
    }
    if (point < smallest[width] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    *ret_point = point;
    return width;
}

bool text_is_utf8(const char *text, size_t length, size_t maximum)
{
    const uint8_t *bytes = (const uint8_t *)text;
    uint32_t point;

    if (length > maximum)
        return false;
    for (size_t width; length > 0; bytes += width, length -= width) {
        width = utf8_decode(bytes, length, &point);
        if (width == 0)
            return false;
    }
    return true;
}

static bool is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point <= 0x9f);
}

void text_to_line(const char *text, size_t length, char *ret_line)
{
    const uint8_t *bytes = (const uint8_t *)text;
    uint32_t point;

    if (!text_is_utf8(text, length, length)) {
        memcpy(ret_line, "?", 2);
        return;
    }
    for (size_t width; length > 0; bytes += width, length -= width) {
        width = utf8_decode(bytes, length, &point);
        ret_line = is_control(point) ? mempcpy(ret_line, "?", 1) : mempcpy(ret_line, bytes, width);
    }
    *ret_line = '\0';
}

bool name_is_valid(const char *name)
{
    const uint8_t *bytes = (const uint8_t *)name;
    size_t length = strnlen(name, NAME_MAX_BYTES + 1);
    uint32_t point;

    if (length == 0 || length > NAME_MAX_BYTES)
        return false;
    for (size_t width; length > 0; bytes += width, length -= width) {
        width = utf8_decode(bytes, length, &point);
        if (width == 0 || is_control(point))
            return false;
    }
    return true;
}

static const char hex_digits[] = "0123456789abcdef";

/* Not isalnum(): the locale must not decide about paths. */
static bool is_plain(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

int name_to_path(const char *name, char *ret_path, size_t size)
{
    static const char folder[] = BUS_PATH_APPLICATION "/";
    size_t needed = sizeof(folder);
    char *out = ret_path;

    for (const char *in = name; *in; in++)
        needed += is_plain(*in) ? 1 : 3;
    if (*name == '\0')
        needed++;
    if (needed > size)
        return -ENOBUFS;
    out = stpcpy(out, folder);
    if (*name == '\0')
        *out++ = '_';
    for (const char *in = name; *in; in++) {
        if (is_plain(*in)) {
            *out++ = *in;
            continue;
        }
        *out++ = '_';
        *out++ = hex_digits[(uint8_t)*in >> 4];
        *out++ = hex_digits[*in & 15];
    }
    *out = '\0';
    return 0;
}

/* The byte that _xx at `escape` stands for, or -1. */
static int unescape(const char *escape)
{
    const char *high = escape[1] ? strchr(hex_digits, escape[1]) : NULL;
    const char *low = high && escape[2] ? strchr(hex_digits, escape[2]) : NULL;

    return low ? (int)((high - hex_digits) << 4 | (low - hex_digits)) : -1;
}

int name_from_path(const char *element, char *ret_name, size_t size)
{
    char name[NAME_MAX_BYTES + 1];
    size_t length = 0;

    for (const char *in = element; *in; in++) {
        int byte = (uint8_t)*in;

        if (length == NAME_MAX_BYTES)
            return -EINVAL;
        if (!is_plain(*in)) {
            byte = *in == '_' ? unescape(in) : -1;
            /* One name has one path: what needs no escape must not have one. */
            if (byte < 0 || is_plain((char)byte))
                return -EINVAL;
            in += 2;
        }
        name[length++] = (char)byte;
    }
    name[length] = '\0';
    if (strlen(name) != length || !name_is_valid(name))
        return -EINVAL;
    if (length >= size)
        return -ENOBUFS;
    memcpy(ret_name, name, length + 1);
    return 0;
}

void name_to_variable(const char *label, char ret_variable[VARIABLE_SIZE])
{
    size_t used = strlen(VARIABLE_PREFIX);

    memcpy(ret_variable, VARIABLE_PREFIX, used);
    for (; *label && used < VARIABLE_SIZE - 1; label++) {
        char byte = *label;

        if (byte >= 'a' && byte <= 'z')
            byte = (char)(byte - 'a' + 'A');
        else if (!((byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9')))
            byte = '_';
        ret_variable[used++] = byte;
    }
    ret_variable[used] = '\0';
}

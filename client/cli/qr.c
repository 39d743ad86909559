/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/qr.h"

#include <errno.h>
#include <qrencode.h>
#include <stdbool.h>
#include <string.h>

enum { QUIET = 4 }; /* modules around the code, as the standard asks */

/* What it shows may be a key. */
static void code_free(QRcode *code)
{
    if (!code)
        return;
    explicit_bzero(code->data, (size_t)code->width * (size_t)code->width);
    QRcode_free(code);
}
CLEANUP_DEFINE(code, QRcode, code_free)

static bool is_dark(const QRcode *code, int row, int column)
{
    row -= QUIET;
    column -= QUIET;
    return row >= 0 && row < code->width && column >= 0 && column < code->width &&
           code->data[row * code->width + column] & 1;
}

static void write_rows(FILE *file, const QRcode *code, int row)
{
    static const char *const blocks[] = { " ", "▀", "▄", "█" };

    for (int column = 0; column < code->width + 2 * QUIET; column++)
        fputs(blocks[is_dark(code, row, column) + 2 * is_dark(code, row + 1, column)], file);
}

int qr_write(FILE *file, const char *text)
{
    CLEANUP(code_cleanup) QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);
    bool terminal = isatty(fileno(file));

    if (!code)
        return -errno;
    for (int row = 0; row < code->width + 2 * QUIET; row += 2) {
        fputs(terminal ? "\033[30;107m" : "", file);
        write_rows(file, code, row);
        fputs(terminal ? "\033[0m\n" : "\n", file);
    }
    return 0;
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/cli/prompt.h"

#include "client/cli/output.h"
#include "common/names.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>

/* ---- The terminal ---- */

/* The terminal's echo must come back whatever ends the question, so the signals that would end the
 * process are noted, and raised again after that. They arrive only where something is waited for: one
 * that came just before would not end the wait. */
static const int noted_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
enum { NOTED = sizeof(noted_signals) / sizeof(noted_signals[0]) };
static volatile sig_atomic_t noted;

/* The first that ends the process: a terminal that hangs up sends another one behind it. */
static void note_signal(int number)
{
    if (!noted || noted == SIGTSTP)
        noted = number;
}

struct caught {
    struct sigaction before[NOTED];
    sigset_t mask;
};

/* What whoever started us ignores stays ignored. */
static void catch_signals(struct caught *caught)
{
    struct sigaction action = { .sa_handler = note_signal };
    sigset_t held;

    noted = 0;
    sigemptyset(&held);
    for (size_t i = 0; i < NOTED; i++)
        sigaddset(&held, noted_signals[i]);
    pthread_sigmask(SIG_BLOCK, &held, &caught->mask);
    for (size_t i = 0; i < NOTED; i++) {
        sigaction(noted_signals[i], NULL, &caught->before[i]);
        if (caught->before[i].sa_handler != SIG_IGN)
            sigaction(noted_signals[i], &action, NULL);
    }
}

static void release_signals(const struct caught *caught)
{
    pthread_sigmask(SIG_SETMASK, &caught->mask, NULL);
    for (size_t i = 0; i < NOTED; i++)
        sigaction(noted_signals[i], &caught->before[i], NULL);
}

/* 1, or 0 at the end. */
static int read_byte(int fd, const struct caught *caught, uint8_t *ret_byte)
{
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    ssize_t count;

    if (ppoll(&ready, 1, NULL, &caught->mask) < 0)
        return -errno;
    count = read(fd, ret_byte, 1);
    return count < 0 ? -errno : (int)count;
}

static int read_line(int tty, const struct caught *caught, struct secret *line)
{
    uint8_t byte = 0;
    int r;

    for (;;) {
        r = read_byte(tty, caught, &byte);
        if (r <= 0 || byte == '\n')
            return r < 0 ? r : 0;
        if (secret_append(line, &byte, 1) < 0)
            return -E2BIG;
    }
}

static int ask_once(int tty, const char *question, struct secret **ret_line)
{
    CLEANUP_SECRET struct secret *line = NULL;
    struct termios shown, hidden;
    struct caught caught;
    int r = secret_new(VALUE_MAX_BYTES, &line);

    if (r < 0)
        return r;
    if (tcgetattr(tty, &shown) < 0)
        return -errno;
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
    hidden.c_lflag |= ECHONL;
    catch_signals(&caught);
    tcsetattr(tty, TCSAFLUSH, &hidden);
    dprintf(tty, "%s", question);
    r = read_line(tty, &caught, line);
    tcsetattr(tty, TCSAFLUSH, &shown);
    if (noted)
        dprintf(tty, "\n");
    release_signals(&caught);
    if (noted)
        raise(noted);
    if (r < 0)
        return r;
    *ret_line = STEAL(line);
    return 0;
}

/* Anew after a stop and a return to the foreground. */
static int ask(int tty, const char *question, struct secret **ret_line)
{
    int r;

    do
        r = ask_once(tty, question, ret_line);
    while (r == -EINTR);
    return r;
}

static bool same(const struct secret *a, const struct secret *b)
{
    uint8_t difference = a->length != b->length;

    for (size_t i = 0; i < a->length && i < b->length; i++)
        difference |= a->bytes[i] ^ b->bytes[i];
    return difference == 0;
}

static int ask_twice(int tty, const char *question, const char *again, struct secret **ret_line)
{
    for (int i = 0; i < 3; i++) {
        CLEANUP_SECRET struct secret *first = NULL;
        CLEANUP_SECRET struct secret *second = NULL;
        int r = ask(tty, question, &first);

        if (r == 0 && again)
            r = ask(tty, again, &second);
        if (r < 0)
            return r;
        if (!again || same(first, second)) {
            *ret_line = STEAL(first);
            return 0;
        }
        dprintf(tty, "They are not the same; once more.\n");
    }
    return -EAGAIN;
}

int prompt_secret(const char *question, const char *again, struct secret **ret_secret)
{
    CLEANUP_CLOSE int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    int r;

    if (tty < 0)
        return -ENXIO;
    r = ask_twice(tty, question, again, ret_secret);
    if (r == -EAGAIN)
        return output_local("the two were not the same");
    if (r < 0)
        return output_local("cannot ask on the terminal: %s", strerrordesc_np(-r));
    return STATUS_DONE;
}

static struct caught held;

void prompt_hold_signals(void)
{
    catch_signals(&held);
}

bool prompt_enter(void)
{
    uint8_t byte = 0;
    int r;

    do {
        r = read_byte(STDIN_FILENO, &held, &byte);
        if (r == -EINTR && noted == SIGTSTP) { /* passed over */
            noted = 0;
            byte = 0;
            r = 1;
        }
    } while (r > 0 && byte != '\n');
    return r > 0;
}

/* ---- Files and descriptors ---- */

int prompt_read_fd(int fd, const char *what, struct secret **ret_secret)
{
    CLEANUP_SECRET struct secret *value = NULL;
    ssize_t count = 1;

    if (secret_new(VALUE_MAX_BYTES + 1, &value) < 0)
        return output_local("out of memory");
    while (count != 0 && value->length <= VALUE_MAX_BYTES) {
        count = read(fd, value->bytes + value->length, value->capacity - value->length);
        if (count < 0 && errno != EINTR)
            return output_local("cannot read '%s': %s", what, strerrordesc_np(errno));
        if (count > 0)
            value->length += (size_t)count;
    }
    if (value->length > VALUE_MAX_BYTES)
        return output_usage("'%s' holds more than %d bytes", what, VALUE_MAX_BYTES);
    *ret_secret = STEAL(value);
    return STATUS_DONE;
}

/* LABEL=N: the length of LABEL, and N; -EINVAL. The last '=' counts, since a label may hold one. */
static int parse_fd(const char *text, size_t *ret_length, int *ret_fd)
{
    const char *equals = strrchr(text, '=');
    char *end;
    long number;

    if (!equals || equals == text || equals[1] < '0' || equals[1] > '9')
        return -EINVAL;
    errno = 0;
    number = strtol(equals + 1, &end, 10);
    if (*end || errno || number > INT_MAX)
        return -EINVAL;
    *ret_length = (size_t)(equals - text);
    *ret_fd = (int)number;
    return 0;
}

static bool is_label(const char *text, size_t length, const char *label)
{
    return strlen(label) == length && memcmp(text, label, length) == 0;
}

int prompt_check_labels(const struct arguments *arguments, const char *const *labels)
{
    for (size_t i = 0; i < arguments->options[OPTION_FD].count; i++) {
        const char *text = arguments->options[OPTION_FD].values[i];
        bool known = false;
        size_t length;
        int fd;

        if (parse_fd(text, &length, &fd) < 0)
            return output_usage("--fd wants LABEL=N, not '%s'", text);
        for (size_t j = 0; labels[j] && !known; j++)
            known = is_label(text, length, labels[j]);
        if (!known)
            return output_usage("--fd %s: nothing of that label is asked for", text);
    }
    return STATUS_DONE;
}

int prompt_from_option(const struct arguments *arguments, const char *label,
                       struct secret **ret_secret)
{
    for (size_t i = 0; i < arguments->options[OPTION_FD].count; i++) {
        const char *text = arguments->options[OPTION_FD].values[i];
        size_t length;
        int fd;

        if (parse_fd(text, &length, &fd) < 0)
            return output_usage("--fd wants LABEL=N, not '%s'", text);
        if (!label || is_label(text, length, label))
            return prompt_read_fd(fd, text, ret_secret);
    }
    return STATUS_DONE;
}

int prompt_read_file(const char *path, struct secret **ret_secret)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return output_local("cannot open '%s': %s", path, strerrordesc_np(errno));
    return prompt_read_fd(fd, path, ret_secret);
}

int prompt_line(const struct arguments *arguments, const char *label, const char *question,
                const char *again, struct secret **ret_secret)
{
    const char *path = arguments_option(arguments, OPTION_PASSPHRASE_FILE);
    int r = prompt_from_option(arguments, label, ret_secret);

    if (r != STATUS_DONE || *ret_secret)
        return r;
    if (path)
        return prompt_read_file(path, ret_secret);
    if (arguments_option(arguments, OPTION_STDIN))
        return prompt_read_fd(STDIN_FILENO, "standard input", ret_secret);
    r = prompt_secret(question, again, ret_secret);
    if (r == -ENXIO)
        return output_usage("there is no terminal to ask for the %s on; use "
                            "--passphrase-file, --stdin or --fd %s=N", label, label);
    return r;
}

int prompt_passphrase(const struct arguments *arguments, const char *label, const char *question,
                      const char *again, struct secret **ret_passphrase)
{
    CLEANUP_SECRET struct secret *passphrase = NULL;
    int r = question ? prompt_line(arguments, label, question, again, &passphrase)
                     : prompt_from_option(arguments, label, &passphrase);

    if (r != STATUS_DONE || !passphrase)
        return r;
    if (passphrase->length > 0 && passphrase->bytes[passphrase->length - 1] == '\n')
        passphrase->length--;
    if (passphrase->length < PASSPHRASE_MIN_BYTES || passphrase->length > PASSPHRASE_MAX_BYTES)
        return output_usage("a passphrase has %d to %d bytes", PASSPHRASE_MIN_BYTES,
                            PASSPHRASE_MAX_BYTES);
    *ret_passphrase = STEAL(passphrase);
    return STATUS_DONE;
}

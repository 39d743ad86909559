/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* The key pair of a recipient of backups (X25519), and its two text forms (doc/FORMAT): backups are
 * sealed to the public half, and only the private half, which is kept offline, opens them. The
 * command line makes pairs, so that no private half need come near the service before a restore;
 * a library of its own (librecipient.la), since nobody else outside the service needs libsodium. */
#ifndef COMMON_RECIPIENT_KEY_H
#define COMMON_RECIPIENT_KEY_H

#include "common/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECIPIENT_KEY_SIZE 32
#define RECIPIENT_PUBLIC_PREFIX "ms1-public-"
#define RECIPIENT_PRIVATE_PREFIX "ms1-recipient-"
#define RECIPIENT_KEY_LETTERS 60 /* behind the prefix */
#define RECIPIENT_PUBLIC_TEXT_SIZE (sizeof(RECIPIENT_PUBLIC_PREFIX) + RECIPIENT_KEY_LETTERS)
#define RECIPIENT_PRIVATE_TEXT_SIZE (sizeof(RECIPIENT_PRIVATE_PREFIX) + RECIPIENT_KEY_LETTERS)

enum recipient_key_outcome {
    RECIPIENT_KEY_DONE = 0,
    RECIPIENT_KEY_NOT_ONE,    /* some other text */
    RECIPIENT_KEY_OTHER_HALF, /* the private key where the public one is wanted, or vice versa */
    RECIPIENT_KEY_MISTYPED,   /* letters are wrong, missing or too many */
    RECIPIENT_KEY_NEWER,
};

/* 0, or -EIO: no randomness. The caller wipes the private half. */
int recipient_key_new(uint8_t ret_private[RECIPIENT_KEY_SIZE],
                      uint8_t ret_public[RECIPIENT_KEY_SIZE]) MUST_CHECK;
/* The public half of a private one. */
void recipient_key_public(const uint8_t private_key[RECIPIENT_KEY_SIZE],
                          uint8_t ret_public[RECIPIENT_KEY_SIZE]);
/* False for the few public keys whose shared secrets everybody knows. */
bool recipient_key_is_usable(const uint8_t public_key[RECIPIENT_KEY_SIZE]);

/* Terminated. The caller wipes a private text. */
void recipient_public_format(const uint8_t public_key[RECIPIENT_KEY_SIZE],
                             char ret_text[RECIPIENT_PUBLIC_TEXT_SIZE]);
void recipient_private_format(const uint8_t private_key[RECIPIENT_KEY_SIZE],
                              char ret_text[RECIPIENT_PRIVATE_TEXT_SIZE]);

/* Blanks, "-" and case do not matter. enum recipient_key_outcome; a key is written on DONE only. */
int recipient_public_parse(const char *text, size_t length,
                           uint8_t ret_public[RECIPIENT_KEY_SIZE]) MUST_CHECK;
int recipient_private_parse(const char *text, size_t length,
                            uint8_t ret_private[RECIPIENT_KEY_SIZE]) MUST_CHECK;

#endif

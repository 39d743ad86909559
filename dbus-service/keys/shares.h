/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Shares of a slot's secret: any `threshold` of `count` give it, fewer tell nothing about it (A.
 * Shamir, "How to share a secret", CACM 22, 1979; each byte by a polynomial of its own over
 * GF(2^8)). Each is kept by another person, as one line of text (doc/FORMAT, section 8.3). */
#ifndef KEYS_SHARES_H
#define KEYS_SHARES_H

#include "dbus-service/keys/key.h"
#include "dbus-service/keys/keyring.h"

#define SHARES_MIN 2
#define SHARES_MAX 16

struct share {
    uint8_t realm[REALM_ID_SIZE];
    uint32_t slot;
    unsigned threshold;
    unsigned count;
    unsigned index; /* 1..count */
    uint8_t bytes[KEY_SIZE];
};

/* Shares of one slot, each index once. All zero: empty. */
struct share_set {
    size_t count;
    struct share shares[SHARES_MAX];
};

static inline void share_wipe(struct share *share)
{
    memory_wipe(share, sizeof(*share));
}
#define CLEANUP_SHARE CLEANUP(share_wipe)

static inline void share_set_wipe(struct share_set *set)
{
    memory_wipe(set, sizeof(*set));
}
#define CLEANUP_SHARE_SET CLEANUP(share_set_wipe)

/* One line, without its end. 0 or -ENOMEM. */
int share_format(const struct share *share, struct secret **ret_text) MUST_CHECK;
/* Case, blanks, line ends and "-" do not matter. KEYRING_DONE, KEYRING_BAD_SHARE (mistyped, cut
 * off, or no share), KEYRING_NEWER. */
int share_parse(const struct secret *text, struct share *ret_share) MUST_CHECK;

/* KEYRING_DONE, also when it is in already; KEYRING_SHARES_DIFFER: it does not belong to the
 * others. The set is left as it is then. */
int share_set_add(struct share_set *set, const struct share *share) MUST_CHECK;

/* SHARES_MIN <= threshold <= count <= SHARES_MAX? */
bool shares_are_valid(unsigned threshold, unsigned count);

/* Makes `count` shares of the secret for the slot; the numbers are valid. */
void shares_split(const struct key *secret, const uint8_t realm[REALM_ID_SIZE], uint32_t slot,
                  unsigned threshold, unsigned count, struct share_set *ret_set);
/* From the first `threshold` of the set. KEYRING_DONE or KEYRING_NO_SLOT (too few). Shares that
 * were forged give another secret. */
int shares_join(const struct share_set *set, struct key *ret_secret) MUST_CHECK;

#endif

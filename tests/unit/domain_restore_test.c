/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Whose backup it is that is restored. The rest of restores is in tests/system/test_restore.py. */
#include "dbus-service/domain/realm_internal.h"
#include "dbus-service/domain/restore.h"
#include "dbus-service/keys/keyring_content.h"
#include "tests/unit/domain_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>

#define PASSPHRASE "correct horse battery"

static struct secret *passphrase(void)
{
    struct secret *secret = NULL;

    assert_int_equal(secret_new_copy(PASSPHRASE, strlen(PASSPHRASE), &secret), 0);
    return secret;
}

/* A backup of the realm's keyring as it is, or as somebody else would make one up. */
static int make_backup(struct domain *domain, bool by_another)
{
    const struct keyring *keyring = realm_keyring(domain->realm);
    CLEANUP_SECRET struct secret *content = NULL;
    CLEANUP_SECRET struct secret *text = passphrase();
    CLEANUP_KEYRING struct keyring *copy = NULL;
    const struct backup_request request = {.passphrase = text, .hint = ""};
    struct backup_info info;
    int fd = openat(domain->folder_fd, "../made", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(keyring_format(keyring, &content), 0);
    assert_int_equal(keyring_parse(content, &copy), KEYRING_DONE);
    if (by_another)
        crypto_sign_keypair(copy->signing_public, copy->keys->signing_secret);
    assert_int_equal(backup_write(fd, copy, &request, &info), KEYRING_DONE);
    return fd;
}

static enum error_code restored(struct domain *domain, enum restore_action action, int fd)
{
    struct restore *restore = calloc(1, sizeof(*restore));
    struct result result = {0};
    struct failure failure = {.code = ERROR_NONE};
    int r;

    assert_non_null(restore);
    restore->action = action;
    restore->fd = fd;
    restore->passphrase = passphrase();
    r = restore_begin(domain->realm, restore, on_done, &result, &failure);
    if (r == 0) {
        domain_wait(domain, &result, 1);
        failure = result.failure;
    }
    restore_free(restore);
    assert_true(r >= 0);
    return failure.code;
}

/* It names the realm and is well signed, but not by the realm: its public keys are in every backup. */
static void test_a_backup_made_up(void **state)
{
    static const enum restore_action actions[] = {RESTORE_VERIFY, RESTORE_TRY, RESTORE_DO};
    struct domain domain;

    (void)state;
    domain_setup_ready(&domain);
    for (unsigned by_another = 0; by_another <= 1; by_another++) {
        uint64_t epoch = keyring_epoch(realm_keyring(domain.realm));
        CLEANUP_CLOSE int fd = make_backup(&domain, by_another);

        for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
            assert_int_equal(restored(&domain, actions[i], fd),
                             by_another ? ERROR_OTHER_REALM : ERROR_NONE);
        assert_int_equal(keyring_epoch(realm_keyring(domain.realm)), epoch + !by_another);
    }
    domain_teardown(&domain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_backup_made_up)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

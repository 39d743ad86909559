/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the frozen backups say without a key. tests/unit/keys_backup_test.c has the rules that a
 * backup made there breaks one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/backup_head.h"
#include "common/backup_signature.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t bytes[8192];
static struct backup_head head;

static size_t read_fixture(const char *name)
{
    const char *folder = getenv("srcdir");
    char path[400];
    CLEANUP_FCLOSE FILE *file = NULL;

    snprintf(path, sizeof(path), "%s/tests/fixtures/%s", folder ? folder : ".", name);
    file = fopen(path, "re");
    assert_non_null(file);
    return fread(bytes, 1, sizeof(bytes), file);
}

/* Cut off anywhere, one byte longer, of a newer format, and another file. */
static void assert_others(size_t size)
{
    for (size_t cut = 0; cut < size; cut++)
        if (backup_head_parse(bytes, cut, &head) !=
            (cut < BACKUP_MAGIC_SIZE ? BACKUP_HEAD_NOT_ONE : BACKUP_HEAD_DAMAGED))
            fail_msg("%zu bytes of %zu", cut, size);
    assert_int_equal(backup_head_parse(bytes, size + 1, &head), BACKUP_HEAD_DAMAGED);
    bytes[8] = 0;
    assert_int_equal(backup_head_parse(bytes, size, &head), BACKUP_HEAD_DAMAGED);
    bytes[8] = 3;
    assert_int_equal(backup_head_parse(bytes, size, &head), BACKUP_HEAD_NEWER);
    bytes[0] = 'X';
    assert_int_equal(backup_head_parse(bytes, size, &head), BACKUP_HEAD_NOT_ONE);
}

static void test_format_1(void **state)
{
    size_t size = read_fixture("v1/backup");
    const uint8_t *fingerprint;

    assert_int_equal(backup_head_parse(bytes, size, &head), BACKUP_HEAD_DONE);
    assert_int_equal(head.format, 1);
    assert_string_equal(head.host, "master.example");
    assert_int_equal(head.generation_count, 1);
    assert_int_equal(backup_head_generation(&head, 0, &fingerprint), 1);
    assert_null(head.signer);
    assert_int_equal(head.lock_count, 1);
    assert_int_equal(head.locks[0].kind, BACKUP_LOCK_PASSPHRASE);
    assert_others(size);
}

static void test_format_2(void **state)
{
    size_t size = read_fixture("v2/backup");
    const uint8_t *fingerprint;

    assert_int_equal(backup_head_parse(bytes, size, &head), BACKUP_HEAD_DONE);
    assert_int_equal(head.format, 2);
    assert_string_equal(head.host, "a.example");
    assert_string_equal(head.hint, "the usual, two words more");
    assert_int_equal(head.generation_count, 2);
    assert_int_equal(backup_head_generation(&head, 1, &fingerprint), 2);
    assert_int_equal(backup_signature_check(bytes, size, head.signer), 0);
    assert_int_equal(head.lock_count, 2);
    assert_int_equal(head.locks[0].kind, BACKUP_LOCK_PASSPHRASE);
    assert_int_equal(head.locks[1].kind, BACKUP_LOCK_RECIPIENT);
    assert_string_equal(head.locks[1].name, "the safe, zweiter Stock, grün");
    assert_others(size);
}

/* What anybody can read, a terminal will show. */
static void test_hint_of_control_characters(void **state)
{
    size_t size = read_fixture("v2/backup");

    memcpy(bytes + 12 + 16 + 8 + 4, "\x1b[2J", 4);
    assert_int_equal(backup_head_parse(bytes, size, &head), BACKUP_HEAD_DONE);
    assert_string_equal(head.hint, "?[2Jusual, two words more");
    bytes[12 + 16 + 8 + 4] = 0xff;
    assert_int_equal(backup_head_parse(bytes, size, &head), BACKUP_HEAD_DONE);
    assert_string_equal(head.hint, "?");
}

/* Less than the tag cannot be content: whoever opens it takes the tag off. */
static void test_content_shorter_than_its_tag(void **state)
{
    uint8_t *length;
    size_t size = read_fixture("v1/backup");

    assert_int_equal(backup_head_parse(bytes, size, &head), BACKUP_HEAD_DONE);
    size = head.size + BACKUP_NONCE_SIZE + 4;
    length = bytes + size - 4;
    memcpy(length, (uint8_t[]){ BACKUP_TAG_SIZE, 0, 0, 0 }, 4);
    assert_int_equal(backup_head_parse(bytes, size + BACKUP_TAG_SIZE, &head), BACKUP_HEAD_DONE);
    length[0] = BACKUP_TAG_SIZE - 1;
    assert_int_equal(backup_head_parse(bytes, size + BACKUP_TAG_SIZE - 1, &head),
                     BACKUP_HEAD_DAMAGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_1),
        cmocka_unit_test(test_format_2),
        cmocka_unit_test(test_hint_of_control_characters),
        cmocka_unit_test(test_content_shorter_than_its_tag),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

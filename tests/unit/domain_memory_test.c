/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Each allocation of each call fails once: the call says so, nothing leaks, nothing changed, and the
 * same call succeeds afterwards. */
#include "tests/unit/domain_fixture.h"

#include <errno.h>
#include <string.h>

static int fail_at = -1; /* the how-manieth allocation from now on; -1 = none */

static bool fails(void)
{
    return fail_at >= 0 && fail_at-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_reallocarray(void *memory, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_reallocarray(void *memory, size_t count, size_t size)
{
    return fails() ? NULL : __real_reallocarray(memory, count, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
    return fails() ? NULL : __real_strndup(text, size);
}

static struct domain domain;
static struct result result;
static struct failure failure;

static const struct application *erp(void)
{
    return application_set_find(domain.set, "erp");
}

static int call_create(void)
{
    char *users[] = {TEXT("clerks"), TEXT("user:dora")};
    const struct name_list list = {users, 2};
    const struct field fields[] = {{.label = TEXT("user")}, {.label = TEXT("pin"), .masked = true}};
    const struct application_draft draft = {
        .name = "new", .type = APPLICATION_INDIVIDUAL, .description = "x", .users = &list,
        .fields = fields, .fields_count = 2};

    return application_create(domain.set, &draft, on_written, &result, &failure);
}

static int call_update(void)
{
    const struct application_draft draft = {.description = "changed"};

    return application_update(domain.set, erp(), &draft, on_written, &result, &failure);
}

static int call_add_field(void)
{
    return application_add_field(domain.set, erp(), "more", true, on_written, &result, &failure);
}

static int call_set(void)
{
    const struct mapping_value value = {1, (const uint8_t *)"pw", 2};
    const struct mapping_change change = {
        .account = account_of("user:alice"), .external_user = "ALICE2", .values = &value,
        .values_count = 1};

    return mapping_set(domain.realm, erp(), &change, on_written, &result, &failure);
}

static int call_state(void)
{
    const struct account_name alice = account_of("user:alice");

    return mapping_set_state(domain.realm, erp(), &alice, MAPPING_DISABLED, 0, on_written, &result,
                             &failure);
}

static int call_get(void)
{
    const struct account_name alice = account_of("user:alice");
    struct mapping *mapping;
    int r = mapping_get(domain.realm, erp(), &alice, &mapping, &failure);

    if (r == 0) {
        mapping_free(mapping);
        result.calls = 1;
    }
    return r;
}

static int call_load(void)
{
    int r = application_set_load(domain.set, &failure);

    result.calls += r == 0;
    return r;
}

static int call_delete_mapping(void)
{
    const struct account_name alice = account_of("user:alice");

    return mapping_delete(domain.realm, erp(), &alice, on_written, &result, &failure);
}

static int call_delete(void)
{
    return application_delete(domain.set, erp(), on_written, &result, &failure);
}

/* The number of allocations that were made to fail. */
static int sweep(int (*call)(void))
{
    for (int n = 0;; n++) {
        int r;

        result = (struct result){0};
        failure = (struct failure){0};
        fail_at = n;
        r = call();
        fail_at = -1;
        if (r == 0) {
            domain_wait(&domain, &result, 1);
            assert_int_equal(result.failure.code, ERROR_NONE);
            return n;
        }
        if (r != -ENOMEM && r != ERROR_OUT_OF_MEMORY && r != ERROR_STORAGE_FAILED)
            fail_msg("allocation %d: %d (%s)", n, r, failure.text);
        domain_run_ms(&domain, 2);
        assert_int_equal(result.calls, 0);
        if (call == call_load) { /* a part would be taken for all */
            assert_int_equal(application_set_count(domain.set), 0);
            assert_int_equal(application_set_load(domain.set, &failure), 0);
        }
        assert_non_null(erp());
    }
}

static void test_every_allocation_fails(void **state)
{
    static int (*const calls[])(void) = {call_create, call_update,         call_add_field,
                                         call_set,    call_state,          call_get,
                                         call_load,   call_delete_mapping, call_delete};

    (void)state;
    domain_setup_ready(&domain);
    domain_create(&domain, "erp", APPLICATION_INDIVIDUAL);
    assert_int_equal(domain_set(&domain, erp(), "user:alice", "ALICE", "pw"), 0);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        assert_true(sweep(calls[i]) > 0);
    assert_null(erp());
    assert_non_null(application_set_find(domain.set, "new"));
    domain_teardown(&domain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

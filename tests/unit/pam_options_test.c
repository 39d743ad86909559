/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pam_module/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORDS_MAX 8

static int count_words(const char *const *words)
{
    int count = 0;

    while (count < WORDS_MAX && words[count])
        count++;
    return count;
}

static int load(const char *const *words, struct options *options, struct options_fault *fault)
{
    const char *copy[WORDS_MAX];

    memcpy(copy, words, sizeof(copy));
    return options_load(options, count_words(words), copy, fault);
}

static void test_defaults(void **state)
{
    const char *const words[WORDS_MAX] = { "mode=verify", "application=erp" };
    struct options_fault fault;
    struct options options;

    assert_int_equal(load(words, &options, &fault), OPTIONS_DONE);
    assert_int_equal(options.mode, MODE_VERIFY);
    assert_string_equal(options.application, "erp");
    assert_string_equal(options.field, "");
    assert_int_equal(options.timeout_ms, 1000);
    assert_int_equal(options.unavailable, UNAVAILABLE_FAIL);
    assert_int_equal(options.user, LOGIN_USER_LOCAL);
    assert_false(options.without_password);
    assert_false(options.debug);
}

static void test_everything_given(void **state)
{
    const char *const words[WORDS_MAX] = {
        "mode=authtok", "application=Old ERP=1", "field=passwört", "timeout=60000",
        "unavailable=fail", "without_password", "user=external",
    };
    struct options_fault fault;
    struct options options;

    assert_int_equal(load(words, &options, &fault), OPTIONS_DONE);
    assert_int_equal(options.mode, MODE_AUTHTOK);
    assert_string_equal(options.application, "Old ERP=1");
    assert_string_equal(options.field, "passwört");
    assert_int_equal(options.timeout_ms, 60000);
    assert_int_equal(options.unavailable, UNAVAILABLE_FAIL);
    assert_true(options.without_password);
    assert_int_equal(options.user, LOGIN_USER_EXTERNAL);
}

static void test_unavailable_follows_the_mode(void **state)
{
    static const struct {
        const char *word;
        enum mode mode;
        enum unavailable unavailable;
    } modes[] = {
        { "mode=verify", MODE_VERIFY, UNAVAILABLE_FAIL },
        { "mode=authtok", MODE_AUTHTOK, UNAVAILABLE_IGNORE },
        { "mode=capture", MODE_CAPTURE, UNAVAILABLE_IGNORE },
        { "mode=env", MODE_ENV, UNAVAILABLE_IGNORE },
    };
    struct options_fault fault;
    struct options options;

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        const char *const bare[WORDS_MAX] = { modes[i].word, "application=erp" };
        const char *const fail[WORDS_MAX] = { "unavailable=fail", modes[i].word,
                                              "application=erp" };
        const char *const ignore[WORDS_MAX] = { modes[i].word, "application=erp",
                                                "unavailable=ignore", "debug" };

        assert_int_equal(load(bare, &options, &fault), OPTIONS_DONE);
        assert_int_equal(options.mode, modes[i].mode);
        assert_int_equal(options.unavailable, modes[i].unavailable);
        assert_int_equal(load(fail, &options, &fault), OPTIONS_DONE);
        assert_int_equal(options.unavailable, UNAVAILABLE_FAIL);
        assert_int_equal(load(ignore, &options, &fault), OPTIONS_DONE);
        assert_int_equal(options.unavailable, UNAVAILABLE_IGNORE);
        assert_true(options.debug);
    }
}

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A256 A64 A64 A64 A64

static const struct fault_case {
    const char *words[WORDS_MAX];
    const char *option;
} fault_cases[] = {
    { { NULL }, "mode" },
    { { "mode=verify" }, "application" },
    { { "application=erp" }, "mode" },
    { { "mode=verify", "application=erp", "nullok" }, "nullok" },
    { { "mode=verify", "application=erp", "" }, "" },
    { { "mode=verify", "application=erp", "=x" }, "" },
    { { "mode=verify", "application=erp", "Debug" }, "Debug" },
    { { "mode=verify", "application=erp", "debugx" }, "debugx" },
    { { "mode=verify", "application=erp", "debu" }, "debu" },
    { { "mode=verify", "application=erp", "debug=1" }, "debug" },
    { { "mode=verify", "application=erp", "debug=" }, "debug" },
    { { "mode", "application=erp" }, "mode" },
    { { "mode=", "application=erp" }, "mode" },
    { { "mode=ticket", "application=erp" }, "mode" },
    { { "mode=verify ", "application=erp" }, "mode" },
    { { "mode=verify", "application" }, "application" },
    { { "mode=verify", "application=" }, "application" },
    { { "mode=verify", "application=\xff" }, "application" },
    { { "mode=verify", "application=a\tb" }, "application" },
    { { "mode=verify", "application=" A256 }, "application" },
    { { "mode=verify", "application=erp", "field=" }, "field" },
    { { "mode=verify", "application=erp", "field=\xc3\x28" }, "field" },
    { { "mode=verify", "application=erp", "timeout" }, "timeout" },
    { { "mode=verify", "application=erp", "timeout=" }, "timeout" },
    { { "mode=verify", "application=erp", "timeout=0" }, "timeout" },
    { { "mode=verify", "application=erp", "timeout=60001" }, "timeout" },
    { { "mode=verify", "application=erp", "timeout=-1" }, "timeout" },
    { { "mode=verify", "application=erp", "timeout=+1" }, "timeout" },
    { { "mode=verify", "application=erp", "timeout= 1" }, "timeout" },
    { { "mode=verify", "application=erp", "timeout=1s" }, "timeout" },
    { { "mode=verify", "application=erp", "timeout=0x10" }, "timeout" },
    { { "mode=verify", "application=erp", "timeout=4294967297" }, "timeout" },
    { { "mode=verify", "application=erp", "timeout=99999999999999999999" }, "timeout" },
    { { "mode=verify", "application=erp", "unavailable=deny" }, "unavailable" },
    { { "mode=verify", "application=erp", "unavailable" }, "unavailable" },
    { { "mode=verify", "application=erp", "user" }, "user" },
    { { "mode=verify", "application=erp", "user=root" }, "user" },
    { { "mode=capture", "application=erp", "user=external" }, "user" },
    { { "user=external", "mode=env", "application=erp" }, "user" },
    { { "mode=verify", "application=erp", "config=relative" }, "config" },
    { { "mode=verify", "application=erp", "config" }, "config" },
    { { "mode=verify", "application=erp", "config=/nonexistent/pam.conf" }, "config" },
    { { "mode=verify", "application=erp", "bad\x1b[31m=x" }, "bad?[31m" },
};

static void test_faults(void **state)
{
    struct options_fault fault;
    struct options options;

    for (size_t i = 0; i < sizeof(fault_cases) / sizeof(fault_cases[0]); i++) {
        memset(&fault, 0xa5, sizeof(fault));
        assert_int_equal(load(fault_cases[i].words, &options, &fault), OPTIONS_FAULT);
        assert_string_equal(fault.option, fault_cases[i].option);
        assert_true(fault.reason && fault.reason[0]);
        assert_int_equal(fault.line, 0);
    }
}

static void test_value_is_never_in_a_fault(void **state)
{
    const char *const words[WORDS_MAX] = { "mode=verify", "pasword=hunter2" };
    struct options_fault fault;
    struct options options;

    assert_int_equal(load(words, &options, &fault), OPTIONS_FAULT);
    assert_string_equal(fault.option, "pasword");
    assert_null(strstr(fault.reason, "hunter2"));
}

static void test_long_unknown_option(void **state)
{
    const char *const words[WORDS_MAX] = { A256 A256 };
    struct options_fault fault;
    struct options options;

    assert_int_equal(load(words, &options, &fault), OPTIONS_FAULT);
    assert_int_equal(strlen(fault.option), sizeof(fault.option) - 1);
}

static void test_last_one_counts(void **state)
{
    const char *const words[WORDS_MAX] = { "mode=verify", "application=one", "application=two",
                                           "debug", "debug=no" };
    struct options_fault fault;
    struct options options;

    assert_int_equal(load(words, &options, &fault), OPTIONS_DONE);
    assert_string_equal(options.application, "two");
    assert_false(options.debug);
}

static int parse_text(const char *text, size_t length, struct options *options,
                      struct options_fault *fault)
{
    options_init(options);
    return options_parse_text(options, text, length, fault);
}

static void test_text(void **state)
{
    static const char text[] = "# the payroll\n"
                               "\n"
                               "  application = Old ERP \r\n"
                               "mode=authtok\n"
                               "\tdebug\n"
                               "#timeout=5\n"
                               "timeout =250";
    struct options_fault fault;
    struct options options;

    assert_int_equal(parse_text(text, sizeof(text) - 1, &options, &fault), OPTIONS_DONE);
    assert_string_equal(options.application, "Old ERP");
    assert_int_equal(options.mode, MODE_AUTHTOK);
    assert_true(options.debug);
    assert_int_equal(options.timeout_ms, 250);
}

static const struct text_case {
    const char *text;
    size_t length;
    const char *option;
    unsigned line;
} text_cases[] = {
#define TEXT(literal) literal, sizeof(literal) - 1
    { TEXT("debug\nnonsense\n"), "nonsense", 2 },
    { TEXT("\n\n\ntimeout = soon"), "timeout", 4 },
    { TEXT("config=/etc/other\n"), "config", 1 },
    { TEXT("debug\0\n"), "", 1 },
    { TEXT("debug\napplication=a\0b"), "", 2 },
    { TEXT(" = \n"), "", 1 },
    { TEXT("application=" A256 A256), "", 1 },
    { TEXT("mode = verify authtok"), "mode", 1 },
    { TEXT("[section]"), "[section]", 1 },
};

static void test_text_faults(void **state)
{
    struct options_fault fault;
    struct options options;

    for (size_t i = 0; i < sizeof(text_cases) / sizeof(text_cases[0]); i++) {
        assert_int_equal(parse_text(text_cases[i].text, text_cases[i].length, &options, &fault),
                         OPTIONS_FAULT);
        assert_string_equal(fault.option, text_cases[i].option);
        assert_int_equal(fault.line, text_cases[i].line);
    }
}

/* safe_open refuses a path below /tmp only if somebody else could change it: the folder is ours. */
struct file {
    char folder[64];
    char path[96];
    char word[112];
};

static void file_make(struct file *file, const char *text, mode_t mode)
{
    FILE *stream;

    strcpy(file->folder, "/tmp/pam_options_test.XXXXXX");
    assert_non_null(mkdtemp(file->folder));
    snprintf(file->path, sizeof(file->path), "%s/pam.conf", file->folder);
    snprintf(file->word, sizeof(file->word), "config=%s", file->path);
    stream = fopen(file->path, "w");
    assert_non_null(stream);
    fputs(text, stream);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(chmod(file->path, mode), 0);
}

static void file_remove(struct file *file)
{
    unlink(file->path);
    rmdir(file->folder);
}

static void test_line_overrides_file(void **state)
{
    struct options_fault fault;
    struct options options;
    struct file file;

    if (geteuid() != 0)
        skip();
    file_make(&file, "mode=verify\napplication=erp\ntimeout=250\ndebug\n", 0644);
    const char *const words[WORDS_MAX] = { "application=crm", file.word, "debug=no" };
    assert_int_equal(load(words, &options, &fault), OPTIONS_DONE);
    assert_string_equal(options.application, "crm");
    assert_int_equal(options.mode, MODE_VERIFY);
    assert_int_equal(options.timeout_ms, 250);
    assert_false(options.debug);
    file_remove(&file);
}

static void test_fault_in_file_names_the_line(void **state)
{
    struct options_fault fault;
    struct options options;
    struct file file;

    if (geteuid() != 0)
        skip();
    file_make(&file, "mode=verify\napplikation=erp\n", 0644);
    const char *const words[WORDS_MAX] = { file.word };
    assert_int_equal(load(words, &options, &fault), OPTIONS_FAULT);
    assert_string_equal(fault.option, "applikation");
    assert_int_equal(fault.line, 2);
    assert_string_equal(options.config, file.path);
    file_remove(&file);
}

static void test_file_that_others_can_change(void **state)
{
    struct options_fault fault;
    struct options options;
    struct file file;

    file_make(&file, "mode=verify\napplication=erp\n", 0666);
    const char *const words[WORDS_MAX] = { file.word };
    assert_int_equal(load(words, &options, &fault), OPTIONS_FAULT);
    assert_string_equal(fault.option, "config");
    if (geteuid() == 0) {
        assert_int_equal(chmod(file.path, 0644), 0);
        assert_int_equal(chown(file.path, 65534, 65534), 0);
        assert_int_equal(load(words, &options, &fault), OPTIONS_FAULT);
        assert_string_equal(fault.option, "config");
    }
    file_remove(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_everything_given),
        cmocka_unit_test(test_unavailable_follows_the_mode),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_value_is_never_in_a_fault),
        cmocka_unit_test(test_long_unknown_option),
        cmocka_unit_test(test_last_one_counts),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_faults),
        cmocka_unit_test(test_line_overrides_file),
        cmocka_unit_test(test_fault_in_file_names_the_line),
        cmocka_unit_test(test_file_that_others_can_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

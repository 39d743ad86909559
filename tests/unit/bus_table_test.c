/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* The tables hold together: signatures, names of arguments, a rule of access for each method, and manual pages
 * that name every method, property and signal with its signature. */
#include "dbus-service/bus/call.h"
#include "dbus-service/bus/introspect.h"

#include "common/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static unsigned count_types(const char *signature)
{
    DBusSignatureIter iter;
    unsigned count = 1;

    assert_true(dbus_signature_validate(signature, NULL));
    if (*signature == '\0')
        return 0;
    dbus_signature_iter_init(&iter, signature);
    while (dbus_signature_iter_next(&iter))
        count++;
    return count;
}

static unsigned count_words(const char *words)
{
    unsigned count = *words ? 1 : 0;

    for (; *words; words++)
        if (*words == ' ')
            count++;
    return count;
}

static void check_method(const struct interface *interface, const struct method *method)
{
    const struct method *found = NULL;

    if (count_types(method->in) != count_words(method->in_args) ||
        count_types(method->out) != count_words(method->out_args))
        fail_msg("%s.%s: as many names as types", interface->name, method->name);
    if (count_types(method->in) > CALL_ARGUMENTS_MAX)
        fail_msg("%s.%s: more arguments than a call remembers", interface->name, method->name);
    if (method->operation == OPERATION_NONE || !method->handler)
        fail_msg("%s.%s has no rule of access", interface->name, method->name);
    if (strncmp(interface->name, BUS_NAME, strlen(BUS_NAME)) == 0 && !method->audit)
        fail_msg("%s.%s leaves no event", interface->name, method->name);
    if (method->subject != SUBJECT_NOTHING && !(method->flags & METHOD_READS))
        fail_msg("%s.%s needs readable records", interface->name, method->name);
    if (method->subject == SUBJECT_MAPPING && method->in[0] != 's')
        fail_msg("%s.%s: the first argument is the account", interface->name, method->name);
    if (method->subject == SUBJECT_USER && strncmp(method->in, "ss", 2) != 0)
        fail_msg("%s.%s: application and user come first", interface->name, method->name);
    assert_int_equal(table_find(interface->objects, interface->name, method->name, &found),
                     TABLE_FOUND);
    assert_ptr_equal(found, method);
}

static void test_tables(void **state)
{
    for (size_t i = 0; interfaces[i]; i++) {
        assert_true(dbus_validate_interface(interfaces[i]->name, NULL));
        for (size_t j = 0; j < interfaces[i]->methods_count; j++)
            check_method(interfaces[i], &interfaces[i]->methods[j]);
        for (size_t j = 0; j < interfaces[i]->signals_count; j++)
            assert_int_equal(count_types(interfaces[i]->signals[j].signature),
                             count_words(interfaces[i]->signals[j].args));
        for (size_t j = 0; j < interfaces[i]->properties_count; j++) {
            assert_int_equal(count_types(interfaces[i]->properties[j].signature), 1);
            assert_int_not_equal(interfaces[i]->properties[j].operation, OPERATION_NONE);
        }
    }
}

/* Who is nobody in particular may read the state and nothing else that is ours. */
static void test_deny_by_default(void **state)
{
    for (size_t i = 0; interfaces[i]; i++)
        for (size_t j = 0; j < interfaces[i]->methods_count; j++) {
            const struct method *method = &interfaces[i]->methods[j];
            struct access_request request = { .operation = method->operation,
                                              .roles = ROLE_ANYBODY,
                                              .individual = true };
            bool standard = strncmp(interfaces[i]->name, "org.freedesktop.", 16) == 0;
            bool list = method->operation == OPERATION_LIST_OWN_MAPPINGS ||
                        method->operation == OPERATION_LIST_APPLICATIONS;

            if (!standard && !list && access_decide(&request) == ACCESS_ALLOWED)
                fail_msg("anybody may call %s", method->name);
        }
}

static void test_not_found(void **state)
{
    const struct method *method;

    assert_int_equal(table_find(OBJECT_ROOT, "org.example", "Lookup", &method), TABLE_NO_INTERFACE);
    assert_int_equal(table_find(OBJECT_ROOT, BUS_INTERFACE_CREDENTIALS, "Nothing", &method),
                     TABLE_NO_METHOD);
    assert_int_equal(table_find(OBJECT_APPLICATION, BUS_INTERFACE_CREDENTIALS, "Lookup", &method),
                     TABLE_NO_INTERFACE);
    assert_int_equal(table_find(OBJECT_ROOT, NULL, "Lookup", &method), TABLE_FOUND);
    assert_int_equal(table_find(OBJECT_APPLICATION, NULL, "Lookup", &method), TABLE_NO_METHOD);
}

static void read_document(const char *path, char *ret_text, size_t size)
{
    const char *folder = getenv("srcdir");
    char name[512];
    FILE *file;

    (void)snprintf(name, sizeof(name), "%s/doc/%s", folder ? folder : ".", path);
    file = fopen(name, "r");
    if (!file)
        fail_msg("there is no %s", name);
    ret_text[fread(ret_text, 1, size - 1, file)] = '\0';
    (void)fclose(file);
}

static void read_manual(const char *interface, char *ret_text, size_t size)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "man/%s.5", interface);
    read_document(path, ret_text, size);
}

static void expect(const char *manual, const char *interface, const char *line)
{
    if (!strstr(manual, line))
        fail_msg("%s(5) does not have the line: %s", interface, line);
}

/* "NAME(IN) -> (OUT)", with types and names. */
static void format_args(char *text, size_t size, const char *signature, const char *names)
{
    DBusSignatureIter iter;
    size_t length = 0;

    *text = '\0';
    if (*signature == '\0')
        return;
    dbus_signature_iter_init(&iter, signature);
    do {
        char *type = dbus_signature_iter_get_signature(&iter);
        int word = (int)strcspn(names, " ");

        length += (size_t)snprintf(text + length, size - length, "%s%s %.*s", length ? ", " : "",
                                   type, word, names);
        dbus_free(type);
        names += word;
        names += *names == ' ';
    } while (dbus_signature_iter_next(&iter));
}

static void check_manual(const struct interface *interface)
{
    static char manual[65536];
    char line[600], in[250], out[250];
    size_t methods = 0;

    read_manual(interface->name, manual, sizeof(manual));
    for (size_t i = 0; i < interface->methods_count; i++) {
        const struct method *method = &interface->methods[i];

        format_args(in, sizeof(in), method->in, method->in_args);
        format_args(out, sizeof(out), method->out, method->out_args);
        (void)snprintf(line, sizeof(line), "\n.BR %s \" (%s)%s%s%s\"\n", method->name, in,
                       *out ? " \\(-> (" : "", out, *out ? ")" : "");
        expect(manual, interface->name, line);
    }
    for (size_t i = 0; i < interface->properties_count; i++) {
        (void)snprintf(line, sizeof(line), "\n.BR %s \" (%s)\"\n", interface->properties[i].name,
                       interface->properties[i].signature);
        expect(manual, interface->name, line);
    }
    for (size_t i = 0; i < interface->signals_count; i++) {
        format_args(in, sizeof(in), interface->signals[i].signature, interface->signals[i].args);
        (void)snprintf(line, sizeof(line), "\n.BR %s \" (%s)\"\n", interface->signals[i].name, in);
        expect(manual, interface->name, line);
    }
    for (const char *at = manual; (at = strstr(at, "\n.BR ")) != NULL; at += 5)
        if (strncmp(at + 5 + strcspn(at + 5, " "), " \" (", 4) == 0)
            methods++;
    assert_int_equal(methods, interface->methods_count + interface->properties_count +
                                  interface->signals_count);
}

static void test_manuals(void **state)
{
    for (size_t i = 0; interfaces[i]; i++)
        if (strncmp(interfaces[i]->name, BUS_NAME, strlen(BUS_NAME)) == 0)
            check_manual(interfaces[i]);
}

/* "State       s  r": the name, blanks, the signature. */
static bool tells_property(const char *section, const struct property *property)
{
    size_t length = strlen(property->name), signature = strlen(property->signature);

    for (const char *at = section; (at = strstr(at, property->name)) != NULL; at += length) {
        const char *type = at + length + strspn(at + length, " ");

        if (at[-1] == ' ' && type > at + length &&
            strncmp(type, property->signature, signature) == 0 && strchr(" ,\n", type[signature]))
            return true;
    }
    return false;
}

static void check_section(const struct interface *interface, const char *section)
{
    char line[600], in[250], out[250];

    for (size_t i = 0; i < interface->methods_count; i++) {
        const struct method *method = &interface->methods[i];

        format_args(in, sizeof(in), method->in, method->in_args);
        format_args(out, sizeof(out), method->out, method->out_args);
        (void)snprintf(line, sizeof(line), " %s(%s)%s%s%s", method->name, in, *out ? " -> (" : "", out,
                       *out ? ")" : "");
        expect(section, "PROTOCOL", line);
    }
    for (size_t i = 0; i < interface->properties_count; i++)
        if (!tells_property(section, &interface->properties[i]))
            fail_msg("doc/PROTOCOL does not tell of %s.%s as it is", interface->name,
                     interface->properties[i].name);
    for (size_t i = 0; i < interface->signals_count; i++) {
        format_args(in, sizeof(in), interface->signals[i].signature, interface->signals[i].args);
        (void)snprintf(line, sizeof(line), " %s(%s)", interface->signals[i].name, in);
        expect(section, "PROTOCOL", line);
    }
}

/* What busctl introspect shows stands in doc/PROTOCOL, each interface in a section of its own. */
static void test_protocol(void **state)
{
    static char text[65536];
    char title[100];

    for (size_t i = 0; interfaces[i]; i++) {
        char *section, *end;

        if (strncmp(interfaces[i]->name, BUS_NAME, strlen(BUS_NAME)) != 0)
            continue;
        read_document("PROTOCOL", text, sizeof(text));
        (void)snprintf(title, sizeof(title), "\n%s at ", interfaces[i]->name);
        section = strstr(text, title);
        if (!section)
            fail_msg("doc/PROTOCOL has no section on %s", interfaces[i]->name);
        end = strstr(section + 1, "\norg.");
        if (end)
            *end = '\0';
        check_section(interfaces[i], section);
    }
}

/* Every error has its cause and remedy in mastersecret-interfaces(5). */
static void test_errors(void **state)
{
    static char manual[65536];
    char line[500];

    read_manual("mastersecret-interfaces", manual, sizeof(manual));
    for (int code = ERROR_NONE + 1; code < ERROR_COUNT_; code++) {
        const char *remedy = error_remedy((enum error_code)code);

        (void)snprintf(line, sizeof(line), "\n.B %s\n",
                       error_name((enum error_code)code) + strlen(BUS_ERROR_PREFIX));
        expect(manual, "mastersecret-interfaces", line);
        (void)snprintf(line, sizeof(line), "Remedy: %s.\n", remedy);
        expect(manual, "mastersecret-interfaces", line);
    }
}

static void test_introspection(void **state)
{
    static char text[65536];
    FILE *stream = fmemopen(text, sizeof(text), "w");

    assert_non_null(stream);
    introspect_interfaces(stream, OBJECT_ANY);
    introspect_child(stream, "application");
    introspect_end(stream);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(strncmp(text, "<!DOCTYPE node PUBLIC", 21), 0);
    assert_non_null(strstr(text, "<method name=\"Lookup\">\n"
                                 "      <arg type=\"s\" name=\"application\" direction=\"in\"/>\n"));
    assert_non_null(strstr(text, "<arg type=\"(utttt)\" name=\"freshness\" direction=\"out\"/>"));
    assert_non_null(strstr(text, "  <node name=\"application\"/>\n</node>\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),    cmocka_unit_test(test_deny_by_default),
        cmocka_unit_test(test_not_found), cmocka_unit_test(test_manuals),
        cmocka_unit_test(test_protocol),  cmocka_unit_test(test_errors),    cmocka_unit_test(test_introspection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls to the service as the administration needs them, with arguments and results as JSON: the
 * only file of the command line that sees D-Bus. Strings, booleans, integers, arrays (also for
 * structures) and objects (dictionaries) stand for themselves, file descriptors are integers. */
#ifndef CLI_SERVICE_H
#define CLI_SERVICE_H

#include "client/cli/command.h"
#include "client/request.h"

#include <jansson.h>

struct service_call {
    const char *application; /* NULL = the root object */
    const char *interface;
    const char *method;
    const char *signature; /* of the arguments; a variant takes its type from the JSON value */
    json_t *arguments;     /* an array, taken over; NULL = out of memory */
    enum call_effect effect;
};

/* The results as an array. On failure the message is that of mastersecret_message(). */
enum mastersecret_error service_call(struct cli *cli, const struct service_call *call,
                                     json_t **ret_results) MUST_CHECK;

/* All properties that the caller may read; names as in "slot-used". */
enum mastersecret_error service_properties(struct cli *cli, const char *application,
                                           const char *interface,
                                           json_t **ret_properties) MUST_CHECK;

/* [[a, b], ...] as [{key0: a, key1: b}, ...]; keys end with NULL. NULL without memory. */
json_t *service_rows(const json_t *tuples, const char *const *keys);

/* One property; and one that is a list of structures, as an array of objects whose members `keys`
 * names (ended by NULL). */
enum mastersecret_error service_property(struct cli *cli, const char *application,
                                         const char *interface, const char *property,
                                         json_t **ret_value) MUST_CHECK;
enum mastersecret_error service_property_rows(struct cli *cli, const char *application,
                                              const char *interface, const char *property,
                                              const char *const *keys,
                                              json_t **ret_rows) MUST_CHECK;

/* Every page of a list, as an array of objects; keys as above. */
enum mastersecret_error service_list(struct cli *cli, const char *application,
                                     const char *interface, const char *method,
                                     const char *const *keys, json_t **ret_rows) MUST_CHECK;

/* Fields of an application as [{"label": ..., "masked": ...}]. */
enum mastersecret_error service_fields(struct cli *cli, const char *application,
                                       json_t **ret_fields) MUST_CHECK;

static inline void json_cleanup(json_t **value)
{
    json_decref(*value);
}
#define CLEANUP_JSON CLEANUP(json_cleanup)

#endif

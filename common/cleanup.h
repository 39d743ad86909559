/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scope-bound cleanup: the few macros that the whole tree uses. */
#ifndef COMMON_CLEANUP_H
#define COMMON_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Calls FUNCTION(&variable) when the variable leaves its scope. */
#define CLEANUP(function) __attribute__((__cleanup__(function)))

#define CLEANUP_FREE CLEANUP(cleanup_free_pointer)
#define CLEANUP_CLOSE CLEANUP(cleanup_close_fd)
#define CLEANUP_FCLOSE CLEANUP(cleanup_close_file)

/* Defines NAME_cleanup(), for use as CLEANUP(NAME_cleanup), from a destructor that takes NULL. */
#define CLEANUP_DEFINE(name, type, destructor)                                                     \
    static inline void name##_cleanup(type **object)                                               \
    {                                                                                              \
        destructor(*object);                                                                       \
    }

#define MUST_CHECK __attribute__((__warn_unused_result__))

/* Moves ownership out of a variable; the variable is left empty. */
#define STEAL(pointer)                                                                             \
    __extension__({                                                                                \
        __auto_type steal_value_ = (pointer);                                                      \
        (pointer) = NULL;                                                                          \
        steal_value_;                                                                              \
    })

static inline int steal_fd(int *fd)
{
    int value = *fd;

    *fd = -1;
    return value;
}

static inline void cleanup_free_pointer(void *pointer)
{
    free(*(void **)pointer);
}

static inline void cleanup_close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_close_file(FILE **file)
{
    if (*file)
        fclose(*file);
}

#endif

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A fuzz target is NAME_fuzz.c with the two functions below. libFuzzer drives it with
 * --enable-fuzzing; else replay.c does, in `make check`: the seed, its truncations, its bit flips,
 * and the files of corpus/NAME_fuzz/. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Writes one well-formed input of at most `room` bytes and returns its size. */
size_t fuzz_seed(uint8_t *ret_bytes, size_t room);

/* replay.c cuts and flips a larger seed at this many places only, evenly spread; a target that
 * takes long for each input has its own, smaller. */
extern size_t fuzz_places;

#endif

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was compiled is hardened, and shows the outside no more than it must."""
import glob
import os
import re
import subprocess

import pytest

from conftest import BUILD

STAGE = os.environ.get('MS_STAGE', f'{BUILD}/stage')
PROGRAMS = ('usr/libexec/mastersecretd', 'usr/bin/mastersecret')
LIBRARIES = ('usr/lib/*/libmastersecret.so.0', 'usr/lib/*/security/pam_mastersecret.so')


def installed(pattern):
    found = glob.glob(os.path.join(STAGE, pattern))
    assert len(found) == 1, f'{pattern} is not installed'
    return found[0]


def output(*arguments):
    return subprocess.run(arguments, stdout=subprocess.PIPE, check=True, text=True).stdout


@pytest.mark.parametrize('pattern', PROGRAMS + LIBRARIES)
def test_relocations_stack_and_search_path(pattern):
    path = installed(pattern)
    segments, dynamic = output('readelf', '-lW', path), output('readelf', '-dW', path)
    assert 'GNU_RELRO' in segments and 'NOW' in dynamic
    assert re.search(r'GNU_STACK.* RW +0x', segments)
    assert not re.search(r'RPATH|RUNPATH|TEXTREL', dynamic)
    assert re.search(r'Type:\s+DYN', output('readelf', '-h', path))


@pytest.mark.parametrize('pattern', PROGRAMS)
def test_programs_are_position_independent_and_checked(pattern):
    path = installed(pattern)
    assert 'PIE' in output('readelf', '-dW', path)
    symbols = output('nm', '-D', path)
    assert '__stack_chk_fail' in symbols and re.search(r'__\w+_chk\b', symbols)


@pytest.mark.parametrize('pattern, allowed', (
    (LIBRARIES[0], r'mastersecret_\w+@@MASTERSECRET_0'), (LIBRARIES[1], r'pam_sm_\w+')))
def test_exported_symbols(pattern, allowed):
    lines = output('nm', '-D', '--defined-only', installed(pattern)).splitlines()
    names = [line.split()[-1] for line in lines if ' A ' not in line]
    assert names and all(re.fullmatch(allowed, name) for name in names), names


def test_module_stays_loaded():
    assert 'NODELETE' in output('readelf', '-dW', installed(LIBRARIES[1]))


@pytest.mark.parametrize('pattern, wanted', (
    (PROGRAMS[0], 'c dbus-1 gdbm inih sodium uv'), (PROGRAMS[1], 'c dbus-1 jansson qrencode sodium'),
    (LIBRARIES[0], 'c dbus-1 sodium'), (LIBRARIES[1], 'c mastersecret pam sodium')))
def test_only_what_is_needed_is_linked(pattern, wanted):
    needed = re.findall(r'NEEDED.*\[lib(.*?)\.so', output('readelf', '-dW', installed(pattern)))
    assert set(needed) <= set(wanted.split()) | {'pthread'}

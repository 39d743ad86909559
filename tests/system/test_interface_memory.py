# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replies that libdbus cannot make or send for want of memory: the caller is told the truth or nothing, and the
service goes on."""
import pytest

import bus_client

pytestmark = pytest.mark.service

# Between the service and libdbus: every third call of one function fails, while the switch is there.
FAULTS = r'''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
static int fails(const char *file)
{
    static unsigned count;
    return access(file, F_OK) == 0 && ++count % 3 == 0;
}
'''
WRAPPED = {
    'dbus_message_new_method_return': 'void *%s(void *a) %s',
    'dbus_message_iter_append_basic': 'int %s(void *a, int b, const void *c) %s',
    'dbus_message_iter_open_container': 'int %s(void *a, int b, const char *c, void *d) %s',
    'dbus_message_new_error': 'void *%s(void *a, const char *b, const char *c) %s',
    'dbus_message_copy': 'void *%s(const void *a) %s',
    'dbus_connection_send': 'int %s(void *a, void *b, unsigned *c) %s',
}


def source(name, prototype):
    arguments = ', '.join('abcd'[:prototype.count(',') + 1])
    kind = prototype.split('%')[0]
    types = prototype[prototype.index('('):prototype.rindex(')') + 1]
    return prototype % (name, f'''
{{
    {kind}(*real){types} = ({kind}(*){types})dlsym(RTLD_NEXT, "{name}");
    return fails("/tmp/fail-{name}") ? 0 : real({arguments});
}}
''')


@pytest.fixture(name='furnished', scope='module')
def make_furnished(shared_world):
    world = shared_world
    if world.sanitized:
        pytest.skip('a sanitizer wants to be loaded first')
    assert bus_client.run(world, '''
door = Door()
answer([create(door), set_mapping(door, 'user:alice', 'ALICE01', b'value 0')])''') == ['ok', 'ok']
    world.kill_service('TERM')
    world.write('/tmp/faults.c', FAULTS + ''.join(source(*one) for one in WRAPPED.items()))
    world.run('cc -shared -fPIC -Wall -Werror -o /usr/lib/faults.so /tmp/faults.c && '
              f'mv {world.daemon} {world.daemon}.whole')
    world.write(world.daemon, f'#!/bin/sh\nLD_PRELOAD=/usr/lib/faults.so exec {world.daemon}.whole "$@"\n', 0o755)
    world.start_service()
    return world


@pytest.mark.parametrize('name', WRAPPED)
def test_one_reply_in_three(furnished, name):
    world = furnished
    pid = world.service_pid()
    world.write(f'/tmp/fail-{name}', '')
    said = bus_client.run(world, '''
door, said, held = Door('direct'), {}, set()
def note(what, result):
    said.setdefault(what, set()).add(result)
set_mapping(door, '', '', b'value 0')
held = {'value 0'} | {'value %d' % number for number in range(1, 9)}
for number in range(1, 9):
    value = 'value %d' % number
    result = door.attempt(ERP, 'Application', 'SetMapping', 'ssa{ss}a{sh}', '', '', texts(),
                          fds(password=given(value.encode())), timeout=0.4)
    # Acknowledged: this one it is. Else: this one or one of those before.
    held = {value} if result == 'ok' else held | {value}
    note('set', result)
    for turn in range(2):
        read, write = os.pipe()
        result = door.attempt(ROOT, 'Credentials', 'Lookup', 'ssa{sh}', 'erp', '', fds(password=write), timeout=0.4)
        os.close(write)
        note('lookup', result if result != 'ok' else os.read(read, 100).decode() in held)
        os.close(read)
    note('nothing', door.attempt(ROOT, 'Credentials', 'Lookup', 'ssa{sh}', 'none', '', fds(), timeout=0.4))
answer({what: sorted(map(str, results)) for what, results in said.items()})
''', 'alice')
    world.run(f'rm /tmp/fail-{name}')
    print(name, said)
    failures = {'NoReply', 'OutOfMemory'}
    # A change that was made is not called a failure either.
    assert set(said['set']) <= {'ok', 'NoReply', 'OutcomeUnknown'}
    assert set(said['lookup']) <= failures | {'True'}
    assert set(said['nothing']) <= failures | {'ApplicationNotFound'}
    # A kept reply that cannot be copied is made anew.
    assert name == 'dbus_message_copy' or any({'OutcomeUnknown', *failures} & set(results) for results in said.values()), 'nothing failed'
    assert world.service_pid() == pid
    assert bus_client.run(world, "answer([lookup(Door(door))[:6] for door in DOORS])", 'alice') == ['value '] * 2

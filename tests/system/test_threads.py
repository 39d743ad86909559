# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All threads of the service beside each other: its loop, the journal's writer and syncs, compaction and
verification, the name service, Argon2id, start and stop. What counts is what a service with a thread
sanitizer or under valgrind reports (make check-tsan, make check-valgrind); the rest is so that it cannot
be silent for want of work."""
import os
import subprocess
import time

import pytest

import bus_client
from conftest import wait_until

pytestmark = [pytest.mark.service, pytest.mark.unconfigured]

# A check by a slow tool needs more.
SECONDS = int(os.environ.get('MS_THREADS_SECONDS', '400'))

UNSEAL = '''
def unseal():
    return door.attempt(ROOT, 'Secret', 'Unseal', 'a{sh}', fds(passphrase=given(b'of the slot')), timeout=200)
'''
# Each until its input ends; answers with how often what came back.
LOAD = '''
import collections, threading
counts, over = collections.Counter(), threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
number = 0
while not over.is_set():
    number += 1
    for name, outcome in step(number):
        counts[f'{name} {outcome}'] += 1
answer(counts)
'''
OWN = '''
door = Door(DOOR)
big = os.urandom(60000)
def step(number):
    data = big if number % 8 else b'small'
    yield 'set', set_mapping(door, '', 'X' + str(os.geteuid()), data)
    value = lookup(door)
    yield 'lookup', value if value[0].isupper() and len(value) < 40 else 'ok'
    if number % 5 == 0:
        yield 'verify', verify(door, data)
'''
OTHERS = '''
door = Door('direct')
def step(number):
    yield 'set', set_mapping(door, 'user:bob' if number % 2 else 'user:alice', f'Y{number % 3}')
'''
NAMES = '''
door = Door('direct')
def step(number):
    # Names that nobody has asked for yet.
    yield 'ask', create(door, users=names('clerks', f'user:nobody{number}'))
'''
KEYS = '''
door = Door()
''' + UNSEAL + '''
def step(number):
    time.sleep(0.3)
    yield 'reload', door.attempt(ROOT, 'Manager', 'Reload', '')
    if number % 10 == 1 and number < 60:  # a slow machine takes long to unseal, and nothing is written meanwhile
        yield 'seal', door.attempt(ROOT, 'Secret', 'Seal', '')
        yield 'unseal', unseal()
'''
CALLERS = (('alice', "DOOR = 'bus'\n" + OWN), ('bob', "DOOR = 'direct'\n" + OWN), ('carol', OTHERS),
           ('root', NAMES), ('root', KEYS))


def told(world, words):
    return sum(f'detail="{words}"' in line for line in world.audit())


def begin(world, user, code):
    return subprocess.Popen(
        world.command(['/usr/bin/python3', '-c', bus_client.PRELUDE + code + LOAD], user),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def furnish(world):
    world.start_service()
    assert bus_client.run(world, '''
door, backup = Door(), os.open('/root/b', os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
pipes = {'passphrase': given(b'of the backup'), 'slot-passphrase': given(b'of the slot'), 'backup': backup}
answer([door.attempt(ROOT, 'Secret', 'Generate', 'sssa{sh}', 'passphrase', '', '', fds(**pipes), timeout=200),
        create(door)])''', timeout=300) == ['ok', 'ok']


def unseal(world):
    return bus_client.run(world, 'door = Door()\n' + UNSEAL + 'answer([unseal(), door.state()])', timeout=300)


def load(world):
    callers = [begin(world, user, code) for user, code in CALLERS]
    try:
        wait_until(lambda: told(world, 'compacted') or any(caller.poll() is not None for caller in callers),
                   'a compaction', SECONDS)
    finally:
        results = [caller.communicate(timeout=SECONDS)[0] for caller in callers]
        print(*results)
    return ' '.join(results)


def stop_at_every_moment_of_a_start(world):
    """A view that is gone is built again by a thread, after each unsealing."""
    for moment in range(6):
        world.kill_service('KILL')
        world.run(f'rm -f {world.state}/view*')
        world.start_service()
        opener = begin(world, 'root', KEYS)
        time.sleep(0.4 + 0.2 * moment)
        world.kill_service('TERM')
        opener.communicate(timeout=SECONDS)
        world.start_service()


def test_all_threads_at_once(world):
    furnish(world)
    counts = load(world)
    for word in ('set ok', 'lookup ok', 'verify True', 'ask AccountNotFound', 'reload ok', 'seal ok', 'unseal ok'):
        assert word in counts, counts
    world.restart_service()
    assert unseal(world) == ['ok', 'ready']
    wait_until(lambda: told(world, 'verified'), 'the verification', SECONDS)
    stop_at_every_moment_of_a_start(world)
    assert unseal(world)[1] == 'ready' and told(world, 'view rebuilt')
    assert len(bus_client.run(world, 'answer(lookup(Door()))', 'alice')) in (5, 6, 60000)

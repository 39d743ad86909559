# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service as it is shipped, killed at and failed in each step that it takes towards the disk and the
bus, for changes of records and for what is done to the master secret. tests/unit/steps.c stands before the C
library for that, so that the service has nothing in it for tests: one of them is that it has not.
`make check-kill` leaves out no step."""
import json
import os
import random

import pytest

from conftest import SOURCE

pytestmark = pytest.mark.service

IN_FULL = int(os.environ.get('MS_KILLS', '0')) >= 600
SEED = os.environ.get('MS_KILL_SEED') or str(random.SystemRandom().randrange(10**9))


def lay_steps(world):
    inner = world.daemon + '.inner'
    world.run(f'gcc -shared -fPIC -O1 -D_GNU_SOURCE -DSTEPS_PRELOAD -I{SOURCE} '
              f'-o /usr/local/lib/steps.so {SOURCE}/tests/unit/steps.c')
    world.run('head -c 64 /dev/zero >/run/steps && chmod 666 /run/steps')
    world.kill_service('TERM')
    world.run(f'mv {world.daemon} {inner}')
    world.write(world.daemon, '#!/bin/sh\nMS_STEPS=/run/steps LD_PRELOAD=/usr/local/lib/steps.so '
                f'exec {inner} "$@"\n', 0o755)


def run(world, program, amount):
    """What was hit, by what was done and how."""
    if world.sanitized:
        pytest.skip('a sanitizer stands before the C library itself')
    lay_steps(world)
    print(f'MS_KILL_SEED={SEED}')
    done = world.run(['/usr/bin/python3', '-B', f'{SOURCE}/tests/system/{program}', amount, SEED], timeout=1500)
    result = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(result, indent=1))
    assert not result['wrong'], '\n'.join([f'MS_KILL_SEED={SEED}', *result['wrong']])
    return result['counts']


def test_killed_and_failed_at_each_step(world):
    counts = run(world, 'step_run.py', '1' if IN_FULL else '0.1')
    # Each way of writing has its steps, or nothing was before the service.
    for thing in ('set', 'delete_mapping', 'update', 'seal', 'stop', 'start'):
        assert counts[f'{thing}, killed before'] >= 3, thing


def test_master_secret_killed_and_failed_at_each_step(world):
    counts = run(world, 'secret_step_run.py', '0' if IN_FULL else '3')
    assert sum(sum(tried.values()) for faults in counts.values() for tried in faults.values()) > 5
    # A rotation stores the keyring four times, and compacts the journal; a restore names the old keyring.
    for thing, least in () if not IN_FULL else (
            ('rotate', {'renameat2': 3, 'renameat': 1, 'fsync': 8, 'fdatasync': 3, 'pwrite': 10, 'unlinkat': 3}),
            ('back_up', {'rename': 1, 'fsync': 4, 'renameat2': 1}),
            *((f'restore_{what}', {'linkat': 1, 'renameat2': 1, 'fsync': 3}) for what in ('over', 'sealed', 'lost')),
            ('replace_slot', {'renameat2': 2, 'fsync': 4})):
        for name, count in least.items():
            hit = [counts[thing][how].get(name, 0) for how in ('killed before', 'killed amidst')]
            assert max(hit) >= count, (thing, name, hit)


def test_nothing_for_tests_in_the_service(shared_world):
    if shared_world.sanitized:
        pytest.skip('of the service as it is shipped')
    text = shared_world.run(f'strings -a {shared_world.daemon}; nm -D {shared_world.daemon}').stdout
    assert 'org.mastersecret1' in text and 'fdatasync' in text
    for word in ('MS_STEPS', 'MS_KILL', 'LD_PRELOAD', '__wrap', 'countdown'):
        assert word not in text, word

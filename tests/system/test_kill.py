# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that was acknowledged is lost, however the service ends. MS_KILLS sets how often it is
killed (`make check-kill` does), MS_KILL_SEED repeats a run."""
import json
import os
import random
import time

import pytest

import bus_client
from conftest import SOURCE, wait_until

pytestmark = pytest.mark.service

KILLS = int(os.environ.get('MS_KILLS', '100'))
SEED = os.environ.get('MS_KILL_SEED') or str(random.SystemRandom().randrange(10**9))


def under_load(world, signal_name, times):
    print(f'MS_KILL_SEED={SEED} {signal_name}')
    done = world.run(['/usr/bin/python3', '-B', f'{SOURCE}/tests/system/kill_run.py', signal_name,
                      str(times), SEED], timeout=120 + 20 * times)
    result = json.loads(done.stdout.splitlines()[-1])
    print(result)
    assert not result['wrong'], '\n'.join([f'MS_KILL_SEED={SEED}', *result['wrong']])
    assert result['killed'] >= times
    # Each of the writers got something done, whatever else the machine does.
    assert min(result['acknowledged']) > times // 10 and sum(result['acknowledged']) > times
    return result


def test_killed_at_random_moments(world):
    result = under_load(world, 'KILL', KILLS)
    # Else the kills missed the writes.
    assert result['doubtful'] >= KILLS
    events = world.audit()
    assert any('detail="view rebuilt"' in line for line in events)
    assert not any('damage' in line for line in events)


def test_stopped_under_load(world):
    under_load(world, 'TERM', 15)
    # Stopped in order, it starts from its view as it is; but for a compaction that ended after the stop, of
    # which the view did not hear: then it is built again.
    events = [line for line in world.audit() if any(f' MS010{code} ' in line for code in (0, 1, 4))]
    rebuilt = [index for index, line in enumerate(events) if 'view rebuilt' in line]
    for index in rebuilt:
        start = max(number for number in range(index) if ' MS0100 ' in events[number])
        assert 'compacted' in events[start - 1], events[start - 3:index + 1]


def test_start_after_a_stop_is_quick(world):
    assert bus_client.run(world, '''
door = Door()
assert create(door) == 'ok'
for number in range(3000):
    assert door.attempt(ERP, 'Application', 'SetMapping', 'ssa{ss}a{sh}', 'user:alice', 'A',
                        texts(client=str(number)), fds()) == 'ok'
answer('ok')''', timeout=600) == 'ok'
    world.kill_service('TERM')
    since, begin = len(world.whole_audit()), time.monotonic()
    world.start_service()
    print(f'{time.monotonic() - begin:.3f} s')

    def told():
        return [line for line in world.audit()[since:] if 'verified' in line or 'rebuilt' in line]
    wait_until(told, 'the view to be compared with the journal')
    assert not any('rebuilt' in line for line in told())

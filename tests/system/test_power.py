# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was acknowledged before the power went is there when it comes back. `make check-kill` cuts more
often."""
import json
import os
import random

import pytest

from conftest import SOURCE

pytestmark = pytest.mark.service

CUTS = max(4, int(os.environ.get('MS_KILLS', '0')) // 20)
SEED = os.environ.get('MS_KILL_SEED') or str(random.SystemRandom().randrange(10**9))


def test_power_cut_by_a_copy_of_the_mounted_image(world):
    if not os.path.exists('/dev/loop-control'):
        pytest.skip('no loop devices here')
    print(f'MS_KILL_SEED={SEED}')
    done = world.run(['/usr/bin/python3', '-B', f'{SOURCE}/tests/system/power_run.py', str(CUTS), SEED],
                     timeout=300 + 20 * CUTS)
    result = json.loads(done.stdout.splitlines()[-1])
    print(result)
    assert not result['wrong'], '\n'.join([f'MS_KILL_SEED={SEED}', *result['wrong']])
    assert len(result['acknowledged']) == CUTS and all(map(all, result['acknowledged']))

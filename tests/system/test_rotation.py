# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rotation of the master secret beside everything else, by whom it may be asked for, and what is left when the
service is killed in the midst of it. `make check-kill` kills 300 times (MS_KILLS / 2), MS_KILL_SEED repeats a run."""
import json
import os
import random
import re

import pytest

import bus_client
from conftest import SOURCE

pytestmark = pytest.mark.service

KILLS = int(os.environ.get('MS_KILLS', '16')) // 2
SEED = os.environ.get('MS_KILL_SEED') or str(random.SystemRandom().randrange(10**9))
STEPS = ('backup', 'switch', 'walk', 'proof', 'retire', 'compact')

ROTATE = r'''
def rotation(door):
    return {str(key): value for key, value in door.call(
        ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', OURS + '.Secret', 'Rotation').items()}

def rotate(door, **options):
    path = '/tmp/backup.%d' % time.monotonic_ns()
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    return door.attempt(ROOT, 'Secret', 'Rotate', 'a{sv}a{sh}', variants(**options),
                        fds(passphrase=given(b'correct horse battery'), backup=file), timeout=150), path

def ended(door):
    end = time.monotonic() + 200
    while (now := rotation(door))['state'] != 'idle' and time.monotonic() < end:
        time.sleep(0.02)
    return {key: (str if isinstance(value, str) else int)(value) for key, value in now.items()}
'''


def run(world, script, user='root', **options):
    return bus_client.run(world, ROTATE + script, user, **options)


def test_rotates(shared_world):
    result = run(shared_world, '''
door = Door()
assert create(door) == 'ok'
assert set_mapping(door, 'user:alice', 'A', b'of alice') == 'ok'
before = door.call(ROOT, 'Secret', 'Census', '')
outcome, path = rotate(door)
assert outcome == 'ok', outcome
now = ended(door)
census = door.call(ROOT, 'Secret', 'Census', '')
answer({'now': now, 'size': os.stat(path).st_size, 'alice': lookup(door, 'alice'),
        'before': [[int(g[0]), str(g[4]), {str(k): int(v) for k, v in g[5].items()}] for g in before],
        'after': [[int(g[0]), str(g[4]), {str(k): int(v) for k, v in g[5].items()}] for g in census],
        'ids': [str(before[-1][1]), str(census[-1][1])], 'generation': int(door.manager('Generation')), 'backup': int(door.manager('BackupGeneration'))})
''', timeout=300)
    before = result['before'][-1]
    assert result['before'] == [[before[0], 'active', {'application': 1, 'mapping': 1, 'reservation': 2}]]
    assert result['after'] == [[before[0] + 1, 'active', before[2]]]
    assert result['generation'] == result['backup'] == before[0] + 1
    assert result['now']['done'] == result['now']['total'] == 4
    assert result['now']['re-encrypted'] == 4 and result['now']['unreadable'] == 0
    assert result['now']['ended'] >= result['now']['begun'] > 0 and result['now']['error'] == ''
    assert result['size'] > 500 and result['alice'] == 'of alice'
    events = [line for line in shared_world.audit() if ' MS0115 ' in line]
    assert 'uid=0' in events[0] and ' ok ' in events[0]
    names = f'from generation {before[0]} ({result["ids"][0]}) to {before[0] + 1} ({result["ids"][1]})'
    assert f'began {names}: 4 records' in events[1]
    assert f'ended {names}: 4 records sealed anew, 0 unreadable' in events[-1]


def test_what_is_refused(shared_world):
    assert run(shared_world, '''
door = Door()
file = os.open('/tmp/full', os.O_RDWR | os.O_CREAT, 0o600)
os.write(file, b'x')
def attempt(options, descriptors):
    return door.attempt(ROOT, 'Secret', 'Rotate', 'a{sv}a{sh}', variants(**options), descriptors)
before = door.call(ROOT, 'Secret', 'Census', '')
empty = os.open('/tmp/empty', os.O_RDWR | os.O_CREAT, 0o600)
answer([attempt({'hint': 'x'}, dbus.Dictionary({}, signature='sh')), attempt({}, fds(backup=empty)),
        attempt({'nothing': True}, fds(passphrase=given(b'correct horse'), backup=empty)),
        attempt({'rate': 'fast'}, fds(passphrase=given(b'correct horse'), backup=empty)),
        attempt({}, fds(passphrase=given(b'short'), backup=empty)),
        attempt({}, fds(passphrase=given(b'correct horse'))),
        attempt({}, fds(passphrase=given(b'correct horse'), backup=file)),
        *(attempt({'dry-run': True}, descriptors) for descriptors in (
            dbus.Dictionary({}, signature='sh'), fds(backup=empty), fds(passphrase=given(b'short'), backup=empty),
            fds(passphrase=given(b'correct horse')), fds(passphrase=given(b'correct horse'), backup=empty))),
        os.fstat(empty).st_size, door.call(ROOT, 'Secret', 'Census', '') == before])''') == [
            'NoRecipients', 'NoRecipients', 'InvalidArgument', 'InvalidArgument', 'InvalidArgument', 'InvalidArgument',
            'BadDescriptor', 'NoRecipients', 'NoRecipients', 'InvalidArgument', 'InvalidArgument', 'ok', 0, True]


def test_again_pause_and_signals(shared_world):
    """A second one is refused or waits; paused it stays; each change is told, at most once a second and step."""
    result = run(shared_world, '''
door = Door()
first = int(door.manager('Generation'))
heard = []
signals = dbus.bus.BusConnection('unix:path=/run/dbus/system_bus_socket')
signals.add_match_string("type='signal',sender='org.mastersecret1',path='/org/mastersecret1'")
signals.add_message_filter(lambda _, message: heard.append((message.get_member(), message.get_args_list())))
for number in range(60):
    assert create(door, f'app{number}') == 'ok'
outcome = [rotate(door, rate=dbus.UInt32(2))[0]]  # 30 s, unless it is told to hurry
while rotation(door)['state'] != 'walk':
    time.sleep(0.01)
outcome += [rotate(door)[0], door.attempt(ROOT, 'Secret', 'PauseRotation', '')]
while rotation(door)['state'] != 'paused':
    time.sleep(0.01)
paused = int(rotation(door)['done'])
time.sleep(0.3)
outcome += [int(rotation(door)['done']) == paused, create(door, 'meanwhile'),
            rotate(door, again=True)[0], bool(rotation(door)['queued']), rotate(door, again=True)[0],
            door.attempt(ROOT, 'Secret', 'SetRotationRate', 'u', 0),
            door.attempt(ROOT, 'Secret', 'ResumeRotation', '')]
end = time.monotonic() + 120
while int(rotation(door)['to']) < first + 2 and time.monotonic() < end:
    time.sleep(0.02)
now = ended(door)
signals.close()
answer({'outcome': outcome, 'to': now['to'] - first, 'generations': len(door.call(ROOT, 'Secret', 'Census', ''))})
''', timeout=400)
    assert result['outcome'] == ['ok', 'RotationRunning', 'ok', True, 'ok', 'ok', True, 'RotationRunning', 'ok', 'ok']
    assert result['to'] == 2 and result['generations'] == 1


def test_by_busctl_alone(shared_world):
    """With a recipient and a directory it takes no secret; and each tenth of it is in the audit."""
    def busctl(interface, *words):
        return shared_world.run(['busctl', 'call', 'org.mastersecret1', '/org/mastersecret1', f'org.mastersecret1.{interface}',
                                 *words]).stdout
    shared_world.run('install -d -o mastersecret -m 700 /srv/backup')
    public = shared_world.run('mastersecret secret recipient new --private-file /root/recipient').stdout.split()[1]
    shared_world.write(shared_world.config, '[secret]\nbackup-directory = /srv/backup\nrotation-rate = 400\n')
    busctl('Manager', 'Reload')
    busctl('Secret', 'AddRecipient', 'ss', 'safe', public)
    run(shared_world, "door = Door()\nanswer([create(door, f'tenth{number}') for number in range(20)])")
    kind, to = busctl('Secret', 'Rotate', 'a{sv}a{sh}', '0', '0').split()
    assert run(shared_world, "answer(ended(Door()))", timeout=240)['to'] == int(to) and kind == 'u'
    tenths = [int(found[1]) for line in shared_world.audit()
              if (found := re.search(fr' MS0115 .*\b(\d+) %: \d+ of \d+ records are under generation {to}\b', line))]
    assert tenths == list(range(10, 100, 10))
    shared_world.run('mastersecret secret backup verify /srv/backup/* --private-key /root/recipient')


def test_killed_at_every_step(world):
    print(f'MS_KILL_SEED={SEED}')
    done = world.run(['/usr/bin/python3', '-B', f'{SOURCE}/tests/system/rotation_run.py', str(KILLS), SEED],
                     timeout=300 + 20 * KILLS)
    result = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(result))
    assert not result['wrong'], '\n'.join([f'MS_KILL_SEED={SEED}', *result['wrong']])
    assert sum(result['killed'].values()) >= KILLS
    # Each of the callers got something done, whatever else the machine does.
    assert result['rotations'] >= 1 and all(count > KILLS // 2 for count in result['acknowledged'][:-1])
    if KILLS >= 300: # else chance may leave one out
        assert all(result['killed'].get(step, 0) > 5 for step in STEPS), result['killed']

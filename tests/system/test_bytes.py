# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changed and cut bytes in each file of a cleanly stopped service, by the service itself: its answers, its
status, its audit. tests/unit/store_bytes_test tries every byte, in process; this is a sample of them, the same
one each time (MS_BYTES_SEED for another)."""
import os
import random
import re
import sys

from nacl.exceptions import CryptoError
import pytest

import bus_client
from conftest import SOURCE

sys.path.insert(0, f'{SOURCE}/tests/format')

import reader  # noqa: E402

pytestmark = pytest.mark.service

SEED = int(os.environ.get('MS_BYTES_SEED', '50'))

# What a refusal must name: the file, and where in it there is a where. The keyring is sealed as a whole.
NAMED = {
    'journal': r'journal: .*(byte \d+|header|end)|revision \d+|journal.* newer|newer.* journal',
    'anchor': r"anchor '/var/lib/mastersecret-anchor/anchor'|anchor.*revision \d+",
    'keyring': r'keyring: ',
}
# Served from a view that holds all of it, a journal is checked meanwhile.
TOLD = r'journal: (damaged at|cut off at) byte \d+'

DRIVER = r'''
import subprocess
FOLDER, ANCHOR = '/var/lib/mastersecret', '/var/lib/mastersecret-anchor/anchor'
AUDIT = '/var/log/mastersecret-audit.log'
BUS = 'org.freedesktop.DBus'
# How a start ends: what it serves has been compared with the journal, or it serves nothing. Before, an answer
# comes from a view of which nobody knows yet whether it is right.
ENDS = ('storage ok detail="verified', 'storage ok detail="view rebuilt', 'journal: damaged at', 'unseal failed')
FILES = {name: f'{FOLDER}/{name}' for name in ('journal', 'view', 'keyring')}
FILES['anchor'] = ANCHOR
USERS = {'alice': 'one', 'bob': 'two'}
bus = connect()

def read(path):
    with open(path, 'rb') as file:
        return file.read()
def write(path, data):
    with open(path, 'r+b') as file:
        file.write(data)
        file.truncate()
def service_pid():
    return int(bus.call_blocking(BUS, '/org/freedesktop/DBus', BUS, 'GetConnectionUnixProcessID', 's', [OURS]))
def stop():
    pid = service_pid()
    os.kill(pid, 15)
    while os.path.exists(f'/proc/{pid}'):
        time.sleep(0.005)
def found(door, user):
    """As root, who may act for them; a view that is being built is waited for."""
    end = time.monotonic() + 30
    while True:
        value = lookup(door, user)
        if value not in ('Rebuilding', 'Damaged') or time.monotonic() > end:
            return value
        time.sleep(0.02)
def audited(since):
    """What the service that runs has said of its start, when that has ended."""
    mark, end = f'mastersecretd[{service_pid()}]:', time.monotonic() + 60
    while time.monotonic() < end:
        with open(AUDIT, errors='replace') as log:
            log.seek(since)
            text = ''.join(line for line in log if mark in line)
        if any(words in text for words in ENDS):
            return text
        time.sleep(0.01)
    raise TimeoutError(text)

def keep():
    """What a clean stop leaves; the files are put back as they are, owner and mode too."""
    subprocess.run(['cp', '-a', FOLDER, '/root/state'], check=True)
    subprocess.run(['cp', '-a', ANCHOR, '/root/anchor'], check=True)
    return kept()
def kept():
    return {name: read('/root/anchor' if name == 'anchor' else f'/root/state/{name}') for name in FILES}
def put_back():
    for name in os.listdir(FOLDER):
        if not os.path.exists(f'/root/state/{name}'):
            os.unlink(f'{FOLDER}/{name}')
    subprocess.run(['cp', '-a', '/root/state/.', FOLDER], check=True)
    subprocess.run(['cp', '-a', '/root/anchor', ANCHOR], check=True)

def damaged(data, damage):
    kind, place = damage
    if kind == 'cut':
        return data[:place]
    if kind == 'zero':
        return data[:place] + bytes(min(512, len(data) - place)) + data[place + 512:]
    byte, bit = divmod(place, 8)
    return data[:byte] + bytes([data[byte] ^ 1 << bit]) + data[byte + 1:]

def outcome_of(good, name, damage):
    put_back()
    bad = damaged(good[name], damage)
    write(FILES[name], bad)
    since = os.path.getsize(AUDIT)
    door = Door()
    outcome = {'audit': audited(since)}
    values = {user: found(door, user) for user in USERS}
    outcome |= {'state': door.state(), 'text': str(door.manager('StateText')),
                'right': values == USERS, 'values': list(values.values()),
                'applications': int(door.manager('Applications'))}
    if outcome['state'] == 'sealed':
        outcome['status'] = subprocess.run(['mastersecret', 'status'], capture_output=True, text=True).stdout
    stop()
    outcome['kept'] = read(FILES[name]) == bad
    return outcome
'''

FURNISH = r'''
door = Door()
assert create(door) == 'ok'
for turn in ('zero', None):
    for user, value in USERS.items():
        assert set_mapping(door, 'user:' + user, 'at ' + user, (turn or value).encode()) == 'ok'
stop()
good = keep()
answer({name: [len(data), len(data.rstrip(b'\0'))] for name, data in good.items()})
'''


def damages(sizes):
    """[file, [kind, place]]: byte for a cut and zeros, bit for a flip."""
    chance = random.Random(SEED)
    chosen = []
    for name, flips, cuts in (('journal', 14, 4), ('view', 6, 3), ('keyring', 8, 3), ('anchor', 5, 2)):
        size, used = sizes[name]
        chosen += [[name, ['flip', chance.randrange(8 * used)]] for _ in range(flips)]
        chosen += [[name, ['cut', place]] for place in [0, used - 1, *chance.sample(range(1, used), cuts - 1)]]
        chosen.append([name, ['zero', chance.randrange(used)]])
        if size > used:
            chosen.append([name, ['flip', 8 * chance.randrange(used, size)]])
    return chosen


def wrong(name, outcome):
    """What is wrong with it, or None."""
    if outcome['state'] != 'sealed':
        if not outcome['right'] or outcome['applications'] != 1:
            return 'a wrong value or a silently empty start'
        if name == 'journal' and not re.search(TOLD, outcome['audit']):
            return 'served, and nothing is told'
        return None
    if outcome['values'] != ['Sealed', 'Sealed']:
        return 'sealed, but answers'
    if name == 'view':
        return 'a view is built again'
    if not outcome['kept']:
        return 'the damaged file was changed'
    for place in ('text', 'status', 'audit'):
        if not re.search(NAMED[name], outcome[place]):
            return f'{place} does not name file and place'
    return None


def test_gnome_keyring_50_no_byte_empties_the_store_or_changes_a_value(shared_world):
    sizes = bus_client.run(shared_world, DRIVER + FURNISH)
    chosen = damages(sizes)
    outcomes = bus_client.run(shared_world, DRIVER + f'''
good = kept()
answer([outcome_of(good, *case) for case in {chosen!r}])''', timeout=300)
    bad = [(case, complaint, outcome) for case, outcome in zip(chosen, outcomes)
           if (complaint := wrong(case[0], outcome))]
    print(f'{len(chosen)} damages (seed {SEED}), '
          f'{sum(outcome["state"] == "sealed" for outcome in outcomes)} refused')
    assert not bad, '\n'.join(map(str, bad))
    # The sample must have met both.
    assert any(outcome['state'] == 'sealed' for outcome in outcomes)
    assert any(outcome['state'] != 'sealed' for outcome in outcomes)
    # And what is put back is served.
    assert bus_client.run(shared_world, DRIVER + '''
put_back()
door = Door()
answer([lookup(door, user) for user in USERS])''') == ['one', 'two']


def test_a_damaged_backup_is_refused(shared_world):
    """No command opens a backup yet; the second reader does, written from doc/FORMAT alone."""
    with open(shared_world.path(shared_world.backup), 'rb') as file:
        good = file.read()
    passphrase = shared_world.passphrase.encode()
    reader.read_backup(good, passphrase)
    chance = random.Random(SEED)
    for _ in range(2):
        bit = chance.randrange(8 * len(good))
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        # Whatever the bit broke, it is said: a field, the key, the seal.
        with pytest.raises((reader.FormatError, ValueError, CryptoError)):
            reader.read_backup(bytes(bad), passphrase)
    for size in (0, len(good) - 1, chance.randrange(1, len(good))):
        with pytest.raises((reader.FormatError, ValueError)):
            reader.read_backup(good[:size], passphrase)

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records as a file: exported while serving, imported into an empty service; and the service's look at itself."""
import pytest

import bus_client
from test_restore import RESTORE, furnish, lookups, manager, wipe

pytestmark = pytest.mark.service

EXPORT = RESTORE + r'''
def export(path='/root/export', mode=0o600, flags=os.O_RDWR | os.O_CREAT):
    got = told(lambda: door.call(ROOT, 'Manager', 'Export', 'a{sh}', named({'file': os.open(path, flags, mode)}), timeout=60))
    return [int(one) for one in got] if not isinstance(got[0], str) else got[0]
def import_(path='/root/export'):
    got = told(lambda: door.call(ROOT, 'Manager', 'Import', 'a{sh}', named({'file': os.open(path, os.O_RDONLY)}), timeout=60))
    return int(got) if isinstance(got, int) else got[0]
def check(deep=False):
    return [[str(part) for part in one] for one in door.call(ROOT, 'Secret', 'Check', 'b', dbus.Boolean(deep), timeout=60)]
'''


def ask(world, code, user='root', timeout=120):
    return bus_client.run(world, EXPORT + code, user, timeout)


def test_export_and_import(world):
    """Whole, at one revision; taken by an empty service with the same keys only, and only if all of it opens."""
    furnish(world)
    revision, records = ask(world, 'answer(export())')
    assert manager(world, 'Revision') == f't {revision}' and records >= 3
    assert ask(world, '''
open('/root/full', 'w').write('x')
answer([export(), export('/root/readable', 0o644), export('/dev/null'), export('/root/full'), import_()])
''') == ['BadDescriptor'] * 4 + ['NotEmpty']
    data = open(world.path('/root/export'), 'rb').read()
    assert b'first' not in data and b'ALICE01' not in data
    wipe(world, f'{world.state}/*', f'{world.anchor}/*')
    assert ask(world, 'answer([import_(), restore()["unreadable"]])') == ['Unconfigured', 0]
    assert ask(world, '''
whole = open('/root/export', 'rb').read()
open('/root/cut', 'wb').write(whole[:-1])
open('/root/changed', 'wb').write(whole[:300] + bytes([whole[300] ^ 1]) + whole[301:])
open('/root/nothing', 'wb').write(b'')
answer([import_('/root/cut'), import_('/root/changed'), import_('/root/nothing'), import_('/dev/null'), door.state(),
        int(door.manager('Applications'))])
''') == ['Damaged', 'Damaged', 'Damaged', 'BadDescriptor', 'ready', 0]
    assert ask(world, 'answer([import_(), door.state(), import_(), int(door.manager("Mappings"))])') == [records, 'ready', 'NotEmpty', 2]
    assert lookups(world) == ['first', 'second']
    assert ask(world, 'answer(set_mapping(door, "user:alice", "A", b"later"))') == 'ok'
    world.restart_service()
    assert lookups(world) == ['later', 'second']
    audit = world.whole_audit()
    assert any('MS0118 export ok' in line for line in audit) and any('MS0119 import ok' in line for line in audit)
    assert any('MS0119 import failed error=NotEmpty' in line for line in audit)


def test_another_realms_export(make_world):
    worlds = [make_world(generate=False) for _ in range(2)]
    for world in worlds:
        ask(world, '''
pipes = {'passphrase': given(PASSPHRASE), 'backup': os.open('/root/one', os.O_RDWR | os.O_CREAT, 0o600)}
answer(len(secret(door, 'Generate', 'sssa{sh}', 'keyfile', '', '', **pipes)))''')
    ask(worlds[0], 'answer([create(door), export()])')
    with open(worlds[1].path('/root/export'), 'wb') as file:
        file.write(open(worlds[0].path('/root/export'), 'rb').read())
    assert ask(worlds[1], 'answer([import_(), door.state(), create(door)])') == ['OtherRealm', 'ready', 'ok']


def test_check(world):
    """Nothing to complain of but the one slot; then each thing that is wrong, with what mends it."""
    furnish(world)
    assert [[one[0], one[1][:13]] for one in ask(world, 'answer(check() + check(True))')] == [['note', 'only one slot']] * 2
    world.run(f'mv {world.state}/keyfile /root/keyfile')
    found = ask(world, 'answer(check())')
    assert ['error', True] in [[one[0], 'slot 1 (keyfile) does not open' in one[1]] for one in found], found
    assert all(one[2] for one in found)
    world.run(f'cp -p /root/keyfile {world.state}/keyfile; chown mastersecret {world.state}/keyfile')
    # A byte of a record changed on the disk, behind the service's back.
    world.run(f'printf "\\377" | dd of={world.state}/journal bs=1 seek=500 conv=notrunc status=none',
              check=False)
    assert 'error' in [one[0] for one in ask(world, 'answer(check(True))')]
    assert ask(world, 'answer(door.attempt(ROOT, "Secret", "Check", "b", False))', 'alice') == 'AccessDenied'

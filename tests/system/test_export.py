# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records as a file: exported while serving, imported into an empty service; and the service's look at itself."""
import contextlib
import subprocess

import pytest

import bus_client
from conftest import wait_until
from test_restore import RESTORE, furnish, lookups, manager, wipe

pytestmark = pytest.mark.service

EXPORT = RESTORE + r'''
def export(path='/root/export', mode=0o600, flags=os.O_RDWR | os.O_CREAT):
    got = told(lambda: door.call(ROOT, 'Manager', 'Export', 'a{sh}', named({'file': os.open(path, flags, mode)}), timeout=120))
    return [int(one) for one in got] if not isinstance(got[0], str) else got[0]
def import_(path='/root/export'):
    got = told(lambda: door.call(ROOT, 'Manager', 'Import', 'a{sh}', named({'file': os.open(path, os.O_RDONLY)}), timeout=120))
    return int(got) if isinstance(got, int) else got[0]
def anew():
    if os.path.exists('/root/export'):
        os.unlink('/root/export')
    return export()
def watched(do, tries=10):
    """What it gave, and whether Progress went from nothing to all of it meanwhile, and only forwards. Whoever looks on may
    look away for too long on a busy machine: then once more."""
    for turn in range(tries):
        told = watched_once(do)
        if told[1] is True:
            break
    return told
def watched_once(do):
    import threading
    other, points, ended = Door(), [], threading.Event()
    def watch():
        while not ended.wait(0.02):
            points.append([int(one) for one in other.manager('Progress')[:2]])
    thread = threading.Thread(target=watch)
    thread.start()
    got = do()
    ended.set()
    thread.join()
    points = [point for at, point in enumerate(points) if points[at - 1:at] != [point]]
    shares = [done / total for done, total in points if total]
    points.append([int(one) for one in other.manager('Progress')])
    fine = shares == sorted(shares) and any(0 < share < 1 for share in shares) and max(shares) <= 1
    return [got, fine and points[-1] == [0, 0, 0] or points]
def sealed_while_it_reads():
    """Unless it was through before that: then once more."""
    import threading
    for turn in range(10):
        got, other = [], Door()
        thread = threading.Thread(target=lambda: got.append(other.attempt(ROOT, 'Secret', 'Check', 'b', True, timeout=120)))
        thread.start()
        while thread.is_alive() and not door.manager('Progress')[1]:
            time.sleep(0.01)
        sealed = seal(door)
        thread.join()
        result = [sealed, *got, door.state(), unseal(door)]
        if got != ['ok']:
            break
    return result
def check(deep=False):
    return [[str(part) for part in one] for one in door.call(ROOT, 'Secret', 'Check', 'b', dbus.Boolean(deep), timeout=120)]
'''


def ask(world, code, user='root', timeout=300):
    return bus_client.run(world, EXPORT + code, user, timeout)


@contextlib.contextmanager
def slowed(world, milliseconds):
    """Each time that the service reads from the journal or an export takes as long."""
    pid = world.service_pid()
    strace = subprocess.Popen(world.command(
        ['strace', '-f', '-qq', '-o', '/dev/null', '-p', str(pid), '-e', 'trace=pread64',
         '-e', f'inject=pread64:delay_enter={milliseconds}ms']))
    wait_until(lambda: 'TracerPid:\t0' not in world.read(f'/proc/{pid}/status'), 'strace to attach')
    try:
        yield
    finally:
        world.run('kill $(pidof strace)')
        strace.wait()


def test_export_and_import(world):
    """Whole, at one revision; taken by an empty service with the same keys only, and only if all of it opens. Each that takes
    long tells how far it is."""
    furnish(world)
    with slowed(world, 60):
        ((revision, records), told), *others = ask(world, '''
answer([watched(anew), watched(lambda: restore(True)['unreadable']), sealed_while_it_reads()])''')
    assert told is True and others == [[0, True], ['ok', 'Sealed', 'sealed', 'ok']], (told, others)
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
    with slowed(world, 400):  # there is but one try
        assert ask(world, 'answer(watched(import_, 1))') == [records, True]
    assert ask(world, 'answer([door.state(), import_(), int(door.manager("Mappings"))])') == ['ready', 'NotEmpty', 2]
    assert lookups(world) == ['first', 'second']
    assert ask(world, 'answer(set_mapping(door, "user:alice", "A", b"later"))') == 'ok'
    world.restart_service()
    assert lookups(world) == ['later', 'second']
    audit = world.whole_audit()
    assert any('MS0118 export ok' in line for line in audit) and any('MS0119 import ok' in line for line in audit)
    assert any('MS0119 import failed error=NotEmpty' in line for line in audit)


def test_another_realms_export(world, make_world):
    other = make_world(generate=False)
    ask(other, '''
pipes = {'passphrase': given(PASSPHRASE), 'backup': os.open('/root/one', os.O_RDWR | os.O_CREAT, 0o600)}
answer(len(secret(door, 'Generate', 'sssa{sh}', 'keyfile', '', '', **pipes)))''')
    ask(world, 'answer([create(door), export()])')
    with open(other.path('/root/export'), 'wb') as file:
        file.write(open(world.path('/root/export'), 'rb').read())
    assert ask(other, 'answer([import_(), door.state(), create(door)])') == ['OtherRealm', 'ready', 'ok']


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

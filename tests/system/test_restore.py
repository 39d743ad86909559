# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores: on an empty machine, over lost or foreign keys, on a running service; what the dry run says; and
everything that refuses one before anything is touched. Backups are verified by the same means. Kills and faults amidst
a restore: test_steps.py."""
import os
import shutil

import pytest

import bus_client
from conftest import SOURCE
from test_backup import BACKUP, PRIVATE, make_public, manager

pytestmark = pytest.mark.service

RESTORE = BACKUP + r'''
PASSPHRASE = b'the passphrase of a backup'
def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return bool(value) if isinstance(value, dbus.Boolean) else int(value) if isinstance(value, int) else str(value)
def held(member, signature, *arguments, path='/root/one', **keys):
    """By the recipient's private key, unless something else is given: guessing a passphrase must take its time."""
    if not {'passphrase', 'private-key'} & set(keys):
        keys['private-key'] = open('/root/recipient', 'rb').read()
    keys = {name: given(value) for name, value in keys.items()}
    got = secret(door, member, signature, *arguments, backup=os.open(path, os.O_RDONLY), **keys)
    return plain(got) if isinstance(got, dict) else [str(one) for one in got]
def verify_backup(**options):
    return held('VerifyBackup', 'a{sh}', **options)
def restore(dry_run=False, options={}, **others):
    return held('Restore', 'ba{sv}a{sh}', dbus.Boolean(dry_run), dbus.Dictionary(options, signature='sv'), **others)
def generations(report):
    """Number and verdict of each, and that what was met was opened."""
    return [[one[0], one[2]] for one in report['generations']]
door = Door()
'''


def ask(world, code, user='root', timeout=300):
    return bus_client.run(world, RESTORE + code, user, timeout)


def furnish(world, passphrase='None'):
    """Two mappings, and a backup to a recipient or by the passphrase."""
    assert ask(world, f'''
answer([create(door), set_mapping(door, 'user:alice', 'ALICE01', b'first'), set_mapping(door, 'user:bob', 'BOB01', b'second'),
        door.attempt(ROOT, 'Secret', 'AddRecipient', 'ss', 'vault', {make_public(world)!r}),
        backup(door, '/root/one', 'in the safe', {passphrase})])
''') == ['ok'] * 5


def wipe(world, *what):
    world.kill_service('TERM')
    for path in what:
        world.run(f'rm -rf {path}')


def lookups(world):
    return [ask(world, 'door.state(); answer(lookup(door))', user) for user in ('alice', 'bob')]


def everything(world):
    return world.run(f'cd / && find {world.state} {world.anchor} -type f ! -name lock -exec sha256sum {{}} + | sort').stdout


def test_verify(world):
    """With the passphrase or a recipient's private key; all that is wrong has an error of its own."""
    furnish(world, 'PASSPHRASE')
    assert ask(world, '''
to_recipients = backup(door, '/root/two', passphrase=None)
private = open('/root/recipient', 'rb').read()
public = bytes(door.call(ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', OURS + '.Secret', 'Recipients')[0][1], 'ascii')
import subprocess
subprocess.run(['mastersecret', 'secret', 'recipient', 'new', '--private-file', '/root/other'], check=True, capture_output=True)
whole = open('/root/one', 'rb').read()
open('/root/cut', 'wb').write(whole[:-1])
open('/root/newer', 'wb').write(whole[:8] + b'\\x63' + whole[9:])
open('/root/text', 'w').write('nothing')
def error(**options):
    return verify_backup(**options)[0]
report = verify_backup(passphrase=PASSPHRASE)
answer([to_recipients, report['hint'], generations(report), report['records'] >= 3, report['sampled'] == report['records'],
        report['unreadable'], verify_backup(path='/root/two')['records'] == report['records'],
        error(passphrase=b'not the passphrase'), error(path='/root/two', passphrase=PASSPHRASE), error(path='/root/one'),
        error(path='/root/two', **{'private-key': open('/root/other', 'rb').read()}),
        error(path='/root/two', **{'private-key': private[:-4] + b'qqq'}), error(path='/root/two', **{'private-key': public}),
        error(path='/root/cut'), error(path='/root/newer'), error(path='/root/text'), error(path='/dev/null')])
''') == ['ok', 'in the safe', [[1, 'matches']], True, True, 0, True, 'WrongPassphrase', 'InvalidArgument', 'InvalidArgument',
         'WrongPassphrase', 'WrongPassphrase', 'InvalidArgument', 'Damaged', 'NewerFormat', 'BadDescriptor', 'BadDescriptor']
    assert any('MS0113 backup ok' in line and 'verified' in line for line in world.whole_audit())


def test_an_empty_machine(world):
    """Another machine: its name, id, address and service account matter to no backup."""
    furnish(world, 'PASSPHRASE')
    realm, epoch = manager(world, 'Realm'), int(manager(world, 'Epoch').split()[1])
    wipe(world, f'{world.state}/*', f'{world.anchor}/*')
    world.run('hostname elsewhere.example; tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id; '
              'ip address add 192.0.2.7/24 dev lo; sed -i "s/^mastersecret:x:[0-9]*:/mastersecret:x:4711:/" /etc/passwd; '
              f'chown mastersecret {world.state} {world.anchor} /run/mastersecret')
    world.restart_bus()
    assert manager(world, 'State') == 's "unconfigured"'
    before = everything(world)
    report = ask(world, 'answer(restore(True, passphrase=PASSPHRASE))')
    assert report['hint'] == 'in the safe' and report['records'] == 0 and everything(world) == before
    assert ask(world, 'answer([restore(passphrase=b"not the passphrase")[0], door.state()])') == ['WrongPassphrase', 'unconfigured']
    assert everything(world) == before
    assert ask(world, 'answer([restore(passphrase=PASSPHRASE)["unreadable"], door.state(), slots(door)])') == [0, 'ready', [[1, 'keyfile', 0, 0]]]
    assert manager(world, 'Realm') == realm and int(manager(world, 'Epoch').split()[1]) == epoch + 1
    assert manager(world, 'BackupDue') == 's ""'
    assert ask(world, 'answer(create(door))') == 'ok'
    world.restart_service()
    assert ask(world, 'answer([door.state(), create(door)])') == ['ready', 'ApplicationExists']


def test_a_lost_keyring(world):
    """The records are there, and read again; slots as asked for."""
    furnish(world)
    wipe(world, f'{world.state}/keyring', f'{world.state}/keyfile')
    assert manager(world, 'State') == 's "unconfigured"'
    report = ask(world, 'answer(restore(True))')
    assert report['records'] >= 3 and report['sampled'] == report['records'] and report['unreadable'] == 0
    assert 'kept-aside' not in ask(world, '''
answer(restore(False, {'slot': 'passphrase'}, **{'slot-passphrase': b'open sesame now'}))''')
    assert lookups(world) == ['first', 'second']
    world.restart_service()
    assert ask(world, 'answer([door.state(), unseal(door, passphrase=given(b"open sesame now"))])') == ['sealed', 'ok']
    assert lookups(world) == ['first', 'second']


def test_keys_that_do_not_open(world):
    """A keyring without any slot that opens: it is kept aside and named. A damaged one, too."""
    furnish(world)
    for spoil in (f'rm {world.state}/keyfile', f'printf x | dd of={world.state}/keyring bs=1 seek=3 conv=notrunc status=none'):
        world.kill_service('TERM')
        world.run(spoil)
        spoiled = world.run(f'sha256sum < {world.state}/keyring').stdout
        assert ask(world, 'answer(door.state())') == 'sealed'
        aside = ask(world, 'answer(restore()["kept-aside"])')
        assert world.run(f'sha256sum < {world.state}/{aside}').stdout == spoiled
        assert lookups(world) == ['first', 'second']
    assert any('MS0114 restore ok' in line and 'up to generation 1 (' in line and 'kept aside' in line for line in world.whole_audit())


def test_a_running_service(world):
    """It goes on serving; slots and what came since stay. A dry run leaves the keyring alone."""
    furnish(world)
    keyring = f'ls {world.state}; sha256sum {world.state}/keyring'
    before = world.run(keyring).stdout
    assert ask(world, 'answer(generations(restore(True)))') == [[1, 'matches']]
    assert world.run(keyring).stdout == before
    assert ask(world, '''
added = add(door, 'passphrase', passphrase=given(b'open sesame now'))
report = restore()
answer([added, generations(report), bool(report['kept-aside']), slots(door), set_mapping(door, 'user:alice', 'A', b'third')])
''') == [2, [[1, 'matches']], True, [[1, 'keyfile', 0, 0], [2, 'passphrase', 0, 0]], 'ok']
    assert lookups(world) == ['third', 'second']
    world.restart_service()
    assert lookups(world) == ['third', 'second']


def test_another_realm(world):
    """Its backup is refused, running, sealed or without keyring; nothing is touched."""
    for name, version in (('one', 'v2'), ('unsigned', 'v1')):
        shutil.copy(os.path.join(SOURCE, 'tests', 'fixtures', version, 'backup'), world.path(f'/root/{name}'))
    world.write('/root/recipient', PRIVATE)
    assert ask(world, '''
answer([create(door), restore()[0], restore(True)[0], verify_backup()[0],
        restore(path='/root/unsigned', passphrase=b'correct horse battery')[0]])''') == ['ok', *['OtherRealm'] * 4]
    ask(world, 'answer(seal(door))')
    before = everything(world)
    assert ask(world, 'answer([restore()[0], restore(True)[0], door.state()])') == ['OtherRealm', 'OtherRealm', 'sealed']
    world.run(f'mv {world.state}/journal /root/journal')
    assert ask(world, 'answer(restore()[0])') == 'OtherRealm'
    world.run(f'mv /root/journal {world.state}/journal')
    world.run(f'mv {world.state}/keyring /root/keyring')
    world.restart_service()
    assert ask(world, 'answer([restore()[0], restore(True)[0], door.state()])') == ['OtherRealm', 'OtherRealm', 'unconfigured']
    world.run(f'mv /root/keyring {world.state}/keyring')
    world.kill_service('TERM')
    assert everything(world) == before


def test_records_of_a_generation_that_the_backup_lacks(world):
    """After a rotation the older backup would leave records unreadable: refused, unless as many are given up."""
    furnish(world)
    assert ask(world, '''
new = os.open('/root/new', os.O_RDWR | os.O_CREAT, 0o600)
answer(secret(door, 'Rotate', 'a{sv}a{sh}', dbus.Dictionary(signature='sv'), backup=new) == 2)''')
    assert ask(world, '''
end = time.monotonic() + 60
def rotation():
    return door.call(ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', OURS + '.Secret', 'Rotation')
while rotation()['state'] != 'idle' and time.monotonic() < end:
    time.sleep(0.05)
answer(str(rotation()['state']))''') == 'idle'
    # Over the open keyring the older backup takes nothing away.
    assert ask(world, 'answer([generations(verify_backup(path="/root/new"))[-1], restore()["unreadable"]])') == [[2, 'matches'], 0]
    assert ask(world, 'answer(verify_backup()[0])') == 'RecordsUnreadable'
    wipe(world, f'{world.state}/keyring*', f'{world.state}/keyfile')
    report = ask(world, 'answer(restore(True))')
    count = report['unreadable']
    assert count == report['records'] > 0 and [2, '', 'not-in-backup'] == report['generations'][-1][:3]
    before = everything(world)
    accept = 'lambda count: restore(False, {"accept-loss": dbus.UInt64(count)})'
    assert ask(world, f'accept = {accept}; answer([restore()[0], accept({count - 1})[0], accept({count + 1})[0]])') == \
        ['RecordsUnreadable'] * 3
    assert everything(world) == before
    # Who gives up exactly what is lost may go on; with the right backup it is there again.
    assert ask(world, f'accept = {accept}; answer([accept({count})["unreadable"], door.state()])') == [count, 'ready']
    assert 'second' not in lookups(world)
    assert ask(world, 'answer(restore(path="/root/new")["unreadable"])') == 0
    assert lookups(world) == ['first', 'second']


def test_half_a_rotation(world):
    """Records of each generation are opened; a backup without one of them lacks so many; restored, the rotation goes on."""
    furnish(world)
    assert ask(world, '''
# One a second: so that the half of it lasts.
assert all(create(door, 'more%d' % number) == 'ok' for number in range(15))
new = os.open('/root/new', os.O_RDWR | os.O_CREAT, 0o600)
options = dbus.Dictionary({'rate': dbus.UInt32(1)}, signature='sv')
begun = int(secret(door, 'Rotate', 'a{sv}a{sh}', options, backup=new))
end = time.monotonic() + 60
def counts():
    return [sum(map(int, one[5].values())) for one in door.call(ROOT, 'Secret', 'Census', '')]
while 0 in counts() and time.monotonic() < end:
    time.sleep(0.05)
answer([begun, door.attempt(ROOT, 'Secret', 'PauseRotation', '')])''') == [2, 'ok']
    wipe(world, f'{world.state}/keyring*', f'{world.state}/keyfile')
    found = ask(world, 'answer(restore(True, path="/root/new")["generations"])')
    assert [one[0::2][:2] for one in found] == [[1, 'in-backup'], [2, 'in-backup']]
    assert all(records == sampled > 0 == unreadable for *_, records, sampled, unreadable in found), found
    assert ask(world, 'answer(restore(True)["unreadable"])') == found[1][3]
    assert ask(world, 'answer(restore(path="/root/new")["unreadable"])') == 0
    assert lookups(world) == ['first', 'second']
    assert ask(world, '''
end = time.monotonic() + 60
door.attempt(ROOT, 'Secret', 'SetRotationRate', 'u', dbus.UInt32(0))
while len(door.call(ROOT, 'Secret', 'Census', '')) > 1 and time.monotonic() < end:
    time.sleep(0.05)
answer([[int(one[0]), str(one[4])] for one in door.call(ROOT, 'Secret', 'Census', '')])''') == [[2, 'active']]
    assert lookups(world) == ['first', 'second']


def test_a_state_folder_older_than_its_anchor(world):
    """Refused until that is accepted; the anchor is kept aside."""
    furnish(world)
    world.kill_service('TERM')
    world.run(f'cp -a {world.state} /root/older')
    assert ask(world, 'answer([set_mapping(door, "user:alice", "A", b"newer")])') == ['ok']
    world.kill_service('TERM')
    world.run(f'rm -r {world.state}/* && cp -a /root/older/. {world.state}/ && rm {world.state}/keyfile')
    assert ask(world, 'answer(restore(True)["rolled-back"])') is True
    before = everything(world)
    assert ask(world, 'answer([restore()[0], door.state()])') == ['RolledBack', 'sealed']
    assert everything(world) == before
    assert ask(world, 'answer([restore(False, {"accept-rollback": True})["rolled-back"], door.state()])') == [True, 'ready']
    assert lookups(world) == ['first', 'second']
    assert os.path.exists(world.path(f'{world.anchor}/anchor.before-restore'))
    # The journal alone: the view is as new as the anchor, and goes aside, too.
    world.kill_service('TERM')
    world.run(f'cp -a {world.state}/journal /root/journal')
    assert ask(world, 'answer([set_mapping(door, "user:alice", "A", b"newest")])') == ['ok']
    world.kill_service('TERM')
    world.run(f'cp -a /root/journal {world.state}/journal')
    assert ask(world, 'answer([door.state(), "its view is of" in door.manager("StateText"), restore()[0]])') == \
        ['sealed', True, 'RolledBack']
    assert ask(world, 'answer([restore(False, {"accept-rollback": True})["rolled-back"], door.state()])') == [True, 'ready']
    assert lookups(world) == ['first', 'second']
    assert os.path.exists(world.path(f'{world.state}/view.before-restore'))

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What opens the master secret: slots of every kind, shares entered by several people, and who may do any of it."""
import pathlib
import sys

import pytest

import bus_client
from conftest import SOURCE

pytestmark = pytest.mark.service

SLOTS = r'''
def told(function, *arguments):
    """(the error's name, its text), or what came back."""
    try:
        return function(*arguments)
    except dbus.DBusException as error:
        return [error.get_dbus_name().replace(ERRORS, ''), error.get_dbus_message()]
def named(pipes):
    return dbus.Dictionary({name.replace('_', '-'): UnixFd(fd) for name, fd in pipes.items()}, signature='sh')
def secret(door, member, signature, *arguments, **pipes):
    if pipes or signature.endswith('a{sh}'):
        arguments += (named(pipes),)
    return told(lambda: door.call(ROOT, 'Secret', member, signature, *arguments, timeout=120))
def slots(door):
    got = door.call(ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', OURS + '.Secret', 'Slots')
    return [[int(slot[0]), str(slot[1]), int(slot[2]), int(slot[3])] for slot in got]
def progress(door):
    got = door.call(ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', OURS + '.Secret', 'UnsealProgress')
    return [int(got[0]), int(got[1])]
def shares(door, member, signature, first, threshold, count):
    """The answer, and the shares as they came through their pipes."""
    pipes = [os.pipe() for _ in range(count)]
    answered = secret(door, member, signature, first, dbus.UInt32(threshold),
                      **{f'share-{i + 1}': write for i, (_, write) in enumerate(pipes)})
    for _, write in pipes:
        os.close(write)
    texts = [os.read(read, 4096).decode() for read, _ in pipes]
    for read, _ in pipes:
        os.close(read)
    return answered, texts
def enter(door, text):
    got = secret(door, 'EnterShare', 'a{sh}', share=given(text.encode()))
    return [int(value) for value in got] if not isinstance(got[0], str) else str(got[0])
def add(door, kind, **pipes):
    got = secret(door, 'AddSlot', 'sua{sh}', kind, dbus.UInt32(0), **pipes)
    return int(got) if isinstance(got, int) else got[0]
def remove(door, number):
    return door.attempt(ROOT, 'Secret', 'RemoveSlot', 'u', dbus.UInt32(number))
def test(door, number, **pipes):
    got = secret(door, 'TestSlot', 'ua{sh}', dbus.UInt32(number), **pipes)
    return 'ok' if got is None else got[0]
def seal(door):
    return door.attempt(ROOT, 'Secret', 'Seal', '')
def unseal(door, **pipes):
    got = secret(door, 'Unseal', 'a{sh}', **pipes)
    return 'ok' if got is None else got[0]
'''


def ask(world, code, user='root', timeout=300):
    return bus_client.run(world, SLOTS + code, user, timeout)


def test_any_one_slot_opens_and_the_last_stays(world):
    """Added, tested, replaced and removed while others open it; no record is touched."""
    assert ask(world, '''
door = Door()
answer([create(door), set_mapping(door, 'user:alice', 'ALICE01'), slots(door)])
''') == ['ok', 'ok', [[1, 'keyfile', 0, 0]]]
    revision = world.run('busctl get-property org.mastersecret1 /org/mastersecret1 org.mastersecret1.Manager Revision').stdout
    assert ask(world, '''
door = Door()
answer([remove(door, 1), add(door, 'passphrase', passphrase=given(b'open sesame now')), slots(door),
        test(door, 1), test(door, 2, passphrase=given(b'open sesame now')),
        test(door, 2, passphrase=given(b'open sesame not')), test(door, 7),
        add(door, 'credential'), add(door, 'passphrase', passphrase=given(b'short')),
        remove(door, 1), slots(door), remove(door, 2), seal(door), unseal(door),
        unseal(door, passphrase=given(b'open sesame now'))])
''') == ['LastSlot', 2, [[1, 'keyfile', 0, 0], [2, 'passphrase', 0, 0]], 'ok', 'ok', 'WrongPassphrase', 'SlotNotFound',
         'InvalidArgument', 'InvalidArgument', 'ok', [[2, 'passphrase', 0, 0]], 'LastSlot', 'ok', 'NoSlotOpens', 'ok']
    assert ask(world, '''
door = Door()
read = lambda value: int(value) if isinstance(value, int) else value[0]
answer([read(secret(door, 'ReplaceSlot', 'uua{sh}', dbus.UInt32(2), dbus.UInt32(0), passphrase=given(b'another one here'))),
        slots(door), seal(door), unseal(door, passphrase=given(b'open sesame now')),
        unseal(door, passphrase=given(b'another one here')), add(door, 'keyfile'), seal(door), unseal(door)])
''') == [3, [[3, 'passphrase', 0, 0]], 'ok', 'WrongPassphrase', 'ok', 4, 'ok', 'ok']
    assert ask(world, 'answer(lookup(Door()))', 'alice') == 'secret'
    assert world.run('busctl get-property org.mastersecret1 /org/mastersecret1 org.mastersecret1.Manager Revision').stdout \
        == revision
    lines = [line for line in world.whole_audit() if 'MS0116' in line]
    assert any('slot ok' in line and 'slot 2 (passphrase) added' in line for line in lines), lines
    assert any('slot ok' in line and 'slot 1 (keyfile) removed' in line for line in lines), lines
    assert any('slot failed error=LastSlot' in line for line in lines), lines
    assert any('MS0112' in line and 'slot passphrase' in line for line in world.audit())
    world.restart_service()
    assert ask(world, 'answer([slots(Door()), Door().state()])') == \
        [[[3, 'passphrase', 0, 0], [4, 'keyfile', 0, 0]], 'ready']


def test_who_has_an_older_keyring_and_its_key_file_is_shut_out(world):
    """By a new key file, where the service has what opens every other slot; else the root key stays."""
    sys.path.insert(0, f'{SOURCE}/tests/format')
    import reader  # pylint: disable=import-outside-toplevel,import-error

    def files():
        return [pathlib.Path(world.path(f'{world.state}/{name}')).read_bytes() for name in ('keyring', 'keyfile')]

    def root_key(keyring, keyfile):
        cursor = reader.Cursor(keyring[28:])
        found = [reader.open_slot(cursor.block(), keyring[12:28], {1: keyfile}) for _ in range(cursor.number('H'))]
        return next(root for root in found if root)

    stolen = files()
    assert ask(world, '''
door = Door()
answer(int(secret(door, 'ReplaceSlot', 'uua{sh}', dbus.UInt32(1), dbus.UInt32(0))))
''') == 2
    present = files()
    assert stolen[1] != present[1] and root_key(*stolen) != root_key(*present)
    assert ask(world, '''
door = Door()
answer([add(door, 'passphrase', passphrase=given(b'open sesame now')),
        int(secret(door, 'ReplaceSlot', 'uua{sh}', dbus.UInt32(2), dbus.UInt32(0))), slots(door)])
''') == [3, 4, [[3, 'passphrase', 0, 0], [4, 'keyfile', 0, 0]]]
    assert root_key(*files()) == root_key(*present)  # nobody was asked for the passphrase
    assert ask(world, '''
door = Door()
answer([remove(door, 3), seal(door), unseal(door), test(door, 4)])
''') == ['ok'] * 4
    assert root_key(*files()) != root_key(*present)
    world.restart_service()
    assert ask(world, 'answer(Door().state())') == 'ready'


def test_shares(world):
    """Any two of three open it, in any order, by different people; forged, foreign and mistyped ones do not."""
    world.run("sed -i '/^mastersecret-admins:/s/$/carol/' /etc/group")
    assert ask(world, f'''
def enter_without_its_file(text):
    """Refused; and where the file is back, the next is not."""
    os.rename('{world.state}/keyring', '{world.state}/away')
    got = enter(door, text)
    os.rename('{world.state}/away', '{world.state}/keyring')
    return got
''' + '''
door = Door()
number, texts = shares(door, 'AddSlot', 'sua{sh}', 'shares', 2, 3)
_, old = shares(door, 'AddSlot', 'sua{sh}', 'shares', 2, 2)
other = connect_as('carol')
third = texts[2][:-3] + ('b' if texts[2][-3] != 'b' else 'c') + texts[2][-2:]
answer([int(number), len(set(texts)), all(text.startswith('ms1-') for text in texts), slots(door)[1:],
        test(door, 2, **{'share-1': given(texts[2].encode()), 'share-2': given(texts[0].encode())}),
        test(door, 2, **{'share-1': given(texts[2].encode())}),
        test(door, 2, **{'share-1': given(texts[2].encode()), 'share-2': given(old[0].encode())}),
        enter(door, texts[0]), seal(door), progress(door),
        enter_without_its_file(texts[2]), enter(door, third), enter(other, texts[2]), progress(door), enter(door, texts[2].upper()),
        enter(door, old[0]), door.attempt(ROOT, 'Secret', 'CancelShares', ''), progress(door),
        enter(door, texts[1]), enter(other, texts[0].replace('-', ' ')), door.state(), progress(door)])
''') == [2, 3, True, [[2, 'shares', 2, 3], [3, 'shares', 2, 2]], 'ok', 'InvalidArgument', 'BadShare', 'AlreadyUnsealed', 'ok',
         [0, 2], 'Unconfigured', 'BadShare', [1, 2], [1, 2], [1, 2], 'BadShare', 'ok', [0, 2], [1, 2], [2, 2], 'ready', [0, 0]]
    audit = [line for line in world.whole_audit() if 'MS0112' in line]
    assert any('share 1 of 2' in line for line in audit) and any('share 2 of 2; slot shares' in line for line in audit), audit
    assert world.run('busctl get-property org.mastersecret1 /org/mastersecret1 org.mastersecret1.Manager SlotUsed'
                     ).stdout == 's "shares"\n'


def test_shares_that_cannot_be_handed_out_make_no_slot(world):
    assert ask(world, '''
door = Door()
pipes = [os.pipe() for _ in range(3)]
os.close(pipes[1][0])
ends = {f'share-{i + 1}': write for i, (_, write) in enumerate(pipes)}
refused = secret(door, 'AddSlot', 'sua{sh}', 'shares', dbus.UInt32(2), **ends)[0]
number, _ = shares(door, 'AddSlot', 'sua{sh}', 'shares', 3, 4)
before = slots(door)
ends = {f'share-{i + 1}': write for i, (_, write) in enumerate(pipes)}
again = secret(door, 'ReplaceSlot', 'uua{sh}', number, dbus.UInt32(2), **ends)[0]
after = slots(door)
replaced, texts = shares(door, 'ReplaceSlot', 'uua{sh}', number, 2, 2)
answer([refused, before[-1][1:], again, before == after, len(slots(door)), slots(door)[-1][1:], seal(door),
        enter(door, texts[1]), enter(door, texts[0]),
        shares(door, 'AddSlot', 'sua{sh}', 'shares', 4, 3)[0][0], shares(door, 'AddSlot', 'sua{sh}', 'shares', 1, 3)[0][0],
        shares(door, 'AddSlot', 'sua{sh}', 'shares', 2, 0)[0][0]])
''') == ['BadDescriptor', ['shares', 3, 4], 'BadDescriptor', True, 2, ['shares', 2, 2], 'ok', [1, 2], [2, 2],
         'InvalidArgument', 'InvalidArgument', 'InvalidArgument']


def test_a_kill_amidst_a_change_of_slots(world):
    """At whatever moment: the keyring opens by the key file, and holds whole slots only."""
    for milliseconds in (1, 3, 10, 30, 100):
        world.start_service()
        pid = world.service_pid()
        world.run(['/usr/bin/python3', '-c', bus_client.PRELUDE + SLOTS + f'''
import signal, threading
door = Door()
door.state()
threading.Timer({milliseconds} / 1000, os.kill, ({pid}, signal.SIGKILL)).start()
for i in range(100):
    if add(door, 'passphrase', passphrase=given(b'open sesame now')) in ('NoReply', STANDARD + 'NoReply'):
        break
'''], check=False)
        world.run(f'while [ -e /proc/{pid} ]; do sleep 0.01; done')
        assert ask(world, 'door = Door(); answer([door.state(), {slot[1] for slot in slots(door)} <= '
                          '{"keyfile", "passphrase"}])') == ['ready', True]

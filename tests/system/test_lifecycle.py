# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From no secret to ready, and what a service meets in its life: starts by the bus, slots, an older
state folder, a full disk, a disk that fails."""
import os
import subprocess
import time

import pytest

import bus_client
from conftest import wait_until

pytestmark = pytest.mark.service

BASE = r'''
def told(function, *arguments):
    """(the error's name, its text), or what came back."""
    try:
        return function(*arguments)
    except dbus.DBusException as error:
        return [error.get_dbus_name().replace(ERRORS, ''), error.get_dbus_message()]
def unseal(door, **pipes):
    return told(lambda: door.call(ROOT, 'Secret', 'Unseal', 'a{sh}', fds(**pipes), timeout=120) or 'ok')
def generate(door, slot, **pipes):
    backup = os.open(f'/root/{slot}.backup', os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    pipes = {name.replace('_', '-'): UnixFd(fd) for name, fd in pipes.items()}
    pipes['backup'] = UnixFd(backup)
    return told(lambda: int(door.call(ROOT, 'Secret', 'Generate', 'sssa{sh}', slot, '', '',
                dbus.Dictionary(pipes, signature='sh'), timeout=120)[0]))
def put(door, text, size=12):
    return set_mapping(door, 'user:alice', text, text.encode() * (size // len(text)))
'''


def ask(world, code, user='root', timeout=300):
    return bus_client.run(world, BASE + code, user, timeout)


def furnish(world):
    assert ask(world, 'door = Door(); answer([create(door), put(door, "first")])') == ['ok', 'ok']


def test_the_first_calls_start_it_and_are_answered(world):
    """Twenty at once, after a clean stop and after a kill: ready means ready, and there is one service."""
    furnish(world)
    call = ['/usr/bin/python3', '-c', bus_client.PRELUDE + 'print(lookup(Door()))']
    for signal_name in ('TERM', 'KILL'):
        world.kill_service(signal_name)
        callers = [subprocess.Popen(world.command(call, 'alice'), stdout=subprocess.PIPE, text=True)
                   for _ in range(20)]
        assert [caller.communicate(timeout=120)[0] for caller in callers] == ['firstfirst\n'] * 20
        assert len(world.run('pidof mastersecretd mastersecretd.real', check=False).stdout.split()) == 1


def test_opening_does_not_read_as_sealed(world):
    """Whoever asks first, and so starts it, is told what comes of it: nothing is sealed, nobody is refused."""
    furnish(world)
    world.run(f'mv {world.daemon} {world.daemon}.slow')
    # Keyring, anchor and journal take their time. (Paths of a process that allows no core are hidden to strace.)
    world.write(world.daemon, f"""#!/bin/sh
exec strace -f -qq -o /dev/null -e trace=pread64 \\
    -e inject=pread64:delay_enter=200000 {world.daemon}.slow
""", 0o755)
    get = ("str(connect().call_blocking(OURS, ROOT, 'org.freedesktop.DBus.Properties', '{}', '{}', "
           "[OURS + '.Manager'{}]){})")
    for first, told in ((get.format('Get', 'ss', ", 'State'", ''), ('ready', 'rebuilding')),
                        (get.format('GetAll', 's', '', "['State']"), ('ready', 'rebuilding')),
                        ('lookup(Door(), "alice")', ('firstfirst',))):
        world.kill_service()  # at an orderly end a sanitizer cannot look for leaks beside strace
        begin = time.monotonic()
        census = subprocess.Popen(world.command(['busctl', 'call', 'org.mastersecret1', '/org/mastersecret1',
                                                 'org.mastersecret1.Secret', 'Census']), stdout=subprocess.DEVNULL)
        assert ask(world, f'answer({first})') in told
        assert census.wait() == 0
        assert time.monotonic() - begin > 1, 'it was not slow'
    world.kill_service()


def test_a_service_that_cannot_start_says_where_to_look(world):
    """Whether it ends at once or the bus waits for it in vain."""
    world.kill_service('TERM')
    world.write('/etc/dbus-1/system.d/impatient.conf',
                '<busconfig><limit name="service_start_timeout">1000</limit></busconfig>')
    world.run('busctl call org.freedesktop.DBus / org.freedesktop.DBus ReloadConfig')
    for program in ('exit 1', 'exec sleep 300'):
        world.run(f'rm {world.daemon}')
        world.write(world.daemon, f'#!/bin/sh\n{program}\n', 0o755)
        done = world.run(['mastersecret', 'status'], check=False)
        assert done.returncode == 7 and 'systemctl status mastersecretd' in done.stderr, done
        assert 'raise the time-out' not in done.stderr, program


@pytest.mark.unconfigured
def test_states_and_what_they_say(world):
    world.start_service()
    refused = '''
refusals = [told(door.call, ROOT, 'Applications', 'Create', 'ssa{sv}', 'x', 'individual', variants()),
            told(door.call, ROOT, 'Applications', 'List', 'su', '', dbus.UInt32(0)),
            told(door.call, ERP, 'Application', 'ShowMapping', 's', 'user:alice'),
            told(door.call, ROOT, 'Credentials', 'Lookup', 'ssa{sh}', 'erp', 'alice', fds())]
texts_ = [door.state(), str(door.call(ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss',
                                      OURS + '.Manager', 'StateText'))]
'''
    states = ask(world, f'''
result = []
for kind in DOORS:
    door = Door(kind)
    {refused.strip().replace(chr(10), chr(10) + '    ')}
    result.append([texts_, refusals, unseal(door)])
result.append(generate(Door(), 'keyfile', passphrase=given(b'a good passphrase')))
for kind in DOORS:
    door = Door(kind)
    assert door.state() == 'ready' and door.attempt(ROOT, 'Secret', 'Seal', '') == 'ok'
    {refused.strip().replace(chr(10), chr(10) + '    ')}
    result.append([texts_, refusals, unseal(door), door.state()])
answer(result)
''')
    for (name, text), refusals, unsealed in states[:2]:
        assert name == 'unconfigured' and 'secret generate' in text
        for error, remedy in [*refusals, unsealed]:
            assert error == 'Unconfigured' and 'secret generate' in remedy, remedy
    assert states[2] == 1
    for (name, text), refusals, *after in states[3:]:
        assert name == 'sealed' and 'secret unseal' in text
        for error, remedy in refusals:
            assert error == 'Sealed' and 'secret unseal' in remedy, remedy
        assert after == ['ok', 'ready']


def test_slot_keyfile(world):
    furnish(world)
    world.kill_service('TERM')
    world.run(f'mv {world.state}/keyfile /root/keyfile')
    error, text = ask(world, 'answer(unseal(Door()))')
    assert error == 'NoSlotOpens' and f'{world.state}/keyfile' in text
    # Another key file is not taken for ours.
    world.run(f'head -c 32 /dev/urandom >{world.state}/keyfile; chown mastersecret: {world.state}/keyfile; '
              f'chmod 400 {world.state}/keyfile')
    assert ask(world, 'answer(unseal(Door()))')[0] == 'NoSlotOpens'
    assert ask(world, 'answer(Door().state())') == 'sealed'
    world.run(f'mv /root/keyfile {world.state}/keyfile')
    assert ask(world, 'door = Door(); answer([unseal(door), door.state(), lookup(door, "alice")])') == \
        ['ok', 'ready', 'firstfirst']
    world.restart_service()
    assert ask(world, 'answer(lookup(Door(), "alice"))') == 'firstfirst'


@pytest.mark.unconfigured
def test_slot_credential(world):
    """A service started with a credential, as systemd gives one."""
    world.run('mkdir -m 755 /run/credentials; head -c 32 /dev/urandom >/run/credentials/mastersecret.slot; '
              'chown -R mastersecret: /run/credentials; chmod 400 /run/credentials/*')

    def start(*environment):
        if world.service_pid():
            world.kill_service('TERM')
        process = subprocess.Popen(world.command(['env', *environment, world.daemon], 'mastersecret'),
                                   stderr=subprocess.DEVNULL)
        wait_until(world.service_pid, 'the service to start')
        return process
    given = 'CREDENTIALS_DIRECTORY=/run/credentials'
    processes = [start(given)]
    assert ask(world, 'answer(generate(Door(), "credential", passphrase=given(b"a good passphrase")))') == 1
    furnish(world)
    processes.append(start(given))
    assert ask(world, 'door = Door(); answer([lookup(door, "alice"), door.state()])') == \
        ['firstfirst', 'ready']
    processes.append(start())
    error, text = ask(world, 'answer(unseal(Door()))')
    assert error == 'NoSlotOpens' and 'credential' in text
    world.run('head -c 32 /dev/urandom >/run/credentials/other; chmod u+w /run/credentials/mastersecret.slot; '
              'cp -p /run/credentials/mastersecret.slot /root/slot; '
              'cat /run/credentials/other >/run/credentials/mastersecret.slot')
    processes.append(start(given))
    error, text = ask(world, 'answer(unseal(Door()))')
    assert error == 'NoSlotOpens' and 'mastersecret.slot' in text
    world.run('cat /root/slot >/run/credentials/mastersecret.slot')
    assert ask(world, 'door = Door(); answer([unseal(door), lookup(door, "alice")])') == \
        ['ok', 'firstfirst']
    world.kill_service('TERM')
    for process in processes:
        process.wait(timeout=120)


@pytest.mark.unconfigured
def test_slot_passphrase(world):
    world.start_service()
    assert ask(world, '''
door = Door()
answer([generate(door, 'passphrase', passphrase=given(b'of the backup'), slot_passphrase=given(b'of the slot')),
        create(door), put(door, 'first')])''') == [1, 'ok', 'ok']
    world.restart_service()
    assert ask(world, '''
door = Door()
result = [door.state()]
for passphrase in (b'of the backup', b'of the slot ', b'of the slot'):
    outcome = unseal(door, passphrase=given(passphrase))
    result.append(outcome if outcome == 'ok' else outcome[0])
answer([*result, unseal(door) == 'ok', lookup(door, 'alice')])''') == \
        ['sealed', 'WrongPassphrase', 'WrongPassphrase', 'ok', False, 'firstfirst']


def test_an_older_state_folder_is_refused(world):
    furnish(world)
    world.kill_service('TERM')
    world.run(f'cp -a {world.state} /root/older; cp -a {world.anchor}/anchor /root/older-anchor')
    assert ask(world, 'answer(put(Door(), "second"))') == 'ok'
    world.kill_service('TERM')
    world.run(f'cp -a {world.state} /root/newer; rm -rf {world.state}/*; cp -a /root/older/. {world.state}')
    error, text = ask(world, 'answer(unseal(Door()))')
    assert error == 'RolledBack' and f'{world.anchor}/anchor' in text
    assert ask(world, 'door = Door(); answer([door.state(), create(door)])')[0] == 'sealed'
    world.audited('RolledBack')
    world.kill_service('TERM')
    # The newest put back is taken; so is the older one by whoever puts the anchor back, too, or removes it.
    world.run(f'rm -rf {world.state}/*; cp -a /root/newer/. {world.state}')
    assert ask(world, 'answer(lookup(Door(), "alice"))') == 'secondsecond'
    for change in ('cp -a /root/older-anchor', 'rm'):
        world.kill_service('TERM')
        world.run(f'rm -rf {world.state}/*; cp -a /root/older/. {world.state}; {change} {world.anchor}/anchor')
        assert ask(world, 'answer(lookup(Door(), "alice"))') == 'firstfirst'


def test_no_journal_any_more_is_refused(world):
    furnish(world)
    world.kill_service('TERM')
    world.run(f'rm {world.state}/journal {world.state}/view')
    error, text = ask(world, 'answer(unseal(Door()))')
    assert error == 'RolledBack' and 'journal is missing' in text


def small_disk(world, size):
    """The state folder on a disk of its own."""
    world.kill_service('TERM')
    world.run(f'cp -a {world.state} /root/state; mount -t tmpfs -o size={size},mode=0700 state {world.state}; '
              f'cp -a /root/state/. {world.state}; chown mastersecret: {world.state}')


def test_full_disk(world):
    """Refused, nothing lost, lookups go on; with space again it works, without a restart."""
    furnish(world)
    small_disk(world, '4m')
    world.start_service()
    world.run(f'dd if=/dev/zero of={world.state}/filler bs=4k 2>/dev/null', check=False)
    outcome, stored, again, state, found, created = ask(world, '''
door, stored = Door('direct'), 'first'
for number in range(400):
    outcome = put(door, f'n{number:04}', 50000)
    if outcome != 'ok':
        break
    stored = f'n{number:04}'
again = [put(door, 'again', 50000) for turn in range(3)]
answer([outcome, stored, again, door.state(), lookup(door, 'alice')[:5],
        create(door, 'other', description='x' * 500)])''')
    print(f'{stored} was the last before {outcome}; an application: {created}')
    assert [outcome, *again] == ['StorageFailed'] * 4 and (state, found) == ('ready', stored)
    world.run(f'rm {world.state}/filler')
    assert ask(world, '''
door = Door()
answer([put(door, 'later'), lookup(door, 'alice'), door.state()])''') == ['ok', 'laterlater', 'ready']
    world.kill_service()
    assert ask(world, 'door = Door(); answer([lookup(door, "alice"), door.state()])') == \
        ['laterlater', 'ready']


def test_start_with_a_full_disk(world):
    furnish(world)
    small_disk(world, '4m')
    world.run(f'dd if=/dev/zero of={world.state}/filler bs=4k 2>/dev/null', check=False)
    print(ask(world, 'door = Door(); answer([lookup(door, "alice"), door.state(), unseal(door)])'))
    world.run(f'rm {world.state}/filler')
    assert ask(world, '''
door = Door()
while door.state() != 'ready': # it tries again by itself
    time.sleep(0.1)
answer([lookup(door, 'alice'), put(door, 'later')])''') == ['firstfirst', 'ok']


def test_a_start_that_fails_for_a_while(world):
    """No room for a new view: sealed, which says why, once; with room again it opens without a person."""
    furnish(world)
    small_disk(world, '4m')
    world.run(f'rm {world.state}/view; dd if=/dev/zero of={world.state}/filler bs=4k 2>/dev/null', check=False)
    text = "str(door.call(ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', OURS + '.Manager', 'StateText'))"
    state, meaning, refused = ask(world, f'door = Door(); answer([door.state(), {text}, lookup(door, "alice")])')
    assert (state, refused) == ('sealed', 'Sealed') and 'cannot make a view' in meaning and 'again' in meaning, meaning
    time.sleep(3)  # it tries again every 2 s
    world.run(f'rm {world.state}/filler')
    wait_until(lambda: ask(world, 'answer(Door().state())') == 'ready', 'the service to open')
    assert ask(world, 'answer(lookup(Door(), "alice"))') == 'firstfirst'
    lines = [line for line in world.whole_audit() if 'MS0112' in line and 'at start' in line]
    assert [' failed ' in line for line in lines[-2:]] == [True, False], lines
    # What a person seals stays so.
    assert ask(world, f'''
door = Door()
assert door.attempt(ROOT, 'Secret', 'Seal', '') == 'ok'
time.sleep(3)
answer([door.state(), 'tried again' in {text}])''') == ['sealed', False]
    world.kill_service()  # libgdbm leaks 4 KiB whenever it cannot make a file: not for a sanitizer


def test_a_disk_that_fails_to_sync(world):
    """Read-only, never a second try; lookups go on; a restart recovers."""
    furnish(world)
    pid = world.service_pid()
    strace = subprocess.Popen(world.command(
        ['strace', '-f', '-qq', '-o', '/tmp/strace', '-p', str(pid), '-e', 'trace=fdatasync',
         '-e', 'inject=fdatasync:error=EIO']))
    wait_until(lambda: all('TracerPid:\t0\n' not in world.read(f'/proc/{pid}/task/{task}/status')
                           for task in os.listdir(world.path(f'/proc/{pid}/task'))), 'strace to attach')
    result = ask(world, '''
door = Door()
answer([told(lambda: set_mapping(door, 'user:alice', 'second')), door.state(), put(door, 'third'),
        lookup(door, 'alice'), door.attempt(ERP, 'Application', 'Disable', ''),
        told(door.call, ERP, 'Application', 'DeleteMapping', 's', 'user:alice')])''')
    assert 'INJECTED' in world.read('/tmp/strace')
    assert result[0] in ('StorageFailed', 'OutcomeUnknown', 'ReadOnly')
    assert result[1:5] == ['read-only', 'ReadOnly', 'firstfirst', 'ReadOnly']
    assert result[5][0] == 'ReadOnly' and 'restart' in result[5][1]
    world.audited('MS0104', 'read-only')
    world.run('kill $(pidof strace)')
    strace.wait()
    # The sync is never repeated by itself, though it would succeed now.
    assert ask(world, 'door = Door(); answer([door.state(), put(door, "third")])') == \
        ['read-only', 'ReadOnly']
    world.restart_service()
    assert ask(world, '''
door = Door()
answer([door.state(), lookup(door, 'alice') in ('firstfirst', 'secret'), put(door, 'third'),
        lookup(door, 'alice')])''') == ['ready', True, 'ok', 'thirdthird']

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values nobody else has, given, used, changed and taken away by every way in: they turn up in no
message, no log, no file, no argument, no environment, and are soon gone from the service's memory."""
import os
import re
import stat
import subprocess
import time

import pytest

import bus_client
from conftest import wait_until

pytestmark = pytest.mark.service

CAPTURE = '/root/capture.pcap'
FOLDERS = ('/var/lib', '/var/log', '/var/tmp', '/run', '/tmp', '/dev/shm', '/etc', '/root', '/home')
LOGS = ('/var/log/mastersecret-audit.log', '/var/log/world-bus.log')
STDIN = '''
def value(number):
    return INPUT[number].encode()
INPUT = sys.stdin.read().split()
'''
# Reads all arguments and environments again and again until its input ends.
WATCH = r'''
import os, select, sys, time
needles = [word.encode() for word in sys.stdin.readline().split()]
print('up', flush=True)
seen, rounds = set(), 0
while not select.select([sys.stdin], [], [], 0.002)[0]:
    rounds += 1
    for pid in filter(str.isdigit, os.listdir('/proc')):
        for name in ('cmdline', 'environ'):
            try:
                with open(f'/proc/{pid}/{name}', 'rb') as file:
                    text = file.read()
            except OSError:
                continue
            seen.update(f'{pid} {name}' for needle in needles if needle in text)
            if b'known-argument' in text:
                seen.add('control')
print(rounds, sorted(seen))
'''


def canaries(count):
    return [f'cnry{os.urandom(20).hex()}' for _ in range(count)]


class Watch:
    """A root monitor on the bus, and a look at all processes, while something is done."""

    def __init__(self, world, needles):
        self.world = world
        self.monitor = subprocess.Popen(world.command(
            ['bash', '-c', f'exec dbus-monitor --system --pcap >{CAPTURE}']), stdin=subprocess.DEVNULL)
        self.processes = subprocess.Popen(world.command(['/usr/bin/python3', '-c', WATCH]), text=True,
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        print(*needles, file=self.processes.stdin, flush=True)
        assert self.processes.stdout.readline() == 'up\n'
        wait_until(lambda: os.path.exists(world.path(CAPTURE)) and
                   self.size() > 24, 'the monitor to start')

    def size(self):
        world, path = self.world, CAPTURE
        world.run(['busctl', 'call', 'org.freedesktop.DBus', '/', 'org.freedesktop.DBus', 'GetId'])
        return os.stat(world.path(path)).st_size

    def end(self):
        self.world.run(['bash', '-c', 'sleep 0.3', 'known-argument'])
        seen = self.processes.communicate('\n', timeout=60)[0]
        self.world.run('kill $(pidof dbus-monitor)')
        self.monitor.wait()
        with open(self.world.path(CAPTURE), 'rb') as file:
            return file.read(), seen


def contents(world, folders):
    """The files that are newer than the world."""
    begin = os.stat(world.path('/etc/hostname')).st_ctime - 1
    for folder in folders:
        for path, _, files in os.walk(world.path(folder)):
            for name in files:
                full = os.path.join(path, name)
                info = os.lstat(full)
                if stat.S_ISREG(info.st_mode) and info.st_ctime > begin and not full.endswith(CAPTURE):
                    with open(full, 'rb') as file:
                        yield full, file.read()


def memory(world):
    """What root can read of the service; memory that even root cannot read is left out, and the
    terabytes of a sanitizer, which keeps what was freed besides."""
    pid, data = world.service_pid(), []
    if world.sanitized:
        return data
    with open(world.path(f'/proc/{pid}/maps'), encoding='utf-8') as maps, \
            open(world.path(f'/proc/{pid}/mem'), 'rb', buffering=0) as file:
        for line in maps:
            begin, end = (int(text, 16) for text in line.split()[0].split('-'))
            if 'r' not in line.split()[1] or '[v' in line:
                continue
            try:
                data.append((line.strip(), os.pread(file.fileno(), end - begin, begin)))
            except OSError:
                pass
    return data


def holders(pairs, needles):
    return [(name, needle) for name, data in pairs for needle in needles if needle.encode() in data]


def use_command_line(world, first, changed, wrong):
    def cli(*arguments, user='alice', **options):
        return world.run(['mastersecret', *arguments], user=user, **options)
    cli('map', 'set', 'erp', '--external', 'EXTERNAL-MARK', '--field', 'client=100', '--stdin', input=first)
    assert cli('get', 'erp').stdout == first
    cli('verify', 'erp', '--stdin', input=first)
    assert cli('verify', 'erp', '--stdin', input=wrong, check=False).returncode != 0
    cli('map', 'set', 'erp', '--stdin', input=changed)
    assert cli('get', 'erp', '--user', 'alice', user='root').stdout == changed
    for arguments in (('map', 'show', 'erp'), ('map', 'list', 'erp', '--json'), ('app', 'show', 'erp')):
        cli(*arguments, user='root' if arguments[0] != 'map' or arguments[1] == 'list' else 'alice')


def use_bus(world, door, *values):
    done = world.run(['/usr/bin/python3', '-c', bus_client.PRELUDE + STDIN + f'''
door = Door({door!r})
answer([set_mapping(door, '', 'BOB-' + {door!r}, value(0)), lookup(door) == value(0).decode(),
        verify(door, value(0)), verify(door, value(2)), set_mapping(door, '', '', value(1)),
        lookup(door) == value(1).decode()])
'''], user='bob', input='\n'.join(values))
    assert done.stdout == '["ok", true, true, false, "ok", true]\n'


def use_pam(world, right, wrong):
    world.run('install -m 0644 /usr/share/doc/mastersecret/pam/su-verify /etc/pam.d/su')
    assert world.run(['su', 'alice', '-c', 'id -un'], user='dave', input=right + '\n').stdout == 'alice\n'
    assert world.run(['su', 'alice', '-c', 'id -un'], user='dave', input=wrong + '\n',
                     check=False).returncode


def test_a_secret_is_nowhere(world):
    needles = canaries(10)
    world.run(['mastersecret', 'app', 'create', 'erp', '--users', 'clerks', '--field', 'user',
               '--field', 'password:masked', '--field', 'client', '--enable'])
    watch = Watch(world, needles)
    use_command_line(world, *needles[0:3])
    use_bus(world, 'bus', *needles[3:6])
    use_bus(world, 'direct', *needles[6:9])
    use_pam(world, needles[1], needles[9])
    time.sleep(1)
    while_there = holders(memory(world), needles)
    world.run(['mastersecret', 'map', 'delete', 'erp'], user='alice')
    capture, seen = watch.end()

    # What is looked at does show what may be seen.
    for word in (b'SetMapping', b'Lookup', b'Verify', b'EXTERNAL-MARK', b'BOB-bus'):
        assert word in capture
    assert "['control']" in seen, seen
    assert world.sanitized or any(b'org.mastersecret1.Error.' in data for _, data in memory(world))
    assert not while_there, while_there
    assert not holders([(CAPTURE, capture)], needles)
    found = list(contents(world, FOLDERS))
    assert {world.path(log) for log in LOGS} <= {path for path, _ in found}
    assert not holders(found, needles)


def test_passphrases_are_nowhere(make_world):
    new = make_world(generate=False)
    needles = canaries(2)
    watch = Watch(new, needles)
    done = new.run(['/usr/bin/python3', '-c', bus_client.PRELUDE + STDIN + '''
door = Door()
backup = os.open('/root/backup', os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
door.call(ROOT, 'Secret', 'Generate', 'sssa{sh}', 'passphrase', 'hint', '/root/backup', dbus.Dictionary(
    {'passphrase': UnixFd(given(value(0))), 'slot-passphrase': UnixFd(given(value(1))),
     'backup': UnixFd(backup)}, signature='sh'), timeout=60)
assert door.attempt(ROOT, 'Secret', 'Seal', '') == 'ok'
answer([door.attempt(ROOT, 'Secret', 'Unseal', 'a{sh}', fds(passphrase=given(value(0))), timeout=60),
        door.attempt(ROOT, 'Secret', 'Unseal', 'a{sh}', fds(passphrase=given(value(1))), timeout=60)])
'''], input='\n'.join(needles))
    assert done.stdout == '["WrongPassphrase", "ok"]\n'
    time.sleep(1)
    assert not holders(memory(new), needles)
    capture, seen = watch.end()
    assert b'Unseal' in capture and "['control']" in seen, seen
    assert not holders([(CAPTURE, capture), *contents(new, FOLDERS)], needles)


def test_what_a_stolen_disk_shows(world):
    """No value, no external user, no name or label of an application; names of local users."""
    needles = ['secret-name', 'secret-label', 'SECRET-EXTERNAL', 'secret-plain', 'secret-password',
               'secret-text']
    world.run(['mastersecret', 'app', 'create', needles[0], '--users', 'clerks', '--description',
               needles[5], '--field', 'user', '--field', 'password:masked', '--field', needles[1],
               '--enable'])
    world.run(['mastersecret', 'map', 'set', needles[0], '--external', needles[2], '--field',
               f'{needles[1]}={needles[3]}', '--stdin'], user='alice', input=needles[4])
    world.kill_service('TERM')
    found = list(contents(world, (world.state, world.anchor)))
    assert {'journal', 'view', 'keyring', 'anchor'} <= {os.path.basename(path) for path, _ in found}
    assert any(b'alice' in data for _, data in found)
    assert not holders(found, needles)


def test_no_core_and_no_look_into_the_process(world):
    needle = canaries(1)[0]
    world.run(['mastersecret', 'app', 'create', 'erp', '--users', 'clerks', '--field', 'user',
               '--field', 'password:masked', '--enable'])
    world.run(['mastersecret', 'map', 'set', 'erp', '--external', 'A', '--stdin'], user='alice',
              input=needle)
    pid = world.service_pid()
    assert re.search(r'Max core file size +0 +0 ', world.read(f'/proc/{pid}/limits'))
    # Not dumpable: what is its own in /proc belongs to root.
    assert os.stat(world.path(f'/proc/{pid}/environ')).st_uid == 0
    for name in ('mem', 'environ', 'maps', 'fd/'):
        assert world.run(f'setpriv --reuid mastersecret --regid mastersecret --clear-groups --inh-caps=-all '
                         f'ls /proc/{pid}/{name} && setpriv --reuid mastersecret --regid mastersecret '
                         f'--clear-groups head -c 1 /proc/{pid}/{name}', check=False).returncode
    begin, folder = time.time(), os.readlink(world.path(f'/proc/{pid}/cwd'))
    world.run(f'ulimit -c unlimited; kill -ABRT {pid}')
    wait_until(lambda: not os.path.exists(world.path(f'/proc/{pid}')), 'the service to end')
    new = world.run(f'find {folder} -maxdepth 1 -newerct @{begin:.0f} -name "*core*" -type f -size +0').stdout
    assert new == ''
    assert not holders(contents(world, FOLDERS), [needle])

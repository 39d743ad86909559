# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values nobody else has, given, used, changed and taken away by every way in: they turn up in no
message, no log, no file, no argument, no environment, and are soon gone from the service's memory."""
import base64
import json
import os
import re
import stat
import subprocess
import sys
import time

import pytest

import bus_client
import login_programs
from conftest import SOURCE, wait_until
from test_slots import SLOTS

pytestmark = pytest.mark.service

CAPTURE = '/root/capture.pcap'
FOLDERS = ('/var/lib', '/var/log', '/var/tmp', '/run', '/tmp', '/dev/shm', '/etc', '/root', '/home')
LOGS = ('/var/log/mastersecret-audit.log', '/var/log/world-bus.log')
STDIN = '''
def value(number):
    return INPUT[number].encode()
INPUT = sys.stdin.read().split()
'''
# Reads all arguments and environments again and again until it is told what to look for in them.
WATCH = r'''
import os, select, sys
texts, known = {}, b'known-' + b'argument'  # which is no argument of this program
while not select.select([sys.stdin], [], [], 0.002)[0]:
    for pid in filter(str.isdigit, os.listdir('/proc')):
        for name in ('cmdline', 'environ'):
            try:
                with open(f'/proc/{pid}/{name}', 'rb') as file:
                    texts[file.read()] = f'{pid} {name}'
            except OSError:
                continue
    if known and any(known in text for text in texts):
        known = None
        print('up', flush=True)
needles = [word.encode() for word in sys.stdin.readline().split()]
print(sorted({where for text, where in texts.items() for needle in needles if needle in text}))
'''


def canaries(count):
    return [f'cnry{os.urandom(20).hex()}' for _ in range(count)]


class Watch:
    """A root monitor on the bus, and a look at all processes, while something is done."""

    def __init__(self, world):
        self.world = world
        self.monitor = subprocess.Popen(world.command(
            ['bash', '-c', f'exec dbus-monitor --system --pcap >{CAPTURE}']), stdin=subprocess.DEVNULL)
        self.processes = subprocess.Popen(world.command(['/usr/bin/python3', '-c', WATCH]), text=True,
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        # What is looked at does show what may be seen.
        with subprocess.Popen(world.command(['bash', '-c', 'read -r _', 'known-argument']), stdin=subprocess.PIPE):
            assert self.processes.stdout.readline() == 'up\n'
        wait_until(lambda: os.path.exists(world.path(CAPTURE)) and
                   self.size() > 24, 'the monitor to start')

    def size(self):
        world, path = self.world, CAPTURE
        world.run(['busctl', 'call', 'org.freedesktop.DBus', '/', 'org.freedesktop.DBus', 'GetId'])
        return os.stat(world.path(path)).st_size

    def end(self, needles):
        """What went over the bus; where the needles were among arguments and environments."""
        seen = self.processes.communicate(' '.join(needles) + '\n', timeout=120)[0]
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
                try:
                    info = os.lstat(full)
                    if stat.S_ISREG(info.st_mode) and info.st_ctime > begin and not full.endswith(CAPTURE):
                        with open(full, 'rb') as file:
                            yield full, file.read()
                except FileNotFoundError:  # gone meanwhile
                    continue


def memory(world, pid=None):
    """What root can read of the service, or of another process; memory that even root cannot read is left out,
    and the terabytes of a sanitizer, which keeps what was freed besides."""
    data = []
    if world.sanitized and not pid:
        return data
    pid = pid or world.service_pid()
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


def soon_gone(world, needles):
    """Out of the service's memory, in a second; one that has not had the processor meanwhile gets it."""
    time.sleep(1)
    wait_until(lambda: not holders(memory(world), needles), 'the service to forget them', 20)


def forms(needle):
    """As it is, in hex, and in base64 whatever stands before it."""
    plain = needle if isinstance(needle, bytes) else needle.encode()
    yield plain
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    for before in range(3):
        whole = base64.b64encode(b' ' * before + plain)
        yield whole[(before * 8 + 5) // 6:-4]


def holders(pairs, needles):
    looked_for = [(needle, form) for needle in needles for form in forms(needle)]
    return [(name, needle) for name, data in pairs for needle, form in looked_for if form in data]


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
    login_programs.stack(world, 'su-verify', 'su')
    assert world.run(['su', 'alice', '-c', 'id -un'], user='dave', input=right + '\n').stdout == 'alice\n'
    assert world.run(['su', 'alice', '-c', 'id -un'], user='dave', input=wrong + '\n',
                     check=False).returncode


def test_a_secret_is_nowhere(world):
    needles = canaries(10)
    world.run(['mastersecret', 'app', 'create', 'erp', '--users', 'clerks', '--field', 'user',
               '--field', 'password:masked', '--field', 'client', '--enable'])
    watch = Watch(world)
    use_command_line(world, *needles[0:3])
    use_bus(world, 'bus', *needles[3:6])
    use_bus(world, 'direct', *needles[6:9])
    use_pam(world, needles[1], needles[9])
    soon_gone(world, needles)
    world.run(['mastersecret', 'map', 'delete', 'erp'], user='alice')
    capture, seen = watch.end(needles)

    for word in (b'SetMapping', b'Lookup', b'Verify', b'EXTERNAL-MARK', b'BOB-bus'):
        assert word in capture
    assert seen == '[]\n'
    assert world.sanitized or any(b'org.mastersecret1.Error.' in data for _, data in memory(world))
    assert not holders([(CAPTURE, capture)], needles)
    found = list(contents(world, FOLDERS))
    assert {world.path(log) for log in LOGS} <= {path for path, _ in found}
    assert not holders(found, needles)


# A program that stays. No value becomes an object of Python, which wipes nothing.
HOST = r"""
import ctypes, os, sys, time
libc = ctypes.CDLL(None)
libc.calloc.restype = ctypes.c_void_p
SIZE = %d
def take():
    place = libc.calloc(1, SIZE + 1)
    assert libc.read(0, ctypes.c_void_p(place), SIZE) == SIZE
    return place
def wipe(place):
    libc.explicit_bzero(ctypes.c_void_p(place), SIZE)
"""
STAY = """
print(os.getpid(), *results, flush=True)
time.sleep(600)
"""
PAM_HOST = HOST + r"""
pam = ctypes.CDLL('libpam.so.0')
CONVERSE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p),
                            ctypes.c_void_p)
@CONVERSE
def converse(count, messages, responses, data):
    response = libc.calloc(count, 16)  # char *, int
    ctypes.c_void_p.from_address(response).value = take()
    responses[0] = response
    return 0
class Conversation(ctypes.Structure):
    _fields_ = [('converse', CONVERSE), ('data', ctypes.c_void_p)]
handle, conversation = ctypes.c_void_p(), Conversation(converse, None)
assert pam.pam_start(b'canary', b'alice', ctypes.byref(conversation), ctypes.byref(handle)) == 0
results = [pam.pam_authenticate(handle, 0), pam.pam_acct_mgmt(handle, 0)]
""" + STAY
LIBRARY_HOST = HOST + r"""
library = ctypes.CDLL('libmastersecret.so.0')
class Field(ctypes.Structure):
    _fields_ = [('label', ctypes.c_char_p), ('value', ctypes.c_void_p), ('length', ctypes.c_size_t),
                ('masked', ctypes.c_int)]
context, found, matches, place = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int(), take()
results = [library.mastersecret_new(ctypes.byref(context))]
field = Field(b'password', place, SIZE, 1)
results.append(library.mastersecret_set_mapping(context, b'erp', None, b'BOB-LIBRARY', ctypes.byref(field),
                                                ctypes.c_size_t(1), None))
results.append(library.mastersecret_lookup(context, b'erp', None, None, ctypes.c_size_t(0), ctypes.byref(found)))
library.mastersecret_credentials_free(found)
results.append(library.mastersecret_verify(context, b'erp', None, None, ctypes.c_void_p(place),
                                           ctypes.c_size_t(SIZE), ctypes.byref(matches)))
results.append(1 - matches.value)
wipe(place)
""" + STAY


def stays(world, code, needle, user='root'):
    """Runs a host that gets the needle on its standard input; its pid and what it said."""
    with_size = code.replace('%d', str(len(needle)))
    host = subprocess.Popen(world.command(['/usr/bin/python3', '-c', with_size], user),
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    host.stdin.write(needle)
    host.stdin.close()
    pid, *results = map(int, host.stdout.readline().split())
    return host, pid, results


def test_a_captured_password_is_nowhere(world):
    """What somebody typed to a program with capture, and what a program of a user's gave and got: not in that program
    1 s later, and nowhere else."""
    typed, given = needles = canaries(2)
    world.run(['mastersecret', 'app', 'create', 'erp', '--users', 'clerks', '--field', 'user',
               '--field', 'password:masked', '--enable'])
    world.run(['mastersecret', 'map', 'set', 'erp', '--external', 'A', '--stdin'], user='alice', input='first')
    world.run('chpasswd', input=f'alice:{typed}\n')
    login_programs.stack(world, 'su-capture', 'canary', ('auth      sufficient  pam_rootok.so\n', ''))
    watch = Watch(world)
    hosts = [stays(world, PAM_HOST, typed), stays(world, LIBRARY_HOST, given, 'bob')]
    assert [results for _, _, results in hosts] == [[0, 0], [0] * 5]
    time.sleep(1)
    for host, pid, _ in hosts:
        image = memory(world, pid)
        # It is this program's memory that was read, all of it.
        assert holders(image, ['explicit_bzero'])
        assert not holders(image, needles), [(name, needle) for name, needle in holders(image, needles)]
        world.run(f'kill {pid}')
        host.wait()
        host.stdout.close()
    assert not holders(memory(world), needles)
    assert world.run(['mastersecret', 'get', 'erp'], user='alice').stdout == typed
    assert world.run(['mastersecret', 'get', 'erp'], user='bob').stdout == given
    capture, seen = watch.end(needles)
    assert seen == '[]\n'
    assert not holders([(CAPTURE, capture), *contents(world, FOLDERS)], needles)


def reader():
    """A second reader of the formats."""
    sys.path.insert(0, f'{SOURCE}/tests/format')
    import reader as found  # pylint: disable=import-outside-toplevel,import-error
    return found


def keys_in(keyring, sources):
    """What is secret in a keyring, and the realm's id, which is not."""
    content = reader().parse_content(reader().read_keyring(keyring, sources))
    secrets = [row['secret'] for row in content['generations'].values()]
    return secrets + [content['log key'], content['name key'], content['host key'][1], content['signing key'][1][:32]], \
        content['realm']


def long_lived_keys(world):
    with open(world.path(f'{world.state}/keyring'), 'rb') as keyring, open(world.path(f'{world.state}/keyfile'), 'rb') as key:
        sources = {1: key.read()}
        keys, realm = keys_in(keyring.read(), sources)
    return keys + [sources[1]], realm


def test_long_lived_keys_are_hidden_from_root(world):
    """Root may read the process, and so dump it; keys are in memory that the kernel shows to nobody else."""
    world.start_service()
    keys, realm = long_lived_keys(world)
    assert len(keys) == 6 and all(len(key) >= 32 for key in keys)
    if 'memfd_secret' not in world.run('mastersecret status').stdout:
        pytest.skip('the kernel has no memfd_secret')
    image = memory(world)
    assert world.sanitized or holders(image, [realm])
    assert not holders(image, keys)


class Writes:
    """All that the service writes anywhere, as the kernel gets it."""
    path = '/srv/writes'

    def __init__(self, world):
        self.world, self.pid = world, world.service_pid()
        self.strace = subprocess.Popen(world.command(
            ['strace', '-f', '-qq', '-xx', '-s', '200000', '-o', self.path, '-p', str(self.pid),
             '-e', 'trace=write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,vmsplice']))
        wait_until(lambda: all('TracerPid:\t0\n' not in world.read(f'/proc/{self.pid}/task/{task}/status')
                               for task in os.listdir(world.path(f'/proc/{self.pid}/task'))), 'strace to attach')

    def end(self):
        """(what the descriptor is, what was written) for each call."""
        links = {name: os.readlink(self.world.path(f'/proc/{self.pid}/fd/{name}'))
                 for name in os.listdir(self.world.path(f'/proc/{self.pid}/fd'))}
        self.world.run('kill $(pidof strace)')
        self.strace.wait()
        for line in self.world.read(self.path).splitlines():
            number = re.search(r'\((\d+),', line)
            if number:
                yield links.get(number[1], line[:60]), bytes.fromhex(''.join(re.findall(r'\\x([0-9a-f]{2})', line)))


LIFE = SLOTS + STDIN + r'''
def rotated(door):
    while door.call(ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', OURS + '.Secret', 'Rotation')['state'] != 'idle':
        time.sleep(0.02)
def file(name):
    return os.open('/root/' + name, os.O_RDWR | os.O_CREAT, 0o600)
def keyring():
    with open('/var/lib/mastersecret/keyring', 'rb') as found:
        return found.read().hex()
def done(got):
    return str(got[0]) if isinstance(got, list) else 'ok'
def generate():
    return done(secret(door, 'Generate', 'sssa{sh}', 'passphrase', 'hint', '/root/one', backup=file('one'),
                       **{'passphrase': given(value(0)), 'slot-passphrase': given(value(1))}))
door = Door()
'''
LIVE = r'''
number, old = shares(door, 'AddSlot', 'sua{sh}', 'shares', 2, 2)
number, new = shares(door, 'ReplaceSlot', 'uua{sh}', number, 2, 3)
keyrings = [keyring()]
both = {'share-1': given(new[2].encode()), 'share-2': given(new[0].encode())}
results = [
    create(door), set_mapping(door, 'user:alice', 'ALICE01'), test(door, number, **both),
    unseal(door, passphrase=given(value(0))), enter(door, new[0]),
    door.attempt(ROOT, 'Secret', 'AddRecipient', 'ss', 'safe', INPUT[2]),
    door.attempt(ROOT, 'Secret', 'AddRecipient', 'ss', 'not safe', INPUT[2][:-1]),
    done(secret(door, 'Backup', 'ssa{sh}', 'hint', '/root/two', backup=file('two'))),
    done(secret(door, 'VerifyBackup', 'a{sh}', backup=file('two'), **{'private-key': given(value(3))})),
    done(secret(door, 'VerifyBackup', 'a{sh}', backup=file('two'), **{'private-key': given(value(3)[:-1])})),
    done(told(lambda: door.call(ROOT, 'Manager', 'Export', 'a{sh}', named({'file': file('export')})))),
    done(secret(door, 'Rotate', 'a{sv}a{sh}', variants(), backup=file('three')))]
rotated(door)
keyrings.append(keyring())
results += [
    done(secret(door, 'Restore', 'ba{sv}a{sh}', False, variants(), backup=file('one'), passphrase=given(value(0)))),
    seal(door), unseal(door, passphrase=given(value(0))), enter(door, new[1]), enter(door, old[0]),
    enter(door, new[2][:-1] + '7'), enter(door, new[0]), seal(door), unseal(door, passphrase=given(value(1))),
    door.state(), seal(door)]
answer([results, old, new, keyrings])
'''


def test_the_master_secret_is_nowhere(make_world):
    """Neither it nor what opens it, from its generation over slots, shares, backups, an export, a rotation and a restore
    to the seal: on the bus, in files, logs, arguments, environments, and in nothing that the service writes but into
    pipes; and when it is sealed not in its memory."""
    world = make_world(generate=False)
    passphrases = canaries(2)
    watch = Watch(world)
    made = world.run(['mastersecret', 'secret', 'recipient', 'new', '--private-file', '/root/private']).stdout
    public = next(word for word in made.split() if word.startswith('ms1-public-'))
    private = world.read('/root/private').strip()
    words = '\n'.join([*passphrases, public, private])

    def run(code):
        return json.loads(world.run(['/usr/bin/python3', '-c', bus_client.PRELUDE + LIFE + code], input=words).stdout)
    assert run('answer(generate())') == 'ok'
    writes = Writes(world)
    results, old, texts, keyrings = run(LIVE)
    assert results == ['ok', 'ok', 'ok', 'AlreadyUnsealed', 'AlreadyUnsealed', 'ok', 'InvalidArgument', 'ok', 'ok',
                       'WrongPassphrase', 'ok', 'ok', 'ok', 'ok', 'WrongPassphrase', [1, 2], 'BadShare', 'BadShare', [2, 2],
                       'ok', 'ok', 'ready', 'ok']
    needles = [*passphrases, private, reader().parse_key_text(private.encode(), b'ms1-recipient-')]
    for share in (*old, *texts):
        needles += [share.strip(), reader().parse_share(share.encode())['bytes']]
    for keyring in map(bytes.fromhex, keyrings):
        sources = {4: [texts[0].encode(), texts[1].encode()]}
        cursor = reader().Cursor(keyring[28:])
        slots = [reader().open_slot(cursor.block(), keyring[12:28], sources) for _ in range(cursor.number('H'))]
        needles += [*keys_in(keyring, sources)[0], *(root for root in slots if root)]
    needles = list(dict.fromkeys(needles))
    soon_gone(world, needles)
    written = list(writes.end())
    capture, seen = watch.end([*passphrases, private, *old, *texts])
    assert b'EnterShare' in capture and seen == '[]\n', seen
    through = {where for where, needle in holders(written, needles)}
    assert through and all(where.startswith('pipe:') for where in through), through
    files = [(path, data) for path, data in contents(world, FOLDERS) if not path.endswith('/root/private')]
    assert {'one', 'two', 'three', 'export', 'keyring', 'journal'} <= {os.path.basename(path) for path, _ in files}
    assert not holders([(CAPTURE, capture), *files], needles)


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


def test_what_a_stolen_disk_with_a_key_file_shows(world, make_world):
    """Everything: the folder, brought to another machine, opens there without anybody being asked."""
    world.run(['mastersecret', 'app', 'create', 'erp', '--users', 'clerks', '--field', 'user',
               '--field', 'password:masked', '--enable'])
    world.run(['mastersecret', 'map', 'set', 'erp', '--external', 'A', '--stdin'], user='alice', input='stolen')
    world.kill_service('TERM')
    thief = make_world(generate=False)
    if thief.service_pid():
        thief.kill_service('TERM')
    with subprocess.Popen(world.command(['tar', '-C', world.state, '-c', '.']), stdout=subprocess.PIPE) as disk:
        subprocess.run(thief.command(['tar', '-C', thief.state, '-xp']), stdin=disk.stdout, check=True)
    assert thief.run(['mastersecret', 'get', 'erp', '--user', 'alice']).stdout == 'stolen'


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
    # Root may give it a limit again; the kernel still writes none of what is not dumpable.
    world.run(f'prlimit --pid {pid} --core=unlimited:unlimited; kill -ABRT {pid}')
    wait_until(lambda: not os.path.exists(world.path(f'/proc/{pid}')), 'the service to end')
    new = world.run(f'find {folder} -maxdepth 1 -newerct @{int(begin)} -name "*core*" -type f -size +0').stdout
    assert new == ''
    assert not holders(contents(world, FOLDERS), [needle])

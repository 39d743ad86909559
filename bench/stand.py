# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the benchmark runs: a mount and a pid namespace with a system bus, our shipped policy, users
and a syslog of its own. Unlike the tests' world it keeps state folders on the machine's disk, since
a sync of a tmpfs costs nothing."""
import json
import os
import pwd
import shutil
import signal
import struct
import subprocess
import time

USERS = 1000  # known to the name service and mapped: bench/people.h
FIRST_UID = 400000
SCRATCH = '/mnt'
PROGRAMS = '/run/bench'
DIRECT = 'unix:path=/run/mastersecret/direct'
STATE = '/var/lib/mastersecret'
ANCHOR = '/var/lib/mastersecret-anchor'
SYNCS = ('74', '75')  # fsync and fdatasync, on x86-64
ENVIRONMENT = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LANG': 'C.UTF-8'}
BUILT = ('dbus-service/mastersecretd', 'bench/fill', 'bench/login', 'bench/measure',
         'bench/rotate', 'client/cli/mastersecret', 'client/.libs/libmastersecret.so.0', 'pam_module/.libs/pam_mastersecret.so')


class Failed(Exception):
    """A step that did not work; the message says which."""


def command(*arguments, given='', **options):
    """What it prints; `given` is what it reads."""
    done = subprocess.run(arguments, check=False, text=True, input=given, capture_output=True, **options)
    if done.returncode:
        raise Failed(f"cannot run {' '.join(arguments)}: {done.stdout}{done.stderr}".strip())
    return done.stdout


def measure(*arguments):
    """Runs a verb of bench/measure: its lines."""
    done = command(f'{PROGRAMS}/measure', *(str(argument) for argument in arguments))
    return [json.loads(line) for line in done.splitlines()]


def measure_beside(*arguments):
    """Begins one that runs while something else is measured."""
    return subprocess.Popen([f'{PROGRAMS}/measure', *(str(argument) for argument in arguments)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def login(stack, *arguments):
    """Microseconds of one login, see bench/login.c; every time a fresh process."""
    return float(command(f'{PROGRAMS}/login', f'{PROGRAMS}/pam.d', stack, *arguments,
                         env={**ENVIRONMENT, 'LD_LIBRARY_PATH': PROGRAMS}))


class Stand:
    """Has to be made in namespaces of its own (see enter in bench/run)."""

    def __init__(self, build, source, folder):
        self.folder = folder
        self.service = None
        self.bound = False
        self.children = []
        self._cover()
        self._people()
        self._programs(build)
        self._bus(source)

    # ---- what is not the machine's own

    @staticmethod
    def _cover():
        command('mount', '-t', 'tmpfs', '-o', 'mode=755', 'bench', SCRATCH)
        for place in ('/etc', '/var/lib'):
            upper, work = (f"{SCRATCH}/{kind}{place.replace('/', '-')}" for kind in 'uw')
            os.mkdir(upper)
            os.mkdir(work)
            command('mount', '-t', 'overlay', '-o',
                    f'lowerdir={place},upperdir={upper},workdir={work}', 'bench', place)
        command('mount', '-t', 'tmpfs', '-o', 'mode=755', 'bench', '/run')
        for place in (STATE, ANCHOR, '/run/dbus', '/run/mastersecret', PROGRAMS):
            os.makedirs(place, exist_ok=True)
        Stand._devices()

    @staticmethod
    def _devices():
        """A /dev in which /dev/log is ours."""
        made = f'{SCRATCH}/dev'
        os.mkdir(made)
        command('mount', '-t', 'tmpfs', '-o', 'mode=755', 'bench', made)
        for name in ('null', 'zero', 'full', 'random', 'urandom', 'tty'):
            open(f'{made}/{name}', 'wb').close()
            command('mount', '--bind', f'/dev/{name}', f'{made}/{name}')
        os.mkdir(f'{made}/shm')
        os.symlink('/proc/self/fd', f'{made}/fd')
        command('mount', '--rbind', made, '/dev')

    @staticmethod
    def _people():
        with open('/etc/group', 'a', encoding='utf-8') as groups:
            groups.write(f'benchers:x:{FIRST_UID}:\n')
            if not _exists('mastersecret'):
                groups.write(f'mastersecret:x:{FIRST_UID - 1}:\n')
        with open('/etc/passwd', 'a', encoding='utf-8') as users:
            if not _exists('mastersecret'):
                users.write(f'mastersecret:x:{FIRST_UID - 1}:{FIRST_UID - 1}::{STATE}:/bin/false\n')
            for number in range(USERS):
                users.write(f'bench{number:06}:x:{FIRST_UID + number}:{FIRST_UID}::/:/bin/false\n')

    @staticmethod
    def _programs(build):
        for name in BUILT:
            shutil.copy(os.path.join(build, name), PROGRAMS)
        os.mkdir(f'{PROGRAMS}/pam.d')
        ours = f'{PROGRAMS}/pam_mastersecret.so mode=verify application=bench timeout=5000'
        for name, module in (('permit', 'pam_permit.so'), ('verify', ours),
                             ('deadline', ours.replace(' timeout=5000', '')),
                             ('other', 'pam_deny.so')):
            with open(f'{PROGRAMS}/pam.d/{name}', 'w', encoding='ascii') as stack:
                stack.write(f'auth required {module}\n')

    def _bus(self, source):
        os.makedirs('/etc/dbus-1/system.d', exist_ok=True)
        shutil.copy(os.path.join(source, 'policy/org.mastersecret1.conf'), '/etc/dbus-1/system.d')
        os.chown('/run/mastersecret', *_owner())
        self._background('dbus-daemon', '--system', '--nofork', '--nopidfile', '--nosyslog')
        self._background(f'{PROGRAMS}/measure', 'drain', '/dev/log')
        _wait_for('/run/dbus/system_bus_socket')

    def _background(self, *arguments):
        self.children.append(subprocess.Popen(
            arguments, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL))

    # ---- state folders

    def use(self, count):
        """Puts the state folder with that many mappings in place; it is filled when it is new."""
        self._unbind()
        folders = {name: f'{self.folder}/{count}/{name}' for name in ('state', 'anchor')}
        filled = os.path.exists(f'{self.folder}/{count}/filled')
        if not filled:
            shutil.rmtree(f'{self.folder}/{count}', ignore_errors=True)
        for name, place in (('state', STATE), ('anchor', ANCHOR)):
            os.makedirs(folders[name], mode=0o700, exist_ok=True)
            os.chown(folders[name], *_owner())
            command('mount', '--bind', folders[name], place)
        self.bound = True
        if not filled:
            self._fill(count)
            open(f'{self.folder}/{count}/filled', 'wb').close()

    def _unbind(self):
        if self.bound:
            for place in (STATE, ANCHOR):
                command('umount', place)
        self.bound = False

    @staticmethod
    def _fill(count):
        uid, gid = _owner()
        backup = f'{STATE}/bench.backup'
        command(f'{PROGRAMS}/fill', STATE, f'{ANCHOR}/anchor', f'{STATE}/keyfile', backup,
                str(count), str(min(USERS, count)), env=ENVIRONMENT, user=uid, group=gid,
                extra_groups=[])
        os.unlink(backup)

    # ---- the service

    def start(self):
        """Starts the service; seconds until it is ready."""
        waiting = subprocess.Popen([f'{PROGRAMS}/measure', '--seconds', '300', 'await'],
                                   stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        waiting.stdout.readline()
        uid, gid = _owner()
        begin = time.monotonic_ns()
        self.service = subprocess.Popen(
            [f'{PROGRAMS}/mastersecretd'], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, user=uid, group=gid, extra_groups=[])
        while waiting.poll() is None and self.service.poll() is None:
            time.sleep(0.05)
        if waiting.poll() != 0:
            waiting.kill()
            raise Failed('the service did not become ready')
        line = waiting.stdout.readline()
        return (json.loads(line)['ready_nsec'] - begin) / 1e9

    def settle(self):
        """Waits for the end of what goes on behind a start (the journal is verified against the
        view); seconds of processor time that it took."""
        spent = self.processor_time()
        while True:
            before = self.processor_time()
            time.sleep(0.3)
            if self.processor_time() - before < 0.015:
                return before - spent

    def processor_time(self):
        """Seconds of the threads that are there now."""
        total = 0
        for task in os.listdir(f'/proc/{self.service.pid}/task'):
            try:
                with open(f'/proc/{self.service.pid}/task/{task}/schedstat',
                          encoding='ascii') as stat:
                    total += int(stat.read().split()[0])
            except OSError:
                continue
        return total / 1e9

    def syncs_in_flight(self):
        """Threads that are inside fdatasync or fsync now."""
        count = 0
        for task in os.listdir(f'/proc/{self.service.pid}/task'):
            try:
                with open(f'/proc/{self.service.pid}/task/{task}/syscall', encoding='ascii') as call:
                    count += call.read().split()[0] in SYNCS
            except OSError:
                continue
        return count

    def stop(self, how=signal.SIGTERM):
        self.service.send_signal(how)
        if self.service.wait(120) and how == signal.SIGTERM:
            raise Failed(f'the service ended with status {self.service.returncode}')
        self.service = None

    # ---- rotations

    @staticmethod
    def rotation_begin():
        """At the default rate; returns when the first record is about to be sealed anew."""
        backup, passphrase = f'{SCRATCH}/rotation.backup', f'{SCRATCH}/passphrase'
        if os.path.exists(backup):
            os.unlink(backup)
        with open(passphrase, 'w', encoding='ascii') as file:
            file.write('of the benchmark')
        os.chmod(passphrase, 0o600)
        command(f'{PROGRAMS}/mastersecret', 'secret', 'rotate', '--backup', backup,
                '--passphrase-file', passphrase,
                env={**ENVIRONMENT, 'LD_LIBRARY_PATH': PROGRAMS})

    @staticmethod
    def _secret(verb, *arguments):
        return command('busctl', '--system', '--json=short', verb, 'org.mastersecret1',
                       '/org/mastersecret1', 'org.mastersecret1.Secret', *arguments, env=ENVIRONMENT)

    @classmethod
    def rotation_state(cls):
        return json.loads(cls._secret('get-property', 'Rotation'))['data']['state']['data']

    @classmethod
    def rotation_await(cls, *states):
        """The state, when it is one of those."""
        for _ in range(60000):
            state = cls.rotation_state()
            if state in states:
                return state
            time.sleep(0.01)
        raise Failed(f"the rotation is not {' or '.join(states)}")

    @classmethod
    def rotation_pause(cls, paused):
        cls._secret('call', 'PauseRotation' if paused else 'ResumeRotation')

    @classmethod
    def rotation_finish(cls):
        cls._secret('call', 'SetRotationRate', 'u', '0')
        cls.rotation_await('idle')

    @staticmethod
    def rotate_alone():
        """The lines of bench/rotate, without a limit, on the state folder of a service that was stopped."""
        uid, gid = _owner()
        backup = f'{STATE}/bench.backup'
        lines = command(f'{PROGRAMS}/rotate', STATE, f'{ANCHOR}/anchor', f'{STATE}/keyfile', backup, '0',
                        env=ENVIRONMENT, user=uid, group=gid, extra_groups=[])
        os.unlink(backup)
        return {line['step']: line for line in map(json.loads, lines.splitlines())}

    def private_memory(self):
        """MiB that nothing but this process keeps in use: what is mapped privately. The view's file,
        mapped shared, is page cache, which the kernel takes back when it needs it."""
        total = private = 0
        with open(f'/proc/{self.service.pid}/smaps', encoding='ascii') as maps:
            for line in maps:
                words = line.split()
                if not words[0].endswith(':'):
                    private = words[1].endswith('p')
                elif private and words[0] in ('Private_Clean:', 'Private_Dirty:', 'Swap:'):
                    total += int(words[1])
        return total / 1024


class Keyring:
    """A gnome-keyring-daemon with `count` items, at a bus of its own, where it is installed. Its file is one
    that the user left without a password: written as text, and open at once."""

    def __init__(self, count):
        self.folder = f'{SCRATCH}/keyring-{count}'
        self.bus = f'unix:path={self.folder}/bus'
        files = f'{self.folder}/keyrings'
        os.makedirs(files, mode=0o700)
        with open(f'{files}/bench.keyring', 'w', encoding='ascii') as keyring:
            keyring.write('[keyring]\ndisplay-name=bench\nctime=0\nmtime=0\nlock-on-idle=false\n'
                          'lock-after=false\n')
            for number in range(1, count + 1):
                keyring.write(f'\n[{number}]\nitem-type=0\ndisplay-name=item {number}\n'
                              f'secret=of-{number:08}\nmtime=0\nctime=0\n')
        os.chmod(f'{files}/bench.keyring', 0o600)
        environment = {**ENVIRONMENT, 'HOME': self.folder, 'XDG_DATA_HOME': self.folder,
                       'XDG_RUNTIME_DIR': self.folder, 'DBUS_SESSION_BUS_ADDRESS': self.bus}
        self.children = [self._background(environment, 'dbus-daemon', '--session', '--nofork',
                                          '--nopidfile', f'--address={self.bus}')]
        _wait_for(f'{self.folder}/bus')
        self.children.append(self._background(environment, 'gnome-keyring-daemon', '--foreground',
                                              '--components=secrets'))
        _wait_for(f'{self.folder}/keyring/control')

    @staticmethod
    def installed():
        return shutil.which('gnome-keyring-daemon', path=ENVIRONMENT['PATH']) is not None

    @staticmethod
    def _background(environment, *arguments):
        return subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end(self):
        for child in reversed(self.children):
            child.terminate()
            child.wait()
        shutil.rmtree(self.folder)


def _exists(name):
    try:
        pwd.getpwnam(name)
        return True
    except KeyError:
        return False


def _owner():
    entry = pwd.getpwnam('mastersecret')
    return entry.pw_uid, entry.pw_gid


def _wait_for(path):
    for _ in range(500):
        if os.path.exists(path):
            return
        time.sleep(0.01)
    raise Failed(f'{path} did not appear')


def journal_commits(path):
    """(commits, appends) in a journal, and its base revision: doc/FORMAT, section 5. One commit is one
    sync."""
    commits = appends = 0
    with open(path, 'rb') as journal:
        base = struct.unpack_from('<Q', journal.read(128), 48)[0]
        while True:
            header = journal.read(64)
            if len(header) < 64 or header[:4] != b'FSRM':
                return commits, appends, base
            kind, length, count = struct.unpack_from('<B3xII', header, 4)
            commits += kind == 1
            appends += count if kind == 1 else 0
            journal.seek(length + 32, os.SEEK_CUR)

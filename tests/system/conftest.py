# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: `world` is a fresh machine for one test, `shared_world` one for all tests of a file.
In both the service runs and has a master secret unless the test or the file says
`pytestmark = pytest.mark.unconfigured` (or marks the single test)."""
import functools
import os
import signal
import subprocess
import sys
import tempfile
import time

import pytest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('MS_BUILD', os.path.join(SOURCE, 'build'))
TOOL = os.path.join(SOURCE, 'tests', 'world', 'world')

sys.path.insert(0, os.path.dirname(TOOL))
sys.dont_write_bytecode = True

import enter  # noqa: E402


class World:
    """A running world; see tests/world/world for what is in it."""
    audit_log = '/var/log/mastersecret-audit.log'
    bus_log = '/var/log/world-bus.log'
    backup = '/root/mastersecret.backup'
    passphrase = 'the passphrase of this world'
    state = '/var/lib/mastersecret'
    anchor = '/var/lib/mastersecret-anchor'
    config = '/etc/mastersecret/mastersecretd.conf'
    daemon = '/usr/libexec/mastersecretd'

    def __init__(self, generate=True, boot=False, archive=None):
        options = ['--build', BUILD, '--stage', os.environ.get('MS_STAGE', f'{BUILD}/stage')]
        # The unit's sandbox is not made for a sanitizer, which reads /proc and writes reports.
        self.sanitized = bool(os.environ.get('MS_DAEMON')) and not boot
        if self.sanitized:
            options += ['--daemon', os.environ['MS_DAEMON']]
        if not generate:
            options.append('--no-secret')
        if boot:
            options.append('--boot')
        if archive:
            options += ['--secret', f'/proc/self/fd/{archive.fileno()}']
        self._holder = subprocess.Popen([TOOL, 'hold', *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        pass_fds=[archive.fileno()] if archive else [])
        line = self._holder.stdout.readline()
        if not line:
            self.close()
            raise RuntimeError('the world did not come up')
        self.pid = int(line)
        if archive:  # or the end of its start would turn up amidst what a test looks at
            wait_until(lambda: 'unseal ok detail="at start' in self.read(self.audit_log), 'the start to end')

    def close(self):
        """The world and all in it are gone when this returns."""
        self._holder.stdin.close()
        self._holder.wait()
        self._holder.stdout.close()

    def sanitizer_reports(self):
        """What a sanitized service complained about. valgrind makes its file at the start, and says
        in --PID-- lines which system calls it does not know; libsodium's memory is used then."""
        folder = self.path('/var/log/sanitizer')
        texts = [self.read(f'/var/log/sanitizer/{name}')
                 for name in (os.listdir(folder) if os.path.isdir(folder) else ())]
        return [text for text in texts if any(not line.startswith('--') for line in text.splitlines())]

    def kill(self):
        """As a power cut."""
        os.kill(self.pid, signal.SIGKILL)
        self.close()

    def running(self):
        return os.path.exists(f'/proc/{self.pid}')

    def path(self, inner):
        """The path by which a file of the world is reached from the test itself."""
        return f'/proc/{self.pid}/root{inner}'

    def read(self, inner):
        with open(self.path(inner), encoding='utf-8', errors='surrogateescape') as file:
            return file.read()

    def write(self, inner, text, mode=0o644):
        with open(self.path(inner), 'w', encoding='utf-8', errors='surrogateescape') as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)

    def command(self, arguments, user='root'):
        """The argument vector that runs arguments in the world, for a Popen of one's own."""
        return enter.arguments(self.pid, user, arguments)

    def run(self, command, user='root', input=None, check=True, timeout=300, **options):
        """Runs command (a list, or a string for the shell) and returns the CompletedProcess, with
        text in stdout and stderr (bytes if input is bytes). check: a failure fails the test."""
        arguments = ['bash', '-c', command] if isinstance(command, str) else list(command)
        binary = isinstance(input, (bytes, bytearray))
        streams = {'stdin': subprocess.DEVNULL} if input is None else {'input': input}
        done = subprocess.run(self.command(['timeout', '-k', '1', str(timeout), *arguments], user),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=not binary,
                              check=False, **streams, **options)
        failed = check and done.returncode
        assert not failed, f"{' '.join(arguments)[-1000:]!r} as {user} gave {failed}: {done.stdout!r} {done.stderr!r}"
        return done

    def audit(self):
        """The lines that arrived at /dev/log so far."""
        return self.read(self.audit_log).splitlines()

    def whole_audit(self):
        """As audit(), when all is there that the service has to say of what it has answered."""
        marker = os.urandom(8).hex()
        # An event follows its reply; once the service answers something else, it has been sent.
        self.run('busctl --auto-start=no call org.mastersecret1 /org/mastersecret1 '
                 'org.freedesktop.DBus.Peer Ping', check=False)
        self.run(['logger', marker])
        return self.audited(marker)

    def audited(self, *words):
        """As audit(), when there is a line with all the words."""
        wait_until(lambda: any(all(word in line for word in words) for line in self.audit()),
                   f'a line with {words} in the log')
        return self.audit()

    def service_pid(self):
        """The pid of the service inside the world, or None if it does not run."""
        done = self.run(['busctl', 'call', '--auto-start=no', 'org.freedesktop.DBus',
                         '/org/freedesktop/DBus', 'org.freedesktop.DBus',
                         'GetConnectionUnixProcessID', 's', 'org.mastersecret1'], check=False)
        return int(done.stdout.split()[1]) if done.returncode == 0 else None

    def kill_service(self, signal_name='KILL'):
        """Ends the service and waits until it is gone; the next call activates a new one."""
        pid = self.service_pid()
        assert pid, 'the service does not run'
        # A test may have left it stopped. Not afterwards: at its end a sanitizer stops the threads
        # to look for leaks, and waits for ever for one that was told to go on.
        self.run(f'kill -CONT {pid}; kill -{signal_name} {pid}')
        wait_until(lambda: not os.path.exists(self.path(f'/proc/{pid}')), 'the service to end')

    def start_service(self):
        """Activates the service if it does not run; it answers when this returns."""
        self.run(['busctl', 'call', 'org.mastersecret1', '/org/mastersecret1',
                  'org.freedesktop.DBus.Peer', 'Ping'])
        return self.service_pid()

    def restart_service(self):
        self.kill_service('TERM')
        return self.start_service()

    def restart_bus(self):
        """A new system bus; the service is not restarted."""
        self.run('kill "$(cat /run/dbus/pid)"; while [ -e "/proc/$(cat /run/dbus/pid)" ]; do '
                 'sleep 0.01; done; rm -f /run/dbus/pid /run/dbus/system_bus_socket; '
                 f'setsid dbus-daemon --system --nofork </dev/null >>{self.bus_log} 2>&1 & '
                 'while ! busctl list >/dev/null 2>&1; do sleep 0.01; done')


def wait_until(condition, what, seconds=120):
    """What condition gives in the end. Long enough for a machine that is busy with everything else; what hangs is
    found all the same."""
    deadline = time.monotonic() + seconds
    while not (seen := condition()):
        assert time.monotonic() < deadline, f'waited {seconds} s in vain for {what}; it was {seen!r}'
        time.sleep(0.01)
    return seen


def pytest_configure(config):
    sys.dont_write_bytecode = True
    config.addinivalue_line('markers', 'unconfigured: the world has no master secret yet')
    config.addinivalue_line('markers', 'service: needs the installed service')


def pytest_runtest_setup(item):
    if os.geteuid() != 0:
        pytest.skip('only root can make a world')


@functools.cache
def secret():
    """An archive of what making a master secret leaves, for all worlds: it takes more than a second of work,
    as guessing a passphrase must."""
    archive, made = tempfile.TemporaryFile(), World()
    made.kill_service('TERM')
    subprocess.run(made.command(['tar', '-cC', '/', *(path[1:] for path in (
        made.state, made.anchor, made.backup, '/root/mastersecret.passphrase'))]), stdout=archive, check=True)
    _finish(made)
    return archive


def _made(request):
    unconfigured = request.node.get_closest_marker('unconfigured')
    made = World(generate=False) if unconfigured else World(archive=secret())
    request.addfinalizer(lambda: _finish(made))
    return made


def _finish(made):
    if made.sanitized and made.running() and made.service_pid():
        made.kill_service('TERM')  # what leaked is reported at the exit
    reports = made.sanitizer_reports()
    made.close()
    assert not reports, '\n'.join(reports)


@pytest.fixture
def world(request):
    return _made(request)


@pytest.fixture(scope='module')
def shared_world(request):
    return _made(request)


def can_boot():
    with open('/proc/self/mountinfo', encoding='utf-8', errors='replace') as table:
        return ' - cgroup2 ' in table.read() and os.path.exists('/lib/systemd/systemd')


@pytest.fixture
def make_world(request):
    """A function that makes worlds: make_world(generate=False); with boot=True systemd is PID 1."""
    def make(**options):
        if options.get('boot') and os.environ.get('MS_SANITIZED'):
            pytest.skip('a booted world runs the service as installed: the other pass does')
        if options.get('boot') and not can_boot():
            pytest.skip('systemd cannot boot here: no cgroup2 file system, or no systemd')
        made = World(**options)
        request.addfinalizer(lambda: _finish(made))
        return made
    return make

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world itself: what is in it, that programs behave in it as on a machine, and that nothing
of it is left outside."""
import os
import signal
import subprocess

import pytest

from conftest import TOOL, BUILD, wait_until

pytestmark = pytest.mark.unconfigured

OPTIONS = ['--no-secret', '--build', BUILD]


def outside():
    """What a world must not change: mounts, accounts, System V objects, processes of worlds."""
    def read(path):
        with open(path, 'rb') as file:
            return file.read()
    return ([read(path) for path in ('/proc/self/mountinfo', '/etc/passwd', '/etc/group',
                                     '/proc/sysvipc/shm')],
            sorted(os.listdir('/run')), os.uname().nodename)


def processes_of(marker):
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as file:
                if marker.encode() in file.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


def test_users_and_groups(shared_world):
    assert shared_world.run('id -Gn alice; id -Gn bob; id -Gn carol; id -Gn dave').stdout == \
        'alice clerks\nbob clerks\ncarol appadmins\ndave\n'
    assert shared_world.run('getent group mastersecret-admins').stdout.endswith(':\n')
    assert shared_world.run('id -un', user='alice').stdout == 'alice\n'


def test_folders(shared_world):
    assert shared_world.run(
        "stat -c '%n %U %a' /var/lib/mastersecret /var/lib/mastersecret-anchor /run/mastersecret "
        '/etc/mastersecret').stdout.splitlines() == [
            '/var/lib/mastersecret mastersecret 700', '/var/lib/mastersecret-anchor mastersecret 700',
            '/run/mastersecret mastersecret 755', '/etc/mastersecret root 755']


def test_own_bus_with_our_policy(shared_world):
    listed = shared_world.run('busctl list --no-pager --acquired --activatable').stdout
    assert 'org.mastersecret1' in listed
    refused = shared_world.run('dbus-send --system --print-reply --dest=org.freedesktop.DBus / '
                               'org.freedesktop.DBus.RequestName string:org.mastersecret1 uint32:0',
                               user='alice', check=False)
    assert 'AccessDenied' in refused.stderr


def test_log_is_kept(shared_world):
    shared_world.run(['logger', '-t', 'marker', 'a line for the log'], user='bob')
    wait_until(lambda: any('a line for the log' in line for line in shared_world.audit()),
               'the line to arrive')


@pytest.mark.parametrize('password, status', (('bob-login', 0), ('wrong', 1)))
def test_set_uid_programs_work(shared_world, password, status):
    done = shared_world.run(['su', 'bob', '-c', 'id -un'], user='alice', input=password + '\n',
                            check=False)
    assert (done.returncode, done.stdout) == (status, '' if status else 'bob\n')


def test_terminals_work(shared_world):
    done = shared_world.run(['script', '-qec', 'tty', '/dev/null'])
    assert done.stdout.startswith('/dev/pts/')


def test_orphans_are_reaped(shared_world):
    shared_world.run('(sleep 0.1 &)')
    # One that has ended and waits for its parent is still there.
    wait_until(lambda: shared_world.run('pgrep -x sleep', check=False).returncode == 1, 'the orphan to be gone')


def test_loopback_only(shared_world):
    shared_world.run('ls /sys/class/net; getent hosts localhost; exec 3<>/dev/udp/127.0.0.1/9')
    assert os.listdir(shared_world.path('/sys/class/net')) == ['lo']


@pytest.mark.parametrize('command, status', ((['true'], 0), (['sh', '-c', 'exit 7'], 7),
                                             (['sh', '-c', 'kill -9 $$'], 137),
                                             (['/nonexistent'], 127)))
def test_exit_status_and_nothing_left(command, status):
    before = outside()
    assert subprocess.run([TOOL, 'run', *OPTIONS, '--', *command], check=False,
                          stderr=subprocess.DEVNULL).returncode == status
    assert outside() == before


def test_input_and_output_pass_through():
    done = subprocess.run([TOOL, 'run', *OPTIONS, '--user', 'alice', '--', 'tr', 'a-z', 'A-Z'],
                          input=b'hello', stdout=subprocess.PIPE, check=True)
    assert done.stdout == b'HELLO'


def test_writes_stay_inside():
    subprocess.run([TOOL, 'run', *OPTIONS, '--', 'sh', '-c', 'echo x >/etc/world-was-here; '
                    'useradd world-was-here; touch /tmp/world-was-here'], check=True)
    assert not os.path.exists('/etc/world-was-here') and not os.path.exists('/tmp/world-was-here')
    with open('/etc/passwd', encoding='utf-8') as file:
        assert 'world-was-here' not in file.read()


@pytest.mark.parametrize('number', (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL))
def test_a_signal_ends_all_of_it(number):
    before, marker = outside(), f'47{os.getpid()}{int(number)}'
    with subprocess.Popen([TOOL, 'run', *OPTIONS, '--', 'sh', '-c',
                           f'sleep {marker} & setsid sleep {marker}; :'],
                          stdin=subprocess.DEVNULL) as running:
        wait_until(lambda: len(processes_of(f'sleep\0{marker}')) == 2, 'the command to start')
        os.kill(running.pid, number)
        running.wait(timeout=120)
    wait_until(lambda: not processes_of(marker), 'all processes to end')
    assert outside() == before


def test_several_at_once(make_world):
    one, two = make_world(generate=False), make_world(generate=False)
    one.run('echo 1 >/etc/number')
    two.run('echo 2 >/etc/number')
    assert (one.read('/etc/number'), two.read('/etc/number')) == ('1\n', '2\n')


def test_start_exec_stop():
    pid = subprocess.run([TOOL, 'start', *OPTIONS], stdout=subprocess.PIPE, check=True,
                         text=True).stdout.strip()
    done = subprocess.run([TOOL, 'exec', '--user', 'carol', pid, 'id', '-Gn'], check=True,
                          stdout=subprocess.PIPE, text=True)
    assert done.stdout == 'carol appadmins\n'
    subprocess.run([TOOL, 'stop', pid], check=True)
    assert not os.path.exists(f'/proc/{pid}')


def test_a_world_in_a_world():
    """As on a machine whose root is an overlay already."""
    with open('/proc/mounts', encoding='utf-8') as mounts:
        if any(line.split()[1:3] == ['/', 'overlay'] for line in mounts):
            pytest.skip('the kernel stacks two overlays, and / is one already')
    subprocess.run([TOOL, 'run', *OPTIONS, '--', TOOL, 'run', *OPTIONS, '--', 'busctl', 'list'],
                   stdout=subprocess.DEVNULL, check=True)

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""mastersecretd as a process: options, who may run it, what it takes away from itself, what it tells
the service manager."""
import os
import subprocess

import pytest

from conftest import wait_until

pytestmark = pytest.mark.service


def test_options(shared_world):
    assert 'mastersecretd' in shared_world.run([shared_world.daemon, '--version']).stdout
    assert '--config' in shared_world.run([shared_world.daemon, '--help']).stdout
    for arguments in (['--colour'], ['more'], ['--config']):
        done = shared_world.run([shared_world.daemon, *arguments], check=False)
        assert done.returncode == 2 and 'Usage' in done.stderr


def test_root_is_refused_with_an_explanation(shared_world):
    done = shared_world.run([shared_world.daemon], check=False)
    assert done.returncode == 1 and 'user mastersecret' in done.stderr


def test_wrong_configuration_is_told_with_file_and_line(shared_world):
    shared_world.write('/etc/mastersecret/wrong.conf', '[audit]\nsuccess = perhaps\n')
    done = shared_world.run([shared_world.daemon, '--config', '/etc/mastersecret/wrong.conf'],
                            'mastersecret', check=False)
    assert done.returncode == 6
    assert '/etc/mastersecret/wrong.conf:2: success: ' in done.stderr


def test_one_service_per_state_folder(shared_world):
    done = shared_world.run([shared_world.daemon], 'mastersecret', check=False)
    assert done.returncode == 1 and 'another mastersecretd' in done.stderr


def test_what_it_takes_away_from_itself(shared_world):
    pid = shared_world.start_service()
    status = shared_world.read(f'/proc/{pid}/status')
    assert 'NoNewPrivs:\t1' in status and 'CapEff:\t0000000000000000' in status
    assert 'Umask:\t0077' in status
    limits = shared_world.read(f'/proc/{pid}/limits')
    assert [line.split()[4:6] for line in limits.splitlines()
            if line.startswith('Max core')] == [['0', '0']]
    # Not dumpable: its files in /proc are root's.
    assert os.stat(shared_world.path(f'/proc/{pid}/mem')).st_uid == 0
    for number in (0, 1, 2):
        assert os.readlink(shared_world.path(f'/proc/{pid}/fd/{number}'))
    threads = os.listdir(shared_world.path(f'/proc/{pid}/task'))
    assert len(threads) <= 8


LISTEN = '''
import os, socket, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind('/run/mastersecret/notify')
while True:
    print(listener.recv(1000).decode().replace('\\n', '|'), flush=True)
'''


def test_service_manager_is_told(world):
    """As systemd would start it, with a socket and a watchdog."""
    world.kill_service('TERM')
    listener = subprocess.Popen(world.command(['timeout', '300', '/usr/bin/python3', '-c', LISTEN], 'mastersecret'),
                                stdout=subprocess.PIPE, text=True)
    wait_until(lambda: os.path.exists(world.path('/run/mastersecret/notify')), 'the listener')
    service = subprocess.Popen(world.command(
        ['env', 'NOTIFY_SOCKET=/run/mastersecret/notify', 'WATCHDOG_USEC=400000', world.daemon],
        'mastersecret'), stderr=subprocess.PIPE)
    seen = []

    def until(text):
        while not any(text in line for line in seen):
            line = listener.stdout.readline()
            assert line, seen
            seen.append(line.strip())
    until('READY=1')
    assert world.service_pid()  # the name is taken, the keyring open
    assert world.run('mastersecret status').returncode == 0
    until('STATUS=ready')
    until('WATCHDOG=1')
    seen.clear()
    world.run(f'kill -HUP {world.service_pid()}')
    until('RELOADING=1|MONOTONIC_USEC=')
    until('READY=1')
    world.run(f'kill {world.service_pid()}')
    until('STOPPING=1')
    assert service.wait(timeout=120) == 0
    service.stderr.close()
    listener.terminate()
    listener.wait()
    listener.stdout.close()

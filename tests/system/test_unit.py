# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit under a real systemd: it starts, tells, is watched and ends as the unit says, and its sandbox
refuses what it should and lets the service do all it must. No watchdog figure here is the unit's
own: half a minute is too long to wait."""
import contextlib
import json
import os
import re
import subprocess
import time

import pytest

import bus_client
from conftest import SOURCE, wait_until

UNIT = 'mastersecretd.service'
DROP_INS = f'/run/systemd/system/{UNIT}.d'
PROBE = '/usr/libexec/mastersecretd-probe'


@pytest.fixture
def booted(make_world):
    made = make_world(boot=True)
    made.write('/root/passphrase', made.passphrase, 0o600)
    return made


def show(world, name):
    return world.run(['systemctl', 'show', '-P', name, UNIT]).stdout.strip()


def active(world):
    return show(world, 'ActiveState') == 'active'


def drop_in(world, text, name='test'):
    world.run(f'mkdir -p {DROP_INS}')
    world.write(f'{DROP_INS}/{name}.conf', '[Service]\n' + text)
    world.run('systemctl daemon-reload')


def furnish(world):
    """A secret, an application, and a value of alice's."""
    world.run(['mastersecret', 'secret', 'generate', '--backup', world.backup,
               '--passphrase-file', '/root/passphrase'])
    world.run('mastersecret app create erp --users clerks --admins appadmins --field user '
              '--field password:masked --enable')
    world.run(['mastersecret', 'map', 'set', 'erp', '--external', 'ALICE01', '--stdin'],
              user='alice', input='a password')


def value(world):
    return world.run(['mastersecret', 'get', 'erp'], user='alice').stdout


@contextlib.contextmanager
def restarted(world):
    """What is done within has systemd start it again."""
    pid = show(world, 'MainPID')
    yield
    wait_until(lambda: show(world, 'MainPID') not in (pid, '0') and active(world), 'systemd to start it again')


def watchdog_timeouts(world):
    return world.run(['journalctl', '-u', UNIT, '-o', 'cat', '--no-pager']).stdout.count('Watchdog timeout')


def status_becomes(world, text):
    """What the service tells systemd travels beside its answers."""
    wait_until(lambda: show(world, 'StatusText').startswith(text), f'the status {text}')


def test_ready_means_ready(booted):
    booted.run(['systemctl', 'start', UNIT])
    assert active(booted)
    booted.run(['busctl', '--auto-start=no', 'call', 'org.mastersecret1', '/org/mastersecret1',
                'org.freedesktop.DBus.Peer', 'Ping'])
    assert show(booted, 'Type') == 'notify'
    status_becomes(booted, 'unconfigured: ')
    furnish(booted)
    status_becomes(booted, 'ready: Everything is served.')
    booted.run('mastersecret secret seal')
    status_becomes(booted, 'sealed: The keys are not in memory. Run: mastersecret secret unseal')
    booted.run(['systemctl', 'reload', UNIT])
    booted.run(['systemctl', 'stop', UNIT])
    assert (show(booted, 'ActiveState'), show(booted, 'Result')) == ('inactive', 'success')


def test_the_bus_starts_the_unit(booted):
    """Nobody but systemd starts it: after a stop, and after a kill where it may not restart by itself."""
    drop_in(booted, 'Restart=no\n')
    furnish(booted)
    assert active(booted)
    assert booted.service_pid() == int(show(booted, 'MainPID'))
    booted.run(['systemctl', 'restart', UNIT])
    assert value(booted) == 'a password'
    booted.run(['systemctl', 'stop', UNIT])
    assert not active(booted)
    assert value(booted) == 'a password' and active(booted)
    booted.run(['systemctl', 'kill', '-s', 'KILL', UNIT])
    wait_until(lambda: show(booted, 'ActiveState') == 'failed', 'the service to end')
    assert value(booted) == 'a password'
    assert active(booted) and show(booted, 'NRestarts') == '0'
    assert booted.service_pid() == int(show(booted, 'MainPID'))


def stall(world):
    """The main loop alone stands still, other threads go on: strace holds it in its wait."""
    return subprocess.Popen(world.command(
        ['strace', '-qq', '-o', '/dev/null', '-e', 'trace=epoll_wait,epoll_pwait', '-e',
         'inject=epoll_wait,epoll_pwait:delay_enter=10s', '-p', show(world, 'MainPID')]))


def test_a_hung_service_is_found_by_the_watchdog(booted):
    """Killed it is started again at once; stopped, or with a loop that stands still, by the watchdog."""
    # TimeoutAbortSec: a loop that is held does not end by the watchdog's signal either.
    drop_in(booted, 'WatchdogSec=4s\nTimeoutAbortSec=1s\nRestartSec=100ms\n')
    booted.run(['systemctl', 'start', UNIT])
    told = show(booted, 'WatchdogTimestampMonotonic')
    wait_until(lambda: show(booted, 'WatchdogTimestampMonotonic') != told, 'it to tell the watchdog that it lives')
    with restarted(booted):
        booted.run(['systemctl', 'kill', '-s', 'KILL', UNIT])
    before = watchdog_timeouts(booted)
    with restarted(booted):
        booted.run(['systemctl', 'kill', '-s', 'STOP', UNIT])
    stopped = watchdog_timeouts(booted)
    with restarted(booted):
        held = stall(booted)
    assert held.wait(timeout=120) is not None
    assert before < stopped < watchdog_timeouts(booted)


def start_traced(world, *options):
    """Starts the unit behind strace, from the first instruction of the service on."""
    drop_in(world, "ExecStart=\nExecStart=/bin/sh -c 'kill -STOP $$$$; exec /usr/libexec/mastersecretd'\n")
    world.run(['systemctl', 'start', '--no-block', UNIT])
    wait_until(lambda: show(world, 'MainPID') != '0', 'the unit to start')
    pid = show(world, 'MainPID')
    wait_until(lambda: 'State:\tT' in world.read(f'/proc/{pid}/status'), 'the shell to stop itself')
    tracer = subprocess.Popen(world.command(
        ['strace', '-f', '-qq', '-o', '/dev/null', *options, '-p', pid]))
    wait_until(lambda: 'TracerPid:\t0' not in world.read(f'/proc/{pid}/status'), 'strace')
    world.run(['kill', '-CONT', pid])
    return tracer


def test_stop_while_the_view_is_rebuilt(booted):
    """Each MiB of the journal takes 5 s here, and there are twelve: the rebuild lasts long, the stop does not."""
    furnish(booted)
    assert bus_client.run(booted, """
doors = [connect_as(name) for name in ('bob', 'alice')]
for i in range(200):
    assert set_mapping(doors[i % 2], '', 'EXTERNAL%d' % (i % 2), os.urandom(60000)) == 'ok'
answer(set_mapping(doors[1], '', 'ALICE01', b'a password'))
""") == 'ok'
    booted.run('systemctl kill -s KILL mastersecretd; systemctl stop mastersecretd; '
               'rm -f /var/lib/mastersecret/view*; du -ab /var/lib/mastersecret')
    tracer = start_traced(booted, '-P', '/var/lib/mastersecret/journal',
                          '-e', 'inject=pread64:delay_enter=5s')
    status_becomes(booted, 'rebuilding')
    begin = time.monotonic()
    booted.run(['systemctl', 'stop', UNIT])
    assert time.monotonic() - begin < 45
    assert show(booted, 'Result') == 'success'
    tracer.wait(timeout=120)
    booted.run(f'rm {DROP_INS}/test.conf; systemctl daemon-reload')
    assert value(booted) == 'a password'


def test_systemd_understands_the_unit(booted):
    """Each line of it: an unknown one would be passed over. The probe for that is a line of our own."""
    said = booted.run(['systemd-analyze', 'verify', '--man=no', UNIT], check=False)
    assert (said.returncode, said.stdout, said.stderr) == (0, '', '')
    drop_in(booted, 'SystemCallFiltre=no\n')
    assert 'SystemCallFiltre' in booted.run(['systemd-analyze', 'verify', '--man=no', UNIT], check=False).stderr


# Refused to everybody, or to ordinary users, without any sandbox: the kernel's own words vary.
ANY = ('EPERM', 'EACCES', 'EROFS', 'ENOENT', 'ENOSYS')
REFUSED = {
    'inet': ('EAFNOSUPPORT',), 'inet6': ('EAFNOSUPPORT',), 'netlink': ('EAFNOSUPPORT',),
    'packet_socket': ('EAFNOSUPPORT',), 'change_personality': ('EPERM',), 'trace_me': ('EPERM',),
    'user_namespace': ('EPERM',), 'raise_niceness': ('EPERM',), 'own_uid': ('EPERM',),
    'session_keyring': ('EPERM',), 'own_file': ('EPERM',), 'set_uid_file': ('EPERM',),
    'own_memory': ('EPERM',), 'ring': ('EPERM',), 'write_and_execute': ('EPERM',), 'execute_what_was_written': ('EPERM',),
    'home': ('EACCES', 'ENOENT'), 'device': ('ENOENT',), 'other_process': ('ENOENT',),
    'kernel_figures': ('ENOENT',), 'open_folder': ('EROFS',), 'write_etc': ('EROFS',),
    'write_usr': ('EROFS',), 'bpf': ('EPERM',), 'perf': ('EPERM',), 'swap': ('EPERM',),
    'fault_handler': ('EPERM',), 'other_architecture': ('SIGSYS', 'EPERM'),
    'root_uid': ('EPERM',), 'mount_tmpfs': ('EPERM',), 'change_root': ('EPERM',),
    'make_device': ('EPERM',), 'write_setting': ('EROFS', 'EACCES', 'ENOENT'),
    'write_cgroup': ('EROFS', 'EACCES'), 'host_name': ('EPERM',), 'kernel_log': ('EPERM',),
    'load_module': ('EPERM',), 'real_time': ('EPERM',)}
NEEDED = ('unix_socket', 'secret_memory', 'temporary_file')
# What the same user may do where nothing forbids it, so that its refusal is the sandbox's. More of them
# are, but a container around the tests may refuse those by itself.
ORDINARY = ('inet', 'netlink', 'raise_niceness', 'own_uid', 'home', 'device', 'other_process',
            'kernel_figures', 'open_folder', 'write_and_execute', 'execute_what_was_written', 'own_file',
            'set_uid_file')


def build_probe(world):
    world.run(['cc', '-O1', '-o', PROBE, '-x', 'c', '-'], input=open(
        f'{SOURCE}/tests/system/sandbox_probe.c', encoding='utf-8').read())
    world.run('install -d -m 777 /srv/open /home/shared && install -m 644 /dev/null /home/shared/file && '
              '{ mknod -m 666 /dev/probe c 1 3 || install -m 666 /dev/null /dev/probe; }')


def test_the_timers_do_their_work(booted):
    """What mastersecret-secret(7) enables: a backup from within the sandbox, and a rotation when it is due."""
    timers = ('mastersecret-backup.timer', 'mastersecret-rotate.timer')
    units = [name.replace('timer', kind) for name in timers for kind in ('timer', 'service')]
    said = booted.run(['systemd-analyze', 'verify', '--man=no', *units], check=False)
    assert said.returncode == 0 and not [line for line in said.stderr.splitlines() if 'mastersecret-' in line], said
    furnish(booted)
    key = booted.run('mastersecret secret recipient new --private-file /root/key').stdout.split()[1]
    booted.run(['mastersecret', 'secret', 'recipient', 'add', 'safe', key])
    config = '[secret]\nbackup-directory = /var/lib/mastersecret-backup\n'
    booted.write(booted.config, config)
    booted.run(f'systemctl reload mastersecretd; systemctl enable --now {" ".join(timers)}')
    assert booted.run('systemctl list-timers').stdout.count('mastersecret-') >= 2
    booted.run('systemctl start mastersecret-backup.service mastersecret-rotate.service')
    (made,) = booted.run('ls /var/lib/mastersecret-backup').stdout.split()
    assert 'safe' in booted.run(f'mastersecret secret backup inspect /var/lib/mastersecret-backup/{made}').stdout
    assert census(booted) == [1], 'a rotation that is not due'
    booted.write(booted.config, config + 'rotate-after = 1s\n')
    booted.run('systemctl reload mastersecretd')
    wait_until(lambda: booted.run('systemctl restart mastersecret-rotate.service') and census(booted) != [1],
               'the rotation to be due')
    booted.write(booted.config, config)
    booted.run('systemctl reload mastersecretd; mastersecret secret rotate --resume --wait')
    assert value(booted) == 'a password'


def census(world):
    """Numbers of the generations that hold records."""
    return [row['number'] for row in json.loads(world.run('mastersecret secret census --json').stdout)
            if row['total'] > 0]


def test_the_service_runs_in_the_sandbox(booted):
    """What the kernel says of the running service itself."""
    booted.run(['systemctl', 'start', UNIT])
    pid = show(booted, 'MainPID')
    status = dict(line.split(':\t', 1) for line in booted.read(f'/proc/{pid}/status').splitlines())
    assert {status[f'Cap{name}'] for name in ('Inh', 'Prm', 'Eff', 'Bnd', 'Amb')} == {'0' * 16}
    assert status['NoNewPrivs'] == '1' and status['Seccomp'] == '2'
    assert set(status['Uid'].split()) == {booted.run('id -u mastersecret').stdout.strip()}
    for name in ('ipc', 'mnt', 'net', 'uts'):
        inner, outer = (os.readlink(booted.path(f'/proc/{process}/ns/{name}')) for process in (pid, 1))
        assert inner != outer, name
    assert re.search(r'^Max core file size +0 +0 ', booted.read(f'/proc/{pid}/limits'), re.M)


def test_the_sandbox_refuses(booted):
    """A program in the place of the service tries; without the sandbox the same user gets through."""
    build_probe(booted)
    state = booted.state
    free = booted.run(['setpriv', '--reuid', 'mastersecret', '--regid', 'mastersecret', '--clear-groups',
                       'env', 'PROBE_FOLDER=/tmp', PROBE]).stdout
    free = dict(line.split() for line in free.splitlines())
    assert {name: free[name] for name in ORDINARY + NEEDED} == dict.fromkeys(ORDINARY + NEEDED, 'ok')
    drop_in(booted, f'Type=oneshot\nRestart=no\nWatchdogSec=0\nEnvironment=PROBE_FOLDER={state}\n'
            f'ExecStart=\nExecStart={PROBE}\nStandardOutput=file:/run/probe.out\n')
    booted.run('rm -f /tmp/probe-made-this /srv/open/probe')
    booted.run(['systemctl', 'start', UNIT])
    tried = dict(line.split() for line in booted.read('/run/probe.out').splitlines())
    wrong = {name: tried.get(name) for name, words in REFUSED.items()
             if tried.get(name, 'absent') not in words and not (name not in tried and name not in free)}
    assert not wrong
    assert {name: tried[name] for name in NEEDED} == dict.fromkeys(NEEDED, 'ok')
    assert set(tried) == set(REFUSED) & set(free) | set(NEEDED), 'each attempt has its row'
    assert not os.path.exists(booted.path('/tmp/probe-made-this')), 'its /tmp is its own'

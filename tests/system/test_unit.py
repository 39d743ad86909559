# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit under a real systemd: its sandbox lets the service do all it must."""
import pytest

from conftest import wait_until


@pytest.fixture
def booted(make_world):
    made = make_world(boot=True)
    made.write('/root/passphrase', made.passphrase, 0o600)
    return made


def show(world, name):
    return world.run(['systemctl', 'show', '-P', name, 'mastersecretd']).stdout.strip()


def generate(world):
    world.run(['mastersecret', 'secret', 'generate', '--backup', world.backup,
               '--passphrase-file', '/root/passphrase'])


def test_ready_means_ready(booted):
    booted.run(['systemctl', 'start', 'mastersecretd'])
    assert show(booted, 'ActiveState') == 'active'
    booted.run(['busctl', '--auto-start=no', 'call', 'org.mastersecret1', '/org/mastersecret1',
                'org.freedesktop.DBus.Peer', 'Ping'])


def test_works_in_its_sandbox(booted):
    generate(booted)
    booted.run('mastersecret app create erp --users clerks --admins appadmins --field user '
               '--field password:masked --enable')
    booted.run(['mastersecret', 'map', 'set', 'erp', '--external', 'ALICE01', '--stdin'],
               user='alice', input='a password')
    booted.run(['systemctl', 'restart', 'mastersecretd'])
    assert booted.run(['mastersecret', 'get', 'erp'], user='alice').stdout == 'a password'
    assert show(booted, 'NRestarts') == '0'


def test_reload_and_stop(booted):
    booted.run('systemctl start mastersecretd && systemctl reload mastersecretd')
    booted.run(['systemctl', 'stop', 'mastersecretd'])
    assert (show(booted, 'ActiveState'), show(booted, 'Result')) == ('inactive', 'success')


def test_the_bus_starts_the_unit(booted):
    booted.run(['mastersecret', 'status'], check=False)
    assert show(booted, 'ActiveState') == 'active'


def test_started_again_after_a_crash(booted):
    booted.run('systemctl start mastersecretd && systemctl kill -s KILL mastersecretd')
    wait_until(lambda: show(booted, 'NRestarts') == '1' and show(booted, 'ActiveState') == 'active',
               'systemd to start it again')


def test_a_hung_service_is_found_by_the_watchdog(booted):
    booted.run('mkdir -p /run/systemd/system/mastersecretd.service.d && printf '
               '"[Service]\\nWatchdogSec=1s\\n" >/run/systemd/system/mastersecretd.service.d/w.conf '
               '&& systemctl daemon-reload && systemctl start mastersecretd')
    booted.run(['sleep', '2'])
    assert show(booted, 'NRestarts') == '0'
    booted.run(['systemctl', 'kill', '-s', 'STOP', 'mastersecretd'])
    wait_until(lambda: show(booted, 'NRestarts') == '1' and show(booted, 'ActiveState') == 'active',
               'the watchdog to act')

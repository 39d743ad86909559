# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups by passphrase and to recipients, where no secret bytes pass by busctl; and the warnings when one is due."""
import os

import pytest

import bus_client
from conftest import SOURCE, wait_until
from test_slots import SLOTS

pytestmark = pytest.mark.service

# A key pair frozen in tests/fixtures/v2.
with open(os.path.join(SOURCE, 'tests', 'fixtures', 'v2', 'recipient'), encoding='ascii') as file:
    PRIVATE = file.read().strip()

BACKUP = SLOTS + r'''
def backup(door, path, hint='', passphrase=b'the passphrase of a backup', mode=0o600):
    pipes = {'backup': os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode)}
    if passphrase:
        pipes['passphrase'] = given(passphrase)
    got = secret(door, 'Backup', 'ssa{sh}', hint, path, **pipes)
    return got[0] if got[0][0].isupper() else 'ok'
'''


def ask(world, code, user='root', timeout=300):
    return bus_client.run(world, BACKUP + code, user, timeout)


def busctl(world, *arguments, check=True):
    """Answer, or the error's text."""
    done = world.run(['busctl', 'call', 'org.mastersecret1', '/org/mastersecret1', 'org.mastersecret1.Secret', *arguments],
                     check=check)
    return done.stdout.strip() or done.stderr.strip()


def manager(world, name):
    return world.run(['busctl', 'get-property', 'org.mastersecret1', '/org/mastersecret1', 'org.mastersecret1.Manager',
                      name]).stdout.strip()


def configure(world, text):
    world.write(world.config, text)
    world.run('busctl call org.mastersecret1 /org/mastersecret1 org.mastersecret1.Manager Reload')


def make_public(world):
    """By the command line, offline."""
    done = world.run(['mastersecret', 'secret', 'recipient', 'new', '--private-file', '/root/recipient'])
    return [word for word in done.stdout.split() if word.startswith('ms1-public-')][0]


def test_by_passphrase(world):
    assert ask(world, r'''
door = Door()
answer([backup(door, '/root/one', 'in the safe'), backup(door, '/root/two', passphrase=b'short'),
        backup(door, '/root/two', 'x' * 513), backup(door, '/root/three', mode=0o644), backup(door, '/root/two', passphrase=None)])
''') == ['ok', 'InvalidArgument', 'InvalidArgument', 'BadDescriptor', 'NoRecipients']
    assert manager(world, 'BackupLocation') == 's "/root/one"' and manager(world, 'BackupDue') == 's ""'
    assert world.run('cat /root/two /root/three').stdout == ''
    data = open(world.path('/root/one'), 'rb').read()
    assert data.startswith(b'MSBACKU1') and b'in the safe' in data
    assert any('MS0113 backup ok' in line and 'up to generation 1, by passphrase, /root/one' in line
               for line in world.whole_audit())
    world.restart_service()
    assert manager(world, 'BackupLocation') == 's "/root/one"'


def test_to_recipients_into_the_directory(world):
    """Unattended: with recipients and a directory configured, busctl suffices; and a file lost or changed is told."""
    assert 'NoBackupDirectory' in ask(world, 'answer(Door().attempt(ROOT, "Secret", "BackupToDirectory", "s", ""))')
    world.run('install -d -o mastersecret -m 700 /srv/backup')
    configure(world, '[secret]\nbackup-directory = /srv/backup\n')
    assert ask(world, 'answer(Door().attempt(ROOT, "Secret", "BackupToDirectory", "s", ""))') == 'NoRecipients'
    public = make_public(world)
    busctl(world, 'AddRecipient', 'ss', 'the vault', public)
    assert ask(world, f'''
door = Door()
add = lambda name, key: door.attempt(ROOT, 'Secret', 'AddRecipient', 'ss', name, key)
remove = lambda name: door.attempt(ROOT, 'Secret', 'RemoveRecipient', 's', name)
answer([add('another', {public!r}), add('the vault', 'ms1-public-x'), add('', {public!r}), add('x', {PRIVATE!r}), remove('x'),
        add('broken', {public[:-1]!r} + ('a' if {public!r}[-1] != 'a' else 'e'))])
''') == ['RecipientExists', 'InvalidArgument', 'InvalidArgument', 'InvalidArgument', 'RecipientNotFound', 'InvalidArgument']
    path = busctl(world, 'BackupToDirectory', 's', 'nightly').split('"')[1]
    assert path.startswith('/srv/backup/mastersecret-') and world.run(['stat', '-c', '%a %U', path]).stdout == '600 mastersecret\n'
    second = busctl(world, 'BackupToDirectory', 's', 'nightly').split('"')[1]
    assert second != path and len(os.listdir(world.path('/srv/backup'))) == 2
    assert manager(world, 'BackupLocation') == f's "{second}"'
    world.run(f'cp {second} /root/kept; printf x >> {second}')
    world.restart_service()
    assert any('changed' in line for line in world.audited('MS0107 backup-due failed error=BackupDue', 'was changed'))
    assert 'was changed' in manager(world, 'BackupDue')
    world.run(f'rm {second}')
    world.restart_service()
    world.audited('MS0107 backup-due failed error=BackupDue', 'is gone')
    assert 'is gone' in manager(world, 'BackupDue') and 'is gone' in manager(world, 'Advice')
    world.run(f'install -o mastersecret -m 600 /root/kept {second}')
    configure(world, '[secret]\nbackup-directory = /srv/nowhere\nbackup-max-age = 1s\n')
    world.restart_service()
    wait_until(lambda: 'backup-max-age' in manager(world, 'BackupDue'), 'the backup to be too old')
    world.restart_service()
    world.audited('MS0107', 'backup-max-age')
    assert 'backup-max-age' in manager(world, 'BackupDue')
    for call in ('"BackupToDirectory", "s", ""', *(
            f'"Rotate", "a{{sv}}a{{sh}}", variants({options}), fds()' for options in ('', "**{'dry-run': True}"))):
        assert ask(world, f'answer(Door().attempt(ROOT, "Secret", {call}))') == 'BackupFailed', call
    configure(world, '[secret]\nbackup-directory = /srv/backup\nbackup-max-age =\n')
    busctl(world, 'RemoveRecipient', 's', 'the vault')
    assert ask(world, 'answer(Door().attempt(ROOT, "Secret", "BackupToDirectory", "s", ""))') == 'NoRecipients'


def test_a_kill_leaves_no_half_backup(world):
    """Whatever stands in the directory under a backup's name is whole."""
    world.run('install -d -o mastersecret -m 700 /srv/backup')
    configure(world, '[secret]\nbackup-directory = /srv/backup\n')
    busctl(world, 'AddRecipient', 'ss', 'the vault', make_public(world))
    for delay in (0.001, 0.004, 0.016, 0.064):
        world.start_service()
        pid = world.service_pid()
        world.run(['/usr/bin/python3', '-c', bus_client.PRELUDE + f'''
import signal, threading
door = Door()
door.state()
threading.Timer({delay}, os.kill, ({pid}, signal.SIGKILL)).start()
while door.attempt(ROOT, 'Secret', 'BackupToDirectory', 's', 'x') == 'ok':
    pass
'''], check=False)
        world.run(f'while [ -e /proc/{pid} ]; do sleep 0.01; done')
        assert ask(world, 'answer(Door().state())') == 'ready'
        for name in os.listdir(world.path('/srv/backup')):
            if name.endswith('.backup'):
                done = world.run(['mastersecret', 'secret', 'backup', 'inspect', f'/srv/backup/{name}'], check=False)
                assert done.returncode == 0, done.stderr
        assert manager(world, 'BackupDue') == 's ""'
    realm = name.split('-')[1][:8]
    world.run(f'echo half > /srv/backup/.mastersecret-{realm}.backup.new')
    busctl(world, 'BackupToDirectory', 's', 'after the kills')
    assert [n for n in os.listdir(world.path('/srv/backup')) if not n.endswith('.backup')] == []

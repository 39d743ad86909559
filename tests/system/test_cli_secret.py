# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line for the master secret: slots, recipients, backups, rotation, restore, export, doctor."""
import json
import os
import re
import stat

import pytest

from test_cli import Terminal, cli, read_json

pytestmark = pytest.mark.service

NOWHERE = ('--address', 'unix:path=/nowhere')  # what needs no service does not look for it
PASSPHRASE = '/root/mastersecret.passphrase'   # of the backup that a world begins with


def fail(world, *arguments, status, text, **options):
    done = cli(world, *arguments, status=status, **options)
    assert text in done.stderr, done.stderr
    assert done.stdout == ''
    return done


# ---- Without the service ----

def test_recipient_new(shared_world):
    made = json.loads(cli(shared_world, *NOWHERE, 'secret', 'recipient', 'new', '--private-file',
                          '/root/new.key', '--json').stdout)
    assert list(made) == ['public'] and re.fullmatch('ms1-public-[a-z2-7]{60}', made['public'])
    file = shared_world.path('/root/new.key')
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    private = shared_world.read('/root/new.key')
    assert re.fullmatch('ms1-recipient-[a-z2-7]{60}\n', private)
    fail(shared_world, 'secret', 'recipient', 'new', '--private-file', '/root/new.key', status=1,
         text='File exists')
    assert shared_world.read('/root/new.key') == private
    fail(shared_world, 'secret', 'recipient', 'new', status=2, text='--private-file FILE, or --print')
    fail(shared_world, 'secret', 'recipient', 'new', '--print', '--json', status=2, text='--print')


def test_private_key_on_paper(shared_world):
    printed = cli(shared_world, *NOWHERE, 'secret', 'recipient', 'new', '--print')
    assert printed.stderr == '' and '\033' not in printed.stdout
    assert re.search('^private  ms1-recipient-[a-z2-7]{60}$', printed.stdout, re.M)
    assert re.search('^public   ms1-public-[a-z2-7]{60}$', printed.stdout, re.M)
    code = [line for line in printed.stdout.splitlines() if set(line) <= set(' █▀▄') and line]
    assert len(code) == 23 and {len(line) for line in code} == {45}  # 37 modules and the quiet zone
    terminal = Terminal(shared_world, ['secret', 'recipient', 'new', '--print'], 'alice')
    terminal.expect('Whoever sees what follows')
    terminal.expect('\033[30;107m')
    assert terminal.finish() == 0


def test_keys_that_are_none(shared_world):
    cli(shared_world, 'secret', 'recipient', 'new', '--private-file', '/root/other.key')
    private = shared_world.read('/root/other.key').strip()
    public = json.loads(cli(shared_world, 'secret', 'recipient', 'new', '--private-file',
                            '/root/third.key', '--json').stdout)['public']
    wrong = public[:-1] + ('a' if public[-1] != 'a' else 'b')
    for key, text in ((private, 'private key'), (wrong, 'mistyped'), (public[:-1], 'mistyped'),
                      ('hello', 'ms1-public-')):
        fail(shared_world, 'secret', 'recipient', 'add', 'safe', key, status=2, text=text)
    fail(shared_world, 'secret', 'recipient', 'add', 'a\nb', public, status=2, text='name')


def test_inspect(shared_world):
    path = shared_world.backup
    facts = json.loads(cli(shared_world, *NOWHERE, 'secret', 'backup', 'inspect', path, '--json').stdout)
    status = read_json(shared_world, 'status')
    assert facts['realm'] == status['realm'] and facts['passphrase'] is True
    assert [row['fingerprint'] for row in facts['generations']] == [status['fingerprint']]
    assert re.fullmatch('[0-9a-f]{64}', facts['signer'])
    assert facts['recipients'] == [] and facts['host'] == 'world'
    assert status['realm'] in cli(shared_world, 'secret', 'backup', 'inspect', path).stdout
    with open(shared_world.path(path), 'rb') as file:
        whole = file.read()
    for content, expected, text in (
            (whole[:-1], 8, 'damaged'), (whole[:100], 8, 'damaged'), (whole + b'\0', 8, 'damaged'),
            (b'', 2, 'not a backup'), (b'\x7fELF' + whole, 2, 'not a backup'),
            (whole[:8] + b'\x63' + whole[9:], 8, 'newer')):
        with open(shared_world.path('/root/cut.backup'), 'wb') as file:
            file.write(content)
        fail(shared_world, 'secret', 'backup', 'inspect', '/root/cut.backup', status=expected, text=text)
    fail(shared_world, 'secret', 'backup', 'inspect', '/root/none', status=1, text='No such file')
    fail(shared_world, 'secret', 'backup', 'inspect', '/dev/zero', status=1, text='regular file')
    shared_world.run(f'install -m 644 {path} /tmp/open.backup')  # whoever may read it needs no role
    cli(shared_world, 'secret', 'backup', 'inspect', '/tmp/open.backup', user='dave')


def test_lines_that_are_refused(shared_world):
    for line, text in (
            ('slot add paper', 'keyfile, credential, passphrase or shares'),
            ('slot add shares', '--threshold'),
            ('slot add shares --threshold 2 --count 3', '--share-file'),
            ('slot add shares --threshold 4 --count 3 --share-file /root/s', 'more than'),
            ('slot add shares --threshold 1 --count 3 --share-file /root/s', 'from 2 to 16'),
            ('slot add shares --threshold 2 --count 17 --share-file /root/s', 'from 2 to 16'),
            ('slot add keyfile --threshold 2', 'for shares only'),
            ('slot remove one', 'number'), ('slot remove -- -1', 'number'),
            ('backup create', 'FILE or --to-directory'),
            ('backup create /root/x --to-directory', 'FILE or --to-directory'),
            ('rotate --pause --resume', 'exclude'), ('rotate --resume --throttle fast', '--throttle'),
            (f'restore {shared_world.backup} --accept-loss many', '--accept-loss'),
            ('backup create /root/x', '--passphrase-file')):
        fail(shared_world, 'secret', *line.split(), status=2, text=text)
    assert not os.path.exists(shared_world.path('/root/x'))


# ---- Doctor ----

def findings(world, *arguments, status=1, user='root'):
    rows = json.loads(cli(world, 'doctor', '--json', *arguments, status=status, user=user).stdout)
    assert all(set(row) == {'severity', 'text', 'remedy'} for row in rows)
    return [row for row in rows if row['severity'] != 'note']


@pytest.mark.parametrize('break_it, text', [
    ('chmod 644 /var/lib/mastersecret/keyring', 'keyring is open to others'),
    ('chown root /var/lib/mastersecret/journal', 'journal belongs to uid 0'),
    ('chmod 777 /var/lib/mastersecret-anchor', 'mastersecret-anchor is open to others'),
    ('chmod 666 /etc/mastersecret/mastersecretd.conf', 'mastersecretd.conf is open to others'),
])
def test_doctor_on_files(shared_world, break_it, text):
    """What the remedy says mends it."""
    before = findings(shared_world, status=None)
    shared_world.run(break_it)
    found = [row for row in findings(shared_world) if row not in before]
    assert len(found) == 1 and text in found[0]['text'], found
    assert found[0]['remedy'].startswith('run: ')
    shared_world.run(found[0]['remedy'][len('run: '):])
    assert findings(shared_world, status=None) == before


def test_doctor_on_policy(shared_world):
    """A file that is changed, and one that is not there."""
    before = findings(shared_world, status=None)
    policy = '/usr/share/dbus-1/system.d/org.mastersecret1.conf'
    timer = '/usr/lib/systemd/system/mastersecret-rotate.timer'
    shared_world.run(f'cp {policy} {timer} /root; echo >>{policy}; rm {timer}')
    found = [row['text'] for row in findings(shared_world) if row not in before]
    assert found == [f'{policy} is not as it came with this version', f'{timer}: No such file or directory']
    shared_world.run(f'cp /root/{os.path.basename(policy)} {policy}; cp /root/{os.path.basename(timer)} {timer}')
    assert findings(shared_world, status=None) == before


def test_doctor_on_what_is_kept_aside(shared_world):
    shared_world.run('install -o mastersecret -m 600 /dev/null /var/lib/mastersecret/keyring.before')
    rows = json.loads(cli(shared_world, 'doctor', '--json', status=None).stdout)
    assert [row['severity'] for row in rows if 'keyring.before is kept aside' in row['text']] == ['note']
    shared_world.run('rm /var/lib/mastersecret/keyring.before')


def test_doctor_on_the_backup(world):
    assert not [row for row in findings(world, status=None) if 'last backup' in row['text']]
    world.run(f'mv {world.backup} /root/moved')
    assert [row['severity'] for row in findings(world) if 'last backup' in row['text']] == ['warning']


def test_doctor_without_the_service(world):
    text = cli(world, *NOWHERE, 'doctor', status=1).stdout
    assert re.search(r'^error +the service cannot be reached\n +run: systemctl status', text, re.M)


def test_doctor_of_somebody_else(shared_world):
    """Whoever may not look is told so, and to no file's name in the folder."""
    rows = json.loads(cli(shared_world, 'doctor', '--json', user='dave', status=None).stdout)
    assert not [row for row in rows if 'keyring' in row['text']]

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of mastersecret-secret(7) is run as it stands there, in the situation that its heading names,
and each time alice's password comes out again."""
import re

import pytest

from test_cli import cli, read_json
from test_documents import ELSEWHERE, commands, text_of
from conftest import SOURCE, wait_until

pytestmark = pytest.mark.service

PASSPHRASE = '/root/mastersecret.passphrase'
PASSWORD = 'of-alice-5f1d'
PAGE = text_of(f'{SOURCE}/doc/man/mastersecret-secret.7')


def tasks():
    """Heading -> its commands."""
    found = {}
    for section in re.split(r'^\.SS ', PAGE, flags=re.M)[1:]:
        heading, _, text = section.partition('\n')
        blocks = re.findall(r'^\.EX\n(.*?)^\.EE$', text, re.M | re.S)
        found[heading] = [command.replace('\\e', '\\').replace('\\-', '-').replace('\\(aq', "'")
                          for block in blocks for command in joined(block)]
    return found


def joined(block):
    """Lines that end in a backslash or a pipe go on."""
    text = block.replace('\\e\n', ' ').replace('|\n', '| ')
    return [command for command, _ in commands(text)]


TASKS = tasks()
ASKS = ('secret backup create /', 'secret backup verify /root', 'secret rotate', 'secret restore',
        'secret slot add passphrase')


def answered(command, shares):
    """With the passphrase or the share that somebody would type."""
    if 'unseal --share' in command:
        return f'{command} --passphrase-file /root/share-{shares.pop()}'
    asks = any(words in command for words in ASKS) and ('rotate' not in command or '--backup' in command)
    return f'{command} --passphrase-file {PASSPHRASE}' if asks else command


def perform(world, heading):
    """Runs the commands of a heading; what each said."""
    shares, said = [3, 1], {}
    assert TASKS[heading], heading
    for command in TASKS[heading]:
        if command.startswith(ELSEWHERE):
            continue
        said[command] = world.run(answered(command, shares), timeout=120).stdout
    return said


def furnish(world):
    cli(world, 'app', 'create', 'erp', '--users', 'clerks', '--enable')
    cli(world, 'map', 'set', 'erp', '--external', 'ALICE01', '--stdin', user='alice', input=PASSWORD)


def password(world):
    return cli(world, 'get', 'erp', user='alice').stdout


def live(world):
    """Numbers of the generations that have records."""
    return [row['number'] for row in read_json(world, 'secret', 'census') if row['total'] > 0]


def test_every_heading_is_played():
    played = set(re.findall(r"perform\(\w+, '([^']+)'\)", text_of(__file__)))
    assert set(TASKS) == played


def test_everyday_tasks(world):
    furnish(world)
    said = perform(world, 'See how things stand')
    assert re.search(r'^state +ready$', said['mastersecret status'], re.M)
    assert said['mastersecret doctor'].endswith('nothing is wrong\n')
    perform(world, 'Make a backup')
    perform(world, 'Let backups be made unattended')
    assert read_json(world, 'status')['recipients'] == ['safe']
    perform(world, 'Rotate')
    assert live(world) == [2] and password(world) == PASSWORD
    perform(world, 'Let several people open it')
    assert password(world) == PASSWORD
    perform(world, 'Copy the records')
    cli(world, 'doctor', '--deep')


def test_passphrase_lost(world):
    furnish(world)
    perform(world, 'The passphrase is lost')
    world.run('rm /var/lib/mastersecret/keyfile')
    cli(world, 'secret', 'seal')
    cli(world, 'secret', 'unseal', '--passphrase-file', PASSPHRASE)
    assert password(world) == PASSWORD


def test_machine_lost(world, make_world):
    furnish(world)
    cli(world, 'secret', 'backup', 'create', '/root/last.backup', '--passphrase-file', PASSPHRASE)
    cli(world, 'export', '/root/last.export')
    new = make_world(generate=False)
    for name in ('last.backup', 'last.export', 'mastersecret.passphrase'):
        with open(world.path(f'/root/{name}'), 'rb') as source, open(new.path(f'/root/{name}'), 'wb') as target:
            target.write(source.read())
    world.close()
    perform(new, 'The machine is lost')
    assert password(new) == PASSWORD


def test_backup_stolen(world):
    furnish(world)
    perform(world, 'A backup is stolen')
    assert live(world) == [2] and password(world) == PASSWORD


def test_secret_known(world):
    furnish(world)
    keyfile = '/var/lib/mastersecret/keyfile'
    world.run(f'cp -p {keyfile} /root/stolen')
    perform(world, 'The secret is known to somebody')
    assert live(world) == [2] and password(world) == PASSWORD
    # What the thief has opens the keyring no more.
    cli(world, 'secret', 'seal')
    world.run(f'cp -p {keyfile} /root/new; cp /root/stolen {keyfile}; chown mastersecret {keyfile}')
    cli(world, 'secret', 'unseal', status=6)
    world.run(f'cp /root/new {keyfile}')
    cli(world, 'secret', 'unseal')
    assert password(world) == PASSWORD


def test_rotation_half_finished(world):
    furnish(world)
    world.run('for i in $(seq 40); do mastersecret app create app$i || exit 1; done', timeout=120)
    cli(world, 'secret', 'rotate', '--throttle', '1', '--backup', '/root/half.backup', '--passphrase-file',
        PASSPHRASE)
    wait_until(lambda: len(live(world)) == 2, 'the rotation to have done a part')
    world.kill_service()
    wait_until(lambda: cli(world, 'status', status=None).returncode == 0, 'the service to be ready')
    assert len(live(world)) == 2 and password(world) == PASSWORD
    perform(world, 'A rotation is half finished')
    assert live(world) == [2] and password(world) == PASSWORD

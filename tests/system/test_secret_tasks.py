# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of mastersecret-secret(7) is run as it stands there, in the situation that its heading names,
and each time alice's password comes out again."""
import contextlib
import json
import os
import re
import subprocess

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
KEY = '/root/keeper.key'  # of a recipient: a passphrase takes a second each time, as guessing must
TO, BY, ASKED = ' --to-recipients', f' --private-key {KEY}', f' --passphrase-file {PASSPHRASE}'
ANSWERS = {'secret backup create /': TO, 'secret rotate .*--backup': TO, 'secret backup verify /root': BY,
           'secret restore': BY, 'secret slot add passphrase': ASKED, 'secret unseal': ASKED}


def answered(command, shares, passphrases):
    """With the passphrase or the share that somebody would type, or a recipient in the place of a passphrase."""
    if 'unseal --share' in command:
        return f'{command} --passphrase-file /root/share-{shares.pop()}'
    for words, answer in ANSWERS.items():
        if re.search(words, command):
            return command + (ASKED if passphrases else answer)
    return command


def perform(world, heading, sealed=False, passphrases=False):
    """Runs the commands of a heading; what each said. sealed: status says so by its exit status."""
    shares, said = [3, 1], {}
    assert TASKS[heading], heading
    for command in TASKS[heading]:
        if command.startswith(ELSEWHERE):
            continue
        done = world.run(answered(command, shares, passphrases), check=not sealed)
        assert done.returncode == 0 or 'status' in command, done
        said[command] = done.stdout
    return said


def keep(world):
    """A backup and an export, as somebody has made them in good time."""
    cli(world, 'secret', 'backup', 'create', '/root/last.backup', '--to-recipients')
    cli(world, 'export', '/root/last.export')


def furnish(world):
    made = cli(world, 'secret', 'recipient', 'new', '--private-file', KEY)
    cli(world, 'secret', 'recipient', 'add', 'keeper', made.stdout.split()[1])
    cli(world, 'app', 'create', 'erp', '--users', 'clerks', '--enable')
    cli(world, 'map', 'set', 'erp', '--external', 'ALICE01', '--stdin', user='alice', input=PASSWORD)


def password(world):
    return cli(world, 'get', 'erp', user='alice').stdout


def live(world):
    """Numbers of the generations that have records."""
    return [row['number'] for row in read_json(world, 'secret', 'census') if row['total'] > 0]


# What the loop's thread has to do with files: the socket of the log, the view's pages, those of keys, names of threads; the
# configuration, on the way to it, when it is read again; of a caller's file what is known of its type, and its close. But
# the last close of a journal that was replaced takes long.
OF_THE_LOOP = re.compile(r'"/dev/log"|AT_STATX_DONT_SYNC|/proc/|/view\.open>|</secretmem>|'
                         r'O_PATH|^newfstatat\(\d+</(etc(/mastersecret)?)?>|/mastersecretd\.conf|'
                         r'^close\((?!.*/journal>\(deleted\))')


@contextlib.contextmanager
def loop_watched(world):
    """The thread that serves everybody waits for no file, whatever is done meanwhile."""
    pid = world.service_pid()
    strace = subprocess.Popen(world.command(
        ['strace', '-qq', '-y', '-o', '/root/loop', '-p', str(pid), '-e', 'trace=%file,fstat,statx,pread64,preadv,pwrite64,'
         'pwritev,lseek,fsync,fdatasync,sync_file_range,ftruncate,fallocate,copy_file_range,getdents64,flock,close']))
    wait_until(lambda: 'TracerPid:\t0' not in world.read(f'/proc/{pid}/status'), 'strace to attach')
    yield
    world.run('kill $(pidof strace)')
    strace.wait()
    lines = world.read('/root/loop').splitlines()
    assert lines
    assert [line for line in lines if not OF_THE_LOOP.search(line)] == []


def test_every_heading_is_played():
    played = set(re.findall(r"perform\(\w+, '([^']+)'", text_of(__file__)))
    assert set(TASKS) == played


def test_everyday_tasks(world):
    furnish(world)
    with loop_watched(world):
        said = perform(world, 'See how things stand')
        assert re.search(r'^state +ready$', said['mastersecret status'], re.M)
        assert said['mastersecret doctor --deep'].endswith('nothing is wrong\n')
        perform(world, 'Make a backup', passphrases=True)
        perform(world, 'Let backups be made unattended')
        assert read_json(world, 'status')['recipients'] == ['keeper', 'safe']
        perform(world, 'Rotate')
        assert live(world) == [2] and password(world) == PASSWORD
        perform(world, 'Let several people open it')
        assert password(world) == PASSWORD
        perform(world, 'Copy the records')
        cli(world, 'doctor', '--deep')


def test_passphrase_lost_and_stays_sealed(world):
    """The slot for a passphrase that the one task makes opens the service in the other."""
    furnish(world)
    keep(world)
    perform(world, 'The passphrase is lost')
    world.run(f'rm {world.state}/keyfile')
    world.restart_service()
    found = json.loads(cli(world, 'doctor', '--json', status=1).stdout)
    assert [row['remedy'] for row in found if row['severity'] == 'error'] == \
        ['see mastersecret-secret(7): The service stays sealed']
    said = perform(world, 'The service stays sealed', sealed=True)
    assert f'{world.state}/keyfile' in said['mastersecret status'] and password(world) == PASSWORD
    world.restart_service()
    assert password(world) == PASSWORD


@pytest.mark.parametrize('harm', [': >keyring', 'rm keyring'])
def test_keyring_damaged(world, harm):
    furnish(world)
    world.run(f'cd {world.state}; {harm}')
    (found,) = [row for row in json.loads(cli(world, 'doctor', '--json', status=1).stdout) if row['severity'] == 'error']
    assert 'mastersecret-secret(7): The keyring is damaged' in found['remedy']
    with loop_watched(world):
        perform(world, 'The keyring is damaged')
    world.restart_service()
    assert password(world) == PASSWORD
    cli(world, 'doctor')


def test_records_damaged(world):
    furnish(world)
    keep(world)
    world.run(f'printf x | dd of={world.state}/journal bs=1 seek=700 conv=notrunc')
    (found,) = [row for row in json.loads(cli(world, 'doctor', '--json', status=1).stdout) if row['severity'] == 'error']
    assert 'mastersecret-secret(7): The records are damaged' in found['remedy']
    world.kill_service('TERM')
    perform(world, 'The records are damaged')
    assert password(world) == PASSWORD


def test_older_state_put_back(world):
    """Found by the anchor, and without the anchor by a view that is ahead."""
    furnish(world)
    keep(world)
    for lost in ('nothing', f'{world.anchor}/*'):
        world.kill_service('TERM')
        world.run(f'cp -a {world.state} /root/old')
        cli(world, 'app', 'create', 'later')
        world.kill_service('TERM')
        world.run(f'cp -a /root/old/journal {world.state}; rm -rf /root/old {lost}')
        cli(world, 'status', status=6)
        refused = cli(world, 'secret', 'unseal', status=8)
        assert '--accept-rollback' in refused.stderr
        perform(world, 'An older state folder was put back')
        assert password(world) == PASSWORD
        cli(world, 'app', 'show', 'later', status=4)


def test_machine_lost(world, make_world):
    furnish(world)
    keep(world)
    new = make_world(generate=False)
    for name in ('last.backup', 'last.export', os.path.basename(KEY)):
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
    world.run('for i in $(seq 40); do mastersecret app create app$i || exit 1; done')
    cli(world, 'secret', 'rotate', '--throttle', '1', '--backup', '/root/half.backup', '--to-recipients')
    wait_until(lambda: len(live(world)) == 2, 'the rotation to have done a part')
    world.kill_service()
    wait_until(lambda: cli(world, 'status', status=None).returncode == 0, 'the service to be ready')
    assert len(live(world)) == 2 and password(world) == PASSWORD
    perform(world, 'A rotation is half finished')
    assert live(world) == [2] and password(world) == PASSWORD

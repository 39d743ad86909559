# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line against the installed service."""
import base64
import json
import os
import pty
import re
import select
import signal
import stat
import time

import pytest

from conftest import SOURCE, wait_until

pytestmark = pytest.mark.service

CANARY = 'canary-5f1d'


def cli(world, *arguments, user='root', status=0, **options):
    """Runs mastersecret, wants the exit status, returns the CompletedProcess."""
    # A passphrase is a second's work or two, which a busy machine may not do in the minute that is waited for.
    patience = () if '--timeout' in arguments else ('--timeout', '280')
    done = world.run(['mastersecret', *patience, *arguments], user=user, check=False, **options)
    assert status in (None, done.returncode), \
        f'{arguments} as {user} gave {done.returncode}: {done.stdout!r} {done.stderr!r}'
    return done


def read_json(world, *arguments, **options):
    return json.loads(cli(world, *arguments, '--json', **options).stdout)


OF_BACKUP = '--passphrase-file /root/mastersecret.passphrase'
MEMBERS = {  # of the headings in mastersecret(1): a command of each
    'secret recipient new': 'secret recipient new --private-file /root/json.key',
    'status': 'status', 'secret census': 'secret census', 'doctor': 'doctor', 'app list': 'app list',
    'secret backup create': f'secret backup create /root/json.backup {OF_BACKUP}',
    'secret backup inspect': 'secret backup inspect /root/json.backup',
    'secret backup verify': f'secret backup verify /root/json.backup {OF_BACKUP}',
    'secret restore': f'secret restore /root/json.backup --dry-run {OF_BACKUP}',
    'secret slot list': 'secret slot list', 'secret slot test': 'secret slot test 1',
    'secret recipient list': 'secret recipient list',
    'secret rotate': f'secret rotate --dry-run --backup /root/json.none {OF_BACKUP}',
    'secret rotate --wait': 'secret rotate --resume --wait', 'secret rotate --if-due': 'secret rotate --if-due',
    'export': 'export /root/json.export', 'app show': 'app show members', 'map list APP': 'map list members',
    'map list': 'map list', 'map show': 'map show members', 'get': 'get members',
    'verify': 'verify members --stdin'}


def members_in_the_manual():
    """Of each command, without those that are there only in a case that it names behind a semicolon."""
    with open(f'{SOURCE}/doc/man/mastersecret.1', encoding='utf-8') as file:
        section = file.read().partition('.SH JSON')[2].partition('.SH EXAMPLES')[0].replace('\\-', '-')
    return {name: {word.strip() for word in ' '.join(words.split()).partition(';')[0].rstrip('.').split(',')}
            for name, words in re.findall(r'^\.TP\n\.BR "([^"]+)" .*\n((?:[^.].*\n)+)', section, re.M)}


def test_members_of_json(shared_world):
    """What a command prints has the members that the manual names, and no others."""
    told = members_in_the_manual()
    cli(shared_world, 'app', 'create', 'members', '--users', 'clerks', '--field', 'user', '--field', 'password:masked',
        '--enable')
    cli(shared_world, 'map', 'set', 'members', '--external', 'A', '--stdin', user='alice', input='a password')
    for heading, command in MEMBERS.items():
        user = 'alice' if heading in ('map list', 'map show', 'get', 'verify') else 'root'
        printed = read_json(shared_world, *command.split(), user=user, input='a password',
                            status=None if heading == 'doctor' else 0)
        if heading == 'secret recipient new':
            cli(shared_world, 'secret', 'recipient', 'add', 'members', printed['public'])
        assert isinstance(printed, dict) or printed, heading
        for row in [printed] if isinstance(printed, dict) else printed:
            assert set(row) == told[heading], heading


@pytest.fixture(name='app')
def make_app(shared_world, request):
    """A fresh application with users clerks, administered by appadmins."""
    name = request.node.name[5:]
    cli(shared_world, 'app', 'create', name, '--users', 'clerks', '--admins', 'appadmins',
        '--agents', 'user:dave', '--field', 'user', '--field', 'password:masked',
        '--field', 'client', '--enable')
    yield name
    shared_world.run(['mastersecret', 'app', 'delete', name], check=False)


def store(world, app, value=CANARY, user='alice', external='ALICE01'):
    cli(world, 'map', 'set', app, '--external', external, '--field', 'client=100', '--stdin',
        user=user, input=value)


# ---- status and secret ----

def test_status(shared_world):
    text = cli(shared_world, 'status').stdout
    for line in ('state', 'generation', 'fingerprint', 'backup', 'applications', 'mappings',
                 'revision', 'uptime'):
        assert re.search(f'^{line} +[^ ]', text, re.M), f'{line} is missing in\n{text}'
    assert re.search(r'^backup +proven .*, generation 1, in /root/', text, re.M)
    assert re.search(r'^next +\w', text, re.M)
    status = read_json(shared_world, 'status')
    assert status['state'] == 'ready' and status['generation'] == 1
    assert status['uptime-usec'] > 0 and isinstance(status['advice'], list)


def test_status_for_everybody(shared_world):
    status = read_json(shared_world, 'status', user='dave')
    assert status['state'] == 'ready'
    assert 'fingerprint' not in status and 'backup-location' not in status


@pytest.mark.unconfigured
def test_generate(world):
    assert re.search(r'^next +.*secret generate', cli(world, 'status', status=6).stdout, re.M)
    generate = ('secret', 'generate', '--backup', '/root/b', '--stdin')
    cli(world, *generate, status=2, input='short')
    cli(world, *generate, '--slot', 'paper', status=2, input='a good passphrase')
    cli(world, 'secret', 'generate', '--stdin', status=2, input='a good passphrase')
    world.write('/root/b', 'not ours')
    refused = cli(world, *generate, status=1, input='a good passphrase')
    assert 'File exists' in refused.stderr and world.read('/root/b') == 'not ours'
    world.run('rm /root/b')
    made = json.loads(cli(world, *generate, '--hint', 'good', '--json',
                          input='a good passphrase\n').stdout)
    assert made['generation'] == 1 and made['backup'] == '/root/b'
    assert stat.S_IMODE(os.stat(world.path('/root/b')).st_mode) == 0o600
    assert cli(world, 'status').returncode == 0
    again = cli(world, 'secret', 'generate', '--backup', '/root/again', '--stdin', status=5,
                input='a good passphrase')
    assert 'there is a master secret already' in again.stderr
    assert not os.path.exists(world.path('/root/again')), 'a failed call leaves its backup'


@pytest.mark.unconfigured
def test_generate_is_for_administrators(world):
    world.run('install -d -o alice /home/alice-backup')
    cli(world, 'secret', 'generate', '--backup', '/home/alice-backup/b', '--stdin', status=3,
        user='alice', input='a good passphrase')
    assert not os.path.exists(world.path('/home/alice-backup/b'))


@pytest.mark.unconfigured
def test_passphrase_slot(world):
    world.write('/root/slot', 'the slot passphrase\n', 0o600)
    world.run("mastersecret secret generate --backup /root/b --slot passphrase "
              "--fd passphrase=3 --fd slot-passphrase=4 3<<<'the backup passphrase' </dev/null "
              "4</root/slot")
    cli(world, 'secret', 'seal')
    assert read_json(world, 'status', status=6)['state'] == 'sealed'
    wrong = cli(world, 'secret', 'unseal', '--stdin', status=10, input='the wrong passphrase')
    assert 'the wrong' not in wrong.stderr
    cli(world, 'secret', 'unseal', '--passphrase-file', '/root/slot')
    cli(world, 'status')


def test_seal_and_unseal(world):
    cli(world, 'secret', 'seal', status=3, user='alice')
    cli(world, 'secret', 'seal')
    refused = cli(world, 'app', 'list', status=6)
    assert refused.stderr.endswith('run: mastersecret secret unseal\n')
    cli(world, 'secret', 'unseal', status=3, user='alice')
    cli(world, 'secret', 'unseal')
    cli(world, 'app', 'list')


# ---- applications ----

def test_application(shared_world, app):
    rows = read_json(shared_world, 'app', 'list')
    assert {'name': app, 'type': 'individual', 'enabled': True, 'description': '',
            'mappings': 0} in rows
    assert app in cli(shared_world, 'app', 'list').stdout
    shown = read_json(shared_world, 'app', 'show', app)
    assert shown['users'] == ['clerks'] and shown['agents'] == ['user:dave']
    assert [field['label'] for field in shown['fields']] == ['user', 'password', 'client']
    assert 'password:masked' in cli(shared_world, 'app', 'show', app).stdout
    cli(shared_world, 'app', 'create', app, status=5)
    cli(shared_world, 'app', 'create', 'other', '--users', 'nobody-of-that-name', status=4)
    cli(shared_world, 'app', 'create', 'other', '--field', 'user:blue', status=2)
    cli(shared_world, 'app', 'create', 'other', user='carol', status=3)


def test_update(shared_world, app):
    store(shared_world, app)
    cli(shared_world, 'app', 'update', app, '--description', 'The ERP', '--contact', 'a@b',
        '--users', 'clerks,user:carol', '--agents', '', '--relabel', 'client=mandant',
        '--add-field', 'pin:masked')
    shown = read_json(shared_world, 'app', 'show', app)
    assert (shown['description'], shown['contact']) == ('The ERP', 'a@b')
    assert shown['users'] == ['clerks', 'user:carol'] and shown['agents'] == []
    assert [field['label'] for field in shown['fields']] == ['user', 'password', 'mandant', 'pin']
    # The mapping lives on: its values under the new label, the new field without one.
    assert cli(shared_world, 'get', app, '--field', 'password', user='alice').stdout == CANARY
    assert cli(shared_world, 'get', app, '--field', 'mandant', user='alice').stdout == '100'
    cli(shared_world, 'get', app, '--field', 'pin', user='alice', status=4)
    choose = cli(shared_world, 'get', app, user='alice', status=2)
    assert "'password', 'pin'" in choose.stderr
    assert set(read_json(shared_world, 'get', app, user='alice')['fields']) == \
        {'password', 'mandant'}
    cli(shared_world, 'app', 'update', app, status=2)
    cli(shared_world, 'app', 'update', app, '--relabel', 'nothing=x', status=4)
    cli(shared_world, 'app', 'update', app, '--add-field', 'pin', status=5)


def test_switches(shared_world, app):
    store(shared_world, app)
    cli(shared_world, 'app', 'disable', app)
    refused = cli(shared_world, 'get', app, user='alice', status=6)
    assert refused.stderr.splitlines()[1] == f'run: mastersecret app enable {app}'
    cli(shared_world, 'app', 'enable', app)
    cli(shared_world, 'get', app, user='alice')
    cli(shared_world, 'app', 'delete', app)
    cli(shared_world, 'get', app, user='alice', status=4)


def test_group_application(shared_world):
    cli(shared_world, 'app', 'create', 'shared', '--type', 'group', '--users', 'clerks',
        '--enable')
    cli(shared_world, 'map', 'set', 'shared', '--group', 'clerks', '--external', 'CLERK',
        '--stdin', input='together')
    for user in ('alice', 'bob'):
        assert cli(shared_world, 'get', 'shared', user=user).stdout == 'together'
    assert read_json(shared_world, 'map', 'show', 'shared', '--group', 'clerks')['account'] == \
        'group:clerks'
    cli(shared_world, 'map', 'set', 'shared', '--external', 'ME', '--stdin', user='alice',
        input='x', status=3)


# ---- mappings ----

def test_mapping(shared_world, app):
    store(shared_world, app)
    shown = read_json(shared_world, 'map', 'show', app, user='alice')
    assert shown['external-user'] == 'ALICE01' and shown['state'] == 'enabled'
    assert shown['plain'] == {'client': '100'} and shown['masked'] == ['password']
    assert 'ALICE01' in cli(shared_world, 'map', 'show', app, '--user', 'alice',
                            user='carol').stdout
    own = read_json(shared_world, 'map', 'list', user='alice')
    assert [row['external-user'] for row in own if row['application'] == app] == ['ALICE01']
    rows = read_json(shared_world, 'map', 'list', app, user='carol')
    assert [(row['account'], row['state']) for row in rows] == [('user:alice', 'enabled')]
    cli(shared_world, 'map', 'list', app, user='bob', status=3)
    cli(shared_world, 'map', 'show', app, '--user', 'alice', user='bob', status=3)
    # A change of one field leaves the others.
    cli(shared_world, 'map', 'set', app, '--field', 'client=200', '--fd', 'password=3',
        user='alice', status=1)
    shared_world.run(f'mastersecret map set {app} --fd password=3 3< <(printf new)', user='alice')
    assert cli(shared_world, 'get', app, user='alice').stdout == 'new'
    assert cli(shared_world, 'get', app, '--field', 'client', user='alice').stdout == '100'
    taken = cli(shared_world, 'map', 'set', app, '--external', 'ALICE01', '--stdin', user='bob',
                input='x', status=5)
    assert 'ALICE01' in taken.stderr
    cli(shared_world, 'map', 'delete', app, user='alice')
    cli(shared_world, 'get', app, user='alice', status=4)


def test_disabled_mapping(shared_world, app):
    store(shared_world, app)
    cli(shared_world, 'map', 'disable', app, user='alice')
    cli(shared_world, 'get', app, user='alice', status=6)
    cli(shared_world, 'map', 'enable', app, user='alice')
    cli(shared_world, 'map', 'disable', app, '--user', 'alice', user='carol')
    refused = cli(shared_world, 'map', 'enable', app, user='alice', status=6)
    assert 'administrator' in refused.stderr
    cli(shared_world, 'map', 'enable', app, '--user', 'alice', user='carol')
    assert cli(shared_world, 'get', app, user='alice').stdout == CANARY


def test_many_mappings_are_paged(shared_world):
    shared_world.run('echo "pages:x:30000:" >>/etc/group')
    cli(shared_world, 'app', 'create', 'paged', '--users', 'pages', '--field', 'user', '--enable')
    shared_world.run('for i in $(seq 300); do echo "page$i:x:$((30000 + i)):30000::/:/bin/false"; '
                     'done >>/etc/passwd')
    shared_world.run('for i in $(seq 300); do mastersecret map set paged --user page$i '
                     '--external P$i || exit 1; done')
    rows = read_json(shared_world, 'map', 'list', 'paged')
    assert len({row['account'] for row in rows}) == 300 == len(rows)


def test_masked_values_are_nowhere_but_in_get(shared_world, app):
    store(shared_world, app)
    for arguments in (('map', 'show', app), ('map', 'list'), ('app', 'show', app), ('app', 'list'),
                      ('status',)):
        for extra in ((), ('--json',)):
            assert CANARY not in cli(shared_world, *arguments, *extra, user='alice').stdout
    refused = cli(shared_world, 'map', 'set', app, '--field', f'password={CANARY}', user='alice',
                  status=2)
    assert CANARY not in refused.stderr


# ---- credentials ----

@pytest.mark.parametrize('value', [b'', b'\0', b'a\nb\n', bytes(range(256)), b'x' * 65536])
def test_get_is_byte_for_byte(shared_world, value):
    name = f'bytes{len(value)}'
    cli(shared_world, 'app', 'create', name, '--users', 'clerks', '--enable')
    cli(shared_world, 'map', 'set', name, '--external', 'A', '--stdin', user='alice', input=value)
    assert cli(shared_world, 'get', name, user='alice', input=b'').stdout == value
    field = read_json(shared_world, 'get', name, user='alice')['fields']['password']
    assert field['masked'] is True
    if 'value' in field:
        assert field['value'].encode() == value
    else:
        assert base64.b64decode(field['base64']) == value
        with pytest.raises(UnicodeDecodeError):
            value.decode()
    cli(shared_world, 'verify', name, '--stdin', user='alice', input=value)
    cli(shared_world, 'app', 'delete', name)


def test_a_value_too_large(shared_world, app):
    cli(shared_world, 'map', 'set', app, '--external', 'A', '--stdin', user='alice', status=2,
        input='x' * 65537)


def test_get_for_another(shared_world, app):
    store(shared_world, app)
    assert cli(shared_world, 'get', app, '--user', 'alice', user='dave').stdout == CANARY
    for user in ('bob', 'carol'):
        cli(shared_world, 'get', app, '--user', 'alice', user=user, status=3)
    assert cli(shared_world, 'get', app, '--field', 'user', user='alice').stdout == 'ALICE01'
    cli(shared_world, 'get', app, '--field', 'nothing', user='alice', status=4)
    cli(shared_world, 'get', app, '--json', '--field', 'client', user='alice', status=2)


def test_verify(shared_world, app):
    store(shared_world, app)
    assert cli(shared_world, 'verify', app, '--stdin', user='alice', input=CANARY).stdout == \
        'matches\n'
    assert cli(shared_world, 'verify', app, '--stdin', user='alice', input=f'{CANARY}\n',
               status=10).stdout == 'does not match\n'
    cli(shared_world, 'verify', app, '--user', 'alice', '--field', 'password', '--stdin',
        user='dave', input=CANARY)
    cli(shared_world, 'verify', app, '--field', 'client', '--stdin', user='alice', status=2,
        input='100')


def test_run(shared_world, app):
    store(shared_world, app)
    script = 'printf "%s|" "$MASTERSECRET_USER" "$MASTERSECRET_PASSWORD" "$MASTERSECRET_CLIENT"'
    assert cli(shared_world, 'run', app, '--', 'sh', '-c', script, user='alice').stdout == \
        f'ALICE01|{CANARY}|100|'
    script = ('env | grep -q canary && exit 1; for f in USER PASSWORD CLIENT; do '
              'eval cat \\$MASTERSECRET_${f}_FILE; echo; done; exit 7')
    done = cli(shared_world, 'run', '--files', app, '--', 'sh', '-c', script, user='alice',
               status=7)
    assert done.stdout.split() == ['ALICE01', CANARY, '100']
    cli(shared_world, 'run', app, '--', 'no-such-command', user='alice', status=127)
    cli(shared_world, 'run', app, '--', '/etc/passwd', user='alice', status=126)
    store(shared_world, app, 'a\0b')
    cli(shared_world, 'run', app, '--', 'true', user='alice', status=2)
    cli(shared_world, 'run', '--files', app, '--', 'true', user='alice')


# ---- the terminal ----

# What stands on the terminal was written a second before the command goes on.
LATE = ('strace', '-o', '/dev/null', '-e', 'trace=write', '-e', 'inject=write:delay_exit=1s')


class Terminal:
    """A command of the world on a terminal of its own."""

    def __init__(self, world, arguments, user, before=()):
        self.output = b''
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell ignores it for what it runs in the background
            command = world.command([*before, 'mastersecret', *arguments], user)
            os.execvp(command[0], command)

    def expect(self, text, seconds=120):
        end = time.monotonic() + seconds
        while text.encode() not in self.output:
            assert time.monotonic() < end, f'no {text!r} in {self.output!r}'
            self.read(0.1)
        self.output = self.output.split(text.encode(), 1)[1]

    def read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            return False
        self.output += data
        return bool(data)

    def type(self, text):
        os.write(self.fd, text.encode())

    def finish(self):
        end = time.monotonic() + 120
        while self.read(0.1):
            assert time.monotonic() < end, f'still running, after {self.output!r}'
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return status


def test_asking_without_echo(shared_world, app):
    terminal = Terminal(shared_world, ['map', 'set', app, '--external', 'A'], 'alice')
    terminal.expect("password of")
    of_it = shared_world.run(['sh', '-c', 'cd /proc/$(pgrep -x mastersecret) && stat -c %U mem && cat limits'])
    assert of_it.stdout.startswith('root\n') and re.search('^Max core file size +0 +0 ', of_it.stdout, re.M)
    terminal.type('typed-canary\n')
    assert terminal.finish() == 0
    assert b'canary' not in terminal.output
    assert cli(shared_world, 'get', app, user='alice').stdout == 'typed-canary'
    # An empty answer keeps the value.
    terminal = Terminal(shared_world, ['map', 'set', app, '--field', 'client=7'], 'alice')
    terminal.expect("password of")
    terminal.type('\n')
    assert terminal.finish() == 0
    assert cli(shared_world, 'get', app, user='alice').stdout == 'typed-canary'


def test_interrupted_question(shared_world, app):
    terminal = Terminal(shared_world, ['verify', app], 'alice')
    terminal.expect("password of")
    terminal.type('typed-canary\x03')
    assert terminal.finish() != 0
    assert b'canary' not in terminal.output
    # Stopped and brought back it asks again; what would be typed into the shell by then is a password.
    store(shared_world, app, 'typed-canary')
    terminal = Terminal(shared_world, ['verify', app], 'alice')
    terminal.expect("password of")
    terminal.type('half of typed-can\x1a')
    terminal.expect("password of")
    terminal.type('typed-canary\n')
    assert terminal.finish() == 0
    assert b'canary' not in terminal.output


def test_interrupted_before_it_waits_for_an_answer(shared_world, app):
    """By a signal that comes when the question stands there and nothing is read yet."""
    terminal = Terminal(shared_world, ['verify', app], 'alice', LATE)
    terminal.expect("password of")
    terminal.type('\x03')
    assert terminal.finish() != 0
    assert shared_world.run('pgrep -x mastersecret', check=False).returncode == 1


def test_interrupted_where_a_hang_up_is_ignored(shared_world, app):
    """As under nohup(1): of two signals at once the one that ends the process counts."""
    terminal = Terminal(shared_world, ['verify', app], 'alice', ['env', '--ignore-signal=HUP'])
    terminal.expect("password of")
    for number in ('STOP', 'INT', 'HUP', 'CONT'):
        shared_world.run(['pkill', f'-{number}', '-x', 'mastersecret'])
    stat_of_nsenter = f'/proc/{terminal.pid}/stat'  # it stops when its child does
    wait_until(lambda: ') T ' in open(stat_of_nsenter, encoding='utf-8').read(), 'nsenter to stop')
    os.kill(terminal.pid, signal.SIGCONT)
    assert terminal.finish() != 0
    assert shared_world.run('pgrep -x mastersecret', check=False).returncode == 1


def test_masked_values_on_a_terminal(shared_world, app):
    store(shared_world, app)
    terminal = Terminal(shared_world, ['get', app], 'alice')
    terminal.expect('--reveal')
    assert terminal.finish() == 2 and CANARY.encode() not in terminal.output
    terminal = Terminal(shared_world, ['get', app, '--json'], 'alice')
    assert terminal.finish() == 2 and CANARY.encode() not in terminal.output
    terminal = Terminal(shared_world, ['get', app, '--reveal'], 'alice')
    assert terminal.finish() == 0 and CANARY.encode() in terminal.output
    terminal = Terminal(shared_world, ['get', app, '--field', 'client'], 'alice')
    assert terminal.finish() == 0 and b'100' in terminal.output


@pytest.mark.unconfigured
def test_new_passphrase_is_asked_twice(world):
    terminal = Terminal(world, ['secret', 'generate', '--backup', '/root/b'], 'root')
    for first, second in (('a good passphrase', 'another passphrase'),
                          ('a good passphrase', 'a good passphrase')):
        terminal.expect('Passphrase for the backup:')
        terminal.type(first + '\n')
        terminal.expect('The same again:')
        terminal.type(second + '\n')
    assert terminal.finish() == 0
    assert b'good' not in terminal.output
    made = f"generation 1 ({read_json(world, 'status')['fingerprint']})"
    assert any('MS0110 generate ok' in line and made in line for line in world.whole_audit())


# ---- failure ----

def test_messages_of_failure(shared_world):
    lines = cli(shared_world, 'app', 'show', 'no such app', status=4).stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("mastersecret: cannot show application 'no such app': ")
    assert lines[1] == 'see: mastersecret app list'


def test_another_address(shared_world):
    cli(shared_world, '--address', 'unix:path=/run/dbus/system_bus_socket', 'app', 'list')
    cli(shared_world, '--address', 'unix:path=/nowhere', 'app', 'list', status=7)
    cli(shared_world, '--address', 'tcp:host=localhost,port=1', 'app', 'list', status=2)
    cli(shared_world, '--address', 'nonsense', 'app', 'list', status=2)


def test_a_stopped_service(world):
    cli(world, 'status')
    world.run(['kill', '-STOP', str(world.service_pid())])
    for arguments in ((), ('--address', 'unix:path=/run/dbus/system_bus_socket')):
        begin = time.monotonic()
        cli(world, *arguments, 'status', '--timeout', '1', status=7)
        assert 0.9 < time.monotonic() - begin < 45  # without the option it is a minute
    world.run(['kill', '-CONT', str(world.service_pid())])
    cli(world, 'status')


def test_a_killed_service(world):
    cli(world, 'app', 'create', 'erp', '--users', 'clerks', '--enable')
    store_fields = ('map', 'set', 'erp', '--external', 'A', '--stdin')
    cli(world, *store_fields, user='alice', input=CANARY)
    # The first call starts it again, and is answered once the keyring is open.
    for _ in range(20):
        world.kill_service()
        assert cli(world, 'get', 'erp', user='alice').stdout == CANARY


def test_completion(shared_world):
    shared_world.run('bash -n /usr/share/bash-completion/completions/mastersecret')
    words = shared_world.run(
        '_init_completion() { cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} '
        'words=("${COMP_WORDS[@]}") cword=$COMP_CWORD; }; '
        '. /usr/share/bash-completion/completions/mastersecret; '
        'COMP_WORDS=(mastersecret app cr) COMP_CWORD=2; _mastersecret; echo "${COMPREPLY[@]}"; '
        'COMP_WORDS=(mastersecret app create --ty) COMP_CWORD=3; _mastersecret; '
        'echo "${COMPREPLY[@]}"; '
        'COMP_WORDS=(mastersecret app create --type i) COMP_CWORD=4; _mastersecret; '
        'echo "${COMPREPLY[@]}"').stdout
    assert words.split() == ['create', '--type', 'individual']


def test_doors(world):
    """Credentials by the direct socket, administration by the bus, each by the other if need be."""
    cli(world, 'app', 'create', 'erp', '--users', 'clerks', '--enable')
    def door(*arguments):
        trace = world.run(['strace', '-e', 'trace=connect', 'mastersecret', *arguments],
                          check=False).stderr
        found = re.findall('(direct|system_bus_socket)"}, [0-9]+\\) = 0', trace)
        return found[-1] if found else None
    assert door('status') == door('get', 'erp') == 'direct'
    assert door('app', 'list') == 'system_bus_socket'
    world.run('kill -9 "$(cat /run/dbus/pid)"')
    assert door('app', 'list') == 'direct'


@pytest.mark.unconfigured
def test_examples_of_the_manual(world):
    with open(f'{SOURCE}/doc/man/mastersecret.1', encoding='utf-8') as page:
        blocks = re.findall(r'^\.EX\n(.*?)^\.EE$', page.read(), re.M | re.S)
    administrator, user = [
        block.replace('\\e', '\\').replace('\\-', '-').replace('\\(aq', "'")
        for block in blocks]
    world.write('/root/passphrase', 'a good passphrase\n', 0o600)
    world.write('/root/password', CANARY, 0o600)
    done = world.run(f'set -euo pipefail\n{administrator}')
    assert '"external-user": "ALICE01"' in done.stdout
    done = world.run(f'set -euo pipefail\n{user}', user='alice')
    assert done.stdout == f'ALICE01, {len(CANARY)} bytes\nmatches\n'
    assert cli(world, 'get', 'erp', user='alice').stdout == 'new password'


# ---- a service that answers as asked, on a bus of its own ----

FAKE = '''
import sys, time
import dbus, dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

DBusGMainLoop(set_as_default=True)
bus = dbus.bus.BusConnection(sys.argv[1])
name = dbus.service.BusName('org.mastersecret1', bus)


class Fake(dbus.service.Object):
    @dbus.service.method('org.freedesktop.DBus.Properties', 's', 'a{sv}')
    def GetAll(self, interface):
        return {'State': 'rebuilding', 'StateText': 'esc' + chr(27) + '[2J', 'Version': '0',
                'Progress': dbus.Struct((dbus.UInt64(30), dbus.UInt64(120),
                                         dbus.UInt64(65000000)), signature='ttt'),
                'Advice': dbus.Array(['Wait.', 'Then go on.'], signature='s')}

    @dbus.service.method('org.mastersecret1.Secret', 'sssa{sh}', 'uss',
                         async_callbacks=('done', 'failed'))
    def Generate(self, slot, hint, location, descriptors, done, failed):
        pass


fake = Fake(bus, '/org/mastersecret1')
GLib.MainLoop().run()
'''


@pytest.fixture(name='fake')
def run_fake(shared_world):
    """The address of a bus with a service that rebuilds for ever and never generates."""
    socket = f'/run/fake-bus-{os.urandom(4).hex()}'  # none that an earlier one is about to remove
    address = f'unix:path={socket}'
    shared_world.write('/run/fake.py', FAKE)
    pids = shared_world.run(
        f'dbus-daemon --session --address={address} --nofork >/dev/null 2>&1 & '
        f'while [ ! -S {socket} ]; do sleep 0.01; done; '
        f'python3 /run/fake.py {address} >/run/fake.log 2>&1 & jobs -p').stdout.split()
    wait_until(lambda: 'org.mastersecret1' in shared_world.run(
        ['busctl', f'--address={address}', 'list', '--acquired'], check=False).stdout, 'the fake')
    yield address
    shared_world.run(['kill', *pids])


def test_status_while_rebuilding(shared_world, fake):
    text = cli(shared_world, '--address', fake, 'status', status=6).stdout
    assert re.search('^progress +25 % of the view is built, about 1 min 5 s left$', text, re.M)
    assert re.search('^meaning +esc\\?\\[2J$', text, re.M), 'control characters reach the terminal'
    assert re.search('^next +Wait.\n +Then go on.$', text, re.M)
    assert read_json(shared_world, '--address', fake, 'status', status=6)['progress'] == \
        [30, 120, 65000000]


def test_generate_without_an_answer(shared_world, fake):
    def lost():
        """Not if the second was over before the call was made; then there is nothing to keep."""
        done = cli(shared_world, '--address', fake, '--timeout', '1', 'secret', 'generate', '--backup',
                   '/root/kept', '--stdin', input='a good passphrase', status=7)
        return "the backup '/root/kept' is kept" in done.stderr
    wait_until(lost, 'the backup to be kept')
    assert os.path.exists(shared_world.path('/root/kept')), 'perhaps the only backup is removed'

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A state folder and an export that an earlier build left are opened by this one, and clients stay connected while the
program is exchanged under a running unit.

tests/fixtures/vN/state is what `test_upgrade.py WRITE FOLDER` made with the build that introduced
format N (HACKING, "Formats"); EXPECTED is what it holds."""
import base64
import json
import os
import shutil
import subprocess
import sys

import pytest

import bus_client
from conftest import SOURCE, World

FIXTURES = ('v1', 'v2')
PASSWORD = 'grün & 100 %'
BYTES = bytes(range(256)) * 8

SETTING_UP = '''
mastersecret app create erp --description 'the old one' --contact 'desk 7' --users clerks \
    --admins appadmins --field user --field password:masked --field client --enable
mastersecret app create files --users clerks --field user --field key:masked --field pin:masked --enable
mastersecret app create crm --type group --users clerks --field user --field password:masked --enable
mastersecret app create gone --users clerks --enable
mastersecret app create resting --users clerks
mastersecret app update erp --add-field note --description 'the new one'
'''
# (who, arguments, standard input)
MAPPINGS = (
    ('alice', 'set erp --external ALICE00 --field client=099 --stdin', b'the first one'),
    ('alice', 'set erp --external ALICE01 --field client=100 --field note=two --stdin', PASSWORD.encode()),
    ('bob', 'set erp --external BOB01 --stdin', b'of bob'),
    ('root', 'disable erp --user bob', b''),
    ('bob', 'set files --external bob --fd key=3 --fd pin=4', BYTES),
    ('alice', 'set files --external alice --fd key=3 --fd pin=4', b'dropped'),
    ('alice', 'delete files', b''),
    ('root', 'set crm --group clerks --external CLERKS --stdin', b'of all clerks'),
    ('alice', 'set gone --external GONE --stdin', b'dropped with its application'),
)


# (application, who): each field's value, or a word of the refusal.
EXPECTED = {
    ('erp', 'alice'): {'user': 'ALICE01', 'password': PASSWORD, 'client': '100', 'note': 'two'},
    ('erp', 'bob'): 'disabled',
    ('files', 'alice'): 'no mapping',
    ('files', 'bob'): {'user': 'bob', 'key': BYTES, 'pin': '1234'},
    ('crm', 'alice'): {'user': 'CLERKS', 'password': 'of all clerks'},
    ('crm', 'bob'): {'user': 'CLERKS', 'password': 'of all clerks'},
    ('gone', 'alice'): 'no such object',
    ('resting', 'alice'): 'disabled',
}
DEFINITION = {'description': 'the new one', 'contact': 'desk 7', 'users': ['clerks'],
              'admins': ['appadmins'], 'type': 'individual', 'enabled': True}
FILES = (('keyring', 'state', 0o600), ('keyfile', 'state', 0o400), ('journal', 'state', 0o600),
         ('anchor', 'anchor', 0o600))


def map_command(world, user, arguments, value):
    more = '3<&0 4< <(printf 1234) </dev/null' if '--fd' in arguments else ''
    world.run(f'mastersecret map {arguments} {more}', user, input=value)


def stored(world, application, user):
    """The fields as EXPECTED has them, or what was said instead."""
    done = world.run(['mastersecret', 'get', application, '--json'], user, check=False)
    if done.returncode:
        return done.stderr
    fields = json.loads(done.stdout)['fields']
    external = world.run(f"mastersecret run {application} --files -- sh -c 'cat $MASTERSECRET_USER_FILE'", user)
    return {'user': external.stdout} | {
        label: field['value'] if 'value' in field else base64.b64decode(field['base64'])
        for label, field in fields.items()}


def check_all(world):
    for (application, user), wanted in EXPECTED.items():
        found = stored(world, application, user)
        if isinstance(wanted, str):
            assert isinstance(found, str) and wanted in found, (application, user, found)
        else:
            assert found == wanted, (application, user, found)
    shown = json.loads(world.run(['mastersecret', 'app', 'show', 'erp', '--json']).stdout)
    assert {key: shown[key] for key in DEFINITION} == DEFINITION


def check_writes(world):
    """It goes on: what was there is changed, what was not is made, and both are there after a restart."""
    map_command(world, 'alice', 'set erp --external ALICE02 --stdin', b'a newer one')
    map_command(world, 'root', 'enable erp --user bob', b'')
    world.run('mastersecret app create later --users clerks --enable')
    map_command(world, 'bob', 'set later --external LATER --stdin', b'later')


def check_written(world):
    assert stored(world, 'erp', 'alice') == EXPECTED['erp', 'alice'] | {
        'user': 'ALICE02', 'password': 'a newer one'}
    assert stored(world, 'erp', 'bob')['password'] == 'of bob'
    assert stored(world, 'later', 'bob') == {'user': 'LATER', 'password': 'later'}
    assert stored(world, 'files', 'bob') == EXPECTED['files', 'bob']


def place(world, fixture, files=FILES):
    """Puts a frozen folder where the service looks, as its own, in the place of what is there."""
    world.run(f'rm -rf {world.state}/* {world.anchor}/*')
    for name, folder, mode in files:
        inner = f'{getattr(world, folder)}/{name}'
        shutil.copyfile(f'{SOURCE}/tests/fixtures/{fixture}/state/{name}', world.path(inner))
        world.run(f'chown mastersecret: {inner} && chmod {mode:o} {inner}')
    world.start_service()


@pytest.mark.unconfigured
def test_files_of_an_earlier_build(world):
    """Each state folder goes on; an export fills the folder that has its keyring only."""
    for fixture in FIXTURES:
        place(world, fixture)
        assert bus_client.run(world, 'answer(Door().state())') == 'ready', fixture
        check_all(world)
        check_writes(world)
        world.kill_service()
        check_written(world)
        world.restart_service()
        check_written(world)
        world.kill_service()
    shutil.copyfile(f'{SOURCE}/tests/fixtures/v1/export', world.path('/root/export'))
    world.run('chmod 600 /root/export')
    place(world, 'v1', FILES[:2])
    world.run('mastersecret import /root/export')
    check_all(world)


# One context of the library, and one call for each line that comes: 0 and 1 are a match.
CLIENT = '''
import ctypes, sys
library = ctypes.CDLL('libmastersecret.so.0')
context, matches = ctypes.c_void_p(), ctypes.c_int()
assert library.mastersecret_new(ctypes.byref(context)) == 0
library.mastersecret_set_timeout(context, 20000)
for line in sys.stdin:
    matches.value = 7
    error = library.mastersecret_verify(context, b'erp', None, None, b'of alice', 8, ctypes.byref(matches))
    print(error, matches.value, flush=True)
'''


class Client:
    def __init__(self, world):
        self.process = subprocess.Popen(world.command(['/usr/bin/python3', '-c', CLIENT], 'alice'),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self):
        self.process.stdin.write('\n')
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def test_clients_outlive_an_upgrade_of_the_unit(make_world, request):
    """The program is replaced while it runs, then the unit is restarted: a context that was connected goes
    on by itself, and so does a call made while nothing serves."""
    world = make_world(boot=True)
    world.write('/root/passphrase', world.passphrase, 0o600)
    world.run(['mastersecret', 'secret', 'generate', '--backup', world.backup,
               '--passphrase-file', '/root/passphrase'])
    world.run('mastersecret app create erp --users clerks --enable')
    map_command(world, 'alice', 'set erp --external ALICE01 --stdin', b'of alice')
    client = Client(world)
    request.addfinalizer(client.close)
    client.ask()
    assert client.answer() == '0 1'
    before = world.service_pid()
    world.run(f'cp {world.daemon} {world.daemon}.new && mv {world.daemon}.new {world.daemon}')
    assert '(deleted)' in os.readlink(world.path(f'/proc/{before}/exe'))
    client.ask()
    assert client.answer() == '0 1', 'the old one serves until it is restarted'
    world.run(['systemctl', 'restart', 'mastersecretd'])
    client.ask()
    assert client.answer() == '0 1'
    assert world.service_pid() != before
    assert '(deleted)' not in os.readlink(world.path(f'/proc/{world.service_pid()}/exe'))
    world.run(['systemctl', 'stop', 'mastersecretd'])
    client.ask()
    assert client.answer() == '0 1', 'the bus starts it'


def write(folder):
    """What the fixture of a new format is made by."""
    world = World()
    try:
        world.run(SETTING_UP)
        for step in MAPPINGS[:4]:
            map_command(world, *step)
        world.write('/root/passphrase', world.passphrase, 0o600)
        world.run('mastersecret secret recipient add offline '
                  "$(mastersecret secret recipient new --private-file /root/offline | grep -o 'ms1-public-.*')")
        world.run('mastersecret secret rotate --wait --backup /root/rotated --passphrase-file /root/passphrase')
        for step in MAPPINGS[4:]:
            map_command(world, *step)
        world.run('mastersecret app delete gone')
        check_all(world)
        world.kill_service('TERM')
        os.makedirs(folder)
        for name, source, _ in FILES:
            shutil.copyfile(world.path(f'{getattr(world, source)}/{name}'), f'{folder}/{name}')
            os.chmod(f'{folder}/{name}', 0o644)
    finally:
        world.close()


if __name__ == '__main__':
    write(sys.argv[1])

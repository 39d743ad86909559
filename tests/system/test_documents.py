# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the README and the manuals show is run as it stands there; what they refer to exists.
mastersecret(1) and libmastersecret(3) have theirs in test_cli.py and test_library.py."""
import glob
import os
import re
import shlex
import subprocess

import pytest

import bus_client
from conftest import SOURCE
from login_programs import patient
from test_audit import EVENT

pytestmark = pytest.mark.service

PASSWORD = 'Tr0ub4dor&3'
# Needs a machine rather than a world; ./bootstrap, the build and test_unit.py do these.
ELSEWHERE = ('./bootstrap run', './bootstrap check', 'autoreconf -fi', 'systemctl ')
PAGES = sorted(glob.glob(f'{SOURCE}/doc/man/*'))


def text_of(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


README = text_of(f'{SOURCE}/README.md')


def commands(block):
    """(command, comment) of each line; lines that end in a backslash go on."""
    found = []
    for line in block.replace('\\\n', ' ').splitlines():
        command, _, comment = line.partition('  #')
        if command.strip():
            found.append((command.strip(), comment.strip()))
    return found


def blocks(text, language):
    return re.findall(rf'^```{language}\n(.*?)^```$', text, re.M | re.S)


def roff_blocks(page, begin='EX', end='EE'):
    found = re.findall(rf'^\.{begin}\n(.*?)^\.{end}$', text_of(f'{SOURCE}/doc/man/{page}'), re.M | re.S)
    return [block.replace('\\e', '\\').replace('\\-', '-').replace('\\(aq', "'") for block in found]


def run(world, command, user='root', **options):
    return world.run(command, user=user, **options)


def run_or_watch(world, command):
    """What watches does not end by itself."""
    if ' monitor ' in command:
        assert world.run(['timeout', '1', *command.split()], check=False).returncode == 124
    else:
        run(world, command)


@pytest.fixture(name='erp', scope='module')
def make_erp(shared_world):
    """A world in which the commands of the README's daily work have been run, with what they said."""
    shared_world.said = {}
    shared_world.run('install -m 755 /dev/stdin /home/alice/batch-job', input='#!/bin/sh\nenv\n')
    for command, comment in commands(blocks(README, 'sh')[2]):
        user = 'root' if comment.startswith('an admin') or not comment else 'alice'
        if 'map set' in command:
            done = run(shared_world, command + ' --stdin', user, input=PASSWORD)
        else:
            done = run(shared_world, f'cd ~{user}; {command}', user)
        shared_world.said[' '.join(command.split()[1:3])] = done.stdout
    return shared_world


def test_every_block_of_commands_is_known():
    """A new block needs a test here."""
    assert len(blocks(README, 'sh')) == 5 and len(blocks(README, 'python')) == 1
    skipped = [command for block in blocks(README, 'sh')[:2] for command, _ in commands(block)
               if command.startswith(ELSEWHERE)]
    assert len(skipped) == 5, skipped


def test_bootstrap_has_the_verbs():
    usage = os.popen(f'{shlex.quote(SOURCE)}/bootstrap help').read()
    for command, _ in commands(blocks(README, 'sh')[0]):
        assert command in usage


@pytest.mark.unconfigured
def test_installation(world):
    for command, _ in commands(blocks(README, 'sh')[1]):
        if command.startswith(ELSEWHERE):
            continue
        if 'secret generate' in command:
            world.write('/root/passphrase', 'a good passphrase', 0o600)
            command += ' --passphrase-file /root/passphrase'
        done = run(world, command)
    assert re.search(r'^state +ready$', done.stdout, re.M)
    assert os.stat(world.path('/root/mastersecret.backup')).st_mode & 0o777 == 0o600


def test_daily_work(erp):
    assert 'ALICE01' in erp.said['map list'] and PASSWORD not in erp.said['map list']
    assert erp.said['get erp'].rstrip('\n') == PASSWORD
    assert PASSWORD in erp.said['run erp'] and 'ALICE01' in erp.said['run erp']


def test_pam_example(erp):
    stack = re.search(r'^```\n# (/etc/pam\.d/\S+)\n(.*?)^```$', README, re.M | re.S)
    erp.write(stack[1], patient(stack[2]))
    service = os.path.basename(stack[1])
    for password, wanted in ((PASSWORD, 0), ('wrong', 1)):
        done = erp.run(['pamtester', service, 'alice', 'authenticate', 'acct_mgmt'], input=password + '\n',
                       check=False)
        assert bool(done.returncode) == bool(wanted), done


def test_python_and_c_examples(erp):
    examples = '/usr/share/doc/mastersecret/examples'  # as installed, where alice may read
    shown = blocks(README, 'python')[0].replace('"erp"', 'application').replace('"password"', 'field')
    example = text_of(f'{SOURCE}/doc/examples/lookup.py').replace('value = ', 'password = ')
    for line in shown.splitlines():
        assert line in example, line
    read = erp.run(['/usr/bin/python3', '-B', f'{examples}/lookup.py', 'erp', 'password'], user='alice').stdout
    assert f'ALICE01 logs in to erp with {len(PASSWORD)} bytes' in read and 'client = 100' in read
    assert 'revision' in erp.run(['/usr/bin/python3', '-B', f'{examples}/set.py', 'erp', 'BOB01', 'password'],
                                 user='bob', input='of bob').stdout
    erp.run(f'cc -Wall -Werror -o /tmp/lookup {examples}/lookup.c $(pkg-config --cflags --libs dbus-1)')
    shown = '#include <mastersecret.h>\nvoid log_in(const char *, const struct mastersecret_field *);\n' \
        f"void shown(void);\nvoid shown(void)\n{{\n{blocks(README, 'c')[0]}}}\n"
    erp.run('cc -Wall -Wextra -Werror -x c -c -o /tmp/shown.o -', input=shown)
    assert 'ALICE01' in erp.run(['/tmp/lookup', 'erp', 'password'], user='alice').stdout
    assert erp.run(['/tmp/lookup', 'erp', 'password'], user='dave', check=False).returncode


def test_busctl(erp):
    """The README's, and all of mastersecret(7); what is watched ends by itself."""
    said = [run(erp, command).stdout for command, _ in commands(blocks(README, 'sh')[3])]
    assert '/org/mastersecret1/application/erp' in said[0] and 'ShowMapping' in said[1]
    assert '"user:alice" "ALICE01" "enabled"' in said[2]
    make_recipient(erp)
    erp.write(erp.config, f'[secret]\nbackup-directory = {erp.state}-backup\n')
    run(erp, 'busctl call org.mastersecret1 /org/mastersecret1 org.mastersecret1.Manager Reload')
    applications, secret = roff_blocks('mastersecret.7')
    for command, _ in commands(applications):
        run_or_watch(erp, command)
    assert bus_client.run(erp, 'answer(Door().state())') == 'sealed'
    said = [run(erp, command).stdout for command, _ in commands(secret)]
    assert said[-2].endswith('.backup"\n')
    assert said[-1] == 'u 2\n'
    assert bus_client.run(erp, '''
door = Door()
answer([door.state(), str(door.call(ERP, 'Application', 'ShowMapping', 's', 'user:alice')['state']),
        door.attempt(ROOT + '/application/crm', 'Application', 'Enable', '')])
''') == ['ready', 'disabled-by-administrator', 'ok']


def make_recipient(world):
    """To whom the backups of the examples are sealed: guessing a passphrase must take its time, and so does using one."""
    public = run(world, 'mastersecret secret recipient new --private-file /root/safe.key').stdout.split()[1]
    run(world, f'mastersecret secret recipient add safe {public}')


def test_life_of_the_master_secret(world):
    make_recipient(world)
    for command, _ in commands(blocks(README, 'sh')[4]):
        said = run(world, command + (' --to-recipients' if '.backup' in command else '')).stdout
    assert said.endswith('nothing is wrong\n')


def test_examples_of_the_interfaces(world):
    """Commands for busctl in the pages of the interfaces, the page first that makes the application."""
    number = 0
    for name in ('Applications', 'Application', 'Manager', 'Secret'):
        for block in roff_blocks(f'org.mastersecret1.{name}.5', 'nf', 'fi'):
            for command, _ in commands(block):
                run_or_watch(world, command)
                number += 1
        if name == 'Applications':
            assert bus_client.run(world, "answer(set_mapping(Door(), 'user:alice', 'A'))") == 'ok'
    assert number >= 7
    assert bus_client.run(world, 'answer(Door().state())') == 'ready'


def test_configuration_example(world):
    (example,) = roff_blocks('mastersecretd.conf.5', 'nf', 'fi')
    world.write(world.config, example)
    world.run('groupadd secops; groupadd apps; install -d -o mastersecret -m 700 /srv/anchor')
    world.restart_service()
    assert bus_client.run(world, '''
door = Door()
answer([door.state(), create(door), connect_as('alice').attempt(ROOT, 'Manager', 'Reload', '')])''') == \
        ['ready', 'ok', 'ok']
    world.kill_service('TERM')
    assert os.path.exists(world.path('/srv/anchor/mastersecret'))


def test_audit_example():
    example = ' '.join(roff_blocks('mastersecretd.8')[0].split())  # test_credential.py runs the others
    assert EVENT.fullmatch(f'<36>Nov  1 00:00:00 mastersecretd[1]: {example}')


@pytest.mark.parametrize('page', [os.path.basename(path) for path in PAGES])
def test_pages_are_well_formed_and_refer_to_what_is_there(page):
    text = text_of(f'{SOURCE}/doc/man/{page}')
    ours = {os.path.basename(path) for path in PAGES}
    for name, section in re.findall(r'^\.BR "?([\w.-]+)"? "?\((\d)\)', text, re.M):
        if 'mastersecret' in name:
            assert f'{name}.{section}' in ours, f'{name}({section})'
    shown = subprocess.run(['groff', '-t', '-man', '-Tutf8', '-P-cbou', '-rLL=80n', '-rLT=80n', '-ww',
                            f'{SOURCE}/doc/man/{page}'],
                           capture_output=True, text=True, encoding='utf-8', check=True)
    assert shown.stderr == '' and len(shown.stdout) > 1000
    assert [line for line in shown.stdout.splitlines() if len(line) > 80] == []


def test_readme_refers_to_what_is_there():
    for name in re.findall(r'`(doc/[\w./-]+)`', README):
        assert os.path.exists(f'{SOURCE}/{name}'), name
    pages = {os.path.basename(path) for path in PAGES}
    for name, section in re.findall(r'\b([\w.]*mastersecret[\w.-]*)\((\d)\)', README):
        assert f'{name}.{section}' in pages, f'{name}({section})'


def test_testing_names_what_each_pass_leaves_out():
    page, script = text_of(f'{SOURCE}/doc/TESTING'), text_of(f'{SOURCE}/bootstrap')
    told = page[page.index('Each leaves out'):page.index('2  Long runs')]
    files = {os.path.basename(path)[:-3] for path in glob.glob(f'{SOURCE}/tests/system/test_*.py')}
    words = re.findall(r'\w+', script[script.index('\nsort_system_tests() {'):script.index('\ncount_system_tests() {')])
    assert {f'test_{word}' for word in words} & files == set(re.findall(r'test_\w+', told)) & files != set()


def test_testing_names_every_fuzz_target():
    page = text_of(f'{SOURCE}/doc/TESTING')
    names = {os.path.basename(path)[:-len('_fuzz.c')] for path in glob.glob(f'{SOURCE}/tests/fuzz/*_fuzz.c')}
    told = page[page.index('What the fuzz targets'):page.index('Lines of each file')]
    assert len(names) > 10 and names <= set(re.findall(r'\w+', told)), names - set(re.findall(r'\w+', told))
    for name in re.findall(r'^  (\S+\.c) +\d+ +\d+ %$', page, re.M):
        assert os.path.exists(f'{SOURCE}/{name}'), f'{name} is gone: make fuzz-coverage'

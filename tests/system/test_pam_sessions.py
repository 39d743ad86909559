# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the samples do beside deciding, in the programs people have: keep the password that was typed
or changed, show the plain fields, hand the mapped password over, become the external user; and what
each program makes of it, as pam_mastersecret(8) says."""
import contextlib
import os
import re
from typing import Callable, NamedTuple

import pytest

import login_programs
from conftest import SOURCE, wait_until
from login_programs import PROGRAMS, SECRET, absent, disabled, passwd, sealed, stack, stopped, stored

pytestmark = pytest.mark.service

# Two deadlines of a second, and all programs at once on a busy machine; what waits for libdbus waits 25 s.
LATE = 8
LOCAL, NEW = 'alice-login', 'Neues-Passw0rt-7'
VARIABLES = 'env | grep ^MASTERSECRET_ | sort'
SHOWN = 'MASTERSECRET_CLIENT=100\nMASTERSECRET_USER=ALICE01\n'

SSHD = tuple(program for program in PROGRAMS if program.startswith('sshd'))
SESSIONS = ('su', 'su -', 'login', *SSHD)
ASKED = tuple(program for program in SESSIONS if program != 'sshd publickey')
NO_ROOT = ('auth      sufficient  pam_rootok.so\n', '')


@pytest.fixture(name='machine', scope='module')
def make_machine(shared_world):
    login_programs.furnish(shared_world)
    shared_world.run(['mastersecret', 'app', 'create', 'kiosk', '--type', 'group', '--users', 'clerks',
                      '--admins', 'appadmins', '--agents', 'user:postgres', '--field', 'user',
                      '--field', 'password:masked', '--enable'])
    shared_world.run('cp /etc/shadow /etc/shadow.as-it-was')
    return shared_world


@pytest.fixture(name='erp')
def as_it_was(machine):
    """The stacks are the samples, and alice's passwords LOCAL for her, SECRET in erp."""
    login_programs.stacks(machine, 'capture', programs=SESSIONS)
    stack(machine, 'passwd-capture', 'passwd')
    machine.run('cp /etc/shadow.as-it-was /etc/shadow')
    keep(machine, SECRET)
    return machine


def keep(world, password):
    world.run(['mastersecret', 'map', 'set', 'erp', '--stdin'], user='alice', input=password)


def share(world, external):
    """The mapping of all clerks in kiosk."""
    world.run(['mastersecret', 'map', 'set', 'kiosk', '--group', 'clerks', '--external', external,
               '--stdin'], user='carol', input='shared')


def log_in(world, password, command='id -un', user='alice', programs=SESSIONS):
    return login_programs.attempts(world, user, password, command, programs)


def said(attempts):
    return {program: attempt.said for program, attempt in attempts.items()}


# ---- capture ----

@pytest.mark.parametrize('program', ASKED)
def test_capture_keeps_what_let_the_user_in(erp, program):
    assert login_programs.attempt(erp, program, 'alice', LOCAL).said == 'alice\n'
    assert stored(erp) == LOCAL


def test_capture_in_sudo(erp):
    """It has no sample: what it would keep is the caller's password, not root's."""
    stack(erp, 'su-capture', 'sudo', NO_ROOT)
    assert login_programs.attempt(erp, 'sudo', 'alice', LOCAL).said == 'root\n'
    assert stored(erp) == LOCAL


def test_capture_in_postgresql(erp):
    """Behind a module that lets alice in by another password; an agent may not store it."""
    share(erp, 'dave')
    capture = 'pam_mastersecret.so mode=capture application=erp'
    stack(erp, 'postgresql-verify', 'postgresql', ('application=erp', 'application=kiosk\n'
          f'auth optional {capture}'), ('pam_permit.so', f'pam_permit.so\naccount optional {capture}'))
    seen = len(erp.audit())
    assert login_programs.attempt(erp, 'PostgreSQL', 'alice', 'shared').said == 'alice\n'
    wait_until(lambda: any("cannot store the password of 'alice'" in line
                           for line in erp.audit()[seen:]), 'the log to say so')
    assert stored(erp) == SECRET


def test_capture_of_a_wrong_password(erp):
    """Nothing is kept, even where capture hears of it; nor by who comes with a key and types none."""
    heard = ('auth      requisite   pam_unix', 'auth      required    pam_unix')
    login_programs.stacks(erp, 'capture', heard, programs=SESSIONS)
    assert said(log_in(erp, 'wrong')) == {
        program: 'alice\n' if program == 'sshd publickey' else '' for program in SESSIONS}
    assert stored(erp) == SECRET


def test_capture_of_a_refused_account(erp):
    """The right password of an account that has expired."""
    erp.run('chage -E 1 alice')
    assert said(log_in(erp, LOCAL)) == dict.fromkeys(SESSIONS, '')
    assert stored(erp) == SECRET


@pytest.mark.parametrize('user', ('alice', 'bob'))
def test_capture_where_nothing_may_be_stored(erp, user):
    """For a mapping that is disabled and for a stranger; both get in as if it were not there."""
    with disabled(erp):
        assert said(log_in(erp, f'{user}-login', user=user)) == dict.fromkeys(SESSIONS, f'{user}\n')
    assert (stored(erp), stored(erp, 'bob')) == (SECRET, None)


# ---- env ----

def test_env_is_visible_in_sessions(erp):
    attempts = log_in(erp, LOCAL, VARIABLES)
    assert said(attempts) == dict.fromkeys(SESSIONS, SHOWN)


def test_env_of_sudo_is_that_of_the_target(erp):
    """PAM_USER is root by then, and erp knows no root."""
    stack(erp, 'su-capture', 'sudo', NO_ROOT)
    assert login_programs.attempt(erp, 'sudo', 'alice', LOCAL, VARIABLES + '; id -un').said == 'root\n'
    done = login_programs.sudo(erp, 'alice', LOCAL, f'sudo -u alice sh -c "{VARIABLES}"')
    assert done[0] == SHOWN


def test_required_env_keeps_out_whom_nobody_mapped(erp):
    """Also those whom sshd has accepted already."""
    required = ('session   optional    pam_mastersecret', 'session   required    pam_mastersecret')
    login_programs.stacks(erp, 'capture', required, programs=SESSIONS)
    assert said(log_in(erp, 'bob-login', user='bob')) == dict.fromkeys(SESSIONS, '')
    assert said(log_in(erp, LOCAL)) == dict.fromkeys(SESSIONS, 'alice\n')


# ---- The service in trouble ----

@pytest.fixture(name='usual', scope='module')
def measure_usual(machine):
    """How long each program takes when all is well."""
    login_programs.stacks(machine, 'capture', programs=SESSIONS)
    return log_in(machine, LOCAL)


@pytest.mark.parametrize('trouble', (sealed, stopped, absent))
def test_cockpit_15662_omarchy_8747_two_lines_cost_two_deadlines_at_most(erp, usual, trouble):
    """One call stores and one shows; without either the local password goes on to let the user in."""
    login_programs.stacks(erp, 'capture', programs=SESSIONS, in_trouble=True)
    with trouble(erp):
        def ask(programs=SESSIONS):
            return log_in(erp, LOCAL, VARIABLES + '; id -un', programs=programs)
        attempts = login_programs.in_time(ask(), usual, LATE, ask)
    assert said(attempts) == dict.fromkeys(SESSIONS, 'alice\n')
    assert stored(erp) == SECRET
    longer = {program: attempts[program].seconds - usual[program].seconds for program in SESSIONS}
    assert {program: seconds for program, seconds in longer.items() if seconds > LATE} == {}


@pytest.mark.parametrize('kind, let_in', (('account', ('sshd publickey',)), ('session', ())))
def test_a_stopped_service_keeps_out_where_that_is_asked_for(erp, kind, let_in):
    """With a key nothing was typed, so there is nothing to store and no call."""
    mode = {'account': 'capture', 'session': 'env'}[kind]
    line = f'{kind:9} optional    pam_mastersecret.so mode={mode} application=erp'
    strict = line.replace('optional', 'required') + ' unavailable=fail'
    login_programs.stacks(erp, 'capture', (line, strict), programs=SESSIONS, in_trouble=True)
    with stopped(erp):
        attempts = log_in(erp, LOCAL)
    assert {program for program in SESSIONS if attempts[program].said} == set(let_in)


# ---- passwd ----

class Change(NamedTuple):
    """A change from `old` to NEW; what the local password and the mapped one are then."""
    local: str
    mapped: str
    old: str = LOCAL
    during: Callable = contextlib.nullcontext
    changes: tuple = ()
    in_trouble: bool = False


IGNORE = (('unavailable=fail', 'unavailable=ignore'),)
CHANGES = {
    'right password': Change(NEW, NEW),
    'wrong password': Change(LOCAL, SECRET, old='wrong'),
    'disabled mapping': Change(NEW, SECRET, during=disabled),
    # It answers, so unavailable=fail does not cover it.
    'sealed service': Change(NEW, SECRET, during=sealed),
    'stopped service': Change(LOCAL, SECRET, during=stopped, in_trouble=True),
    'stopped service, ignore': Change(NEW, SECRET, during=stopped, changes=IGNORE, in_trouble=True),
    'no service': Change(LOCAL, SECRET, during=absent, in_trouble=True),
    'no service, ignore': Change(NEW, SECRET, during=absent, changes=IGNORE, in_trouble=True),
}


@pytest.mark.parametrize('case', CHANGES)
def test_passwd(erp, case):
    change = CHANGES[case]
    stack(erp, 'passwd-capture', 'passwd', *change.changes, in_trouble=change.in_trouble)
    with change.during(erp):
        attempt = login_programs.timed(passwd, erp, 'alice', change.old, NEW)
    assert bool(attempt.said) == (change.local == NEW), attempt.errors
    assert not change.in_trouble or attempt.seconds < 20
    assert local_password(erp) == change.local
    assert stored(erp) == change.mapped


def test_passwd_of_a_stranger(erp):
    assert passwd(erp, 'bob', 'bob-login', NEW)[0]
    assert stored(erp, 'bob') is None
    assert login_programs.su(erp, 'bob', NEW, 'id -un')[0] == 'bob\n'


def local_password(world):
    """The one of the two by which pam_unix lets alice in; a wrong one costs a delay."""
    code = '''
import crypt, sys
held = next(line.split(':')[1] for line in open('/etc/shadow') if line.startswith('alice:'))
print(*[word for word in sys.stdin.read().split() if crypt.crypt(word, held) == held])
'''
    return world.run(['/usr/bin/python3', '-W', 'ignore', '-c', code],
                     input=f'{LOCAL} {NEW}').stdout.strip()


# ---- authtok ----

@pytest.mark.parametrize('program', ('su', 'login', 'sudo', 'sshd password',
                                     'sshd keyboard-interactive'))
def test_authtok_reaches_the_next_module(erp, program):
    token = '/tmp/next-module'
    erp.write('/usr/local/libexec/next-module', f'#!/bin/sh\ntr -d "\\0" >{token}\n', 0o755)
    erp.run(['rm', '-f', token])
    stack(erp, 'su-authtok', PROGRAMS[program].service, NO_ROOT)
    assert login_programs.attempt(erp, program, 'alice', LOCAL).said
    assert erp.read(token) == SECRET


# ---- user=external ----

def external_user(world, program, name):
    """Who alice is after a login by the password of her group, whose external user is name."""
    share(world, name)
    stack(world, 'login-external', PROGRAMS[program].service)
    return login_programs.attempt(world, program, 'alice', 'shared').said


@pytest.mark.parametrize('program, becomes, told', (
    ('login', 'dave', 'dave'), ('su', 'alice', 'dave'), ('sshd password', 'alice', 'dave'),
    ('sshd keyboard-interactive', 'alice', 'alice'), ('sudo', 'root', 'root')))
def test_external_user(machine, program, becomes, told):
    """login follows; the others keep the user they began with, whatever modules are told."""
    seen = len(machine.audit())
    assert external_user(machine, program, 'dave') == f'{becomes}\n'
    opened = f'({PROGRAMS[program].service}:session): session opened for user {told}('
    wait_until(lambda: any(opened in line for line in machine.audit()[seen:]), opened)


def test_external_user_is_never_root(machine):
    machine.run('grep -q ^toor: /etc/passwd || echo toor:x:0:0::/root:/bin/sh >>/etc/passwd')
    for name in ('root', 'toor', 'nobody-of-that-name'):
        assert external_user(machine, 'login', name) == '', name
    assert external_user(machine, 'login', 'dave') == 'dave\n'
    stack(machine, 'login-external', 'login', ('application=kiosk', 'application=erp'))
    assert login_programs.attempt(machine, 'login', 'alice', stored(machine)).said == ''


# ---- What pam_mastersecret(8) says of stacks and programs ----

with open(f'{SOURCE}/doc/man/pam_mastersecret.8', encoding='utf-8') as page:
    MANUAL = page.read()
NO_FILE = ('README', 'pam.conf')


def lines_of(stack_text):
    joined = stack_text.replace('\\e\n', ' ').replace('\\\n', ' ').replace('\\-', '-')
    return [line.split() for line in joined.splitlines() if line and not line.startswith('#')]


def shown_in(section):
    return lines_of(re.search(r'^\.nf\n(.*?)^\.fi', section, re.M | re.S)[1])


def test_stacks_of_the_manual_are_the_samples(machine):
    samples = set(os.listdir(machine.path(login_programs.SAMPLES))) - set(NO_FILE)
    stacks = MANUAL[MANUAL.index('.SH WORKED STACKS'):MANUAL.index('.SH DIFFERENCES')]
    assert samples == set(re.findall(r'^\.(?:SS|I) (\w+-\w+)$', stacks, re.M))
    for section in stacks.split('.SS ')[1:-1]:
        name = section.split('\n', 1)[0]
        assert shown_in(section) == lines_of(machine.read(f'{login_programs.SAMPLES}/{name}')), name


def test_order_of_the_samples(machine):
    """What the README in their folder says of the lines."""
    folder = login_programs.SAMPLES
    for name in set(os.listdir(machine.path(folder))) - set(NO_FILE):
        before = []
        for line in lines_of(machine.read(f'{folder}/{name}')):
            words = ' '.join(line)
            if 'mode=verify' in words:
                assert line[1] == 'required' or 'default=die' in words, name
            if 'mode=authtok' in words or 'mode=capture' in words:
                front = [other for other in before if other[0] == line[0]]
                assert front and all(other[1] == 'requisite' for other in front
                                     if other[2] == 'pam_unix.so'), name
                assert any(other[2] == 'pam_unix.so' for other in front), name
            assert 'pam_rootok.so' not in line or name.startswith('su-'), name
            before.append(line)


def test_fallback(erp):
    """The local password only for whom nobody mapped."""
    stack(erp, 'login-fallback', 'login')

    def allowed(user, password):
        return bool(login_programs.attempt(erp, 'login', user, password).said)
    logins = (('alice', SECRET), ('alice', LOCAL), ('bob', 'bob-login'), ('bob', SECRET))
    assert [allowed(*login) for login in logins] == [True, False, True, False]
    for trouble in (disabled, stopped):
        stack(erp, 'login-fallback', 'login', in_trouble=trouble is stopped)
        with trouble(erp):
            assert [allowed(*login) for login in logins[:2]] == [False, False]


def test_nologin(erp):
    login_programs.stacks(erp, 'verify')
    erp.write('/etc/nologin', 'closed')
    attempts = log_in(erp, SECRET, programs=('su', 'login', *SSHD))
    erp.run(['rm', '/etc/nologin'])
    assert said(attempts) == {'su': 'alice\n', **dict.fromkeys(('login', *SSHD), '')}


def test_who_tells_that_a_user_is_unknown(erp):
    """su and sudo do, unless another module answers."""
    programs = [program for program in PROGRAMS if program != 'sshd publickey']
    login_programs.stacks(erp, 'verify')
    assert tellers(erp, programs) == {'su', 'su -', 'sudo'}
    deny = re.search(r'^auth  \[success=1.*?(?=^\.fi)', MANUAL, re.M | re.S)[0].replace('\\e\n', '\\\n')
    line = 'auth      required    pam_mastersecret.so mode=verify application=erp\n'
    login_programs.stacks(erp, 'verify', (line, deny), programs=('su', 'su -', 'sudo'))
    assert said(log_in(erp, SECRET, programs=('su', 'sudo'))) == {'su': 'alice\n', 'sudo': 'root\n'}
    assert tellers(erp, ('su', 'su -', 'sudo')) == set()


def tellers(world, programs):
    mapped = log_in(world, 'wrong', programs=programs)
    unknown = log_in(world, 'wrong', user='bob', programs=programs)
    assert set(said(mapped).values()) == set(said(unknown).values()) == {''}
    return {program for program in programs
            if mapped[program].errors != unknown[program].errors.replace('bob', 'alice')}


# How the manual's table names them.
ROWS = {'su': 'su', 'sudo': 'sudo', 'login': 'login', 'sshd password': 'sshd, with a password',
        'sshd keyboard-interactive': 'sshd, with a password', 'sshd publickey': 'sshd, with a key',
        'PostgreSQL': 'PostgreSQL'}


def watch(world, service):
    """pam_warn logs each call of a stack, and for whom."""
    path = f'/etc/pam.d/{service}'
    kinds = {line[0] for line in lines_of(world.read(path))}
    world.write(path, ''.join(f'{kind} optional pam_warn.so\n' for kind in kinds) + world.read(path))
    seen = len(world.audit())
    return lambda: re.findall(r'function=\[pam_sm_(?!close)(\w+)\].* user=\[(\w+)\]',
                              '\n'.join(world.audit()[seen:]))


def calls_of(name):
    return re.search(rf'^{name}\t(.*)$', MANUAL, re.M)[1].split(', ')


@pytest.mark.parametrize('program', ROWS)
def test_calls_of_the_programs(erp, program):
    _, sample, service = PROGRAMS[program]
    stack(erp, f'{sample}-verify', service)
    calls, expected = watch(erp, service), calls_of(ROWS[program])
    assert login_programs.attempt(erp, program, 'alice', SECRET).said
    wait_until(lambda: expected[-1] in dict(calls()), 'the last call to be logged')
    assert list(dict(calls())) == expected
    if program == 'sudo':
        assert ('authenticate', 'alice') in calls() and ('open_session', 'root') in calls()


def test_calls_of_passwd(erp):
    calls = watch(erp, 'passwd')
    assert passwd(erp, 'alice', LOCAL, NEW)[0]
    wait_until(lambda: len(calls()) == 2, 'the calls to be logged')
    assert {name for name, _ in calls()} == {'chauthtok'} and calls_of('passwd')[0] == 'chauthtok'


def test_postgresql_must_be_an_agent(erp):
    login_programs.stacks(erp, 'verify', programs=('PostgreSQL',))
    erp.run(['mastersecret', 'app', 'update', 'erp', '--agents', ''])
    assert login_programs.attempt(erp, 'PostgreSQL', 'alice', SECRET).said == ''
    erp.run(['mastersecret', 'app', 'update', 'erp', '--agents', 'user:postgres'])
    assert login_programs.attempt(erp, 'PostgreSQL', 'alice', SECRET).said == 'alice\n'

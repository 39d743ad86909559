# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins by programs that are not ours, in stacks that are the installed samples."""
import os
import time

import pytest

import login_programs
from conftest import wait_until
from login_programs import SAMPLES, SECRET, patient

pytestmark = pytest.mark.service

TOKEN = '/tmp/next-module'
# A deadline of a second, a busy machine, all that su does besides, and the up to 3 s by which pam_unix and su delay a
# refusal. What waits for libdbus waits 25 s, each time.
LATE = 9


def furnish(world):
    """alice and bob are mapped in application erp."""
    world.run(['mastersecret', 'app', 'create', 'erp', '--users', 'clerks', '--admins', 'appadmins',
               '--field', 'user', '--field', 'password:masked', '--enable'])
    for user in ('alice', 'bob'):
        world.run(['mastersecret', 'map', 'set', 'erp', '--external', user.upper(), '--stdin'],
                  user=user, input=SECRET if user == 'alice' else 'of bob')
    next_module(world)
    return world


@pytest.fixture(scope='module')
def furnished(shared_world):
    return furnish(shared_world)


@pytest.fixture
def erp(furnished):
    """A world in which su asks erp; what a test changes it puts back."""
    stack(furnished, 'su-verify')
    furnished.run(['rm', '-f', TOKEN])
    return furnished


@pytest.fixture
def own_erp(world):
    """One that a test may spoil."""
    stack(furnish(world), 'su-verify')
    return world


def stack(world, sample, *changes, in_trouble=False):
    login_programs.stack(world, sample, 'su', *changes, in_trouble=in_trouble)


def su(world, password=SECRET, target='alice', caller='bob', command='id -un'):
    return world.run(['su', target, '-c', command], user=caller, input=password + '\n',
                     check=False)


def allowed(done, target='alice'):
    return (done.returncode, done.stdout) == (0, f'{target}\n')


def refused(done):
    return done.returncode == 1 and done.stdout == ''


def next_module(world):
    """A program behind pam_exec that keeps the password it gets."""
    world.run('mkdir -p /usr/local/libexec')
    world.write('/usr/local/libexec/next-module', f'#!/bin/sh\ntr -d "\\0" >{TOKEN}\n', 0o755)


def handed_over(world):
    return world.read(TOKEN) if os.path.exists(world.path(TOKEN)) else None


# ---- verify ----

def test_su_is_decided_by_the_mapping(erp):
    assert allowed(su(erp))
    wrong = su(erp, 'wrong')
    assert refused(wrong) and 'Authentication failure' in wrong.stderr
    assert refused(su(erp, 'alice-login'))  # her local password
    assert refused(su(erp, 'of bob'))
    assert refused(su(erp, ''))
    assert allowed(su(erp, 'of bob', target='bob', caller='dave'), 'bob')


def test_su_of_root_asks_nothing(erp):
    assert allowed(su(erp, '', caller='root'))


def test_strangers(erp):
    """dave is none of the application's users; a clerk without a mapping; no such user at all."""
    assert refused(su(erp, SECRET, target='dave'))
    erp.run(['mastersecret', 'map', 'delete', 'erp', '--user', 'bob'])
    assert refused(su(erp, 'of bob', target='bob', caller='dave'))
    erp.run(['mastersecret', 'map', 'set', 'erp', '--external', 'BOB', '--stdin'], user='bob',
            input='of bob')
    assert refused(su(erp, SECRET, target='nobody-of-that-name'))


@pytest.mark.parametrize('user', ('alice', 'carol'))
def test_disabled_mapping(erp, user):
    """By its user, and by an administrator."""
    own = [] if user == 'alice' else ['--user', 'alice']
    erp.run(['mastersecret', 'map', 'disable', 'erp', *own], user=user)
    assert refused(su(erp))
    assert refused(su(erp, 'wrong'))
    erp.run(['mastersecret', 'map', 'enable', 'erp', *own], user=user)
    assert allowed(su(erp))


def test_disabled_application(erp):
    erp.run(['mastersecret', 'app', 'disable', 'erp'])
    assert refused(su(erp))
    erp.run(['mastersecret', 'app', 'enable', 'erp'])
    assert allowed(su(erp))


@pytest.mark.parametrize('unavailable', ('fail', 'ignore'))
def test_sealed(own_erp, unavailable):
    """It answered, so unavailable=ignore does not cover it: pam_permit behind lets nobody in."""
    stack(own_erp, 'su-verify', ('application=erp', f'application=erp unavailable={unavailable}\n'
                             'auth required pam_permit.so'))
    assert allowed(su(own_erp))
    own_erp.run(['mastersecret', 'secret', 'seal'])
    assert refused(su(own_erp))


def test_unknown_application(erp):
    stack(erp, 'su-verify', ('application=erp', 'application=none'))
    assert refused(su(erp))
    erp.audited("in application 'none'")


def test_options_from_the_sample_file(erp):
    erp.run(['cp', f'{SAMPLES}/pam.conf', '/etc/mastersecret/pam.conf'])
    stack(erp, 'su-verify', ('application=erp', 'config=/etc/mastersecret/pam.conf'))
    assert allowed(su(erp))
    assert refused(su(erp, 'wrong'))
    erp.run(['chmod', '666', '/etc/mastersecret/pam.conf'])
    assert refused(su(erp))
    erp.run(['rm', '/etc/mastersecret/pam.conf'])


def test_limit_of_attempts(own_erp):
    """Somebody who guesses is stopped, whatever he guesses then."""
    gateway(own_erp)
    # On a busy machine the guesses themselves take long enough for some to be forgiven.
    own_erp.write(own_erp.config, '[limits]\nverify-per-minute = 1\n')
    own_erp.restart_service()
    done = own_erp.run('for guess in $(seq 12); do echo "$guess" | pamtester gateway alice '
                       f'authenticate; done; echo "{SECRET}" | pamtester gateway alice authenticate',
                       check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith('Have exhausted maximum number of retries for service')


# ---- The service in every state ----

def timed(*arguments):
    """su's end, and how long it took; the first of several that is not late."""
    for _ in range(4):
        start = time.monotonic()
        done, seconds = su(*arguments), time.monotonic() - start
        if seconds < LATE:
            break
    return done, seconds


def test_stopped_service(erp):
    stack(erp, 'su-verify', in_trouble=True)
    pid = erp.service_pid()
    erp.run(['kill', '-STOP', str(pid)])
    done, seconds = timed(erp)
    assert refused(done) and seconds < LATE
    erp.run(['kill', '-CONT', str(pid)])
    wait_until(lambda: allowed(su(erp)), 'a login after that')


def test_stopped_service_with_100_connections_waiting(own_erp):
    stack(own_erp, 'su-verify', in_trouble=True)
    pid = own_erp.service_pid()
    own_erp.run(['kill', '-STOP', str(pid)])
    own_erp.run(['bash', '-c', '''python3 - <<'END' >/dev/null 2>&1 &
import socket, time
waiting = []
for _ in range(100):
    waiting.append(socket.socket(socket.AF_UNIX))
    waiting[-1].setblocking(False)
    waiting[-1].connect_ex('/run/mastersecret/direct')
open('/tmp/waiting', 'w').close()
time.sleep(200)
END
while [ ! -e /tmp/waiting ]; do sleep 0.01; done'''])
    done, seconds = timed(own_erp)
    assert refused(done) and seconds < LATE
    own_erp.run(['kill', '-CONT', str(pid)])


def test_service_that_is_not_there(own_erp):
    """Killed, and nothing may start it again."""
    stack(own_erp, 'su-verify', in_trouble=True)
    own_erp.run(['mv', own_erp.daemon, own_erp.daemon + '.away'])
    own_erp.kill_service()
    done, seconds = timed(own_erp)
    assert refused(done) and seconds < LATE
    stack(own_erp, 'su-verify', ('application=erp', 'application=erp unavailable=ignore\n'
                                 'auth required pam_unix.so try_first_pass'), in_trouble=True)
    assert allowed(su(own_erp, 'alice-login'))
    assert refused(su(own_erp, SECRET))


def test_killed_service_is_started_by_the_bus(own_erp):
    own_erp.kill_service()
    assert allowed(su(own_erp))


def test_restarting_service(own_erp):
    """Each login is decided rightly or refused in time."""
    stack(own_erp, 'su-verify', in_trouble=True)
    own_erp.run(['bash', '-c', '''while [ ! -e /tmp/enough ]; do
    pid=$(busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus \\
        GetConnectionUnixProcessID s org.mastersecret1 2>/dev/null | cut -d' ' -f2)
    [ -n "$pid" ] && kill -KILL "$pid"
    sleep 0.1
done </dev/null >/dev/null 2>&1 &'''])
    for turn in range(10):
        done, seconds = timed(own_erp, SECRET if turn % 2 else 'wrong')
        assert seconds < LATE
        assert refused(done) or (turn % 2 and allowed(done))
    own_erp.run('touch /tmp/enough')
    wait_until(lambda: allowed(su(own_erp)), 'a login after the last restart')


def test_bus_gone(own_erp):
    """The direct socket goes on."""
    own_erp.run('kill "$(cat /run/dbus/pid)"; while [ -e "/proc/$(cat /run/dbus/pid)" ]; do '
            'sleep 0.01; done')
    done, seconds = timed(own_erp)
    assert allowed(done) and seconds < LATE
    assert refused(su(own_erp, 'wrong'))


def test_environment_of_the_caller_is_not_trusted(own_erp):
    """su runs with the caller's environment; the caller must not choose who answers."""
    own_erp.run(['mv', own_erp.daemon, own_erp.daemon + '.away'])
    own_erp.kill_service()
    own_erp.run(['bash', '-c', '''python3 - <<'END' >/dev/null 2>&1 &
import os, socket
listener = socket.socket(socket.AF_UNIX)
listener.bind('/tmp/bus')
os.chmod('/tmp/bus', 0o777)
listener.listen()
open('/tmp/listening', 'w').close()
listener.accept()
open('/tmp/asked', 'w').close()
END
while [ ! -e /tmp/listening ]; do sleep 0.01; done'''])
    done = own_erp.run(['env', 'DBUS_SYSTEM_BUS_ADDRESS=unix:path=/tmp/bus', 'su', 'alice', '-c', 'id'],
                   user='bob', input=SECRET + '\n', check=False)
    assert refused(done)
    assert not os.path.exists(own_erp.path('/tmp/asked'))


# ---- Programs that are not root ----

def gateway(world):
    world.write('/etc/pam.d/gateway', 'auth required pam_mastersecret.so mode=verify '
                + patient('application=erp\naccount required pam_permit.so\n'))


def pamtester(world, user, password):
    gateway(world)
    return world.run(['pamtester', 'gateway', 'alice', 'authenticate', 'acct_mgmt'], user=user,
                     input=password + '\n', check=False).returncode


def test_agents(erp):
    assert pamtester(erp, 'dave', SECRET) == 1
    erp.run(['mastersecret', 'app', 'update', 'erp', '--agents', 'user:dave'])
    assert pamtester(erp, 'dave', SECRET) == 0
    assert pamtester(erp, 'dave', 'wrong') == 1
    assert pamtester(erp, 'bob', SECRET) == 1
    assert pamtester(erp, 'root', SECRET) == 0
    erp.run(['mastersecret', 'app', 'update', 'erp', '--agents', ''])


def test_agents_none(erp):
    erp.run(['mastersecret', 'app', 'update', 'erp', '--agents', 'none'])
    assert pamtester(erp, 'root', SECRET) == 1
    assert refused(su(erp))
    erp.run(['mastersecret', 'app', 'update', 'erp', '--agents', ''])
    assert pamtester(erp, 'root', SECRET) == 0


def test_a_user_asks_for_himself(erp):
    """As a screen locker does."""
    assert pamtester(erp, 'alice', SECRET) == 0
    assert pamtester(erp, 'alice', 'wrong') == 1


# ---- authtok ----

def test_authtok_reaches_the_next_module(erp):
    stack(erp, 'su-authtok')
    assert allowed(su(erp, 'alice-login'))
    assert handed_over(erp) == SECRET


def test_authtok_only_after_the_right_password(erp):
    stack(erp, 'su-authtok')
    assert refused(su(erp, 'wrong'))
    assert refused(su(erp, SECRET))
    assert handed_over(erp) is None


def test_authtok_for_users_without_a_mapping(erp):
    stack(erp, 'su-authtok')
    assert refused(su(erp, 'dave-login', target='dave'))
    stack(erp, 'su-authtok', ('required    pam_mastersecret', 'optional    pam_mastersecret'))
    assert allowed(su(erp, 'dave-login', target='dave'), 'dave')


def test_authtok_with_the_service_away(own_erp):
    """Ignored by default, and the next module gets what was typed; refused with fail."""
    stack(own_erp, 'su-authtok', in_trouble=True)
    own_erp.run(['kill', '-STOP', str(own_erp.service_pid())])
    done, seconds = timed(own_erp, 'alice-login')
    assert allowed(done) and seconds < LATE
    assert handed_over(own_erp) == 'alice-login'
    os.unlink(own_erp.path(TOKEN))
    stack(own_erp, 'su-authtok', ('application=erp', 'application=erp unavailable=fail'), in_trouble=True)
    done, seconds = timed(own_erp, 'alice-login')
    assert refused(done) and seconds < LATE


# ---- What is left behind ----

def test_no_value_in_any_log(erp):
    stack(erp, 'su-verify', ('application=erp', 'application=erp debug'))
    assert allowed(su(erp))
    assert refused(su(erp, 'typed-canary'))
    stack(erp, 'su-authtok', ('application=erp', 'application=erp debug'))
    assert allowed(su(erp, 'alice-login'))
    log = '\n'.join(erp.audited('PAM_AUTHTOK is that of'))
    assert 'pam_mastersecret(su:authenticate)' in log
    for value in (SECRET, 'canary', 'alice-login', 'Tr0ub4dor'):
        assert value not in log


def test_refusals_are_audited_with_both_names(erp):
    assert refused(su(erp, 'wrong'))
    erp.audited('MS0202', 'uid=0', 'user="alice"')


def test_installed_module(erp):
    """Where libpam looks for it, alone, and with nothing but the six functions."""
    assert erp.run("find /usr/lib -name 'pam_mastersecret.*' -printf '%f\\n'").stdout == \
        'pam_mastersecret.so\n'
    listed = erp.run('nm -D --defined-only "$(find /usr/lib -name pam_mastersecret.so)"').stdout
    assert sorted(line.split()[2] for line in listed.splitlines() if ' T ' in line) == [
        'pam_sm_acct_mgmt', 'pam_sm_authenticate', 'pam_sm_chauthtok', 'pam_sm_close_session',
        'pam_sm_open_session', 'pam_sm_setcred']
